"""Alerts made small: one line a problem, with how much of the fleet has it.

Pure; takes alerts that were merged over clusters already.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from aiops_mcp.capabilities.digesting import common_labels, coverage_line, more_line
from aiops_mcp.models.alerts import Alert, AlertSeverity, span_text
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest, fenced
from aiops_mcp.models.silences import FleetSilence

MOST_CLUSTERS_NAMED = 4
MOST_SUMMARY = 110
_RANK = {AlertSeverity.CRITICAL: 0, AlertSeverity.WARNING: 1, AlertSeverity.INFO: 2}
# What says where an alert is, from wide to narrow; the rest of the labels is plumbing.
_PLACES = (
    "namespace",
    "deployment",
    "statefulset",
    "daemonset",
    "job_name",
    "service",
    "pod",
    "container",
    "node",
    "Hostname",
    "instance",
    "mountpoint",
    "persistentvolumeclaim",
    "gpu",
    "iface",
    "name",
)


def digest_alerts(  # never called by position
    alerts: Sequence[Alert],
    coverage: Coverage,
    as_of: datetime,
    limit: int,
    start: int,
    call: str,
    *,
    detailed: bool,
    inhibitors: Mapping[str, str] = MappingProxyType({}),
) -> Digest:
    """Alerts grouped by name and severity, worst first, newest first within a severity.

    ``inhibitors`` are names of alerts by fingerprint.
    """
    groups = _grouped(alerts)
    picked = groups[start : start + limit]
    table: list[tuple[Cell, ...]] = []
    for group in picked:
        row = _row(group, coverage.succeeded, inhibitors)
        table.append((*row, _fingerprints(group)) if detailed else row)
    columns = ("severity", "alert", "count", "clusters", "where", "since", "summary")
    return Digest(
        headline=_headline(alerts, groups, coverage),
        columns=(*columns, "fingerprints") if detailed else columns,
        rows=tuple(table),
        coverage=coverage_line(coverage),
        as_of=as_of,
        more=more_line(
            total=len(groups), start=start, shown=len(picked), what="kinds of alert", call=call
        ),
    )


def _grouped(alerts: Sequence[Alert]) -> list[list[Alert]]:
    by_kind: dict[tuple[str, AlertSeverity, str, bool], list[Alert]] = defaultdict(list)
    for alert in alerts:
        by_kind[alert.alertname, alert.severity, alert.state, alert.is_suppressed].append(alert)
    for group in by_kind.values():
        group.sort(key=lambda alert: alert.starts_at, reverse=True)
    return sorted(
        by_kind.values(),
        key=lambda group: (
            group[0].is_suppressed,
            _RANK[group[0].severity],
            -group[0].starts_at.timestamp(),
        ),
    )


def _headline(
    alerts: Sequence[Alert], groups: Sequence[Sequence[Alert]], coverage: Coverage
) -> str:
    if not alerts:
        asked = "no cluster answered" if not coverage.succeeded else "in the clusters that answered"
        return f"No alerts {asked}."
    counts = ", ".join(
        f"{sum(alert.severity is severity for alert in alerts)} {severity.lower()}"
        for severity in AlertSeverity
        if any(alert.severity is severity for alert in alerts)
    )
    places = len({alert.cluster_name for alert in alerts})
    return (
        f"{len(alerts)} alerts ({counts}) of {len(groups)} kinds "
        f"in {places} of {coverage.succeeded} clusters."
    )


def _row(group: Sequence[Alert], answered: int, inhibitors: Mapping[str, str]) -> tuple[Cell, ...]:
    newest = group[0]
    return (
        newest.severity.value,
        newest.alertname + _standing(group, inhibitors),
        len(group),
        _clusters(group, answered),
        _places(group),
        f"{newest.starts_at:%m-%dT%H:%MZ}",
        _summary(group),
    )


def _standing(group: Sequence[Alert], inhibitors: Mapping[str, str]) -> str:
    newest = group[0]
    if newest.silenced_by:
        return " (silenced)"
    if newest.inhibited_by:
        by = sorted(
            {inhibitors.get(name, "another") for each in group for name in each.inhibited_by}
        )
        # Without spaces, as in the other columns.
        return f" (inhibited:{','.join(by[:2])}{',…' if len(by) > 2 else ''})"
    return "" if newest.state == "FIRING" else f" ({newest.state.lower()})"


def ending_notes(silences: Sequence[FleetSilence], now: datetime) -> list[str]:
    """Which silence ends first, and how many more end soon; nothing where none does."""
    if not silences:
        return []
    first = silences[0]
    what = fenced(" ".join(matcher.text for matcher in first.matchers))
    more = f"; {len(silences) - 1} more within a day" if len(silences) > 1 else ""
    left = span_text(first.ends_at - now)
    return [f"the silence {what} on {first.cluster_name} ends in {left}{more}"]


def _clusters(group: Sequence[Alert], answered: int) -> str:
    names = list(dict.fromkeys(alert.cluster_name for alert in group))
    shown = ",".join(names[:MOST_CLUSTERS_NAMED])
    if answered <= 1:
        return shown
    share = f"{len(names)} of {answered}"
    # Without a space: four words would be fenced as prose.
    return f"{share}:{shown}" + (",…" if len(names) > MOST_CLUSTERS_NAMED else "")


def _places(group: Sequence[Alert]) -> str | None:
    """The labels that say where: shared ones once, then what differs, up to three of it."""
    labels = [alert.labels for alert in group]
    shared = common_labels(labels) if len(labels) > 1 else labels[0]
    parts = [place_of(shared)] if place_of(shared) else []
    if len(group) > 1:
        own = [place_of(each, leave_out=shared) for each in labels]
        differing = [text for text in dict.fromkeys(own) if text]
        if differing:
            rest = f";+{len(differing) - 3}" if len(differing) > 3 else ""
            parts.append(";".join(differing[:3]) + rest)
    return "|".join(parts) or None


def place_of(labels: Mapping[str, str], leave_out: Mapping[str, str] | None = None) -> str:
    """The labels that say where an alert is: ``namespace=shop,pod=cart-1``."""
    skip = leave_out or {}
    plumbing = _plumbing(labels)
    # Without spaces: what has several is fenced as prose.
    return ",".join(
        f"{key}={labels[key]}"
        for key in _PLACES
        if key in labels and key not in skip and key not in plumbing
    )


def _plumbing(labels: Mapping[str, str]) -> frozenset[str]:
    """Labels that say who told it, or what another says already."""
    pod = labels.get("pod", "")
    found: set[str] = set()
    if labels.keys() & {"pod", "deployment", "statefulset", "daemonset", "job_name", "node"}:
        found.add("service")  # the exporter's
    if "node" in labels or "namespace" in labels:
        found.add("instance")  # the address of kube-state-metrics, say
    if "exporter" in pod and ("Hostname" in labels or "gpu" in labels):
        found |= {"namespace", "pod", "container", "instance"}
    if labels.get("container", "-") in pod:
        found.add("container")
    return frozenset(found)


def _summary(group: Sequence[Alert]) -> str | None:
    annotations = group[0].annotations
    text = (
        annotations.get("summary") or annotations.get("description") or annotations.get("message")
    )
    if not text:
        return None
    line = " ".join(text.split())
    return line if len(line) <= MOST_SUMMARY else line[: MOST_SUMMARY - 1] + "…"


def _fingerprints(group: Sequence[Alert]) -> str:
    shown = [alert.fingerprint for alert in group[:5]]
    return ",".join(shown) + (",…" if len(group) > 5 else "")
