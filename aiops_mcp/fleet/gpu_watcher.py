"""Watches the fleet's cards through DCGM and publishes GPU_UPDATE when something matters.

Only Prometheus is asked, for a few metrics: nvidia-smi is a process on the node, too much for every
half minute. Clusters are shared among replicas by shards. What changed is decided in `gpu_changes`.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.backends.dcgm import gpus_from_dcgm
from aiops_mcp.backends.dcgm_fields import selector
from aiops_mcp.errors import AiopsError
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.gpu_changes import GpuChange, Moves, Seen, compare, only_of
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.shards import Ours, keep_shards
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.gpu import GPUNode
from aiops_mcp.models.principal import LOCAL_ADMIN

_log = logging.getLogger(__name__)

WATCHED = selector(
    (
        "XID_ERRORS",
        "XID_COUNT",
        "GPU_UTIL",
        "GPU_TEMP",
        "GPU_TEMP_LIMIT",
        "CLOCKS_EVENT_REASONS",
        "ECC_DBE_VOL_TOTAL",
        "ROW_REMAP_PENDING",
        "ROW_REMAP_FAILURE",
        "GET_GPU_RECOVERY_ACTION",
    )
)
"""An instant query: what a change of a card can be told by."""


class GpuLook(Protocol):
    """Looks at the cards once: the nodes, and the clusters that answered."""

    async def __call__(self) -> tuple[Sequence[GPUNode], Collection[UUID]]: ...


def look_through_dcgm(fleet: Fleet, ours: Ours, clock: Callable[[], datetime]) -> GpuLook:
    """Asks the Prometheus of every cluster of ours that has GPU nodes."""

    async def ask(access: Access) -> tuple[GPUNode, ...]:
        answer = await (await access.prometheus()).query(WATCHED)
        return gpus_from_dcgm(answer.series, access.cluster, now=clock())

    async def look() -> tuple[Sequence[GPUNode], Collection[UUID]]:
        chosen = await fleet.choose((), LOCAL_ADMIN)
        mine = tuple(
            cluster
            for cluster in chosen.asked
            if cluster.capabilities.has_gpu_nodes and ours.is_ours(cluster.id)
        )
        if not mine:
            return (), ()
        answer = await fleet.ask_chosen(Selection(mine), ask, backend="prometheus")
        found = answer.succeeded()
        nodes = [node for one in found for node in one.value or ()]
        return nodes, {one.cluster.id for one in found}

    return look


class GpuWatcher:
    """Looks every ``every`` seconds while ``run`` runs; ``moves`` is what counts as a move."""

    def __init__(
        self,
        look: GpuLook,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        every: float,
        limits: Thresholds | None = None,
        moves: Moves | None = None,
        ours: Ours | None = None,
    ) -> None:
        self._look = look
        self._bus = bus
        self._clock = clock
        self._every = every
        self._limits = limits or Thresholds()
        self._moves = moves or Moves()
        self._ours = ours
        self._seen = Seen()

    async def run(self) -> None:
        """Watch until cancelled. A look that fails is logged, and the next one comes in time."""
        ours = self._ours
        shared_out = asyncio.Event()
        keeping = asyncio.create_task(keep_shards(ours, shared_out)) if ours is not None else None
        try:
            if keeping is not None:
                await shared_out.wait()
            while True:
                try:
                    await self.look_once()
                except AiopsError as error:
                    _log.warning("the GPUs could not be looked at: %s", error)
                await asyncio.sleep(self._every)
        finally:
            if keeping is not None and ours is not None:
                keeping.cancel()
                await ours.release()

    async def look_once(self) -> tuple[GpuChange, ...]:
        """Look now and publish a GPU_UPDATE for every card that changed."""
        nodes, answered = await self._look()
        now = self._clock()
        if self._ours is not None:
            self._seen = only_of(self._seen, self._ours.is_ours)
        self._seen, changes = compare(self._seen, nodes, answered, now, self._limits, self._moves)
        for change in changes:
            await self._bus.publish(
                Event(
                    event_id=uuid4(),
                    event_type=EventType.GPU_UPDATE,
                    source="fleet.gpu_watcher",
                    cluster_id=change.cluster_id,
                    cluster_name=change.cluster_name,
                    timestamp=now,
                    payload=change.payload,
                )
            )
        return changes
