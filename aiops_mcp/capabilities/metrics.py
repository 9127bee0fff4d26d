"""Prometheus across the fleet: queries. What there is to ask for: ``metric_catalogue.py``."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import (
    Cursor,
    Format,
    ResponseFormat,
    call_of,
    cursor_start,
)
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Duration
from aiops_mcp.models.metrics import Aggregation, MetricAnswer
from aiops_mcp.models.moment import When, resolve_moment
from aiops_mcp.operation import Capability, Clusters, Input

metrics = Capability("metrics", "Prometheus across the fleet.")

DEFAULT_RANGE = timedelta(hours=1)

PromQL = Annotated[
    str, Field(description="PromQL; aggregate in it so that the answer fits", min_length=1)
]


class MetricQuery(Input):
    query: PromQL
    clusters: Clusters = ()
    start_time: Annotated[
        When | None, Field(description="Start of a range (-6h, ISO 8601); without it: one instant")
    ] = None
    end_time: Annotated[When | None, Field(description="End or instant; default now")] = None
    step: Annotated[Duration | None, Field(description="Of a range, such as 1m")] = None
    timeout: Annotated[float | None, Field(description="Seconds", ge=1, le=300)] = None
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
        call=call_of("query_metrics", request),
        detailed=request.response_format is ResponseFormat.DETAILED,
    )


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
            time=requested_moment(request.end_time, context.clock(), "end_time"),
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
    end = requested_moment(request.end_time, now, "end_time") or now
    return await context.metrics.query_range(
        request.query,
        selection=request.clusters,
        principal=context.principal,
        start=requested_moment(request.start_time, now, "start_time") or end - DEFAULT_RANGE,
        end=end,
        step=request.step,
        aggregation=request.aggregation,
        timeout=request.timeout,
        progress=context.call.progress,
    )


def requested_moment(text: str | None, now: datetime, field: str) -> datetime | None:
    """The moment that an argument names, if it names one.

    Raises:
        InputError: it cannot be read as a time.
    """
    if text is None:
        return None
    try:
        return resolve_moment(text, now)
    except ValueError as error:
        raise InputError(f"{field}: {error}.", details={"field": field}) from error
