"""Metric answers made small: who is highest, who stands out, what changed its level and when.

Pure functions from a ``MetricAnswer`` to a ``Digest``; no I/O, no clock.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.series import Levels, LevelShifts, level_shifts, levels
from aiops_mcp.capabilities.digesting import (
    common_labels,
    coverage_line,
    more_line,
    selector_text,
    significant,
)
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.metrics import MetricAnswer, ResultType, Series

MOST_LABEL_COLUMNS = 3
MOST_SHIFTS_NAMED = 3
TREND_WORTH_SAYING = 0.1
OUTLIER_ROBUST_Z = 5.0
DETAILED_POINTS = 60
_WHY_EMPTY = (
    "no series matched: check the metric name (find_metrics), the label values "
    "(get_metric_labels) and the time range; 'no data' is not zero"
)


@dataclass(frozen=True, slots=True)
class _Row:
    cluster: str
    series: Series


def digest_metrics(
    answer: MetricAnswer, *, limit: int, start: int, call: str, detailed: bool
) -> Digest:
    """The answer as a table: ranges summarised per series, instants highest first."""
    rows = [
        _Row(result.cluster_name, series) for result in answer.results for series in result.data
    ]
    if not rows:
        return _empty(answer)
    if any(result.result_type is ResultType.STRING for result in answer.results):
        return _strings(answer, rows)
    if answer.start_time is None:
        return _instant(answer, rows, limit=limit, start=start, call=call)
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


def _strings(answer: MetricAnswer, rows: Sequence[_Row]) -> Digest:
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
    answer: MetricAnswer, rows: Sequence[_Row], *, limit: int, start: int, call: str
) -> Digest:
    values = np.array([_number(row.series.values[-1][1]) for row in rows])
    order = _order(values, ascending=_asks_for_the_least(answer.query))
    names = _Names(rows)
    picked = order[start : start + limit]
    return Digest(
        headline=_spread(values, order, names),
        columns=(*names.columns, "value"),
        rows=tuple((*names.cells(index), _cell(values[index])) for index in picked),
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=(*_warnings(answer), *names.notes, *_outliers(values, names)),
        more=more_line(
            total=len(rows),
            start=start,
            shown=len(picked),
            what="series",
            call=call,
            narrow="aggregate in PromQL, e.g. topk(5, …) or sum by (namespace) (…)",
        ),
    )


def _asks_for_the_least(query: str) -> bool:
    return query.lstrip().startswith(("sort(", "bottomk", "sort ("))


def _order(values: NDArray[np.float64], *, ascending: bool) -> list[int]:
    """Indices by value, NaN last, ties as they came."""
    keyed = np.where(np.isnan(values), np.inf, values if ascending else -values)
    return [int(index) for index in np.argsort(keyed, kind="stable")]


def _spread(values: NDArray[np.float64], order: Sequence[int], names: "_Names") -> str:
    known = [index for index in order if not math.isnan(values[index])]
    if len(values) == 1:
        return f"{names.text(0) or 'value'}: {significant(values[0])}"
    if not known:
        return f"{len(values)} series, all NaN."
    high = max(known, key=lambda index: float(values[index]))
    low = min(known, key=lambda index: float(values[index]))
    middle = significant(float(np.median(values[known])))
    return (
        f"{len(values)} series: highest {names.text(high)} {significant(values[high])}, "
        f"median {middle}, lowest {names.text(low)} {significant(values[low])}."
    )


def _outliers(values: NDArray[np.float64], names: "_Names") -> tuple[str, ...]:
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
    named = ", ".join(f"{names.text(index)} {significant(values[index])}" for index in far[:3])
    return (f"stands out from the rest (median {significant(centre)}): {named}",)


# --- ranges ---------------------------------------------------------------------------------


def _range(
    answer: MetricAnswer,
    rows: Sequence[_Row],
    *,
    limit: int,
    start: int,
    call: str,
    detailed: bool,
) -> Digest:
    times, matrix = _matrix(rows)
    summary, shifts = levels(matrix), level_shifts(matrix)
    names = _Names(rows)
    order = _order(summary.mean, ascending=_asks_for_the_least(answer.query))
    picked = order[start : start + limit]
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
    return Digest(
        headline=_what_changed(names, shifts, times, len(rows)),
        columns=(*columns, _points_column(times)) if detailed else columns,
        rows=tuple(table),
        coverage=coverage_line(answer.coverage),
        as_of=answer.end_time,
        query=answer.query,
        notes=(*_warnings(answer), *names.notes),
        more=more_line(
            total=len(rows), start=start, shown=len(picked), what="series by mean", call=call
        ),
    )


def _matrix(rows: Sequence[_Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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
    names: "_Names", shifts: LevelShifts, times: NDArray[np.float64], total: int
) -> str:
    found = np.flatnonzero(shifts.found)
    over = f"{total} series, {_clock_time(times[0])} to {_clock_time(times[-1])}"
    if len(found) == 0:
        return f"{over}; no change of level."
    strongest = found[np.argsort(-shifts.strength[found])][:MOST_SHIFTS_NAMED]
    named = "; ".join(
        f"{names.text(int(index))} {_shift_text(shifts, times, int(index))}" for index in strongest
    )
    rest = len(found) - len(strongest)
    more = f"; and {rest} more" if rest else ""
    return f"{over}; {len(found)} changed level: {named}{more}."


def _shift_text(shifts: LevelShifts, times: NDArray[np.float64], index: int) -> str:
    before, after = significant(shifts.before[index]), significant(shifts.after[index])
    return f"at {_clock_time(float(times[int(shifts.index[index])]))} from {before} to {after}"


def _change(
    summary: Levels, shifts: LevelShifts, times: NDArray[np.float64], index: int
) -> str | None:
    if shifts.found[index]:
        return f"level {_shift_text(shifts, times, index)}"
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


# --- names ----------------------------------------------------------------------------------


class _Names:
    """How the rows are told apart: cluster, and the labels that differ, as columns if few."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        self._rows = rows
        labels = [row.series.metric for row in rows]
        self._common = common_labels(labels) if len(rows) > 1 else dict(labels[0])
        varying = sorted({key for each in labels for key in each} - set(self._common))
        clusters = {row.cluster for row in rows}
        self._with_cluster = len(clusters) > 1 or not varying
        self._varying: tuple[str, ...] | None = (
            tuple(varying) if len(varying) <= MOST_LABEL_COLUMNS else None
        )
        label_columns = self._varying if self._varying is not None else ("series",)
        self.columns = (("cluster",) if self._with_cluster else ()) + label_columns
        self.notes = self._all_have(clusters)

    def _all_have(self, clusters: set[str]) -> tuple[str, ...]:
        shared: Mapping[str, str] = {
            key: value for key, value in self._common.items() if key != "__name__"
        }
        parts = [] if self._with_cluster else [f"cluster={next(iter(clusters))}"]
        if shared:
            parts.append(selector_text(shared))
        return (f"all have {', '.join(parts)}",) if parts else ()

    def cells(self, index: int) -> tuple[Cell, ...]:
        row = self._rows[index]
        metric = row.series.metric
        own: tuple[Cell, ...]
        if self._varying is not None:
            own = tuple(metric.get(key) for key in self._varying)
        else:
            own = (selector_text(metric, leave_out=self._common),)
        return ((row.cluster,) if self._with_cluster else ()) + own

    def text(self, index: int) -> str:
        return "/".join(str(cell) for cell in self.cells(index) if cell)


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
