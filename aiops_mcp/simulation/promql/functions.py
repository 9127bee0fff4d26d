"""The function table: PromQL's names to their implementations."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql import elementwise, relabelling
from aiops_mcp.simulation.promql.frames import Scalar, Value, Vector
from aiops_mcp.simulation.promql.histogram_functions import HISTOGRAM_FUNCTIONS
from aiops_mcp.simulation.promql.invocation import Function, Invocation, mapped, seconds
from aiops_mcp.simulation.promql.matching import Labels
from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.window_functions import WINDOW_FUNCTIONS

_INEFFECTIVE_SORT = (
    "sort is ineffective for range queries since results are always ordered by labels"
)


def _constant(call: Invocation, value: float) -> Scalar:
    return Scalar(np.full(call.grid.size, value))


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
        stamps = np.broadcast_to(seconds(call), vector.values.shape)
    return mapped(vector, stamps)


# --- one value to one value -----------------------------------------------------------------


def _elementwise(function: Callable[[Floats], Floats]) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        return mapped(vector, function(vector.values))

    return run


def _calendar(function: Callable[[Floats], Floats]) -> Function:
    def run(call: Invocation) -> Value:
        if call.count:
            vector = call.vector()
            return mapped(vector, function(vector.values))
        values = function(seconds(call))[None]
        return Vector([()], values, np.ones(values.shape, dtype=np.bool_))

    return run


def _round(call: Invocation) -> Value:
    vector = call.vector()
    to = call.scalar(1) if call.count > 1 else np.ones(call.grid.size)
    return mapped(vector, elementwise.rounded(vector.values, to))


def _clamp(low: int | None, high: int | None) -> Function:
    def run(call: Invocation) -> Value:
        vector = call.vector()
        values = vector.values
        if low is None or high is None:
            bound = call.scalar(1)
            hold = elementwise.smaller if low is None else elementwise.larger
            return mapped(vector, hold(values, bound))
        held, sound = elementwise.clamped(values, call.scalar(low), call.scalar(high))
        return mapped(vector, held, vector.present & sound)

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
        if call.grid.query_step_ms:
            call.evaluator.notes.warn(_INEFFECTIVE_SORT)
        if call.grid.size != 1:
            return vector
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
    return _ones_where(relabelling.absent_labels(matchers), ~np.any(vector.present, axis=0))


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


FUNCTIONS: Mapping[str, Function] = {
    "time": lambda call: Scalar(seconds(call)),
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
    **WINDOW_FUNCTIONS,
    **HISTOGRAM_FUNCTIONS,
    **{name: _elementwise(function) for name, function in elementwise.SIMPLE.items()},
    **{name: _calendar(function) for name, function in elementwise.CALENDAR.items()},
}
