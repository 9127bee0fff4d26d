"""What an operation may reach, and how one is run: permission, switch and deadline in one place."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from aiops_mcp.errors import AiopsError, PermissionDenied, QueryTimeout
from aiops_mcp.fleet.auditing import Made
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.events import Notice
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.streaming import StreamClientInfo, StreamStatus
from aiops_mcp.operation import Call, Effect, Input, Operation
from aiops_mcp.settings import Settings
from aiops_mcp.telemetry import current_trace_id
from aiops_mcp.tracing import span

if TYPE_CHECKING:
    from aiops_mcp.events.bus import EventBus
    from aiops_mcp.fleet.alerts import FleetAlerts
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
    from aiops_mcp.fleet.personas import Personas
    from aiops_mcp.fleet.registry import Registry
    from aiops_mcp.fleet.reports import FleetReports
    from aiops_mcp.fleet.rules import FleetRules
    from aiops_mcp.fleet.runbooks import Runbooks
    from aiops_mcp.fleet.traces import FleetTraces
    from aiops_mcp.fleet.watcher import Watcher
    from aiops_mcp.models.explanation import Prose
    from aiops_mcp.models.rootcause import RCAResult


class ExplainCause(Protocol):
    """Writes of a root-cause answer, in the name of whoever asks; raises nothing of a model's."""

    async def __call__(self, found: "RCAResult", principal: Principal) -> "Prose": ...


class Streams(Protocol):
    """The event stream that this process serves, as operations see it."""

    def status(self) -> StreamStatus: ...

    def client_infos(self) -> tuple[StreamClientInfo, ...]: ...

    async def announce(self, notice: Notice) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The services one operation call stands on, and who made the call."""

    registry: "Registry"
    fleet: "Fleet"
    metrics: "FleetMetrics"
    names: "MetricNames"
    alerts: "FleetAlerts"
    rules: "FleetRules"
    logs: "FleetLogs"
    traces: "FleetTraces"
    objects: "FleetObjects"
    gpu: "FleetGpu"
    gpu_health: "FleetGpuHealth"
    cnf: "FleetCnf"
    reports: "FleetReports"
    incidents: "Incidents"
    personas: "Personas"
    runbooks: "Runbooks"
    watcher: "Watcher"
    events: "EventBus"
    streams: Streams
    audit: "AuditTrail"
    settings: Settings
    clock: Callable[[], datetime]
    call: Call
    explainer: "ExplainCause | None" = None
    """A model that explains root causes, where one is set."""

    @property
    def principal(self) -> Principal:
        return self.call.principal


class Invoker:
    """Runs operations for every surface: the one gate between a caller and the fleet."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, operation: Operation, request: Input, call: Call) -> Entity:
        """Run one operation.

        Raises:
            PermissionDenied: the caller's role lacks ``operation.needs``, or writing is off.
            QueryTimeout: the operation outlived ``settings.request_timeout``.
            AiopsError: whatever the operation says.
        """
        at, started, outcome = self._context.clock(), time.perf_counter(), "INTERNAL_ERROR"
        try:
            with span(operation.name, surface=call.surface, subject=call.principal.subject):
                answer = await self._run(operation, request, call)
            outcome = "OK"
        except AiopsError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = "CANCELLED"
            raise
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            await self._context.audit.record(
                Made(at, operation, request, call, outcome, milliseconds, current_trace_id.get())
            )
        return answer

    async def _run(self, operation: Operation, request: Input, call: Call) -> Entity:
        settings = self._context.settings
        if not call.principal.may(operation.needs):
            raise PermissionDenied(
                f"{operation.name} needs the permission {operation.needs}, "
                f"which the role {call.principal.role} does not have.",
                "Use a token of a role that has it.",
            )
        if operation.effect is not Effect.READ and not settings.allow_write:
            raise PermissionDenied(
                f"{operation.name} changes something, and this server only reads.",
                "Start it with --allow-write (AIOPS_ALLOW_WRITE=true) to allow that.",
            )
        context = replace(self._context, call=call)
        try:
            async with asyncio.timeout(settings.request_timeout):
                return await operation.run(context, request)
        except TimeoutError as error:
            raise QueryTimeout(
                f"{operation.name} took longer than {settings.request_timeout:g} s.",
                "Ask fewer clusters or a shorter time, or raise AIOPS_REQUEST_TIMEOUT.",
            ) from error
