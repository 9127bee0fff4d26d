"""What each source tells, as observations that can be joined; and dependencies over clusters. Pure.

A component of one cluster is another than that of the same name elsewhere: names bear the
cluster's in front. Knows neither how anything was read nor how it is joined.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiops_mcp.analysis.correlate import Observation, ObservationKind
from aiops_mcp.analysis.rootcause_problem import Edge
from aiops_mcp.fleet.components import component_of_alert, workload_of_pod
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.models.alerts import Alert, AlertSeverity
from aiops_mcp.models.anomaly import SeriesChange
from aiops_mcp.models.correlation import Observed, ObservedKind
from aiops_mcp.models.findings import Change
from aiops_mcp.models.log_patterns import LogPattern, PatternVerdict
from aiops_mcp.models.objects import FoldedEvent

ALERTED: Final[Mapping[AlertSeverity, float]] = {
    AlertSeverity.CRITICAL: 10.0,
    AlertSeverity.WARNING: 6.0,
    AlertSeverity.INFO: 2.0,
}
TOLD: Final = 5.0
"""Strength of a log pattern, a change or an event: in the order of a clear deviation."""
STRONGEST: Final = 30.0
"""A t statistic says more of how long than of how bad: beyond this it counts no more."""
MOST_CLUSTERS: Final = 3
_LABELS: Final = ("namespace", "node", "pod", "service", "gpu", "persistentvolumeclaim")
_LOGGED: Final = frozenset({PatternVerdict.NEW, PatternVerdict.MORE, PatternVerdict.RARE})
_GRAVE: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
_PODS: Final = frozenset({"Pod", "ReplicaSet"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation with the labels and the dependencies it is joined by."""

    told: Observed
    labels: Mapping[str, str]

    @property
    def observation(self) -> Observation:
        one = self.told
        return Observation(
            name=one.what,
            kind=ObservationKind(one.kind.value),
            began=one.began.timestamp(),
            component=f"{one.cluster_name}:{one.component}" if one.component else "",
            cluster=one.cluster_name,
            labels=self.labels,
            traces=frozenset({one.trace_id}) if one.trace_id else frozenset(),
            strength=one.strength,
        )


def of_series(changes: Iterable[SeriesChange], since: datetime) -> Iterator[Seen]:
    """One of each series: its strongest change that did not come before ``since``."""
    strongest: dict[tuple[str, str, str, str], SeriesChange] = {}
    for one in changes:
        key = (one.cluster_name, one.metric_name, one.component, one.detail)
        known = strongest.get(key)
        if one.at >= since and (known is None or one.strength > known.strength):
            strongest[key] = one
    for one in strongest.values():
        yield _seen(
            ObservedKind.METRIC,
            one.cluster_name,
            one.component,
            f"{one.metric_name} {one.detail}".strip(),
            one.at,
            detail=_levels(one),
            strength=min(one.strength, STRONGEST),
            labels=one.labels,
        )


def _levels(one: SeriesChange) -> str:
    if one.before is None or one.after is None:
        return ""
    return f"{one.before:.4g} to {one.after:.4g} {one.unit}".strip()


def of_alerts(
    alerts: Iterable[Alert], names: Mapping[str, Names], since: datetime, until: datetime
) -> Iterator[Seen]:
    """Alerts that began within the time, by what they are of; those of one name and thing once."""
    told = set[tuple[str, str, str]]()
    for alert in sorted(alerts, key=lambda one: one.starts_at):
        if not since <= alert.starts_at <= until:
            continue
        found = component_of_alert(alert, names)
        cluster = found.cluster if found is not None else alert.cluster_name
        component = names.get(cluster, Names()).of(found.name) if found is not None else ""
        key = (cluster, component, alert.alertname)
        if key in told:
            continue
        told.add(key)
        yield _seen(
            ObservedKind.ALERT,
            cluster,
            component,
            alert.alertname,
            alert.starts_at,
            detail=alert.annotations.get("summary", ""),
            strength=ALERTED[alert.severity],
            labels=alert.labels,
        )


def of_changes(changes: Iterable[Change], names: Mapping[str, Names]) -> Iterator[Seen]:
    for one in changes:
        place = f"{one.namespace}/{one.name}" if one.namespace else one.name
        by = f" by {one.by}" if one.by else ""
        yield _seen(
            ObservedKind.CHANGE,
            one.cluster_name,
            names.get(one.cluster_name, Names()).of(place),
            f"{one.change.value} of {one.kind}{by}",
            one.at,
            detail=one.what,
            strength=TOLD,
            labels={"namespace": one.namespace or ""},
        )


def of_events(
    events: Iterable[FoldedEvent], names: Mapping[str, Names], since: datetime, until: datetime
) -> Iterator[Seen]:
    """Events that first came within the time, of the first object that they name."""
    for one in events:
        began = one.first_at or one.last_at
        if began is None or not since <= began <= until or not one.objects:
            continue
        space, _, name = one.objects[0].rpartition("/")
        bare = workload_of_pod(name) if one.kind in _PODS else name
        place = f"{space}/{bare}" if space else bare
        for cluster in one.cluster_names[:MOST_CLUSTERS]:
            yield _seen(
                ObservedKind.EVENT,
                cluster,
                names.get(cluster, Names()).of(place),
                one.reason,
                began,
                detail=one.message,
                strength=TOLD,
                labels={"namespace": space},
            )


def of_patterns(patterns: Iterable[LogPattern]) -> Iterator[Seen]:
    """Grave patterns that are new, suddenly frequent or rare, where most of their lines are."""
    for one in patterns:
        if one.verdict is None or one.verdict not in _LOGGED:
            continue
        if one.level not in _GRAVE or not one.count:
            continue
        place = max(one.places, key=lambda name: one.places[name], default="")
        clusters = sorted(one.clusters, key=lambda name: -one.clusters[name])
        for cluster in clusters[:MOST_CLUSTERS]:
            yield _seen(
                ObservedKind.LOG,
                cluster,
                place,
                f"{one.verdict.value} {one.level} lines",
                one.began or one.first,
                detail=one.example,
                strength=TOLD,
                labels={"namespace": place.partition("/")[0] if "/" in place else ""},
                trace_id=one.trace_id,
            )


def edges_over(cluster: str, edges: Iterable[Edge], known: Collection[str]) -> Iterator[Edge]:
    """A cluster's edges with its name in front.

    ``known`` are all components so named: a call of ``payment.prod-east`` is one of them.
    """
    here = frozenset(known)
    ends: dict[tuple[str, str], str] = {}
    for name in here:
        where, _, component = name.partition(":")
        ends.setdefault((where, component.rpartition("/")[2]), name)
    for edge in edges:
        name, _, where = edge.target.partition(".")
        target = ends.get((where, name), f"{cluster}:{edge.target}")
        yield Edge(f"{cluster}:{edge.source}", target, edge.relation)


def strongest(seen: Sequence[Seen], most: int, about: frozenset[str]) -> list[Seen]:
    """At most so many, those that were asked about first, in the order of time."""
    ordered = sorted(
        seen, key=lambda one: (not is_about(one.told, about), -one.told.strength, one.told.began)
    )
    return sorted(ordered[:most], key=lambda one: one.told.began)


def is_about(one: Observed, about: frozenset[str]) -> bool:
    """Whether it is of a component, or an alert, that was asked about."""
    return one.component in about or (one.kind is ObservedKind.ALERT and one.what in about)


def _seen(
    kind: ObservedKind,
    cluster: str,
    component: str,
    what: str,
    began: datetime,
    *,
    detail: str,
    strength: float,
    labels: Mapping[str, str],
    trace_id: str | None = None,
) -> Seen:
    told = Observed(
        kind=kind,
        cluster_name=cluster,
        component=component,
        what=what,
        detail=detail[:300],
        began=began,
        strength=strength,
        trace_id=trace_id,
    )
    return Seen(told, {name: labels[name] for name in _LABELS if labels.get(name)})
