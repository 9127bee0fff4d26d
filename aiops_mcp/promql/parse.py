"""Text to tree: the one module that knows the parser library.

The library's nodes never leave this module. Regular expressions are checked as far as the library
can; one that only RE2 accepts is passed on unchecked.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import promql_parser

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import guard, tree
from aiops_mcp.promql.faults import culprit, unexpected
from aiops_mcp.promql.normalise import Normalised, normalise
from aiops_mcp.promql.quoting import quote
from aiops_mcp.promql.tokens import Token, fault, scan

# Renamed in Prometheus 3.0; clusters that run 2.x still know it under this name.
promql_parser.register_extra_functions(
    [
        promql_parser.Function(
            "holt_winters",
            [
                promql_parser.ValueType.Matrix,
                promql_parser.ValueType.Scalar,
                promql_parser.ValueType.Scalar,
            ],
            promql_parser.ValueType.Vector,
        )
    ]
)

_MATCH_OPS: dict[str, tree.MatchOp] = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_CARDINALITIES: dict[str, tree.Cardinality] = {
    "OneToOne": "one-to-one",
    "ManyToOne": "many-to-one",
    "OneToMany": "one-to-many",
    "ManyToMany": "many-to-many",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(query: str) -> tree.Node:
    """Read a PromQL expression.

    Raises:
        InvalidPromql: with ``position`` (characters from 0) and, in its details, ``line`` and
            ``column`` from 1; the message is worded as Prometheus words it.
    """
    guard.check(query)
    tokens = scan(query)
    if not tokens:
        raise fault(query, "no expression found in input", 0, "Write a PromQL expression.")
    plain = normalise(query, tokens)
    try:
        parsed: Any = promql_parser.parse(plain.text)
    except ValueError as error:
        raise _located(query, tokens, plain.readable(str(error))) from error
    return _Reader(query, tokens, plain).node(parsed)


def parse_selector(text: str) -> tree.Selector:
    """Read a bare series selector, as ``match[]`` takes it.

    Raises:
        InvalidPromql: when the text is anything else.
    """
    node = parse(text)
    if not isinstance(node, tree.Selector) or node.offset or node.at is not None:
        raise fault(text, "expected a series selector without modifiers", 0)
    return node


def prettify(node_text: str) -> str:
    """Lay a query out over lines as Prometheus's ``format_query`` does.

    Raises:
        InvalidPromql: when the text is not PromQL.
    """
    guard.check(node_text)
    try:
        return promql_parser.parse(node_text).prettify()
    except ValueError as error:
        raise _located(node_text, scan(node_text), str(error)) from error


def _located(query: str, tokens: list[Token], message: str) -> InvalidPromql:
    found = unexpected(query, tokens)
    if found is not None:
        position, description = found
        return fault(query, description, position)
    position = culprit(tokens, message, lambda start, end: _refusal(query, tokens, start, end))
    return fault(query, message, position)


def _refusal(query: str, tokens: list[Token], start: int, end: int) -> str | None:
    part = normalise(query, tokens[start:end])
    try:
        promql_parser.parse(part.text)
    except ValueError as error:
        return part.readable(str(error))
    return None


@lru_cache(maxsize=4096)
def _regex_matches_empty(pattern: str) -> bool | None:
    """Whether an anchored regular expression matches nothing; None when it cannot be compiled."""
    try:
        promql_parser.parse("{a=~" + quote(pattern) + "}")
    except ValueError as error:
        if "non-empty matcher" in str(error):
            return True
    else:
        return False
    try:  # Rust's dialect refuses a few expressions RE2 takes, such as a literal brace.
        return re.fullmatch(pattern, "") is not None
    except re.error:
        return None


class _Reader:
    """Maps the library's nodes to ours, putting the stand-ins back."""

    def __init__(self, query: str, tokens: list[Token], plain: Normalised) -> None:
        self._query = query
        self._tokens = tokens
        self._plain = plain

    def node(self, parsed: Any) -> tree.Node:
        read = getattr(self, "_" + type(parsed).__name__)
        return cast("tree.Node", read(parsed))

    def _NumberLiteral(self, parsed: Any) -> tree.Node:  # noqa: N802 - the library's class names
        return tree.Number(parsed.val)

    def _StringLiteral(self, parsed: Any) -> tree.Node:  # noqa: N802
        return tree.String(self._plain.string(parsed.val))

    def _ParenExpr(self, parsed: Any) -> tree.Node:  # noqa: N802
        return tree.Paren(self.node(parsed.expr))

    def _UnaryExpr(self, parsed: Any) -> tree.Node:  # noqa: N802
        return tree.Unary("-", self.node(parsed.expr))

    def _Call(self, parsed: Any) -> tree.Node:  # noqa: N802
        name: str = parsed.func.name
        if name != "info":
            return tree.Call(name, tuple(self.node(arg) for arg in parsed.args))
        # The second argument lists labels to add and may leave everything optional.
        vector, *asked = parsed.args
        if any(type(arg).__name__ != "VectorSelector" for arg in asked):
            position = next((t.start for t in self._tokens if t.text == "info"), 0)
            raise fault(
                self._query, "expected label selectors as second argument to info", position
            )
        selectors = [self._selector(arg, check=False) for arg in asked]
        return tree.Call(name, (self.node(vector), *selectors))

    def _MatrixSelector(self, parsed: Any) -> tree.Node:  # noqa: N802
        selector = self._VectorSelector(parsed.vector_selector)
        return tree.Range(selector, self._duration(parsed.range))

    def _SubqueryExpr(self, parsed: Any) -> tree.Node:  # noqa: N802
        return tree.Subquery(
            self.node(parsed.expr),
            self._duration(parsed.range),
            None if parsed.step is None else self._duration(parsed.step),
            self._offset(parsed),
            self._at(parsed),
        )

    def _AggregateExpr(self, parsed: Any) -> tree.Node:  # noqa: N802
        modifier = parsed.modifier
        return tree.Aggregate(
            str(parsed.op).lower(),
            self.node(parsed.expr),
            None if parsed.param is None else self.node(parsed.param),
            self._names(modifier.labels if modifier is not None else None),
            modifier is not None and modifier.type == promql_parser.AggModifierType.Without,
        )

    def _BinaryExpr(self, parsed: Any) -> tree.Node:  # noqa: N802
        modifier = parsed.modifier
        op = str(parsed.op).lower()
        matching = tree.Matching(
            cardinality="many-to-many" if op in tree.SET_OPERATORS else "one-to-one"
        )
        if modifier is not None:
            labels = modifier.matching
            matching = tree.Matching(
                _CARDINALITIES[str(modifier.card).rpartition(".")[2]],
                labels is not None and labels.type == promql_parser.LabelModifierType.Include,
                self._names(labels.labels if labels is not None else None),
                self._names(modifier.group_labels),
                modifier.fill_values.lhs,
                modifier.fill_values.rhs,
            )
        return tree.Binary(
            op,
            self.node(parsed.lhs),
            self.node(parsed.rhs),
            modifier is not None and modifier.return_bool,
            matching,
        )

    def _VectorSelector(self, parsed: Any) -> tree.Selector:  # noqa: N802
        return self._selector(parsed, check=True)

    def _selector(self, parsed: Any, *, check: bool) -> tree.Selector:
        if parsed.matchers.or_matchers:
            position = next((t.start for t in self._tokens if t.lower == "or"), 0)
            raise fault(
                self._query,
                'unexpected "or" in label matching',
                position,
                "Prometheus has no alternatives inside braces; use a regular expression.",
            )
        name = self._plain.string(parsed.name or "")
        matchers: list[tree.Matcher] = []
        for found in parsed.matchers.matchers:
            op = _MATCH_OPS[str(found.op).rpartition(".")[2]]
            label, value = self._plain.string(found.name), self._plain.string(found.value)
            if not name and not matchers and label == tree.METRIC_NAME and op == "=":
                name = value
            else:
                matchers.append(tree.Matcher(label, op, value))
        selector = tree.Selector(name, tuple(matchers), self._offset(parsed), self._at(parsed))
        self._check(selector, may_be_empty=not check)
        return selector

    def _check(self, selector: tree.Selector, *, may_be_empty: bool) -> None:
        """What the library cannot see behind the stand-ins."""
        all_optional = not selector.name
        for matcher in selector.matchers:
            if selector.name and matcher.name == tree.METRIC_NAME and matcher.op == "=":
                raise fault(
                    self._query,
                    f'metric name must not be set twice: "{selector.name}" or "{matcher.value}"',
                    self._find(matcher.value),
                )
            matches_empty = matcher.value == ""
            if matcher.op in ("=~", "!~"):
                verdict = _regex_matches_empty(matcher.value)
                if verdict is None:
                    raise fault(
                        self._query,
                        f"error parsing regexp: {matcher.value}",
                        self._find(matcher.value),
                    )
                matches_empty = verdict
            if matcher.op in ("!=", "!~"):
                matches_empty = not matches_empty
            all_optional = all_optional and matches_empty
        if all_optional and not may_be_empty:
            raise fault(
                self._query,
                "vector selector must contain at least one non-empty matcher",
                self._brace(),
                "Name a metric, or match one label with a value.",
            )

    def _find(self, value: str) -> int:
        known = zip(self._plain.strings, self._plain.string_starts, strict=True)
        return next((start for text, start in known if text == value), 0)

    def _brace(self) -> int:
        for index, token in enumerate(self._tokens):
            after_name = index > 0 and self._tokens[index - 1].kind == "word"
            if token.text == "{" and not after_name:
                return token.start
        return 0

    def _names(self, labels: "list[str] | None") -> tuple[str, ...]:
        return tuple(self._plain.string(label) for label in labels or ())

    def _duration(self, stand_in: timedelta) -> tree.Duration:
        return self._plain.duration(round(stand_in / timedelta(milliseconds=1)))

    def _offset(self, parsed: Any) -> tree.Duration:
        return 0 if parsed.offset is None else self._duration(parsed.offset)

    def _at(self, parsed: Any) -> tree.At | None:
        if parsed.at is None:
            return None
        kind = str(parsed.at.type).rpartition(".")[2]
        if kind == "Start":
            return "start"
        if kind == "End":
            return "end"
        at: datetime = parsed.at.at
        return self._plain.times[round((at - _EPOCH).total_seconds())]
