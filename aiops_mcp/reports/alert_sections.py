"""Sections on alerts: what fired over time, what fires now, which rules are loudest. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from aiops_mcp.models.alerts import Alert, AlertSeverity
from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Bars,
    Block,
    Column,
    Section,
    Table,
    TimeRange,
    Tone,
)
from aiops_mcp.reports.commands import command, evidence, stamp
from aiops_mcp.reports.gathered import Alerts, Gathered
from aiops_mcp.reports.wording import capital, count, lasted, moment, span, tone_of

_BUCKETS = (300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 604800)
_MOST_BUCKETS = 42
_ORDER = tuple(AlertSeverity)
_PLACES = (
    *("statefulset", "deployment", "daemonset", "job_name", "persistentvolumeclaim", "node"),
    *("Hostname", "service", "pod"),
)
"""Labels that say what an alert is of; a pod or service may be that of the exporter alone."""


def alerts_section(gathered: Gathered, *, most_now: int, most_names: int) -> Section | None:
    """What fired in the period and what fires now; None where nobody told."""
    told = gathered.alerts
    if told is None:
        return None
    loud = [one for one in told.now if not one.is_suppressed]
    critical = sum(one.severity is AlertSeverity.CRITICAL for one in loud)
    blocks: list[Block] = []
    if told.past:
        blocks.append(alerts_over_time(told.past, gathered.period))
    blocks.append(_loudest(told.past, most_names))
    if most_now:
        blocks.append(firing_table(gathered, loud, most_now))
    blocks += _evidence(gathered, told)
    finding = f"{capital(count(told.past_total, 'alert'))} fired in the period; "
    finding += f"{len(loud)} fire now, {critical or 'none'} of them critical." if loud else ""
    if not loud:
        finding += "none fires now." if gathered.is_now else "what fires now is another matter."
    if is_partly_known(told, gathered.period):
        finding += f" {_known_since(told.known_since)}."
    tone = Tone.CRITICAL if critical else Tone.WARNING if loud else Tone.OK
    return Section(title="Alerts", finding=finding, tone=tone, blocks=tuple(blocks))


def is_partly_known(told: Alerts, period: TimeRange) -> bool:
    """Whether alerts of a part of the period are not on record."""
    return told.known_since is None or told.known_since > period.start


def _known_since(known_since: datetime | None) -> str:
    return f"On record since {moment(known_since)}" if known_since else "None is on record"


def _evidence(gathered: Gathered, told: Alerts) -> list[Block]:
    period = gathered.period
    past = command(
        "alerts",
        "history",
        clusters=gathered.names,
        since=stamp(period.start),
        until=stamp(period.end),
    )
    since = f"; on record since {moment(told.known_since)}" if told.known_since else ""
    return [
        evidence(f"Alerts that fired in the period, as this server was told{since}", past),
        evidence("Alerts firing now", command("alerts", clusters=gathered.names), told.coverage),
    ]


def alerts_over_time(past: Sequence[Alert], period: TimeRange) -> BarChart:
    """How many began in each part of the period, by severity."""
    length = (period.end - period.start).total_seconds()
    size = next((each for each in _BUCKETS if length / each <= _MOST_BUCKETS), _BUCKETS[-1])
    first = int(period.start.timestamp() // size)
    last = max(first, int(period.end.timestamp() // size))
    counts: dict[AlertSeverity, Counter[int]] = defaultdict(Counter)
    for alert in past:
        bucket = max(first, int(alert.starts_at.timestamp() // size))
        counts[alert.severity][min(bucket, last)] += 1
    buckets = range(first, last + 1)
    totals = [sum(counts[one][at] for one in _ORDER) for at in buckets]
    top = max(range(len(totals)), key=totals.__getitem__)
    begin = datetime.fromtimestamp(buckets[top] * size, UTC)
    return BarChart(
        title=f"Alerts that began, by {span(size)}",
        finding=f"Most, {totals[top]}, in the {span(size)} from {moment(begin)} on.",
        labels=tuple(_bucket_name(at * size, size, is_long=length > 129_600) for at in buckets),
        parts=tuple(
            Bars(
                name=one.value.capitalize(),
                values=tuple(float(counts[one][at]) for at in buckets),
                tone=tone_of(one),
            )
            for one in _ORDER
            if counts[one]
        ),
    )


def _bucket_name(at: float, size: int, *, is_long: bool) -> str:
    there = datetime.fromtimestamp(at, UTC)
    if size >= 86400 or (there.hour == 0 and there.minute == 0):
        return f"{there:%d %b}".lstrip("0")
    return f"{there:%d %b %H:%M}".lstrip("0") if is_long else f"{there:%H:%M}"


def _loudest(past: Sequence[Alert], most: int) -> Table:
    by_name: dict[str, list[Alert]] = defaultdict(list)
    for alert in past:
        by_name[alert.alertname].append(alert)
    ranked = sorted(
        by_name.items(),
        key=lambda item: (
            min(_ORDER.index(one.severity) for one in item[1]),
            -len(item[1]),
            item[0],
        ),
    )
    rows = [
        (
            min((one.severity for one in alerts), key=_ORDER.index).value,
            name,
            len(alerts),
            len({one.cluster_name for one in alerts}),
            _usual(alerts),
            moment(max(one.starts_at for one in alerts)),
        )
        for name, alerts in ranked[:most]
    ]
    return Table(
        title="What fired, by name",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Alert", wide=True),
            Column(title="Times", align=Align.RIGHT),
            Column(title="Clusters", align=Align.RIGHT),
            Column(title="Usually for"),
            Column(title="Last began"),
        ),
        rows=tuple(rows),
        left_out=len(ranked) - len(rows),
        empty="Nothing fired in the period.",
    )


def _usual(alerts: Sequence[Alert]) -> str | None:
    ended = sorted(
        (one.ends_at - one.starts_at).total_seconds() for one in alerts if one.ends_at is not None
    )
    return span(ended[len(ended) // 2]) if ended else None


def firing_table(gathered: Gathered, loud: Sequence[Alert], most: int) -> Table:
    """What fires now, most severe and newest first."""
    return Table(
        title="Firing now",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Alert"),
            Column(title="Cluster"),
            Column(title="For"),
            Column(title="What it says", wide=True),
        ),
        rows=tuple(
            (
                one.severity.value,
                one.alertname,
                one.cluster_name,
                lasted(one.starts_at, gathered.now),
                said_by(one),
            )
            for one in loud[:most]
        ),
        left_out=max(0, len(loud) - most),
        empty="Nothing fires now.",
    )


def said_by(alert: Alert) -> str:
    """The summary of an alert, and where it is unless that says it; or the labels that do."""
    for name in ("summary", "description", "message"):
        if text := alert.annotations.get(name):
            where = next((alert.labels[key] for key in _PLACES if key in alert.labels), "")
            return text if where in text else f"{text.rstrip('. ')} ({where})."
    keys = ("namespace", *_PLACES)
    return ", ".join(f"{key}={alert.labels[key]}" for key in keys if key in alert.labels)
