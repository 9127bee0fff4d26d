"""What the simulated Tempo finds: hits of searches, names and values of tags."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiops_mcp.simulation.otlp_json import any_value
from aiops_mcp.simulation.spans import Span, SpanSet, Status
from aiops_mcp.simulation.tempo_params import Refused, Search, attributes_in
from aiops_mcp.simulation.traceql_match import Matcher, TraceView, reader
from aiops_mcp.simulation.traceql_parse import INTRINSICS
from aiops_mcp.simulation.traceql_tree import (
    Attribute,
    Binary,
    Filter,
    Intrinsic,
    Literally,
    Query,
    Select,
    Value,
)

Json = dict[str, Any]

SCOPES = ("event", "resource", "span", "intrinsic")
NO_ROOT = "<root span not yet received>"
_KEYWORDS = frozenset({"status", "kind"})
_MOST_VALUES = 2_000


def found_traces(search: Search, traces: Iterable[SpanSet]) -> Json:
    """The answer of a search, newest first as they come."""
    hits: list[Json] = []
    looked = 0
    fields = _shown_fields(search.matcher.query)
    for spans in traces:
        looked += 1
        view = TraceView(spans)
        if not search.shortest <= view.duration <= search.longest:
            continue
        selected = search.matcher.select(view)
        if selected:
            hits.append(_hit(view, selected, fields, search.spans))
            if len(hits) >= search.limit:
                break
    metrics = {"inspectedTraces": looked, "inspectedBytes": str(looked * 9000)}
    return {"traces": hits, "metrics": metrics | {"completedJobs": 1, "totalJobs": 1}}


def _shown_fields(query: Query) -> list[Attribute | Intrinsic]:
    fields = attributes_in(query.spans)
    for stage in query.stages:
        if isinstance(stage, Select):
            fields.extend(stage.fields)
    return list(dict.fromkeys(fields))


def _hit(
    trace: TraceView, selected: list[Span], fields: list[Attribute | Intrinsic], most: int
) -> Json:
    root = trace.root
    spans = {
        "spans": [_shown(span, trace, fields) for span in selected[:most]],
        "matched": len(selected),
    }
    return {
        "traceID": trace.trace_id.lstrip("0"),
        "rootServiceName": root.process.service if root else NO_ROOT,
        "rootTraceName": root.name if root else "",
        "startTimeUnixNano": str(trace.start_ns),
        "durationMs": trace.duration // 1_000_000,
        "spanSet": spans,
        "spanSets": [spans],
        "serviceStats": _stats(trace),
    }


def _stats(trace: TraceView) -> Json:
    stats: dict[str, Json] = {}
    for span in trace.spans:
        one = stats.setdefault(span.process.service, {"spanCount": 0})
        one["spanCount"] += 1
        if span.status is Status.ERROR:
            one["errorCount"] = one.get("errorCount", 0) + 1
    return stats


def _shown(span: Span, trace: TraceView, fields: list[Attribute | Intrinsic]) -> Json:
    told: Json = {"spanID": span.span_id}
    if Intrinsic("name") in fields:
        told["name"] = span.name
    told |= {"startTimeUnixNano": str(span.start_ns), "durationNanos": str(span.duration_ns)}
    attributes: list[Json] = []
    for field in fields:
        value = reader(field)(span, trace)
        if value is not None and field.name not in ("name", "duration"):
            attributes.append({"key": field.name, "value": any_value(value)})
    return told | {"attributes": attributes}


# --- tags -------------------------------------------------------------------------------------


def tag_names(traces: Iterable[SpanSet]) -> dict[str, list[str]]:
    """The names of attributes by scope."""
    names: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for trace in traces:
        for span in trace.spans:
            names["resource"].update(span.process.resource)
            names["span"].update(span.attributes)
            for event in span.events:
                names["event"].update(event.attributes)
    names["intrinsic"] = set(INTRINSICS)
    return {scope: sorted(found) for scope, found in names.items()}


def field_named(text: str) -> Attribute | Intrinsic:
    """A tag as the paths name it: ``resource.service.name``, ``.name`` or an intrinsic.

    Raises:
        Refused: it has no scope.
    """
    if text in INTRINSICS:
        return Intrinsic(INTRINSICS[text])
    scope, dot, name = text.partition(".")
    if not dot or not name:
        raise Refused(f"tag name is not valid intrinsic or scoped attribute: {text}")
    match scope:
        case "span":
            return Attribute("span", name)
        case "resource":
            return Attribute("resource", name)
        case "event":
            return Attribute("event", name)
        case "":
            return Attribute("any", name)
        case _:
            raise Refused(f"tag name is not valid intrinsic or scoped attribute: {text}")


def tag_values(
    field: Attribute | Intrinsic, query: Query | None, traces: Iterable[SpanSet]
) -> list[Value]:
    """The distinct values of a tag among the spans that a query selects."""
    matcher = Matcher(_only_equal(query)) if query else None
    read = reader(field)
    found: dict[Value, None] = {}
    for spans in traces:
        view = TraceView(spans)
        for span in matcher.select(view) if matcher else view.spans:
            value = read(span, view)
            if value is not None:
                found[value] = None
        if len(found) >= _MOST_VALUES:
            break
    return sorted(found, key=str)


def _only_equal(query: Query) -> Query:
    """Of a query just ``{ a = b && ... }``, for more Tempo does not regard here."""
    spans = query.spans
    if not isinstance(spans, Filter) or spans.condition is None:
        return Query(Filter(None))
    waiting, simple = [spans.condition], True
    while waiting:
        one = waiting.pop()
        if isinstance(one, Binary) and one.op == "&&":
            waiting += [one.left, one.right]
        elif not (isinstance(one, Binary) and isinstance(one.right, Literally)):
            simple = False
    return Query(spans if simple else Filter(None))


def typed(field: Attribute | Intrinsic, value: Value) -> Mapping[str, str]:
    """A value as the second version of the API shows it."""
    if isinstance(field, Intrinsic) and field.name in _KEYWORDS:
        return {"type": "keyword", "value": str(value)}
    if isinstance(value, bool):
        return {"type": "bool", "value": str(value).lower()}
    if isinstance(value, int):
        duration = isinstance(field, Intrinsic) and "uration" in field.name
        return {"type": "duration" if duration else "int", "value": str(value)}
    return {"type": "float" if isinstance(value, float) else "string", "value": str(value)}
