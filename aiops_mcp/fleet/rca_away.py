"""The answer where a cluster itself is away: it alone, or all of its region. Pure.

Nothing of such a cluster can be asked, so what is known is what the registry knows.
"""

from collections.abc import Sequence
from typing import Final

from aiops_mcp.fleet.triage_next import call
from aiops_mcp.models.cluster import Cluster, ClusterState
from aiops_mcp.models.rootcause import RootCause

REGION_SCORE: Final = 0.8
CLUSTER_SCORE: Final = 0.6
"""Of one cluster alone it is as likely the way to it as itself."""


def causes_of_absence(cluster: Cluster, fleet: Sequence[Cluster]) -> tuple[RootCause, ...]:
    """The region where others of it are away too and none is there, then the cluster."""
    alone = RootCause(
        component=cluster.name,
        component_kind="cluster",
        score=CLUSTER_SCORE,
        what="The cluster does not answer",
        since=cluster.last_seen_at,
        evidence_for=tuple(
            text for text in ("none of its sources answers", cluster.status.last_error) if text
        ),
        missing=("nothing of it can be asked while it is away",),
        remediation=("Look at the way to it and at its API server; change nothing inside it yet.",),
        next_call=call("get_cluster_status", cluster=cluster.name),
    )
    peers = [one for one in fleet if one.region and one.region == cluster.region]
    others = [one for one in peers if one.id != cluster.id]
    away = [one for one in others if one.status.state is ClusterState.OFFLINE]
    if not away or len(away) < len(others):
        return (alone,)
    names = ", ".join(sorted([cluster.name, *(one.name for one in away)]))
    region = RootCause(
        component=cluster.region or "",
        component_kind="region",
        score=REGION_SCORE,
        what="The region cannot be reached",
        since=min((one.last_seen_at for one in peers if one.last_seen_at), default=None),
        evidence_for=(f"all clusters of the region are away: {names}",),
        missing=("nothing of them can be asked while they are away",),
        remediation=("Ask the carrier of the region; change nothing in the clusters.",),
        next_call=call("list_clusters", state="OFFLINE"),
    )
    return (region, alone)
