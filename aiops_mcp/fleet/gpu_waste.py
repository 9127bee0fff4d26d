"""What GPUs of the fleet are wasted: a day's use from DCGM, laid over who holds what."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.analysis.gpuhealth_waste import Use, allocated, wasted
from aiops_mcp.backends.dcgm_timeline import busy_query, timelines
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.gpu import FleetGpuAnswer
from aiops_mcp.fleet.model_servers import read_figures
from aiops_mcp.models.gpu import GPUNode
from aiops_mcp.models.gpu_health import WasteReport
from aiops_mcp.models.principal import Principal

LOOKS_BACK = timedelta(hours=24)
STEP = timedelta(minutes=15)
SECONDS = 20.0


async def find_waste(
    fleet: Fleet, found: FleetGpuAnswer, limits: Thresholds, now: datetime, principal: Principal
) -> WasteReport:
    """The waste among the nodes that were found; a cluster without history lacks its idleness."""
    names = tuple(dict.fromkeys(node.cluster_name for node in found.nodes))
    use: dict[str, Use] = {}
    notes: list[str] = []
    if names:

        async def ask(access: Access) -> Use:
            return await _use(await access.prometheus(), now)

        answer = await fleet.ask(
            names,
            ask,
            principal=principal,
            backend="gpu-evidence",
            deadline=SECONDS,
            cache=CacheRule(("gpu-use",), 60.0, _size),
        )
        use = {one.cluster.name: one.value for one in answer.succeeded() if one.value is not None}
        notes += [
            f"{one.cluster.name}: how long cards were idle is unknown: {one.error or one.skipped}"
            for one in (*answer.failed(), *answer.skipped())
        ]
    return WasteReport(
        found=wasted(found.nodes, use, limits, now),
        total_gpus=sum(len(node.gpus) for node in found.nodes),
        allocated_gpus=round(allocated(found.nodes), 2),
        notes=(*notes, *_unknown(found.nodes)),
        coverage=found.coverage,
        as_of=found.asked_at,
    )


async def _use(prometheus: PrometheusClient, now: datetime) -> Use:
    busy, figures = await asyncio.gather(
        prometheus.query_range(
            busy_query("15m"), start=now - LOOKS_BACK, end=now, step=STEP.total_seconds()
        ),
        _servers(prometheus),
    )
    lines = timelines(busy.series, unnamed="BUSY")
    return Use({one.uuid: one for one in lines}, figures)


async def _servers(prometheus: PrometheusClient) -> Mapping[str, bool]:
    """By pod, whether its model server does or did anything in the last minutes."""
    try:
        figures = await read_figures(prometheus)
    except AiopsError:
        return {}
    return {
        f"{one.namespace}/{one.pod}": any(
            one.values.get(name, 0.0) > 0 for name in ("running", "waiting", "requests")
        )
        for one in figures
        if one.namespace and one.pod
    }


def _unknown(nodes: tuple[GPUNode, ...]) -> list[str]:
    """Nodes of which nobody tells who holds what."""
    silent = [
        f"{node.cluster_name}/{node.node_name}"
        for node in nodes
        if node.facts is None or not node.facts.holders_known
    ]
    if not silent:
        return []
    more = f" and {len(silent) - 3} more" if len(silent) > 3 else ""
    return [f"what is free is unknown, as pods could not be listed: {', '.join(silent[:3])}{more}"]


def _size(use: Use) -> int:
    return 2048 + 12_000 * len(use.busy)
