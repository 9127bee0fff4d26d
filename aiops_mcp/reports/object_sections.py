"""Sections on objects: what is not well, what changed, and the requests that failed. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.reports import Align, BarChart, Bars, Block, Column, Section, Table, Tone
from aiops_mcp.reports.commands import command, evidence, stamp
from aiops_mcp.reports.gathered import FailedTrace, Gathered
from aiops_mcp.reports.wording import capital, count, lasted, listed, moment, number, span


def unhealthy_section(gathered: Gathered, *, most: int) -> Section | None:
    """Objects that are not well; None where nobody told."""
    told = gathered.unhealthy
    if told is None:
        return None
    own = [one for one in told.findings if one.explained_by is None]
    shown = (own or told.findings)[:most]
    critical = told.by_severity.get(AlertSeverity.CRITICAL, 0)
    table = Table(
        title="Objects that are not well, worst first",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Cluster"),
            Column(title="Object"),
            Column(title="Cause"),
            Column(title="For"),
            Column(title="What it says", wide=True),
        ),
        rows=tuple(
            (
                one.severity.value,
                one.cluster_name,
                f"{one.kind}/{f'{one.namespace}/' if one.namespace else ''}{one.name}",
                one.cause,
                lasted(one.since, gathered.now) or None,
                one.detail,
            )
            for one in shown
        ),
        left_out=told.total - len(shown),
        empty="All objects that were looked at are well.",
    )
    looked = sum(told.looked_at.values())
    finding = (
        f"{capital(count(told.total, 'object'))} of {number(looked)} are not well, "
        f"{critical or 'none'} critically."
        if told.total
        else f"All {number(looked)} objects that were looked at are well."
    )
    asks = command("unhealthy", clusters=gathered.names)
    return Section(
        title="Workloads, nodes and storage",
        finding=finding,
        tone=Tone.CRITICAL if critical else Tone.WARNING if told.total else Tone.OK,
        blocks=(
            table,
            evidence("Pods, nodes, workloads, volumes, certificates", asks, told.coverage),
        ),
    )


def changes_section(gathered: Gathered, *, most: int) -> Section | None:
    """What changed in the period, newest first; None where nobody told."""
    told = gathered.changes
    if told is None:
        return None
    kinds = [(kind.value, number) for kind, number in told.by_change.items()]
    clusters = Counter(one.cluster_name for one in told.changes)
    shown = told.changes[:most]
    blocks: list[Block] = []
    if len(kinds) > 1:
        blocks.append(
            BarChart(
                title="Changes, by kind",
                finding=f"Most are of the kind {kinds[0][0]}.",
                labels=tuple(kind for kind, _ in kinds),
                parts=(Bars(name="Changes", values=tuple(float(each) for _, each in kinds)),),
                across=True,
            )
        )
    if most:
        blocks.append(
            Table(
                title="Changes, newest first",
                columns=(
                    Column(title="At"),
                    Column(title="Cluster"),
                    Column(title="Kind"),
                    Column(title="Object"),
                    Column(title="What", wide=True),
                    Column(title="By"),
                ),
                rows=tuple(
                    (
                        moment(one.at),
                        one.cluster_name,
                        one.change.value,
                        f"{one.kind}/{f'{one.namespace}/' if one.namespace else ''}{one.name}",
                        one.what,
                        one.by,
                    )
                    for one in shown
                ),
                left_out=told.total - len(shown),
                empty="Nothing changed in the period.",
            )
        )
    hours = f"{max(1, round((told.until - told.since).total_seconds() / 3600))}h"
    asks = command("changes", clusters=gathered.names, before=stamp(told.until), hours=hours)
    blocks.append(
        evidence("What the objects themselves tell of their changes", asks, told.coverage)
    )
    busiest = [name for name, _ in clusters.most_common(3)]
    length = span((told.until - told.since).total_seconds())
    finding = (
        f"{capital(count(told.total, 'change'))} in {length}, most in {listed(busiest)}."
        if told.total
        else "Nothing changed in the period."
    )
    return Section(title="Changes", finding=finding, blocks=tuple(blocks))


def traces_section(gathered: Gathered, *, most: int) -> Section | None:
    """Requests that failed, by where they came in; None where nobody told."""
    told = gathered.traces
    if told is None:
        return None
    roots: dict[tuple[str, str], list[FailedTrace]] = defaultdict(list)
    for one in told.found:
        roots[one.service, one.operation].append(one)
    ranked = sorted(roots.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [_failed_row(service, operation, some) for (service, operation), some in ranked[:most]]
    table = Table(
        title="Failed requests, by where they came in",
        columns=(
            Column(title="Service"),
            Column(title="Operation", wide=True),
            Column(title="Failed", align=Align.RIGHT),
            Column(title="Slowest", align=Align.RIGHT),
            Column(title="Clusters"),
            Column(title="Last"),
            Column(title="Its trace", code=True),
        ),
        rows=tuple(rows),
        left_out=len(ranked) - len(rows),
        empty="No trace of a failed request was found.",
    )
    more = " or more" if told.cut else ""
    finding = (
        f"{capital(count(len(told.found), 'failed request'))}{more} among the newest traces."
        if told.found
        else "No trace of a failed request was found."
    )
    asks = command(
        "traces",
        "search",
        "--failed",
        clusters=gathered.names,
        since=stamp(gathered.period.start),
        until=stamp(gathered.period.end),
    )
    return Section(
        title="Requests",
        finding=finding,
        tone=Tone.WARNING if told.found else Tone.OK,
        blocks=(table, evidence("Traces that failed", asks, told.coverage)),
    )


def _failed_row(service: str, operation: str, some: Sequence[FailedTrace]) -> tuple[str | int, ...]:
    last = max(some, key=lambda one: one.at)
    slowest = max(one.duration_ms for one in some)
    return (
        service,
        operation,
        len(some),
        f"{number(slowest)} ms",
        listed(last.clusters, 2),
        moment(last.at),
        last.trace_id,
    )
