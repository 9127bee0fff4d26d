"""Questions about a query: which streams it reads and how far back. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from aiops_mcp.logql import tree


@dataclass(frozen=True, slots=True)
class SelectorUse:
    """A log query within a query; ``range`` and ``offset`` (nanoseconds) are 0 for lines."""

    query: tree.LogQuery
    range: int = 0
    offset: int = 0

    @property
    def selector(self) -> tree.Selector:
        return self.query.selector


def selectors(query: tree.Query) -> tuple[SelectorUse, ...]:
    """Every log query in a query, in the order of the text."""
    return tuple(_uses(query))


def _uses(query: tree.Query) -> Iterator[SelectorUse]:
    match query:
        case tree.LogQuery():
            yield SelectorUse(query)
        case tree.RangeAggregation():
            yield SelectorUse(query.query, query.range, query.offset)
        case tree.VectorAggregation() | tree.LabelReplace():
            yield from _uses(query.expr)
        case tree.Binary():
            yield from _uses(query.left)
            yield from _uses(query.right)
        case _:
            return
