"""Logs of the fleet: LogQL over every cluster's Loki, or its pods' logs where it has none."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import (
    Cursor,
    Limit,
    ResponseFormat,
    call_of,
    cursor_start,
)
from aiops_mcp.capabilities.logs_digest import digest_log_names, digest_logs
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.fleet.logs import MAX_LIMIT, LogRange
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Duration, duration_seconds
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogNames
from aiops_mcp.models.moment import When
from aiops_mcp.models.nanoseconds import SECOND, parse_iso_ns, to_ns
from aiops_mcp.operation import Capability, Clusters, Input

logs = Capability("logs", "Logs of the fleet.")

LogQL = Annotated[str, Field(description='LogQL: {namespace="x"} |= "error"', min_length=1)]
Tenant = Annotated[
    str, Field(description="Of Loki: application, infrastructure or audit", max_length=128)
]


class LogQuery(Input):
    query: LogQL
    clusters: Clusters = ()
    start_time: Annotated[When | None, Field(description="Default -1h")] = None
    end_time: Annotated[When | None, Field(description="Default now")] = None
    limit: Annotated[int, Field(description="Lines read", ge=1, le=MAX_LIMIT)] = 100
    direction: Annotated[LogDirection, Field(description="BACKWARD: newest first")] = (
        LogDirection.BACKWARD
    )
    step: Annotated[Duration | None, Field(description="Of a metric query")] = None
    tenant: Tenant | None = None
    response_format: Annotated[
        ResponseFormat, Field(description="detailed: the lines too, after the patterns")
    ] = ResponseFormat.CONCISE
    cursor: Cursor | None = None


def _digest_query(request: LogQuery, answer: LogAnswer) -> Digest:
    if answer.metric is not None:
        # numpy takes a tenth of a second to import, which most log queries can spare.
        from aiops_mcp.capabilities.metrics_digest import digest_metrics

        return digest_metrics(
            answer.metric,
            limit=None,
            start=0,
            call=call_of("query_logs", request),
            detailed=request.response_format is ResponseFormat.DETAILED,
        )
    return digest_logs(
        answer,
        call=call_of("query_logs", request),
        detailed=request.response_format is ResponseFormat.DETAILED,
    )


@logs.operation("query_logs", route="POST /logs/query", needs="metrics:read", digest=_digest_query)
async def query_logs(context: Context, request: LogQuery) -> LogAnswer:
    """Run one LogQL query on many clusters: patterns with counts and an example, errors first.

    Clusters without Loki answer from pod logs. Metric queries (rate, count_over_time) give a table;
    with start_time or step they are a range.
    """
    return await _query(context, request, as_range=False)


@logs.operation(
    "query_logs_range", route="POST /logs/query_range", needs="metrics:read", tool=False
)
async def query_logs_range(context: Context, request: LogQuery) -> LogAnswer:
    """Run one LogQL query over a range, by default the hour before end_time."""
    return await _query(context, request, as_range=True)


class LogLabels(Input):
    label_name: Annotated[
        str | None, Field(description="Values of this label; without: names", max_length=200)
    ] = None
    clusters: Clusters = ()
    query: Annotated[str | None, Field(description="Of these streams only: {app=…}")] = None
    start_time: Annotated[When | None, Field(description="Default -6h")] = None
    limit: Limit = 50
    cursor: Cursor | None = None


def _digest_names(request: LogLabels, answer: LogNames) -> Digest:
    return digest_log_names(
        answer,
        label=request.label_name,
        limit=request.limit,
        start=cursor_start(request.cursor),
        call=call_of("get_log_labels", request),
    )


@logs.operation(
    "get_log_labels", route="GET /logs/labels", needs="metrics:read", digest=_digest_names
)
async def get_log_labels(context: Context, request: LogLabels) -> LogNames:
    """Label names of log streams, or the values of one: what a LogQL selector may say."""
    return await context.logs.labels(
        request.label_name,
        selection=request.clusters,
        principal=context.principal,
        query=request.query,
        within=LogRange(start=moment_ns(context, request.start_time, "start_time")),
        progress=context.call.progress,
    )


class LogLabelValues(Input):
    name: Annotated[str, Field(description="Such as namespace or app", max_length=200)]
    clusters: Clusters = ()
    query: Annotated[str | None, Field(description="Of these streams only: {app=…}")] = None
    start_time: Annotated[When | None, Field(description="Default -6h")] = None
    end_time: Annotated[When | None, Field(description="Default now")] = None
    tenant: Tenant | None = None


@logs.operation(
    "list_log_label_values",
    route="GET /logs/label/{name}/values",
    needs="metrics:read",
    tool=False,
)
async def list_log_label_values(context: Context, request: LogLabelValues) -> LogNames:
    """Values of one label of log streams, and in how many clusters each exists."""
    return await context.logs.labels(
        request.name,
        selection=request.clusters,
        principal=context.principal,
        query=request.query,
        within=LogRange(
            start=moment_ns(context, request.start_time, "start_time"),
            end=moment_ns(context, request.end_time, "end_time"),
            tenant=request.tenant,
        ),
        progress=context.call.progress,
    )


async def _query(context: Context, request: LogQuery, *, as_range: bool) -> LogAnswer:
    start = moment_ns(context, request.start_time, "start_time")
    end = moment_ns(context, request.end_time, "end_time")
    if as_range and start is None:
        start = (to_ns(context.clock()) if end is None else end) - 3600 * SECOND
    return await context.logs.query(
        request.query,
        selection=request.clusters,
        principal=context.principal,
        within=LogRange(
            start=start,
            end=end,
            step=None if request.step is None else float(duration_seconds(request.step)),
            limit=request.limit,
            direction=request.direction,
            tenant=request.tenant,
            cursor=request.cursor,
        ),
        progress=context.call.progress,
    )


def moment_ns(context: Context, text: str | None, field: str) -> int | None:
    """Nanoseconds of a moment as it was written; nine digits are kept.

    Raises:
        InputError: it cannot be read as a time.
    """
    if text is None:
        return None
    try:
        return parse_iso_ns(text.strip())
    except ValueError:
        found = requested_moment(text, context.clock(), field)
        return None if found is None else to_ns(found)
