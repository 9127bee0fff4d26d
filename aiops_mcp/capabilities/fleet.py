"""The fleet as a whole: how many clusters, how they are, what they have, what is loud."""

from collections import Counter
from collections.abc import Sequence

from aiops_mcp.capabilities.clusters_digest import digest_fleet
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterStatus, ClusterType
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.operation import Capability, Input

fleet = Capability("fleet", "The fleet as a whole.")

MOST_SILENT = 8
"""Clusters named one by one in the summary's note."""


class NoArguments(Input):
    pass


class AlertCount(Entity):
    cluster_name: str
    critical: int
    warning: int


class FleetSummary(Entity):
    """Counts over the clusters the caller may see; ``firing`` has only clusters with alerts.

    ``silent`` are the clusters whose dead-man's switch fires no more: of them no alert is no news.
    """

    total: int
    by_state: dict[ClusterState, int]
    by_type: dict[ClusterType, int]
    gpu_count: int
    clusters: tuple[Cluster, ...]
    firing: tuple[AlertCount, ...]
    silent: tuple[str, ...]
    alert_coverage: Coverage | None
    expiring_credentials: tuple[str, ...]
    as_of: Timestamp


def _digest(_: NoArguments, answer: FleetSummary) -> Digest:
    firing = [(each.cluster_name, each.critical, each.warning) for each in answer.firing]
    digest = digest_fleet(answer.clusters, firing, answer.as_of)
    expiring = tuple(f"credentials expire soon: {name}" for name in answer.expiring_credentials)
    unasked = () if answer.alert_coverage else ("no cluster's Alertmanager answered",)
    silent = _silent(answer.silent)
    return digest.model_copy(update={"notes": (*silent, *digest.notes, *expiring, *unasked)})


def _silent(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - MOST_SILENT} more" if len(names) > MOST_SILENT else ""
    which = ", ".join(names[:MOST_SILENT]) + more
    return (f"dead-man's switch silent in {which}: no alert from there means nothing",)


@fleet.operation(
    "get_fleet_summary", route="GET /fleet/summary", needs="clusters:read", digest=_digest
)
async def get_fleet_summary(context: Context, request: NoArguments) -> FleetSummary:
    """The fleet in one look: clusters by type and state, GPUs, alerts, and who wants attention."""
    del request
    clusters = await context.registry.list(context.principal)
    loud, coverage = await _loud(context) if clusters else ((), None)
    expiring = await context.registry.expiring_credentials(context.principal)
    return FleetSummary(
        total=len(clusters),
        by_state=dict(Counter(each.status.state for each in clusters)),
        by_type=dict(Counter(each.cluster_type for each in clusters)),
        gpu_count=sum(each.capabilities.gpu_count for each in clusters),
        clusters=clusters,
        firing=_counts(loud),
        silent=tuple(
            sorted({each.cluster_name for each in loud if each.alertname == SILENT_SWITCH})
        ),
        alert_coverage=coverage,
        expiring_credentials=tuple(cluster.name for cluster, _ in expiring),
        as_of=context.clock(),
    )


async def _loud(context: Context) -> tuple[Sequence[Alert], Coverage | None]:
    """What fires unsuppressed; a fleet whose Alertmanagers are all away still has a summary."""
    try:
        found = await context.alerts.alerts(principal=context.principal)
    except AiopsError:
        return (), None
    loud = [
        alert
        for alert in found.alerts
        if alert.state is AlertState.FIRING and not alert.is_suppressed
    ]
    return loud, found.coverage


def _counts(loud: Sequence[Alert]) -> tuple[AlertCount, ...]:
    """By cluster, in the order of its first alert."""
    counts: list[AlertCount] = []
    for name in dict.fromkeys(alert.cluster_name for alert in loud):
        own = Counter(alert.severity for alert in loud if alert.cluster_name == name)
        critical, warning = own[AlertSeverity.CRITICAL], own[AlertSeverity.WARNING]
        if critical or warning:
            counts.append(AlertCount(cluster_name=name, critical=critical, warning=warning))
    return tuple(counts)


class ClusterHealth(Entity):
    cluster_name: str
    cluster_type: ClusterType
    status: ClusterStatus
    last_seen_at: Timestamp | None


class FleetHealth(Entity):
    """``score`` is the mean health score; null for an empty fleet."""

    score: float | None
    by_state: dict[ClusterState, int]
    clusters: tuple[ClusterHealth, ...]


@fleet.operation("get_fleet_health", route="GET /fleet/health", needs="clusters:read", tool=False)
async def get_fleet_health(context: Context, request: NoArguments) -> FleetHealth:
    """The health of every cluster, and the mean score."""
    del request
    clusters = await context.registry.list(context.principal)
    scores = [cluster.status.health_score for cluster in clusters]
    return FleetHealth(
        score=round(sum(scores) / len(scores), 1) if scores else None,
        by_state=dict(Counter(cluster.status.state for cluster in clusters)),
        clusters=tuple(
            ClusterHealth(
                cluster_name=cluster.name,
                cluster_type=cluster.cluster_type,
                status=cluster.status,
                last_seen_at=cluster.last_seen_at,
            )
            for cluster in clusters
        ),
    )


class FleetCapabilities(Entity):
    """How many clusters have what, and which; ``gpu_types`` counts clusters by card model."""

    total: int
    gpu_count: int
    gpu_types: dict[str, int]
    having: dict[str, tuple[str, ...]]


_HAVING = (
    "has_gpu_nodes",
    "has_prometheus",
    "has_thanos",
    "has_tempo",
    "has_loki",
    "has_service_mesh",
    "has_cnf_workloads",
)


@fleet.operation(
    "get_fleet_capabilities", route="GET /fleet/capabilities", needs="clusters:read", tool=False
)
async def get_fleet_capabilities(context: Context, request: NoArguments) -> FleetCapabilities:
    """Which clusters have GPUs, metrics, logs, traces, a mesh and network functions."""
    del request
    clusters = await context.registry.list(context.principal)
    return FleetCapabilities(
        total=len(clusters),
        gpu_count=sum(cluster.capabilities.gpu_count for cluster in clusters),
        gpu_types=dict(
            Counter(kind for cluster in clusters for kind in cluster.capabilities.gpu_types)
        ),
        having={
            ability: tuple(
                cluster.name for cluster in clusters if getattr(cluster.capabilities, ability)
            )
            for ability in _HAVING
        },
    )
