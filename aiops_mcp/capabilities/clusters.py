"""The registry of clusters: who is there and how they are. Changing it: ``registration.py``."""

from collections import Counter
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.clusters_digest import (
    digest_cluster_status,
    digest_clusters,
    troubled,
)
from aiops_mcp.capabilities.digesting import PageNumber, PageSize, call_text
from aiops_mcp.context import Context
from aiops_mcp.errors import PermissionDenied
from aiops_mcp.fleet.listing import ClusterFilter, filter_clusters, page_of
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterState,
    ClusterStatus,
    ClusterType,
    CredentialsInfo,
    Environment,
    HealthCheck,
)
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Page, Timestamp
from aiops_mcp.operation import Capability, ClusterArgument, Input

clusters = Capability("clusters", "The registry of clusters and their health.")

HISTORY_SHOWN = timedelta(days=1)


class ClusterList(Input):
    environment: Annotated[Environment | None, Field(description="Only these")] = None
    cluster_type: Annotated[ClusterType | None, Field(description="Only these")] = None
    state: Annotated[ClusterState | None, Field(description="Only these")] = None
    name: Annotated[str | None, Field(description="Part of the name", max_length=63)] = None
    region: Annotated[str | None, Field(description="Exact name", max_length=63)] = None
    has_gpu: Annotated[bool | None, Field(description="With, or without GPUs")] = None
    has_cnf: Annotated[
        bool | None, Field(description="With, or without network functions (CNF)")
    ] = None
    label: Annotated[tuple[str, ...], Field(description="key=value; all must match")] = ()
    page: PageNumber = 1
    page_size: PageSize = 20


class ClusterPage(Page[Cluster]):
    """A page of clusters by name.

    ``by_state`` and ``in_trouble`` (names, the worst first) speak of all that match.
    """

    by_state: dict[ClusterState, int]
    in_trouble: tuple[str, ...]
    as_of: Timestamp


def _digest_list(request: ClusterList, answer: ClusterPage) -> Digest:
    asked = request.model_dump(mode="json", exclude_defaults=True, exclude={"page"})
    digest = digest_clusters(
        answer.items,
        answer.as_of,
        total=answer.total,
        next_call=f"{call_text('list_clusters', {**asked, 'page': answer.page + 1})})"
        if answer.page < answer.total_pages
        else None,
        by_state=answer.by_state,
        in_trouble=answer.in_trouble,
    )
    if answer.total or not asked.keys() - {"page_size"}:
        return digest
    return digest.model_copy(update={"headline": "No cluster matches; list_clusters() has all."})


@clusters.operation(
    "list_clusters",
    route="GET /clusters",
    needs="clusters:read",
    resource="fleet://clusters",
    digest=_digest_list,
)
async def list_clusters(context: Context, request: ClusterList) -> ClusterPage:
    """Which clusters there are, each with state, health score, type, region and what it has.

    Start here when you do not know the fleet.
    """
    wanted = ClusterFilter(
        **request.model_dump(exclude={"page", "page_size", "label"}), labels=request.label
    )
    found = filter_clusters(await context.registry.list(context.principal), wanted)
    page = page_of(found, request.page, request.page_size)
    return ClusterPage(
        **dict(page),
        by_state=dict(Counter(cluster.status.state for cluster in found)),
        in_trouble=troubled(found),
        as_of=context.clock(),
    )


class OneCluster(Input):
    cluster: ClusterArgument


@clusters.operation(
    "get_cluster",
    route=("GET /clusters/{cluster}", "GET /clusters/by-name/{cluster}"),
    needs="clusters:read",
    tool=False,
)
async def get_cluster(context: Context, request: OneCluster) -> Cluster:
    """One cluster with its endpoints, status and capabilities."""
    return await context.registry.resolve(request.cluster, context.principal)


class ClusterStatusAnswer(ClusterStatus):
    """A cluster's status with what explains it: the cluster, its credentials' dates, history."""

    cluster: Cluster
    credentials: CredentialsInfo | None
    history: tuple[HealthCheck, ...]
    as_of: Timestamp


def _digest_status(_: OneCluster, answer: ClusterStatusAnswer) -> Digest:
    return digest_cluster_status(answer.cluster, answer.history, answer.credentials, answer.as_of)


@clusters.operation(
    "get_cluster_status",
    route="GET /clusters/{cluster}/status",
    needs="clusters:read",
    resource="fleet://clusters/{cluster}",
    digest=_digest_status,
)
async def get_cluster_status(context: Context, request: OneCluster) -> ClusterStatusAnswer:
    """How one cluster is: API server, Prometheus, Tempo, Loki, last error, last transitions."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    return await _status_answer(context, cluster)


async def _status_answer(context: Context, cluster: Cluster) -> ClusterStatusAnswer:
    now = context.clock()
    return ClusterStatusAnswer(
        **dict(cluster.status),
        cluster=cluster,
        credentials=await context.registry.credentials_info(cluster.id),
        history=await context.registry.history(cluster.id, now - HISTORY_SHOWN),
        as_of=now,
    )


@clusters.operation(
    "refresh_cluster",
    route="POST /clusters/{cluster}/refresh",
    needs="clusters:read",
    digest=_digest_status,
)
async def refresh_cluster(context: Context, request: OneCluster) -> ClusterStatusAnswer:
    """Check one cluster's health and discover its GPUs, backends and CNFs again, now."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    await context.call.progress(0, 1, f"checking {cluster.name}")
    await context.watcher.refresh(cluster)
    return await _status_answer(
        context, await context.registry.resolve(str(cluster.id), context.principal)
    )


def refuse_out_of_sight(context: Context, name: str) -> None:
    """Let a confined caller name a cluster only what it may see.

    Else "taken" would tell that a cluster is there which does not exist for this caller.

    Raises:
        PermissionDenied: the caller is confined to other clusters.
    """
    if not context.principal.sees(name):
        raise PermissionDenied(
            f"This token is confined to its own clusters, and {name} is none of them.",
            "Use one of their names, or a token without a list of clusters.",
        )
