"""Sections of an incident's report: what happened when, in one order of time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.anomaly import AnomalySeverity
from aiops_mcp.models.reports import Column, Marker, Section, Table, Tone
from aiops_mcp.reports.alert_sections import said_by
from aiops_mcp.reports.gathered import Gathered
from aiops_mcp.reports.wording import capital, count, moment, tone_of


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline."""

    at: datetime
    source: str
    severity: str | None
    cluster: str
    what: str
    short: str = ""


def timeline(gathered: Gathered) -> list[Happening]:
    """Everything that is known to have happened in the period, in the order of time."""
    found = [*_alerts(gathered), *_changes(gathered), *_anomalies(gathered), *_failures(gathered)]
    period = gathered.period
    inside = [one for one in found if period.start <= one.at <= period.end]
    return sorted(set(inside), key=lambda one: (one.at, one.source, one.cluster, one.what))


def _alerts(gathered: Gathered) -> list[Happening]:
    found: list[Happening] = []
    for alert in gathered.alerts.past if gathered.alerts else ():
        said = said_by(alert)
        what = f"{alert.alertname}: {said}" if said else alert.alertname
        severity, cluster = alert.severity.value, alert.cluster_name
        found.append(Happening(alert.starts_at, "alert fires", severity, cluster, what))
        if alert.ends_at is not None:
            found.append(Happening(alert.ends_at, "alert ends", "INFO", cluster, alert.alertname))
    return found


def _changes(gathered: Gathered) -> list[Happening]:
    return [
        Happening(
            one.at,
            f"change ({one.change.value})",
            None,
            one.cluster_name,
            f"{one.kind}/{one.name}: {one.what}" + (f", by {one.by}" if one.by else ""),
        )
        for one in (gathered.changes.changes if gathered.changes else ())
    ]


def _anomalies(gathered: Gathered) -> list[Happening]:
    return [
        Happening(
            one.started_at,
            "anomaly",
            one.severity.value,
            one.cluster_name,
            one.explanation,
            f"{one.metric_name} of {one.component or 'the cluster'}",
        )
        for one in (gathered.anomalies.anomalies if gathered.anomalies else ())
        if one.severity is not AnomalySeverity.LOW
    ]


def _failures(gathered: Gathered) -> list[Happening]:
    """Objects since when they are not well; what another object's trouble explains is left out."""
    return [
        Happening(
            one.since,
            "object",
            one.severity.value,
            one.cluster_name,
            f"{one.kind}/{one.name}: {one.cause}" + (f", {one.detail}" if one.detail else ""),
        )
        for one in (gathered.unhealthy.findings if gathered.unhealthy else ())
        if one.since is not None and one.explained_by is None
    ]


def timeline_section(gathered: Gathered, *, most: int) -> Section:
    """The first of everything that happened."""
    found = timeline(gathered)
    shown = _chosen(found, most)
    table = Table(
        title="Timeline, in UTC",
        columns=(
            Column(title="At"),
            Column(title="Severity", toned=True),
            Column(title="Source"),
            Column(title="Cluster"),
            Column(title="What happened", wide=True),
        ),
        rows=tuple(
            (f"{one.at:%d %b %H:%M:%S}", one.severity, one.source, one.cluster, one.what)
            for one in shown
        ),
        left_out=len(found) - len(shown),
        empty="Nothing is known to have happened in the period.",
    )
    if not found:
        finding = "Nothing is known to have happened in the period."
    else:
        first = found[0]
        finding = (
            f"{capital(count(len(found), 'thing'))} happened; the first at {moment(first.at)}: "
            f"{(first.short or first.what).rstrip('.')}."
        )
    return Section(title="What happened", finding=finding, blocks=(table,))


def _chosen(found: Sequence[Happening], most: int) -> list[Happening]:
    """At most ``most``, those that matter most, still in the order of time."""
    if len(found) <= most:
        return list(found)
    rank = {"CRITICAL": 0, "HIGH": 0, None: 1, "WARNING": 1, "MEDIUM": 2}
    kept = sorted(found, key=lambda one: (rank.get(one.severity, 3), one.at))[:most]
    return sorted(kept, key=lambda one: (one.at, one.source, one.cluster, one.what))


def markers_of(gathered: Gathered) -> list[Marker]:
    """The first critical alert and the changes before it, for the charts of an incident."""
    period = gathered.period
    past = gathered.alerts.past if gathered.alerts else ()
    first = min(
        (one for one in past if one.severity is AlertSeverity.CRITICAL),
        key=lambda one: one.starts_at,
        default=min(past, key=lambda one: one.starts_at, default=None),
    )
    markers: list[Marker] = []
    if first is not None and period.start <= first.starts_at <= period.end:
        markers.append(Marker(at=first.starts_at.timestamp(), text=first.alertname))
    changes = gathered.changes.changes if gathered.changes else ()
    before = [one for one in changes if first is None or one.at <= first.starts_at]
    markers += [
        Marker(at=one.at.timestamp(), text=f"{one.change.value} {one.name}") for one in before[:2]
    ]
    return sorted(markers, key=lambda one: one.at)


def worst_tone(gathered: Gathered) -> Tone:
    """The gravest alert of the period."""
    past = gathered.alerts.past if gathered.alerts else ()
    order = tuple(AlertSeverity)
    return tone_of(min((one.severity for one in past), key=order.index, default=None))
