"""Series that somebody asked for by PromQL, as arrays a cluster, with the sign they are judged by.

What such a series is of is read from its labels. How it is judged is not known here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.series_grid import SeriesGrid, Span, grid_of
from aiops_mcp.fleet.vital_signs import Area, Bad, SignKind, VitalSign
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.metrics import MetricResult
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress
from aiops_mcp.promql import metric_names, parse
from aiops_mcp.promql.tree import Selector, without_parens

_COUNTERS = ("_total", "_count", "_sum", "_bucket")
_THINGS = (
    ("namespace", "exported_namespace", "destination_service_namespace"),
    (
        *("service", "deployment", "statefulset", "daemonset", "workload", "pod"),
        *("persistentvolumeclaim", "job_name", "name"),
    ),
)
_PLACES = ("node", "Hostname", "instance", "job")
_KINDS: Mapping[str, str] = {
    "persistentvolumeclaim": "volume",
    "Hostname": "node",
    "instance": "node",
    "job": "target",
    "deployment": "workload",
    "statefulset": "workload",
    "daemonset": "workload",
}


@dataclass(frozen=True, slots=True)
class ClusterSeries:
    """One cluster's series; no id where they are of all clusters together."""

    cluster_id: UUID | None
    cluster_name: str
    grid: SeriesGrid


@dataclass(frozen=True, slots=True)
class AskedSeries:
    """What came of a query, on the grid that was answered (it may be coarser than asked)."""

    parts: tuple[ClusterSeries, ...]
    span: Span
    notes: tuple[str, ...]
    coverage: Coverage


async def read_series(
    metrics: FleetMetrics,
    query: str,
    span: Span,
    *,
    selection: Sequence[str],
    principal: Principal,
    progress: Progress,
) -> AskedSeries:
    """Ask the chosen clusters for a query's series. Errors as `FleetMetrics.query_range`."""
    answer = await metrics.query_range(
        query,
        selection=selection,
        principal=principal,
        start=datetime.fromtimestamp(span.start, UTC),
        end=datetime.fromtimestamp(span.end, UTC),
        step=span.step,
        progress=progress,
    )
    answered = Span(span.start, span.end, answer.step_seconds or span.step)

    def laid_out() -> tuple[ClusterSeries, ...]:
        return tuple(_of_cluster(result, answered) for result in answer.results if result.data)

    parts = await asyncio.to_thread(laid_out)
    cut = tuple(
        f"{part.cluster_name}: {part.grid.cut} more series were not judged; aggregate the query"
        for part in parts
        if part.grid.cut
    )
    return AskedSeries(parts, answered, (*answer.warnings, *cut), answer.coverage)


def _of_cluster(result: MetricResult, span: Span) -> ClusterSeries:
    return ClusterSeries(result.cluster_id, result.cluster_name, grid_of(result.data, span))


def sign_for(query: str, labels: Mapping[str, str]) -> VitalSign:
    """A sign that takes every departure of a query's series for trouble, and names what it is of.

    Raises:
        InvalidPromql: the query cannot be read.
    """
    node = without_parens(parse(query))
    names = sorted(metric_names(node))
    is_counter = isinstance(node, Selector) and node.name.endswith(_COUNTERS)
    component, kind = _component(labels)
    return VitalSign(
        name=labels.get("__name__") or (names[0] if len(names) == 1 else query),
        expression=query,
        area=Area.SERVICES,
        of=kind,
        component=component,
        kind=SignKind.OTHER,
        unit="",
        type="counter" if is_counter else "gauge",
        bad=Bad.BOTH,
    )


def _component(labels: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """The labels that name the thing, and its kind: a service, a pod, a node, or a series."""
    spaces, things = _THINGS
    thing = next((name for name in things if name in labels), None)
    if thing is not None:
        space = next((name for name in spaces if name in labels), None)
        return ((space, thing) if space else (thing,)), _KINDS.get(thing, thing)
    place = next((name for name in _PLACES if name in labels), None)
    if place is not None:
        gpu = ("gpu",) if place == "Hostname" and "gpu" in labels else ()
        return (place, *gpu), "gpu" if gpu else _KINDS.get(place, place)
    others = tuple(sorted(name for name in labels if name != "__name__"))[:3]
    return others, "series" if labels else "cluster"
