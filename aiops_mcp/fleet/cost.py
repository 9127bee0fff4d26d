"""What a range query asks for: its grid of times, and whether the answer would flood anybody.

Pure. A grid is checked (order, sign, future), given a step where none was asked, and made coarser
with a note, or refused with a hint, where series x steps x clusters exceed what may be asked.
Times are unix seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_mcp.errors import InputError, QueryTooExpensive
from aiops_mcp.promql import tree
from aiops_mcp.promql.tokens import format_duration, parse_duration

MAX_POINTS_PER_SERIES = 11_000
"""Prometheus refuses more (web/api/v1/api.go)."""

COARSEN_AT_MOST = 20
"""A step this many times too fine is made coarser; beyond that the caller meant another query."""

DEFAULT_RANGE_SECONDS = 3600.0
DEFAULT_STEP_SECONDS = 60.0
DEFAULT_POINTS = 250
FEWEST_POINTS = 30
"""Coarser than this a range says nothing any more; then the query is refused."""

CLOCK_SLACK_SECONDS = 300.0
"""A caller's clock may be ahead of ours by this much."""

_STEPS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
)  # fmt: skip
_CUTTING = frozenset({"topk", "bottomk", "limitk"})
_MANY = frozenset({"limit_ratio", "count_values"})


@dataclass(frozen=True, slots=True)
class Grid:
    """The moments of a range query: ``start``, ``start + step`` and so on up to ``end``.

    ``follows_now``: the end was not given, so that callers a moment apart share the grid.
    """

    start: float
    end: float
    step: float
    follows_now: bool = False
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return int((self.end - self.start) / self.step) + 1


def grid(
    start: datetime | None,
    end: datetime | None,
    step: float | None,
    *,
    now: datetime,
) -> Grid:
    """The grid that was asked for; an hour until now at a minute's step, where nothing was.

    A grid that ends now lies on multiples of its step. One with more points a series than
    Prometheus gives is made coarser with a note.

    Raises:
        InputError: the end before the start, a start in the future, a step that is not positive.
        QueryTooExpensive: far more points than can be given.
    """
    moment = now.timestamp()
    last = moment if end is None else end.timestamp()
    first = last - DEFAULT_RANGE_SECONDS if start is None else start.timestamp()
    notes: list[str] = []
    if last > moment + CLOCK_SLACK_SECONDS:
        last = moment
        notes.append("the end lies in the future; asked until now")
    _check_order(first, last, moment)
    length = last - first
    if step is None:
        step = default_step(length)
    if not step > 0 or math.isinf(step):
        raise InputError(
            f"step is {step:g} s; it must be longer than 0.", "Write a duration such as 1m."
        )
    if length / step > MAX_POINTS_PER_SERIES * COARSEN_AT_MOST:
        raise QueryTooExpensive(
            f"A step of {_words(step)} over {_words(length)} is {length / step:.3g} points a "
            f"series; {MAX_POINTS_PER_SERIES} are the most.",
            f"Use a step of {_words(default_step(length))} or a shorter range.",
        )
    if length / step + 1 > MAX_POINTS_PER_SERIES:
        coarser = _at_least(length / (MAX_POINTS_PER_SERIES - 1))
        notes.append(_coarsened(step, coarser, f"{MAX_POINTS_PER_SERIES} points a series"))
        step = coarser
    if end is None and length >= step:
        last = math.floor(last / step) * step
        first = last - length if start is None else first
    return Grid(first, last, step, end is None, tuple(notes))


def default_step(length: float) -> float:
    """A minute, or the round step that gives at most 250 points over ``length`` seconds."""
    return max(DEFAULT_STEP_SECONDS, _at_least(length / (DEFAULT_POINTS - 1)))


def read_step(step: str | float | None) -> float | None:
    """Seconds of a step: a number, ``90``, ``1m`` or ``1h30m``.

    Raises:
        InputError: it is none of these.
    """
    if step is None or isinstance(step, (int, float)):
        return step
    text = step.strip()
    milliseconds = parse_duration(text)
    if milliseconds is not None:
        return milliseconds / 1000
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise InputError(
            f"{step!r} is no step.",
            "Write a duration such as 30s, 1m or 6h, or seconds.",
            details={"field": "step"},
        )
    return seconds


def fit(asked: Grid, series: int, *, clusters: int, max_points: int, query: str) -> Grid:
    """The grid for an answer of about ``series`` series over all clusters, coarser if it must be.

    Raises:
        QueryTooExpensive: no sensible step brings it under ``max_points``.
    """
    if series * asked.points <= max_points:
        return asked
    length = asked.end - asked.start
    affordable = max_points // max(series, 1)
    if affordable < min(FEWEST_POINTS, asked.points):
        raise QueryTooExpensive(
            f"The answer would hold {series} series x {asked.points} steps from {clusters} "
            f"clusters, {series * asked.points:.3g} points; {max_points:.3g} are the most.",
            f"Aggregate first: {narrower(query)} Or narrow the labels, the clusters or the range.",
            details={"series": series, "steps": asked.points, "clusters": clusters},
        )
    step = _at_least(length / max(affordable - 1, 1))
    note = _coarsened(asked.step, step, f"{series} series from {clusters} clusters")
    return replace(asked, step=step, notes=(*asked.notes, note))


def narrower(query: str) -> str:
    """A query that asks less, to copy."""
    return f"sum by (namespace) ({query}) or topk(10, {query})."


def known_series(  # noqa: PLR0911 - one return a node type
    node: tree.Node,
) -> int | None:
    """How many series a query answers with, where its form alone tells; else None."""
    node = tree.without_parens(node)
    if tree.result_type(node) in ("scalar", "string"):
        return 1
    match node:
        case tree.Aggregate():
            return _aggregated_series(node)
        case tree.Call(function="absent" | "absent_over_time" | "vector"):
            return 1
        case tree.Call(function="histogram_quantile", args=(_, buckets)):
            return _without_le(buckets)
        case tree.Call():
            vectors = [arg for arg in node.args if tree.result_type(arg) == "vector"]
            return known_series(vectors[0]) if len(vectors) == 1 else None
        case tree.Unary():
            return known_series(node.expr)
        case tree.Binary():
            return _smaller(known_series(node.left), known_series(node.right), node)
        case _:
            return None


def _aggregated_series(node: tree.Aggregate) -> int | None:
    if node.grouping or node.without or node.op in _MANY:
        return None
    if node.op not in _CUTTING:
        return 1
    count = tree.without_parens(node.parameter) if node.parameter is not None else None
    return max(0, int(count.value)) if isinstance(count, tree.Number) else None


def _without_le(buckets: tree.Node) -> int | None:
    inner = tree.without_parens(buckets)
    if isinstance(inner, tree.Aggregate) and not inner.without and set(inner.grouping) <= {"le"}:
        return 1
    return known_series(inner)


def _smaller(left: int | None, right: int | None, node: tree.Binary) -> int | None:
    scalar_sides = [tree.result_type(side) == "scalar" for side in (node.left, node.right)]
    if scalar_sides[0]:
        return right
    if scalar_sides[1]:
        return left
    if node.op == "or":
        return None if left is None or right is None else left + right
    if node.op in tree.SET_OPERATORS:
        return left
    known = [count for count in (left, right) if count is not None]
    return min(known) if known and node.matching.cardinality == "one-to-one" else None


def count_query(queries: Sequence[str]) -> str:
    """The instant query that tells how many series the first of a plan's queries gives."""
    return f"count({queries[0]})"


def needs_count(node: tree.Node, *, steps: int, clusters: int, max_points: int) -> bool:
    """Whether the number of series must be asked before the query is.

    Not where the query's form tells it; not where even 10,000 series a cluster would do; and for
    a single instant only where the query names no metric, so that everything may come.
    """
    if tree.result_type(node) != "vector":
        return False
    if known_series(node) is not None or steps * clusters * 10_000 <= max_points:
        return False
    if steps > 1:
        return True
    return any(isinstance(part, tree.Selector) and not part.name for part in tree.walk(node))


def check_moment(moment: float, field: str = "start_time") -> None:
    """Raises InputError for a time before 1970, which no backend can be asked for."""
    if moment < 0:
        raise InputError(
            f"{field} lies before 1970.", "Give a time of this century.", details={"field": field}
        )


def _check_order(first: float, last: float, now: float) -> None:
    check_moment(first)
    if first > now + CLOCK_SLACK_SECONDS:
        raise InputError(
            "The range starts in the future.",
            "Metrics are of the past; give an earlier start_time.",
            details={"field": "start_time"},
        )
    if last < first:
        raise InputError(
            "The range ends before it starts.",
            "Swap start_time and end_time.",
            details={"field": "end_time"},
        )


def _at_least(seconds: float) -> float:
    """The smallest round step that is no shorter; whole weeks beyond the table."""
    for step in _STEPS:
        if step >= seconds:
            return float(step)
    return math.ceil(seconds / _STEPS[-1]) * float(_STEPS[-1])


def _coarsened(step: float, coarser: float, why: str) -> str:
    return f"step raised from {_words(step)} to {_words(coarser)}: {why}"


def _words(seconds: float) -> str:
    return format_duration(max(1, round(seconds * 1000)))
