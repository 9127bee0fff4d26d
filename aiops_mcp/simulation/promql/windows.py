"""Samples under a grid of evaluation times: instant look-ups, range windows, folds over windows.

Windows are left-open, right-closed, as since Prometheus 3.0. Every block here is dense: series
with gaps or markers are first split off into blocks of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.simulation.promql.frames import Grid, RawMatrix, RawSeries, Vector, empty
from aiops_mcp.simulation.promql.matching import Labels
from aiops_mcp.simulation.promql.store import Block, Floats, Mask, Times

Indexes: TypeAlias = NDArray[np.int64]
_GATHER_CELLS = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class WindowBlock:
    """Dense series and, per evaluation time, the half-open column span [lo, hi) of the window."""

    labels: Sequence[Labels]
    timestamps: Times
    values: Floats
    lo: Indexes
    hi: Indexes

    @property
    def counts(self) -> Indexes:
        return self.hi - self.lo

    def first(self) -> Floats:
        """The first value of each window; of no meaning where the window is empty."""
        return self.values[:, np.minimum(self.lo, self.timestamps.shape[0] - 1)]

    def last(self) -> Floats:
        """The last value of each window; of no meaning where the window is empty."""
        return self.values[:, np.maximum(self.hi - 1, 0)]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """A range vector over a grid; ``ends`` are the right edges after offset and ``@``."""

    blocks: Sequence[WindowBlock]
    ends: Times
    range_ms: int
    grid: Grid

    def vector(self, function: Callable[[WindowBlock], tuple[Floats, Mask]]) -> Vector:
        """Apply a function to each block; it returns values (n, T) and presence, (T,) or (n, T)."""
        if not self.blocks:
            return empty(self.grid)
        labels: list[Labels] = []
        total = sum(len(block.labels) for block in self.blocks)
        values = np.empty((total, self.grid.size))
        present = np.empty((total, self.grid.size), dtype=np.bool_)
        row = 0
        for block in self.blocks:
            span = slice(row, row + len(block.labels))
            values[span], present[span] = function(block)
            labels.extend(block.labels)
            row = span.stop
        return Vector(labels, values, present)

    def raw(self) -> RawMatrix:
        """The samples of the window at the only evaluation time."""
        series = [
            RawSeries(labels, block.timestamps[lo:hi], block.values[row, lo:hi])
            for block in self.blocks
            for lo, hi in [(int(block.lo[0]), int(block.hi[0]))]
            if hi > lo
            for row, labels in enumerate(block.labels)
        ]
        return RawMatrix(series)


def instant(
    blocks: Sequence[Block], grid: Grid, times: Times, lookback_ms: int
) -> tuple[Vector, Floats]:
    """The latest sample at each time, no older than the lookback, and its timestamps in seconds.

    The timestamps have the vector's shape and mean nothing where it is absent.
    """
    parts = [part for block in blocks for part in _dense(block, _negated(block.missing))]
    total = sum(len(part.labels) for part in parts)
    values = np.empty((total, grid.size))
    present = np.empty((total, grid.size), dtype=np.bool_)
    taken = np.empty((total, grid.size))
    labels: list[Labels] = []
    row = 0
    for part in parts:
        span = slice(row, row + len(part.labels))
        columns = np.searchsorted(part.timestamps, times, side="right") - 1
        found = columns >= 0
        columns = np.maximum(columns, 0)
        stamps = part.timestamps[columns]
        found &= stamps > times - lookback_ms
        np.take(part.values, columns, axis=1, out=values[span])
        present[span] = found
        if part.stale is not None:
            present[span] &= ~part.stale[:, columns]
        taken[span] = stamps / 1000
        labels.extend(part.labels)
        row = span.stop
    return Vector(labels, values, present), taken


def ranges(blocks: Sequence[Block], grid: Grid, ends: Times, range_ms: int) -> Windows:
    """The windows of a range selector; staleness markers are no samples."""
    parts: list[WindowBlock] = []
    for block in blocks:
        dropped = block.missing
        if block.stale is not None:
            dropped = block.stale if dropped is None else block.stale | dropped
        parts.extend(
            _windows_of(part.labels, part.timestamps, part.values, ends, range_ms)
            for part in _dense(block, _negated(dropped))
        )
    return Windows(parts, ends, range_ms, grid)


def subquery_windows(
    inner: Vector, times: Times, grid: Grid, ends: Times, range_ms: int
) -> Windows:
    """The windows of a subquery over the values its expression had at its own times."""
    block = Block(times, inner.values, inner.labels)
    parts = [
        _windows_of(part.labels, part.timestamps, part.values, ends, range_ms)
        for part in _dense(block, inner.present)
    ]
    return Windows(parts, ends, range_ms, grid)


def _windows_of(
    labels: Sequence[Labels], timestamps: Times, values: Floats, ends: Times, range_ms: int
) -> WindowBlock:
    lo = np.searchsorted(timestamps, ends - range_ms, side="right")
    hi = np.searchsorted(timestamps, ends, side="right")
    return WindowBlock(labels, timestamps, values, lo, hi)


def _negated(mask: Mask | None) -> Mask | None:
    return None if mask is None else ~mask


def _dense(block: Block, kept: Mask | None) -> Iterator[Block]:
    """Blocks without gaps: rows with the same cells kept stay together."""
    if kept is None or kept.all():
        if block.timestamps.size and len(block.labels):
            yield block
        return
    patterns: dict[bytes, list[int]] = {}
    packed = np.packbits(kept, axis=1)
    for row in range(len(block.labels)):
        patterns.setdefault(packed[row].tobytes(), []).append(row)
    for rows in patterns.values():
        columns = np.flatnonzero(kept[rows[0]])
        if columns.size:
            chosen = np.array(rows)[:, None]
            yield Block(
                block.timestamps[columns],
                block.values[chosen, columns],
                [block.labels[row] for row in rows],
                stale=None if block.stale is None else block.stale[chosen, columns],
            )


def fold(combine: "np.ufunc", identity: float, values: Floats, lo: Indexes, hi: Indexes) -> Floats:
    """Reduce each window with an associative function, shape (n, T).

    Windows are put together from spans of 1, 2, 4 … columns, so the work grows with the logarithm
    of the window and sums are pairwise.
    """
    lengths = hi - lo
    longest = int(lengths.max(initial=0))
    out = np.full((values.shape[0], lo.shape[0]), identity)
    position = lo.copy()
    level: Any = values
    width = 1
    while width <= longest:
        chosen = np.flatnonzero(lengths & width)
        if chosen.size:
            out[:, chosen] = combine(out[:, chosen], level[:, position[chosen]])
            position[chosen] += width
        if 2 * width <= longest:
            level = combine(level[:, :-width], level[:, width:])
        width *= 2
    return out


def gathered(block: WindowBlock) -> Iterator[tuple[slice, Floats, Mask]]:
    """Window contents side by side, some evaluation times at once.

    Yields the span of evaluation times, values (n, times, w) and which cells belong to the window
    (times, w); w is the longest window of the span.
    """
    rows = max(1, block.values.shape[0])
    counts = block.counts
    longest = int(counts.max(initial=0))
    if longest == 0:
        return
    at_once = max(1, _GATHER_CELLS // (rows * longest))
    last_column = block.timestamps.shape[0] - 1
    offsets = np.arange(longest)
    for start in range(0, counts.shape[0], at_once):
        span = slice(start, start + at_once)
        columns = block.lo[span, None] + offsets
        inside = offsets < counts[span, None]
        yield span, block.values[:, np.minimum(columns, last_column)], inside
