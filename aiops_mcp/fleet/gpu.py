"""GPUs of the whole fleet: nvidia-smi on the nodes first, DCGM's metrics where that cannot be.

nvidia-smi tells more and knows the moment; it needs the right to run commands in the driver's
pods. A node that it cannot be read on is taken from DCGM, if Prometheus has it. Each node says
which source told of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from aiops_mcp.backends.dcgm import gpus_from_dcgm
from aiops_mcp.backends.dcgm_fields import dcgm_query
from aiops_mcp.backends.gpu_collector import read_gpu_nodes
from aiops_mcp.errors import AiopsError, QueryTimeout
from aiops_mcp.fleet.access import Access, BackendMissing
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
DCGM_SECONDS = 5.0


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
            deadline=SMI_SECONDS + DCGM_SECONDS,
            cache=CacheRule(("gpu",), self._settings.ttl_gpu, _size),
            keep_last_seen=json_codec("gpu", TypeAdapter(tuple[GPUNode, ...])),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        nodes = [node for one in answer.succeeded() for node in one.value or ()]
        nodes.sort(key=lambda node: (node.cluster_name, node.node_name))
        return FleetGpuAnswer(tuple(nodes), answer.coverage(), answer.asked_at)

    async def _ask(self, access: Access) -> tuple[GPUNode, ...]:
        try:
            read = await self._smi(access)
        except (AiopsError, TimeoutError) as failure:
            return await self._instead(access, failure)
        if all(node.gpus for node in read):
            return read
        try:
            measured = await self._dcgm(access)
        except AiopsError:
            return read  # the nodes' own warnings say why they are empty
        return complete(read, measured)

    async def _smi(self, access: Access) -> tuple[GPUNode, ...]:
        async with asyncio.timeout(SMI_SECONDS):
            kubernetes = await access.kubernetes()
            return tuple(
                await read_gpu_nodes(
                    kubernetes, access.cluster, now=self._clock(), concurrency=NODES_AT_ONCE
                )
            )

    async def _dcgm(self, access: Access) -> tuple[GPUNode, ...]:
        answer = await (await access.prometheus()).query(dcgm_query())
        return gpus_from_dcgm(answer.series, access.cluster, now=self._clock())

    async def _instead(
        self, access: Access, failure: AiopsError | TimeoutError
    ) -> tuple[GPUNode, ...]:
        """DCGM's view of a cluster whose nodes cannot be asked; without it the failure stands."""
        if isinstance(failure, TimeoutError):
            name = access.cluster.name
            failure = QueryTimeout(f"nvidia-smi on the nodes of {name} did not end in time.")
        try:
            measured = await self._dcgm(access)
        except BackendMissing:
            raise failure from None
        except AiopsError as error:
            raise failure from error
        if not measured and not isinstance(failure, BackendMissing):
            raise failure
        note = f"nvidia-smi could not be run: {failure.message}"
        return tuple(
            node.model_copy(update={"warnings": (*node.warnings, note)}) for node in measured
        )


def complete(read: Sequence[GPUNode], measured: Sequence[GPUNode]) -> tuple[GPUNode, ...]:
    """Nodes as nvidia-smi told, those it could not be read on as DCGM measured them.

    The warnings of both stay: they say why the one source was not enough.
    """
    by_name = {_short(node.node_name): node for node in measured}
    return tuple(
        node
        if node.gpus or _short(node.node_name) not in by_name
        else _filled(node, by_name[_short(node.node_name)])
        for node in read
    )


def _filled(empty: GPUNode, measured: GPUNode) -> GPUNode:
    return measured.model_copy(
        update={
            "node_name": empty.node_name,
            "warnings": (*empty.warnings, *measured.warnings),
        }
    )


def _short(node_name: str) -> str:
    """An exporter may give the host name where Kubernetes has the full domain name."""
    return node_name.partition(".")[0]


def _size(nodes: Sequence[GPUNode]) -> int:
    return 1024 + sum(2000 + 6000 * len(node.gpus) for node in nodes)
