"""What Tempo's JSON means: hits of a search, values of tags, names of spans. Pure.

Source: grafana/tempo ``pkg/tempopb/tempo.proto``. What cannot be read is left out.
"""

from collections.abc import Mapping
from typing import Any, cast

from aiops_mcp.backends.otlp import LAST_NS, hex_id, moment_ns
from aiops_mcp.models.spans import FoundTrace

_NO_ROOT_YET = "<root span not yet received>"


def parse_hits(payload: Mapping[str, Any]) -> tuple[FoundTrace, ...]:
    """The hits of a search; what cannot be read is left out."""
    found: list[FoundTrace] = []
    for item in _objects(payload.get("traces")):
        try:
            found.append(_hit(item))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            continue
    return tuple(found)


def _hit(item: Mapping[str, Any]) -> FoundTrace:
    trace_id = hex_id(item["traceID"], 16)
    if not trace_id:
        raise ValueError("a hit without its id")
    duration = int(item.get("durationMs") or 0)  # protobuf leaves zeros out
    stats = item.get("serviceStats")
    by_service = list(cast("dict[str, Any]", stats).values()) if isinstance(stats, dict) else []
    return FoundTrace(
        trace_id,
        _name(item.get("rootServiceName")),
        _name(item.get("rootTraceName")),
        moment_ns(item.get("startTimeUnixNano")),
        min(max(0, duration) * 1_000_000, LAST_NS),
        sum(int(one.get("spanCount") or 0) for one in by_service) if by_service else None,
        len(by_service) or None,
        any(int(one.get("errorCount") or 0) for one in by_service) if by_service else None,
    )


def _name(value: object) -> str | None:
    return str(value) if value and value != _NO_ROOT_YET else None


def parse_tag_values(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """``tagValues`` of v2 (objects) and v1 (strings), sorted."""
    values = payload.get("tagValues")
    found: set[str] = set()
    for value in cast("list[Any]", values) if isinstance(values, list) else []:
        text = cast("dict[str, Any]", value).get("value") if isinstance(value, dict) else value
        if isinstance(text, str) and text:
            found.add(text)
    return tuple(sorted(found))


def parse_span_names(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the matched spans of a search, sorted."""
    found: set[str] = set()
    for trace in _objects(payload.get("traces")):
        for spans in _objects(trace.get("spanSets")):
            for span in _objects(spans.get("spans")):
                if name := span.get("name"):
                    found.add(str(name))
    return tuple(sorted(found))


def _objects(value: object) -> list[Mapping[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
