"""Duration expressions inside ``[...]`` and after ``offset``: literals and arithmetic.

A grammar of its own, because the parser library reads literals only. It yields milliseconds, or
a formula where the length depends on the query's step or range.
"""

import math

from aiops_mcp.promql.tokens import Token, fault, parse_duration, parse_number
from aiops_mcp.promql.tree import Duration, DurationFormula, combine

_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 4}
_UNARY_BINDING = 3
_FUNCTIONS = {
    "step": ("step", 0),
    "range": ("range", 0),
    "min": ("min_of", 2),
    "max": ("max_of", 2),
    "min_of": ("min_of", 2),
    "max_of": ("max_of", 2),
}


class DurationReader:
    """Reads one duration expression from a token list, starting at an index."""

    def __init__(self, query: str, tokens: list[Token], index: int) -> None:
        self._query = query
        self._tokens = tokens
        self.index = index

    def expression(self, binding: int = 0) -> Duration:
        """A whole expression, as inside square brackets.

        Raises:
            InvalidPromql: where the text is no duration.
        """
        left = self._unary()
        while True:
            token = self._peek()
            strength = _BINDING.get(token.text, 0) if token else 0
            if token is None or strength <= binding:
                return left
            self.index += 1
            # The power operator binds to the right.
            right = self.expression(strength - 1 if token.text == "^" else strength)
            left = self._apply(token, token.text, (left, right))

    def signed(self) -> Duration:
        """One operand with its sign, as after ``offset``; an operator behind it is the query's.

        Raises:
            InvalidPromql: where the text is no duration.
        """
        token = self._peek()
        if token is None or token.text not in ("+", "-"):
            return self._operand()
        self.index += 1
        operand = self._operand()
        return operand if token.text == "+" else self._apply(token, "-", (operand,))

    def _unary(self) -> Duration:
        token = self._peek()
        if token is None or token.text not in ("+", "-"):
            return self._operand()
        self.index += 1
        operand = self.expression(_UNARY_BINDING)
        return operand if token.text == "+" else self._apply(token, "-", (operand,))

    def _operand(self) -> Duration:
        token = self._next("a duration")
        if token.kind == "duration":
            value = parse_duration(token.text)
            if value is None:
                raise fault(self._query, f'bad duration syntax: "{token.text}"', token.start)
            return value
        if token.kind == "number":
            seconds = parse_number(token.text)
            if math.isinf(seconds):
                raise fault(self._query, "duration out of range", token.start)
            return round(seconds * 1000)
        if token.text == "(":
            inner = self.expression()
            self._expect(")")
            return inner
        known = _FUNCTIONS.get(token.lower)
        if known is None:
            raise fault(self._query, f'unexpected "{token.text}", expected a duration', token.start)
        return self._call(token, *known)

    def _call(self, token: Token, op: str, count: int) -> Duration:
        self._expect("(")
        operands: list[Duration] = []
        for number in range(count):
            if number:
                self._expect(",")
            operands.append(self.expression())
        self._expect(")")
        return self._apply(token, op, tuple(operands))

    def _apply(self, token: Token, op: str, operands: tuple[Duration, ...]) -> Duration:
        seconds = [operand / 1000 for operand in operands if isinstance(operand, int)]
        if not operands or len(seconds) < len(operands):
            return DurationFormula(op, operands)
        try:
            return round(combine(op, seconds) * 1000)
        except (ZeroDivisionError, OverflowError, ValueError) as error:
            raise fault(self._query, f"no such duration: {error}", token.start) from error

    def _peek(self) -> Token | None:
        return self._tokens[self.index] if self.index < len(self._tokens) else None

    def _next(self, expected: str) -> Token:
        token = self._peek()
        if token is None:
            raise fault(
                self._query, f"unexpected end of input, expected {expected}", len(self._query)
            )
        self.index += 1
        return token

    def _expect(self, text: str) -> None:
        token = self._next(f'"{text}"')
        if token.text != text:
            raise fault(self._query, f'unexpected "{token.text}", expected "{text}"', token.start)
