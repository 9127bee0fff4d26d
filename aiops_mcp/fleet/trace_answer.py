"""Traces and hits as callers get them, out of what was united and assembled. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiops_mcp.analysis.traces_assembly import AssembledTrace, spans_by_cluster
from aiops_mcp.analysis.traces_groups import HitGroup, UnitedHit
from aiops_mcp.models.coverage import ClusterRef
from aiops_mcp.models.spans import SpanRecord, SpanStatus
from aiops_mcp.models.traces import Span, SpanLog, Trace, TraceGroup, TraceHit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(unix_ns: int) -> datetime:
    """Nanoseconds since 1970 as a date, to the microsecond."""
    return _EPOCH + timedelta(microseconds=unix_ns // 1000)


def hit_entity(one: UnitedHit, ids: Mapping[str, UUID]) -> TraceHit:
    hit = one.hit
    return TraceHit(
        trace_id=hit.trace_id,
        cluster_id=ids[one.home],
        cluster_name=one.home,
        clusters=one.clusters,
        root_service=hit.root_service,
        root_operation=hit.root_operation,
        start_time=moment(hit.start_ns),
        duration_ms=hit.duration_ns / 1e6,
        span_count=hit.span_count,
        service_count=hit.service_count,
        has_errors=hit.has_errors,
    )


def group_entity(group: HitGroup) -> TraceGroup:
    slowest, failing = group.slowest, group.failing
    clusters = dict.fromkeys(name for one in group.hits for name in one.clusters)
    return TraceGroup(
        root_service=group.service,
        root_operation=group.operation,
        count=len(group.hits),
        errors=group.errors,
        errors_known=group.errors_known,
        p50_ms=group.p50_ms,
        p95_ms=group.p95_ms,
        clusters=tuple(clusters),
        slowest_id=slowest.hit.trace_id,
        slowest_ms=slowest.hit.duration_ns / 1e6,
        failing_id=failing.hit.trace_id if failing else None,
    )


def trace_entity(
    trace: AssembledTrace, home: ClusterRef, stores: Mapping[str, ClusterRef]
) -> Trace:
    """``home`` is the cluster whose store has the root; ``stores`` are all that have a part."""
    root = trace.spans[trace.root]
    clusters = [stores[name] for name in spans_by_cluster(trace) if name in stores]
    clusters += [ref for ref in stores.values() if ref not in clusters]
    return Trace(
        trace_id=root.trace_id,
        cluster_id=home.cluster_id,
        cluster_name=home.cluster_name,
        clusters=tuple(clusters),
        root_service=root.service,
        root_operation=root.name,
        start_time=moment(trace.start_ns),
        duration_ms=(trace.end_ns - trace.start_ns) / 1e6,
        span_count=len(trace.spans),
        service_count=len({span.service for span in trace.spans}),
        has_errors=any(span.status is SpanStatus.ERROR for span in trace.spans),
        spans=span_entities(trace),
    )


def span_entities(trace: AssembledTrace) -> tuple[Span, ...]:
    """All spans by their corrected start."""
    make = Span.model_construct  # they were checked when they were read, and there are many
    return tuple(
        make(
            span_id=span.span_id,
            parent_span_id=span.parent_id or None,
            operation_name=span.name,
            service_name=span.service,
            kind=span.kind,
            start_time=moment(start),
            duration_ms=span.duration_ns / 1e6,
            status=span.status,
            status_message=span.message or None,
            cluster_name=cluster,
            tags={**span.resource, **span.attributes},
            logs=_logs(span),
        )
        for span, start, cluster in zip(trace.spans, trace.starts, trace.clusters, strict=True)
    )


_NOTHING_LOGGED: tuple[SpanLog, ...] = ()


def _logs(span: SpanRecord) -> tuple[SpanLog, ...]:
    if not span.events:
        return _NOTHING_LOGGED
    make: Callable[..., SpanLog] = SpanLog.model_construct
    return tuple(make(timestamp=moment(event.at_ns), message=event.text) for event in span.events)
