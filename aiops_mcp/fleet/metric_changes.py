"""Since when: the changes of level of series over the fleet, in the order of time.

Of one PromQL, or of all that matters in the chosen clusters, what only explains others included.
Clocks of clusters differ a little; the order of onset is that of their own clocks.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiops_mcp.analysis.changepoints import ChangePoint, find_changes
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomaly_findings import departure_beyond, departure_matters, percent
from aiops_mcp.fleet.asked_series import read_series, sign_for
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.series_grid import SeriesGrid, Span
from aiops_mcp.fleet.sign_series import over_signs
from aiops_mcp.fleet.vital_signs import Bad, VitalSign
from aiops_mcp.models.anomaly import ChangeAnswer, SeriesChange
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_KEPT = 1_000
LEAST_SHARE = 1 / 3
"""Of the higher level: a sign without a floor of its own rose by half, or fell by a third."""

SignFor = Callable[[Mapping[str, str]], VitalSign]


@dataclass(frozen=True, slots=True)
class LevelSearch:
    """Which series to look at; without ``query`` the ``signs``."""

    span: Span
    clusters: tuple[str, ...] = ()
    query: str | None = None
    signs: tuple[VitalSign, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    changes: tuple[SeriesChange, ...]
    series: int


async def find_level_changes(
    fleet: Fleet,
    metrics: FleetMetrics,
    search: LevelSearch,
    *,
    principal: Principal,
    ttl: float,
    seconds: float,
    now: datetime,
    progress: Progress = no_progress,
) -> ChangeAnswer:
    """The changes that were found; errors as in `FleetAnomalies.find`."""
    if search.query is not None:
        return await _of_query(metrics, search, search.query, principal, now, progress)

    async def ask(access: Access) -> tuple[tuple[_Found, ...], tuple[str, ...]]:
        cluster = access.cluster

        def visit(sign: VitalSign, grid: SeriesGrid) -> _Found:
            return changes_of(grid, lambda _: sign, cluster.id, cluster.name, matter=True)

        read = await over_signs(access, fleet.cache, search.signs, search.span, visit, ttl=ttl)
        return read.found, read.notes

    answer = await fleet.ask(
        search.clusters,
        ask,
        principal=principal,
        backend="prometheus",
        deadline=seconds,
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    told = [one.value for one in answer.succeeded() if one.value is not None]
    found = [each for one, _ in told for each in one]
    notes = [note for _, some in told for note in some]
    return _answer(found, search, search.span, now, notes=notes, coverage=answer.coverage())


async def _of_query(
    metrics: FleetMetrics,
    search: LevelSearch,
    query: str,
    principal: Principal,
    now: datetime,
    progress: Progress,
) -> ChangeAnswer:
    asked = await read_series(
        metrics,
        query,
        search.span,
        selection=search.clusters,
        principal=principal,
        progress=progress,
    )

    def sign(labels: Mapping[str, str]) -> VitalSign:
        return sign_for(query, labels)

    found = [
        await asyncio.to_thread(
            changes_of, part.grid, sign, part.cluster_id, part.cluster_name, matter=False
        )
        for part in asked.parts
    ]
    return _answer(found, search, asked.span, now, notes=asked.notes, coverage=asked.coverage)


def changes_of(
    grid: SeriesGrid,
    sign_of: SignFor,
    cluster_id: UUID | None,
    cluster_name: str,
    *,
    matter: bool,
) -> _Found:
    """The changes of each series; with ``matter`` only those that are large enough to matter."""
    found: list[SeriesChange] = []
    for row, labels in enumerate(grid.labels):
        values = grid.values[row]
        sign = sign_of(labels)
        points = find_changes(grid.times, values)
        kept = [one for one in points if not matter or _matters(sign, one)]
        found.extend(
            SeriesChange(
                cluster_id=cluster_id,
                cluster_name=cluster_name,
                metric_name=sign.name,
                labels=dict(labels),
                component=sign.component_of(labels),
                detail=sign.detail_of(labels),
                unit=sign.unit,
                at=datetime.fromtimestamp(one.time, UTC),
                before=one.before,
                after=one.after,
                change_percent=percent(one.before, one.after),
                strength=one.strength,
                goes_on=one is points[-1],
            )
            for one in kept
        )
    return _Found(tuple(found), len(grid))


def _matters(sign: VitalSign, change: ChangePoint) -> bool:
    """A change is told in both directions: that it got well again is news too."""
    if not sign.least and not sign.least_share:
        size = max(abs(change.before), abs(change.after))
        return abs(change.after - change.before) >= LEAST_SHARE * size
    both = sign.model_copy(update={"bad": Bad.BOTH, "matters_from": None})
    if not departure_matters(both, change.before, change.after):
        return False
    ends = (change.before, change.after)
    return sign.matters_from is None or any(departure_beyond(sign, end) for end in ends)


def by_time(change: SeriesChange) -> tuple[datetime, float, str, str]:
    """Of what moved at the same time, what moved furthest comes first."""
    size = abs(change.change_percent or 0.0)
    return change.at, -size, change.cluster_name, change.component


def onset_order(changes: Iterable[SeriesChange]) -> tuple[str, ...]:
    """The clusters, in the order of the first change of each."""
    return tuple(dict.fromkeys(one.cluster_name for one in sorted(changes, key=lambda c: c.at)))


def _answer(
    found: Sequence[_Found],
    search: LevelSearch,
    span: Span,
    now: datetime,
    *,
    notes: Sequence[str],
    coverage: Coverage,
) -> ChangeAnswer:
    changes = [one for each in found for one in each.changes]
    strongest = sorted(changes, key=lambda one: -one.strength)[:MOST_KEPT]
    kept = sorted(strongest, key=by_time)
    return ChangeAnswer(
        changes=tuple(kept),
        total=len(changes),
        onset=onset_order(changes),
        series_judged=sum(each.series for each in found),
        since=datetime.fromtimestamp(span.start, UTC),
        until=datetime.fromtimestamp(span.end, UTC),
        step_seconds=span.step,
        notes=tuple(notes),
        coverage=coverage,
        query=search.query,
        as_of=now,
    )
