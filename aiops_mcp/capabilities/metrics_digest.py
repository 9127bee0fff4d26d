"""Metric answers made small: who is highest, who stands out, what changed its level and when.

Pure functions from a ``MetricAnswer`` to a ``Digest``; no I/O, no clock.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.series import Levels, LevelShifts, level_shifts, levels
from aiops_mcp.capabilities.digesting import (
    coverage_line,
    fitting,
    more_line,
    significant,
)
from aiops_mcp.capabilities.row_names import Row, RowNames
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.metrics import MetricAnswer, ResultType

MOST_SHIFTS_NAMED = 3
TREND_WORTH_SAYING = 0.1
OUTLIER_ROBUST_Z = 5.0
DETAILED_POINTS = 60
MOST_CLUSTERS_NAMED = 3
LEAST_ROWS, MOST_ROWS = 5, 10
ROW_BYTES = 380
"""What the rows of a short answer take: about 110 tokens."""
_AGGREGATES = re.compile(r"\b(sum|avg|max|min|count|topk|bottomk|quantile|group|stddev)\b")
_WHY_EMPTY = (
    "no series matched: check the metric name (find_metrics), the label values "
    "(get_metric_labels) and the time range; 'no data' is not zero"
)


def digest_metrics(
    answer: MetricAnswer, *, limit: int | None, start: int, call: str, detailed: bool
) -> Digest:
    """The answer as a table: ranges summarised per series, instants highest first.

    Without a limit there are as many rows as a short answer holds, five to ten.
    """
    rows = [Row(result.cluster_name, series) for result in answer.results for series in result.data]
    if not rows:
        return _empty(answer)
    if any(result.result_type is ResultType.STRING for result in answer.results):
        return _strings(answer, rows)
    if answer.start_time is None:
        return _instant(answer, rows, limit=limit, start=start, call=call, detailed=detailed)
    return _range(answer, rows, limit=limit, start=start, call=call, detailed=detailed)


def _empty(answer: MetricAnswer) -> Digest:
    causes = (_WHY_EMPTY,)
    return Digest(
        headline="No data." if answer.clusters_succeeded else "No cluster answered.",
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=(*_warnings(answer), *(causes if answer.clusters_succeeded else ())),
    )


def _strings(answer: MetricAnswer, rows: Sequence[Row]) -> Digest:
    return Digest(
        headline=f"{len(rows)} text values.",
        columns=("cluster", "value"),
        rows=tuple((row.cluster, row.series.values[-1][1]) for row in rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=_warnings(answer),
    )


# --- instants -------------------------------------------------------------------------------


def _instant(
    answer: MetricAnswer,
    rows: Sequence[Row],
    *,
    limit: int | None,
    start: int,
    call: str,
    detailed: bool,
) -> Digest:
    values = np.array([_number(row.series.values[-1][1]) for row in rows])
    order = _order(values, ascending=_asks_for_the_least(answer.query))
    names = RowNames(rows, detailed=detailed)
    far = _outliers(values)
    picked = order[start : start + (limit or MOST_ROWS)]
    table = _held(
        [(*names.cells(index), _cell(values[index])) for index in picked],
        free=limit is None and not detailed,
    )
    return Digest(
        headline=_spread(values, order, names, far),
        columns=(*names.columns, "value"),
        rows=table,
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=(
            *_warnings(answer),
            *names.notes,
            *_others_far(order, names, far),
            *(_by_cluster(values, rows) if len(table) < len(rows) else ()),
        ),
        more=more_line(
            total=len(rows),
            start=start,
            shown=len(table),
            what="series",
            call=call,
            narrow="" if _AGGREGATES.search(answer.query) else "aggregate: sum by (namespace) (…)",
        ),
    )


def _held(table: list[tuple[Cell, ...]], *, free: bool) -> tuple[tuple[Cell, ...], ...]:
    """The rows; only as many as a short answer holds, where the caller left it ``free``."""
    return tuple(table[: fitting(table, room=ROW_BYTES, least=LEAST_ROWS)] if free else table)


def _by_cluster(values: NDArray[np.float64], rows: Sequence[Row]) -> tuple[str, ...]:
    """The clusters whose series are highest in the mean; nothing where each has only one."""
    members: dict[str, list[float]] = {}
    for value, row in zip(values, rows, strict=True):
        if math.isfinite(value):
            members.setdefault(row.cluster, []).append(float(value))
    if len(members) < 2 or all(len(own) == 1 for own in members.values()):
        return ()
    means = sorted(((sum(own) / len(own), name) for name, own in members.items()), reverse=True)
    named = ", ".join(f"{name} {significant(mean)}" for mean, name in means[:MOST_CLUSTERS_NAMED])
    return (f"clusters by mean: {named}",)


def _asks_for_the_least(query: str) -> bool:
    return query.lstrip().startswith(("sort(", "bottomk", "sort ("))


def _order(values: NDArray[np.float64], *, ascending: bool) -> list[int]:
    """Indices by value, NaN last, ties as they came."""
    keyed = np.where(np.isnan(values), np.inf, values if ascending else -values)
    return [int(index) for index in np.argsort(keyed, kind="stable")]


def _spread(
    values: NDArray[np.float64], order: Sequence[int], names: RowNames, far: Sequence[int]
) -> str:
    known = [index for index in order if not math.isnan(values[index])]
    if len(values) == 1:
        return f"{names.text(0) or 'value'}: {significant(values[0])}"
    if not known:
        return f"{len(values)} series, all NaN."
    high = max(known, key=lambda index: float(values[index]))
    low = min(known, key=lambda index: float(values[index]))
    middle = significant(float(np.median(values[known])))
    ends = [
        f"{names.text(index)} {significant(values[index])}"
        + (" (stands out)" if index in far else "")
        for index in (high, low)
    ]
    return f"{len(values)} series: highest {ends[0]}, median {middle}, lowest {ends[1]}."


def _others_far(order: Sequence[int], names: RowNames, far: Sequence[int]) -> tuple[str, ...]:
    """Who else stands out than the first and the last, of whom the headline tells."""
    others = [names.text(index) for index in far if index not in (order[0], order[-1])]
    return (f"stand out: {', '.join(others[:3])}",) if others else ()


def _outliers(values: NDArray[np.float64]) -> Sequence[int]:
    """Values far outside the others, by median and MAD; nothing for fewer than five."""
    known = values[np.isfinite(values)]
    if len(known) < 5:
        return ()
    centre = float(np.median(known))
    scatter = 1.4826 * float(np.median(np.abs(known - centre)))
    if scatter <= 0:
        return ()
    far = [
        int(index)
        for index in np.argsort(-np.abs(values - centre))
        if abs(values[index] - centre) / scatter > OUTLIER_ROBUST_Z
    ]
    if not far or len(far) > max(1, len(known) // 5):
        return ()
    return far


# --- ranges ---------------------------------------------------------------------------------


def _range(
    answer: MetricAnswer,
    rows: Sequence[Row],
    *,
    limit: int | None,
    start: int,
    call: str,
    detailed: bool,
) -> Digest:
    times, matrix = _matrix(rows)
    summary, shifts = levels(matrix), level_shifts(matrix)
    names = RowNames(rows, detailed=detailed)
    by_mean = _order(summary.mean, ascending=_asks_for_the_least(answer.query))
    changed = _strongest(shifts)
    order = [*changed, *(index for index in by_mean if not shifts.found[index])]
    picked = order[start : start + (limit or MOST_ROWS)]
    columns = (*names.columns, "mean", "min", "max", "last", "change")
    table: list[tuple[Cell, ...]] = []
    for index in picked:
        row: tuple[Cell, ...] = (
            *names.cells(index),
            _cell(summary.mean[index]),
            _cell(summary.minimum[index]),
            _cell(summary.maximum[index]),
            _cell(summary.last[index]),
            _change(summary, shifts, times, index),
        )
        table.append((*row, _points(matrix[index])) if detailed else row)
    held = _held(table, free=limit is None and not detailed)
    return Digest(
        headline=_what_changed(names, shifts, times, len(rows)),
        columns=(*columns, _points_column(times)) if detailed else columns,
        rows=held,
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=(*_warnings(answer), *names.notes),
        more=more_line(
            total=len(rows), start=start, shown=len(held), what="series by mean", call=call
        ),
    )


def _matrix(rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All series on one grid of the times that occur (unix seconds), NaN where one is missing."""
    stamps = [np.array([point[0] for point in row.series.values]) for row in rows]
    times = np.unique(np.concatenate(stamps))
    matrix = np.full((len(rows), len(times)), np.nan)
    for index, (row, own) in enumerate(zip(rows, stamps, strict=True)):
        matrix[index, np.searchsorted(times, own)] = [
            _number(point[1]) for point in row.series.values
        ]
    matrix[~np.isfinite(matrix)] = np.nan
    return times, matrix


def _what_changed(
    names: RowNames, shifts: LevelShifts, times: NDArray[np.float64], total: int
) -> str:
    found = _strongest(shifts)
    over = f"{total} series, {_clock_time(times[0])} to {_clock_time(times[-1])}"
    if len(found) == 0:
        return f"{over}; no change of level."
    strongest = found[:MOST_SHIFTS_NAMED]
    named = "; ".join(
        f"{names.text(index)} {_shift_text(shifts, times, index)}" for index in strongest
    )
    rest = len(found) - len(strongest)
    more = f"; and {rest} more" if rest else ""
    return f"{over}; {len(found)} changed level: {named}{more}."


def _strongest(shifts: LevelShifts) -> list[int]:
    """The series that changed their level, the clearest first."""
    found = np.flatnonzero(shifts.found)
    return [int(index) for index in found[np.argsort(-shifts.strength[found], kind="stable")]]


def _shift_text(shifts: LevelShifts, times: NDArray[np.float64], index: int) -> str:
    before, after = significant(shifts.before[index]), significant(shifts.after[index])
    return f"at {_clock_time(float(times[int(shifts.index[index])]))} from {before} to {after}"


def _shift_cell(shifts: LevelShifts, times: NDArray[np.float64], index: int) -> str:
    """Two words, for what has more is fenced as prose."""
    before, after = significant(shifts.before[index]), significant(shifts.after[index])
    return f"{before}->{after} {_clock_time(float(times[int(shifts.index[index])]))}"


def _change(
    summary: Levels, shifts: LevelShifts, times: NDArray[np.float64], index: int
) -> str | None:
    if shifts.found[index]:
        return _shift_cell(shifts, times, index)
    trend = float(summary.trend[index])
    if math.isfinite(trend) and abs(trend) >= TREND_WORTH_SAYING:
        return f"trend {trend:+.0%}" if abs(trend) < 100 else "trend from near zero"
    return None


def _points(row: NDArray[np.float64]) -> str:
    every = max(1, math.ceil(len(row) / DETAILED_POINTS))
    return ",".join(
        "-" if math.isnan(value) else str(significant(float(value))) for value in row[::every]
    )


def _points_column(times: NDArray[np.float64]) -> str:
    every = max(1, math.ceil(len(times) / DETAILED_POINTS))
    step = (times[-1] - times[0]) / max(len(times) - 1, 1) * every
    return f"values from {_clock_time(times[0])} every {step:.0f}s"


def _warnings(answer: MetricAnswer) -> tuple[str, ...]:
    shown = tuple(dict.fromkeys(answer.warnings))
    return shown if len(shown) <= 3 else (*shown[:3], f"{len(shown) - 3} more warnings")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _cell(value: float) -> Cell:
    number = float(value)
    return significant(number) if math.isfinite(number) else str(number)


def _clock_time(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), UTC).strftime("%m-%dT%H:%MZ")
