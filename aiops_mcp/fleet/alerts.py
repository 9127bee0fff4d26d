"""Alerts of the whole fleet, asked of each Alertmanager.

Where a cluster has no Alertmanager its Prometheus is asked; that one knows of pending alerts, and
nothing of silences. An Alertmanager never hears of pending alerts: who wants those has Prometheus
asked everywhere. It forgets resolved ones, which are in `resolved_alerts`. How alerts become groups
is in `alert_merge`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter

from aiops_mcp.backends.alertmanager import (
    label_fingerprint,
    occurrence_id,
    severity_of,
    to_alerts,
)
from aiops_mcp.backends.prometheus_answers import RuleAlert
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.alert_merge import urgency
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.keeping import json_codec
from aiops_mcp.fleet.resolved_alerts import ResolvedAlerts
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings


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


class FleetAlerts:
    """``clock`` is the wall clock."""

    def __init__(self, fleet: Fleet, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock
        self.resolved = ResolvedAlerts(clock, keep=settings.ttl_alert_state)

    async def alerts(
        self,
        *,
        selection: Sequence[str] = (),
        principal: Principal,
        state: AlertState | None = None,
        progress: Progress = no_progress,
    ) -> FleetAlertAnswer:
        """All alerts of the chosen clusters, silenced and inhibited ones included.

        ``state``: PENDING gives those instead that wait for their ``for``, as Prometheus holds
        them; RESOLVED those as well that were seen to end.

        Raises when no cluster answered.
        """
        pending = state is AlertState.PENDING

        async def ask(access: Access) -> tuple[Alert, ...]:
            cluster = access.cluster
            if pending:
                rules = await (await access.prometheus()).alerts()
                waiting = [rule for rule in rules if rule.state == "pending"]
                return rule_alerts(cluster, waiting, now=self._clock())
            if _source(cluster) is AlertSource.ALERTMANAGER:
                raw = await (await access.alertmanager()).alerts()
                return to_alerts(cluster, raw, now=self._clock())
            rules = await (await access.prometheus()).alerts()
            return rule_alerts(cluster, rules, now=self._clock())

        kept_as = "pending alerts" if pending else "alerts"
        answer = await self._fleet.ask(
            selection,
            ask,
            principal=principal,
            backend="prometheus" if pending else "alerts",
            cache=CacheRule((kept_as,), self._settings.ttl_alerts, _size),
            keep_last_seen=json_codec(kept_as, TypeAdapter(tuple[Alert, ...])),
            progress=progress,
        )
        answer.raise_if_nobody_answered()
        alerts = [alert for one in answer.succeeded() for alert in one.value or ()]
        if state is AlertState.RESOLVED:
            alerts += self.resolved.of({one.cluster.id for one in answer.succeeded()})
        return FleetAlertAnswer(
            alerts=tuple(sorted(alerts, key=urgency)),
            coverage=answer.coverage(),
            sources={
                one.cluster.name: AlertSource.PROMETHEUS if pending else _source(one.cluster)
                for one in answer.succeeded()
            },
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
