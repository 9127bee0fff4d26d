"""Alerts, as one cluster's Alertmanager tells them and as the fleet merges them."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp


class AlertSeverity(StrEnum):
    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    INFO = "INFO"


class AlertState(StrEnum):
    FIRING = "FIRING"
    RESOLVED = "RESOLVED"
    PENDING = "PENDING"


class Alert(Entity):
    """One alert of one cluster. ``fingerprint`` is Alertmanager's hash of the labels.

    ``id`` is stable for one occurrence: the same fingerprint firing again has another id.
    """

    id: str
    fingerprint: str
    cluster_id: UUID
    cluster_name: str
    alertname: str
    severity: AlertSeverity
    state: AlertState
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: Timestamp
    ends_at: Timestamp | None = None
    generator_url: str | None = None
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()

    @property
    def is_suppressed(self) -> bool:
        return bool(self.silenced_by or self.inhibited_by)
