"""A trace as Jaeger's API v1 writes it: tags with types, microseconds, processes by key."""

from typing import Any

from aiops_mcp.simulation.otlp_json import SCOPE
from aiops_mcp.simulation.spans import Attributes, AttributeValue, Span, SpanSet, Status

Json = dict[str, Any]

_TYPES: dict[type, str] = {bool: "bool", int: "int64", float: "float64", str: "string"}


def trace_v1(trace: SpanSet) -> Json:
    """One trace."""
    keys: dict[int, str] = {}
    processes: Json = {}
    spans: list[Json] = []
    for span in trace.spans:
        key = keys.setdefault(id(span.process), f"p{len(keys) + 1}")
        if key not in processes:
            resource = {k: v for k, v in span.process.resource.items() if k != "service.name"}
            processes[key] = {"serviceName": span.process.service, "tags": _tags(resource)}
        spans.append(_span(span, trace.trace_id, key))
    return {"traceID": trace.trace_id, "spans": spans, "processes": processes, "warnings": None}


def _span(span: Span, trace_id: str, process: str) -> Json:
    tags = _tags(span.attributes)
    tags.append(_tag("span.kind", span.kind.value))
    tags.append(_tag("otel.scope.name", SCOPE))
    if span.status is Status.ERROR:
        tags += [_tag("otel.status_code", "ERROR"), _tag("error", value=True)]
        if span.message:
            tags.append(_tag("otel.status_description", span.message))
    parent = {"refType": "CHILD_OF", "traceID": trace_id, "spanID": span.parent_id}
    return {
        "traceID": trace_id,
        "spanID": span.span_id,
        "operationName": span.name,
        "references": [parent] if span.parent_id else [],
        "startTime": span.start_ns // 1000,
        "duration": span.duration_ns // 1000,
        "tags": tags,
        "logs": [
            {
                "timestamp": event.at_ns // 1000,
                "fields": [_tag("event", event.name), *_tags(event.attributes)],
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _tags(attributes: Attributes) -> list[Json]:
    return [_tag(key, value) for key, value in attributes.items()]


def _tag(key: str, value: AttributeValue) -> Json:
    return {"key": key, "type": _TYPES[type(value)], "value": value}
