"""Health and waste of GPUs, and the model servers on them."""

from aiops_mcp.capabilities.digesting import Cursor, Limit, call_of, cursor_start
from aiops_mcp.capabilities.gpu import gpu
from aiops_mcp.capabilities.gpu_health_digest import (
    Paging,
    digest_gpu_health,
    digest_gpu_waste,
    digest_model_servers,
)
from aiops_mcp.context import Context
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.gpu_health import GpuHealth, ModelServers, WasteReport
from aiops_mcp.operation import Clusters, Input


class GpuHealthQuery(Input):
    clusters: Clusters = ()
    limit: Limit = 10
    cursor: Cursor | None = None


def _paging(name: str, request: GpuHealthQuery) -> Paging:
    return Paging(request.limit, cursor_start(request.cursor), call_of(name, request))


def _digest_health(request: GpuHealthQuery, answer: GpuHealth) -> Digest:
    return digest_gpu_health(answer, _paging("get_gpu_health", request))


@gpu.operation(
    "get_gpu_health", route="GET /gpu/health", needs="metrics:read", digest=_digest_health
)
async def get_gpu_health(context: Context, request: GpuHealthQuery) -> GpuHealth:
    """Which GPUs are failing or degraded, why (XID, ECC, NVLink, heat, stragglers), what to do.

    Cards are held by jobs and model servers, as far as that can be told.
    """
    return await context.gpu_health.health(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )


def _digest_waste(request: GpuHealthQuery, answer: WasteReport) -> Digest:
    return digest_gpu_waste(answer, _paging("get_gpu_waste", request))


@gpu.operation("get_gpu_waste", route="GET /gpu/waste", needs="metrics:read", digest=_digest_waste)
async def get_gpu_waste(context: Context, request: GpuHealthQuery) -> WasteReport:
    """Wasted GPUs in GPU-hours: held and idle, free, fragmented, MIG slices unused, and by whom."""
    return await context.gpu_health.waste(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )


def _digest_servers(request: GpuHealthQuery, answer: ModelServers) -> Digest:
    return digest_model_servers(answer, _paging("get_model_servers", request))


@gpu.operation(
    "get_model_servers",
    route="GET /gpu/model-servers",
    needs="metrics:read",
    digest=_digest_servers,
)
async def get_model_servers(context: Context, request: GpuHealthQuery) -> ModelServers:
    """Model servers (vLLM): first token, token latency, KV cache, queue, their GPUs."""
    return await context.gpu_health.model_servers(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
