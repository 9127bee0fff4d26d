"""What is wrong in the fleet now: one call, worst first, each with its evidence and what to ask."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import analysis, sources_of
from aiops_mcp.capabilities.digesting import Cursor
from aiops_mcp.capabilities.triage_digest import digest_triage
from aiops_mcp.context import Context
from aiops_mcp.models.triage import Triage
from aiops_mcp.operation import Clusters, Input


class TriageQuery(Input):
    clusters: Clusters = ()
    limit: Annotated[int, Field(description="Problems at most", ge=1, le=50)] = 5
    cursor: Cursor | None = None


@analysis.operation(
    "triage", route="POST /analysis/triage", needs="metrics:read", digest=digest_triage
)
async def triage(context: Context, request: TriageQuery) -> Triage:
    """What is wrong in the fleet now, worst first, with first evidence and the call to make next.

    Start here: alerts, objects, GPUs, network functions and clusters, joined into problems.
    """
    from aiops_mcp.fleet.triage import triage_fleet

    return await triage_fleet(
        sources_of(context),
        selection=request.clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
