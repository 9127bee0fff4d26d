"""Prometheus across the fleet: queries, and what there is to ask for."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from aiops_mcp.capabilities.digesting import (
    Cursor,
    Format,
    Limit,
    ResponseFormat,
    call_text,
    coverage_line,
    cursor_start,
    missing_line,
    more_line,
)
from aiops_mcp.capabilities.metric_search import search_metrics
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.metric_names import Listing, Window
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.entity import Duration, Entity, Timestamp
from aiops_mcp.models.metrics import Aggregation, MetricAnswer, MetricMetadata
from aiops_mcp.models.moment import When, resolve_moment
from aiops_mcp.operation import Capability, Clusters, Input

metrics = Capability("metrics", "Prometheus across the fleet.")

DEFAULT_RANGE = timedelta(hours=1)

PromQL = Annotated[
    str, Field(description="PromQL; aggregate in it so that the answer fits", min_length=1)
]


# --- queries --------------------------------------------------------------------------------


class MetricQuery(Input):
    query: PromQL
    clusters: Clusters = ()
    start_time: Annotated[
        When | None, Field(description="Start of a range (-6h, ISO 8601); without it: one instant")
    ] = None
    end_time: Annotated[When | None, Field(description="End or instant; default now")] = None
    step: Annotated[Duration | None, Field(description="Of a range, such as 1m")] = None
    timeout: Annotated[float | None, Field(description="Seconds", gt=0, le=300)] = None
    aggregation: Annotated[
        Aggregation, Field(description="Over clusters: MERGE lays side by side")
    ] = Aggregation.MERGE
    response_format: Format = ResponseFormat.CONCISE
    limit: Annotated[
        int | None, Field(description="Rows at most; default what fits, to 10", ge=1, le=200)
    ] = None
    cursor: Cursor | None = None


def _digest_query(request: MetricQuery, answer: MetricAnswer) -> Digest:
    # numpy takes a tenth of a second to import, which a server that only lists tools can spare.
    from aiops_mcp.capabilities.metrics_digest import digest_metrics

    return digest_metrics(
        answer,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_text("query_metrics", _given(request)),
        detailed=request.response_format is ResponseFormat.DETAILED,
    )


def _given(request: Input) -> dict[str, Any]:
    return request.model_dump(mode="json", exclude_defaults=True, exclude={"cursor"})


@metrics.operation(
    "query_metrics",
    route="POST /metrics/query",
    needs="metrics:read",
    digest=_digest_query,
    limit="query",
)
async def query_metrics(context: Context, request: MetricQuery) -> MetricAnswer:
    """Run one PromQL query on many clusters at once; rows come highest first.

    With start_time it is a range: each series is summed up (mean, min, max, last), those that
    changed their level first, with time and size: "what changed and when" needs no arithmetic.
    """
    if request.start_time is None and request.step is None:
        return await context.metrics.query(
            request.query,
            selection=request.clusters,
            principal=context.principal,
            time=_moment(request.end_time, context.clock(), "end_time"),
            aggregation=request.aggregation,
            timeout=request.timeout,
            progress=context.call.progress,
        )
    return await _range(context, request)


@metrics.operation(
    "query_metrics_range", route="POST /metrics/query_range", needs="metrics:read", tool=False
)
async def query_metrics_range(context: Context, request: MetricQuery) -> MetricAnswer:
    """Run one PromQL range query on many clusters; by default over the hour before end_time."""
    return await _range(context, request)


async def _range(context: Context, request: MetricQuery) -> MetricAnswer:
    now = context.clock()
    end = _moment(request.end_time, now, "end_time") or now
    return await context.metrics.query_range(
        request.query,
        selection=request.clusters,
        principal=context.principal,
        start=_moment(request.start_time, now, "start_time") or end - DEFAULT_RANGE,
        end=end,
        step=request.step,
        aggregation=request.aggregation,
        timeout=request.timeout,
        progress=context.call.progress,
    )


def _moment(text: str | None, now: datetime, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        return resolve_moment(text, now)
    except ValueError as error:
        raise InputError(f"{field}: {error}.", details={"field": field}) from error


# --- what there is to ask -------------------------------------------------------------------


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
            call=call_text("find_metrics", _given(request)),
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
            call=call_text("get_metric_labels", _given(request)),
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
    start = _moment(request.start_time, now, "start_time")
    end = _moment(request.end_time, now, "end_time")
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
