"""Kubernetes objects of the fleet, reading only: any kind in kubectl's columns."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import Cursor, Limit, cursor_start
from aiops_mcp.capabilities.kubernetes_digest import digest_resources
from aiops_mcp.context import Context
from aiops_mcp.fleet.object_rows import SortBy
from aiops_mcp.fleet.object_search import Search
from aiops_mcp.models.objects import ResourceList
from aiops_mcp.operation import Capability, Clusters, Input

kubernetes = Capability("kubernetes", "Kubernetes objects of the fleet, reading only.")

Kind = Annotated[
    str,
    Field(
        description="pods, po, deployments.apps, apps/v1/Deployment, any CRD",
        min_length=1,
        max_length=253,
    ),
]
Namespace = Annotated[str | None, Field(description="Empty = all", max_length=253)]
_Selector = Field(description="Label selector: app=web,tier in (a,b)", max_length=1000)


class ResourceSearch(Input):
    kind: Kind
    clusters: Clusters = ()
    namespace: Namespace = None
    name: Annotated[str | None, Field(description="Part of the name", max_length=253)] = None
    labels: Annotated[str | None, _Selector] = None
    fields: Annotated[
        str | None, Field(description="Field selector: spec.nodeName=n1", max_length=1000)
    ] = None
    sort: Annotated[SortBy, Field(description="trouble: what is not well first")] = SortBy.TROUBLE
    limit: Limit = 20
    cursor: Cursor | None = None


@kubernetes.operation(
    "find_resources",
    route="GET /kubernetes/resources",
    needs="metrics:read",
    digest=digest_resources,
)
async def find_resources(context: Context, request: ResourceSearch) -> ResourceList:
    """Objects of any kind across the fleet in kubectl's columns, with status counts and owners.

    For the pods that restart most: kind=pods, sort=restarts.
    """
    search = Search(
        kind=request.kind,
        clusters=request.clusters,
        namespace=request.namespace or None,
        label_selector=request.labels or None,
        field_selector=request.fields or None,
        name=request.name or None,
        sort=request.sort,
        start=cursor_start(request.cursor),
        limit=request.limit,
    )
    return await context.objects.find(
        search, principal=context.principal, progress=context.call.progress
    )
