"""Traces of the fleet: which there are, and what one of them shows."""

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
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.moment import When
from aiops_mcp.models.spans import TraceSearch
from aiops_mcp.models.traces import (
    TraceGroup,
    TraceHit,
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

    found = await find_trace(context, trace_id, request.clusters)
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


async def find_trace(context: Context, trace_id: str, clusters: Sequence[str]) -> "FleetTrace":
    """A whole trace; leading zeros of the id may be missing."""
    return await context.traces.trace(
        trace_id.lower().rjust(32, "0"),
        selection=clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
