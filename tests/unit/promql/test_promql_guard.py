"""The limits that stand before the parser, whose stack overflow would kill the process."""

import pytest

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import parse
from aiops_mcp.promql.guard import MAX_DEPTH, MAX_LENGTH, MAX_OPERATORS, check


def refused(query):
    with pytest.raises(InvalidPromql) as caught:
        check(query)
    return caught.value


def test_length():
    check("a" * MAX_LENGTH)
    error = refused("a" * (MAX_LENGTH + 1))
    assert error.position == MAX_LENGTH
    assert str(MAX_LENGTH) in error.message
    assert error.hint


def test_depth():
    check("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    assert refused("(" * (MAX_DEPTH + 1)).position == MAX_DEPTH
    check("()" * (MAX_DEPTH + 1))


def test_operators():
    check("a" + "+a" * MAX_OPERATORS)
    assert refused("a" + "+a" * (MAX_OPERATORS + 1)).position == 2 * MAX_OPERATORS + 1
    assert refused("a" + " or a" * (MAX_OPERATORS + 1)).position == 5 * MAX_OPERATORS + 2


@pytest.mark.parametrize("text", ["'{0}'", '"{0}"', "`{0}`", "a # {0}"])
def test_strings_and_comments_do_not_count(text):
    check(text.format("(+" * 300))


def test_an_escaped_quote_does_not_end_a_string():
    check("'\\'" + "(+" * 300 + "'")
    assert refused("`\\`" + "(" * 300).position == 3 + MAX_DEPTH
    check("'" + "(" * 300)


def test_words_are_not_split():
    check("order_and_more " * 600)


@pytest.mark.parametrize(
    "query", ["(" * 9000, "x + " * 5000 + "x", "abs(" * 8000, "-" * 16_000 + "1"]
)
def test_what_would_overflow_the_stack_is_refused(query):
    with pytest.raises(InvalidPromql):
        parse(query)


@pytest.mark.parametrize(
    "query",
    ["up[{}w]", "up offset {}s", "up[1m:{}s]", "up @ {}", "{}", "0x{}", "up @ 0x{}", "up[{}]"],
)
def test_numbers_of_thousands_of_digits(query: str) -> None:
    with pytest.raises(InvalidPromql, match="out of (range|bounds)"):
        parse(query.format("9" * 5000))


def test_leading_zeros_do_not_count() -> None:
    assert parse(f"up[{'0' * 5000}9s]") == parse("up[9s]")
