"""GPUs of the whole fleet: from nvidia-smi on the nodes, and from DCGM's metrics in Prometheus.

Both are asked at once. nvidia-smi knows the moment, but needs the right to run commands in the
driver's pods; DCGM adds what it alone knows, and stands in where nvidia-smi cannot be run. Each
node says which of them gave its cards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from aiops_mcp.backends.dcgm import gpus_from_dcgm
from aiops_mcp.backends.dcgm_fields import dcgm_query
from aiops_mcp.backends.gpu_collector import read_gpu_nodes
from aiops_mcp.backends.gpu_sources import join_sources
from aiops_mcp.errors import AiopsError, QueryTimeout
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.keeping import json_codec
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.gpu import GPUNode
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

NODES_AT_ONCE = 16
"""Of one cluster: an exec is a process on the node and a connection through the API server."""

SMI_SECONDS = 20.0
GIVING_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class FleetGpuAnswer:
    """Every GPU node of the chosen clusters, by cluster and name."""

    nodes: tuple[GPUNode, ...]
    coverage: Coverage
    asked_at: datetime


class FleetGpu:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def nodes(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> FleetGpuAnswer:
        """All GPU nodes; a cluster without GPUs answers with none. Raises when nobody answered."""
        answer = await self._fleet.ask(
            selection,
            self._ask,
            principal=principal,
            backend="gpu",
            deadline=SMI_SECONDS + GIVING_UP_SECONDS,
            cache=CacheRule(("gpu",), self._settings.ttl_gpu, _size),
            keep_last_seen=json_codec("gpu", TypeAdapter(tuple[GPUNode, ...])),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        nodes = [node for one in answer.succeeded() for node in one.value or ()]
        nodes.sort(key=lambda node: (node.cluster_name, node.node_name))
        return FleetGpuAnswer(tuple(nodes), answer.coverage(), answer.asked_at)

    async def _ask(self, access: Access) -> tuple[GPUNode, ...]:
        smi, dcgm = await asyncio.gather(_tried(self._smi(access)), _tried(self._dcgm(access)))
        if smi.failure is None:
            return join_sources(smi.nodes, dcgm.nodes)
        # Not finding anything in DCGM does not tell that there is nothing.
        if not dcgm.nodes:
            raise smi.failure
        note = f"nvidia-smi could not be run: {smi.failure.message}"
        return tuple(
            node.model_copy(update={"warnings": (*node.warnings, note)}) for node in dcgm.nodes
        )

    async def _smi(self, access: Access) -> tuple[GPUNode, ...]:
        try:
            async with asyncio.timeout(SMI_SECONDS):
                kubernetes = await access.kubernetes()
                nodes = await read_gpu_nodes(
                    kubernetes, access.cluster, now=self._clock(), concurrency=NODES_AT_ONCE
                )
        except TimeoutError as error:
            raise QueryTimeout(
                f"The nodes of {access.cluster.name} did not tell of their GPUs within "
                f"{SMI_SECONDS:g} s."
            ) from error
        return tuple(nodes)

    async def _dcgm(self, access: Access) -> tuple[GPUNode, ...]:
        answer = await (await access.prometheus()).query(dcgm_query())
        return gpus_from_dcgm(answer.series, access.cluster, now=self._clock())


@dataclass(frozen=True, slots=True)
class _Tried:
    nodes: tuple[GPUNode, ...] = ()
    failure: AiopsError | None = None


async def _tried(work: Awaitable[tuple[GPUNode, ...]]) -> _Tried:
    try:
        return _Tried(await work)
    except AiopsError as failure:
        return _Tried(failure=failure)


def _size(nodes: Sequence[GPUNode]) -> int:
    return 1024 + sum(2000 + 6000 * len(node.gpus) for node in nodes)
