"""The syntax tree of a PromQL expression: frozen values, no behaviour beyond small questions.

Times and durations are milliseconds (``int``). It must not know the parser it came from, nor how
an expression is evaluated.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

MatchOp: TypeAlias = Literal["=", "!=", "=~", "!~"]
Cardinality: TypeAlias = Literal["one-to-one", "many-to-one", "one-to-many", "many-to-many"]
ValueType: TypeAlias = Literal["scalar", "vector", "matrix", "string"]
At: TypeAlias = int | Literal["start", "end"]

METRIC_NAME = "__name__"
COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
MAX_DURATION_MS = 2**63 // 1_000_000
"""Prometheus counts durations in nanoseconds, in 64 bits."""
SCALAR_FUNCTIONS = frozenset(
    {"scalar", "time", "pi", "start", "end", "range", "step", "min_of", "max_of"}
)


@dataclass(frozen=True, slots=True)
class DurationFormula:
    """Duration arithmetic that depends on the query: operands are milliseconds or formulas."""

    op: str
    operands: "tuple[Duration, ...]"


Duration: TypeAlias = int | DurationFormula


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class String:
    value: str


@dataclass(frozen=True, slots=True)
class Matcher:
    name: str
    op: MatchOp
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector; ``name`` is empty when only matchers choose the metric."""

    name: str
    matchers: tuple[Matcher, ...] = ()
    offset: Duration = 0
    at: At | None = None

    @property
    def all_matchers(self) -> tuple[Matcher, ...]:
        """The matchers with the metric name as one of them."""
        return (
            (Matcher(METRIC_NAME, "=", self.name), *self.matchers) if self.name else self.matchers
        )


@dataclass(frozen=True, slots=True)
class Range:
    selector: Selector
    range: Duration


@dataclass(frozen=True, slots=True)
class Subquery:
    """``step`` None stands for the server's evaluation interval."""

    expr: "Node"
    range: Duration
    step: Duration | None = None
    offset: Duration = 0
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    args: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Aggregate:
    op: str
    expr: "Node"
    parameter: "Node | None" = None
    grouping: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class Matching:
    """How two vectors are matched; ``include`` are the labels of ``group_left(...)``."""

    cardinality: Cardinality = "one-to-one"
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "Node"
    right: "Node"
    return_bool: bool = False
    matching: Matching = Matching()


@dataclass(frozen=True, slots=True)
class Unary:
    """A minus sign; the parser drops a plus sign."""

    op: Literal["-"]
    expr: "Node"


@dataclass(frozen=True, slots=True)
class Paren:
    expr: "Node"


Node: TypeAlias = (
    Number | String | Selector | Range | Subquery | Call | Aggregate | Binary | Unary | Paren
)


def children(node: Node) -> "tuple[Node, ...]":
    """The expressions directly inside a node, in the order of the text."""
    match node:
        case Call():
            return node.args
        case Aggregate():
            return (node.expr,) if node.parameter is None else (node.parameter, node.expr)
        case Binary():
            return (node.left, node.right)
        case Subquery() | Unary() | Paren():
            return (node.expr,)
        case Range():
            return (node.selector,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def without_parens(node: Node) -> Node:
    """The node inside any number of parentheses."""
    while isinstance(node, Paren):
        node = node.expr
    return node


def result_type(node: Node) -> ValueType:  # noqa: PLR0911 - one return a node type
    """The type an expression evaluates to."""
    match without_parens(node):
        case Number():
            return "scalar"
        case String():
            return "string"
        case Range() | Subquery():
            return "matrix"
        case Call(function=function):
            return "scalar" if function in SCALAR_FUNCTIONS else "vector"
        case Binary(left=left, right=right):
            both = result_type(left) == result_type(right) == "scalar"
            return "scalar" if both else "vector"
        case Unary(expr=inner):
            return result_type(inner)
        case _:
            return "vector"


def duration_ms(duration: Duration, *, step_ms: int, range_ms: int) -> int:
    """The length of a duration for a query with this step and range, in milliseconds.

    Raises:
        ZeroDivisionError: when the formula divides by zero.
        OverflowError: when the result is longer than Prometheus can count.
    """
    if isinstance(duration, int):
        return duration
    milliseconds = round(_seconds(duration, step_ms, range_ms) * 1000)
    if abs(milliseconds) > MAX_DURATION_MS:
        raise OverflowError("duration out of range")
    return milliseconds


def _seconds(duration: Duration, step_ms: int, range_ms: int) -> float:
    if isinstance(duration, int):
        return duration / 1000
    if duration.op == "step":
        return step_ms / 1000
    if duration.op == "range":
        return range_ms / 1000
    values = [_seconds(operand, step_ms, range_ms) for operand in duration.operands]
    return combine(duration.op, values)


def combine(op: str, values: list[float]) -> float:  # noqa: PLR0911 - one return an operator
    """Apply one operator of duration arithmetic to seconds; one operand with ``-`` negates."""
    if len(values) == 1:
        return -values[0]
    left, right = values
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case "%":
            return math.fmod(left, right) if right else _no_remainder()
        case "^":
            return math.pow(left, right)
        case "min_of":
            return min(left, right)
        case "max_of":
            return max(left, right)
        case _:
            raise ValueError(f"no duration operator {op!r}")


def _no_remainder() -> float:
    raise ZeroDivisionError("remainder by zero")
