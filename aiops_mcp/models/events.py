"""Events of the platform and what a subscriber asks for."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp


class EventType(StrEnum):
    CLUSTER_REGISTERED = "CLUSTER_REGISTERED"
    CLUSTER_UPDATED = "CLUSTER_UPDATED"
    CLUSTER_DELETED = "CLUSTER_DELETED"
    CLUSTER_STATUS_CHANGED = "CLUSTER_STATUS_CHANGED"
    CLUSTER_CREDENTIALS_UPDATED = "CLUSTER_CREDENTIALS_UPDATED"
    CLUSTER_CAPABILITIES_CHANGED = "CLUSTER_CAPABILITIES_CHANGED"
    METRIC_UPDATE = "METRIC_UPDATE"
    ALERT_FIRED = "ALERT_FIRED"
    ALERT_RESOLVED = "ALERT_RESOLVED"
    TRACE_RECEIVED = "TRACE_RECEIVED"
    GPU_UPDATE = "GPU_UPDATE"
    ANOMALY_DETECTED = "ANOMALY_DETECTED"
    CHAT_MESSAGE = "CHAT_MESSAGE"
    RCA_COMPLETE = "RCA_COMPLETE"
    REPORT_GENERATED = "REPORT_GENERATED"


class Event(Entity):
    """Something happened. ``source`` is the room that saw it, such as ``fleet.watcher``."""

    event_id: UUID
    event_type: EventType
    source: str
    cluster_id: UUID | None = None
    cluster_name: str | None = None
    timestamp: Timestamp
    payload: dict[str, Any] = Field(default_factory=dict)
