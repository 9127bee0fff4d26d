"""The composition root: the one place that knows every room and wires them together.

``open_app`` gives a running application: database migrated, clients ready, background work going.
How it is served (stdio, HTTP) is in ``serving.py``.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from aiops_mcp import __version__
from aiops_mcp.backends.connect import NetworkConnect, TransportFor
from aiops_mcp.background import Leases, start_background
from aiops_mcp.capabilities.logs import moment_ns
from aiops_mcp.context import Context, Invoker
from aiops_mcp.errors import AiopsError, ToolExecutionFailed
from aiops_mcp.events.bus import LiveBus
from aiops_mcp.fleet.alerting import fleet_alerts
from aiops_mcp.fleet.auditing import AuditTrail
from aiops_mcp.fleet.cnf import FleetCnf
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.gpu import FleetGpu
from aiops_mcp.fleet.gpu_health import FleetGpuHealth
from aiops_mcp.fleet.incidents import Incidents
from aiops_mcp.fleet.logs import FleetLogs
from aiops_mcp.fleet.metric_names import MetricNames
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.objects import FleetObjects
from aiops_mcp.fleet.personas import PersonaFiles, Personas
from aiops_mcp.fleet.registry import Registry
from aiops_mcp.fleet.reporting import fleet_reports
from aiops_mcp.fleet.rules import FleetRules
from aiops_mcp.fleet.runbooks import Runbooks
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.spot_check import discover_unknown, spot_check, stale_clusters
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.fleet.watcher import Watcher
from aiops_mcp.garbage import leave_what_is_loaded
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.logs import TailItem
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.models.registration import ClusterChanges
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Call, Operation, Progress, no_progress, operation_named
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.settings import Settings
from aiops_mcp.storage.audit import AuditTable
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.handles import HandleTable
from aiops_mcp.storage.incidents import IncidentTable
from aiops_mcp.storage.last_seen import LastSeenTable
from aiops_mcp.storage.leases import LeaseTable
from aiops_mcp.storage.personas import PersonaTable
from aiops_mcp.stores import credential_vault, database_url, event_bus
from aiops_mcp.surfaces.guard import clean, guard_json
from aiops_mcp.surfaces.log_tail import TailQuestion
from aiops_mcp.surfaces.stream_hub import StreamHub
from aiops_mcp.tracing import start_tracing

if TYPE_CHECKING:
    from aiops_mcp.simulation.fleet import SimulatedFleet


FOLLOW_LOGS = "follow_logs"
"""Name of a log tail in the record of calls; it is no operation."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class App:
    """A running application, as its surfaces and commands see it."""

    settings: Settings
    database: Database
    bus: LiveBus
    hub: StreamHub
    context: Context
    invoke: Invoker
    handles: HandleTable
    operations: tuple[Operation, ...] = OPERATIONS

    async def ask(
        self, operation: str, arguments: Mapping[str, Any], *, progress: Progress = no_progress
    ) -> Digest:
        """Run one operation by name, as the local administrator; its digest, cleaned.

        Raises:
            AiopsError: whatever the operation says.
            pydantic.ValidationError: the arguments do not fit.
        """
        found = operation_named(self.operations, operation)
        if found.digest is None:
            raise ToolExecutionFailed(f"The operation {operation!r} has no digest.")
        request = found.request_type.model_validate(dict(arguments))
        call = Call(LOCAL_ADMIN, "cli", progress)
        answer = await self.invoke(found, request, call)
        digest = clean(found.digest(request, answer))
        call.receipt.delivered(digest.text().encode())
        return digest

    async def read(self, operation: str, arguments: Mapping[str, Any]) -> Entity:
        """Run one operation by name, as the local administrator; its whole answer, cleaned.

        Raises as `ask`.
        """
        found = operation_named(self.operations, operation)
        request = found.request_type.model_validate(dict(arguments))
        answer = await self.invoke(found, request, Call(LOCAL_ADMIN, "cli"))
        return found.answer_type.model_validate(guard_json(answer.model_dump(mode="json")))

    async def fetch(self, operation: str, arguments: Mapping[str, Any]) -> Download:
        """Run an operation that answers with a file. Raises as `ask`."""
        found = operation_named(self.operations, operation)
        if found.answer_type is not Download:
            raise ToolExecutionFailed(f"The operation {operation!r} gives no file.")
        request = found.request_type.model_validate(dict(arguments))
        call = Call(LOCAL_ADMIN, "cli")
        answer = cast("Download", await self.invoke(found, request, call))
        call.receipt.delivered(answer.content)
        return answer

    async def tail_logs(
        self, question: TailQuestion, principal: Principal
    ) -> AsyncGenerator[TailItem]:
        """New lines as they come. Errors as of `FleetLogs.tail`, and of a start that is no time.

        The record of calls has it as soon as it follows something, or cannot.
        """
        started, is_told = time.perf_counter(), False

        def tell(outcome: str) -> None:
            milliseconds = (time.perf_counter() - started) * 1000
            self.context.audit.began(
                FOLLOW_LOGS,
                asdict(question),
                principal,
                outcome=outcome,
                duration_ms=milliseconds,
            )

        try:
            items = self.context.logs.tail(
                question.query,
                selection=question.clusters,
                principal=principal,
                start=moment_ns(self.context, question.start, "start"),
                backlog=question.limit,
                tenant=question.tenant,
            )
            async with aclosing(items):
                async for item in items:
                    if not is_told:
                        is_told = True
                        tell("OK")
                    yield item
        except AiopsError as error:
            if not is_told:
                tell(error.code)
            raise

    def refused_tail(self, given: Mapping[str, Any], principal: Principal, code: str) -> None:
        """Keep that somebody wanted to follow logs and was not let."""
        self.context.audit.began(FOLLOW_LOGS, given, principal, outcome=code)

    async def check_stale_clusters(self) -> None:
        """Check and discover what nobody has looked at lately, for commands without a server."""
        context = self.context
        clusters = await context.registry.list(LOCAL_ADMIN)
        stale = stale_clusters(clusters, self.settings, context.clock())
        updates = await spot_check(stale, context.fleet.clients, self.settings, context.clock)
        await context.registry.set_statuses(updates)
        reachable = {update.cluster_id for update in updates if update.seen}
        answering = [cluster for cluster in stale if cluster.id in reachable]
        for cluster, found in await discover_unknown(answering, context.fleet.clients):
            await context.registry.set_capabilities(
                cluster.id,
                found.capabilities,
                endpoints=found.endpoints,
                platform=found.platform,
                platform_version=found.platform_version,
            )

    # --- what surfaces ask for by kind of name, for completion ---------------------------

    async def complete_cluster(
        self, typed: str, others: Mapping[str, str], principal: Principal
    ) -> Sequence[str]:
        del others
        names = [cluster.name for cluster in await self.context.registry.list(principal)]
        return sorted(
            (name for name in names if typed in name), key=lambda name: not name.startswith(typed)
        )

    async def complete_metric(
        self, typed: str, others: Mapping[str, str], principal: Principal
    ) -> Sequence[str]:
        found = await self.context.names.label_values(
            "__name__", selection=_named(others), principal=principal
        )
        return _fitting(found.entries, typed)

    async def complete_label(
        self, typed: str, others: Mapping[str, str], principal: Principal
    ) -> Sequence[str]:
        found = await self.context.names.labels(selection=_named(others), principal=principal)
        return _fitting(found.entries, typed)


def _named(others: Mapping[str, str]) -> tuple[str, ...]:
    cluster = others.get("cluster")
    return (cluster,) if cluster else ()


def _fitting(names: Sequence[str], typed: str) -> list[str]:
    """Names that hold what was typed, those that begin with it first."""
    low = typed.lower()
    fitting = [name for name in names if low in name.lower()]
    return sorted(fitting, key=lambda name: (not name.lower().startswith(low), name))


@asynccontextmanager
async def open_app(
    settings: Settings,
    *,
    watch: bool = True,
    clock: Callable[[], datetime] = utc_now,
    transport_for: TransportFor | None = None,
) -> AsyncGenerator[App]:
    """A running application; ``watch`` starts the background work (health, alerts, pruning).

    ``transport_for`` takes the network's place for the URLs it answers for, as the demo's does.

    Raises:
        StorageFailed: the database or the key file cannot be used.
    """
    async with AsyncExitStack() as stack:
        simulated = _simulated(settings, clock) if settings.demo else None
        if settings.otlp_endpoint is not None:
            stack.callback(start_tracing(settings.otlp_endpoint, version=__version__))
        database = Database(database_url(settings))
        stack.push_async_callback(database.close)
        await database.migrate()
        audit = AuditTrail(
            AuditTable(database),
            clock,
            clean=guard_json,
            keep=timedelta(days=settings.audit_days),
        )
        stack.push_async_callback(audit.close)
        bus = event_bus(settings)
        stack.push_async_callback(bus.close)
        hub = StreamHub(
            bus.log,
            clock,
            shared=lambda: settings.redis_url is not None and bus.connected,
            announce=bus.announce,
            asked=lambda principal, wanted, outcome: audit.began(
                "subscribe_events", wanted, principal, outcome=outcome
            ),
        )
        registry = Registry(
            database,
            credential_vault(settings, database, clock),
            bus,
            clock,
            keep_history=timedelta(days=settings.health_history_days),
        )
        if settings.redis_url is not None:
            # First of all listeners: who is told of a change must then see it.
            bus.subscribe(registry.on_event)
        connect = NetworkConnect(settings, simulated.transport if simulated else transport_for)
        fleet = Fleet(
            registry,
            connect,
            settings,
            clock=clock,
            monotonic=time.monotonic,
            last_seen=LastSeenTable(database),
        )
        stack.push_async_callback(fleet.aclose)
        if simulated:
            await _register_simulated(registry, simulated)
        holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"

        def replica_shards(purpose: str) -> Shards:
            return Shards(LeaseTable(database), purpose=purpose, holder=holder, clock=clock)

        gpu = FleetGpu(fleet, settings, clock)
        tools = tools_of(OPERATIONS)
        context = Context(
            registry=registry,
            fleet=fleet,
            metrics=FleetMetrics(fleet, settings, clock),
            names=MetricNames(fleet, settings),
            alerts=fleet_alerts(
                database, registry, fleet, bus, settings, clock, replica_shards("alerts")
            ),
            rules=FleetRules(fleet, settings, clock),
            logs=FleetLogs(fleet, settings, clock),
            traces=FleetTraces(fleet, settings, clock),
            objects=FleetObjects(fleet, settings, clock),
            gpu=gpu,
            gpu_health=FleetGpuHealth(fleet, gpu, settings, clock),
            cnf=FleetCnf(fleet, settings, clock),
            reports=fleet_reports(database, bus, settings, clock, clean=guard_json),
            incidents=Incidents(
                IncidentTable(database),
                registry,
                bus,
                clock,
                keep=timedelta(days=settings.incident_days),
            ),
            personas=Personas(
                PersonaTable(database), PersonaFiles(settings.personas_folder, tools), tools, clock
            ),
            runbooks=Runbooks(settings.runbooks_folder, tools),
            watcher=Watcher(
                registry, fleet.clients, settings, clock=clock, shards=replica_shards("health")
            ),
            events=bus,
            streams=hub,
            audit=audit,
            settings=settings,
            clock=clock,
            call=Call(LOCAL_ADMIN, "app"),
        )
        invoke, handles = Invoker(context), HandleTable(database, clock)
        app = App(settings, database, bus, hub, context, invoke, handles)
        if watch:
            leave_what_is_loaded()
            if simulated:
                # Whoever tries the demo asks at once, before the watcher has been around.
                await app.check_stale_clusters()
            leases = Leases(LeaseTable(database), holder, clock)
            stack.push_async_callback(_cancel, start_background(context, bus, leases))
        yield app


def _simulated(settings: Settings, clock: Callable[[], datetime]) -> "SimulatedFleet":
    # Only the demo needs it, and it takes a third of a second to import.
    from aiops_mcp.simulation.fleet import SimulatedFleet
    from aiops_mcp.simulation.incident import read_incidents, start_incidents
    from aiops_mcp.simulation.world import World

    def seconds() -> float:
        return clock().timestamp()

    known = read_incidents(settings.demo_incidents_folder)
    started = start_incidents(settings.demo_incidents, known, now=seconds())
    return SimulatedFleet(World(settings.demo_seed, started, seconds))


async def _register_simulated(registry: Registry, simulated: "SimulatedFleet") -> None:
    """Put the simulated clusters beside whatever else the demo's database holds."""
    known = {cluster.name: cluster for cluster in await registry.list(LOCAL_ADMIN)}
    for new, credentials in simulated.registrations():
        if new.name not in known:
            await registry.register(new, credentials)
        else:
            # The seed may be another one than at the last start, or the simulation a newer one.
            there = known[new.name]
            await registry.update(there.id, ClusterChanges(endpoints=new.endpoints))
            await registry.store_credentials(there.id, credentials)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
