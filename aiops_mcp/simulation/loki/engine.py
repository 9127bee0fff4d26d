"""Runs LogQL over streams: lines of a log query, numbers of a metric query."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from aiops_mcp.logql import tree
from aiops_mcp.simulation.loki.binary import Operand, combine
from aiops_mcp.simulation.loki.pipeline import rows_of
from aiops_mcp.simulation.loki.ranges import range_series
from aiops_mcp.simulation.loki.rows import Row
from aiops_mcp.simulation.loki.series import QueryRefused, Series, Times
from aiops_mcp.simulation.loki.streams import ClusterStreams, Stream
from aiops_mcp.simulation.loki.vectors import aggregate, label_replace

MOST_SERIES = 500


@dataclass(slots=True)
class Totals:
    """What a query read: for the statistics of its answer."""

    lines: int = 0
    bytes: int = 0
    streams: int = 0


@dataclass(frozen=True, slots=True)
class LogWindow:
    """From ``start`` until before ``end`` (nanoseconds); ``interval`` (nanoseconds) thins out."""

    start: int
    end: int
    limit: int
    forward: bool = False
    interval: int = 0


class Engine:
    """Answers queries of one tenant."""

    def __init__(self, streams: ClusterStreams) -> None:
        self._streams = streams
        self.totals = Totals()

    def lines(self, query: tree.LogQuery, window: LogWindow) -> list[Row]:
        """The first lines from the window's start or, backward, its end; oldest or newest first.

        Raises:
            InvalidLogql: a template cannot be read.
        """
        found: list[Row] = []
        for start, end in _slices(window):
            streams = self._select(query.selector, start, end)
            rows = sorted(rows_of(streams, query.stages), key=_by_time, reverse=not window.forward)
            found += rows if not window.interval else _thinned(rows, window.interval)
            if len(found) >= window.limit:
                break
        return list(islice(found, window.limit))

    def numbers(self, query: tree.MetricQuery, steps: Times) -> list[Series] | float:
        """A metric query at every step (nanoseconds); a number where it has no vector.

        Raises:
            QueryRefused: as Loki refuses with 400 while it runs.
            InvalidLogql: a template cannot be read.
        """
        answer = self._evaluate(query, steps)
        if isinstance(answer, list) and len(answer) > MOST_SERIES:
            raise QueryRefused(
                f"maximum number of series ({MOST_SERIES}) reached for a single query; consider "
                "reducing query cardinality by adding more specific stream selectors, reducing "
                "the time range, or aggregating results with functions like sum, count or topk"
            )
        return answer

    def _evaluate(self, node: tree.MetricQuery, steps: Times) -> Operand:
        match node:
            case tree.Number(value):
                return value
            case tree.VectorNumber(value):
                return [Series((), np.full(len(steps), value))]
            case tree.RangeAggregation():
                return range_series(node, steps, self._select)
            case tree.VectorAggregation():
                return aggregate(node, self._vector(node.expr, steps, node.op))
            case tree.LabelReplace():
                return label_replace(node, self._vector(node.expr, steps, "label_replace"))
            case tree.Binary():
                left, right = self._evaluate(node.left, steps), self._evaluate(node.right, steps)
                return combine(node, left, right)

    def _vector(self, node: tree.MetricQuery, steps: Times, op: str) -> list[Series]:
        found = self._evaluate(node, steps)
        if isinstance(found, list):
            return found
        raise QueryRefused(f"{op} needs a vector, got a number")

    def _select(self, selector: tree.Selector, start: int, end: int) -> list[Stream]:
        found = self._streams.select(selector.matchers, start, end)
        self.totals.streams = max(self.totals.streams, len(found))
        for stream in found:
            self.totals.lines += len(stream.entries)
            self.totals.bytes += sum(len(entry.line) for entry in stream.entries)
        return found


def _by_time(row: Row) -> int:
    return row.ns


_FIRST_SLICE = 600_000_000_000


def _slices(window: LogWindow) -> Iterator[tuple[int, int]]:
    """Parts of the window, each twice as long as the one before: most queries need the first."""
    length = _FIRST_SLICE
    start, end = window.start, window.end
    while start < end:
        if window.forward:
            middle = min(end, start + length)
            yield start, middle
            start = middle
        else:
            middle = max(start, end - length)
            yield middle, end
            end = middle
        length *= 2


def _thinned(rows: list[Row], interval: int) -> Iterator[Row]:
    """Of each stream one line in every interval."""
    last: dict[tuple[tuple[str, str], ...], int] = {}
    for row in rows:
        key = row.key
        if key not in last or abs(row.ns - last[key]) >= interval:
            last[key] = row.ns
            yield row
