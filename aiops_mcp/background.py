"""The work that goes on while nobody asks: which there is, and which replica does it.

Each piece is a loop of its own; one that fails is logged and tried again, and never ends another.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.analysis import sources_of as triage_sources
from aiops_mcp.capabilities.reports import sources_of
from aiops_mcp.context import Context
from aiops_mcp.errors import StorageFailed
from aiops_mcp.events.bus import LiveBus
from aiops_mcp.fleet.alert_unheard import end_unheard
from aiops_mcp.fleet.gpu_watcher import GpuWatcher, look_through_dcgm
from aiops_mcp.fleet.leases import Lease
from aiops_mcp.fleet.metric_watcher import MetricWatcher, look_at_fleet, read_watch
from aiops_mcp.fleet.report_schedule import ReportScheduler, read_scheduled
from aiops_mcp.fleet.reporting import ScheduledReports
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.trace_watcher import FailedTraces, TraceWatcher
from aiops_mcp.models.incident import Incident
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.storage.leases import LeaseTable

if TYPE_CHECKING:
    from aiops_mcp.fleet.incident_inquiry import Found
    from aiops_mcp.fleet.incident_investigator import Investigator

_log = logging.getLogger(__name__)

PRUNE_EVERY = 3600.0
UNHEARD_EVERY = 600.0
LISTEN_FIRST = 5 * 3600.0
"""An Alertmanager repeats itself every 4 h: who was away listens so long before silence counts."""
PAUSE_AFTER_FAILURE = 30.0
REPORT_LEASE = timedelta(minutes=5)
INVESTIGATOR = Principal(subject="fleet.investigator", role=Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Leases:
    """Leases in the name of this replica (``holder``)."""

    table: LeaseTable
    holder: str
    clock: Callable[[], datetime]

    def lease(self, name: str, ttl: timedelta = timedelta(seconds=30)) -> Lease:
        return Lease(self.table, name, self.holder, clock=self.clock, ttl=ttl)


def start_background(context: Context, bus: LiveBus, leases: Leases) -> list[asyncio.Task[None]]:
    """Start every piece of background work; the caller cancels the tasks."""
    trace_watcher = TraceWatcher(
        FailedTraces(context.traces),
        bus,
        context.clock,
        every=context.settings.trace_poll_every,
        ours=leases.lease("traces").held,
    )
    shards = Shards(leases.table, purpose="gpu", holder=leases.holder, clock=context.clock)
    gpu_watcher = GpuWatcher(
        look_through_dcgm(context.fleet, shards, context.clock),
        bus,
        context.clock,
        every=context.settings.gpu_poll_every,
        limits=context.gpu_health.limits,
        ours=shards,
    )
    metric_watcher = MetricWatcher(
        [read_watch(text) for text in context.settings.watch],
        look_at_fleet(context.metrics, context.clock),
        bus,
        context.clock,
        every=context.settings.watch_every,
        ours=leases.lease("metrics").held,
    )
    return [
        asyncio.create_task(keep_running(name, run), name=name)
        for name, run in (
            ("metric watcher", metric_watcher.run),
            ("anomaly watcher", _watching_anomalies(context, bus, leases)),
            ("GPU watcher", gpu_watcher.run),
            ("health watcher", context.watcher.run),
            ("alert watcher", context.alerts.watcher.run),
            ("trace watcher", trace_watcher.run),
            ("report scheduler", _scheduling_reports(context, leases)),
            ("investigator", _investigating(context, bus, leases)),
            ("pruning", lambda: _prune(context)),
            ("unheard alerts", lambda: _end_unheard(context)),
        )
    ]


def _watching_anomalies(
    context: Context, bus: LiveBus, leases: Leases
) -> Callable[[], Awaitable[None]]:
    """The watch for anomalies. Raises InputError where the settings name none that can be read."""
    settings = context.settings
    if not settings.anomaly_watch:
        return _nothing
    # numpy and the detectors are loaded only where somebody wants them.
    from aiops_mcp.fleet.anomaly_watched import read_watched
    from aiops_mcp.fleet.anomaly_watcher import AnomalyWatcher, WatchRules

    watcher = AnomalyWatcher(
        read_watched(settings.anomaly_watch),
        context.fleet,
        bus,
        context.clock,
        rules=WatchRules(
            every=settings.anomaly_watch_every,
            history=settings.anomaly_watch_history,
            sensitivity=settings.anomaly_watch_sensitivity.deviations,
            series=settings.anomaly_watch_series,
            ttl_names=settings.ttl_labels,
        ),
        ours=Shards(leases.table, purpose="anomalies", holder=leases.holder, clock=context.clock),
        is_told=lambda event_id: event_id in bus.log,
    )
    return watcher.run


def _scheduling_reports(context: Context, leases: Leases) -> Callable[[], Awaitable[None]]:
    """The reports of the schedule. Raises InputError where a line of it cannot be read."""
    schedule = [read_scheduled(line) for line in context.settings.report_schedule]
    maker = ScheduledReports(context.reports, sources_of(context))
    # The lease outlasts the making of a report.
    ours = leases.lease("reports", ttl=REPORT_LEASE).held
    return ReportScheduler(schedule, maker, context.clock, ours=ours).run


def _investigating(context: Context, bus: LiveBus, leases: Leases) -> Callable[[], Awaitable[None]]:
    """Incidents are made of alerts and looked into, as the settings say."""
    if context.settings.investigate == "off":
        return _nothing
    return investigator_of(context, bus, leases.lease("incidents").held).run


def investigator_of(
    context: Context, bus: LiveBus, ours: Callable[[], Awaitable[bool]]
) -> "Investigator":
    """The investigator of an application; ``ours`` says whether this replica is to work."""
    from aiops_mcp.fleet.incident_alerts import FiringAlerts
    from aiops_mcp.fleet.incident_intake import IncidentIntake, IntakeRules
    from aiops_mcp.fleet.incident_investigator import Investigator, InvestigatorRules

    async def inquire(incident: Incident) -> "Found":
        # numpy and the ranking are loaded with the first incident.
        from aiops_mcp.fleet.incident_inquiry import inquire
        from aiops_mcp.fleet.rca_collecting import RcaSources

        sources = RcaSources(triage_sources(context), context.logs, context.traces)
        return await inquire(sources, incident, INVESTIGATOR)

    settings = context.settings
    intake = IncidentIntake(
        context.incidents,
        FiringAlerts(context.alerts, context.registry, settings),
        context.clock,
        IntakeRules(settings.investigates_from, timedelta(seconds=settings.investigate_settle)),
    )
    rules = InvestigatorRules(
        per_hour=settings.investigate_per_hour, uses_model=settings.investigate == "model"
    )
    return Investigator(context.incidents, intake, inquire, bus, context.clock, rules, ours=ours)


async def _nothing() -> None:
    """Nothing is to be watched."""


async def keep_running(
    name: str, run: Callable[[], Awaitable[None]], *, pause: float = PAUSE_AFTER_FAILURE
) -> None:
    """Run until it ends by itself or is cancelled; what a piece did not expect starts it anew.

    Without this a defect would end the watch without a word until the next restart.
    """
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001 - the watcher's edge: no defect may end it unseen
            _log.exception("the %s failed and starts again in %g s", name, pause)
            await asyncio.sleep(pause)
        else:
            return


async def _end_unheard(context: Context) -> None:
    await asyncio.sleep(LISTEN_FIRST)
    while True:
        try:
            await end_unheard(
                context.alerts.history,
                context.alerts.secrets,
                context.fleet,
                context.settings,
                context.clock(),
            )
        except StorageFailed as error:
            _log.warning("alerts that nobody repeats stay for now: %s", error)
        await asyncio.sleep(UNHEARD_EVERY)


async def _prune(context: Context) -> None:
    while True:
        try:
            await context.registry.prune_history()
            await context.audit.prune()
            await context.alerts.history.prune()
            await context.reports.prune()
            await context.incidents.prune()
        except StorageFailed as error:
            _log.warning("old health checks, alerts and reports stay for now: %s", error)
        await asyncio.sleep(PRUNE_EVERY)
