"""What is not well among the fleet's objects, with its reason."""

from collections import Counter
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import Cursor, Limit
from aiops_mcp.capabilities.kubernetes import Namespace, kubernetes
from aiops_mcp.capabilities.kubernetes_health_digest import digest_unhealthy
from aiops_mcp.context import Context
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import UnhealthyList
from aiops_mcp.operation import Clusters, Input


class UnhealthyQuery(Input):
    clusters: Clusters = ()
    namespace: Namespace = None
    kind: Annotated[
        str | None, Field(description="Only Pod, Node, Deployment, …", max_length=100)
    ] = None
    severity: Annotated[AlertSeverity | None, Field(description="Only these")] = None
    limit: Limit = 20
    cursor: Cursor | None = None


@kubernetes.operation(
    "list_unhealthy",
    route="GET /kubernetes/unhealthy",
    needs="metrics:read",
    digest=digest_unhealthy,
)
async def list_unhealthy(context: Context, request: UnhealthyQuery) -> UnhealthyList:
    """What is not well in the fleet and why: pods, nodes, workloads, jobs, volumes, certificates.

    Also autoscalers, budgets and operators. Crash loops count although their phase is Running.
    """
    found = await context.objects.unhealthy(
        request.clusters,
        principal=context.principal,
        namespace=request.namespace or None,
        progress=context.call.progress,
    )
    if request.kind is None and request.severity is None:
        return found
    kind = (request.kind or "").lower().removesuffix("s")
    kept = tuple(
        one
        for one in found.findings
        if (not kind or one.kind.lower() == kind) and request.severity in (None, one.severity)
    )
    return found.model_copy(
        update={
            "findings": kept,
            "total": len(kept),
            "by_severity": dict(Counter(one.severity for one in kept)),
            "by_cause": dict(Counter(one.cause for one in kept).most_common()),
        }
    )
