"""What each cluster is asked so that many answers combine into the right one.

Pure: from a parsed query and an aggregation to the queries of one cluster and the way to combine
their results over clusters (`merge.combine`). Series of different clusters belong together when
their labels are equal. What combines wrongly is refused with the reason, because a number that
looks right and is not is worse than none.

| outermost part of the query             | SUM      | AVG                   | MAX, MIN |
|-----------------------------------------|----------|-----------------------|----------|
| selector, rate, increase, sum, count,   | add      | mean over clusters    | compare  |
|   deriv, avg/sum/count_over_time        |          |                       |          |
| max, min, group                         | add      | mean over clusters    | compare  |
| max/min_over_time of a range            | refused  | mean over clusters    | compare  |
| avg                                     | refused  | sum / count, pushed   | compare  |
| a / b, both addable                     | refused  | total a / total b     | compare  |
| addable * or / constant, -addable, abs, | add      | mean over clusters    | compare  |
|   round, label_replace, sort, or        |          |                       |          |
| ... + or - constant                     | refused  | as without it         | compare  |
| constant * avg or ratio (+ constant)    | refused  | weighted by its count | compare  |
| histogram_quantile                      | buckets added by le, then the quantile (both)| compare |
| topk, bottomk, limitk, limit_ratio      | refused  | refused               | refused  |
| quantile, stddev, stdvar, *_over_time   | refused  | refused               | compare  |
|   of these, comparison, and, unless,    |          |                       |          |
|   logarithms, powers, times, products   |          |                       |          |
| string, range vector                    | refused  | refused               | refused  |

"Mean over clusters" is the plain mean of what the clusters say of equal labels (for ``sum`` that
is the average cluster's total); the mean of averages is never formed. A ratio is weighted by its
denominator. The quantile is `merge.bucket_quantile`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.merge import Combine, Combining
from aiops_mcp.models.metrics import Aggregation
from aiops_mcp.promql import to_text, tree

_ADDABLE_CALLS = frozenset(
    {
        "rate", "increase", "irate", "delta", "idelta", "deriv", "predict_linear",
        "avg_over_time", "sum_over_time", "count_over_time", "last_over_time", "first_over_time",
        "changes", "resets", "present_over_time", "absent", "absent_over_time",
        "histogram_count", "histogram_sum",
    }
)  # fmt: skip
_PASSING_CALLS = frozenset(
    {
        "sort", "sort_desc", "sort_by_label", "sort_by_label_desc", "label_replace", "label_join",
        "abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "scalar", "vector",
    }
)  # fmt: skip
_EXACT_CALLS = _PASSING_CALLS - {"abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max"}
_EXTREME_CALLS = frozenset({"max_over_time", "min_over_time"})
_ADDABLE_AGGREGATES = frozenset({"sum", "count", "max", "min", "group", "count_values"})
_CUTTING_AGGREGATES = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_FILTERS = frozenset({"and", "unless"}) | tree.COMPARISONS


@dataclass(frozen=True, slots=True)
class Plan:
    """One cluster's ``queries`` (one or two), and how their results combine over clusters."""

    queries: tuple[str, ...]
    combining: Combining
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Weight:
    """``numerator``/``denominator`` may be added; ``exact`` when their quotient is the query."""

    numerator: tree.Node
    denominator: tree.Node
    exact: bool = True


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values combine: reasons against (None: nothing speaks against), and a mean's weight."""

    no_sum: str | None = None
    no_mean: str | None = None
    weight: _Weight | None = None


_ADDABLE = _Shape()


def plan(node: tree.Node, aggregation: Aggregation) -> Plan:
    """What to ask each cluster for this aggregation of a query over clusters.

    Raises:
        InputError: the combination would be wrong; message and hint say why and what to ask.
    """
    whole = to_text(node)
    if aggregation is Aggregation.MERGE:
        return Plan((whole,), Combining(Combine.MERGE))
    inner = tree.without_parens(node)
    if tree.result_type(inner) not in ("vector", "scalar"):
        raise _refused(aggregation, "it is no number", "Wrap it in a function, such as rate().")
    _refuse_cuts(inner, aggregation)
    if aggregation in (Aggregation.MAX, Aggregation.MIN):
        return Plan((whole,), Combining(Combine(aggregation.value)))
    quantile = _quantile_plan(inner, aggregation)
    if quantile is not None:
        return quantile
    shape = _shape(inner)
    if aggregation is Aggregation.SUM:
        if shape.no_sum is not None:
            raise _refused(aggregation, shape.no_sum, _sum_hint(shape))
        return Plan((whole,), Combining(Combine.SUM))
    if shape.no_mean is not None:
        raise _refused(aggregation, shape.no_mean, "Ask with MERGE, MAX or MIN.")
    if shape.weight is None:
        return Plan((whole,), Combining(Combine.MEAN))
    return _mean_plan(whole, shape.weight)


def _mean_plan(whole: str, weight: _Weight) -> Plan:
    below = to_text(weight.denominator)
    if weight.exact:
        queries = (to_text(weight.numerator), below)
        return Plan(queries, Combining(Combine.RATIO), (f"computed as {' over '.join(queries)}",))
    return Plan((whole, below), Combining(Combine.WEIGHTED), (f"weighted by {below}",))


def _quantile_plan(node: tree.Node, aggregation: Aggregation) -> Plan | None:
    if not (isinstance(node, tree.Call) and node.function == "histogram_quantile"):
        return None
    level, buckets = (tree.without_parens(argument) for argument in node.args)
    if not isinstance(level, tree.Number):
        raise _refused(aggregation, "its quantile is no plain number", "Write it as 0.99.")
    shape = _shape(buckets)
    if shape.no_sum is not None:
        reason = f"its buckets cannot be added over clusters ({shape.no_sum})"
        raise _refused(aggregation, reason, "Use sum by (le) (rate(..._bucket[5m])).")
    combining = Combining(Combine.QUANTILE, quantile=level.value)
    note = "the quantile over all clusters' buckets, added by le"
    return Plan((to_text(buckets),), combining, (note,))


def _refused(aggregation: Aggregation, reason: str, hint: str) -> InputError:
    return InputError(
        f"{aggregation} over clusters would be wrong for this query: {reason}.",
        hint,
        details={"field": "aggregation"},
    )


def _sum_hint(shape: _Shape) -> str:
    return "AVG combines it correctly." if shape.no_mean is None else "Ask with MERGE, MAX or MIN."


def _refuse_cuts(node: tree.Node, aggregation: Aggregation) -> None:
    """A cluster's own top k hides values that the fleet's answer needs."""
    while True:
        inner = tree.without_parens(node)
        if isinstance(inner, tree.Aggregate) and inner.op in _CUTTING_AGGREGATES:
            raise _refused(
                aggregation,
                f"{inner.op} leaves out series in one cluster that another cluster keeps",
                f"Ask for the expression inside {inner.op}() and take the top of the answer.",
            )
        operands = tree.children(inner)
        if isinstance(inner, (tree.Call, tree.Binary, tree.Unary)) and operands:
            for operand in operands[:-1]:
                _refuse_cuts(operand, aggregation)
            node = operands[-1]
        else:
            return


# --- shapes -------------------------------------------------------------------------------------


def _shape(node: tree.Node) -> _Shape:
    node = tree.without_parens(node)
    match node:
        case tree.Selector() | tree.Number():
            return _ADDABLE
        case tree.Aggregate():
            return _aggregate_shape(node)
        case tree.Call():
            return _call_shape(node)
        case tree.Unary():
            return _scaled(_shape(node.expr), node)
        case tree.Binary():
            return _binary_shape(node)
        case _:
            return _neither("it is no number")


def _neither(reason: str) -> _Shape:
    return _Shape(no_sum=reason, no_mean=reason)


def _aggregate_shape(node: tree.Aggregate) -> _Shape:
    if node.op in _ADDABLE_AGGREGATES:
        return _ADDABLE
    if node.op == "avg":
        weight = _Weight(replace(node, op="sum"), replace(node, op="count"))
        return _Shape(no_sum="a sum of averages means nothing", weight=weight)
    return _neither(f"{node.op} of the whole does not follow from the clusters' own")


def _call_shape(node: tree.Call) -> _Shape:
    function = node.function
    if function in _ADDABLE_CALLS:
        return _over_subquery(node, _ADDABLE)
    if function in _EXTREME_CALLS:
        peaks = _Shape(no_sum="every cluster has its extreme at another time")
        return _over_subquery(node, peaks)
    if function in _PASSING_CALLS and node.args:
        inner = _shape(node.args[0])
        if inner.weight is None:
            return inner
        if function not in _EXACT_CALLS:
            return _neither(f"{function} of an average or a ratio cannot be averaged")
        return _renamed(inner, node)
    return _neither(f"{function}() of the whole does not follow from the clusters' own")


def _renamed(inner: _Shape, node: tree.Call) -> _Shape:
    """An average or ratio inside a call that only changes labels or order."""
    if inner.weight is None:
        return inner
    wrapped = [
        replace(node, args=(part, *node.args[1:]))
        for part in (inner.weight.numerator, inner.weight.denominator)
    ]
    return replace(inner, weight=_Weight(wrapped[0], wrapped[1], inner.weight.exact))


def _over_subquery(node: tree.Call, shape: _Shape) -> _Shape:
    """Over a subquery, only what may be added at every instant may be added over time."""
    for argument in node.args:
        inner = tree.without_parens(argument)
        if isinstance(inner, tree.Subquery):
            within = _shape(inner.expr)
            if within.no_sum is not None:
                return _neither(f"inside the subquery, {within.no_sum}")
    return shape


def _binary_shape(node: tree.Binary) -> _Shape:
    if node.op in _FILTERS:
        return _neither(f"{node.op} decides in each cluster, before the values are combined")
    left_constant, right_constant = (
        tree.result_type(side) == "scalar" for side in (node.left, node.right)
    )
    if left_constant and right_constant:
        return _ADDABLE
    if left_constant or right_constant:
        return _with_constant(node, left_constant=left_constant)
    left, right = _shape(node.left), _shape(node.right)
    addable = _first([left.no_sum, right.no_sum])
    if node.op in ("+", "-", "or"):
        return _ADDABLE if addable is None else _neither(f"of its parts, {addable}")
    if node.op == "/" and addable is None and node.matching == tree.Matching():
        weight = _Weight(node.left, node.right)
        return _Shape(no_sum="a sum of ratios means nothing", weight=weight)
    return _neither(f"{node.op} of two series cannot be taken apart over clusters")


def _with_constant(node: tree.Binary, *, left_constant: bool) -> _Shape:
    constant = tree.without_parens(node.left if left_constant else node.right)
    shape = _shape(node.right if left_constant else node.left)
    # Only a number that is the same everywhere scales every cluster alike.
    if any(isinstance(part, (tree.Selector, tree.Call)) for part in tree.walk(constant)):
        return _neither("its scalar differs from cluster to cluster")
    if node.op == "*" or (node.op == "/" and not left_constant):
        return _scaled(shape, node)
    if node.op in ("+", "-"):
        once = "the constant would be added once for every cluster"
        return replace(_scaled(shape, node), no_sum=shape.no_sum or once)
    return _neither(f"{node.op} of the whole does not follow from the clusters' own")


def _scaled(shape: _Shape, node: tree.Node) -> _Shape:
    """Inside a linear step a weighted mean stays one, of the whole expression."""
    if shape.weight is None:
        return shape
    return replace(shape, weight=_Weight(node, shape.weight.denominator, exact=False))


def _first(reasons: Sequence[str | None]) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)
