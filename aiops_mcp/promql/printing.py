"""Tree to text: canonical PromQL that parses back to the same tree.

Parentheses are added only where precedence asks for them and the tree has none.
"""

import math

from aiops_mcp.promql import tree
from aiops_mcp.promql.quoting import is_legacy_metric, label, quote
from aiops_mcp.promql.tokens import format_duration

_PRECEDENCE = {
    "or": 1,
    "and": 2, "unless": 2,
    "==": 3, "!=": 3, "<": 3, ">": 3, "<=": 3, ">=": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5, "atan2": 5,
    "^": 7,
}  # fmt: skip
_UNARY = 6
_ATOM = 8
_KEYWORDS = frozenset(
    {
        *("and", "or", "unless", "atan2", "by", "without", "on", "ignoring", "bool", "offset"),
        *("group_left", "group_right", "fill", "fill_left", "fill_right", "inf", "nan"),
    }
)


def to_text(node: tree.Node) -> str:  # noqa: PLR0911 - one return a node type
    """Write a tree as one line of PromQL."""
    match node:
        case tree.Number():
            return number(node.value)
        case tree.String():
            return quote(node.value)
        case tree.Selector():
            return _selector(node) + _modifiers(node.offset, node.at)
        case tree.Range():
            bare = node.selector
            suffix = _modifiers(bare.offset, bare.at)
            return f"{_selector(bare)}[{duration(node.range)}]{suffix}"
        case tree.Subquery():
            step = "" if node.step is None else duration(node.step)
            inner = _operand(node.expr, _ATOM)
            return f"{inner}[{duration(node.range)}:{step}]" + _modifiers(node.offset, node.at)
        case tree.Call():
            return f"{node.function}({', '.join(map(to_text, node.args))})"
        case tree.Aggregate():
            return _aggregate(node)
        case tree.Unary():
            return _unary(node)
        case tree.Binary():
            return _binary(node)
        case tree.Paren():
            return f"({to_text(node.expr)})"


def number(value: float) -> str:
    """A number literal."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    return text.removesuffix(".0")


def duration(value: tree.Duration) -> str:
    """A duration or duration formula."""
    if isinstance(value, int):
        return format_duration(value)
    if value.op in ("step", "range", "min_of", "max_of"):
        name = {"min_of": "min", "max_of": "max"}.get(value.op, value.op)
        return f"{name}({', '.join(map(duration, value.operands))})"
    texts = [
        duration(operand) if isinstance(operand, int) and operand >= 0 else f"({duration(operand)})"
        for operand in value.operands
    ]
    if len(texts) == 1:
        return f"-{texts[0]}"
    return f"{texts[0]} {value.op} {texts[1]}"


def _selector(node: tree.Selector) -> str:
    matchers = [f"{label(m.name)}{m.op}{quote(m.value)}" for m in node.matchers]
    plain = is_legacy_metric(node.name) and node.name.lower() not in _KEYWORDS
    if node.name and not plain:
        matchers.insert(0, quote(node.name))
    braces = "{" + ",".join(matchers) + "}" if matchers else ""
    return (node.name if plain else "") + braces


def _modifiers(offset: tree.Duration, at: tree.At | None) -> str:
    text = ""
    if at is not None:
        text = f" @ {at / 1000:.3f}" if isinstance(at, int) else f" @ {at}()"
    if offset == 0:
        return text
    written = duration(offset)
    return f"{text} offset {written if isinstance(offset, int) else f'({written})'}"


def _aggregate(node: tree.Aggregate) -> str:
    inner = [to_text(node.expr)]
    if node.parameter is not None:
        inner.insert(0, to_text(node.parameter))
    clause = " "
    if node.grouping or node.without:
        word = "without" if node.without else "by"
        clause = f" {word} ({', '.join(map(label, node.grouping))}) "
    elif not node.grouping:
        clause = ""
    return f"{node.op}{clause}({', '.join(inner)})"


def _unary(node: tree.Unary) -> str:
    # Minus before a literal would be read as one negative literal.
    if isinstance(node.expr, tree.Number):
        return f"-({to_text(node.expr)})"
    return "-" + _operand(node.expr, _UNARY)


def _binary(node: tree.Binary) -> str:
    strength = _PRECEDENCE[node.op]
    right_first = node.op == "^"
    left = _operand(node.left, strength + 1 if right_first else strength)
    right = _operand(node.right, strength if right_first else strength + 1, after_operator=True)
    words = [left, node.op]
    if node.return_bool:
        words.append("bool")
    words += _matching(node.matching)
    return " ".join([*words, right])


def _matching(matching: tree.Matching) -> list[str]:
    words: list[str] = []
    if matching.on or matching.labels:
        word = "on" if matching.on else "ignoring"
        words.append(f"{word} ({', '.join(map(label, matching.labels))})")
    group = {"many-to-one": "group_left", "one-to-many": "group_right"}.get(matching.cardinality)
    if group:
        if not words:
            words.append("ignoring ()")
        words.append(f"{group} ({', '.join(map(label, matching.include))})")
    if matching.fill_left is not None and matching.fill_left == matching.fill_right:
        words.append(f"fill ({number(matching.fill_left)})")
    else:
        if matching.fill_left is not None:
            words.append(f"fill_left ({number(matching.fill_left)})")
        if matching.fill_right is not None:
            words.append(f"fill_right ({number(matching.fill_right)})")
    return words


def _operand(node: tree.Node, at_least: int, *, after_operator: bool = False) -> str:
    text = to_text(node)
    strength = _strength(node)
    # A leading minus after an operator is read as a sign, whatever binds tighter before it.
    if after_operator and strength == _UNARY:
        return text
    return text if strength >= at_least else f"({text})"


def _strength(node: tree.Node) -> int:
    match node:
        case tree.Binary():
            return _PRECEDENCE[node.op]
        case tree.Unary():
            return _UNARY
        case tree.Number(value=value):
            return _UNARY if math.copysign(1, value) < 0 and not math.isnan(value) else _ATOM
        case _:
            return _ATOM
