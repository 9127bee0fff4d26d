"""Where the evaluator reads samples: a protocol, its unit (the block), and a store of arrays.

A block holds series that share their timestamps, as the series of one scrape target do, so that
windows are found once per target. Nothing here knows PromQL beyond label matchers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.promql.tree import METRIC_NAME, Matcher
from aiops_mcp.simulation.promql.matching import Labels, matches_all

Floats: TypeAlias = NDArray[np.float64]
Times: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Series (rows) over shared timestamps (columns).

    ``timestamps`` are milliseconds, rising, shape (S,); ``values`` has shape (n, S). ``missing``
    marks cells without a sample, ``stale`` cells that hold a staleness marker, which ends a
    series at once; None means no such cell.
    """

    timestamps: Times
    values: Floats
    labels: Sequence[Labels]
    missing: Mask | None = None
    stale: Mask | None = None


@dataclass(frozen=True, slots=True)
class MetricMetadata:
    type: str
    help: str = ""
    unit: str = ""


class SeriesStore(Protocol):
    """What the evaluator and the HTTP API ask of a source of series.

    Called from several threads at once. Times are milliseconds, both ends included; a store may
    return samples outside them, and then they count as history.
    """

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Block]:
        """The samples of every series that fulfils all matchers."""
        ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterable[Labels]:
        """The label sets of series with a sample in that time; no matcher means every series."""
        ...

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric name, as a scrape would have told them."""
        ...


@runtime_checkable
class NamedStore(Protocol):
    """A store that knows its metric names without going through all series."""

    def names(self) -> Iterable[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """One series: milliseconds rising, values, and where it carries staleness markers."""

    labels: Labels
    timestamps: Times
    values: Floats
    stale: Mask | None = None


class ArrayStore:
    """Series held in memory, grouped by metric and shared timestamps."""

    def __init__(
        self, series: Iterable[Samples], metadata: Mapping[str, MetricMetadata] | None = None
    ) -> None:
        groups: dict[tuple[str, bytes], list[Samples]] = {}
        for one in sorted(series, key=lambda samples: samples.labels):
            key = (dict(one.labels).get(METRIC_NAME, ""), one.timestamps.tobytes())
            groups.setdefault(key, []).append(one)
        self._by_name: dict[str, list[Block]] = {}
        for (name, _), members in groups.items():
            self._by_name.setdefault(name, []).append(_block(members))
        self._metadata = dict(metadata or {})

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Block]:
        found = (_cut(block, matchers, start_ms, end_ms) for block in self._blocks(matchers))
        return [block for block in found if block is not None]

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterable[Labels]:
        for block in self.select(matchers, start_ms, end_ms):
            if block.stale is None:
                yield from block.labels
            else:
                alive: Mask = np.asarray(~block.stale.all(axis=1))
                yield from (
                    labels for labels, kept in zip(block.labels, alive, strict=True) if kept
                )

    def metadata(self) -> Mapping[str, MetricMetadata]:
        return self._metadata

    def head(self) -> tuple[int, int, int]:
        """Number of series, and the first and last timestamp (0, 0 when empty)."""
        blocks = [block for blocks in self._by_name.values() for block in blocks]
        if not blocks:
            return 0, 0, 0
        first = min(int(block.timestamps[0]) for block in blocks)
        last = max(int(block.timestamps[-1]) for block in blocks)
        return sum(len(block.labels) for block in blocks), first, last

    def _blocks(self, matchers: Sequence[Matcher]) -> list[Block]:
        for matcher in matchers:
            if matcher.name == METRIC_NAME and matcher.op == "=":
                return self._by_name.get(matcher.value, [])
        return [block for blocks in self._by_name.values() for block in blocks]


def _block(members: Sequence[Samples]) -> Block:
    stale = None
    if any(one.stale is not None and one.stale.any() for one in members):
        none = np.zeros(members[0].timestamps.shape, dtype=np.bool_)
        stale = np.stack([none if one.stale is None else one.stale for one in members])
    values = np.stack([one.values for one in members])
    return Block(members[0].timestamps, values, [one.labels for one in members], stale=stale)


def _cut(block: Block, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Block | None:
    first, last = np.searchsorted(block.timestamps, [start_ms, end_ms + 1])
    if first == last:
        return None
    rows = [i for i, labels in enumerate(block.labels) if matches_all(matchers, labels)]
    if not rows:
        return None
    every = len(rows) == len(block.labels)
    kept = slice(None) if every else rows
    return Block(
        block.timestamps[first:last],
        block.values[kept, first:last],
        block.labels if every else [block.labels[i] for i in rows],
        stale=None if block.stale is None else block.stale[kept, first:last],
    )
