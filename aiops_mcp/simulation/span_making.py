"""Spans with the attributes that OpenTelemetry's conventions name, for HTTP and databases.

Source: open-telemetry/semantic-conventions, HTTP and database spans, exceptions. It must not know
how likely anything is.
"""

from dataclasses import dataclass
from random import Random

from aiops_mcp.simulation.service_calls import Call, ClusterServices, Variant
from aiops_mcp.simulation.spans import (
    AttributeValue,
    Kind,
    Process,
    Span,
    SpanEvent,
    Status,
)
from aiops_mcp.simulation.topology import DatabaseSpec

FAILED, MISSING, FINE = 500, 404, 200


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a call failed before its callee answered."""

    kind: str
    exception: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a span lies: who records it, its ids, and its true time (ns)."""

    home: ClusterServices
    process: Process
    span_id: str
    parent_id: str
    start: int
    end: int


def _placed(frame: Frame, name: str, kind: Kind, attributes: dict[str, AttributeValue]) -> Span:
    """A span by the clock of the cluster that records it."""
    ahead = int(frame.home.cluster.spec.clock_ahead_ms * 1_000_000)
    return Span(
        frame.process,
        frame.span_id,
        frame.parent_id,
        name,
        kind,
        frame.start + ahead,
        frame.end + ahead,
        attributes,
    )


def server_span(frame: Frame, service: str, variant: Variant, dice: Random, code: int) -> Span:
    """What a service records of a request that it answered."""
    method, path = variant.route.route.split(" ", 1)
    attributes: dict[str, AttributeValue] = {
        "http.request.method": method,
        "http.route": path,
        "url.path": _filled(path, dice),
        "url.scheme": "http",
        "http.response.status_code": code,
        "server.address": frame.home.works[service].service or service,
        "server.port": frame.home.works[service].port or 8080,
    }
    if code >= FAILED:
        attributes["error.type"] = str(code)
    return _placed(frame, variant.route.route, Kind.SERVER, attributes)


def client_span(
    frame: Frame, there: ClusterServices, call: Call, variant: Variant, code: int | None
) -> Span:
    """What a caller records of a request that it sent; without a ``code`` nobody answered."""
    method, path = variant.route.route.split(" ", 1)
    host, port = host_of(there, call)
    attributes: dict[str, AttributeValue] = {
        "http.request.method": method,
        "url.full": f"http://{host}:{port}{path}",
        "server.address": host,
        "server.port": port,
        "peer.service": call.callee,
    }
    if code is not None:
        attributes["http.response.status_code"] = code
    span = _placed(frame, method, Kind.CLIENT, attributes)
    if code is not None and code >= FAILED:
        attributes["error.type"] = str(code)
        span.status, span.message = Status.ERROR, f"{code} Internal Server Error"
    return span


def query_span(
    frame: Frame, there: ClusterServices, call: Call, database: DatabaseSpec, statement: str
) -> Span:
    """What a caller records of a statement that it sent to a database."""
    host, port = host_of(there, call)
    operation = statement.split(" ", 1)[0]
    attributes: dict[str, AttributeValue] = {
        "db.system": database.system,
        "db.name": database.name,
        "db.operation": operation,
        "db.statement": statement,
        "server.address": host,
        "server.port": port,
        "peer.service": call.callee,
    }
    return _placed(frame, f"{operation} {database.name}", Kind.CLIENT, attributes)


def fail(span: Span, trouble: Trouble, service: str) -> None:
    """Record in a client span that no answer came."""
    span.status, span.message = Status.ERROR, trouble.message
    span.attributes = {**span.attributes, "error.type": trouble.kind}
    span.events = (exception(span.end_ns - 1_000, trouble.exception, trouble.message, service),)


def exception(at: int, kind: str, message: str, service: str) -> SpanEvent:
    """An exception as the SDKs record it."""
    trace = f"{kind}: {message}\n\tat {service}/internal/server.handle(server.go:118)"
    told = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": trace,
        "exception.escaped": "false",
    }
    return SpanEvent(at, "exception", told)


def host_of(there: ClusterServices, call: Call) -> tuple[str, int]:
    """Name and port at which a caller reaches a callee."""
    work = there.works[call.callee]
    name, port = work.service or work.name, work.port or 8080
    if call.remote:
        return f"{name}.{there.cluster.name}.example.com", 443
    return f"{name}.{work.namespace}.svc", port


def _filled(path: str, dice: Random) -> str:
    """A path with values in the place of its parameters."""
    return path if "{" not in path else f"{path.split('{', 1)[0]}{dice.randrange(1000, 9999)}"
