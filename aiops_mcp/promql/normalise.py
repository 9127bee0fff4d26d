"""Rewrite a query into the plain subset the parser library reads, keeping what was written.

Strings, durations and ``@`` times are replaced by numbered stand-ins and put into tables, so that
backtick strings, RE2 regular expressions, duration arithmetic and exact times survive a parser
that has none of them. Token order is kept, so that positions can be found again.
"""

import math
from dataclasses import dataclass, field

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql.durations import DurationReader
from aiops_mcp.promql.quoting import quote, unquote
from aiops_mcp.promql.tokens import Token, fault, parse_duration, parse_number
from aiops_mcp.promql.tree import MAX_DURATION_MS, Duration

_MAX_TIME_S = 2.0**53
STRING_MARK = "\u00a7"
_OR_NOTHING = "|"


@dataclass(slots=True)
class Normalised:
    """The plain text and what its stand-ins mean."""

    text: str = ""
    strings: list[str] = field(default_factory=list[str])
    string_starts: list[int] = field(default_factory=list[int])
    durations: list[Duration] = field(default_factory=list[Duration])
    times: list[int] = field(default_factory=list[int])

    def string(self, text: str) -> str:
        """The string behind a stand-in, or the text itself."""
        if not text.startswith(STRING_MARK):
            return text
        return self.strings[int(text[1:].removesuffix(_OR_NOTHING))]

    def duration(self, stand_in_ms: int) -> Duration:
        """The duration behind a stand-in; stand-ins count from 1 ms."""
        return self.durations[stand_in_ms - 1]

    def readable(self, message: str) -> str:
        """A parser message with the stand-in strings put back."""
        for number, value in reversed(list(enumerate(self.strings))):
            stand_in = f"{STRING_MARK}{number}"
            message = message.replace(f"{stand_in}{_OR_NOTHING}", stand_in)
            message = message.replace(f'"{stand_in}"', quote(value)).replace(stand_in, value)
        return message


def normalise(query: str, tokens: list[Token]) -> Normalised:
    """The plain form of a scanned query.

    Raises:
        InvalidPromql: at a string, duration or time that cannot be read.
    """
    return _Normaliser(query, tokens).run()


class _Normaliser:
    def __init__(self, query: str, tokens: list[Token]) -> None:
        self._query = query
        self._tokens = tokens
        self._out = Normalised()
        self._index = 0
        self._enclosing: list[str] = []

    def run(self) -> Normalised:
        pieces: list[str] = []
        while self._index < len(self._tokens):
            pieces.append(self._piece(self._tokens[self._index]))
        self._out.text = " ".join(pieces)
        return self._out

    def _piece(self, token: Token) -> str:  # noqa: PLR0911 - one return a token kind
        if token.kind == "string":
            self._index += 1
            return self._string(unquote(self._query, token), token)
        if token.text == "or" and self._names_label():
            self._index += 1
            return self._stand_in(token.text, token)
        if token.text == "[":
            return self._brackets()
        if token.text == "@":
            return self._time()
        if token.lower == "offset" and self._follows_operand():
            return self._offset(token)
        self._index += 1
        if token.kind == "number":
            return repr(self._number(token))
        if token.kind == "duration":
            milliseconds = parse_duration(token.text)
            if milliseconds is None:
                raise fault(self._query, f'bad duration syntax: "{token.text}"', token.start)
            return repr(milliseconds / 1000)
        self._track(token)
        return token.text

    def _number(self, token: Token) -> float:
        value = parse_number(token.text)
        if math.isinf(value):
            raise fault(self._query, f'number out of range: "{token.text}"', token.start)
        return value

    def _stand_in(self, text: str, token: Token) -> str:
        self._out.strings.append(text)
        self._out.string_starts.append(token.start)
        return f'"{STRING_MARK}{len(self._out.strings) - 1}"'

    def _string(self, text: str, token: Token) -> str:
        """A stand-in that leaves it to our own check whether a negated matcher says something.

        The library refuses a selector whose matchers all match an empty label, and sees but the
        stand-in: ``!="0"`` does, ``!=""`` and ``!~"0|"`` do not.
        """
        operator = self._tokens[self._index - 2].text if self._index > 1 else ""
        if operator == "!=" and not text:
            return '""'
        stand_in = self._stand_in(text, token)
        return f'{stand_in[:-1]}{_OR_NOTHING}"' if operator == "!~" else stand_in

    def _names_label(self) -> bool:
        """Inside braces the library takes ``or`` for an operator of its own."""
        following = self._tokens[self._index + 1 : self._index + 2]
        inside = bool(self._enclosing) and self._enclosing[-1] == "{"
        return inside and any(token.text in ("=", "!=", "=~", "!~") for token in following)

    def _track(self, token: Token) -> None:
        if token.text in ("(", "{"):
            self._enclosing.append(token.text)
        elif token.text in (")", "}") and self._enclosing:
            self._enclosing.pop()

    def _follows_operand(self) -> bool:
        if self._index == 0 or (self._enclosing and self._enclosing[-1] == "{"):
            return False
        before = self._tokens[self._index - 1]
        return before.kind != "sign" or before.text in (")", "}", "]")

    def _brackets(self) -> str:
        self._index += 1
        length = self._duration(positive=True)
        token = self._tokens[self._index]
        if token.text == "]":
            self._index += 1
            return f"[{length}ms]"
        if token.text != ":":
            raise fault(
                self._query,
                f'unexpected "{token.text}" in subquery or range selector, expected ":" or "]"',
                token.start,
            )
        self._index += 1
        token = self._tokens[self._index]
        step = "" if token.text == "]" else f"{self._duration(positive=True)}ms"
        token = self._tokens[self._index]
        if token.text != "]":
            raise fault(
                self._query, f'unexpected "{token.text}" in subquery, expected "]"', token.start
            )
        self._index += 1
        return f"[{length}ms:{step}]"

    def _offset(self, token: Token) -> str:
        self._index += 1
        if self._index >= len(self._tokens):
            raise fault(
                self._query, "unexpected end of input in offset, expected a duration", token.end
            )
        return f"offset {self._duration(positive=False)}ms"

    def _duration(self, *, positive: bool) -> int:
        start = self._tokens[self._index].start
        reader = DurationReader(self._query, self._tokens, self._index)
        duration = reader.expression() if positive else reader.signed()
        self._index = reader.index
        if isinstance(duration, int) and abs(duration) > MAX_DURATION_MS:
            raise fault(self._query, "duration out of range", start)
        if positive and isinstance(duration, int) and duration <= 0:
            raise fault(self._query, "duration must be greater than 0", start)
        self._out.durations.append(duration)
        return len(self._out.durations)

    def _time(self) -> str:
        at = self._tokens[self._index]
        self._index += 1
        sign = 1
        token = self._after(at)
        if token.text in ("+", "-"):
            sign = -1 if token.text == "-" else 1
            self._index += 1
            token = self._after(token)
        if token.kind in ("number", "duration"):
            self._index += 1
            milliseconds = self._milliseconds(token)
            self._out.times.append(sign * milliseconds)
            return f"@ {len(self._out.times) - 1}"
        if token.lower in ("start", "end"):
            return "@"
        raise fault(self._query, f'unexpected "{token.text}" in @, expected timestamp', token.start)

    def _milliseconds(self, token: Token) -> int:
        if token.kind == "duration":
            return parse_duration(token.text) or 0
        seconds = parse_number(token.text)
        if seconds > _MAX_TIME_S:
            raise self._out_of_bounds(token)
        return round(seconds * 1000)

    def _out_of_bounds(self, token: Token) -> InvalidPromql:
        return fault(
            self._query, "timestamp out of bounds for @ modifier: " + token.text, token.start
        )

    def _after(self, token: Token) -> Token:
        if self._index >= len(self._tokens):
            raise fault(self._query, "unexpected end of input in @, expected timestamp", token.end)
        return self._tokens[self._index]
