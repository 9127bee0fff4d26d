"""Safe changes to a query: restrict every selector it holds.

Used to scope a query to one cluster or tenant, so it refuses what it cannot restrict.
"""

from dataclasses import replace

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import tree


def _restrict(  # noqa: PLR0911 - one return a node type
    node: tree.Node, matchers: tuple[tree.Matcher, ...]
) -> tree.Node:
    match node:
        case tree.Selector():
            return replace(node, matchers=(*node.matchers, *matchers))
        case tree.Range():
            selector = replace(node.selector, matchers=(*node.selector.matchers, *matchers))
            return replace(node, selector=selector)
        case tree.Call():
            return replace(node, args=tuple(_restrict(arg, matchers) for arg in node.args))
        case tree.Aggregate():
            parameter = node.parameter and _restrict(node.parameter, matchers)
            return replace(node, expr=_restrict(node.expr, matchers), parameter=parameter)
        case tree.Binary():
            return replace(
                node,
                left=_restrict(node.left, matchers),
                right=_restrict(node.right, matchers),
            )
        case tree.Subquery() | tree.Unary() | tree.Paren():
            return replace(node, expr=_restrict(node.expr, matchers))
        case tree.Number() | tree.String():
            return node


def add_matchers(node: tree.Node, *matchers: tree.Matcher) -> tree.Node:
    """Every selector of a query with these matchers added; all of them must hold.

    Raises:
        InvalidPromql: for ``info()``, which reads series that no selector in the text names.
    """
    for part in tree.walk(node):
        if isinstance(part, tree.Call) and part.function == "info":
            raise InvalidPromql(
                "info() cannot be restricted: it reads metrics the query does not name.",
                "Join with the info metric itself, using group_left.",
            )
    return _restrict(node, matchers)
