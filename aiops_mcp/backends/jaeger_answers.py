"""What Jaeger's JSON means: traces of v1 and v3 as spans, and which of them fit a search. Pure.

Source: jaegertracing/jaeger ``model/json/model.go`` (v1), jaeger-idl ``swagger/api_v3`` (v3, whose
traces are OTLP). A span that cannot be read is counted and left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from aiops_mcp.backends.otlp import (
    UNKNOWN_SERVICE,
    event_text,
    hex_id,
    moment_ns,
    parse_resource_spans,
    reason,
)
from aiops_mcp.backends.traceql import status_of
from aiops_mcp.models.spans import (
    FoundTrace,
    SpanEvent,
    SpanKind,
    SpanRecord,
    SpanStatus,
    TagValue,
    TraceSearch,
)

Json = Mapping[str, Any]
Tags = dict[str, TagValue]


def parse_v3(parts: Sequence[object]) -> tuple[list[SpanRecord], int]:
    """Spans of ``{"result": {"resourceSpans": []}}``, of one or several such answers."""
    spans: list[SpanRecord] = []
    broken = 0
    for part in parts:
        body = _map(part)
        found, lost = parse_resource_spans((_map(body.get("result")) or body).get("resourceSpans"))
        spans += found
        broken += lost
    return spans, broken


def parse_v1(payload: Json) -> tuple[list[SpanRecord], int]:
    """Spans of ``{"data": [{"spans": [], "processes": {}}]}``; times are microseconds there."""
    spans: list[SpanRecord] = []
    broken = 0
    for trace in _list(payload.get("data")):
        processes = {
            key: (
                str(_map(one).get("serviceName") or UNKNOWN_SERVICE),
                _tags(_map(one).get("tags")),
            )
            for key, one in _map(_map(trace).get("processes")).items()
        }
        for raw in _list(_map(trace).get("spans")):
            try:
                spans.append(_v1_span(_map(raw), processes))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                broken += 1
    return spans, broken


def _v1_span(raw: Json, processes: Mapping[str, tuple[str, Tags]]) -> SpanRecord:
    own_process = raw.get("process")  # some servers write it into the span
    if isinstance(own_process, Mapping):
        process = _map(cast("object", own_process))
        service, resource = (
            str(process.get("serviceName") or UNKNOWN_SERVICE),
            _tags(process.get("tags")),
        )
    else:
        service, resource = processes.get(str(raw.get("processID")), (UNKNOWN_SERVICE, {}))
    trace_id, span_id = hex_id(raw["traceID"], 16), hex_id(raw["spanID"], 8)
    if not trace_id or not span_id:
        raise ValueError("a span without its ids")
    tags = _tags(raw.get("tags"))
    events = _logs(raw.get("logs"))
    status = _status(tags)
    return SpanRecord(
        trace_id,
        span_id,
        _parent(raw, trace_id),
        str(raw.get("operationName") or ""),
        service,
        _kind(tags),
        moment_ns(_micros(raw["startTime"])),
        max(0, _micros(raw.get("duration") or 0)),
        status,
        reason(tags, events) if status is SpanStatus.ERROR else "",
        tags,
        resource,
        events,
    )


def _micros(value: object) -> int:
    """Microseconds as nanoseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("a time that is no number")
    return min(int(value) * 1000, 2**63) if isinstance(value, int | str) else round(value * 1000)


def _parent(raw: Json, trace_id: str) -> str:
    """The parent within this trace: a CHILD_OF before a FOLLOWS_FROM."""
    if raw.get("parentSpanID"):
        return hex_id(raw["parentSpanID"], 8)
    references = [_map(each) for each in _list(raw.get("references"))]
    for kind in ("CHILD_OF", "FOLLOWS_FROM"):
        for reference in references:
            if reference.get("refType") == kind and _same(reference.get("traceID"), trace_id):
                return hex_id(reference["spanID"], 8)
    return ""


def _same(text: object, trace_id: str) -> bool:
    return isinstance(text, str) and hex_id(text, 16) == trace_id


def _status(tags: Tags) -> SpanStatus:
    told = str(tags.get("otel.status_code", "")).upper()
    if told == "ERROR" or str(tags.get("error", "")).lower() == "true":
        return SpanStatus.ERROR
    return SpanStatus.OK if told == "OK" else SpanStatus.UNSET


def _kind(tags: Tags) -> SpanKind:
    try:
        return SpanKind(str(tags.get("span.kind", "")).upper())
    except ValueError:
        return SpanKind.UNSPECIFIED


def _tags(pairs: object) -> Tags:
    found: Tags = {}
    for pair in _list(pairs):
        key, value = _map(pair).get("key"), _map(pair).get("value")
        if not isinstance(key, str):
            continue
        if isinstance(value, bool | float | str):
            found[key] = value
        elif isinstance(value, int):
            found[key] = value if -(2**63) <= value < 2**63 else str(value)
    return found


def _logs(logs: object) -> tuple[SpanEvent, ...]:
    found: list[SpanEvent] = []
    for log in _list(logs):
        try:
            at = moment_ns(_micros(_map(log).get("timestamp")))
        except (TypeError, ValueError, OverflowError):
            continue
        found.append(SpanEvent(at, event_text("", _tags(_map(log).get("fields")))))
    return tuple(found)


# --- a search over whole traces -------------------------------------------------------------


def hit_of(spans: Sequence[SpanRecord]) -> FoundTrace:
    """A whole trace as a hit; its root is the earliest span without a parent here."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known] or list(spans)
    root = min(roots, key=lambda span: (bool(span.parent_id), span.start_ns))
    start = min(span.start_ns for span in spans)
    has_root = not root.parent_id
    return FoundTrace(
        root.trace_id,
        root.service if has_root else None,
        root.name if has_root else None,
        start,
        max(span.end_ns for span in spans) - start,
        len(spans),
        len({span.service for span in spans}),
        any(span.status is SpanStatus.ERROR for span in spans),
    )


def matches(spans: Sequence[SpanRecord], search: TraceSearch) -> bool:
    """Whether a trace is what is looked for, as `traceql` says it of Tempo."""
    if search.service or search.operation or search.tags:
        return any(_span_matches(span, search) for span in spans)
    start = min(span.start_ns for span in spans)
    return _lasts(max(span.end_ns for span in spans) - start, search)


def _span_matches(span: SpanRecord, search: TraceSearch) -> bool:
    return (
        (not search.service or fits(search.service, span.service))
        and (not search.operation or fits(search.operation, span.name))
        and _lasts(span.duration_ns, search)
        and all(_has(span, key, value) for key, value in search.tags)
    )


def _lasts(duration_ns: int, search: TraceSearch) -> bool:
    milliseconds = duration_ns / 1e6
    low, high = search.min_duration_ms, search.max_duration_ms
    return (low is None or milliseconds >= low) and (high is None or milliseconds <= high)


def _has(span: SpanRecord, key: str, value: TagValue) -> bool:
    status = status_of(key, value)
    if status == "not error":
        return span.status is not SpanStatus.ERROR
    if status is not None:
        return span.status.value.lower() == status
    if key == "kind":
        return span.kind.value.lower() == str(value).lower()
    held = span.attributes.get(key.removeprefix("span."))
    if held is None:
        held = span.resource.get(key.removeprefix("resource."))
    return held is not None and fits(_text(value), _text(held))


def _text(value: TagValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def fits(wanted: str, text: str) -> bool:
    """Whether a text is the wanted one; ``*`` stands for anything."""
    head, *rest = wanted.split("*")
    if not rest:
        return wanted == text
    *middle, tail = rest
    if not text.startswith(head) or len(text) < len(head) + len(tail) or not text.endswith(tail):
        return False
    place, last = len(head), len(text) - len(tail)
    for part in middle:
        found = text.find(part, place, last)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _map(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
