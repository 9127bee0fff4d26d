"""One trace of the fleet: why it was slow or failed, and its spans."""

import asyncio
from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.traces import Text, TraceId, find_trace, traces
from aiops_mcp.context import Context
from aiops_mcp.models.coverage import ClusterRef, Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.traces import Comparison, Span, Trace, TraceSummary
from aiops_mcp.operation import Clusters, Input


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
    from aiops_mcp.capabilities.trace_detail_digest import digest_trace

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

    found = await find_trace(context, request.trace_id, request.clusters)
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

    found = await find_trace(context, request.trace_id, request.clusters)
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
