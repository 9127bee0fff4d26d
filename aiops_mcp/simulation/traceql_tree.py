"""TraceQL as a tree, as far as the simulated Tempo knows it.

Source: grafana/tempo ``pkg/traceql/ast.go``, ``docs/sources/tempo/traceql``.
"""

from dataclasses import dataclass
from typing import Literal

from aiops_mcp.simulation.spans import Kind, Status

Value = str | int | float | bool | Status | Kind | None
"""Of an attribute or a literal; ``None`` is TraceQL's ``nil``."""

Scope = Literal["span", "resource", "parent", "event", "any"]
Compare = Literal["=", "!=", "<", "<=", ">", ">=", "=~", "!~"]
Arithmetic = Literal["+", "-", "*", "/", "%", "^"]
Relation = Literal["&&", "||", ">>", ">", "<<", "<", "~", "!>>", "!>", "!<<", "!<", "!~"]


class TraceqlError(ValueError):
    """A query that Tempo refuses; the text is what it says."""


@dataclass(frozen=True, slots=True)
class Literally:
    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a scope."""

    scope: Scope
    name: str


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """What every span has, such as ``duration``, or its trace, such as ``rootServiceName``."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    op: Literal["!", "-"]
    operand: "Field"


@dataclass(frozen=True, slots=True)
class Binary:
    op: Compare | Arithmetic | Literal["&&", "||"]
    left: "Field"
    right: "Field"


Field = Literally | Attribute | Intrinsic | Unary | Binary


@dataclass(frozen=True, slots=True)
class Filter:
    """``{ ... }``: the spans that fulfil a condition; without one, all."""

    condition: Field | None


@dataclass(frozen=True, slots=True)
class Related:
    """Two sets of spans of one trace that stand in a relation to each other."""

    op: Relation
    left: "Spans"
    right: "Spans"


Spans = Filter | Related


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``| count() > 2``: keeps the sets of spans whose aggregate compares so."""

    function: Literal["count", "avg", "min", "max", "sum"]
    of: Field | None
    op: Compare
    value: float


@dataclass(frozen=True, slots=True)
class Select:
    """``| select(.a, .b)``: which attributes hits carry."""

    fields: tuple[Attribute | Intrinsic, ...]


@dataclass(frozen=True, slots=True)
class Narrow:
    """``| { ... }``: filters the set once more."""

    spans: Spans


Stage = Aggregate | Select | Narrow


@dataclass(frozen=True, slots=True)
class Metric:
    """``| rate() by (...)`` and its like; ``parameters`` are quantiles."""

    function: str
    of: Field | None
    parameters: tuple[float, ...]
    by: tuple[Attribute | Intrinsic, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query; with ``metric`` it is one for the metrics endpoints."""

    spans: Spans
    stages: tuple[Stage, ...] = ()
    metric: Metric | None = None
