"""Changes of level and forecasts made small: in the order of time, soonest first. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import (
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
    significant,
)
from aiops_mcp.models.ages import short_age
from aiops_mcp.models.anomaly import ChangeAnswer, ForecastAnswer, RunningOut, SeriesChange
from aiops_mcp.models.digest import Cell, Digest

if TYPE_CHECKING:
    from aiops_mcp.capabilities.anomalies_changes import ForecastQuery, LevelQuery

ROOM = 1_500
LEAST = 6
MOST_CLUSTERS = 6
MOST_PLACE = 80


def digest_level_changes(request: "LevelQuery", answer: ChangeAnswer) -> Digest:
    """The strongest changes that fit, in the order of time; changes that are alike are one row."""
    groups = _alike(answer.changes)
    start = cursor_start(request.cursor)
    order = {id(one): place for place, one in enumerate(answer.changes)}
    picked = groups[start : start + request.limit]
    picked.sort(key=lambda group: min(order[id(one)] for one in group))
    named = answer.query is None
    rows = [_change_row(group, named=named) for group in picked]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    what = ("what",) if named else ()
    return Digest(
        headline=_changes_headline(answer),
        columns=("at", "cluster", "of", *what, "before", "after", "change"),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        query=answer.query,
        notes=answer.notes[:5],
        more=more_line(
            total=len(groups),
            start=start,
            shown=len(rows),
            what="weaker changes",
            call=call_of("find_changes", request),
        ),
    )


def _alike(changes: Sequence[SeriesChange]) -> list[list[SeriesChange]]:
    """Changes of one component's metric in one minute together; the strongest group first."""
    groups: dict[tuple[str, str, str, int], list[SeriesChange]] = {}
    for one in changes:
        name = _place(one) if one.component else repr(sorted(one.labels.items()))
        key = (one.cluster_name, name, one.metric_name, int(one.at.timestamp() // 60))
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        group.sort(key=lambda one: -one.strength)
    return sorted(groups.values(), key=lambda group: -group[0].strength)


def _change_row(group: Sequence[SeriesChange], *, named: bool) -> tuple[Cell, ...]:
    first = group[0]
    more = f" +{len(group) - 1}" if len(group) > 1 else ""
    return (
        f"{first.at:%m-%dT%H:%MZ}" + ("" if first.goes_on else " (for a time)"),
        first.cluster_name,
        _place(first) + more,
        *((_with_unit(first),) if named else ()),
        _number(first.before),
        _number(first.after),
        None if first.change_percent is None else f"{first.change_percent:+.0f}%",
    )


def _changes_headline(answer: ChangeAnswer) -> str:
    window = short_age((answer.until - answer.since).total_seconds())
    over = f"{answer.series_judged} series over {window} to {answer.until:%m-%dT%H:%MZ}"
    if not answer.coverage.succeeded:
        return "No cluster answered."
    if not answer.series_judged:
        return "No data: no series matched, so nothing can be said."
    if not answer.changes:
        return f"No change of level in {over}."
    first = answer.changes[0]
    clearest = max(answer.changes, key=lambda one: one.strength)
    named = answer.query is None
    told = f"first {_words(first, named=named)}"
    if clearest is not first:
        told = f"{told}; clearest {_words(clearest, named=named)}"
    onset = answer.onset[:MOST_CLUSTERS]
    order = f"; clusters in the order of onset: {', '.join(onset)}" if len(onset) > 1 else ""
    count = f"{answer.total} changes" if answer.total > 1 else "1 change"
    return f"{count} of level in {over}; {told}{order}."


def _place(one: SeriesChange | RunningOut) -> str:
    text = f"{one.component} {one.detail}".strip() or "-"
    return text if len(text) <= MOST_PLACE else f"{text[: MOST_PLACE - 1]}…"


def _with_unit(one: SeriesChange | RunningOut) -> str:
    return f"{one.metric_name} ({one.unit})" if one.unit else one.metric_name


def _words(one: SeriesChange, *, named: bool) -> str:
    what = f"{one.metric_name} of {_place(one)}" if named else one.component
    return (
        f"{what or one.metric_name} on {one.cluster_name} at {one.at:%m-%dT%H:%MZ}, "
        f"{_number(one.before)} -> {_number(one.after)} {one.unit}".strip()
    )


def digest_forecast(request: "ForecastQuery", answer: ForecastAnswer) -> Digest:
    """What runs out, soonest first."""
    start = cursor_start(request.cursor)
    picked = answer.running_out[start : start + request.limit]
    named = answer.query is None
    rows = [_forecast_row(one, answer, named=named) for one in picked]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    return Digest(
        headline=_forecast_headline(answer),
        columns=(
            *("in", "cluster", "of", *(("what",) if named else ()), "now", "limit"),
            *("per_day", "at", "earliest", "latest"),
        ),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        query=answer.query,
        notes=answer.notes[:5],
        more=more_line(
            total=answer.total,
            start=start,
            shown=len(rows),
            what="that run out later",
            call=call_of("forecast", request),
        ),
    )


def _forecast_row(one: RunningOut, answer: ForecastAnswer, *, named: bool) -> tuple[Cell, ...]:
    left = (one.at - answer.until).total_seconds()
    return (
        short_age(left) if left > 0 else one.reason or "reached",
        one.cluster_name,
        _place(one),
        *((_with_unit(one),) if named else ()),
        _number(one.now),
        _number(one.limit),
        _number(one.per_day),
        f"{one.at:%m-%dT%H:%MZ}",
        f"{one.earliest:%m-%dT%H:%MZ}" if one.earliest else None,
        f"{one.latest:%m-%dT%H:%MZ}" if one.latest else None,
    )


def _forecast_headline(answer: ForecastAnswer) -> str:
    if not answer.coverage.succeeded:
        return "No cluster answered."
    if not answer.series_judged:
        return "No data: no series matched, so nothing can be said."
    ahead = short_age(answer.horizon_seconds)
    if not answer.running_out:
        return f"Nothing of {answer.series_judged} series runs out within {ahead}."
    first = answer.running_out[0]
    left = (first.at - answer.until).total_seconds()
    when = f"in {short_age(left)}, at {first.at:%m-%dT%H:%MZ}" if left > 0 else "now"
    if left <= 0 and first.reason:
        when = f"is {first.reason}"
    what = _place(first)
    if answer.query is None:
        what = f"{first.metric_name} of {what}"
    count = f"{answer.total} of {answer.series_judged} series"
    return (
        f"{count} reach their limit within {ahead} or are near it; first {what} on "
        f"{first.cluster_name} {when}."
    )


def _number(value: float | None) -> Cell:
    return None if value is None else significant(value)
