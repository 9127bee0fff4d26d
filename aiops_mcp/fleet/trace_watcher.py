"""Watches the fleet for traces that failed, and tells of each once.

A store shows a trace only some time after it ended, so that each look reaches back over the last
ones; what was told before is remembered. Among replicas one looks (`ours`); when another takes
over it reaches back as well, and what it tells a second time has the same event id.

An event goes to those who may see its cluster, and a store may hold spans of several. So a trace is
read before it is told of: the event is of the cluster where its root ran, and names no other.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid5

from aiops_mcp.analysis.traces_groups import UnitedHit
from aiops_mcp.errors import AiopsError, TempoNotAvailable
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.trace_answer import moment
from aiops_mcp.fleet.trace_found import FleetTrace
from aiops_mcp.fleet.traces import AT_ONCE, FleetTraces
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.spans import TraceSearch

_log = logging.getLogger(__name__)

REACH_BACK = timedelta(minutes=2)
"""So late may a trace show in its store."""

MOST_A_CLUSTER = 20
"""Of one look; a cluster in which everything fails must not flood the bus."""

MOST_A_LOOK = 60
"""The newest are told of first; the others by the next looks, as far as these reach back."""

REMEMBERED = 20_000
_EVENTS = UUID("a2a7c3f0-3a5e-4f0e-8a3e-7c1a5d2b9f64")


class FailureLook(Protocol):
    """Where failed traces are found, and read."""

    async def find(self, start: datetime, end: datetime) -> Sequence[UnitedHit]:
        """Those that failed in a time, newest first."""
        ...

    async def read(self, hit: UnitedHit) -> FleetTrace | None:
        """The trace itself; None where it cannot be read now."""
        ...


class FailedTraces:
    """Looks at the whole fleet, at most `MOST_A_CLUSTER` traces of each cluster."""

    def __init__(self, traces: FleetTraces) -> None:
        self._traces = traces

    async def find(self, start: datetime, end: datetime) -> Sequence[UnitedHit]:
        search = TraceSearch(
            start=start, end=end, tags=(("status", "error"),), limit=MOST_A_CLUSTER
        )
        try:
            return (await self._traces.search(search, principal=LOCAL_ADMIN)).hits
        except TempoNotAvailable:
            return ()

    async def read(self, hit: UnitedHit) -> FleetTrace | None:
        try:
            return await self._traces.trace(
                hit.hit.trace_id, selection=hit.clusters, principal=LOCAL_ADMIN
            )
        except AiopsError:
            return None  # it is looked for again


class TraceWatcher:
    """Looks every ``every`` seconds while ``run`` runs; ``ours`` says whether this replica does."""

    def __init__(
        self,
        look: FailureLook,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        every: float,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._look = look
        self._bus = bus
        self._clock = clock
        self._every = every
        self._ours = ours
        self._looked_at: datetime | None = None
        self._told: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> None:
        """Watch until cancelled. A look that fails is logged, and the next one comes in time."""
        while True:
            try:
                await self.look_once()
            except AiopsError as error:
                _log.warning("failed traces could not be looked for: %s", error)
            await asyncio.sleep(self._every)

    async def look_once(self) -> Sequence[FleetTrace]:
        """Look now, publish TRACE_RECEIVED for each trace not told before; returns these."""
        now = self._clock()
        if not await self._ours():
            self._looked_at = now  # another replica did
            return ()
        since = self._looked_at
        start = now - timedelta(seconds=self._every) if since is None else since - REACH_BACK
        found = await self._look.find(start, now)
        self._looked_at = now
        fresh = [hit for hit in found if not self._was_told(hit.hit.trace_id)][:MOST_A_LOOK]
        told = await self._read(fresh)
        for one in reversed(told):
            event = self._event(one)
            self._remember(event.payload["trace_id"])
            await self._bus.publish(event)
        return told

    async def _read(self, hits: Sequence[UnitedHit]) -> list[FleetTrace]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(hit: UnitedHit) -> FleetTrace | None:
            async with places:
                return await self._look.read(hit)

        return [found for found in await asyncio.gather(*map(one, hits)) if found is not None]

    def _was_told(self, trace_id: str) -> bool:
        if trace_id not in self._told:
            return False
        self._told.move_to_end(trace_id)
        return True

    def _remember(self, trace_id: str) -> None:
        self._told[trace_id] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _event(self, found: FleetTrace) -> Event:
        trace, home = found.trace, found.home
        root = trace.spans[trace.root]
        return Event(
            event_id=uuid5(_EVENTS, root.trace_id),
            event_type=EventType.TRACE_RECEIVED,
            source="fleet.trace_watcher",
            cluster_id=home.id,
            cluster_name=home.name,
            timestamp=self._clock(),
            payload={
                "trace_id": root.trace_id,
                "root_service": None if root.parent_id else root.service,
                "root_operation": None if root.parent_id else root.name,
                "start_time": moment(trace.start_ns).isoformat(),
                "duration_ms": (trace.end_ns - trace.start_ns) / 1e6,
                "has_errors": True,
            },
        )
