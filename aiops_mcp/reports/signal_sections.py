"""Sections on signals: charts of PromQL, the unusual, what runs out, network functions. Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from aiops_mcp.models.anomaly import RunningOut
from aiops_mcp.models.cnf import ClockState
from aiops_mcp.models.metrics import Series
from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Bars,
    Block,
    Column,
    Line,
    LineChart,
    Marker,
    Paragraph,
    Section,
    Table,
    Tone,
)
from aiops_mcp.reports.commands import command, evidence, stamp
from aiops_mcp.reports.gathered import Gathered, Measured
from aiops_mcp.reports.wording import capital, count, lasted, listed, moment, number, percent, span

MOST_ACROSS = 16


def measured_blocks(
    gathered: Gathered, keys: Sequence[str], markers: Sequence[Marker] = ()
) -> list[Block]:
    """A chart of each measure that was answered, and what it was asked by."""
    blocks: list[Block] = []
    for key in keys:
        one = gathered.measured.get(key)
        chart = one and line_chart(one, gathered, markers)
        if one is None or chart is None:
            continue
        asks = command(
            "query",
            one.measure.query,
            clusters=gathered.names,
            since=stamp(gathered.period.start),
            until=stamp(gathered.period.end),
        )
        claim = one.measure.title
        blocks += [
            chart,
            evidence(claim, asks, one.answer.coverage, query=one.measure.query),
        ]
    return blocks


def line_chart(
    measured: Measured, gathered: Gathered, markers: Sequence[Marker] = ()
) -> LineChart | None:
    """The series of a measure, that with the highest peak first; None without any sample."""
    lines: list[tuple[float, Line]] = []
    for result in measured.answer.results:
        for series in result.data:
            points = read_points(series)
            known = [value for _, value in points if value is not None]
            if known:
                name = _name(series.metric, result.cluster_name, measured.measure.by)
                lines.append((max(known), Line(name=name, points=tuple(points))))
    if not lines:
        return None
    lines.sort(key=lambda item: (-item[0], item[1].name))
    peak, worst = lines[0]
    measure = measured.measure
    text = percent(peak) if measure.share else number(peak)
    beyond = [line.name for top, line in lines if measure.limit is not None and top > measure.limit]
    finding = f"Highest in {worst.name}: {text}."
    if measure.limit is not None:
        limit = percent(measure.limit) if measure.share else number(measure.limit)
        finding += (
            f" Beyond the limit of {limit}: {listed(beyond)}."
            if beyond
            else f" Nobody is beyond the limit of {limit}."
        )
    left = len(lines) - 5
    step = f"{span(measured.answer.step_seconds)} step" if measured.answer.step_seconds else ""
    grey = f"{left} more in grey" if left > 0 else ""
    return LineChart(
        title=measure.title,
        finding=finding,
        start=gathered.period.start.timestamp(),
        end=gathered.period.end.timestamp(),
        lines=tuple(line for _, line in lines[:40]),
        share=measure.share,
        limit=measure.limit,
        markers=tuple(markers),
        note="; ".join(part for part in (step, grey) if part),
    )


def _name(labels: Mapping[str, str], cluster: str, by: str | None) -> str:
    return f"{cluster} {labels[by]}" if by and by in labels else cluster


def read_points(series: Series) -> list[tuple[float, float | None]]:
    """Samples as numbers; what is none, and a gap of more than two steps, breaks the line."""
    points: list[tuple[float, float | None]] = []
    gaps = sorted(
        later[0] - one[0] for one, later in zip(series.values, series.values[1:], strict=False)
    )
    usual = gaps[len(gaps) // 2] if gaps else 0.0
    for at, text in series.values:
        if points and usual and at - points[-1][0] > 2.5 * usual:
            points.append((points[-1][0] + usual, None))
        value = float(text)
        points.append((at, value if math.isfinite(value) else None))
    return points


def now_by_cluster(measured: Measured) -> BarChart | None:
    """The last value of each series of a measure, highest first."""
    found: list[tuple[float, str]] = []
    for result in measured.answer.results:
        for series in result.data:
            known = [value for _, value in read_points(series) if value is not None]
            if known:
                name = _name(series.metric, result.cluster_name, measured.measure.by)
                found.append((known[-1], name))
    if not found:
        return None
    found.sort(key=lambda item: (-item[0], item[1]))
    shown, measure = found[:MOST_ACROSS], measured.measure
    text = percent(shown[0][0]) if measure.share else number(shown[0][0])
    left = len(found) - len(shown)
    return BarChart(
        title=f"{measure.title}, at the end of the period",
        finding=f"Highest in {shown[0][1]}: {text}.",
        labels=tuple(name for _, name in shown),
        parts=(Bars(name=measure.title, values=tuple(max(value, 0.0) for value, _ in shown)),),
        across=True,
        share=measure.share,
        limit=measure.limit,
        note=f"{left} more, all lower" if left > 0 else "",
    )


def signals_section(
    gathered: Gathered, keys: Sequence[str], markers: Sequence[Marker] = ()
) -> Section | None:
    """Charts over the period."""
    blocks = measured_blocks(gathered, keys, markers)
    charts = [one for one in blocks if isinstance(one, LineChart)]
    if not charts:
        return None
    finding, tone = _beyond_limits(charts)
    return Section(title="Signals", finding=finding, tone=tone, blocks=tuple(blocks))


def _beyond_limits(charts: Sequence[LineChart]) -> tuple[str, Tone]:
    """What all charts together come to."""
    limited = [one for one in charts if one.limit is not None]
    beyond = [
        one.title
        for one in limited
        if any((value or 0) > (one.limit or 0) for line in one.lines for _, value in line.points)
    ]
    if beyond:
        return f"Beyond its limit in the period: {listed(beyond)}.", Tone.WARNING
    if not limited:
        return f"{capital(count(len(charts), 'measure'))} over the period.", Tone.PLAIN
    if len(limited) == 1:
        return f"{limited[0].title}: within its limit.", Tone.OK
    return f"All {len(limited)} measures with a limit stayed within it.", Tone.OK


def anomalies_section(gathered: Gathered, *, most: int) -> Section | None:
    """What was unusual in the period; None where nobody judged it."""
    told = gathered.anomalies
    if told is None:
        return None
    shown = told.anomalies[:most]
    table = Table(
        title="What was unusual, worst first",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Cluster"),
            Column(title="Began"),
            Column(title="Lasted"),
            Column(title="What was unusual", wide=True),
        ),
        rows=tuple(
            (
                one.severity.value,
                one.cluster_name,
                moment(one.started_at),
                lasted(one.started_at, one.ended_at) if one.ended_at else "goes on",
                one.explanation,
            )
            for one in shown
        ),
        left_out=told.total - len(shown),
        empty="Nothing was unusual.",
    )
    high = told.by_severity.get("HIGH", 0)
    judged = f"{told.series_judged:,} series judged"
    finding = (
        f"{capital(count(told.total, 'anomaly', 'anomalies'))}, {high or 'none'} of them high; "
        f"{judged}."
        if told.total
        else f"Nothing was unusual; {judged}."
    )
    window = f"{max(1, round((told.until - told.since).total_seconds() / 60))}m"
    asks = command("anomalies", clusters=gathered.names, window=window, until=stamp(told.until))
    return Section(
        title="What was unusual",
        finding=finding,
        tone=Tone.WARNING if high else Tone.PLAIN,
        blocks=(
            table,
            evidence("Every series that matters, against its own past", asks, told.coverage),
        ),
    )


def forecast_section(gathered: Gathered, *, most: int) -> Section | None:
    """What runs out, soonest first; None where nobody looked."""
    told = gathered.forecast
    if told is None:
        return None
    horizon = span(told.horizon_seconds)
    groups = folded(told.running_out)
    shown = groups[:most]
    table = Table(
        title="What runs out, soonest first",
        columns=(
            Column(title="Expected"),
            Column(title="Between"),
            Column(title="Cluster"),
            Column(title="What"),
            Column(title="Where", wide=True),
            Column(title="Now", align=Align.RIGHT),
            Column(title="Limit", align=Align.RIGHT),
            Column(title="A day", align=Align.RIGHT),
        ),
        rows=tuple(_running_out_row(some) for some in shown),
        left_out=told.total - sum(len(some) for some in shown),
        empty=f"Nothing runs out within {horizon}.",
    )
    if shown:
        first = shown[0][0]
        where = " ".join(part for part in (first.component, first.detail) if part)
        finding = (
            f"{capital(count(told.total, 'limit is', 'limits are'))} reached within {horizon}; the "
            f"first on {moment(first.at)}: {first.metric_name} of {where} in {first.cluster_name}."
        )
    else:
        finding = f"Nothing runs out within {horizon}; {told.series_judged:,} series judged."
    window = f"{max(1, round((told.until - told.since).total_seconds() / 3600))}h"
    days = f"{max(1, round(told.horizon_seconds / 86400))}d"
    asks = command("forecast", clusters=gathered.names, horizon=days, window=window)
    claim = "Disks, volumes, quotas, etcd, connections, memory, queues and certificates"
    reasons = sorted(
        {one.reason for some in shown for one in some if one.reason and one.at > gathered.now}
    )
    said = [Paragraph(text=f"Uncertain: {reason}.", tone=Tone.MUTED) for reason in reasons[:3]]
    return Section(
        title="What runs out",
        finding=finding,
        tone=Tone.WARNING if shown else Tone.OK,
        blocks=(table, *said, evidence(claim, asks, told.coverage)),
    )


def folded(found: Sequence[RunningOut]) -> list[list[RunningOut]]:
    """What is of one kind and ends within one hour is one: a fleet's certificates end together."""
    groups: dict[tuple[str, int], list[RunningOut]] = {}
    for one in found:
        hour = int(one.at.timestamp() // 3600)
        groups.setdefault((one.metric_name, hour), []).append(one)
    return list(groups.values())


def _running_out_row(some: Sequence[RunningOut]) -> tuple[str | None, ...]:
    one = some[0]
    is_share = one.unit in ("ratio", "share")

    def text(value: float) -> str:
        return percent(value) if is_share else f"{number(value)} {one.unit}".strip()

    return (
        moment(one.at),
        _between(one.earliest, one.latest),
        listed(list(dict.fromkeys(each.cluster_name for each in some)), 2),
        one.metric_name,
        listed([" ".join(filter(None, (each.component, each.detail))) for each in some], 2) or None,
        text(one.now),
        text(one.limit),
        text(one.per_day),
    )


def _between(earliest: datetime | None, latest: datetime | None) -> str | None:
    if earliest is None and latest is None:
        return None
    begin = moment(earliest) or "now"
    if begin == moment(latest):
        return None
    return f"{begin} and {moment(latest)}" if latest else f"{begin} and never"


def network_section(gathered: Gathered, *, most: int) -> Section | None:
    """Network functions and clocks; None where there are none or nobody told."""
    functions = gathered.functions.found if gathered.functions else ()
    clocks = gathered.clocks.found if gathered.clocks else ()
    if not functions and not clocks:
        return None
    lost = [one for one in clocks if one.clock_state not in (ClockState.LOCKED, None)]
    off = [one for one in clocks if one.troubles]
    ill = [one for one in functions if one.troubles or one.replicas_ready < one.replicas_wanted]
    rows = [
        (
            "CRITICAL" if one.replicas_ready == 0 else "WARNING",
            one.cluster_name,
            f"{one.type.value} {one.namespace}/{one.name}",
            f"{one.replicas_ready} of {one.replicas_wanted} ready",
            "; ".join(one.troubles) or None,
        )
        for one in ill
    ]
    rows += [
        (
            one.clock_state.value if one.clock_state else "UNKNOWN",
            one.cluster_name,
            f"{one.process} on {one.node} {one.interface}",
            f"offset {number(one.offset_ns)} ns" if one.offset_ns is not None else "no offset",
            "; ".join(one.troubles) or None,
        )
        for one in off
    ]
    blocks: list[Block] = [
        Table(
            title="Network functions and clocks in trouble",
            columns=(
                Column(title="State", toned=True),
                Column(title="Cluster"),
                Column(title="What"),
                Column(title="How it is"),
                Column(title="Trouble", wide=True),
            ),
            rows=tuple(rows[:most]),
            left_out=max(0, len(rows) - most),
            empty="All network functions and clocks are well.",
        )
    ]
    if gathered.functions:
        asks = command("cnf", "workloads", clusters=gathered.names)
        blocks.append(evidence("Network functions", asks, gathered.functions.coverage))
    if gathered.clocks:
        asks = command("cnf", "ptp", clusters=gathered.names)
        blocks.append(evidence("Clocks (PTP)", asks, gathered.clocks.coverage))
    finding = (
        f"{len(functions) - len(ill)} of {count(len(functions), 'network function')} are well; "
        f"{len(clocks) - len(lost)} of {count(len(clocks), 'clock')} are locked."
    )
    tone = Tone.CRITICAL if lost else Tone.WARNING if ill or off else Tone.OK
    return Section(title="Network functions", finding=finding, tone=tone, blocks=tuple(blocks))
