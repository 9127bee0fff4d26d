"""Traces of the fleet: which there are, and what one of them shows."""

import asyncio
import difflib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field

from aiops_mcp.capabilities.digesting import Format, ResponseFormat
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.models.coverage import ClusterRef, Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.moment import When
from aiops_mcp.models.spans import TraceSearch
from aiops_mcp.models.traces import (
    Comparison,
    Span,
    Trace,
    TraceGroup,
    TraceHit,
    TraceSummary,
)
from aiops_mcp.operation import Capability, Clusters, Input

if TYPE_CHECKING:
    from aiops_mcp.analysis.traces_groups import UnitedHit
    from aiops_mcp.fleet.trace_found import FleetTrace, FoundTraces

traces = Capability("traces", "Traces of the fleet.")

DEFAULT_RANGE = timedelta(hours=1)
SAMPLE = 100
"""So many hits a cluster are asked for where they cost little, so that shares mean something."""


LONGEST_NAME = 300
LONGEST_VALUE = 1000
A_DAY_MS = 86_400_000


def _as_text(tags: Any) -> Any:
    """``{"http.status_code": 500}`` is as good as ``"500"``."""
    if not isinstance(tags, dict):
        return cast("object", tags)
    return {
        key: (str(value).lower() if isinstance(value, bool) else str(value))
        if isinstance(value, bool | int | float)
        else value
        for key, value in cast("dict[Any, Any]", tags).items()
    }


def _checked(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if not 0 < len(key) <= LONGEST_NAME or len(value) > LONGEST_VALUE:
            raise ValueError(
                f"a key has 1 to {LONGEST_NAME} characters, a value at most {LONGEST_VALUE}"
            )
    return tags


def _lasting(milliseconds: float) -> float:
    if not 0 <= milliseconds <= A_DAY_MS:
        raise ValueError("give 0 to 86400000 milliseconds, which is a day")
    return milliseconds


# Limits that are checked here and not written into the schema, which every caller pays for.
Milliseconds = Annotated[float, AfterValidator(_lasting)]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Tags = Annotated[dict[str, str], BeforeValidator(_as_text), AfterValidator(_checked)]
TraceId = Annotated[str, Field(description="In hex", pattern="^[0-9a-fA-F]{1,32}$", max_length=32)]
Start = Annotated[When | None, Field(description="Default -1h")]
End = Annotated[When | None, Field(description="Default now")]


class TraceQuery(Input):
    service_name: Annotated[Text | None, Field(description="* is any text: pay*")] = None
    operation_name: Annotated[Text | None, Field(description="Of a span")] = None
    min_duration_ms: Annotated[Milliseconds | None, Field(description="Of that span")] = None
    max_duration_ms: Annotated[Milliseconds | None, Field(description="Of that span")] = None
    tags: Tags = Field(default_factory=dict, description="Attributes; status: error = failed ones")
    clusters: Clusters = ()
    start_time: Start = None
    end_time: End = None
    limit: Annotated[int, Field(description="Traces at most", ge=1, le=100)] = 20
    trace_id: Annotated[TraceId | None, Field(description="Only this")] = None
    traceql: Annotated[
        str | None, Field(description="Raw TraceQL instead", min_length=1, max_length=20_000)
    ] = None
    response_format: Format = ResponseFormat.CONCISE


class TraceList(Entity):
    """The newest traces found, and all that were found by root operation, failing ones first.

    ``found`` counts all; the clusters in ``cut`` may have more. ``query`` is what was asked, as
    TraceQL. ``similar_services`` are given where nothing was found.
    """

    traces: tuple[TraceHit, ...]
    groups: tuple[TraceGroup, ...]
    found: int
    start_time: Timestamp
    end_time: Timestamp
    query: str
    cut: tuple[str, ...] = ()
    similar_services: tuple[str, ...] = ()
    coverage: Coverage
    as_of: Timestamp


def _digest_list(request: TraceQuery, answer: TraceList) -> Digest:
    from aiops_mcp.capabilities.traces_digest import digest_traces

    return digest_traces(
        answer, detailed=request.response_format is ResponseFormat.DETAILED, limit=request.limit
    )


@traces.operation(
    "search_traces", route="POST /traces/search", needs="metrics:read", digest=_digest_list
)
async def search_traces(context: Context, request: TraceQuery) -> TraceList:
    """Find traces (requests through services) on the whole fleet, by root operation.

    How many, how many failed, p50/p95, and ids of the slowest and a failing one for get_trace.
    """
    from aiops_mcp.analysis.traces_groups import group
    from aiops_mcp.backends.traceql import query_of
    from aiops_mcp.fleet.trace_answer import group_entity, hit_entity

    search = asked_search(request, context.clock())
    if request.trace_id is not None:
        return await _only(context, request, request.trace_id, search)
    found = await context.traces.search(
        search,
        selection=request.clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
    hits = await _with_failures(context, request, search, found) if found.cut else found.hits
    ids = {name: cluster.id for name, cluster in found.clusters.items()}
    return TraceList(
        traces=tuple(hit_entity(one, ids) for one in hits[: request.limit]),
        groups=tuple(group_entity(each) for each in group(hits)),
        found=len(hits),
        start_time=search.start,
        end_time=search.end,
        query=query_of(search),
        cut=found.cut,
        similar_services=() if found.hits else await _similar(context, request),
        coverage=found.coverage,
        as_of=found.asked_at,
    )


def asked_search(request: TraceQuery, now: datetime) -> TraceSearch:
    """What is looked for, in whole seconds. Raises InputError for what contradicts itself."""
    end = requested_moment(request.end_time, now, "end_time") or now
    start = requested_moment(request.start_time, now, "start_time") or _before(end)
    durations = (request.min_duration_ms, request.max_duration_ms)
    given = (request.service_name, request.operation_name, *request.tags, *durations)
    if request.traceql is not None and any(one is not None for one in given):
        raise InputError(
            "traceql takes the place of service_name, operation_name, tags and durations.",
            "Give it alone, or write the conditions into it.",
            details={"field": "traceql"},
        )
    return TraceSearch(
        # Whole seconds, as Tempo takes them; callers a moment apart then share an answer.
        start=start.replace(microsecond=0),
        end=end.replace(microsecond=0),
        service=request.service_name,
        operation=request.operation_name,
        min_duration_ms=request.min_duration_ms,
        max_duration_ms=request.max_duration_ms,
        tags=tuple(sorted(request.tags.items())),
        traceql=request.traceql,
        limit=request.limit,
        sample=max(request.limit, SAMPLE),
    )


def _before(end: datetime) -> datetime:
    try:
        return end - DEFAULT_RANGE
    except OverflowError as error:
        raise InputError(
            "end_time lies at the beginning of all time.", details={"field": "end_time"}
        ) from error


async def _with_failures(
    context: Context, request: TraceQuery, search: TraceSearch, found: "FoundTraces"
) -> "Sequence[UnitedHit]":
    """What was found, and what failed beyond it: of many traces those are what one looks for."""
    from aiops_mcp.analysis.traces_groups import with_failures

    if search.traceql is not None or not request.tags.keys().isdisjoint(("status", "error")):
        return found.hits
    failed = replace(search, tags=(*search.tags, ("status", "error")))
    try:
        more = await context.traces.search(
            failed, selection=tuple(found.clusters), principal=context.principal
        )
    except AiopsError:
        return found.hits
    known = [one for one in more.hits if one.home in found.clusters]
    return with_failures(found.hits, known)


async def _similar(context: Context, request: TraceQuery) -> tuple[str, ...]:
    """Services whose names are near the one that nothing was found of."""
    from aiops_mcp.fleet.trace_names import traced_services

    if request.service_name is None:
        return ()
    try:
        known = await traced_services(
            context.traces, selection=request.clusters, principal=context.principal
        )
    except AiopsError:
        return ()
    names = [name for name in known.entries if name != request.service_name]
    wanted = request.service_name.strip("*")
    part = [name for name in names if wanted and wanted.lower() in name.lower()]
    return tuple(dict.fromkeys([*part, *difflib.get_close_matches(wanted, names, n=5)]))[:5]


async def _only(
    context: Context, request: TraceQuery, trace_id: str, search: TraceSearch
) -> TraceList:
    """The one trace that was asked for, as a list of one."""
    from aiops_mcp.analysis.traces_groups import UnitedHit, group
    from aiops_mcp.backends.jaeger_answers import hit_of
    from aiops_mcp.fleet.trace_answer import group_entity, hit_entity

    found = await _find(context, trace_id, request.clusters)
    one = UnitedHit(hit_of(found.trace.spans), found.home.name, tuple(found.stores))
    ids = {name: cluster.id for name, cluster in found.places.items()}
    return TraceList(
        traces=(hit_entity(one, ids),),
        groups=tuple(group_entity(each) for each in group([one])),
        found=1,
        start_time=search.start,
        end_time=search.end,
        query=trace_id,
        coverage=found.coverage,
        as_of=found.asked_at,
    )


async def _find(context: Context, trace_id: str, clusters: Sequence[str]) -> "FleetTrace":
    return await context.traces.trace(
        trace_id.lower().rjust(32, "0"),
        selection=clusters,
        principal=context.principal,
        progress=context.call.progress,
    )


class OneTrace(Input):
    trace_id: TraceId
    clusters: Clusters = ()
    compare: Annotated[bool, Field(description="With normal traces of its operation")] = True


class WholeTrace(Trace):
    """A trace with all its spans, what matters about it, and how it differs from normal ones.

    ``partial`` are stores that know they lack a part of it, ``broken`` counts unreadable spans.
    """

    summary: TraceSummary
    comparison: Comparison | None = None
    partial: tuple[str, ...] = ()
    broken: int = 0
    coverage: Coverage
    as_of: Timestamp


def _digest_trace(request: OneTrace, answer: WholeTrace) -> Digest:
    from aiops_mcp.capabilities.traces_digest import digest_trace

    del request
    return digest_trace(answer)


@traces.operation(
    "get_trace", route="GET /traces/{trace_id}", needs="metrics:read", digest=_digest_trace
)
async def get_trace(context: Context, request: OneTrace) -> WholeTrace:
    """Why one trace was slow or failed: its critical path over services and clusters.

    With failing spans and their reason, repeated calls, and what differs from normal traces.
    """
    from aiops_mcp.analysis.traces_compare import compare
    from aiops_mcp.analysis.traces_summary import summarise
    from aiops_mcp.fleet.trace_answer import trace_entity
    from aiops_mcp.fleet.trace_normal import normal_profiles

    found = await _find(context, request.trace_id, request.clusters)
    # A large trace takes a while, in which others should not wait.
    summed = await asyncio.to_thread(summarise, found.trace)
    comparison = None
    if request.compare:
        normal = await normal_profiles(
            context.traces,
            found,
            selection=request.clusters,
            principal=context.principal,
            now=context.clock(),
        )
        comparison = compare(summed.profile, normal) if normal else None
    refs = {
        name: ClusterRef(cluster_id=cluster.id, cluster_name=name)
        for name, cluster in found.places.items()
    }
    trace = trace_entity(found.trace, refs[found.home.name], refs)
    fields = {name: getattr(trace, name) for name in Trace.model_fields}
    return WholeTrace.model_construct(
        **fields,
        summary=summed.summary,
        comparison=comparison,
        partial=found.partial,
        broken=found.broken,
        coverage=found.coverage,
        as_of=found.asked_at,
    )


class TraceSpansQuery(Input):
    trace_id: TraceId
    clusters: Clusters = ()
    service_name: Annotated[Text | None, Field(description="Only of this service")] = None
    failed: Annotated[bool, Field(description="Only those that failed")] = False
    page: Annotated[int, Field(description="From 1", ge=1)] = 1
    page_size: Annotated[int, Field(description="Spans a page", ge=1, le=5000)] = 1000


class SpanList(Entity):
    """Spans by their start, a page of them; ``total`` counts all that fit."""

    trace_id: str
    spans: tuple[Span, ...]
    total: int
    page: int
    page_size: int
    total_pages: int
    coverage: Coverage


@traces.operation(
    "get_trace_spans",
    route="GET /traces/{trace_id}/spans",
    needs="metrics:read",
    resource="fleet://traces/{trace_id}/spans",
    tool=False,
)
async def get_trace_spans(context: Context, request: TraceSpansQuery) -> SpanList:
    """All spans of one trace, by their start."""
    from aiops_mcp.fleet.trace_answer import span_entities

    found = await _find(context, request.trace_id, request.clusters)
    spans = [
        span
        for span in span_entities(found.trace)
        if request.service_name in (None, span.service_name)
        and (not request.failed or span.status == "ERROR")
    ]
    first = (request.page - 1) * request.page_size
    return SpanList(
        trace_id=found.trace.spans[0].trace_id,
        spans=tuple(spans[first : first + request.page_size]),
        total=len(spans),
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-len(spans) // request.page_size),
        coverage=found.coverage,
    )
