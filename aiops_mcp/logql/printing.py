"""Tree to text, so that the text read again gives the same tree."""

import math

from aiops_mcp.logql import tree
from aiops_mcp.logql.parse import PRECEDENCE
from aiops_mcp.logql.quantities import format_duration
from aiops_mcp.logql.tokens import quote


def to_text(node: tree.Query | tree.Selector | tree.Stage) -> str:  # noqa: PLR0911 - one return a node type
    """A query, a selector or a stage as LogQL."""
    match node:
        case tree.LogQuery():
            return " ".join([to_text(node.selector), *map(to_text, node.stages)])
        case tree.Selector():
            return "{" + ", ".join(map(_matcher, node.matchers)) + "}"
        case tree.RangeAggregation():
            return _range(node)
        case tree.VectorAggregation():
            parameter = "" if node.parameter is None else f"{node.parameter}, "
            return f"{node.op}{_grouping(node.grouping)}({parameter}{to_text(node.expr)})"
        case tree.LabelReplace():
            texts = (node.target, node.replacement, node.source, node.pattern)
            return f"label_replace({to_text(node.expr)}, {', '.join(map(quote, texts))})"
        case tree.Number():
            return _number(node.value)
        case tree.VectorNumber():
            return f"vector({_number(node.value)})"
        case tree.Binary():
            return _binary(node)
        case _:
            return _stage(node)


def _binary(node: tree.Binary) -> str:
    strength = PRECEDENCE[node.op]
    right_binds = node.op == "^"
    left = _operand(node.left, strength + 1 if right_binds else strength)
    right = _operand(node.right, strength if right_binds else strength + 1)
    between = node.op + (" bool" if node.return_bool else "")
    if node.matching is not None:
        matching = node.matching
        kind = "on" if matching.on else "ignoring"
        between += f" {kind} ({', '.join(matching.labels)})"
        if matching.group:
            between += f" group_{matching.group} ({', '.join(matching.include)})"
    return f"{left} {between} {right}"


def _operand(node: tree.MetricQuery, least: int) -> str:
    text = to_text(node)
    if isinstance(node, tree.Binary) and PRECEDENCE[node.op] < least:
        return f"({text})"
    return text


def _range(node: tree.RangeAggregation) -> str:
    parameter = "" if node.parameter is None else f"{_number(node.parameter)}, "
    inner = to_text(node.query)
    if node.unwrap is not None:
        unwrap = node.unwrap
        label = f"{unwrap.conversion}({unwrap.label})" if unwrap.conversion else unwrap.label
        tests = "".join(f" | {_test(one)}" for one in unwrap.tests)
        inner += f" | unwrap {label}{tests}"
    inner += f" [{format_duration(node.range)}]"
    if node.offset:
        inner += f" offset {format_duration(node.offset)}"
    return f"{node.op}({parameter}{inner}){_grouping(node.grouping)}"


def _grouping(grouping: tree.Grouping | None) -> str:
    if grouping is None:
        return ""
    kind = "without" if grouping.without else "by"
    return f" {kind} ({', '.join(grouping.labels)})"


def _number(value: float) -> str:
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    text = repr(value)
    return text.removesuffix(".0")


def _matcher(matcher: tree.Matcher) -> str:
    return f"{matcher.name}{matcher.op}{quote(matcher.value)}"


def _stage(stage: tree.Stage) -> str:  # noqa: PLR0911 - one return a stage
    match stage:
        case tree.LineFilter():
            return f"{stage.op} {' or '.join(map(_line_match, stage.alternatives))}"
        case tree.Json():
            return _parser("json", stage.extractions)
        case tree.Logfmt():
            flags = " --strict" * stage.strict + " --keep-empty" * stage.keep_empty
            return _parser("logfmt" + flags, stage.extractions)
        case tree.Pattern():
            return f"| pattern {quote(stage.pattern)}"
        case tree.Regexp():
            return f"| regexp {quote(stage.pattern)}"
        case tree.Unpack() | tree.Decolorize():
            return f"| {type(stage).__name__.lower()}"
        case tree.LabelFilter():
            return f"| {_test(stage.test)}"
        case tree.LineFormat():
            return f"| line_format {quote(stage.template)}"
        case tree.LabelFormat():
            return f"| label_format {', '.join(map(_operation, stage.operations))}"
        case tree.Drop():
            return f"| drop {', '.join(map(_named, stage.labels))}"
        case tree.Keep():
            return f"| keep {', '.join(map(_named, stage.labels))}"


def _parser(name: str, extractions: tuple[tree.Extraction, ...]) -> str:
    parts = ", ".join(f"{one.label}={quote(one.expression)}" for one in extractions)
    return f"| {name} {parts}".rstrip()


def _line_match(match: tree.LineMatch) -> str:
    return f"ip({quote(match.text)})" if match.ip else quote(match.text)


def _operation(one: tree.LabelRename | tree.LabelTemplate) -> str:
    value = one.source if isinstance(one, tree.LabelRename) else quote(one.template)
    return f"{one.name}={value}"


def _named(one: str | tree.Matcher) -> str:
    return one if isinstance(one, str) else _matcher(one)


def _test(test: tree.LabelTest) -> str:  # noqa: PLR0911 - one return a test
    match test:
        case tree.StringTest():
            return _matcher(test.matcher)
        case tree.NumberTest():
            return f"{test.name} {test.op} {_number(test.value)}"
        case tree.DurationTest():
            return f"{test.name} {test.op} {format_duration(test.nanoseconds)}"
        case tree.BytesTest():
            return f"{test.name} {test.op} {test.size}B"
        case tree.IpTest():
            return f"{test.name}{test.op}ip({quote(test.pattern)})"
        case tree.Both():
            # Conjunctions lean to the left; one on the right was in parentheses.
            right = _test(test.right)
            if isinstance(test.right, tree.Both | tree.Either):
                right = f"({right})"
            left = _test(test.left)
            if isinstance(test.left, tree.Either):
                left = f"({left})"
            return f"{left} and {right}"
        case tree.Either():
            right = _test(test.right)
            if isinstance(test.right, tree.Either):
                right = f"({right})"
            return f"{_test(test.left)} or {right}"
