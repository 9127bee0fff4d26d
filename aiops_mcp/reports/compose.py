"""Puts a report together: which sections a type has, in which order, and what it comes to. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiops_mcp.models.reports import (
    Cell,
    NotAvailable,
    ReportContent,
    ReportType,
    Section,
    Table,
    Tone,
)
from aiops_mcp.reports.alert_sections import alerts_section
from aiops_mcp.reports.cause_sections import causes_section
from aiops_mcp.reports.fleet_sections import fleet_section, problems_section
from aiops_mcp.reports.gathered import Gathered, Measure
from aiops_mcp.reports.gpu_sections import gpu_section, waste_section
from aiops_mcp.reports.incident_sections import markers_of, timeline_section, worst_tone
from aiops_mcp.reports.object_sections import changes_section, traces_section, unhealthy_section
from aiops_mcp.reports.signal_sections import (
    anomalies_section,
    forecast_section,
    network_section,
    now_by_cluster,
    signals_section,
)
from aiops_mcp.reports.wording import capital, count, listed

MOST_LETTERS = 1000
"""What a cell of a table holds at most."""
TITLES: Final[Mapping[ReportType, str]] = {
    ReportType.EXECUTIVE_SUMMARY: "Executive summary",
    ReportType.DETAILED_ANALYSIS: "Detailed analysis",
    ReportType.INCIDENT_REPORT: "Incident report",
    ReportType.CAPACITY_PLAN: "Capacity plan",
}

_SERVICES = ("errors", "latency")
_LOAD = ("cpu", "memory")
_SPACE = ("cpu_requested", "memory_requested", "pods", "volumes")
MEASURES: Final[Mapping[str, Measure]] = {
    one.key: one
    for one in (
        Measure(
            "errors",
            "Requests that fail (%)",
            'sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))',
            share=True,
            limit=0.05,
        ),
        Measure(
            "latency",
            "Request latency, 99th percentile (s)",
            "histogram_quantile(0.99, "
            "sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        ),
        Measure(
            "cpu",
            "CPU used (% of all nodes)",
            '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[5m]))',
            share=True,
            limit=0.9,
        ),
        Measure(
            "memory",
            "Memory used (% of all nodes)",
            "1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes)",
            share=True,
            limit=0.9,
        ),
        Measure(
            "cpu_requested",
            "CPU requested (% of allocatable)",
            'sum(kube_pod_container_resource_requests{resource="cpu"})'
            ' / sum(kube_node_status_allocatable{resource="cpu"})',
            share=True,
            limit=1.0,
        ),
        Measure(
            "memory_requested",
            "Memory requested (% of allocatable)",
            'sum(kube_pod_container_resource_requests{resource="memory"})'
            ' / sum(kube_node_status_allocatable{resource="memory"})',
            share=True,
            limit=1.0,
        ),
        Measure(
            "pods",
            "Pods (% of what the nodes take)",
            'count(kube_pod_info) / sum(kube_node_status_allocatable{resource="pods"})',
            share=True,
            limit=0.9,
        ),
        Measure(
            "volumes",
            "Fullest volume (%)",
            "max(kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes)",
            share=True,
            limit=0.85,
        ),
        Measure("gpu", "GPU use (% of time)", "avg(DCGM_FI_DEV_GPU_UTIL) / 100", share=True),
    )
}
"""What is charted: kubernetes-mixin's own expressions, so that dashboards show the same."""

CHARTS: Final[Mapping[ReportType, tuple[str, ...]]] = {
    ReportType.EXECUTIVE_SUMMARY: _SERVICES[:1],
    ReportType.DETAILED_ANALYSIS: (*_SERVICES, *_LOAD, "gpu"),
    ReportType.INCIDENT_REPORT: (*_SERVICES, *_LOAD),
    ReportType.CAPACITY_PLAN: (*_LOAD, *_SPACE, "gpu"),
}


def compose(
    report_type: ReportType,
    gathered: Gathered,
    *,
    title: str | None,
    generated_by: str,
    version: str,
) -> ReportContent:
    """The whole report as data."""
    sections = [tidied(section) for section in _SECTIONS[report_type](gathered)]
    grave = [one for one in sections if one.tone in (Tone.CRITICAL, Tone.WARNING)]
    simulated = [one.name for one in gathered.clusters if one.is_simulated]
    return ReportContent(
        title=_cut_text(title or _title(report_type, gathered), 200),
        report_type=report_type,
        headline=_cut_text(_headline(report_type, gathered, sections), MOST_LETTERS),
        tone=_tone(report_type, gathered, grave),
        clusters=gathered.names,
        simulated=bool(simulated),
        time_range=gathered.period,
        sections=tuple(sections),
        not_available=tuple(_once(gathered.missing)),
        generated_by=generated_by,
        created_at=gathered.now,
        version=version,
    )


def _title(report_type: ReportType, gathered: Gathered) -> str:
    names = gathered.names
    of = gathered.subject or (listed(names, 2) if len(names) <= 3 else f"{len(names)} clusters")
    return f"{TITLES[report_type]}: {of}"


def _tone(report_type: ReportType, gathered: Gathered, grave: Sequence[Section]) -> Tone:
    if report_type is ReportType.INCIDENT_REPORT:
        return worst_tone(gathered)
    if any(one.tone is Tone.CRITICAL for one in grave):
        return Tone.CRITICAL
    return Tone.WARNING if grave else Tone.OK


def _headline(report_type: ReportType, gathered: Gathered, sections: Sequence[Section]) -> str:
    """What the report comes to: the findings of the sections that matter most to its readers."""
    by_title = {one.title: one.finding for one in sections}
    wanted = {
        ReportType.EXECUTIVE_SUMMARY: ("What is wrong now", "Alerts", "The fleet"),
        ReportType.DETAILED_ANALYSIS: ("What is wrong now", "The fleet"),
        ReportType.INCIDENT_REPORT: ("Likely causes", "What is wrong now", "What happened"),
        ReportType.CAPACITY_PLAN: ("What runs out", "GPUs that could be used"),
    }[report_type]
    found = [by_title[title] for title in wanted if title in by_title]
    said = " ".join(found[:2]) or sections[0].finding
    if not gathered.clusters:
        return "There is no cluster to tell of."
    if lacking := len(_once(gathered.missing)):
        said += f" {capital(count(lacking, 'thing'))} could not be told; see the end."
    return said


def tidied(section: Section) -> Section:
    """Without tables of no row, which its finding has told already, and columns of no value."""
    kept = [
        _without_empty_columns(block) if isinstance(block, Table) else block
        for block in section.blocks
        if not isinstance(block, Table) or block.rows
    ]
    finding = _cut_text(section.finding, MOST_LETTERS // 2)
    return section.model_copy(update={"blocks": tuple(kept), "finding": finding})


def _cut(cell: Cell) -> Cell:
    """An annotation may be a megabyte; a cell is not."""
    return _cut_text(cell, MOST_LETTERS) if isinstance(cell, str) else cell


def _cut_text(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _without_empty_columns(table: Table) -> Table:
    full = [
        at
        for at in range(len(table.columns))
        if any(row[at] is not None and row[at] != "" for row in table.rows)
    ]
    columns = tuple(table.columns[at] for at in full)
    rows = tuple(tuple(_cut(row[at]) for at in full) for row in table.rows)
    return table.model_copy(update={"columns": columns, "rows": rows})


def _some(*sections: Section | None) -> list[Section]:
    return [one for one in sections if one is not None]


def _executive(gathered: Gathered) -> list[Section]:
    return _some(
        fleet_section(gathered, every=False),
        problems_section(gathered, most=7, evidence_of_each=0),
        alerts_section(gathered, most_now=0, most_names=6),
        signals_section(gathered, CHARTS[ReportType.EXECUTIVE_SUMMARY]),
        gpu_section(gathered, most=5),
        waste_section(gathered, most=5),
        forecast_section(gathered, most=5),
        changes_section(gathered, most=0),
    )


def _detailed(gathered: Gathered) -> list[Section]:
    return _some(
        fleet_section(gathered, every=True),
        problems_section(gathered, most=20, evidence_of_each=10),
        alerts_section(gathered, most_now=40, most_names=25),
        unhealthy_section(gathered, most=40),
        anomalies_section(gathered, most=25),
        signals_section(gathered, CHARTS[ReportType.DETAILED_ANALYSIS]),
        traces_section(gathered, most=15),
        gpu_section(gathered, most=25),
        waste_section(gathered, most=15),
        network_section(gathered, most=25),
        forecast_section(gathered, most=15),
        changes_section(gathered, most=40),
    )


def _incident(gathered: Gathered) -> list[Section]:
    return _some(
        causes_section(gathered),
        problems_section(gathered, most=5, evidence_of_each=3),
        timeline_section(gathered, most=60),
        alerts_section(gathered, most_now=20, most_names=15),
        signals_section(gathered, CHARTS[ReportType.INCIDENT_REPORT], markers_of(gathered)),
        anomalies_section(gathered, most=15),
        unhealthy_section(gathered, most=20),
        traces_section(gathered, most=10),
        gpu_section(gathered, most=10),
        network_section(gathered, most=10),
        changes_section(gathered, most=20),
    )


def _capacity(gathered: Gathered) -> list[Section]:
    bars = [
        chart
        for key in ("cpu_requested", "memory_requested")
        if (one := gathered.measured.get(key)) and (chart := now_by_cluster(one))
    ]
    room = (
        Section(title="Room by cluster", finding=bars[0].finding, blocks=tuple(bars))
        if bars
        else None
    )
    return _some(
        forecast_section(gathered, most=40),
        room,
        signals_section(gathered, CHARTS[ReportType.CAPACITY_PLAN]),
        waste_section(gathered, most=20),
        fleet_section(gathered, every=True),
    )


_SECTIONS = {
    ReportType.EXECUTIVE_SUMMARY: _executive,
    ReportType.DETAILED_ANALYSIS: _detailed,
    ReportType.INCIDENT_REPORT: _incident,
    ReportType.CAPACITY_PLAN: _capacity,
}


def _once(missing: Sequence[NotAvailable]) -> list[NotAvailable]:
    """Every gap once, those of one reason together: nine sources that miss one cluster are nine."""
    return list(dict.fromkeys(missing))
