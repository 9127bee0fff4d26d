"""Network functions of the fleet: workloads, clock synchronisation, packet ports, SR-IOV."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.cnf_digest import (
    digest_dpdk,
    digest_ptp,
    digest_sriov,
    digest_workloads,
)
from aiops_mcp.capabilities.digesting import Cursor, Limit, call_of, cursor_start
from aiops_mcp.context import Context
from aiops_mcp.models.cluster import CnfType
from aiops_mcp.models.cnf import CnfWorkload, DpdkStats, PtpStatus, SriovPool, SriovStatus
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.operation import Capability, ClusterArgument, Clusters, Input

cnf = Capability("cnf", "Network functions of the fleet.")


class CnfQuery(Input):
    clusters: Clusters = ()
    limit: Limit = 20
    cursor: Cursor | None = None


class CnfWorkloadQuery(CnfQuery):
    cnf_type: Annotated[CnfType | None, Field(description="Only these")] = None


class CnfWorkloads(Entity):
    """Those with trouble first."""

    workloads: tuple[CnfWorkload, ...]
    coverage: Coverage
    as_of: Timestamp
    notes: tuple[str, ...] = ()


def _digest_workloads(request: CnfWorkloadQuery, answer: CnfWorkloads) -> Digest:
    return digest_workloads(
        answer.workloads,
        answer.coverage,
        answer.as_of,
        notes=answer.notes,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_cnf_workloads", request),
    )


@cnf.operation(
    "get_cnf_workloads", route="GET /cnf/workloads", needs="metrics:read", digest=_digest_workloads
)
async def get_cnf_workloads(context: Context, request: CnfWorkloadQuery) -> CnfWorkloads:
    """5G network functions (vDU, vCU, UPF, AMF, SMF …): ready or why not, and their figures."""
    found = await context.cnf.workloads(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
    wanted = [work for work in found.found if request.cnf_type in (None, work.type)]
    wanted.sort(key=lambda work: (not work.troubles, work.cluster_name, work.namespace, work.name))
    return CnfWorkloads(
        workloads=tuple(wanted), coverage=found.coverage, as_of=found.asked_at, notes=found.notes
    )


class PtpStatuses(Entity):
    """One entry a clock, those with trouble first, the largest offset first."""

    statuses: tuple[PtpStatus, ...]
    coverage: Coverage
    as_of: Timestamp


def _digest_ptp(request: CnfQuery, answer: PtpStatuses) -> Digest:
    return digest_ptp(
        answer.statuses,
        answer.coverage,
        answer.as_of,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_ptp_status", request),
    )


@cnf.operation(
    "get_ptp_status", route="GET /cnf/ptp/status", needs="metrics:read", digest=_digest_ptp
)
async def get_ptp_status(context: Context, request: CnfQuery) -> PtpStatuses:
    """Clock synchronisation by node: state, offset in ns and its limit, since when, the drift."""
    found = await context.cnf.ptp(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
    statuses = sorted(
        found.found,
        key=lambda one: (
            not one.troubles,
            -abs(one.offset_ns or 0.0),
            one.cluster_name,
            one.node,
            one.process,
        ),
    )
    return PtpStatuses(statuses=tuple(statuses), coverage=found.coverage, as_of=found.asked_at)


class DpdkQuery(Input):
    cluster: ClusterArgument
    pod_name: Annotated[str, Field(description="Pod", min_length=1, max_length=253)]


class DpdkAnswer(Entity):
    stats: DpdkStats
    as_of: Timestamp
    simulated: bool = False


def _digest_dpdk(_: DpdkQuery, answer: DpdkAnswer) -> Digest:
    return digest_dpdk(answer.stats, answer.as_of, simulated=answer.simulated)


@cnf.operation(
    "get_dpdk_stats", route="GET /cnf/dpdk/stats", needs="metrics:read", digest=_digest_dpdk
)
async def get_dpdk_stats(context: Context, request: DpdkQuery) -> DpdkAnswer:
    """What a pod's DPDK ports receive, send and drop per second, why, and since when."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    stats = await context.cnf.dpdk(cluster, request.pod_name)
    return DpdkAnswer(stats=stats, as_of=context.clock(), simulated=cluster.is_simulated)


class SriovStatuses(Entity):
    """Interfaces that can have virtual functions, and the pools that pods take them from."""

    interfaces: tuple[SriovStatus, ...]
    pools: tuple[SriovPool, ...]
    coverage: Coverage
    as_of: Timestamp
    notes: tuple[str, ...] = ()


def _digest_sriov(request: CnfQuery, answer: SriovStatuses) -> Digest:
    return digest_sriov(
        answer.interfaces,
        answer.pools,
        answer.coverage,
        answer.as_of,
        notes=answer.notes,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_sriov_status", request),
    )


@cnf.operation(
    "get_sriov_status", route="GET /cnf/sriov/status", needs="metrics:read", digest=_digest_sriov
)
async def get_sriov_status(context: Context, request: CnfQuery) -> SriovStatuses:
    """SR-IOV by node: virtual functions made and taken, link, drops, failed or pending syncs."""
    found = await context.cnf.sriov(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
    interfaces = [one for part in found.found for one in part.interfaces]
    interfaces.sort(key=lambda one: (not one.troubles, one.cluster_name, one.node, one.interface))
    return SriovStatuses(
        interfaces=tuple(interfaces),
        pools=tuple(pool for part in found.found for pool in part.pools),
        coverage=found.coverage,
        as_of=found.asked_at,
        notes=found.notes,
    )
