"""TraceQL read into a tree, as far as the simulated Tempo knows it; the rest it refuses by name.

Source: grafana/tempo ``pkg/traceql/expr.y``.
"""

import re
from typing import Literal, cast

from aiops_mcp.simulation.spans import Kind, Status
from aiops_mcp.simulation.traceql_tokens import Token, nanoseconds, refused, tokens_of, unquoted
from aiops_mcp.simulation.traceql_tree import (
    Aggregate,
    Attribute,
    Binary,
    Compare,
    Field,
    Filter,
    Intrinsic,
    Literally,
    Metric,
    Narrow,
    Query,
    Related,
    Relation,
    Scope,
    Select,
    Spans,
    Stage,
    Unary,
)

LONGEST = 128 * 1024
INTRINSICS = {
    "name": "name",
    "span:name": "name",
    "status": "status",
    "span:status": "status",
    "statusMessage": "statusMessage",
    "span:statusMessage": "statusMessage",
    "duration": "duration",
    "span:duration": "duration",
    "kind": "kind",
    "span:kind": "kind",
    "span:id": "span:id",
    "span:parentID": "span:parentID",
    "childCount": "childCount",
    "span:childCount": "childCount",
    "rootName": "rootName",
    "trace:rootName": "rootName",
    "rootServiceName": "rootServiceName",
    "trace:rootService": "rootServiceName",
    "traceDuration": "traceDuration",
    "trace:duration": "traceDuration",
    "trace:id": "trace:id",
    "event:name": "event:name",
}
"""Every way to write an intrinsic, and what is meant."""

_METRICS = frozenset(
    {"rate", "count_over_time", "quantile_over_time", "histogram_over_time"}
    | {"min_over_time", "max_over_time", "avg_over_time", "sum_over_time"}
)
_AGGREGATES = frozenset({"count", "avg", "min", "max", "sum"})
_COMPARES = frozenset({"=", "!=", "<", "<=", ">", ">=", "=~", "!~"})
_STRUCTURAL = frozenset({">>", ">", "<<", "<", "~", "!>>", "!>", "!<<", "!<", "!~"})
_DEEPEST = 100


def parse_traceql(text: str) -> Query:
    """The tree of a query.

    Raises:
        TraceqlError: it cannot be read, or uses what the simulated Tempo does not know.
    """
    parser = _Parser(tokens_of(text))
    return parser.query()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._tokens[self._place]
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def _accept(self, *texts: str) -> Token | None:
        token = self._next
        if token.kind in ("op", "word") and token.text in texts:
            return self._take()
        return None

    def _expect(self, text: str) -> Token:
        return self._accept(text) or self._unexpected()

    def _unexpected(self) -> Token:
        raise refused(self._next, f"syntax error: unexpected {self._next.text}")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise refused(self._next, "the query is nested too deeply")

    # --- spans and pipelines --------------------------------------------------------------

    def query(self) -> Query:
        spans = self._either()
        stages: list[Stage] = []
        metric: Metric | None = None
        while self._accept("|"):
            token = self._next
            if token.text in _METRICS:
                metric = self._metric()
                break
            stages.append(self._stage())
        if self._accept("with"):
            while self._next.kind != "end":
                self._take()
        if self._next.kind != "end":
            self._unexpected()
        return Query(spans, tuple(stages), metric)

    def _either(self) -> Spans:
        left = self._both()
        while self._accept("||"):
            left = Related("||", left, self._both())
        return left

    def _both(self) -> Spans:
        left = self._structure()
        while self._accept("&&"):
            left = Related("&&", left, self._structure())
        return left

    def _structure(self) -> Spans:
        left = self._set()
        while self._next.kind == "op" and self._next.text in _STRUCTURAL:
            op = cast("Relation", self._take().text)
            left = Related(op, left, self._set())
        return left

    def _set(self) -> Spans:
        self._deeper()
        try:
            if self._accept("("):
                inner = self._either()
                self._expect(")")
                return inner
            self._expect("{")
            if self._accept("}"):
                return Filter(None)
            condition = self._field()
            self._expect("}")
            return Filter(condition)
        finally:
            self._depth -= 1

    def _stage(self) -> Stage:
        token = self._next
        if token.text in ("{", "("):
            return Narrow(self._either())
        if token.kind != "word":
            self._unexpected()
        if token.text == "select":
            self._take()
            return Select(self._attributes())
        if token.text in _AGGREGATES:
            return self._aggregate()
        raise refused(token, f"{token.text} is not supported by this server")

    def _aggregate(self) -> Aggregate:
        name = cast('Literal["count", "avg", "min", "max", "sum"]', self._take().text)
        self._expect("(")
        of = None if self._next.text == ")" else self._field()
        self._expect(")")
        token = self._next
        if token.text not in _COMPARES or token.text in ("=~", "!~"):
            raise refused(token, f"syntax error: unexpected {token.text}")
        op = cast("Compare", self._take().text)
        value = self._number()
        return Aggregate(name, of, op, value)

    def _number(self) -> float:
        sign = -1.0 if self._accept("-") else 1.0
        token = self._take()
        if token.kind == "duration":
            return sign * nanoseconds(token.text)
        if token.kind != "number":
            raise refused(token, f"syntax error: unexpected {token.text}")
        return sign * float(token.text)

    def _metric(self) -> Metric:
        name = self._take().text
        self._expect("(")
        of: Field | None = None
        parameters: list[float] = []
        if self._next.text != ")":
            of = self._field()
            while self._accept(","):
                parameters.append(self._number())
        self._expect(")")
        by = self._attributes() if self._accept("by") else ()
        return Metric(name, of, tuple(parameters), by)

    def _attributes(self) -> tuple[Attribute | Intrinsic, ...]:
        self._expect("(")
        found: list[Attribute | Intrinsic] = []
        while True:
            token = self._next
            one = self._primary()
            if not isinstance(one, Attribute | Intrinsic):
                raise refused(token, f"syntax error: unexpected {token.text}")
            found.append(one)
            if not self._accept(","):
                break
        self._expect(")")
        return tuple(found)

    # --- conditions -----------------------------------------------------------------------

    def _field(self) -> Field:
        self._deeper()
        try:
            left = self._conjunction()
            while self._accept("||"):
                left = Binary("||", left, self._conjunction())
            return left
        finally:
            self._depth -= 1

    def _conjunction(self) -> Field:
        left = self._comparison()
        while self._accept("&&"):
            left = Binary("&&", left, self._comparison())
        return left

    def _comparison(self) -> Field:
        left = self._sum()
        while self._next.kind == "op" and self._next.text in _COMPARES:
            token = self._take()
            right = self._sum()
            if token.text in ("=~", "!~"):
                self._check_pattern(token, right)
            left = Binary(cast("Compare", token.text), left, right)
        return left

    def _check_pattern(self, token: Token, right: Field) -> None:
        if not isinstance(right, Literally) or not isinstance(right.value, str):
            raise refused(token, f"illegal operation {token.text}: a pattern is a string")
        try:
            re.compile(right.value)
        except re.error as error:
            raise refused(token, f"error parsing regexp: {error}") from error

    def _sum(self) -> Field:
        left = self._product()
        while token := self._accept("+", "-"):
            op = cast('Literal["+", "-"]', token.text)
            left = Binary(op, left, self._product())
        return left

    def _product(self) -> Field:
        left = self._unary()
        while token := self._accept("*", "/", "%", "^"):
            op = cast('Literal["*", "/", "%", "^"]', token.text)
            left = Binary(op, left, self._unary())
        return left

    def _unary(self) -> Field:
        token = self._accept("!", "-")
        if token is None:
            return self._primary()
        self._deeper()
        try:
            return Unary(cast('Literal["!", "-"]', token.text), self._unary())
        finally:
            self._depth -= 1

    def _primary(self) -> Field:
        if self._accept("("):
            inner = self._field()
            self._expect(")")
            return inner
        token = self._take()
        match token.kind:
            case "string":
                return Literally(unquoted(token))
            case "number":
                whole = token.text.isdigit()
                return Literally(int(token.text) if whole else float(token.text))
            case "duration":
                return Literally(nanoseconds(token.text))
            case "attribute":
                return _attribute(token)
            case "word":
                return _word(token)
            case _:
                raise refused(token, f"syntax error: unexpected {token.text}")


_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"')


def _attribute(token: Token) -> Attribute:
    scope, name = token.text.split(".", 1)
    plain = _QUOTED.sub(lambda match: match[1].replace('\\"', '"').replace("\\\\", "\\"), name)
    if scope in ("link", "instrumentation"):
        raise refused(token, f"{scope} attributes are not supported by this server")
    if scope == "parent" and plain.split(".", 1)[0] in ("span", "resource"):
        raise refused(token, "parent attributes with a scope are not supported by this server")
    return Attribute(cast("Scope", scope or "any"), plain)


def _word(token: Token) -> Field:
    text = token.text
    if text in INTRINSICS:
        return Intrinsic(INTRINSICS[text])
    if text in ("true", "false"):
        return Literally(text == "true")
    if text == "nil":
        return Literally(None)
    if text in (Status.ERROR, Status.OK, Status.UNSET):
        return Literally(Status(text))
    if text in tuple(Kind):
        return Literally(Kind(text))
    raise refused(token, f"syntax error: unexpected IDENTIFIER {text!r}")
