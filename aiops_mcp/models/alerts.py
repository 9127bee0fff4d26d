"""Alerts, as one cluster's Alertmanager tells them and as the fleet merges them."""

from datetime import timedelta
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


class FleetAlertGroup(Entity):
    """Alerts of one name over the fleet; ``count`` are different ones, wherever each was seen.

    ``clusters`` are all places; ``state`` and ``severity`` are the gravest, ``starts_at`` is the
    earliest. ``is_suppressed``: everyone of them is, in every place. ``fingerprints`` are those of
    the most urgent alerts.
    """

    alertname: str
    severity: AlertSeverity
    state: AlertState
    is_suppressed: bool
    starts_at: Timestamp
    count: int
    clusters: tuple[str, ...]
    shared_labels: dict[str, str]
    fingerprints: tuple[str, ...]


SILENT_SWITCH = "DeadMansSwitchSilent"
"""Name of our own alert: the one that ought to fire always does not."""


class AlertStatistics(Entity):
    """How an alert has behaved: over ``days`` days, in the clusters that were looked at.

    ``usual_seconds`` is the median length of those that ended; null where none has.
    """

    days: int
    fired: int
    clusters: int
    usual_seconds: float | None = None
    first_at: Timestamp | None = None
    last_at: Timestamp | None = None
    flapping: bool = False

    @property
    def text(self) -> str:
        """Such as ``fired 14 times in 7 days, usually for 4m, flapping``."""
        times = "once" if self.fired == 1 else f"{self.fired} times"
        parts = [f"fired {times} in {self.days} days" if self.fired else "not fired before"]
        if self.usual_seconds is not None:
            parts.append(f"usually for {span_text(timedelta(seconds=self.usual_seconds))}")
        if self.flapping:
            parts.append("flapping")
        return ", ".join(parts)


def span_text(span: timedelta) -> str:
    """A length of time in its two largest units at most: ``45s``, ``4m``, ``3h10m``, ``2d``."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours == 0:
        return f"{minutes}m"
    if days == 0:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{days}d{hours % 24}h" if days < 10 and hours % 24 else f"{days}d"
