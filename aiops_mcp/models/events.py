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
    INCIDENT_UPDATED = "INCIDENT_UPDATED"
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


class Subscription(Entity):
    """What a client wants to hear of; an empty list stands for everything.

    ``cluster_filter`` holds names or ids. An event that belongs to no cluster, or names no
    namespace, passes no filter on them.
    """

    event_types: tuple[EventType, ...] = ()
    cluster_filter: tuple[str, ...] = ()
    namespace_filter: tuple[str, ...] = ()


class NoticeKind(StrEnum):
    GAP = "gap"
    """Events were lost on the way; ``dropped`` is how many, ``None`` where nobody knows."""
    NOTICE = "notice"
    """An administrator has something to say."""


class Notice(Entity):
    """What listeners and their clients are told beside events."""

    kind: NoticeKind
    text: str
    dropped: int | None = None
