"""Alerts of the whole fleet: asked of each Alertmanager, merged so that one story is told once.

Where a cluster has no Alertmanager its Prometheus is asked; that one knows of pending alerts, and
nothing of silences. Merging is pure: the same alert (fingerprint) seen in several places is one,
and keeps every place; alerts of one name are a group, with the labels they share folded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from aiops_mcp.backends.alertmanager import (
    label_fingerprint,
    occurrence_id,
    severity_of,
    to_alerts,
)
from aiops_mcp.backends.prometheus_answers import RuleAlert
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.keeping import entities_codec
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import ClusterRef, Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

_SEVERITY_ORDER = (AlertSeverity.CRITICAL, AlertSeverity.WARNING, AlertSeverity.INFO)
_STATE_ORDER = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED)


class AlertSource(StrEnum):
    """Which backend told of a cluster's alerts."""

    ALERTMANAGER = "ALERTMANAGER"
    PROMETHEUS = "PROMETHEUS"


@dataclass(frozen=True, slots=True)
class FleetAlertAnswer:
    """Every cluster's alerts, most severe and newest first; ``sources`` is by cluster name."""

    alerts: tuple[Alert, ...]
    coverage: Coverage
    sources: Mapping[str, AlertSource]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class MergedAlert:
    """One alert wherever it was seen; suppressed only when it is in every place."""

    alert: Alert
    places: tuple[ClusterRef, ...]
    is_suppressed: bool


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts of one name. ``shared_labels`` are those that all have with the same value."""

    alertname: str
    severity: AlertSeverity
    state: AlertState
    starts_at: datetime
    is_suppressed: bool
    shared_labels: Mapping[str, str]
    alerts: tuple[MergedAlert, ...]
    places: tuple[ClusterRef, ...]


class FleetAlerts:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock

    async def alerts(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        progress: Progress = no_progress,
    ) -> FleetAlertAnswer:
        """All alerts of the chosen clusters, silenced and inhibited ones included.

        Raises when no cluster answered.
        """

        async def ask(access: Access) -> tuple[Alert, ...]:
            cluster = access.cluster
            if _source(cluster) is AlertSource.ALERTMANAGER:
                raw = await (await access.alertmanager()).alerts()
                return to_alerts(cluster, raw, now=self._clock())
            rules = await (await access.prometheus()).alerts()
            return rule_alerts(cluster, rules, now=self._clock())

        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend="alerts",
            cache=CacheRule(("alerts",), self._settings.ttl_alerts, _size),
            keep_last_seen=entities_codec("alerts", Alert),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        alerts = [alert for one in answer.succeeded() for alert in one.value or ()]
        return FleetAlertAnswer(
            alerts=tuple(sorted(alerts, key=_urgency)),
            coverage=answer.coverage(),
            sources={one.cluster.name: _source(one.cluster) for one in answer.succeeded()},
            asked_at=answer.asked_at,
        )


def rule_alerts(
    cluster: Cluster, alerts: Iterable[RuleAlert], *, now: datetime
) -> tuple[Alert, ...]:
    """What Prometheus's rule engine holds, as alerts. The fingerprint is Alertmanager's hash.

    External labels are missing here, so an alert's fingerprint may differ from the one that the
    same alert has in an Alertmanager.
    """
    made: list[Alert] = []
    for alert in alerts:
        fingerprint = label_fingerprint(alert.labels)
        starts_at = _moment(alert.active_at, now)
        made.append(
            Alert(
                id=occurrence_id(cluster, fingerprint, starts_at),
                fingerprint=fingerprint,
                cluster_id=cluster.id,
                cluster_name=cluster.name,
                alertname=alert.labels.get("alertname", ""),
                severity=severity_of(alert.labels),
                state=AlertState.PENDING if alert.state == "pending" else AlertState.FIRING,
                labels=dict(alert.labels),
                annotations=dict(alert.annotations),
                starts_at=starts_at,
            )
        )
    return tuple(made)


def merge_alerts(alerts: Iterable[Alert]) -> tuple[AlertGroup, ...]:
    """Groups by name, most urgent first; in a group, one entry a fingerprint.

    Of the places an alert was seen in, active wins over suppressed and firing over pending over
    resolved; the earliest start stands.
    """
    by_name = sorted(alerts, key=lambda alert: alert.alertname)
    groups = [_group(name, list(same)) for name, same in groupby(by_name, lambda a: a.alertname)]
    return tuple(sorted(groups, key=_group_urgency))


def _group(name: str, alerts: Sequence[Alert]) -> AlertGroup:
    by_fingerprint: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_fingerprint.setdefault(alert.fingerprint, []).append(alert)
    merged = sorted(map(_merged, by_fingerprint.values()), key=lambda one: _urgency(one.alert))
    return AlertGroup(
        alertname=name,
        severity=min((one.alert.severity for one in merged), key=_SEVERITY_ORDER.index),
        state=min((one.alert.state for one in merged), key=_STATE_ORDER.index),
        starts_at=min(one.alert.starts_at for one in merged),
        is_suppressed=all(one.is_suppressed for one in merged),
        shared_labels=shared_labels([one.alert.labels for one in merged]),
        alerts=tuple(merged),
        places=_places(alerts),
    )


def _merged(same: Sequence[Alert]) -> MergedAlert:
    active = [alert for alert in same if not alert.is_suppressed]
    # Who silences it matters only where nobody is told of it anywhere.
    chosen = min(active or same, key=lambda alert: _STATE_ORDER.index(alert.state))
    starts_at = min(alert.starts_at for alert in same)
    return MergedAlert(
        alert=chosen.model_copy(update={"starts_at": starts_at}),
        places=_places(same),
        is_suppressed=not active,
    )


def shared_labels(labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all of them have with the same value."""
    if not labels:
        return {}
    shared = set(labels[0].items()).intersection(*(other.items() for other in labels[1:]))
    return dict(sorted(shared))


def _places(alerts: Iterable[Alert]) -> tuple[ClusterRef, ...]:
    names = {alert.cluster_name: alert.cluster_id for alert in alerts}
    return tuple(ClusterRef(cluster_id=names[name], cluster_name=name) for name in sorted(names))


def _urgency(alert: Alert) -> tuple[int, int, int, float, str, str]:
    return (
        _STATE_ORDER.index(alert.state),
        int(alert.is_suppressed),
        _SEVERITY_ORDER.index(alert.severity),
        -alert.starts_at.timestamp(),
        alert.alertname,
        alert.id,
    )


def _group_urgency(group: AlertGroup) -> tuple[int, int, int, float, str]:
    return (
        _STATE_ORDER.index(group.state),
        int(group.is_suppressed),
        _SEVERITY_ORDER.index(group.severity),
        -group.starts_at.timestamp(),
        group.alertname,
    )


def _source(cluster: Cluster) -> AlertSource:
    has_own = cluster.endpoints.alertmanager_url is not None
    return AlertSource.ALERTMANAGER if has_own else AlertSource.PROMETHEUS


def _moment(text: str | None, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text) if text else now
    except ValueError:
        return now


def _size(alerts: Sequence[Alert]) -> int:
    return 512 + 3000 * len(alerts)
