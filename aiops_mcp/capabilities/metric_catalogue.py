"""What there is to ask Prometheus for: names by keyword, labels, series, metadata."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import (
    Cursor,
    Limit,
    call_of,
    coverage_line,
    cursor_start,
    missing_line,
    more_line,
)
from aiops_mcp.capabilities.metric_search import search_metrics
from aiops_mcp.capabilities.metrics import metrics, requested_moment
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.metric_names import Listing, Window
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.metrics import MetricMetadata
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input


class MetricSearch(Input):
    search: Annotated[
        str, Field(description="Words: gpu temperature; empty lists all", max_length=200)
    ] = ""
    clusters: Clusters = ()
    limit: Limit = 3
    cursor: Cursor | None = None


class FoundMetric(MetricMetadata):
    """A metric and in how many of the clusters asked it exists."""

    clusters: int


class FoundMetrics(Entity):
    metrics: tuple[FoundMetric, ...]
    coverage: Coverage
    as_of: Timestamp


def _digest_found(request: MetricSearch, answer: FoundMetrics) -> Digest:
    start = cursor_start(request.cursor)
    picked = answer.metrics[start : start + request.limit]
    asked = answer.coverage.succeeded
    spread = {each.clusters for each in picked}
    alike = len(spread) == 1
    rows: list[tuple[Cell, ...]] = [
        (each.name, each.type, _short(each.help) or None) for each in picked
    ]
    if not alike:
        rows = [(*row, f"{each.clusters}/{asked}") for row, each in zip(rows, picked, strict=True)]
    where = f"each in {min(spread)} of {asked} clusters" if picked and alike else ""
    fit = f"{len(answer.metrics)} metrics fit"
    return Digest(
        headline=f"{fit}, {where}."
        if where
        else f"{fit}."
        if picked
        else f"No metric fits {request.search!r}; try fewer or other words.",
        columns=("name", "type", "help") if alike else ("name", "type", "help", "clusters"),
        rows=tuple(rows),
        coverage=missing_line(answer.coverage),
        more=more_line(
            total=len(answer.metrics),
            start=start,
            shown=len(picked),
            what="fits",
            call=call_of("find_metrics", request),
        )
        if start or not request.search
        else None,
    )


def _short(text: str, most: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


@metrics.operation(
    "find_metrics", route="GET /metrics/find", needs="metrics:read", digest=_digest_found
)
async def find_metrics(context: Context, request: MetricSearch) -> FoundMetrics:
    """Find metric names by what they measure, best first, with type and help text.

    Use it before query_metrics when you are not sure of a name.
    """
    found = await context.names.metadata(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
    known = {each.entry.name: (each.entry, len(each.clusters)) for each in found.found}
    hits = search_metrics(known, request.search)
    return FoundMetrics(
        metrics=tuple(FoundMetric(**dict(hit.metadata), clusters=hit.clusters) for hit in hits),
        coverage=found.coverage,
        as_of=context.clock(),
    )


class LabelValues(Input):
    label_name: Annotated[
        str, Field(description="Such as namespace; __name__ gives metric names", max_length=200)
    ]
    clusters: Clusters = ()
    match: Annotated[
        tuple[str, ...], Field(description='Only of these series, such as up{job="x"}')
    ] = ()
    limit: Limit = 50
    cursor: Cursor | None = None


class FoundLabels(Entity):
    """Names or values; ``clusters`` counts those that have each.

    ``truncated_in`` names the clusters that have more than were read.
    """

    values: tuple[str, ...]
    clusters: dict[str, int]
    truncated_in: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


def _digest_labels(request: LabelValues, answer: FoundLabels) -> Digest:
    start = cursor_start(request.cursor)
    picked = answer.values[start : start + request.limit]
    asked = answer.coverage.succeeded
    return Digest(
        headline=f"{len(answer.values)} values of {request.label_name} in {asked} clusters.",
        columns=("value", "clusters"),
        rows=tuple((value, answer.clusters[value]) for value in picked),
        coverage=coverage_line(answer.coverage),
        more=more_line(
            total=len(answer.values),
            start=start,
            shown=len(picked),
            what="values",
            call=call_of("get_metric_labels", request),
            narrow="pass match",
        ),
    )


@metrics.operation(
    "get_metric_labels",
    route="GET /metrics/label/{label_name}/values",
    needs="metrics:read",
    digest=_digest_labels,
)
async def get_metric_labels(context: Context, request: LabelValues) -> FoundLabels:
    """The values of one label over the fleet, with how many clusters have each."""
    found = await context.names.label_values(
        request.label_name,
        match=request.match,
        selection=request.clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
    return _labels(found, context.clock())


def _labels(found: Listing[str], now: datetime) -> FoundLabels:
    return FoundLabels(
        values=found.entries,
        clusters={each.entry: len(each.clusters) for each in found.found},
        truncated_in=found.cut,
        coverage=found.coverage,
        as_of=now,
    )


class SeriesMatch(Input):
    match: Annotated[tuple[str, ...], Field(description="Series selectors")] = ()
    clusters: Clusters = ()
    start_time: When | None = None
    end_time: When | None = None
    limit: Annotated[int, Field(description="Entries at most", ge=1, le=10_000)] = 1000


@metrics.operation(
    "list_label_names", route="GET /metrics/labels", needs="metrics:read", tool=False
)
async def list_label_names(context: Context, request: SeriesMatch) -> FoundLabels:
    """The label names in use, with how many clusters have each."""
    found = await context.names.labels(
        match=request.match,
        window=_window(request, context.clock()),
        selection=request.clusters,
        principal=context.principal,
    )
    return _labels(found, context.clock())


def _window(request: SeriesMatch, now: datetime) -> Window:
    start = requested_moment(request.start_time, now, "start_time")
    end = requested_moment(request.end_time, now, "end_time")
    if start is not None and (end or now) < start:
        raise InputError(
            "start_time is after end_time.",
            "Give an earlier start_time, or leave end_time out for now.",
            details={"field": "start_time"},
        )
    return Window(start and start.timestamp(), end and end.timestamp())


class FoundOne(Entity):
    labels: dict[str, str]
    clusters: tuple[str, ...]


class FoundSeries(Entity):
    """Label sets, each once, with the names of the clusters it was found in."""

    series: tuple[FoundOne, ...]
    truncated_in: tuple[str, ...]
    coverage: Coverage


@metrics.operation("list_series", route="GET /metrics/series", needs="metrics:read", tool=False)
async def list_series(context: Context, request: SeriesMatch) -> FoundSeries:
    """The series that match, as label sets with the clusters that have them."""
    if not request.match:
        raise InputError(
            "match is missing.", "Give a selector, such as match=up.", details={"field": "match"}
        )
    found = await context.names.series(
        request.match,
        window=_window(request, context.clock()),
        selection=request.clusters,
        principal=context.principal,
        limit=request.limit,
    )
    return FoundSeries(
        series=tuple(
            FoundOne(labels=dict(each.entry), clusters=each.clusters) for each in found.found
        ),
        truncated_in=found.cut,
        coverage=found.coverage,
    )


class MetadataQuery(Input):
    metric: Annotated[str | None, Field(description="One name; empty: all", max_length=200)] = None
    clusters: Clusters = ()


@metrics.operation(
    "list_metric_metadata", route="GET /metrics/metadata", needs="metrics:read", tool=False
)
async def list_metric_metadata(context: Context, request: MetadataQuery) -> FoundMetrics:
    """Type, help and unit of every metric, or of one, with how many clusters have it."""
    found = await context.names.metadata(
        selection=request.clusters, principal=context.principal, progress=context.call.progress
    )
    return FoundMetrics(
        metrics=tuple(
            FoundMetric(**dict(each.entry), clusters=len(each.clusters))
            for each in found.found
            if request.metric in (None, "", each.entry.name)
        ),
        coverage=found.coverage,
        as_of=context.clock(),
    )
