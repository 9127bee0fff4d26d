"""Label filters of a pipeline: text to tree."""

from typing import cast

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import tree
from aiops_mcp.logql.quantities import parse_bytes, parse_duration
from aiops_mcp.logql.reading import Cursor
from aiops_mcp.logql.tokens import Token, fault

COMPARISON_SIGNS = ("=", "==", "!=", "=~", "!~", "<", ">", "<=", ">=")


def read_label_test(cursor: Cursor) -> tree.LabelTest:
    """Alternatives of conjunctions; ``and``, a comma and nothing at all mean the same."""
    left = _conjunction(cursor)
    levels = 0
    while cursor.skip_word("or"):
        cursor.deeper()
        levels += 1
        left = tree.Either(left, _conjunction(cursor))
    cursor.shallower(levels)
    return left


def _conjunction(cursor: Cursor) -> tree.LabelTest:
    left = _test(cursor)
    levels = 0
    while (
        cursor.skip_word("and")
        or cursor.skip_sign(",")
        or cursor.at_sign("(")
        or (cursor.current.kind == "word" and not cursor.at_word("or"))
    ):
        cursor.deeper()
        levels += 1
        left = tree.Both(left, _test(cursor))
    cursor.shallower(levels)
    return left


def _test(cursor: Cursor) -> tree.LabelTest:
    if cursor.skip_sign("("):
        cursor.deeper()
        inner = read_label_test(cursor)
        cursor.shallower()
        cursor.sign(")")
        return inner
    name = cursor.name()
    if not cursor.at_sign(*COMPARISON_SIGNS):
        raise cursor.unexpected("a comparison")
    sign = cursor.take().text
    if cursor.current.kind == "string" and sign in ("=", "!=", "=~", "!~"):
        value = cursor.regex() if "~" in sign else cursor.string()
        return tree.StringTest(tree.Matcher(name, sign, value))
    if cursor.at_word("ip") and sign in ("=", "!="):
        cursor.take()
        cursor.sign("(")
        pattern = cursor.string()
        cursor.sign(")")
        return tree.IpTest(name, "=" if sign == "=" else "!=", pattern)
    if "~" in sign:
        raise cursor.unexpected("STRING")
    return _quantity_test(cursor, name, cast("tree.Comparison", "==" if sign == "=" else sign))


def _quantity_test(cursor: Cursor, name: str, op: tree.Comparison) -> tree.LabelTest:
    negative = cursor.skip_sign("-")
    token = cursor.current
    if token.kind == "number":
        number = read_number(cursor.take())
        return tree.NumberTest(name, op, -number if negative else number)
    if token.kind != "quantity":
        raise cursor.unexpected("STRING, NUMBER, DURATION or BYTES")
    cursor.take()
    nanoseconds = parse_duration(token.text)
    if nanoseconds is not None:
        return tree.DurationTest(name, op, -nanoseconds if negative else nanoseconds)
    size = None if negative else parse_bytes(token.text)
    if size is None:
        raise _out_of_range(cursor.query, token)
    return tree.BytesTest(name, op, size)


def read_number(token: Token) -> float:
    """The value of a number token."""
    text = token.text
    if text[:2].lower() == "0x":
        return float(int(text[:18], 16))
    return float(text)


def _out_of_range(query: str, token: Token) -> InvalidLogql:
    return fault(query, f"invalid quantity {token.text!r}", token.start)
