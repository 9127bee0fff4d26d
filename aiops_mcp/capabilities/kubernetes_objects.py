"""One Kubernetes object, its events, and what its containers wrote."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import Cursor, Format, Limit, ResponseFormat
from aiops_mcp.capabilities.kubernetes import Kind, Namespace, kubernetes
from aiops_mcp.capabilities.kubernetes_objects_digest import (
    digest_events,
    digest_log,
    digest_resource,
)
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.fleet.object_event_list import EventSearch
from aiops_mcp.fleet.object_logs import LogSearch
from aiops_mcp.models.entity import Duration, duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.models.objects import EventList, PodLog, ResourceDetail
from aiops_mcp.operation import ClusterArgument, Clusters, Input


class OneResource(Input):
    cluster: ClusterArgument
    kind: Kind
    name: Annotated[str, Field(description="Its exact name", min_length=1, max_length=253)]
    namespace: Annotated[
        str | None, Field(description="Empty: where the name is found", max_length=253)
    ] = None
    response_format: Format = ResponseFormat.CONCISE


@kubernetes.operation(
    "get_resource", route="GET /kubernetes/resource", needs="metrics:read", digest=digest_resource
)
async def get_resource(context: Context, request: OneResource) -> ResourceDetail:
    """One object: conditions, containers with their last exit, events, owners, then its fields.

    Values of Secrets are never shown.
    """
    cluster = await context.registry.resolve(request.cluster, context.principal)
    return await context.objects.get(cluster, request.kind, request.name, request.namespace or None)


class EventQuery(Input):
    clusters: Clusters = ()
    namespace: Namespace = None
    kind: Annotated[str | None, Field(description="Of the object: pod, node, …")] = None
    name: Annotated[str | None, Field(description="Part of the object's name")] = None
    since: When = "-1h"
    warnings_only: Annotated[bool, Field(description="Leave out Normal ones")] = False
    limit: Limit = 20
    cursor: Cursor | None = None


@kubernetes.operation(
    "list_events", route="GET /kubernetes/events", needs="metrics:read", digest=digest_events
)
async def list_events(context: Context, request: EventQuery) -> EventList:
    """Kubernetes events of the fleet, warnings first, those that say the same folded into one."""
    now = context.clock()
    search = EventSearch(
        since=requested_moment(request.since, now, "since") or now,
        clusters=request.clusters,
        namespace=request.namespace or None,
        kind=request.kind or None,
        name=request.name or None,
        warnings_only=request.warnings_only,
    )
    return await context.objects.events(
        search, principal=context.principal, progress=context.call.progress
    )


class PodLogQuery(Input):
    cluster: ClusterArgument
    pod: Annotated[str, Field(description="Name, or part of it", min_length=1, max_length=253)]
    namespace: Namespace = None
    container: Annotated[
        str | None, Field(description="Empty: the one that fails", max_length=63)
    ] = None
    previous: Annotated[bool, Field(description="Of the run before the restart")] = False
    tail: Annotated[int, Field(description="Last lines read", ge=1, le=5000)] = 200
    since: Annotated[Duration | None, Field(description="Only the last, such as 10m")] = None


@kubernetes.operation(
    "get_pod_logs",
    route="GET /kubernetes/pods/{cluster}/{pod}/logs",
    needs="metrics:read",
    digest=digest_log,
)
async def get_pod_logs(context: Context, request: PodLogQuery) -> PodLog:
    """The end of a container's log, also of its run before a restart; works without Loki.

    Errors first, repeated lines folded. Of several pods the failing one is read.
    """
    cluster = await context.registry.resolve(request.cluster, context.principal)
    search = LogSearch(
        pod=request.pod,
        namespace=request.namespace or None,
        container=request.container or None,
        previous=request.previous,
        tail=request.tail,
        since_seconds=duration_seconds(request.since) if request.since else None,
    )
    return await context.objects.pod_log(cluster, search)
