"""The events of the registry, by contract.md §4. Pure; none can hold a credential."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from aiops_mcp.models.cluster import Cluster, ClusterCapabilities, ClusterCredentials, ClusterStatus
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.storage.health import StatusRecord

SOURCE = "fleet.registry"


def _event(
    kind: EventType, cluster_id: UUID, cluster_name: str, at: datetime, payload: dict[str, Any]
) -> Event:
    return Event(
        event_id=uuid4(),
        event_type=kind,
        source=SOURCE,
        cluster_id=cluster_id,
        cluster_name=cluster_name,
        timestamp=at,
        payload=payload,
    )


def registered(cluster: Cluster) -> Event:
    payload = {
        "cluster_type": cluster.cluster_type.value,
        "platform": cluster.platform.value,
        "region": cluster.region,
        "environment": cluster.environment.value,
    }
    return _event(
        EventType.CLUSTER_REGISTERED, cluster.id, cluster.name, cluster.created_at, payload
    )


def edited(before: Cluster, after: Cluster, changed: set[str]) -> tuple[Event, ...]:
    """The events of a change by a person."""
    return (updated(before, after, changed),)


def discovered(before: Cluster, after: Cluster, changed: set[str]) -> tuple[Event, ...]:
    """The events of a discovery: new capabilities are one of their own."""
    others = changed - {"capabilities"}
    return (
        *((capabilities_changed(after, before.capabilities),) if others != changed else ()),
        *((updated(before, after, others),) if others else ()),
    )


def updated(before: Cluster, after: Cluster, changed: Iterable[str]) -> Event:
    """A renamed cluster's event goes by its new name and tells the old one."""
    payload: dict[str, Any] = {"changed": sorted(changed)}
    if before.name != after.name:
        payload["old_name"] = before.name
    return _event(EventType.CLUSTER_UPDATED, after.id, after.name, after.updated_at, payload)


def removed(cluster: Cluster, at: datetime) -> Event:
    return _event(EventType.CLUSTER_DELETED, cluster.id, cluster.name, at, {})


def status_changed(old: StatusRecord, new: ClusterStatus, at: datetime) -> Event:
    payload = {
        "old_state": old.state.value,
        "new_state": new.state.value,
        "health_score": new.health_score,
        "reason": new.last_error,
    }
    return _event(EventType.CLUSTER_STATUS_CHANGED, old.cluster_id, old.cluster_name, at, payload)


def credentials_updated(
    cluster: Cluster,
    action: str,
    about: ClusterCredentials | None,
    at: datetime,
) -> Event:
    payload: dict[str, Any] = {"action": action}
    if about is not None:
        payload["auth_type"] = about.auth_type.value
        payload["expires_at"] = about.expires_at.isoformat() if about.expires_at else None
    return _event(EventType.CLUSTER_CREDENTIALS_UPDATED, cluster.id, cluster.name, at, payload)


def capabilities_changed(cluster: Cluster, old: ClusterCapabilities) -> Event:
    new = cluster.capabilities.model_dump(mode="json")
    before = old.model_dump(mode="json")
    payload = {"changed": {name: new[name] for name in new if new[name] != before[name]}}
    return _event(
        EventType.CLUSTER_CAPABILITIES_CHANGED,
        cluster.id,
        cluster.name,
        cluster.updated_at,
        payload,
    )
