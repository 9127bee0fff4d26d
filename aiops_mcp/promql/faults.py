"""Where a refused query is wrong: a walk over the tokens that knows just enough grammar.

The parser library says what is wrong but not where. This module must not decide whether a query
is valid; it is asked only after the parser refused one.
"""

import re
from collections.abc import Callable

from aiops_mcp.promql.tokens import Token

_BINARY_WORDS = frozenset({"and", "or", "unless", "atan2"})
_BINARY_SIGNS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="})
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_RESERVED = _BINARY_WORDS | {"on", "ignoring", "bool", "group_left", "group_right"}
_FILLS = frozenset({"fill", "fill_left", "fill_right"})
_QUOTED_NAME = re.compile(r"name '([^']+)'|function '([^']+)'")


def unexpected(query: str, tokens: list[Token]) -> tuple[int, str] | None:
    """Position and description of the first token that cannot stand where it does."""
    return _Grammar(query, tokens).first_fault()


def culprit(tokens: list[Token], message: str, refused: Callable[[int, int], str | None]) -> int:
    """The position a message is about: the smallest part that alone is refused the same way.

    ``refused`` parses the tokens from one index up to another and returns the parser's message.
    """
    named = _QUOTED_NAME.search(message)
    name = (named[1] or named[2]) if named else None
    for start, end in _calls(tokens):
        if name is not None and tokens[start].text != name:
            continue
        if refused(start, end) == message:
            return tokens[start].start
    if name is not None:
        for token in tokens:
            if token.text == name:
                return token.start
    return tokens[0].start if tokens else 0


def _calls(tokens: list[Token]) -> list[tuple[int, int]]:
    """Index spans of calls, parentheses and selectors with braces, innermost first."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.text in ("(", "{"):
            opened.append(index)
        elif token.text in (")", "}") and opened:
            start = opened.pop()
            is_named = start > 0 and tokens[start - 1].kind == "word"
            spans.append((start - 1 if is_named else start, index + 1))
    return spans


class _Grammar:
    """A two-state walk: an operand is wanted, or an operator."""

    def __init__(self, query: str, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._end = len(query)
        self._index = 0
        self._wants_operand = True
        self._open: list[bool] = []  # per parenthesis: does it hold call arguments?

    def first_fault(self) -> tuple[int, str] | None:
        while self._index < len(self._tokens):
            token = self._tokens[self._index]
            self._index += 1
            found = self._sign(token) if token.kind == "sign" else self._word(token)
            if found is not None:
                return found
        if self._wants_operand:
            return self._end, "unexpected end of input"
        return None

    def _word(self, token: Token) -> tuple[int, str] | None:
        if token.kind == "word" and not self._wants_operand:
            return self._operator_word(token)
        if not self._wants_operand:
            return self._at(token)
        self._wants_operand = False
        if token.kind == "word":
            if token.lower in _RESERVED:
                return self._at(token)
            if self._next_is("by", "without"):
                self._index += 1
                found = self._skip_list(required=True)
                if found is not None:
                    return found
            if self._next_is("("):
                self._open_call()
        return None

    def _operator_word(self, token: Token) -> tuple[int, str] | None:
        if token.lower in _BINARY_WORDS:
            self._wants_operand = True
            return self._modifiers()
        if token.lower == "offset":
            if self._next_is("-", "+"):
                self._index += 1
            self._index += 1
            return None
        if token.lower in ("by", "without"):
            return self._skip_list(required=True)
        return self._at(token)

    def _sign(self, token: Token) -> tuple[int, str] | None:  # noqa: PLR0911 - one return a sign
        text = token.text
        if text in _BINARY_SIGNS:
            if self._wants_operand:
                return None if text in ("+", "-") else self._at(token)
            self._wants_operand = True
            return self._modifiers()
        if text == "(":
            if not self._wants_operand:
                return self._at(token)
            self._open.append(False)
            return None
        if text in (")", ","):
            return self._close(token)
        if text == "{":
            self._wants_operand = False
            return self._braces()
        if text == "[" and not self._wants_operand:
            self._skip_to("]")
            return None
        if text == "@" and not self._wants_operand:
            self._skip_time()
            return None
        return self._at(token)

    def _close(self, token: Token) -> tuple[int, str] | None:
        if self._wants_operand:
            return self._at(token)
        if token.text == ")":
            self._open.pop()
            return None
        if not self._open or not self._open[-1]:
            return self._at(token)
        self._wants_operand = True
        return None

    def _open_call(self) -> None:
        self._index += 1
        if self._next_is(")"):
            self._index += 1
            return
        self._open.append(True)
        self._wants_operand = True

    def _modifiers(self) -> tuple[int, str] | None:
        while self._index < len(self._tokens):
            word = self._tokens[self._index].lower
            if word == "bool":
                self._index += 1
            elif word in _LISTS:
                self._index += 1
                found = self._skip_list(required=word in ("on", "ignoring"))
                if found is not None:
                    return found
            elif word in _FILLS:
                self._skip_to(")")
            else:
                return None
        return None

    def _skip_list(self, *, required: bool) -> tuple[int, str] | None:
        if not self._next_is("("):
            return self._at_next() if required else None
        self._index += 1
        wants_name = True
        while self._index < len(self._tokens):
            token = self._tokens[self._index]
            self._index += 1
            if token.text == ")":
                return None
            is_name = token.kind in ("word", "string")
            if is_name != wants_name or not (is_name or token.text == ","):
                return self._at(token, " in grouping opts")
            wants_name = not is_name
        return self._end, "unexpected end of input in grouping opts"

    def _braces(self) -> tuple[int, str] | None:
        place = 0  # name, operator, value, comma
        while self._index < len(self._tokens):
            token = self._tokens[self._index]
            self._index += 1
            if token.text == "}" and place in (0, 3):
                return None
            fits = (
                token.kind in ("word", "string"),
                token.text in ("=", "!=", "=~", "!~"),
                token.kind == "string",
                token.text == ",",
            )
            quoted_metric = place == 1 and token.text in (",", "}")
            if quoted_metric:
                if token.text == "}":
                    return None
                place = 0
                continue
            if not fits[place]:
                return self._at(token, " in label matching")
            place = (place + 1) % 4
        return None

    def _skip_to(self, closing: str) -> None:
        while self._index < len(self._tokens):
            self._index += 1
            if self._tokens[self._index - 1].text == closing:
                return

    def _skip_time(self) -> None:
        if self._next_is("start", "end"):
            self._skip_to(")")
            return
        if self._next_is("-", "+"):
            self._index += 1
        self._index += 1

    def _next_is(self, *texts: str) -> bool:
        return self._index < len(self._tokens) and self._tokens[self._index].lower in texts

    def _at_next(self) -> tuple[int, str]:
        if self._index < len(self._tokens):
            return self._at(self._tokens[self._index])
        return self._end, "unexpected end of input"

    def _at(self, token: Token, where: str = "") -> tuple[int, str]:
        names = {"word": "identifier ", "number": "number ", "duration": "duration "}
        text = token.text if token.kind == "string" else f'"{token.text}"'
        kind = "string " if token.kind == "string" else names.get(token.kind, "")
        return token.start, f"unexpected {kind}{text}{where}"
