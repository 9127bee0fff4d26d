"""Alerts of the fleet, as the clusters' Alertmanagers have them now."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.alerts_digest import digest_alerts, ending_notes, place_of
from aiops_mcp.capabilities.clusters import OneCluster
from aiops_mcp.capabilities.digesting import (
    Cursor,
    Format,
    Limit,
    ResponseFormat,
    call_of,
    cursor_start,
)
from aiops_mcp.context import Context
from aiops_mcp.errors import AlertNotFound
from aiops_mcp.fleet.alert_merge import merge_alerts, without_replicas
from aiops_mcp.models.alerts import (
    Alert,
    AlertSeverity,
    AlertState,
    AlertStatistics,
    FleetAlertGroup,
)
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest, fenced
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.silences import FleetSilence
from aiops_mcp.operation import Capability, Clusters, Input

alerts = Capability("alerts", "Alerts of the fleet.")

MOST_FINGERPRINTS = 20


class AlertQuery(Input):
    clusters: Clusters = ()
    state: Annotated[AlertState | None, Field(description="Only these")] = None
    severity: Annotated[AlertSeverity | None, Field(description="Only these")] = None
    namespace: Annotated[str | None, Field(description="Exact name", max_length=253)] = None
    suppressed: Annotated[bool, Field(description="Also silenced and inhibited ones")] = False
    response_format: Format = ResponseFormat.CONCISE
    limit: Limit = 20
    cursor: Cursor | None = None


class AlertList(Entity):
    """Every alert that matched, one entry a cluster it fires in, worst first.

    ``groups`` are the same by name, each with the clusters that have it, of ``coverage.succeeded``.
    ``switches`` are the names of dead-man's switches, which are well while they fire.
    ``inhibitors`` are the names of the alerts that inhibit others, by fingerprint, and
    ``silences_ending`` those that mute some of what matched and end within a day.
    """

    alerts: tuple[Alert, ...]
    groups: tuple[FleetAlertGroup, ...] = ()
    total: int
    by_severity: dict[AlertSeverity, int]
    suppressed_left_out: int = 0
    switches: tuple[str, ...] = ()
    inhibitors: dict[str, str] = Field(default_factory=dict)
    silences_ending: tuple[FleetSilence, ...] = ()
    coverage: Coverage
    as_of: Timestamp


def _digest(request: AlertQuery, answer: AlertList) -> Digest:
    well = [alert for alert in answer.alerts if alert.alertname in answer.switches]
    digest = digest_alerts(
        [alert for alert in answer.alerts if alert.alertname not in answer.switches],
        answer.coverage,
        answer.as_of,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("list_alerts", request),
        detailed=request.response_format is ResponseFormat.DETAILED,
        inhibitors=answer.inhibitors,
    )
    notes = ending_notes(answer.silences_ending, answer.as_of)
    if well:
        where = len({alert.cluster_name for alert in well})
        notes.append(f"dead-man's switch fires as it should in {where} clusters")
    if answer.suppressed_left_out:
        left_out = answer.suppressed_left_out
        notes.append(f"{left_out} silenced or inhibited left out (suppressed=true)")
    if request.state is AlertState.RESOLVED:
        notes.append("of the last day; GET /alerts/history has more")
    return digest.model_copy(update={"notes": (*digest.notes, *notes)}) if notes else digest


@alerts.operation("list_alerts", route="GET /alerts", needs="metrics:read", digest=_digest)
async def list_alerts(context: Context, request: AlertQuery) -> AlertList:
    """What is firing in the fleet, worst first: one row a kind of alert with where and since when.

    Start here when something is wrong.
    """
    found = await context.alerts.alerts(
        selection=request.clusters,
        principal=context.principal,
        state=request.state,
        progress=context.call.progress,
    )
    told = without_replicas(found.alerts, context.settings.alert_replica_labels)
    matching = [alert for alert in told if _matches(alert, request)]
    shown = [alert for alert in matching if request.suppressed or not alert.is_suppressed]
    inhibiting = {name for alert in shown for name in alert.inhibited_by}
    return AlertList(
        alerts=tuple(shown),
        groups=_groups(shown, context.settings.alert_replica_labels),
        total=len(shown),
        by_severity=dict(Counter(alert.severity for alert in shown)),
        suppressed_left_out=len(matching) - len(shown),
        switches=context.settings.dead_mans_switches,
        inhibitors={
            each.fingerprint: each.alertname
            for each in found.alerts
            if each.fingerprint in inhibiting
        },
        silences_ending=await context.alerts.silences.ending(matching, context.principal),
        coverage=found.coverage,
        as_of=found.asked_at,
    )


def _groups(alerts: Sequence[Alert], ignored: Sequence[str]) -> tuple[FleetAlertGroup, ...]:
    return tuple(
        FleetAlertGroup(
            alertname=group.alertname,
            severity=group.severity,
            state=group.state,
            is_suppressed=group.is_suppressed,
            starts_at=group.starts_at,
            count=len(group.alerts),
            clusters=tuple(place.cluster_name for place in group.places),
            shared_labels=dict(group.shared_labels),
            fingerprints=tuple(one.alert.fingerprint for one in group.alerts[:MOST_FINGERPRINTS]),
        )
        for group in merge_alerts(alerts, ignored)
    )


def _matches(alert: Alert, request: AlertQuery) -> bool:
    return (
        request.state in (None, alert.state)
        and request.severity in (None, alert.severity)
        and request.namespace in (None, alert.labels.get("namespace"))
    )


@alerts.operation(
    "get_cluster_alerts",
    route="GET /clusters/{cluster}/alerts",
    needs="metrics:read",
    resource="fleet://clusters/{cluster}/alerts",
    tool=False,
)
async def get_cluster_alerts(context: Context, request: OneCluster) -> AlertList:
    """The alerts of one cluster."""
    cluster = await context.registry.resolve(request.cluster, context.principal)
    return await list_alerts(context, AlertQuery(clusters=(cluster.name,), suppressed=True))


class OneAlert(Input):
    fingerprint: Annotated[
        str, Field(description="Of an alert, in hex", pattern="^[0-9a-fA-F]{1,64}$")
    ]


class AlertOccurrences(Entity):
    """One alert in every cluster it fires in, its last occurrences, and how it behaves.

    ``inhibited_by`` are the alerts that inhibit it, where they fire now.
    """

    fingerprint: str
    alerts: tuple[Alert, ...]
    inhibited_by: tuple[Alert, ...] = ()
    statistics: AlertStatistics
    summary: str
    coverage: Coverage


def _digest_one(_: OneAlert, answer: AlertOccurrences) -> Digest:
    first = answer.alerts[0]
    by = ", ".join(sorted({alert.alertname for alert in answer.inhibited_by}))
    return Digest(
        headline=f"{fenced(first.alertname)} ({first.severity.value}): {answer.summary}.",
        columns=("cluster", "state", "began", "ended", "where"),
        rows=tuple(
            (
                alert.cluster_name,
                alert.state.value + (" suppressed" if alert.is_suppressed else ""),
                f"{alert.starts_at:%m-%dT%H:%MZ}",
                f"{alert.ends_at:%m-%dT%H:%MZ}" if alert.ends_at else None,
                place_of(alert.labels) or None,
            )
            for alert in answer.alerts[:20]
        ),
        notes=(f"inhibited by {fenced(by)}",) if by else (),
    )


@alerts.operation(
    "get_alert",
    route="GET /alerts/{fingerprint}",
    needs="metrics:read",
    tool=False,
    digest=_digest_one,
)
async def get_alert(context: Context, request: OneAlert) -> AlertOccurrences:
    """One alert by its fingerprint: where it fires or fired, and how often."""
    wanted = request.fingerprint.lower()
    found, statistics = await context.alerts.occurrences(wanted, context.principal)
    if not found.alerts:
        raise AlertNotFound(
            f"No alert has the fingerprint {request.fingerprint}, now or in the history.",
            "list_alerts shows those that fire.",
        )
    return AlertOccurrences(
        fingerprint=wanted,
        alerts=found.alerts,
        inhibited_by=found.inhibitors,
        statistics=statistics,
        summary=statistics.text,
        coverage=found.coverage,
    )
