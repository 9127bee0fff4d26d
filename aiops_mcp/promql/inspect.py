"""What a query will touch: its selectors, the time each one reads, its metrics and type."""

from collections.abc import Iterator
from dataclasses import dataclass

from aiops_mcp.promql import tree


@dataclass(frozen=True, slots=True)
class SelectorUse:
    """A selector and the window it reads before each evaluation time, in milliseconds.

    ``range_ms`` is the range selector's length plus every enclosing subquery's, 0 for an instant
    selector outside subqueries; ``offset_ms`` is the sum of the offsets; ``pinned`` is true
    where an ``@`` fixes the time. A formula counts as 0: its length is not known before the run.
    """

    selector: tree.Selector
    range_ms: int
    offset_ms: int
    pinned: bool


def selectors(node: tree.Node) -> tuple[SelectorUse, ...]:
    """Every selector of a query, in the order of the text."""
    return tuple(_uses(node, 0, 0, pinned=False))


def metric_names(node: tree.Node) -> frozenset[str]:
    """The metric names a query names outright; a selector by regular expression gives none."""
    return frozenset(use.selector.name for use in selectors(node) if use.selector.name)


def result_type(node: tree.Node) -> tree.ValueType:
    """``scalar``, ``vector``, ``matrix`` or ``string``."""
    return tree.result_type(node)


def _uses(node: tree.Node, range_ms: int, offset_ms: int, *, pinned: bool) -> Iterator[SelectorUse]:
    match node:
        case tree.Selector():
            offset = offset_ms + _known(node.offset)
            yield SelectorUse(node, range_ms, offset, pinned or node.at is not None)
        case tree.Range(selector=selector):
            offset = offset_ms + _known(selector.offset)
            length = range_ms + _known(node.range)
            yield SelectorUse(selector, length, offset, pinned or selector.at is not None)
        case tree.Subquery():
            length = range_ms + _known(node.range)
            offset = offset_ms + _known(node.offset)
            yield from _uses(node.expr, length, offset, pinned=pinned or node.at is not None)
        case _:
            for child in tree.children(node):
                yield from _uses(child, range_ms, offset_ms, pinned=pinned)


def _known(duration: tree.Duration) -> int:
    return duration if isinstance(duration, int) else 0
