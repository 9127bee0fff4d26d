"""What runs out, and when: of one PromQL with its limit, or the known ones.

Known are disks, volumes, quotas, etcd, connections, memory, queues and certificates: the vital
signs that say where they end. Only what is reached within the horizon is told.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from aiops_mcp.analysis.forecast import Forecast, forecast
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomaly_findings import LASTS, departure_beyond, is_beyond
from aiops_mcp.fleet.asked_series import read_series, sign_for
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.series_grid import SeriesGrid, Span, Vector
from aiops_mcp.fleet.sign_series import over_signs
from aiops_mcp.fleet.vital_signs import VitalSign, vital_signs
from aiops_mcp.models.anomaly import ForecastAnswer, RunningOut
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_KEPT = 1_000
BAND_LOOKS_FURTHER = 10.0
"""Times the horizon: the band of what is reached within it is told where it ends beyond."""
DAY = 86_400.0

SignFor = Callable[[Mapping[str, str]], VitalSign]


@dataclass(frozen=True, slots=True)
class ForecastSearch:
    """``horizon`` in seconds; ``limit`` belongs to ``query``; without it known things are told."""

    span: Span
    horizon: float
    clusters: tuple[str, ...] = ()
    query: str | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    running_out: tuple[RunningOut, ...]
    series: int
    unknown: int = 0


def signs_that_run_out() -> tuple[VitalSign, ...]:
    return tuple(sign for sign in vital_signs() if sign.runs_out is not None)


async def find_running_out(
    fleet: Fleet,
    metrics: FleetMetrics,
    search: ForecastSearch,
    *,
    principal: Principal,
    ttl: float,
    seconds: float,
    now: datetime,
    progress: Progress = no_progress,
) -> ForecastAnswer:
    """What runs out, soonest first; errors as in `FleetAnomalies.find`."""
    if search.query is not None:
        return await _of_query(metrics, search, search.query, principal, now, progress)

    async def ask(access: Access) -> tuple[tuple[_Found, ...], tuple[str, ...]]:
        cluster = access.cluster

        def visit(sign: VitalSign, grid: SeriesGrid) -> _Found:
            return running_out_of(grid, lambda _: sign, cluster.id, cluster.name, search.horizon)

        read = await over_signs(
            access, fleet.cache, signs_that_run_out(), search.span, visit, ttl=ttl
        )
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
    search: ForecastSearch,
    query: str,
    principal: Principal,
    now: datetime,
    progress: Progress,
) -> ForecastAnswer:
    asked = await read_series(
        metrics,
        query,
        search.span,
        selection=search.clusters,
        principal=principal,
        progress=progress,
    )

    def sign(labels: Mapping[str, str]) -> VitalSign:
        return sign_for(query, labels).model_copy(update={"runs_out": search.limit})

    found = [
        await asyncio.to_thread(
            running_out_of, part.grid, sign, part.cluster_id, part.cluster_name, search.horizon
        )
        for part in asked.parts
    ]
    return _answer(found, search, asked.span, now, notes=asked.notes, coverage=asked.coverage)


def running_out_of(
    grid: SeriesGrid,
    sign_of: SignFor,
    cluster_id: UUID | None,
    cluster_name: str,
    horizon: float,
) -> _Found:
    """Those series that reach their sign's ``runs_out`` within ``horizon`` seconds."""
    found: list[RunningOut] = []
    unknown = 0
    for row, labels in enumerate(grid.labels):
        sign = sign_of(labels)
        told = _forecast(sign, grid.times, grid.values[row], horizon)
        unknown += math.isnan(told.now)
        if told.at is None or told.at > grid.times[-1] + horizon or sign.runs_out is None:
            continue
        found.append(
            RunningOut(
                cluster_id=cluster_id,
                cluster_name=cluster_name,
                metric_name=sign.name,
                labels=dict(labels),
                component=sign.component_of(labels),
                detail=sign.detail_of(labels),
                component_kind=sign.of,
                unit=sign.unit,
                now=told.now,
                limit=sign.runs_out,
                per_day=told.slope * DAY,
                at=datetime.fromtimestamp(told.at, UTC),
                earliest=_moment(told.earliest),
                latest=_moment(told.latest),
                reason=told.reason,
            )
        )
    return _Found(tuple(found), len(grid), unknown)


def _forecast(sign: VitalSign, times: Vector, values: Vector, horizon: float) -> Forecast:
    if sign.runs_out is None:
        return Forecast(None, None, None, math.nan, math.nan, "no limit")
    if sign.countdown:
        return _counted_down(times, values, horizon)
    told = forecast(times, values, limit=sign.runs_out, horizon=horizon * BAND_LOOKS_FURTHER)
    if sign.limit is None:
        return told
    known = values[np.isfinite(values)]
    if known.size and is_beyond(sign, np.array([np.median(known[-LASTS:])]))[0]:
        last, now = float(times[-1]), float(np.median(known[-LASTS:]))
        told = replace(told, now=now, reason=f"beyond {sign.limit:g} already")
        if told.at is not None and told.at <= last + horizon:
            return told
        return replace(told, at=last, earliest=None, latest=None)
    return told if _is_plain(sign, told, times) else replace(told, at=None)


def _is_plain(sign: VitalSign, told: Forecast, times: Vector) -> bool:
    """Whether a forecast of what is always looked at is worth telling.

    It comes even at the slow end of its band, and either no further ahead than was looked back, or
    of what is near its end already: a day's rise of memory does not go on for a week.
    """
    if told.at is None or told.latest is None:
        return False
    if told.at - times[-1] <= times[-1] - times[0]:
        return True
    return sign.matters_from is not None and departure_beyond(sign, told.now)


def _counted_down(times: Vector, values: Vector, horizon: float) -> Forecast:
    """The last sample says itself how many days are left."""
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return Forecast(None, None, None, math.nan, math.nan, "no data")
    now = float(values[known[-1]])
    left = now * DAY
    at = float(times[known[-1]]) + left
    if left > horizon:
        reason = "the limit is not reached within the horizon"
        return Forecast(None, None, None, -1 / DAY, now, reason)
    return Forecast(at, at, at, -1 / DAY, now, "")


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _answer(
    found: Sequence[_Found],
    search: ForecastSearch,
    span: Span,
    now: datetime,
    *,
    notes: Sequence[str],
    coverage: Coverage,
) -> ForecastAnswer:
    soonest = sorted(
        (one for each in found for one in each.running_out),
        key=lambda one: (one.at, one.cluster_name, one.component),
    )
    unknown = sum(each.unknown for each in found)
    told = (f"{unknown} series are too short to forecast",) if unknown else ()
    return ForecastAnswer(
        running_out=tuple(soonest[:MOST_KEPT]),
        total=len(soonest),
        series_judged=sum(each.series for each in found),
        since=datetime.fromtimestamp(span.start, UTC),
        until=datetime.fromtimestamp(span.end, UTC),
        horizon_seconds=search.horizon,
        notes=(*notes, *told),
        coverage=coverage,
        query=search.query,
        as_of=now,
    )
