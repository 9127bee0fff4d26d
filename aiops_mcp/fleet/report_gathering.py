"""Asks the fleet everything that a report tells, at once; what does not answer is noted, not fatal.

Services come in as arguments, so it knows no operation; what a report makes of the answers is in
`reports`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiops_mcp.errors import AiopsError, TempoNotAvailable
from aiops_mcp.fleet.alert_merge import without_replicas
from aiops_mcp.fleet.alerts import FleetAlerts
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.cnf import FleetCnf
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.gpu_health import FleetGpuHealth
from aiops_mcp.fleet.logs import FleetLogs
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.objects import FleetObjects
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.report_causes import find_causes, question_of, worst_alerts
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.reports import ReportType, TimeRange
from aiops_mcp.models.spans import TraceSearch
from aiops_mcp.operation import Progress
from aiops_mcp.reports.compose import CHARTS, MEASURES
from aiops_mcp.reports.gathered import (
    Alerts,
    Clocks,
    FailedTrace,
    FailedTraces,
    Gathered,
    Measure,
    Measured,
    NetworkFunctions,
)
from aiops_mcp.settings import Settings

if TYPE_CHECKING:
    from aiops_mcp.fleet.triage import Sources

PART_SECONDS = 60.0
"""What one question may take; a report is worth some patience, and not all of it."""
MOST_ALERTS = 5_000
MOST_TRACES = 100
CHART_POINTS = 240
NOW_MEANS = timedelta(hours=1)
"""A report whose period ended longer ago tells nothing of how things are now."""
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True)
class ReportSources:
    """The services that are asked."""

    fleet: Fleet
    alerts: FleetAlerts
    objects: FleetObjects
    gpu_health: FleetGpuHealth
    cnf: FleetCnf
    logs: FleetLogs
    traces: FleetTraces
    metrics: FleetMetrics
    settings: Settings
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is to tell: of which clusters, and of which time.

    ``subject`` names an incident in words, ``alert`` is what told of it; ``horizon`` is how far
    ahead a forecast looks, in seconds.
    """

    report_type: ReportType
    chosen: Selection
    period: TimeRange
    subject: str = ""
    alert: Alert | None = None
    horizon: float = 30 * 86_400.0


async def gather(
    sources: ReportSources, wanted: Wanted, principal: Principal, progress: Progress
) -> Gathered:
    """Everything that a report of this type tells."""
    work = _Gathering(sources, wanted, principal)
    for cluster in wanted.chosen.offline:
        work.found.lacks(cluster.name, "offline: nothing of it is here but its state")
    if wanted.chosen.asked:
        await work.all(progress)
    return work.found


class _Gathering:
    def __init__(self, sources: ReportSources, wanted: Wanted, principal: Principal) -> None:
        self._from = sources
        self._wanted = wanted
        self._principal = principal
        self._names = tuple(cluster.name for cluster in wanted.chosen.asked)
        now = sources.clock()
        self._is_now = wanted.period.end >= now - NOW_MEANS
        self.found = Gathered(
            clusters=wanted.chosen.all,
            period=wanted.period,
            now=now,
            subject=wanted.subject,
            is_now=self._is_now,
        )

    async def all(self, progress: Progress) -> None:
        """Ask every part at once; tell how many have answered."""
        parts = self._parts()
        with_causes = self._wanted.report_type is ReportType.INCIDENT_REPORT
        total, done = len(parts) + 1 + with_causes, 0

        async def one(name: str, ask: Callable[[], Awaitable[None]]) -> None:
            nonlocal done
            try:
                await in_time(name, PART_SECONDS, ask())
            except AiopsError as error:
                self.found.lacks(name, error.message)
            done += 1
            await progress(done, total, name)

        async with asyncio.TaskGroup() as group:
            for name, ask in parts.items():
                group.create_task(one(name, ask))
        if with_causes:  # of the alerts that were told
            await one("likely causes", self._causes)

    def _parts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        kind = self._wanted.report_type
        parts: dict[str, Callable[[], Awaitable[None]]] = {}
        if kind is not ReportType.CAPACITY_PLAN:
            parts |= {"alerts": self._alerts, "changes": self._changes}
            if self._told_of_now("what is wrong now"):
                parts["what is wrong now"] = self._triage
        if kind in (ReportType.DETAILED_ANALYSIS, ReportType.INCIDENT_REPORT):
            parts |= {"what was unusual": self._anomalies, "failed requests": self._traces}
            if self._told_of_now("objects that are not well"):
                parts["objects that are not well"] = self._unhealthy
            if any(one.capabilities.has_cnf_workloads for one in self._wanted.chosen.asked):
                parts |= {"network functions": self._functions, "clocks": self._clocks}
        if kind is not ReportType.INCIDENT_REPORT:
            parts["forecast"] = self._forecast
        has_gpus = any(one.capabilities.has_gpu_nodes for one in self._wanted.chosen.asked)
        if has_gpus and kind is not ReportType.CAPACITY_PLAN:
            parts["GPU health"] = self._gpu_health
        if has_gpus and kind is not ReportType.INCIDENT_REPORT:
            parts["GPU waste"] = self._gpu_waste
        for key in CHARTS[kind]:
            if key != "gpu" or has_gpus:
                measure = MEASURES[key]
                parts[f"chart: {measure.title}"] = lambda measure=measure: self._measure(measure)
        return parts

    def _told_of_now(self, what: str) -> bool:
        if not self._is_now:
            self.found.lacks(what, "the period lies in the past, and this is only known of now")
        return self._is_now

    async def _triage(self) -> None:
        from aiops_mcp.fleet.triage import triage_fleet

        told = await triage_fleet(
            self._triage_sources(), selection=self._names, principal=self._principal
        )
        self.found.triage = told
        self.found.count_failures("what is wrong now", told.coverage, told.notes)

    def _triage_sources(self) -> "Sources":
        from aiops_mcp.fleet.triage import Sources

        there = self._from
        return Sources(
            fleet=there.fleet,
            alerts=there.alerts,
            objects=there.objects,
            gpu_health=there.gpu_health,
            cnf=there.cnf,
            settings=there.settings,
            clock=there.clock,
        )

    async def _alerts(self) -> None:
        history, period = self._from.alerts.history, self._wanted.period
        clusters = self._wanted.chosen.all
        past, total = await history.between(clusters, period.start, period.end, limit=MOST_ALERTS)
        known_since = await history.begins_at(clusters)
        self._note_record(known_since)
        now, coverage = (), Coverage(queried=0, succeeded=0)
        try:
            told = await self._from.alerts.alerts(selection=self._names, principal=self._principal)
        except AiopsError as error:
            self.found.lacks("alerts that fire now", error.message)
        else:
            now, coverage = tuple(told.alerts), told.coverage
            self.found.count_failures("alerts", coverage)
        switches = self._from.settings.dead_mans_switches
        ignored = self._from.settings.alert_replica_labels
        firing = without_replicas(
            (a for a in now if a.state is AlertState.FIRING and a.alertname not in switches),
            ignored,
        )
        known = {(one.cluster_id, one.fingerprint, one.starts_at) for one in past}
        begun = [
            one
            for one in firing
            if (one.cluster_id, one.fingerprint, one.starts_at) not in known
            and one.starts_at <= period.end
        ]
        kept = [one for one in past if one.alertname not in switches]
        self.found.alerts = Alerts(
            now=tuple(firing) if self._is_now else (),
            past=tuple(sorted([*kept, *begun], key=lambda one: one.starts_at, reverse=True)),
            past_total=total - (len(past) - len(kept)) + len(begun),
            known_since=known_since,
            coverage=coverage,
        )

    def _note_record(self, known_since: datetime | None) -> None:
        if known_since is None:
            self.found.lacks("alerts that have ended", "no alert is on this server's record yet")
        elif known_since > self._wanted.period.start:
            since = f"{known_since:%Y-%m-%d %H:%M} UTC"
            self.found.lacks(
                f"alerts that ended before {since}", "this server's record begins then"
            )

    async def _changes(self) -> None:
        period = self._wanted.period
        search = ChangeSearch(Window(period.start, period.end), clusters=self._names)
        told = await self._from.objects.changes(search, principal=self._principal)
        self.found.changes = told
        self.found.count_failures("changes", told.coverage, told.notes)

    async def _unhealthy(self) -> None:
        told = await self._from.objects.unhealthy(
            self._names, principal=self._principal, namespace=None
        )
        self.found.unhealthy = told
        self.found.count_failures("objects", told.coverage, told.notes)

    async def _gpu_health(self) -> None:
        names = self._having_gpus()
        told = await self._from.gpu_health.health(selection=names, principal=self._principal)
        self.found.gpu_health = told
        self.found.count_failures("GPU health", told.coverage, told.notes)

    async def _gpu_waste(self) -> None:
        names = self._having_gpus()
        told = await self._from.gpu_health.waste(selection=names, principal=self._principal)
        self.found.gpu_waste = told
        self.found.count_failures("GPU waste", told.coverage, told.notes)

    def _having_gpus(self) -> tuple[str, ...]:
        asked = self._wanted.chosen.asked
        return tuple(one.name for one in asked if one.capabilities.has_gpu_nodes)

    def _having_functions(self) -> tuple[str, ...]:
        asked = self._wanted.chosen.asked
        return tuple(one.name for one in asked if one.capabilities.has_cnf_workloads)

    async def _functions(self) -> None:
        names = self._having_functions()
        told = await self._from.cnf.workloads(selection=names, principal=self._principal)
        self.found.functions = NetworkFunctions(told.found, told.coverage)
        self.found.count_failures("network functions", told.coverage, told.notes)

    async def _clocks(self) -> None:
        names = self._having_functions()
        told = await self._from.cnf.ptp(selection=names, principal=self._principal)
        self.found.clocks = Clocks(told.found, told.coverage)
        self.found.count_failures("clocks", told.coverage, told.notes)

    async def _causes(self) -> None:
        told, there = self.found.alerts, self._from
        if told is None:
            return
        own = self._wanted.alert
        clusters = {cluster.name: cluster for cluster in self._wanted.chosen.asked}
        worst = worst_alerts([own] if own else told.past, tuple(clusters.values()))
        questions = [
            question_of(alert, clusters[name], self.found.names, self.found.period, self.found.now)
            for name, alert in worst.items()
        ]
        if not questions:
            self.found.lacks("likely causes", "no alert of the period to begin from")
            return
        from aiops_mcp.fleet.rca_collecting import RcaSources

        sources = RcaSources(self._triage_sources(), there.logs, there.traces)
        self.found.causes, failed = await find_causes(sources, questions, self._principal)
        for name, why in failed.items():
            self.found.lacks(f"likely causes in {name}", why)
        for result in self.found.causes:
            for said in result.missing:
                self.found.lacks(f"likely causes in {result.cluster_name}", said)

    async def _traces(self) -> None:
        period = self._wanted.period
        search = TraceSearch(
            start=period.start, end=period.end, tags=(("status", "error"),), limit=MOST_TRACES
        )
        try:
            told = await self._from.traces.search(
                search, selection=self._names, principal=self._principal
            )
        except TempoNotAvailable:
            self.found.lacks("failed requests", "no cluster keeps traces")
            return
        found = tuple(
            FailedTrace(
                trace_id=one.hit.trace_id,
                at=datetime.fromtimestamp(one.hit.start_ns / 1e9, UTC),
                service=one.hit.root_service or "unknown",
                operation=one.hit.root_operation or "unknown",
                duration_ms=one.hit.duration_ns / 1e6,
                clusters=one.clusters,
            )
            for one in told.hits
        )
        self.found.traces = FailedTraces(found, told.coverage, bool(told.cut))
        self.found.count_failures("failed requests", told.coverage)

    async def _anomalies(self) -> None:
        # numpy and the detectors are loaded only where somebody wants them.
        from aiops_mcp.fleet.anomalies import AnomalySearch, FleetAnomalies
        from aiops_mcp.fleet.series_window import span_of
        from aiops_mcp.fleet.vital_signs import signs_of

        there, period = self._from, self._wanted.period
        length = max((period.end - period.start).total_seconds(), 3600.0)
        window = span_of(window=length, until=period.end, step=None, now=self.found.now)
        finder = FleetAnomalies(
            there.fleet,
            there.metrics,
            there.clock,
            ttl=there.settings.ttl_labels,
            seconds=PART_SECONDS,
        )
        search = AnomalySearch(window, clusters=self._names, query=None, signs=signs_of())
        told = await finder.find(search, principal=self._principal)
        self.found.anomalies = told
        self.found.count_failures("what was unusual", told.coverage, told.notes)

    async def _forecast(self) -> None:
        from aiops_mcp.fleet.forecasts import ForecastSearch, find_running_out
        from aiops_mcp.fleet.series_window import span_of

        there, period = self._from, self._wanted.period
        length = max((period.end - period.start).total_seconds(), 86_400.0)
        window = span_of(window=length, until=period.end, step=None, now=self.found.now)
        told = await find_running_out(
            there.fleet,
            there.metrics,
            ForecastSearch(window, self._wanted.horizon, clusters=self._names),
            principal=self._principal,
            ttl=there.settings.ttl_labels,
            seconds=PART_SECONDS,
            now=self.found.now,
        )
        self.found.forecast = told
        self.found.count_failures("forecast", told.coverage, told.notes)

    async def _measure(self, measure: Measure) -> None:
        period = self._wanted.period
        rough = (period.end - period.start).total_seconds() / CHART_POINTS
        step = next((each for each in _STEPS if each >= rough), _STEPS[-1])
        answer = await self._from.metrics.query_range(
            measure.query,
            selection=self._names,
            principal=self._principal,
            start=period.start,
            end=period.end,
            step=float(step),
        )
        self.found.count_failures(f"chart: {measure.title}", answer.coverage)
        if any(result.data for result in answer.results):
            self.found.measured[measure.key] = Measured(measure, answer)
        else:
            self.found.lacks(f"chart: {measure.title}", "no cluster has samples of it")
