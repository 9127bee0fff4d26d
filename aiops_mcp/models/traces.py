"""Traces, as callers get them: found ones, whole ones, and what matters about one."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.coverage import ClusterRef
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.spans import SpanKind, SpanStatus, TagValue


class SpanLog(Entity):
    timestamp: Timestamp
    message: str


class Span(Entity):
    """One span; ``tags`` are its own attributes over those of its process.

    ``start_time`` is corrected by the trace's ``skews``. ``cluster_name`` is where it ran, as far
    as that is known.
    """

    span_id: str
    parent_span_id: str | None = None
    operation_name: str
    service_name: str
    kind: SpanKind = SpanKind.UNSPECIFIED
    start_time: Timestamp
    duration_ms: float
    status: SpanStatus = SpanStatus.UNSET
    status_message: str | None = None
    cluster_name: str
    tags: dict[str, TagValue] = Field(default_factory=dict)
    logs: tuple[SpanLog, ...] = ()


class TraceGroup(Entity):
    """How many traces of one root operation were found, how long they took, how many failed.

    Of ``errors_known`` it is known whether they failed; where that is less than ``count``, or a
    cluster had more than it told, ``errors`` and ``count`` make no share.
    """

    root_service: str | None
    root_operation: str | None
    count: int
    errors: int
    errors_known: int
    p50_ms: float
    p95_ms: float
    clusters: tuple[str, ...]
    slowest_id: str
    slowest_ms: float
    failing_id: str | None = None


class TraceHit(Entity):
    """A trace that a search found. A trace in several clusters is one hit.

    ``cluster_id`` and ``cluster_name`` are those of its root, as far as that is known.
    ``has_errors``, ``span_count`` and ``service_count`` are None where a store does not say.
    """

    trace_id: str
    cluster_id: UUID
    cluster_name: str
    clusters: tuple[str, ...]
    root_service: str | None
    root_operation: str | None
    start_time: Timestamp
    duration_ms: float
    span_count: int | None = None
    service_count: int | None = None
    has_errors: bool | None = None


class ClockSkew(Entity):
    """The clock of a cluster was off by ``offset_ms`` and its spans were moved by as much."""

    cluster_name: str
    offset_ms: float
    spans: int


class PathStep(Entity):
    """An operation on the critical path: ``self_ms`` of the trace's time were spent in it alone."""

    service_name: str
    operation_name: str
    cluster_name: str
    count: int
    self_ms: float
    share: float
    errors: int = 0
    span_id: str


class NotableSpan(Entity):
    """A span worth a look; ``self_ms`` is its time outside of its children.

    ``count`` spans are alike, of which this is the first. ``passed_on``: it failed for one that it
    called did.
    """

    span_id: str
    service_name: str
    operation_name: str
    cluster_name: str
    duration_ms: float
    self_ms: float
    share: float
    message: str | None = None
    count: int = 1
    passed_on: bool = False


class CallShape(StrEnum):
    SEQUENTIAL = "SEQUENTIAL"
    PARALLEL = "PARALLEL"


class Repetition(Entity):
    """One span that calls the same operation again and again; ``share`` is of the trace's time."""

    parent_service: str
    parent_operation: str
    service_name: str
    operation_name: str
    count: int
    total_ms: float
    share: float
    shape: CallShape


class DifferenceKind(StrEnum):
    SLOWER = "SLOWER"
    MORE_CALLS = "MORE_CALLS"
    ONLY_HERE = "ONLY_HERE"
    MISSING_HERE = "MISSING_HERE"
    FAILS_HERE = "FAILS_HERE"


class Difference(Entity):
    """How an operation differs from the normal traces: times are a trace's total in it alone."""

    kind: DifferenceKind
    service_name: str
    operation_name: str
    count: int
    normal_count: float
    self_ms: float
    normal_self_ms: float


class Comparison(Entity):
    """Against ``compared`` other traces of the same root operation, of ``since`` to ``until``."""

    compared: int
    since: Timestamp
    until: Timestamp
    normal_ms: float
    differences: tuple[Difference, ...] = ()


class TraceSummary(Entity):
    """What matters about one trace; shares are of ``total_ms``.

    ``total_ms`` is what the critical path adds up to: the root span's time, or that from the first
    start to the last end where there are several roots. ``untraced_ms`` of it lie in no span.
    """

    total_ms: float
    critical_path: tuple[PathStep, ...]
    untraced_ms: float = 0.0
    slowest: tuple[NotableSpan, ...] = ()
    failing: tuple[NotableSpan, ...] = ()
    failing_count: int = 0
    repeated: tuple[Repetition, ...] = ()
    services: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    roots: int = 1
    missing_parents: int = 0
    cycles: int = 0
    outlive_root: int = 0
    skews: tuple[ClockSkew, ...] = ()


class Trace(Entity):
    """A whole trace, over every cluster that has a part of it."""

    trace_id: str
    cluster_id: UUID
    cluster_name: str
    clusters: tuple[ClusterRef, ...]
    root_service: str
    root_operation: str
    start_time: Timestamp
    duration_ms: float
    span_count: int
    service_count: int
    has_errors: bool
    spans: tuple[Span, ...] = ()


class ServiceCall(Entity):
    """An edge of the service graph; durations are those of the called side."""

    caller: str
    callee: str
    calls: int
    errors: int
    error_rate: float
    p50_ms: float
    p95_ms: float
    clusters: tuple[str, ...]
