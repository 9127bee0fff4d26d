"""Watches the fleet for traces that failed, and tells of each once.

A store shows a trace only some time after it ended, so that each look reaches back over the last
ones; what was told before is remembered. Among replicas one looks (`ours`); when another takes
over it reaches back as well, and what it tells a second time has the same event id.
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
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.spans import TraceSearch

_log = logging.getLogger(__name__)

REACH_BACK = timedelta(minutes=2)
"""So late may a trace show in its store."""

MOST_A_CLUSTER = 20
"""Of one look; a cluster in which everything fails must not flood the bus."""

REMEMBERED = 20_000
_EVENTS = UUID("a2a7c3f0-3a5e-4f0e-8a3e-7c1a5d2b9f64")

FailedTrace = tuple[UnitedHit, Cluster]
"""A trace, and the cluster where its root is."""


class FailureLook(Protocol):
    """The traces that failed in a time."""

    async def __call__(self, start: datetime, end: datetime) -> Sequence[FailedTrace]: ...


def failed_traces(traces: FleetTraces) -> FailureLook:
    """Looks at the whole fleet, at most `MOST_A_CLUSTER` traces of each cluster."""

    async def look(start: datetime, end: datetime) -> Sequence[FailedTrace]:
        search = TraceSearch(
            start=start, end=end, tags=(("status", "error"),), limit=MOST_A_CLUSTER
        )
        try:
            found = await traces.search(search, principal=LOCAL_ADMIN)
        except TempoNotAvailable:
            return ()
        return [(one, found.clusters[one.home]) for one in found.hits]

    return look


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

    async def look_once(self) -> Sequence[FailedTrace]:
        """Look now, publish TRACE_RECEIVED for each trace not told before; returns these."""
        now = self._clock()
        if not await self._ours():
            self._looked_at = now  # another replica did
            return ()
        since = self._looked_at
        start = now - timedelta(seconds=self._every) if since is None else since - REACH_BACK
        found = await self._look(start, now)
        self._looked_at = now
        fresh = [(one, home) for one, home in found if self._is_new(one.hit.trace_id)]
        for one, home in reversed(fresh):
            await self._bus.publish(self._event(one, home))
        return fresh

    def _is_new(self, trace_id: str) -> bool:
        if trace_id in self._told:
            self._told.move_to_end(trace_id)
            return False
        self._told[trace_id] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    def _event(self, one: UnitedHit, home: Cluster) -> Event:
        hit = one.hit
        return Event(
            event_id=uuid5(_EVENTS, hit.trace_id),
            event_type=EventType.TRACE_RECEIVED,
            source="fleet.trace_watcher",
            cluster_id=home.id,
            cluster_name=home.name,
            timestamp=self._clock(),
            payload={
                "trace_id": hit.trace_id,
                "root_service": hit.root_service,
                "root_operation": hit.root_operation,
                "start_time": moment(hit.start_ns).isoformat(),
                "duration_ms": hit.duration_ns / 1e6,
                "clusters": list(one.clusters),
                "has_errors": True,
            },
        )
