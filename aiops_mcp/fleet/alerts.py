"""Alerts of the whole fleet, asked of each Alertmanager.

Where a cluster has no Alertmanager its Prometheus is asked; that one knows of pending alerts, and
nothing of silences. An Alertmanager never hears of pending alerts: who wants those has Prometheus
asked everywhere. What webhooks told beyond that, and what has ended, is in the `alert_history`.
How alerts become groups is in `alert_merge`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from pydantic import TypeAdapter

from aiops_mcp.backends.alertmanager_alerts import occurrence_id, severity_of, to_alerts
from aiops_mcp.backends.alertmanager_answers import label_fingerprint
from aiops_mcp.backends.prometheus_answers import RuleAlert
from aiops_mcp.errors import BackendError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_intake import AlertIntake
from aiops_mcp.fleet.alert_merge import cross_key, urgency
from aiops_mcp.fleet.alert_watcher import AlertWatcher
from aiops_mcp.fleet.answer import FleetAnswer
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.keeping import json_codec
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.silences import FleetSilences
from aiops_mcp.fleet.webhook_secrets import WebhookSecrets
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert, AlertSeverity, AlertState, AlertStatistics
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress
from aiops_mcp.settings import Settings

JUST_NOW = timedelta(seconds=60)
"""A webhook may tell of an alert so long before the poll that an answer stands on."""


class AlertSource(StrEnum):
    """Which backend told of a cluster's alerts."""

    ALERTMANAGER = "ALERTMANAGER"
    PROMETHEUS = "PROMETHEUS"
    WEBHOOK = "WEBHOOK"


@dataclass(frozen=True, slots=True)
class FleetAlertAnswer:
    """Every cluster's alerts, most severe and newest first; ``sources`` is by cluster name."""

    alerts: tuple[Alert, ...]
    coverage: Coverage
    sources: Mapping[str, AlertSource]
    asked_at: datetime
    inhibitors: tuple[Alert, ...] = ()


class FleetAlerts:
    """``clock`` is the wall clock. The parts that it is asked with are its attributes."""

    def __init__(
        self,
        fleet: Fleet,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        history: AlertHistory,
        secrets: WebhookSecrets,
        watcher: AlertWatcher,
        intake: AlertIntake,
    ) -> None:
        self._fleet = fleet
        self._settings = settings
        self._clock = clock
        self.history = history
        self.secrets = secrets
        self.watcher = watcher
        self.intake = intake
        self.silences = FleetSilences(fleet, settings, clock)

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
        them; RESOLVED those as well that ended lately.

        Raises when no cluster answered.
        """
        pending = state is AlertState.PENDING
        chosen = await self._fleet.choose(selection, principal)
        senders = frozenset[UUID]() if pending else await self.secrets.clusters()
        chosen = _with_senders(chosen, senders)
        kept_as = "pending alerts" if pending else "alerts"
        answer = await self._fleet.ask_chosen(
            chosen,
            lambda access: self._ask(access, pending=pending, senders=senders),
            backend="prometheus" if pending else "alerts",
            cache=CacheRule((kept_as,), self._settings.ttl_alerts, _size),
            keep_last_seen=json_codec(kept_as, TypeAdapter(tuple[Alert, ...])),
            progress=progress,
        )
        alerts = [alert for one in answer.succeeded() for alert in one.value or ()]
        if not pending:
            alerts += await self._told_otherwise(answer, alerts, senders)
        if not alerts:
            answer.raise_if_nobody_answered()
        if state is AlertState.RESOLVED:
            alerts += await self._ended([one.cluster for one in answer.succeeded()])
        return FleetAlertAnswer(
            alerts=tuple(sorted(alerts, key=urgency)),
            coverage=answer.coverage(),
            sources={
                one.cluster.name: AlertSource.PROMETHEUS
                if pending
                else source_of(one.cluster, senders)
                for one in answer.succeeded()
            },
            asked_at=answer.asked_at,
        )

    async def _ask(
        self, access: Access, *, pending: bool, senders: Collection[UUID]
    ) -> tuple[Alert, ...]:
        cluster, more = access.cluster, self._settings.alert_severities
        source = AlertSource.PROMETHEUS if pending else source_of(cluster, senders)
        if source is AlertSource.WEBHOOK:
            return await self.history.open_alerts([cluster])
        if source is AlertSource.ALERTMANAGER:
            raw = await (await access.alertmanager()).alerts()
            return to_alerts(cluster, raw, now=self._clock(), severities=more)
        rules = await (await access.prometheus()).alerts()
        if pending:
            rules = tuple(rule for rule in rules if rule.state == "pending")
        return rule_alerts(cluster, rules, now=self._clock(), severities=more)

    async def _told_otherwise(
        self,
        answer: FleetAnswer[tuple[Alert, ...]],
        alerts: Sequence[Alert],
        senders: Collection[UUID],
    ) -> list[Alert]:
        """What the history holds as firing beyond the answers.

        Our own alerts, what a webhook told just now, and all that webhooks told of clusters that
        do not answer themselves.
        """
        there = {(alert.cluster_id, alert.fingerprint) for alert in alerts}
        switches = self._settings.dead_mans_switches
        awake = {alert.cluster_id for alert in alerts if alert.alertname in switches}
        silent = [
            one.cluster for one in answer.answers if not one.answered and one.cluster.id in senders
        ]
        since = answer.asked_at - JUST_NOW
        answered = [one.cluster for one in answer.succeeded()]
        found = [
            *await self.history.open_alerts(silent),
            *await self.history.open_alerts(answered, began_since=since),
            *await self.history.open_alerts(answered, alertname=SILENT_SWITCH),
        ]
        told: dict[str, Alert] = {}
        for alert in found:
            is_awake = alert.alertname == SILENT_SWITCH and alert.cluster_id in awake
            if (alert.cluster_id, alert.fingerprint) not in there and not is_awake:
                told[alert.id] = alert
        return list(told.values())

    async def _ended(self, clusters: Sequence[Cluster]) -> tuple[Alert, ...]:
        now = self._clock()
        since = now - timedelta(seconds=self._settings.ttl_alert_state)
        found, _ = await self.history.between(
            clusters, since, now, limit=MOST_ENDED, only_ended=True
        )
        return found

    async def occurrences(
        self, fingerprint: str, principal: Principal
    ) -> tuple[FleetAlertAnswer, AlertStatistics]:
        """One alert wherever it fires or has fired, and how it has behaved lately.

        The same alert of another cluster or replica, by `cross_key`, belongs to it.
        """
        try:
            answer = await self.alerts(principal=principal)
        except BackendError:
            # Nobody answers now; the history does.
            nobody = Coverage(queried=0, succeeded=0)
            answer = FleetAlertAnswer((), nobody, {}, self._clock())
        own = [alert for alert in answer.alerts if alert.fingerprint == fingerprint]
        ignored = self._settings.alert_replica_labels
        keys = {cross_key(alert.labels, ignored) for alert in own}
        same = [alert for alert in answer.alerts if cross_key(alert.labels, ignored) in keys]
        clusters = (await self._fleet.choose((), principal)).all
        until = self._clock()
        since = until - timedelta(days=self._settings.alert_history_days)
        past, _ = await self.history.between(
            clusters, since, until, limit=MOST_SHOWN, fingerprint=fingerprint, only_ended=True
        )
        by = {(alert.cluster_id, name) for alert in same for name in alert.inhibited_by}
        inhibitors = tuple(
            alert for alert in answer.alerts if (alert.cluster_id, alert.fingerprint) in by
        )
        found = replace(answer, alerts=(*same, *past), inhibitors=inhibitors)
        return found, await self.history.statistics(clusters, fingerprint)


MOST_ENDED = 2000
MOST_SHOWN = 50
"""Ended occurrences of one alert that are shown with it."""


def rule_alerts(
    cluster: Cluster,
    alerts: Iterable[RuleAlert],
    *,
    now: datetime,
    severities: Mapping[str, AlertSeverity] = MappingProxyType({}),
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
                severity=severity_of(alert.labels, severities),
                state=AlertState.PENDING if alert.state == "pending" else AlertState.FIRING,
                labels=dict(alert.labels),
                annotations=dict(alert.annotations),
                starts_at=starts_at,
            )
        )
    return tuple(made)


def _with_senders(chosen: Selection, senders: Collection[UUID]) -> Selection:
    """A cluster that tells by webhook alone need not be reached to be asked."""
    heard = [each for each in chosen.offline if source_of(each, senders) is AlertSource.WEBHOOK]
    away = tuple(each for each in chosen.offline if each not in heard)
    return Selection((*chosen.asked, *heard), away) if heard else chosen


def source_of(cluster: Cluster, senders: Collection[UUID]) -> AlertSource:
    """Who tells of a cluster's alerts; ``senders`` are those that may send webhooks."""
    if cluster.endpoints.alertmanager_url is not None:
        return AlertSource.ALERTMANAGER
    if cluster.endpoints.prometheus_url is None and cluster.id in senders:
        return AlertSource.WEBHOOK
    return AlertSource.PROMETHEUS


def _moment(text: str | None, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text) if text else now
    except ValueError:
        return now


def _size(alerts: Sequence[Alert]) -> int:
    return 512 + 3000 * len(alerts)
