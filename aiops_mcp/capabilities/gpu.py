"""GPUs of the fleet: nodes, cards, processes; from nvidia-smi or DCGM, and which it was."""

from collections import defaultdict
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.clusters import OneCluster
from aiops_mcp.capabilities.digesting import (
    Cursor,
    Format,
    Limit,
    ResponseFormat,
    call_of,
    coverage_line,
    cursor_start,
)
from aiops_mcp.capabilities.gpu_digest import (
    digest_gpu_nodes,
    digest_gpu_processes,
    mean,
    memory_share,
    total,
    troubles,
)
from aiops_mcp.context import Context
from aiops_mcp.errors import NoGpuNodes
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.gpu import GPU, GPUNode, GpuProcess
from aiops_mcp.operation import Capability, Clusters, Input

gpu = Capability("gpu", "GPUs of the fleet.")


class GpuQuery(Input):
    clusters: Clusters = ()
    response_format: Format = ResponseFormat.CONCISE
    limit: Limit = 20
    cursor: Cursor | None = None


class GpuNodes(Entity):
    nodes: tuple[GPUNode, ...]
    coverage: Coverage
    as_of: Timestamp


def _digest_nodes(request: GpuQuery, answer: GpuNodes) -> Digest:
    return digest_gpu_nodes(
        answer.nodes,
        answer.coverage,
        answer.as_of,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_gpu_nodes", request),
        detailed=request.response_format is ResponseFormat.DETAILED,
    )


@gpu.operation("get_gpu_nodes", route="GET /gpu/nodes", needs="metrics:read", digest=_digest_nodes)
async def get_gpu_nodes(context: Context, request: GpuQuery) -> GpuNodes:
    """GPU nodes with load, memory, temperature, power and what is wrong (XID, ECC, throttling).

    response_format=detailed gives a row a card.
    """
    return await _nodes(context, request.clusters)


async def _nodes(context: Context, clusters: tuple[str, ...]) -> GpuNodes:
    found = await context.gpu.nodes(
        selection=clusters, principal=context.principal, progress=context.call.progress
    )
    return GpuNodes(nodes=found.nodes, coverage=found.coverage, as_of=found.asked_at)


@gpu.operation(
    "get_cluster_gpus",
    route="GET /clusters/{cluster}/gpus",
    needs="metrics:read",
    resource="fleet://clusters/{cluster}/gpus",
    tool=False,
)
async def get_cluster_gpus(context: Context, request: OneCluster) -> GpuNodes:
    """The GPU nodes of one cluster."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    return await _nodes(context, (cluster.name,))


class OneNode(OneCluster):
    node_name: Annotated[str, Field(description="Kubernetes name", min_length=1, max_length=253)]


@gpu.operation(
    "get_gpu_node", route="GET /gpu/nodes/{cluster}/{node_name}", needs="metrics:read", tool=False
)
async def get_gpu_node(context: Context, request: OneNode) -> GPUNode:
    """One node with all its cards and processes."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    found = await _nodes(context, (cluster.name,))
    for node in found.nodes:
        if node.node_name == request.node_name:
            return node
    known = ", ".join(node.node_name for node in found.nodes[:10]) or "none"
    raise NoGpuNodes(
        f"{cluster.name} has no GPU node {request.node_name!r}.", f"Its GPU nodes: {known}."
    )


class GpuProcessQuery(Input):
    clusters: Clusters = ()
    limit: Limit = 20
    cursor: Cursor | None = None


def _digest_processes(request: GpuProcessQuery, answer: GpuNodes) -> Digest:
    return digest_gpu_processes(
        answer.nodes,
        answer.coverage,
        answer.as_of,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_gpu_processes", request),
    )


class RunningProcess(GpuProcess):
    cluster_name: str
    node_name: str
    gpu_index: int
    gpu_uuid: str | None


class GpuProcesses(GpuNodes):
    """Processes flat, the largest memory first; ``nodes`` says where each runs."""

    processes: tuple[RunningProcess, ...]


@gpu.operation(
    "get_gpu_processes", route="GET /gpu/processes", needs="metrics:read", digest=_digest_processes
)
async def get_gpu_processes(context: Context, request: GpuProcessQuery) -> GpuProcesses:
    """Which processes hold GPU memory, the largest first, with node, card and pod."""
    found = await _nodes(context, request.clusters)
    processes = [
        RunningProcess(
            **dict(process),
            cluster_name=node.cluster_name,
            node_name=node.node_name,
            gpu_index=card.index,
            gpu_uuid=card.uuid,
        )
        for node in found.nodes
        for card in node.gpus
        for process in card.processes
    ]
    processes.sort(key=lambda process: -(process.used_memory_mb or 0.0))
    return GpuProcesses(**dict(found), processes=tuple(processes))


class NoArguments(Input):
    pass


class GpuModelSummary(Entity):
    """All cards of one model; unknown values are null. Power in watts, temperature in Celsius."""

    model: str
    cards: int
    clusters: int
    utilization_percent: float | None
    memory_used_percent: float | None
    max_temperature_celsius: float | None
    power_draw_watts: float | None
    with_trouble: int


class GpuSummary(Entity):
    total_gpus: int
    total_nodes: int
    models: tuple[GpuModelSummary, ...]
    troubled: tuple[str, ...]
    sources: dict[str, int]
    coverage: Coverage
    as_of: Timestamp


def _digest_summary(_: NoArguments, answer: GpuSummary) -> Digest:
    shown = answer.troubled[:8]
    rest = len(answer.troubled) - len(shown)
    return Digest(
        headline=f"{answer.total_gpus} GPUs in {answer.total_nodes} nodes; "
        f"{len(answer.troubled)} with trouble.",
        columns=("model", "cards", "clusters", "util_%", "memory_%", "max_temp_C", "power_W"),
        rows=tuple(
            (
                each.model,
                each.cards,
                each.clusters,
                each.utilization_percent,
                each.memory_used_percent,
                each.max_temperature_celsius,
                each.power_draw_watts,
            )
            for each in answer.models
        ),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=(*shown, f"and {rest} more: get_gpu_nodes") if rest else shown,
    )


@gpu.operation(
    "get_gpu_summary", route="GET /gpu/summary", needs="metrics:read", digest=_digest_summary
)
async def get_gpu_summary(context: Context, request: NoArguments) -> GpuSummary:
    """All GPUs of the fleet by model: how many, how busy, how hot, and which have trouble."""
    del request
    found = await _nodes(context, ())
    by_model: dict[str, list[tuple[GPUNode, GPU]]] = defaultdict(list)
    sources: dict[str, int] = defaultdict(int)
    for node in found.nodes:
        sources[node.source.value] += 1
        for card in node.gpus:
            by_model[card.name or "unknown"].append((node, card))
    return GpuSummary(
        total_gpus=sum(len(node.gpus) for node in found.nodes),
        total_nodes=len(found.nodes),
        models=tuple(
            _model_summary(model, cards)
            for model, cards in sorted(by_model.items(), key=lambda item: -len(item[1]))
        ),
        troubled=tuple(
            f"{node.cluster_name}/{node.node_name} gpu {card.index}: {'; '.join(troubles(card))}"
            for node in found.nodes
            for card in node.gpus
            if troubles(card)
        )
        + tuple(
            f"{node.cluster_name}/{node.node_name}: {warning}"
            for node in found.nodes
            for warning in node.warnings
        ),
        sources=dict(sources),
        coverage=found.coverage,
        as_of=found.as_of,
    )


def _model_summary(model: str, cards: list[tuple[GPUNode, GPU]]) -> GpuModelSummary:
    gpus = [card for _, card in cards]
    hottest = [card.temperature_celsius for card in gpus if card.temperature_celsius is not None]
    return GpuModelSummary(
        model=model,
        cards=len(gpus),
        clusters=len({node.cluster_name for node, _ in cards}),
        utilization_percent=mean([card.utilization_gpu_percent for card in gpus]),
        memory_used_percent=memory_share(gpus),
        max_temperature_celsius=max(hottest, default=None),
        power_draw_watts=total([card.power_draw_watts for card in gpus]),
        with_trouble=sum(bool(troubles(card)) for card in gpus),
    )
