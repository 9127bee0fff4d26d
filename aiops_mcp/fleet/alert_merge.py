"""Many clusters' alerts made one story. Pure.

The same alert seen in several places is one and keeps every place; alerts of one name are a group,
with the labels they share folded. The same are alerts of one fingerprint, and alerts whose labels
differ only in who tells of them: the halves of a highly available pair, external labels.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.coverage import ClusterRef

_SEVERITY_ORDER = {AlertSeverity.CRITICAL: 0, AlertSeverity.WARNING: 1, AlertSeverity.INFO: 2}
_STATE_ORDER = {AlertState.FIRING: 0, AlertState.PENDING: 1, AlertState.RESOLVED: 2}


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


CrossKey = frozenset[tuple[str, str]]


def cross_key(labels: Mapping[str, str], ignored: Collection[str]) -> CrossKey:
    """What makes an alert the same in every cluster: its labels without the ``ignored`` ones."""
    if labels.keys().isdisjoint(ignored):
        return frozenset(labels.items())
    return frozenset([pair for pair in labels.items() if pair[0] not in ignored])


def without_replicas(alerts: Iterable[Alert], ignored: Collection[str]) -> list[Alert]:
    """Each cluster's alerts once, however many replicas told of them, in their order.

    Of several the one stands that is told of (not suppressed), then the one that began first.
    """
    leaving_out = frozenset(ignored)
    kept: dict[tuple[int, AlertState, CrossKey], Alert] = {}
    for alert in alerts:
        # A UUID is slow to hash.
        key = (alert.cluster_id.int, alert.state, cross_key(alert.labels, leaving_out))
        known = kept.get(key)
        if known is None or _standing(alert) < _standing(known):
            kept[key] = alert
    return list(kept.values())


def _standing(alert: Alert) -> tuple[bool, datetime]:
    return alert.is_suppressed, alert.starts_at


def merge_alerts(alerts: Iterable[Alert], ignored: Collection[str] = ()) -> tuple[AlertGroup, ...]:
    """Groups by name, most urgent first; in a group, one entry an alert (see `cross_key`).

    Of the places an alert was seen in, active wins over suppressed and firing over pending over
    resolved; the earliest start stands.
    """
    by_name: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_name.setdefault(alert.alertname, []).append(alert)
    leaving_out = frozenset(ignored)
    groups = [_group(name, same, leaving_out) for name, same in by_name.items()]
    return tuple(sorted(groups, key=_group_urgency))


def _group(name: str, alerts: Sequence[Alert], ignored: frozenset[str]) -> AlertGroup:
    by_key: dict[CrossKey, list[Alert]] = {}
    for alert in alerts:
        by_key.setdefault(cross_key(alert.labels, ignored), []).append(alert)
    merged = sorted(map(_merged, by_key.values()), key=lambda one: urgency(one.alert))
    return AlertGroup(
        alertname=name,
        severity=min((one.alert.severity for one in merged), key=_SEVERITY_ORDER.__getitem__),
        state=min((one.alert.state for one in merged), key=_STATE_ORDER.__getitem__),
        starts_at=min(one.alert.starts_at for one in merged),
        is_suppressed=all(one.is_suppressed for one in merged),
        shared_labels=shared_labels([one.alert.labels for one in merged]),
        alerts=tuple(merged),
        places=_places(alerts),
    )


def _merged(same: Sequence[Alert]) -> MergedAlert:
    if len(same) == 1:
        alert = same[0]
        return MergedAlert(alert=alert, places=_places(same), is_suppressed=alert.is_suppressed)
    active = [alert for alert in same if not alert.is_suppressed]
    # Who silences it matters only where nobody is told of it anywhere.
    chosen = min(active or same, key=lambda alert: _STATE_ORDER[alert.state])
    starts_at = min(alert.starts_at for alert in same)
    if starts_at != chosen.starts_at:
        chosen = chosen.model_copy(update={"starts_at": starts_at})
    return MergedAlert(
        alert=chosen,
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
    names = {alert.cluster_name: alert.cluster_id.int for alert in alerts}
    return tuple(_place(names[name], name) for name in sorted(names))


@lru_cache(maxsize=4096)
def _place(cluster_id: int, cluster_name: str) -> ClusterRef:
    # A fleet has few clusters and many alerts; a UUID is slow to hash.
    return ClusterRef(cluster_id=UUID(int=cluster_id), cluster_name=cluster_name)


def urgency(alert: Alert) -> tuple[int, int, int, float, str, str]:
    """Sorts what needs a look first: firing, told of, severe, new."""
    return (
        _STATE_ORDER[alert.state],
        int(alert.is_suppressed),
        _SEVERITY_ORDER[alert.severity],
        -alert.starts_at.timestamp(),
        alert.alertname,
        alert.id,
    )


def _group_urgency(group: AlertGroup) -> tuple[int, int, int, float, str]:
    return (
        _STATE_ORDER[group.state],
        int(group.is_suppressed),
        _SEVERITY_ORDER[group.severity],
        -group.starts_at.timestamp(),
        group.alertname,
    )
