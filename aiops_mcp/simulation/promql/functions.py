"""The function table: PromQL's names to their implementations.

Functions of native histograms answer what Prometheus answers over floats: nothing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql import (
    elementwise,
    histogram,
    infometric,
    over_time,
    rates,
    regression,
    relabelling,
)
from aiops_mcp.simulation.promql.frames import (
    Grid,
    Notes,
    Scalar,
    Text,
    Value,
    Vector,
    empty,
    joined,
    relabel,
)
from aiops_mcp.simulation.promql.matching import Labels, labels_from, without_name
from aiops_mcp.simulation.promql.numerals import plain
from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.windows import WindowBlock, Windows


class Evaluates(Protocol):
    """The part of the evaluator that functions use."""

    @property
    def notes(self) -> Notes: ...
    def value(self, node: tree.Node, grid: Grid) -> Value: ...
    def vector(self, node: tree.Node, grid: Grid) -> Vector: ...
    def scalar(self, node: tree.Node, grid: Grid) -> Floats: ...
    def windows(self, node: tree.Node, grid: Grid) -> Windows: ...
    def sampled(self, selector: tree.Selector, grid: Grid) -> tuple[Vector, Floats]: ...
    def warn_quantile(self, q: Floats) -> None: ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call at one place in a query, with what it needs to evaluate its arguments."""

    node: tree.Call
    grid: Grid
    evaluator: Evaluates

    @property
    def count(self) -> int:
        return len(self.node.args)

    def vector(self, position: int = 0) -> Vector:
        return self.evaluator.vector(self.node.args[position], self.grid)

    def scalar(self, position: int) -> Floats:
        return self.evaluator.scalar(self.node.args[position], self.grid)

    def text(self, position: int) -> str:
        value = self.evaluator.value(self.node.args[position], self.grid)
        return value.value if isinstance(value, Text) else ""

    def windows(self, position: int = 0) -> Windows:
        return self.evaluator.windows(self.node.args[position], self.grid)


Function: TypeAlias = Callable[[Invocation], Value]
Reduction: TypeAlias = Callable[[WindowBlock], tuple[Floats, Mask]]


def _seconds(call: Invocation) -> Floats:
    return call.grid.times / 1000


def _constant(call: Invocation, value: float) -> Scalar:
    return Scalar(np.full(call.grid.size, value))


def _mapped(vector: Vector, values: Floats, present: Mask | None = None) -> Vector:
    names = [without_name(labels) for labels in vector.labels]
    return joined(names, values, vector.present if present is None else present)


# --- scalars and conversions ----------------------------------------------------------------


def _scalar(call: Invocation) -> Value:
    vector = call.vector()
    alone = vector.present.sum(axis=0) == 1
    total = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return Scalar(np.where(alone, total, math.nan))


def _vector(call: Invocation) -> Value:
    values = call.scalar(0)[None]
    return Vector([()], values, np.ones(values.shape, dtype=np.bool_))


def _pair(combine: "np.ufunc") -> Function:
    return lambda call: Scalar(combine(call.scalar(0), call.scalar(1)))


def _timestamp(call: Invocation) -> Value:
    argument = tree.without_parens(call.node.args[0])
    if isinstance(argument, tree.Selector):
        vector, stamps = call.evaluator.sampled(argument, call.grid)
    else:
        vector = call.vector()
        stamps = np.broadcast_to(_seconds(call), vector.values.shape)
    return _mapped(vector, stamps)


# --- one value to one value -----------------------------------------------------------------


def _elementwise(function: Callable[[Floats], Floats]) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        return _mapped(vector, function(vector.values))

    return run


def _calendar(function: Callable[[Floats], Floats]) -> Function:
    def run(call: Invocation) -> Value:
        if call.count:
            vector = call.vector()
            return _mapped(vector, function(vector.values))
        values = function(_seconds(call))[None]
        return Vector([()], values, np.ones(values.shape, dtype=np.bool_))

    return run


def _round(call: Invocation) -> Value:
    vector = call.vector()
    to = call.scalar(1) if call.count > 1 else np.ones(call.grid.size)
    return _mapped(vector, elementwise.rounded(vector.values, to))


def _clamp(low: int | None, high: int | None) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        values = vector.values
        if low is None or high is None:
            bound = call.scalar(1)
            held = np.minimum(values, bound) if low is None else np.maximum(values, bound)
            return _mapped(vector, held)
        held, sound = elementwise.clamped(values, call.scalar(low), call.scalar(high))
        return _mapped(vector, held, vector.present & sound)

    return run


# --- labels and order -----------------------------------------------------------------------


def _label_replace(call: Invocation) -> Value:
    texts = [call.text(position) for position in range(1, 5)]
    return relabelling.replace(call.vector(), *texts)


def _label_join(call: Invocation) -> Value:
    target, separator, *sources = [call.text(position) for position in range(1, call.count)]
    return relabelling.join(call.vector(), target, separator, sources)


def _sort(*, down: bool) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        if call.grid.size != 1:
            return vector  # A range query's answer is ordered by labels.
        keys = -vector.values[:, 0] if down else vector.values[:, 0]
        return _reordered(vector, np.argsort(keys, kind="stable").tolist())

    return run


def _sort_by_label(*, down: bool) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        names = [call.text(position) for position in range(1, call.count)]
        return _reordered(vector, relabelling.order_by_labels(vector.labels, names, down=down))

    return run


def _reordered(vector: Vector, order: list[int]) -> Vector:
    labels = [vector.labels[row] for row in order]
    return Vector(labels, vector.values[order], vector.present[order])


# --- absence --------------------------------------------------------------------------------


def _absent(call: Invocation) -> Value:
    vector = call.vector()
    argument = tree.without_parens(call.node.args[0])
    matchers = argument.all_matchers if isinstance(argument, tree.Selector) else ()
    return _ones_where(relabelling.absent_labels(matchers), ~vector.present.any(axis=0))


def _absent_over_time(call: Invocation) -> Value:
    windows = call.windows()
    found = np.zeros(call.grid.size, dtype=np.bool_)
    for block in windows.blocks:
        found |= block.counts > 0
    argument = tree.without_parens(call.node.args[0])
    matchers = argument.selector.all_matchers if isinstance(argument, tree.Range) else ()
    return _ones_where(relabelling.absent_labels(matchers), ~found)


def _ones_where(labels: Labels, present: Mask) -> Vector:
    return Vector([labels], np.ones((1, present.size)), present[None])


# --- histograms -----------------------------------------------------------------------------


def _histogram_quantile(call: Invocation) -> Value:
    q = call.scalar(0)
    call.evaluator.warn_quantile(q)
    return histogram.per_histogram(call.vector(1), histogram.quantile(q), call.evaluator.notes)


def _histogram_quantiles(call: Invocation) -> Value:
    vector, label = call.vector(), call.text(1)
    parts: list[Vector] = []
    for position in range(2, call.count):
        q = call.scalar(position)
        call.evaluator.warn_quantile(q)
        one = histogram.per_histogram(vector, histogram.quantile(q), call.evaluator.notes)
        text = plain(float(q[0])) if q.size else ""
        text = text if "." in text or not text[-1:].isdigit() else f"{text}.0"
        parts.append(relabel(one, lambda known, t=text: labels_from({**dict(known), label: t})))
    return joined(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
    )


def _histogram_fraction(call: Invocation) -> Value:
    share = histogram.fraction(call.scalar(0), call.scalar(1))
    return histogram.per_histogram(call.vector(2), share, call.evaluator.notes)


def _of_native_histograms(call: Invocation) -> Value:
    call.vector(call.count - 1)
    return empty(call.grid)


def _info(call: Invocation) -> Value:
    asked = tree.without_parens(call.node.args[1]) if call.count > 1 else None
    matchers = asked.all_matchers if isinstance(asked, tree.Selector) else ()

    def read(selector: tree.Selector) -> Vector:
        return call.evaluator.sampled(selector, call.grid)[0]

    return infometric.enriched(call.vector(), matchers, read)


# --- windows --------------------------------------------------------------------------------


def _over(reduce: Reduction, *, keep_name: bool = False) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.windows().vector(reduce)
        return vector if keep_name else relabel(vector, without_name)

    return run


def _rate(*, counter: bool, per_second: bool) -> Function:
    def run(call: Invocation) -> Value:
        windows = call.windows()

        def reduce(block: WindowBlock) -> tuple[Floats, Mask]:
            return rates.extrapolated(windows, block, counter=counter, per_second=per_second)

        vector = windows.vector(reduce)
        if counter:
            _note_non_counters(vector, call.evaluator.notes)
        return relabel(vector, without_name)

    return run


def _note_non_counters(vector: Vector, notes: Notes) -> None:
    for labels in vector.labels:
        name = dict(labels).get(tree.METRIC_NAME, "")
        if name and not name.endswith(("_total", "_sum", "_count", "_bucket")):
            notes.inform(
                "metric might not be a counter, name does not end in "
                f'_total/_sum/_count/_bucket: "{name}"'
            )


def _quantile_over_time(call: Invocation) -> Value:
    q = call.scalar(0)
    call.evaluator.warn_quantile(q)
    vector = call.windows(1).vector(lambda block: over_time.quantiles(block, q))
    return relabel(vector, without_name)


def _predict_linear(call: Invocation) -> Value:
    ahead = call.scalar(1)
    times = call.grid.times.astype(np.float64)
    vector = call.windows().vector(lambda block: regression.predicted(block, times, ahead))
    return relabel(vector, without_name)


def _smoothing(call: Invocation) -> Value:
    factor, trend = call.scalar(1), call.scalar(2)
    vector = call.windows().vector(lambda block: over_time.smoothed(block, factor, trend))
    return relabel(vector, without_name)


FUNCTIONS: Mapping[str, Function] = {
    "time": lambda call: Scalar(_seconds(call)),
    "pi": lambda call: _constant(call, math.pi),
    "start": lambda call: _constant(call, call.grid.query_start_ms / 1000),
    "end": lambda call: _constant(call, call.grid.query_end_ms / 1000),
    "range": lambda call: _constant(
        call, (call.grid.query_end_ms - call.grid.query_start_ms) / 1000
    ),
    "step": lambda call: _constant(call, call.grid.query_step_ms / 1000),
    "min_of": _pair(np.minimum),
    "max_of": _pair(np.maximum),
    "scalar": _scalar,
    "vector": _vector,
    "timestamp": _timestamp,
    "round": _round,
    "clamp": _clamp(1, 2),
    "clamp_min": _clamp(1, None),
    "clamp_max": _clamp(None, 1),
    "label_replace": _label_replace,
    "label_join": _label_join,
    "sort": _sort(down=False),
    "sort_desc": _sort(down=True),
    "sort_by_label": _sort_by_label(down=False),
    "sort_by_label_desc": _sort_by_label(down=True),
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "info": _info,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "histogram_fraction": _histogram_fraction,
    "histogram_avg": _of_native_histograms,
    "histogram_count": _of_native_histograms,
    "histogram_sum": _of_native_histograms,
    "histogram_stddev": _of_native_histograms,
    "histogram_stdvar": _of_native_histograms,
    "rate": _rate(counter=True, per_second=True),
    "increase": _rate(counter=True, per_second=False),
    "delta": _rate(counter=False, per_second=False),
    "irate": _over(lambda block: rates.instant_change(block, rate=True)),
    "idelta": _over(lambda block: rates.instant_change(block, rate=False)),
    "deriv": _over(regression.derivative),
    "predict_linear": _predict_linear,
    "double_exponential_smoothing": _smoothing,
    "holt_winters": _smoothing,
    "changes": _over(over_time.changes),
    "resets": _over(over_time.resets),
    "sum_over_time": _over(over_time.sums),
    "avg_over_time": _over(over_time.averages),
    "min_over_time": _over(lambda block: over_time.extremes(block, np.fmin)),
    "max_over_time": _over(lambda block: over_time.extremes(block, np.fmax)),
    "count_over_time": _over(over_time.counts),
    "present_over_time": _over(over_time.presence),
    "last_over_time": _over(over_time.last_value, keep_name=True),
    "first_over_time": _over(over_time.first_value, keep_name=True),
    "stddev_over_time": _over(over_time.deviations),
    "stdvar_over_time": _over(over_time.variances),
    "mad_over_time": _over(over_time.median_deviations),
    "quantile_over_time": _quantile_over_time,
    "ts_of_first_over_time": _over(lambda block: over_time.edge_times(block, last=False)),
    "ts_of_last_over_time": _over(lambda block: over_time.edge_times(block, last=True)),
    "ts_of_min_over_time": _over(lambda block: over_time.extreme_times(block, largest=False)),
    "ts_of_max_over_time": _over(lambda block: over_time.extreme_times(block, largest=True)),
    **{name: _elementwise(function) for name, function in elementwise.SIMPLE.items()},
    **{name: _calendar(function) for name, function in elementwise.CALENDAR.items()},
}
