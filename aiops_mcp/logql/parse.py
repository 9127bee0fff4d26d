"""Text to tree: metric queries, and the entrances of the parser.

Grammar and precedence from grafana/loki ``pkg/logql/syntax``. Parentheses leave no trace in the
tree; printing puts them back where they are needed.
"""

from typing import Literal

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import tree
from aiops_mcp.logql.label_tests import read_number
from aiops_mcp.logql.pipeline import (
    read_log_query,
    read_selector,
    read_stages,
    read_unwrap,
    require_selective,
)
from aiops_mcp.logql.quantities import parse_duration
from aiops_mcp.logql.reading import Cursor
from aiops_mcp.logql.tokens import Token, fault

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
    "^": 6,
}
"""Of binary operators; ``^`` binds to the right."""
_WITH_PARAMETER = frozenset({"topk", "bottomk", "approx_topk"})
_GROUPED_UNWRAP = frozenset(
    {
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "first_over_time",
        "last_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "quantile_over_time",
    }
)


def parse(text: str) -> tree.Query:
    """Read a LogQL query of either kind.

    Raises:
        InvalidLogql: with ``position`` (characters from 0), ``line`` and ``column`` (from 1) in
            its details; the message is worded as Loki words it.
    """
    cursor = Cursor(text)
    if cursor.empty:
        raise cursor.unexpected(hint='Write a query, for example {namespace="shop"} |= "error".')
    query: tree.Query = read_log_query(cursor) if _is_log(cursor) else _expression(cursor)
    if cursor.at_sign("|") and cursor.ahead().lower == "unwrap":
        raise cursor.unexpected(hint="unwrap belongs inside a range aggregation.")
    if cursor.current.kind != "end":
        raise cursor.unexpected()
    return query


def parse_selector(text: str) -> tree.Selector:
    """Read a bare stream selector, as ``match[]`` takes it; it need not be selective.

    Raises:
        InvalidLogql: when the text is anything else.
    """
    cursor = Cursor(text)
    selector = read_selector(cursor)
    if cursor.current.kind != "end":
        raise cursor.unexpected("$end")
    return selector


def _is_log(cursor: Cursor) -> bool:
    return cursor.at_sign("{")


def _expression(cursor: Cursor, binding: int = 0) -> tree.MetricQuery:
    left = _operand(cursor)
    levels = 0
    while True:
        op = cursor.current.lower if cursor.current.kind in ("sign", "word") else ""
        strength = PRECEDENCE.get(op, 0)
        if strength <= binding:
            cursor.shallower(levels)
            return left
        token = cursor.take()
        cursor.deeper()
        levels += 1
        return_bool, matching = _modifiers(cursor, op, token)
        right = _expression(cursor, strength - 1 if op == "^" else strength)
        left = tree.Binary(op, left, right, return_bool, matching)


def _modifiers(cursor: Cursor, op: str, token: Token) -> tuple[bool, tree.Matching | None]:
    return_bool = cursor.skip_word("bool")
    if return_bool and op not in tree.COMPARISONS:
        raise fault(
            cursor.query, "bool modifier can only be used on comparison operators", token.start
        )
    if not cursor.at_word("on", "ignoring"):
        return return_bool, None
    on = cursor.take().lower == "on"
    labels = _labels(cursor)
    group: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()
    if cursor.at_word("group_left", "group_right"):
        if op in tree.SET_OPERATORS:
            raise cursor.unexpected()
        group = "left" if cursor.take().lower == "group_left" else "right"
        include = _labels(cursor) if cursor.at_sign("(") else ()
    return return_bool, tree.Matching(on, labels, group, include)


def _labels(cursor: Cursor) -> tuple[str, ...]:
    cursor.sign("(")
    names: list[str] = []
    while not cursor.at_sign(")"):
        names.append(cursor.name())
        if not cursor.skip_sign(","):
            break
    cursor.sign(")")
    return tuple(names)


def _operand(cursor: Cursor) -> tree.MetricQuery:
    if cursor.current.kind == "number" or cursor.at_sign("+", "-"):
        return tree.Number(_signed(cursor))
    if cursor.at_sign("("):
        cursor.take()
        cursor.deeper()
        inner = _expression(cursor)
        cursor.shallower()
        cursor.sign(")")
        return inner
    name = cursor.current.lower if cursor.current.kind == "word" else ""
    if name in tree.LOG_RANGES or name in tree.UNWRAPPED_RANGES:
        return _range_aggregation(cursor)
    if name in tree.VECTOR_AGGREGATIONS:
        return _vector_aggregation(cursor)
    if name == "label_replace":
        return _label_replace(cursor)
    if name == "vector" and cursor.ahead().text == "(":
        cursor.take()
        cursor.take()
        value = _signed(cursor)
        cursor.sign(")")
        return tree.VectorNumber(value)
    raise cursor.unexpected(
        hint='Begin with a stream selector such as {namespace="shop"} or with an aggregation.'
    )


def _signed(cursor: Cursor) -> float:
    negative = cursor.at_sign("-")
    if cursor.at_sign("+", "-"):
        cursor.take()
    if cursor.current.kind != "number":
        raise cursor.unexpected("NUMBER")
    value = read_number(cursor.take())
    return -value if negative else value


def _range_aggregation(cursor: Cursor) -> tree.RangeAggregation:
    start = cursor.take()
    op = start.lower
    cursor.sign("(")
    parameter: float | None = None
    if op == "quantile_over_time":
        parameter = _signed(cursor)
        cursor.sign(",")
    cursor.deeper()
    query, unwrap, length, offset = _log_range(cursor)
    cursor.shallower()
    cursor.sign(")")
    grouping = _grouping(cursor)
    if unwrap is None and op in tree.UNWRAPPED_RANGES:
        raise fault(
            cursor.query,
            f"invalid aggregation {op} without unwrap",
            start.start,
            "Add | unwrap LABEL before the range.",
        )
    if unwrap is not None and op in ("count_over_time", "bytes_rate", "bytes_over_time"):
        raise fault(cursor.query, f"invalid aggregation {op} with unwrap", start.start)
    if grouping is not None and (op not in _GROUPED_UNWRAP and op != "absent_over_time"):
        raise fault(cursor.query, f"grouping not allowed for {op} aggregation", start.start)
    return tree.RangeAggregation(op, query, length, unwrap, offset, parameter, grouping)


_LogRange = tuple[tree.LogQuery, tree.Unwrap | None, int, int]


def _log_range(cursor: Cursor) -> _LogRange:
    """A log query with a range; the range stands at the end or right after the selector."""
    if cursor.skip_sign("("):
        cursor.deeper()
        query, unwrap = _unranged(cursor)
        if cursor.at_sign("["):
            length, offset = _range(cursor)
            cursor.sign(")")
        else:
            cursor.sign(")")
            length, offset = _range(cursor)
        cursor.shallower()
        return query, unwrap, length, offset
    start = cursor.current.start
    selector = read_selector(cursor)
    require_selective(cursor.query, selector, start)
    if cursor.at_sign("["):
        length, offset = _range(cursor)
        stages = read_stages(cursor)
        return tree.LogQuery(selector, stages), read_unwrap(cursor), length, offset
    stages = read_stages(cursor)
    unwrap = read_unwrap(cursor)
    length, offset = _range(cursor)
    return tree.LogQuery(selector, stages), unwrap, length, offset


def _unranged(cursor: Cursor) -> tuple[tree.LogQuery, tree.Unwrap | None]:
    query = read_log_query(cursor)
    return query, read_unwrap(cursor)


def _range(cursor: Cursor) -> tuple[int, int]:
    cursor.sign("[")
    length = _duration(cursor)
    if length <= 0:
        raise fault(cursor.query, "duration must be greater than 0", cursor.current.start)
    cursor.sign("]")
    if not cursor.skip_word("offset"):
        return length, 0
    negative = cursor.skip_sign("-")
    offset = _duration(cursor)
    return length, -offset if negative else offset


def _duration(cursor: Cursor) -> int:
    token = cursor.current
    value = parse_duration(token.text) if token.kind == "quantity" else None
    if value is None:
        if token.kind == "quantity":
            raise fault(cursor.query, f'not a valid duration string: "{token.text}"', token.start)
        raise cursor.unexpected("DURATION", "Write a range such as [5m].")
    cursor.take()
    return value


def _grouping(cursor: Cursor) -> tree.Grouping | None:
    if not (cursor.at_word("by", "without") and cursor.ahead().text == "("):
        return None
    without = cursor.take().lower == "without"
    return tree.Grouping(_labels(cursor), without)


def _vector_aggregation(cursor: Cursor) -> tree.VectorAggregation:
    start = cursor.take()
    op = start.lower
    grouping = _grouping(cursor)
    cursor.sign("(")
    cursor.deeper()
    parameter: int | None = None
    if op in _WITH_PARAMETER:
        parameter = _count(cursor, op)
        cursor.sign(",")
    inner = _expression(cursor)
    cursor.shallower()
    cursor.sign(")")
    grouping = grouping or _grouping(cursor)
    if grouping is not None and op in ("sort", "sort_desc"):
        raise fault(cursor.query, f"grouping not allowed for {op} aggregation", start.start)
    return tree.VectorAggregation(op, inner, parameter, grouping)


def _count(cursor: Cursor, op: str) -> int:
    token = cursor.current
    if token.kind != "number":
        raise fault(cursor.query, f"parameter required for operation {op}", token.start)
    value = read_number(cursor.take())
    if not 0 < value < 2**31 or value != int(value):
        raise fault(
            cursor.query,
            f"invalid parameter (must be greater than 0) {op}({token.text}",
            token.start,
        )
    return int(value)


def _label_replace(cursor: Cursor) -> tree.LabelReplace:
    cursor.take()
    cursor.sign("(")
    cursor.deeper()
    inner = _expression(cursor)
    cursor.shallower()
    texts: list[str] = []
    for _ in range(3):
        cursor.sign(",")
        texts.append(cursor.string())
    cursor.sign(",")
    pattern = cursor.regex()
    cursor.sign(")")
    target, replacement, source = texts
    return tree.LabelReplace(inner, target, replacement, source, pattern)


def is_metric(query: tree.Query) -> bool:
    """Whether the query yields numbers."""
    return not isinstance(query, tree.LogQuery)


def as_log_query(text: str) -> tree.LogQuery:
    """Read a query that must yield lines.

    Raises:
        InvalidLogql: it cannot be read, or yields numbers.
    """
    query = parse(text)
    if isinstance(query, tree.LogQuery):
        return query
    raise InvalidLogql(
        "only log selectors are supported here, not metric queries",
        "Leave the aggregation out.",
        details={"position": 0, "line": 1, "column": 1},
    )
