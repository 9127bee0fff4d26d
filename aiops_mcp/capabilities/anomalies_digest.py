"""Anomalies made small: one row a component, what else is unusual there, worst first. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import (
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
    significant,
)
from aiops_mcp.models.anomaly import AnomalyAnswer, AnomalyDetection, AnomalySeverity
from aiops_mcp.models.digest import Cell, Digest

if TYPE_CHECKING:
    from aiops_mcp.capabilities.anomalies import AnomalyQuery

ROOM = 1_600
LEAST = 5
MOST_LISTED = 3
TOGETHER = timedelta(minutes=5)
"""Things that begin within so long of each other are told as one."""

_RANK = {AnomalySeverity.HIGH: 0, AnomalySeverity.MEDIUM: 1, AnomalySeverity.LOW: 2}


@dataclass(frozen=True, slots=True)
class _Component:
    """What is unusual of one component, worst first, and those of which the same is true."""

    anomalies: tuple[AnomalyDetection, ...]
    alike: tuple[AnomalyDetection, ...] = ()

    @property
    def worst(self) -> AnomalyDetection:
        return self.anomalies[0]


def digest_anomalies(request: "AnomalyQuery", answer: AnomalyAnswer) -> Digest:
    """One row a component; components that do the same at the same time are one row."""
    rows = _alike(_components(answer.anomalies))
    start = cursor_start(request.cursor)
    picked = rows[start : start + request.limit]
    has_also = any(len(one.anomalies) > 1 for one in picked)
    named = answer.query is None
    table = [_row(one, named=named, also=has_also) for one in picked]
    table = table[: fitting(table, room=ROOM, least=LEAST)]
    return Digest(
        headline=_headline(answer, rows),
        columns=(
            *("severity", "cluster", "of", *(("what",) if named else ()), "since"),
            *("expected", "actual", "type", "sure", *(("also",) if has_also else ())),
        ),
        rows=tuple(table),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        query=answer.query,
        notes=answer.notes[:5],
        more=more_line(
            total=len(rows),
            start=start,
            shown=len(table),
            what="components",
            call=call_of("detect_anomalies", request),
        ),
    )


def _components(anomalies: Sequence[AnomalyDetection]) -> list[_Component]:
    groups: dict[tuple[str, str], list[AnomalyDetection]] = {}
    for one in anomalies:
        name = one.component or repr(sorted(one.labels.items()))
        groups.setdefault((one.cluster_name, name), []).append(one)
    return [_Component(tuple(group)) for group in groups.values()]


def _alike(components: Sequence[_Component]) -> list[_Component]:
    """Components of one cluster, or one of many clusters, whose worst is the same together."""
    kept: list[_Component] = []
    for one in components:
        place = next((i for i, other in enumerate(kept) if _same(other.worst, one.worst)), None)
        if place is None:
            kept.append(one)
        else:
            kept[place] = _Component(kept[place].anomalies, (*kept[place].alike, one.worst))
    return kept


def _same(one: AnomalyDetection, other: AnomalyDetection) -> bool:
    return (
        one.metric_name == other.metric_name
        and one.anomaly_type == other.anomaly_type
        and one.severity == other.severity
        and (one.ended_at is None) == (other.ended_at is None)
        and abs(one.started_at - other.started_at) <= TOGETHER
        and (one.cluster_name == other.cluster_name or one.component == other.component)
    )


def _row(one: _Component, *, named: bool, also: bool) -> tuple[Cell, ...]:
    worst = one.worst
    clusters = {each.cluster_name for each in one.alike} - {worst.cluster_name}
    components = list(dict.fromkeys((worst.component, *(each.component for each in one.alike))))
    others = list(dict.fromkeys(each.metric_name for each in one.anomalies[1:]))
    others = [name for name in others if name != worst.metric_name]
    return (
        worst.severity.value,
        worst.cluster_name + (f" +{len(clusters)}" if clusters else ""),
        _listed(components) or "-",
        *((f"{_sign(worst)} ({worst.unit})",) if named else ()),
        _when(worst),
        _number(worst.expected_value),
        _number(worst.actual_value),
        worst.anomaly_type.value,
        round(worst.confidence_score, 2),
        *((_listed(others),) if also else ()),
    )


def _sign(one: AnomalyDetection) -> str:
    return f"{one.metric_name} {one.detail}".strip()


def _listed(names: Sequence[str]) -> str | None:
    names = [name for name in names if name]
    if not names:
        return None
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" +{rest}" if rest > 0 else "")


def _when(one: AnomalyDetection) -> str:
    if one.ended_at is None:
        return f"{one.started_at:%m-%dT%H:%MZ}"
    return f"{one.started_at:%m-%dT%H:%M}-{one.ended_at:%H:%MZ}"


def _number(value: float | None) -> Cell:
    return None if value is None else significant(value)


def _headline(answer: AnomalyAnswer, rows: Sequence[_Component]) -> str:
    hours = (answer.until - answer.since).total_seconds() / 3600
    over = f"{answer.series_judged} series over {hours:.3g} h to {answer.until:%m-%dT%H:%MZ}"
    if not answer.coverage.succeeded:
        return "No cluster answered."
    if not answer.series_judged:
        return "No data: no series matched, so nothing can be said."
    if not answer.anomalies:
        return f"Nothing unusual in {over}."
    ongoing = sum(one.ended_at is None for one in answer.anomalies)
    clusters = {one.cluster_name for one in answer.anomalies}
    where = f"in {len(clusters)} clusters" if len(clusters) > 1 else f"on {next(iter(clusters))}"
    first = min(answer.anomalies, key=lambda one: one.started_at)
    high = answer.by_severity.get(AnomalySeverity.HIGH.value, 0)
    named = answer.query is None
    onset = f"first {_what(first, named=named)}"
    count = f"{answer.total} anomalies" if answer.total > 1 else "1 anomaly"
    return (
        f"{count} {where} ({high} HIGH, {ongoing} going on) in {over}; "
        f"worst {_words(rows[0].worst, named=named)}; {onset} at {first.started_at:%m-%dT%H:%MZ}."
    )


def _what(one: AnomalyDetection, *, named: bool) -> str:
    component = one.component or one.cluster_name
    return f"{_sign(one)} of {component}" if named else component


def _words(one: AnomalyDetection, *, named: bool) -> str:
    values = f"{_number(one.expected_value)} -> {_number(one.actual_value)} {one.unit}"
    return f"{_what(one, named=named)}: {values}".strip()
