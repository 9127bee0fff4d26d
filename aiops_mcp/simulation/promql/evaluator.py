"""Evaluates a planned query over a whole grid of times at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql import aggregation, ranking
from aiops_mcp.simulation.promql.binary import VectorMatch, scalars, set_operation, with_scalar
from aiops_mcp.simulation.promql.frames import (
    Grid,
    Notes,
    QueryFailed,
    Scalar,
    Text,
    Value,
    Vector,
    relabel,
)
from aiops_mcp.simulation.promql.functions import FUNCTIONS
from aiops_mcp.simulation.promql.invocation import Invocation
from aiops_mcp.simulation.promql.matching import without_name
from aiops_mcp.simulation.promql.planner import Plan
from aiops_mcp.simulation.promql.store import Block, Floats, SeriesStore, Times
from aiops_mcp.simulation.promql.windows import Windows, instant, ranges, subquery_windows

_TOO_MANY = "query processing would load too many samples into memory in query execution"


@dataclass(slots=True)
class Evaluator:
    """One run of one query. ``check_deadline`` raises when the query's time is up."""

    plan: Plan
    store: SeriesStore
    lookback_ms: int
    evaluation_interval_ms: int
    max_samples: int
    check_deadline: Callable[[], None]
    notes: Notes = field(default_factory=Notes)
    _selected: dict[tuple[tuple[tree.Matcher, ...], int, int], Sequence[Block]] = field(
        default_factory=dict[tuple[tuple[tree.Matcher, ...], int, int], Sequence[Block]]
    )

    def value(self, node: tree.Node, grid: Grid) -> Value:
        """The value of a scalar, string or vector expression.

        Raises:
            QueryFailed: when the expression cannot be evaluated over this data.
        """
        self.check_deadline()
        if grid.size > 1 and id(node) in self.plan.invariant:
            return _spread(self._value(node, grid.at(grid.times[:1], grid.step_ms)), grid.size)
        return self._value(node, grid)

    def vector(self, node: tree.Node, grid: Grid) -> Vector:
        value = self.value(node, grid)
        if not isinstance(value, Vector):
            raise QueryFailed("expected an instant vector", "bad_data")
        return value

    def scalar(self, node: tree.Node, grid: Grid) -> Floats:
        """The values of a scalar expression, shape (T,)."""
        value = self.value(node, grid)
        if not isinstance(value, Scalar):
            raise QueryFailed("expected a scalar", "bad_data")
        return value.values

    def windows(self, node: tree.Node, grid: Grid) -> Windows:
        """The windows of a range selector or subquery."""
        self.check_deadline()
        match tree.without_parens(node):
            case tree.Range(selector=selector, range=length):
                ends = self._times(selector.at, selector.offset, grid)
                range_ms = self._length(length, grid)
                blocks = self._select(selector, int(ends.min()) - range_ms, int(ends.max()))
                return ranges(blocks, grid, ends, range_ms)
            case tree.Subquery() as subquery:
                return self._subquery(subquery, grid)
            case _:
                raise QueryFailed("expected a range vector", "bad_data")

    def sampled(self, selector: tree.Selector, grid: Grid) -> tuple[Vector, Floats]:
        """A selector's values and the times of its samples in seconds."""
        times = self._times(selector.at, selector.offset, grid)
        first, last = int(times.min()) - self.lookback_ms, int(times.max())
        blocks = self._select(selector, first, last)
        self._limit(sum(len(block.labels) for block in blocks) * grid.size)
        return instant(blocks, grid, times, self.lookback_ms)

    def _value(self, node: tree.Node, grid: Grid) -> Value:  # noqa: PLR0911 - one return a node type
        match node:
            case tree.Number():
                return Scalar(np.full(grid.size, node.value))
            case tree.String():
                return Text(node.value)
            case tree.Paren():
                return self.value(node.expr, grid)
            case tree.Selector():
                return self.sampled(node, grid)[0]
            case tree.Unary():
                return self._negated(self.value(node.expr, grid))
            case tree.Call():
                return FUNCTIONS[node.function](Invocation(node, grid, self))
            case tree.Aggregate():
                return self._aggregate(node, grid)
            case tree.Binary():
                return self._binary(node, grid)
            case tree.Range() | tree.Subquery():
                raise QueryFailed("a range vector has no value at one time", "bad_data")

    @staticmethod
    def _negated(value: Value) -> Value:
        if isinstance(value, Vector):
            return relabel(Vector(value.labels, -value.values, value.present), without_name)
        return Scalar(-value.values) if isinstance(value, Scalar) else value

    def _binary(self, node: tree.Binary, grid: Grid) -> Value:
        left, right = self.value(node.left, grid), self.value(node.right, grid)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return scalars(node, left, right)
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return with_scalar(node, left, right, swapped=False)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return with_scalar(node, right, left, swapped=True)
        if not isinstance(left, Vector) or not isinstance(right, Vector):
            raise QueryFailed("operators take no strings", "bad_data")
        if node.op in tree.SET_OPERATORS:
            return set_operation(node, left, right)
        result = VectorMatch(node, left, right, grid).run()
        self._limit(result.values.size)
        return result

    def _aggregate(self, node: tree.Aggregate, grid: Grid) -> Vector:
        grouping, without = node.grouping, node.without
        if node.op == "count_values" and node.parameter is not None:
            label = self.value(node.parameter, grid)
            vector = self.vector(node.expr, grid)
            name = label.value if isinstance(label, Text) else ""
            if not name:
                raise QueryFailed(f'invalid label name "{name}"')
            return aggregation.count_values(vector, name, grouping, grid, without=without)
        if node.parameter is None:
            vector = self.vector(node.expr, grid)
            return aggregation.aggregate(node.op, vector, grouping, without=without)
        parameter = self.scalar(node.parameter, grid)
        vector = self.vector(node.expr, grid)
        match node.op:
            case "quantile":
                self.warn_quantile(parameter)
                return aggregation.quantile(vector, parameter, grouping, without=without)
            case "limitk":
                return ranking.limited(vector, parameter, grouping, without=without)
            case "limit_ratio":
                self._warn_ratio(parameter)
                return ranking.sampled(vector, parameter)
            case _:
                largest = node.op == "topk"
                return ranking.ranked(vector, parameter, grouping, without=without, largest=largest)

    def _warn_ratio(self, ratio: Floats) -> None:
        for value in ratio[np.abs(ratio) > 1][:1].tolist():
            capped = 1 if value > 0 else -1
            self.notes.warn(
                f"ratio value should be between -1 and 1, got {value:g}, capping to {capped}"
            )

    def warn_quantile(self, q: Floats) -> None:
        """Note quantiles outside [0, 1]."""
        for value in q[~((q >= 0) & (q <= 1))][:1].tolist():
            self.notes.warn(f"quantile value should be between 0 and 1, got {value:g}")

    def _subquery(self, node: tree.Subquery, grid: Grid) -> Windows:
        ends = self._times(node.at, node.offset, grid)
        range_ms = self._length(node.range, grid)
        step = self.evaluation_interval_ms if node.step is None else self._length(node.step, grid)
        # Steps lie on multiples of the step, wherever the query starts.
        first = (int(ends.min()) - range_ms) // step * step + step
        self._limit((int(ends.max()) - first) // step + 1)
        times = np.arange(first, int(ends.max()) + 1, step, dtype=np.int64)
        if times.size:
            following = ends[np.searchsorted(ends, times)]
            times = times[times > following - range_ms]
        if not times.size:
            return Windows([], ends, range_ms, grid)
        inner = self.vector(node.expr, grid.at(times, step))
        return subquery_windows(inner, times, grid, ends, range_ms)

    def _select(self, selector: tree.Selector, start_ms: int, end_ms: int) -> Sequence[Block]:
        key = (selector.all_matchers, start_ms, end_ms)
        if key not in self._selected:
            blocks = self.store.select(*key)
            self._limit(sum(block.values.size for block in blocks))
            self._selected[key] = blocks
        return self._selected[key]

    def _limit(self, cells: int) -> None:
        if cells > self.max_samples:
            raise QueryFailed(_TOO_MANY)

    def _times(self, at: tree.At | None, offset: tree.Duration, grid: Grid) -> Times:
        shift = self._duration(offset, grid)
        if at is None:
            return grid.times - shift
        pinned = {"start": grid.query_start_ms, "end": grid.query_end_ms}
        fixed = pinned[at] if isinstance(at, str) else at
        return np.full(grid.size, fixed - shift, dtype=np.int64)

    def _length(self, duration: tree.Duration, grid: Grid) -> int:
        length = self._duration(duration, grid)
        if length <= 0:
            raise QueryFailed("duration must be greater than 0", "bad_data")
        return length

    @staticmethod
    def _duration(duration: tree.Duration, grid: Grid) -> int:
        if isinstance(duration, int):
            return duration
        span = grid.query_end_ms - grid.query_start_ms
        try:
            return tree.duration_ms(duration, step_ms=grid.query_step_ms, range_ms=span)
        except (ZeroDivisionError, OverflowError, ValueError) as error:
            raise QueryFailed(f"bad duration expression: {error}", "bad_data") from error


def _spread(value: Value, size: int) -> Value:
    """A value known at one time, at every time."""
    if isinstance(value, Scalar):
        return Scalar(np.repeat(value.values, size))
    if isinstance(value, Vector):
        shape = (len(value.labels), size)
        return Vector(
            value.labels,
            np.broadcast_to(value.values, shape),
            np.broadcast_to(value.present, shape),
        )
    return value
