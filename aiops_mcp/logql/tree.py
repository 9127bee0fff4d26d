"""The syntax tree of LogQL: frozen values, no behaviour beyond small questions.

Durations are nanoseconds and sizes bytes (``int``). It must not know how text is parsed, nor how
a query is evaluated.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiops_mcp.logql.regexes import matches_empty

MatchOp: TypeAlias = Literal["=", "!=", "=~", "!~"]
LineOp: TypeAlias = Literal["|=", "!=", "|~", "!~", "|>", "!>"]
Comparison: TypeAlias = Literal["==", "!=", "<", ">", "<=", ">="]
Conversion: TypeAlias = Literal["", "duration", "duration_seconds", "bytes"]

COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
LOG_RANGES = frozenset(
    {"rate", "count_over_time", "bytes_rate", "bytes_over_time", "absent_over_time"}
)
"""Range aggregations of lines; ``rate`` and ``absent_over_time`` take unwrapped values too."""
UNWRAPPED_RANGES = frozenset(
    {
        "rate_counter",
        "sum_over_time",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "first_over_time",
        "last_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "quantile_over_time",
    }
)
VECTOR_AGGREGATIONS = frozenset(
    {
        "sum",
        "avg",
        "min",
        "max",
        "count",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "approx_topk",
        "sort",
        "sort_desc",
    }
)


@dataclass(frozen=True, slots=True)
class Matcher:
    name: str
    op: MatchOp
    value: str

    @property
    def matches_empty(self) -> bool:
        """Whether a stream without the label passes."""
        found = self.value == "" if self.op in ("=", "!=") else matches_empty(self.value)
        return found == (self.op in ("=", "=~"))


@dataclass(frozen=True, slots=True)
class Selector:
    """A stream selector, ``{…}``."""

    matchers: tuple[Matcher, ...]

    @property
    def is_selective(self) -> bool:
        """Whether a matcher cannot match an empty value; Loki refuses a selector without one."""
        return any(not one.matches_empty for one in self.matchers)


# --- stages of a pipeline -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LineMatch:
    """What a line filter looks for; with ``ip`` an address, a range or a CIDR network."""

    text: str
    ip: bool = False


@dataclass(frozen=True, slots=True)
class LineFilter:
    """``alternatives`` are joined by ``or``: one must match, or with ``!`` none may."""

    op: LineOp
    alternatives: tuple[LineMatch, ...]


@dataclass(frozen=True, slots=True)
class Extraction:
    """``label="expression"`` of the json and logfmt parsers."""

    label: str
    expression: str


@dataclass(frozen=True, slots=True)
class Json:
    extractions: tuple[Extraction, ...] = ()


@dataclass(frozen=True, slots=True)
class Logfmt:
    extractions: tuple[Extraction, ...] = ()
    strict: bool = False
    keep_empty: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    pattern: str


@dataclass(frozen=True, slots=True)
class Regexp:
    pattern: str


@dataclass(frozen=True, slots=True)
class Unpack:
    pass


@dataclass(frozen=True, slots=True)
class Decolorize:
    pass


@dataclass(frozen=True, slots=True)
class StringTest:
    matcher: Matcher


@dataclass(frozen=True, slots=True)
class NumberTest:
    name: str
    op: Comparison
    value: float


@dataclass(frozen=True, slots=True)
class DurationTest:
    name: str
    op: Comparison
    nanoseconds: int


@dataclass(frozen=True, slots=True)
class BytesTest:
    name: str
    op: Comparison
    size: int


@dataclass(frozen=True, slots=True)
class IpTest:
    name: str
    op: Literal["=", "!="]
    pattern: str


@dataclass(frozen=True, slots=True)
class Both:
    left: "LabelTest"
    right: "LabelTest"


@dataclass(frozen=True, slots=True)
class Either:
    left: "LabelTest"
    right: "LabelTest"


LabelTest: TypeAlias = StringTest | NumberTest | DurationTest | BytesTest | IpTest | Both | Either


@dataclass(frozen=True, slots=True)
class LabelFilter:
    test: LabelTest


@dataclass(frozen=True, slots=True)
class LineFormat:
    template: str


@dataclass(frozen=True, slots=True)
class LabelRename:
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class LabelTemplate:
    name: str
    template: str


@dataclass(frozen=True, slots=True)
class LabelFormat:
    operations: tuple[LabelRename | LabelTemplate, ...]


@dataclass(frozen=True, slots=True)
class Drop:
    """Labels to leave out: names, or matchers that also ask for a value."""

    labels: tuple[str | Matcher, ...]


@dataclass(frozen=True, slots=True)
class Keep:
    labels: tuple[str | Matcher, ...]


Stage: TypeAlias = (
    LineFilter
    | Json
    | Logfmt
    | Pattern
    | Regexp
    | Unpack
    | Decolorize
    | LabelFilter
    | LineFormat
    | LabelFormat
    | Drop
    | Keep
)


# --- queries --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Lines: a stream selector and what is done with each line."""

    selector: Selector
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True, slots=True)
class Unwrap:
    """A label whose value is the sample; ``tests`` follow it and see the conversion's errors."""

    label: str
    conversion: Conversion = ""
    tests: tuple[LabelTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Grouping:
    labels: tuple[str, ...] = ()
    without: bool = False


@dataclass(frozen=True, slots=True)
class RangeAggregation:
    """``op(query [range])``; ``parameter`` is the quantile."""

    op: str
    query: LogQuery
    range: int
    unwrap: Unwrap | None = None
    offset: int = 0
    parameter: float | None = None
    grouping: Grouping | None = None


@dataclass(frozen=True, slots=True)
class VectorAggregation:
    op: str
    expr: "MetricQuery"
    parameter: int | None = None
    grouping: Grouping | None = None


@dataclass(frozen=True, slots=True)
class LabelReplace:
    expr: "MetricQuery"
    target: str
    replacement: str
    source: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class VectorNumber:
    """``vector(3)``: one element without labels."""

    value: float


@dataclass(frozen=True, slots=True)
class Matching:
    """How two vectors are matched; ``group`` names the side with many, ``include`` its labels."""

    on: bool = False
    labels: tuple[str, ...] = ()
    group: Literal["", "left", "right"] = ""
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "MetricQuery"
    right: "MetricQuery"
    return_bool: bool = False
    matching: Matching | None = None


MetricQuery: TypeAlias = (
    RangeAggregation | VectorAggregation | LabelReplace | Number | VectorNumber | Binary
)
Query: TypeAlias = LogQuery | MetricQuery
