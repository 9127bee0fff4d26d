"""Alertmanager's alerts as ours: severity, state, and what one occurrence is called. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from uuid import UUID, uuid5

from aiops_mcp.backends.alertmanager_answers import AlertmanagerAlert
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster

_OCCURRENCES = UUID("6b2f0c1a-58a4-4b7e-9a52-0d9f5f0c2c11")
_SEVERITIES = {
    AlertSeverity.CRITICAL: frozenset(
        {
            "critical",
            "crit",
            "page",
            "emergency",
            "fatal",
            "disaster",
            "high",
            "p1",
            "sev1",
            "error",
        }
    ),
    AlertSeverity.WARNING: frozenset(
        {"warning", "warn", "major", "minor", "average", "medium", "ticket", "p2", "p3", "sev2"}
    ),
    AlertSeverity.INFO: frozenset(
        {"info", "information", "informational", "none", "low", "debug", "notice", "p4", "p5"}
    ),
}
_BY_WORD = {word: severity for severity, words in _SEVERITIES.items() for word in words}


def to_alerts(
    cluster: Cluster,
    alerts: Iterable[AlertmanagerAlert],
    *,
    now: datetime | None = None,
    severities: Mapping[str, AlertSeverity] = MappingProxyType({}),
) -> tuple[Alert, ...]:
    """Alertmanager's alerts as ours; one whose end lies before ``now`` is resolved.

    ``severities`` are further words of severity labels.
    """
    return tuple(_to_alert(cluster, alert, now, severities) for alert in alerts)


def _to_alert(
    cluster: Cluster,
    alert: AlertmanagerAlert,
    now: datetime | None,
    severities: Mapping[str, AlertSeverity],
) -> Alert:
    is_over = now is not None and alert.ends_at is not None and alert.ends_at <= now
    return Alert(
        id=occurrence_id(cluster, alert.fingerprint, alert.starts_at),
        fingerprint=alert.fingerprint,
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        alertname=alert.labels.get("alertname", ""),
        severity=severity_of(alert.labels, severities),
        state=AlertState.RESOLVED if is_over else AlertState.FIRING,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        starts_at=alert.starts_at,
        # While an alert fires, endsAt is only when Alertmanager would give it up unheard of.
        ends_at=alert.ends_at if is_over else None,
        generator_url=alert.generator_url,
        silenced_by=(*alert.silenced_by, *alert.muted_by),
        inhibited_by=alert.inhibited_by,
    )


def occurrence_id(cluster: Cluster, fingerprint: str, starts_at: datetime) -> str:
    """The same for one occurrence at every reading; another when the alert fires anew."""
    return str(uuid5(_OCCURRENCES, f"{cluster.id}/{fingerprint}/{starts_at.isoformat()}"))


def severity_of(
    labels: Mapping[str, str], more: Mapping[str, AlertSeverity] = MappingProxyType({})
) -> AlertSeverity:
    """By the ``severity`` label; one that is missing or unknown counts as a warning.

    ``more`` are words (lower case) that the caller knows, and win over ours.
    """
    word = labels.get("severity", labels.get("priority", "")).strip().lower()
    return more.get(word) or _BY_WORD.get(word, AlertSeverity.WARNING)
