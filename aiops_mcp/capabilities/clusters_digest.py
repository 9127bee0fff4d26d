"""Clusters made small: the ones in trouble first, what each has, how it was when last seen.

Pure functions on the models; no I/O, no clock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from aiops_mcp.models.cluster import (
    Cluster,
    ClusterState,
    CredentialsInfo,
    HealthCheck,
)
from aiops_mcp.models.digest import Cell, Digest

LONGEST_ERROR = 120
MOST_NAMED = 10
"""So many clusters in trouble are named that stand on other pages."""

_TROUBLE = {
    ClusterState.OFFLINE: 0,
    ClusterState.DEGRADED: 1,
    ClusterState.UNKNOWN: 2,
    ClusterState.PROVISIONING: 3,
    ClusterState.ONLINE: 4,
}


def troubled(clusters: Iterable[Cluster]) -> tuple[str, ...]:
    """The names of those that are not ONLINE, the worst first."""
    found = [each for each in clusters if each.status.state is not ClusterState.ONLINE]
    return tuple(each.name for each in sorted(found, key=_urgency))


def _urgency(cluster: Cluster) -> tuple[int, str]:
    return _TROUBLE[cluster.status.state], cluster.name


def digest_clusters(
    clusters: Sequence[Cluster],
    as_of: datetime,
    *,
    total: int,
    next_call: str | None,
    by_state: Mapping[ClusterState, int] | None = None,
    in_trouble: Sequence[str] = (),
) -> Digest:
    """A row a cluster of this page, those in trouble first, then by name.

    ``by_state`` and ``in_trouble`` speak of all that match, on whatever page.
    """
    ordered = sorted(clusters, key=_urgency)
    shown = {each.name for each in clusters}
    hidden = [name for name in in_trouble if name not in shown]
    named = ", ".join(hidden[:MOST_NAMED])
    rest = f" and {len(hidden) - MOST_NAMED} more" if len(hidden) > MOST_NAMED else ""
    return Digest(
        headline=_headline(by_state or Counter(each.status.state for each in clusters)),
        columns=("name", "state", "score", "type", "env", "region", "platform", "has", "error"),
        rows=tuple(_row(cluster, as_of) for cluster in ordered),
        as_of=as_of,
        notes=(
            *((f"in trouble, on other pages: {named}{rest}",) if hidden else ()),
            *(("simulated fleet",) if any(each.is_simulated for each in clusters) else ()),
        ),
        more=f"{total} match; the next page: {next_call}" if next_call else None,
    )


def _headline(states: Mapping[ClusterState, int]) -> str:
    if not states:
        return "No clusters. Register one: aiops clusters add, or aiops clusters import KUBECONFIG."
    parts = [f"{states[state]} {state.lower()}" for state in _TROUBLE if states.get(state)]
    return f"{sum(states.values())} clusters: {', '.join(parts)}."


def _row(cluster: Cluster, as_of: datetime) -> tuple[Cell, ...]:
    return (
        cluster.name,
        cluster.status.state.value,
        cluster.status.health_score,
        cluster.cluster_type.value,
        cluster.environment.value,
        cluster.region,
        _platform(cluster),
        ", ".join(abilities(cluster)) or None,
        trouble_text(cluster, as_of),
    )


def _platform(cluster: Cluster) -> str:
    version = f" {cluster.platform_version}" if cluster.platform_version else ""
    return f"{cluster.platform.value}{version}"


def abilities(cluster: Cluster) -> list[str]:
    """What discovery found, in a word each: ``16 GPU``, ``prometheus``, ``VDU``."""
    found = cluster.capabilities
    words = [f"{found.gpu_count} GPU"] if found.has_gpu_nodes else []
    words += [
        word
        for word, has in (
            ("thanos", found.has_thanos),
            ("prometheus", found.has_prometheus and not found.has_thanos),
            ("loki", found.has_loki),
            ("tempo", found.has_tempo),
            ("mesh", found.has_service_mesh),
        )
        if has
    ]
    return words + [kind.value for kind in found.cnf_types]


def trouble_text(cluster: Cluster, as_of: datetime) -> str | None:
    """Why a cluster is not well, with how long ago it was last seen when it is away."""
    error = cluster.status.last_error
    text = " ".join(error.split()).replace(f" of cluster {cluster.name}", "") if error else ""
    if len(text) > LONGEST_ERROR:
        text = text[: LONGEST_ERROR - 1] + "…"
    if cluster.status.state is ClusterState.OFFLINE and cluster.last_seen_at:
        minutes = (as_of - cluster.last_seen_at).total_seconds() / 60
        text = f"last seen {minutes:.0f} min ago; {text}".rstrip("; ")
    return text or None


def digest_cluster_status(
    cluster: Cluster,
    history: Sequence[HealthCheck],
    credentials: CredentialsInfo | None,
    as_of: datetime,
) -> Digest:
    """One cluster: its parts, what it has, its credentials' dates, its last transitions."""
    status = cluster.status
    parts: list[tuple[Cell, ...]] = [
        ("api server", _health(status.api_server_healthy)),
        ("prometheus", _health(status.prometheus_healthy)),
        ("tempo", _health(status.tempo_healthy)),
        ("loki", _health(status.loki_healthy)),
        ("connectivity", status.connectivity.value),
        ("type", f"{cluster.cluster_type.value} {cluster.environment.value}"),
        ("platform", _platform(cluster)),
        ("region", cluster.region),
        ("has", ", ".join(abilities(cluster)) or None),
        ("credentials", _credentials(credentials)),
        ("checked", _moment(status.checked_at)),
        ("last seen", _moment(cluster.last_seen_at)),
        ("last error", status.last_error),
    ]
    parts += [
        (f"was {check.state.value}", f"{_moment(check.checked_at)} {check.reason or ''}".strip())
        for check in _transitions(history)
    ]
    return Digest(
        headline=f"{cluster.name} is {status.state.value}, health score {status.health_score}.",
        columns=("what", "value"),
        rows=tuple(row for row in parts if row[1] is not None),
        as_of=as_of,
        notes=(f"labels {_labels(cluster)}",) if cluster.labels else (),
    )


def _health(healthy: bool | None) -> str | None:
    return None if healthy is None else ("healthy" if healthy else "FAILING")


def _credentials(info: CredentialsInfo | None) -> str:
    if info is None:
        return "none stored"
    if info.expires_at is None:
        return info.auth_type.value
    soon = " (soon)" if info.expires_soon else ""
    return f"{info.auth_type.value}, expires {_moment(info.expires_at)}{soon}"


def _moment(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _labels(cluster: Cluster) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(cluster.labels.items()))


def _transitions(history: Sequence[HealthCheck], most: int = 3) -> list[HealthCheck]:
    """The newest checks whose state differs from the one after it, newest first."""
    ordered = sorted(history, key=lambda check: check.checked_at)
    changed = [earlier for earlier, later in pairwise(ordered) if earlier.state is not later.state]
    return changed[: -most - 1 : -1]


def digest_fleet(
    clusters: Sequence[Cluster], firing: Sequence[tuple[str, int, int]], as_of: datetime
) -> Digest:
    """The fleet in a few rows by type: how many, how they are; then who needs a look.

    ``firing`` holds (cluster, critical, warning) counts of the clusters that have any.
    """
    rows: list[tuple[Cell, ...]] = []
    for kind in dict.fromkeys(cluster.cluster_type for cluster in clusters):
        members = [cluster for cluster in clusters if cluster.cluster_type is kind]
        states = Counter(cluster.status.state for cluster in members)
        rows.append(
            (
                kind.value,
                len(members),
                states[ClusterState.ONLINE],
                states[ClusterState.DEGRADED],
                states[ClusterState.OFFLINE],
                sum(cluster.capabilities.gpu_count for cluster in members),
                sum(critical for name, critical, _ in firing if _is_in(name, members)),
                sum(warning for name, _, warning in firing if _is_in(name, members)),
            )
        )
    return Digest(
        headline=_headline(Counter(each.status.state for each in clusters)),
        columns=(
            "type",
            "clusters",
            "online",
            "degraded",
            "offline",
            "gpus",
            "critical",
            "warning",
        ),
        rows=tuple(rows),
        as_of=as_of,
        notes=_wants_a_look(clusters, firing, as_of),
    )


def _is_in(name: str, members: Sequence[Cluster]) -> bool:
    return any(cluster.name == name for cluster in members)


def _wants_a_look(
    clusters: Sequence[Cluster], firing: Sequence[tuple[str, int, int]], as_of: datetime
) -> tuple[str, ...]:
    unwell = [
        f"{cluster.name} {cluster.status.state.value}: {trouble_text(cluster, as_of) or '-'}"
        for cluster in sorted(clusters, key=lambda each: _TROUBLE[each.status.state])
        if cluster.status.state not in (ClusterState.ONLINE, ClusterState.PROVISIONING)
    ]
    loud = [
        f"{name}: {critical} critical, {warning} warning alerts"
        for name, critical, warning in sorted(firing, key=lambda each: (-each[1], -each[2]))[:5]
    ]
    rest = (f"{len(unwell) - 5} more not well: list_clusters",) if len(unwell) > 5 else ()
    simulated = ("simulated fleet",) if any(each.is_simulated for each in clusters) else ()
    return (*unwell[:5], *rest, *loud, *simulated)
