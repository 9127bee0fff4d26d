"""What changed in the fleet, and in what clusters differ."""

from collections import Counter
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import Cursor, Limit
from aiops_mcp.capabilities.kubernetes import Namespace, kubernetes
from aiops_mcp.capabilities.kubernetes_changes_digest import digest_changes, digest_comparison
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.models.entity import Duration, duration_seconds
from aiops_mcp.models.findings import ChangeKind, ChangeList, Comparison
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input


class ChangeQuery(Input):
    clusters: Clusters = ()
    namespace: Namespace = None
    before: Annotated[When, Field(description="Until then, such as an incident's start")] = "now"
    hours: Annotated[Duration, Field(description="How far back from there")] = "6h"
    change: Annotated[ChangeKind | None, Field(description="Only these; job: with Jobs")] = None
    limit: Limit = 20
    cursor: Cursor | None = None


@kubernetes.operation(
    "get_changes", route="GET /kubernetes/changes", needs="metrics:read", digest=digest_changes
)
async def get_changes(context: Context, request: ChangeQuery) -> ChangeList:
    """What changed, newest first: rollouts, images, config, scaling, nodes, operators, upgrades.

    Ask it of the hours before an incident; each with who did it, where that is known.
    """
    now = context.clock()
    until = requested_moment(request.before, now, "before") or now
    since = requested_moment(
        f"{int(until.timestamp()) - duration_seconds(request.hours)}", now, "hours"
    )
    found = await context.objects.changes(
        ChangeSearch(
            Window(since or until, until),
            clusters=request.clusters,
            namespace=request.namespace or None,
            jobs=request.change is ChangeKind.JOB,
        ),
        principal=context.principal,
        progress=context.call.progress,
    )
    if request.change is None:
        return found
    kept = tuple(one for one in found.changes if one.change is request.change)
    counts = Counter(one.change for one in kept)
    return found.model_copy(update={"changes": kept, "total": len(kept), "by_change": dict(counts)})


class CompareQuery(Input):
    clusters: Annotated[
        Clusters, Field(description="Two or more names, ids or selectors", min_length=1)
    ]
    area: Annotated[
        str | None,
        Field(description="Only version, operators, settings, nodes, images …", max_length=40),
    ] = None
    limit: Limit = 30
    cursor: Cursor | None = None


@kubernetes.operation(
    "compare_clusters",
    route="GET /kubernetes/compare",
    needs="metrics:read",
    digest=digest_comparison,
)
async def compare_clusters(context: Context, request: CompareQuery) -> Comparison:
    """What is different between clusters: versions, operators, settings, nodes, images, capacity.

    Name the good one and the bad one; of more than two the odd one out is told.
    """
    chosen = await context.fleet.choose(request.clusters, context.principal)
    if len(chosen.asked) + len(chosen.offline) < 2:
        raise InputError(
            "Only one cluster is named, and there is nothing to compare it with.",
            "Name two or more, such as clusters=[good, bad].",
        )
    found = await context.objects.compare(
        request.clusters, principal=context.principal, progress=context.call.progress
    )
    if request.area is None:
        return found
    kept = tuple(one for one in found.differences if one.area == request.area)
    return found.model_copy(update={"differences": kept})
