"""What is known of a query before it runs: which parts need evaluating once, not at each step.

Also the last check before evaluation: regular expressions must be RE2's. Which time a selector
needs follows from the grid it is evaluated on, so the engine works that out as it goes.
"""

from dataclasses import dataclass

from aiops_mcp.promql import tree
from aiops_mcp.simulation.promql.frames import QueryFailed
from aiops_mcp.simulation.promql.matching import BadRegex, compile_regex

# Their value depends on the evaluation time even where every selector is pinned by ``@``.
_TIME_DEPENDENT = frozenset(
    {
        *("time", "timestamp", "predict_linear", "minute", "hour", "day_of_week", "month", "year"),
        *("day_of_month", "day_of_year", "days_in_month"),
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """``invariant`` holds the ``id`` of every node whose value is the same at all steps."""

    node: tree.Node
    invariant: frozenset[int]


def plan(node: tree.Node) -> Plan:
    """Prepare a query.

    Raises:
        QueryFailed: (bad_data) for a regular expression that RE2 refuses.
    """
    invariant: set[int] = set()
    _mark(node, invariant)
    for part in tree.walk(node):
        if isinstance(part, tree.Selector):
            for matcher in part.matchers:
                if matcher.op in ("=~", "!~"):
                    _check(matcher.value)
    return Plan(node, frozenset(invariant))


def _check(pattern: str) -> None:
    try:
        compile_regex(pattern)
    except BadRegex as error:
        raise QueryFailed(f"parse error: {error}", "bad_data") from error


def _mark(node: tree.Node, invariant: set[int]) -> bool:
    inside = [_mark(child, invariant) for child in tree.children(node)]
    match node:
        case tree.Selector():
            result = node.at is not None
        case tree.Range():
            result = node.selector.at is not None
        case tree.Subquery():
            result = node.at is not None
        case tree.Call():
            result = all(inside) and node.function not in _TIME_DEPENDENT
        case _:
            result = all(inside)
    if result:
        invariant.add(id(node))
    return result
