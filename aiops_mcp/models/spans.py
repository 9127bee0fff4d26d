"""Spans and hits as a store of traces tells them: what parsing, assembly and analysis work on.

Times are unix nanoseconds, as on the wire. Named tuples, for a trace may have many thousands of
them; what callers get is in `models.traces`. No I/O, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

TagValue = str | int | float | bool
"""Of an attribute; a list or a map is its JSON."""


CLUSTER_KEYS = ("k8s.cluster.name", "cluster", "cluster.name", "openshift.cluster.name")
"""Attributes of a process that say in which cluster it runs; a store may hold several's spans."""


class SpanStatus(StrEnum):
    OK = "OK"
    ERROR = "ERROR"
    UNSET = "UNSET"


class SpanKind(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"
    CONSUMER = "CONSUMER"


class SpanEvent(NamedTuple):
    """Something logged within a span; ``text`` is its name and what it says."""

    at_ns: int
    text: str


class SpanRecord(NamedTuple):
    """One span. Ids are lower-case hex, 32 and 16 digits; ``parent_id`` is empty for a root.

    ``resource`` is shared by all spans of one process. ``message`` says why it failed.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    kind: SpanKind
    start_ns: int
    duration_ns: int
    status: SpanStatus
    message: str
    attributes: Mapping[str, TagValue]
    resource: Mapping[str, TagValue]
    events: tuple[SpanEvent, ...]

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns


@dataclass(frozen=True, slots=True)
class TraceSpans:
    """What one store has of one trace.

    ``partial`` says why the store knows that something is missing; ``broken`` counts spans that
    could not be read.
    """

    spans: tuple[SpanRecord, ...]
    partial: str = ""
    broken: int = 0


class FoundTrace(NamedTuple):
    """One hit of a search. What a store does not tell is None."""

    trace_id: str
    root_service: str | None
    root_operation: str | None
    start_ns: int
    duration_ns: int
    span_count: int | None = None
    service_count: int | None = None
    has_errors: bool | None = None


@dataclass(frozen=True, slots=True)
class SearchHits:
    """What one store found, in no particular order; ``more``: it may have others that fit."""

    hits: tuple[FoundTrace, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class TraceSearch:
    """What to look for; ``*`` in names and in values of tags stands for anything.

    Durations are those of the span that ``service``, ``operation`` and ``tags`` select, and of the
    whole trace where these select nothing. The tags ``status`` and ``error`` mean the span's
    status. ``limit`` hits are wanted, and up to ``sample`` where more cost the store little.
    ``traceql`` takes the place of everything but the time and the limit.
    """

    start: datetime
    end: datetime
    service: str | None = None
    operation: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    tags: tuple[tuple[str, TagValue], ...] = ()
    traceql: str | None = None
    limit: int = 20
    sample: int = 0
