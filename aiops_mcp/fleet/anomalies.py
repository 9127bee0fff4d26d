"""Anomalies over the fleet: of one PromQL, or of all that matters in the chosen clusters.

Series are judged where they are read, a cluster and an expression at a time, in threads, and only
what was found is kept. Knows no surface.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aiops_mcp.analysis.anomaly import Judged, Kind, judge
from aiops_mcp.errors import AiopsError, AnomalyDetectionFailed
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomaly_findings import Place, findings_of
from aiops_mcp.fleet.asked_series import ClusterSeries, read_series, sign_for
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.series_grid import SeriesGrid, Span
from aiops_mcp.fleet.sign_series import over_signs
from aiops_mcp.fleet.vital_signs import VitalSign
from aiops_mcp.models.anomaly import AnomalyAnswer, AnomalyDetection, AnomalySeverity, Sensitivity
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_KEPT = 1_000
DEADLINE_SHARE = 0.75
"""Of the time of a request, what the clusters have; the rest is for judging and telling."""

STILL = "flat"
"""A series that never changed is nothing to remark: most of what counts failures does not."""

_RANK = {AnomalySeverity.HIGH: 0, AnomalySeverity.MEDIUM: 1, AnomalySeverity.LOW: 2}


_LEAST: Mapping[Sensitivity, tuple[float, float]] = {
    Sensitivity.LOW: (0.3, 0.4),
    Sensitivity.MEDIUM: (0.2, 0.3),
    Sensitivity.HIGH: (0.1, 0.2),
    Sensitivity.EXTREME: (0.0, 0.0),
}
"""Of a query, which has no floor of its own: the least share of what was expected, and confidence.

Confidence is the share of such anomalies that are true; less than a third is more noise than news.
"""


@dataclass(frozen=True, slots=True)
class AnomalySearch:
    """What to judge, where and how; without ``query`` the ``signs``."""

    span: Span
    clusters: tuple[str, ...] = ()
    query: str | None = None
    signs: tuple[VitalSign, ...] = ()
    sensitivity: Sensitivity = Sensitivity.MEDIUM


@dataclass(frozen=True, slots=True)
class _Found:
    anomalies: tuple[AnomalyDetection, ...]
    series: int
    remarks: Counter[str]


@dataclass(frozen=True, slots=True)
class _Looked:
    found: tuple[_Found, ...]
    notes: tuple[str, ...]
    expressions: int


class FleetAnomalies:
    """Finds anomalies; ``ttl`` is that of lists of metrics, ``seconds`` those of one request."""

    def __init__(
        self,
        fleet: Fleet,
        metrics: FleetMetrics,
        clock: Callable[[], datetime],
        *,
        ttl: float,
        seconds: float,
    ) -> None:
        self._fleet = fleet
        self._metrics = metrics
        self._clock = clock
        self._ttl = ttl
        self._seconds = seconds * DEADLINE_SHARE

    async def find(
        self, search: AnomalySearch, *, principal: Principal, progress: Progress = no_progress
    ) -> AnomalyAnswer:
        """All anomalies that matter, worst first.

        Raises:
            InputError, QueryTooExpensive, ClusterNotFound: for what was asked; the failure where
            no cluster answered; AnomalyDetectionFailed where the judgement itself failed.
        """
        if search.query is not None:
            return await self._of_query(search, search.query, principal, progress)
        return await self._of_signs(search, principal, progress)

    async def _of_signs(
        self, search: AnomalySearch, principal: Principal, progress: Progress
    ) -> AnomalyAnswer:
        now = self._clock()

        async def ask(access: Access) -> _Looked:
            def visit(sign: VitalSign, grid: SeriesGrid) -> _Found:
                query = sign.query(search.span.step)
                place = Place(access.cluster.id, access.cluster.name, query, now)
                return judged_sign(sign, grid, place, search.sensitivity)

            read = await over_signs(
                access, self._fleet.cache, search.signs, search.span, visit, ttl=self._ttl
            )
            return _Looked(read.found, read.notes, read.asked)

        answer = await self._fleet.ask(
            search.clusters,
            ask,
            principal=principal,
            backend="prometheus",
            deadline=self._seconds,
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        looked = [one.value for one in answer.succeeded() if one.value is not None]
        return _answer(
            [found for one in looked for found in one.found],
            search,
            search.span,
            now,
            notes=[note for one in looked for note in one.notes],
            coverage=answer.coverage(),
            expressions=max((one.expressions for one in looked), default=0),
        )

    async def _of_query(
        self, search: AnomalySearch, query: str, principal: Principal, progress: Progress
    ) -> AnomalyAnswer:
        now = self._clock()
        asked = await read_series(
            self._metrics,
            query,
            search.span,
            selection=search.clusters,
            principal=principal,
            progress=progress,
        )
        found = [
            await asyncio.to_thread(_judged_part, query, part, now, search.sensitivity)
            for part in asked.parts
        ]
        return _answer(
            found,
            search,
            asked.span,
            now,
            notes=asked.notes,
            coverage=asked.coverage,
            expressions=1,
        )


def judged_sign(
    sign: VitalSign, grid: SeriesGrid, place: Place, sensitivity: Sensitivity
) -> _Found:
    """Judge all series of one sign; what only has a limit is held against that alone."""
    judged: list[Judged] = []
    if not sign.by_limit_only:
        judged = judged_grid(grid, sensitivity, Kind(sign.type.upper()))
    remarks = Counter(remark for one in judged for remark in one.remarks)
    return _Found(tuple(findings_of(sign, grid, judged, place)), len(grid), remarks)


def judged_grid(grid: SeriesGrid, sensitivity: Sensitivity, kind: Kind) -> list[Judged]:
    """Judge all series of a grid.

    Raises:
        AnomalyDetectionFailed: the numbers could not be worked with.
    """
    try:
        return judge(grid.times, grid.values, sensitivity=sensitivity.deviations, kind=kind)
    except AiopsError:
        raise
    except (ValueError, ArithmeticError, MemoryError, IndexError) as error:
        raise AnomalyDetectionFailed(
            f"{len(grid)} series of {len(grid.times)} samples could not be judged: {error}.",
            "Take a shorter window, a coarser step, or fewer series.",
        ) from error


def _judged_part(
    query: str, part: ClusterSeries, now: datetime, sensitivity: Sensitivity
) -> _Found:
    place = Place(part.cluster_id, part.cluster_name, query, now)
    if not part.grid.labels:
        return _Found((), 0, Counter())
    first = sign_for(query, part.grid.labels[0])
    judged = judged_grid(part.grid, sensitivity, Kind(first.type.upper()))
    share, confidence = _LEAST[sensitivity]
    found: list[AnomalyDetection] = []
    for row, labels in enumerate(part.grid.labels):
        sure = [one for one in judged[row].anomalies if one.confidence >= confidence]
        if sure:
            one = SeriesGrid((labels,), part.grid.times, part.grid.values[row : row + 1])
            sign = sign_for(query, labels).model_copy(update={"least_share": share})
            found += findings_of(sign, one, [replace(judged[row], anomalies=sure)], place)
    remarks = Counter(remark for one in judged for remark in one.remarks)
    return _Found(tuple(found), len(part.grid), remarks)


def worst_first(anomalies: Iterable[AnomalyDetection]) -> list[AnomalyDetection]:
    """By severity; what goes on before what is over; then the earliest, the surest."""
    return sorted(
        anomalies,
        key=lambda one: (
            _RANK[one.severity],
            one.ended_at is not None,
            one.started_at,
            -one.confidence_score,
            one.cluster_name,
            one.component,
        ),
    )


def _answer(
    found: Sequence[_Found],
    search: AnomalySearch,
    span: Span,
    now: datetime,
    *,
    notes: Sequence[str],
    coverage: Coverage,
    expressions: int,
) -> AnomalyAnswer:
    anomalies = worst_first(one for each in found for one in each.anomalies)
    remarks: Counter[str] = sum((each.remarks for each in found), Counter[str]())
    told = [
        f"{count} series: {remark}"
        for remark, count in remarks.most_common(5)
        if not remark.startswith(STILL)
    ]
    return AnomalyAnswer(
        anomalies=tuple(anomalies[:MOST_KEPT]),
        total=len(anomalies),
        by_severity=dict(Counter(one.severity.value for one in anomalies)),
        by_type=dict(Counter(one.anomaly_type.value for one in anomalies)),
        series_judged=sum(each.series for each in found),
        expressions=expressions,
        since=datetime.fromtimestamp(span.start, UTC),
        until=datetime.fromtimestamp(span.end, UTC),
        step_seconds=span.step,
        sensitivity=search.sensitivity,
        notes=(*notes, *told),
        coverage=coverage,
        query=search.query,
        as_of=now,
    )
