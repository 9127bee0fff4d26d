"""Which alerts speak of the same as an anomaly: its cluster, component and time. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.anomaly import AnomalyDetection

MOST_RELATED = 10


def with_alerts(
    anomalies: Sequence[AnomalyDetection], alerts: Sequence[Alert]
) -> tuple[AnomalyDetection, ...]:
    """The anomalies with the fingerprints of the alerts that are of their component."""
    by_cluster: dict[UUID, list[tuple[Alert, frozenset[str]]]] = defaultdict(list)
    for alert in alerts:
        values = frozenset(value.partition(":")[0] for value in alert.labels.values())
        by_cluster[alert.cluster_id].append((alert, values))
    told: list[AnomalyDetection] = []
    for one in anomalies:
        near = by_cluster.get(one.cluster_id, []) if one.cluster_id is not None else []
        related = [alert.fingerprint for alert, values in near if _is_of(one, alert, values)]
        update = {"related_alerts": tuple(related[:MOST_RELATED])}
        told.append(one.model_copy(update=update) if related else one)
    return tuple(told)


def _is_of(one: AnomalyDetection, alert: Alert, values: frozenset[str]) -> bool:
    """Every part of the component's name is a value of the alert's labels.

    A workload is also meant by the names of its pods.
    """
    if not one.component or (alert.ends_at is not None and alert.ends_at < one.started_at):
        return False
    if one.ended_at is not None and alert.starts_at > one.ended_at:
        return False
    *spaces, name = one.component.split("/")
    return all(space in values for space in spaces) and any(
        value == name or value.startswith(f"{name}-") for value in values
    )
