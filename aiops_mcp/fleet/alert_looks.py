"""What one cluster's looks tell: alerts that are new or gone, a switch that is silent. Pure.

Alerts come and go at the edges of a look: an Alertmanager that has just started is empty, and a
pair behind one address answers in turn. So an alert is gone only when two looks in a row lack it,
or when its own end has passed.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiops_mcp.backends.alertmanager_answers import label_fingerprint, parse_end
from aiops_mcp.backends.alertmanager_poll import PolledAlert
from aiops_mcp.fleet.alert_occurrences import Gone
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import Cluster

MISSED_LOOKS = 2


@dataclass(slots=True)
class _Firing:
    """An alert as the last looks left it; ``ends_at`` is text, read only when it is missed."""

    starts_at: str
    ends_at: str | None
    missed: int = 0
    missed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: alerts to tell of, and those that are gone."""

    new: tuple[PolledAlert, ...]
    gone: tuple[Gone, ...]


@dataclass(slots=True)
class ClusterLooks:
    """What is remembered of one cluster between looks."""

    digest: bytes | None = None
    firing: dict[str, _Firing] = field(default_factory=dict[str, _Firing])
    has_switch: bool = False
    switch_seen_at: datetime | None = None
    silent: bool = False

    def know(self, alerts: Iterable[Alert]) -> None:
        """Take over what the history holds as firing: a look decides whether it still does."""
        for alert in alerts:
            if alert.alertname == SILENT_SWITCH:
                self.silent = True
            else:
                self.firing.setdefault(
                    alert.fingerprint, _Firing(alert.starts_at.isoformat(), ends_at=None)
                )

    def look(self, alerts: Sequence[PolledAlert], now: datetime) -> Look:
        """Compare a look with the ones before, and remember it."""
        present: dict[str, PolledAlert] = {}
        ended: list[Gone] = []
        for alert in alerts:
            ends_at = None if alert.ends_at is None else parse_end(alert.ends_at)
            if ends_at is not None and ends_at <= now:
                if alert.fingerprint in self.firing:
                    ended.append(Gone(alert.fingerprint, ends_at))
            else:
                present[alert.fingerprint] = alert
        new: list[PolledAlert] = []
        for fingerprint, alert in present.items():
            known = self.firing.get(fingerprint)
            if known is None or known.starts_at != alert.starts_at:
                new.append(alert)
            self.firing[fingerprint] = _Firing(alert.starts_at, alert.ends_at)
        for gone in ended:
            self.firing.pop(gone.fingerprint, None)
        return Look(tuple(new), (*ended, *self.miss(present, now)))

    def miss(self, present: Collection[str], now: datetime) -> list[Gone]:
        """Count the looks that lack an alert; those that have lacked it long enough are gone."""
        gone: list[Gone] = []
        for fingerprint in [each for each in self.firing if each not in present]:
            firing = self.firing[fingerprint]
            firing.missed += 1
            firing.missed_at = firing.missed_at or now
            ends_at = parse_end(firing.ends_at)
            if firing.missed >= MISSED_LOOKS or (ends_at is not None and ends_at <= now):
                gone.append(Gone(fingerprint, firing.missed_at))
                del self.firing[fingerprint]
        return gone

    @property
    def misses_any(self) -> bool:
        return any(each.missed for each in self.firing.values())


def has_switch(alerts: Iterable[PolledAlert], switches: Collection[str]) -> bool:
    return any(alert.alertname in switches for alert in alerts)


def silent_switch(cluster: Cluster, since: datetime, switches: Sequence[str]) -> Alert:
    """Our alert about a cluster whose alerting has fallen silent."""
    labels = {"alertname": SILENT_SWITCH, "severity": "critical", "switch": ",".join(switches)}
    return Alert(
        id="",  # given where it is shown
        fingerprint=label_fingerprint(labels),
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        alertname=SILENT_SWITCH,
        severity=AlertSeverity.CRITICAL,
        state=AlertState.FIRING,
        labels=labels,
        annotations={
            "summary": f"{' and '.join(switches)} ought to fire always, and is silent since "
            f"{since:%Y-%m-%dT%H:%MZ}: the alerting of this cluster may be broken."
        },
        starts_at=since,
    )


def switch_is_back(
    cluster: Cluster, told: Iterable[Alert], switches: Sequence[str], now: datetime
) -> tuple[Gone, ...]:
    """The end of our alert about a silent switch, where the switch is told of again."""
    if not any(each.alertname in switches and each.state is AlertState.FIRING for each in told):
        return ()
    return (Gone(silent_switch(cluster, now, switches).fingerprint, now),)


def switch_is_overdue(seen_at: datetime | None, now: datetime, grace: timedelta) -> bool:
    """Whether a switch that was seen once has been missing for too long."""
    return seen_at is not None and now - seen_at > grace
