"""Cheap limits on a query text, checked before any parser sees it.

The parser underneath recurses on the native stack: deep input kills the process instead of
raising. This module counts; it must not need a correct query, nor know the grammar.
"""

from aiops_mcp.errors import InvalidPromql

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 200
MAX_OPERATORS = 500

_OPENING = "([{"
_CLOSING = ")]}"
_OPERATORS = frozenset("+-*/%^<>=!@")
_WORD_OPERATORS = frozenset({"and", "or", "unless", "atan2", "offset"})


def check(query: str) -> None:
    """Refuse a query that is too long, too deeply nested or has too many operators.

    Raises:
        InvalidPromql: with the position where the limit was passed.
    """
    if len(query) > MAX_LENGTH:
        raise InvalidPromql(
            f"The query has {len(query)} characters; at most {MAX_LENGTH} are taken.",
            "Split it, or match with a shorter regular expression.",
            position=MAX_LENGTH,
        )
    depth = operators = 0
    for position, kind in _landmarks(query):
        if kind in _OPENING:
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        else:
            operators += 1
        if depth > MAX_DEPTH:
            raise InvalidPromql(
                f"The query nests deeper than {MAX_DEPTH} brackets.",
                "Flatten the expression.",
                position=position,
            )
        if operators > MAX_OPERATORS:
            raise InvalidPromql(
                f"The query has more than {MAX_OPERATORS} operators.",
                "Use a label matcher or an aggregation instead of a chain of operators.",
                position=position,
            )


def _landmarks(query: str) -> list[tuple[int, str]]:
    """Brackets and operators outside strings and comments, each with its position."""
    found: list[tuple[int, str]] = []
    position, end = 0, len(query)
    while position < end:
        character = query[position]
        if character in "\"'`":
            position = _after_string(query, position)
            continue
        if character == "#":
            newline = query.find("\n", position)
            position = end if newline < 0 else newline
            continue
        if character.isalpha() or character == "_":
            start = position
            while position < end and (query[position].isalnum() or query[position] in "_:"):
                position += 1
            if query[start:position].lower() in _WORD_OPERATORS:
                found.append((start, "word"))
            continue
        if character in _OPENING or character in _CLOSING or character in _OPERATORS:
            found.append((position, character))
        position += 1
    return found


def _after_string(query: str, start: int) -> int:
    quote = query[start]
    position = start + 1
    while position < len(query):
        if query[position] == "\\" and quote != "`":
            position += 2
            continue
        if query[position] == quote:
            return position + 1
        position += 1
    return len(query)
