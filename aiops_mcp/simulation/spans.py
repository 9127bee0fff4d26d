"""Spans as simulated programs record them, before any wire format.

Times are unix nanoseconds by the clock of the cluster that recorded them. It must not know how
spans come about or are served.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

AttributeValue = str | int | float | bool
Attributes = Mapping[str, AttributeValue]


class Kind(StrEnum):
    """A span's kind, as TraceQL writes it."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


class Status(StrEnum):
    """A span's status, as TraceQL writes it."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Process:
    """What recorded spans: a pod's container, by its resource attributes."""

    cluster: str
    service: str
    resource: Attributes


@dataclass(frozen=True, slots=True)
class SpanEvent:
    at_ns: int
    name: str
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """One span; ``parent_id`` is empty for a root. Ids are hexadecimal."""

    process: Process
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    start_ns: int
    end_ns: int
    attributes: Attributes
    status: Status = Status.UNSET
    message: str = ""
    events: tuple[SpanEvent, ...] = ()

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class SpanSet:
    """The spans of one trace that one store has (or, ``cluster`` empty, all of them)."""

    trace_id: str
    cluster: str
    spans: tuple[Span, ...]

    @property
    def start_ns(self) -> int:
        return min(span.start_ns for span in self.spans)

    @property
    def end_ns(self) -> int:
        return max(span.end_ns for span in self.spans)

    @property
    def root(self) -> Span | None:
        """The span without a parent, where this store has it."""
        return next((span for span in self.spans if not span.parent_id), None)
