"""Spans as OTLP writes them in JSON, in its two dialects.

Tempo answers plain protobuf JSON (ids in base64, enumerations by name), Jaeger v3 the OTLP
mapping (ids in hex, enumerations as numbers). Source: open-telemetry/opentelemetry-proto
``trace/v1/trace.proto``.
"""

import base64
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from aiops_mcp.simulation.spans import (
    Attributes,
    AttributeValue,
    Kind,
    Process,
    Span,
    SpanEvent,
    Status,
)

Json = dict[str, Any]

SCOPE = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
_KINDS = {Kind.INTERNAL: 1, Kind.SERVER: 2, Kind.CLIENT: 3}
_STATUSES = {Status.UNSET: 0, Status.OK: 1, Status.ERROR: 2}


class Dialect(StrEnum):
    """Which of the two mappings."""

    PROTOBUF = "protobuf"
    OTLP = "otlp"


def resource_spans(spans: Iterable[Span], dialect: Dialect, trace_id: str) -> list[Json]:
    """The spans of a trace, a block for each process."""
    blocks: dict[int, Json] = {}
    by_process: dict[int, list[Json]] = {}
    for span in spans:
        key = id(span.process)
        if key not in blocks:
            by_process[key] = []
            blocks[key] = _block(span.process, by_process[key])
        by_process[key].append(_span(span, dialect, trace_id))
    return list(blocks.values())


def _block(process: Process, spans: list[Json]) -> Json:
    scope = {"name": SCOPE, "version": "0.60.0"}
    return {
        "resource": {"attributes": attributes(process.resource)},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }


def _span(span: Span, dialect: Dialect, trace_id: str) -> Json:
    plain = dialect is Dialect.PROTOBUF
    told: Json = {"traceId": _id(trace_id, plain=plain), "spanId": _id(span.span_id, plain=plain)}
    if span.parent_id:
        told["parentSpanId"] = _id(span.parent_id, plain=plain)
    kind = f"SPAN_KIND_{span.kind.value.upper()}" if plain else _KINDS[span.kind]
    told |= {
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": attributes(span.attributes),
    }
    if span.events:
        told["events"] = [_event(event) for event in span.events]
    told["status"] = _status(span, plain=plain)
    return told


def _status(span: Span, *, plain: bool) -> Json:
    if span.status is Status.UNSET:
        return {}
    code = f"STATUS_CODE_{span.status.value.upper()}" if plain else _STATUSES[span.status]
    return {"code": code} | ({"message": span.message} if span.message else {})


def _event(event: SpanEvent) -> Json:
    return {
        "timeUnixNano": str(event.at_ns),
        "name": event.name,
        "attributes": attributes(event.attributes),
    }


def _id(text: str, *, plain: bool) -> str:
    return base64.b64encode(bytes.fromhex(text)).decode() if plain else text


def attributes(values: Attributes) -> list[Json]:
    """Attributes as a list of keys and typed values."""
    return [{"key": key, "value": any_value(value)} for key, value in values.items()]


def any_value(value: AttributeValue) -> Json:
    """One value with its type; integers are strings, as all of 64 bits are."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
