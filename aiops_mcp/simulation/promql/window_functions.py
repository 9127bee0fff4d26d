"""Functions of range vectors, by name."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql import over_time, rates, regression
from aiops_mcp.simulation.promql.frames import Notes, Value, Vector, relabel
from aiops_mcp.simulation.promql.invocation import Function, Invocation
from aiops_mcp.simulation.promql.matching import without_name
from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.windows import WindowBlock

Reduction: TypeAlias = Callable[[WindowBlock], tuple[Floats, Mask]]


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


WINDOW_FUNCTIONS: Mapping[str, Function] = {
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
}
