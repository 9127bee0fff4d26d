"""The work that goes on while nobody asks: which there is, and which replica does it.

Each piece is a loop of its own; one that fails is logged and tried again, and never ends another.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiops_mcp.context import Context
from aiops_mcp.errors import StorageFailed
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.alert_watcher import AlertWatcher
from aiops_mcp.fleet.leases import Lease
from aiops_mcp.fleet.trace_watcher import TraceWatcher, failed_traces
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.storage.leases import LeaseTable

_log = logging.getLogger(__name__)

PRUNE_EVERY = 3600.0


@dataclass(frozen=True, slots=True)
class Leases:
    """Leases in the name of this replica (``holder``)."""

    table: LeaseTable
    holder: str
    clock: Callable[[], datetime]

    def lease(self, name: str) -> Lease:
        return Lease(self.table, name, self.holder, clock=self.clock)


def start_background(context: Context, bus: EventBus, leases: Leases) -> list[asyncio.Task[None]]:
    """Start every piece of background work; the caller cancels the tasks."""
    trace_watcher = TraceWatcher(
        failed_traces(context.traces),
        bus,
        context.clock,
        every=context.settings.trace_poll_every,
        ours=leases.lease("traces").held,
    )
    settings = context.settings
    alert_lease = leases.lease("alerts")

    async def look() -> tuple[Sequence[Alert], Collection[UUID]]:
        """The alerts, where this replica is the one to look; else nobody answered."""
        if not await alert_lease.held():
            return (), ()
        found = await context.alerts.alerts(principal=LOCAL_ADMIN)
        answered = found.sources.keys() - {stale.cluster_name for stale in found.coverage.stale}
        clusters = await context.registry.list(LOCAL_ADMIN)
        return found.alerts, {each.id for each in clusters if each.name in answered}

    alerts = AlertWatcher(
        look,
        bus,
        context.clock,
        every=settings.alert_poll_every,
        remember=context.alerts.resolved.remember,
    )
    return [
        asyncio.create_task(context.watcher.run(), name="health watcher"),
        asyncio.create_task(alerts.run(), name="alert watcher"),
        asyncio.create_task(trace_watcher.run(), name="trace watcher"),
        asyncio.create_task(_prune(context), name="pruning"),
    ]


async def _prune(context: Context) -> None:
    while True:
        try:
            await context.registry.prune_history()
        except StorageFailed as error:
            _log.warning("old health checks stay for now: %s", error)
        await asyncio.sleep(PRUNE_EVERY)
