"""What is asked of the simulated Jaeger, and which traces fit."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import orjson

from aiops_mcp.simulation.spans import Span, SpanSet, Status
from aiops_mcp.simulation.traceql_tokens import nanoseconds

MOST_TRACES = 1_500
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_DEPTH = 100


class BadSearch(ValueError):
    """What Jaeger answers with a status and a message."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Search:
    """A search; times in unix seconds, durations in nanoseconds of one span."""

    service: str
    operation: str
    start: float
    end: float
    depth: int
    shortest: int = 0
    longest: float = math.inf
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


def search_v3(query: Mapping[str, str]) -> Search:
    """A search of API v3, whose parameters may be written in either case.

    Raises:
        BadSearch: something that is needed is missing, or cannot be read.
    """

    def given(name: str) -> str:
        snake = re.sub(r"[A-Z]", lambda match: f"_{match.group().lower()}", name)
        return query.get(f"query.{name}") or query.get(f"query.{snake}") or ""

    if not given("serviceName"):
        raise BadSearch("malformed parameter query.service_name: service name is required")
    return Search(
        service=given("serviceName"),
        operation=given("operationName"),
        start=_moment(given("startTimeMin"), "query.start_time_min"),
        end=_moment(given("startTimeMax"), "query.start_time_max"),
        depth=_count(given("searchDepth") or given("numTraces"), "query.search_depth"),
        shortest=_duration(given("durationMin"), "query.duration_min") or 0,
        longest=_duration(given("durationMax"), "query.duration_max") or math.inf,
        tags=_tags(given("attributes"), "query.attributes"),
    )


def search_v1(query: Mapping[str, str], now: float) -> Search:
    """A search of the older API.

    Raises:
        BadSearch: something that is needed is missing, or cannot be read.
    """
    if not query.get("service"):
        raise BadSearch("parameter 'service' is required")
    lookback = query.get("lookback", "")
    back = _duration(lookback, "lookback") if lookback and lookback != "custom" else None
    end = _micros(query.get("end", ""), "end", now)
    return Search(
        service=query["service"],
        operation=query.get("operation", ""),
        start=_micros(query.get("start", ""), "start", end - (back or 3600 * 10**9) / 1e9),
        end=end,
        depth=_count(query.get("limit", ""), "limit"),
        shortest=_duration(query.get("minDuration", ""), "minDuration") or 0,
        longest=_duration(query.get("maxDuration", ""), "maxDuration") or math.inf,
        tags=_tags(query.get("tags", ""), "tags"),
    )


def _moment(text: str, name: str) -> float:
    if not text:
        raise BadSearch(f"malformed parameter {name}: time is required")
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError as error:
        raise BadSearch(f"malformed parameter {name}: cannot parse {text!r}") from error
    if moment.tzinfo is None:
        raise BadSearch(f"malformed parameter {name}: {text!r} has no time zone")
    return moment.timestamp()


def _micros(text: str, name: str, default: float) -> float:
    if not text:
        return default
    if not re.fullmatch(r"\d{1,18}", text):
        raise BadSearch(f"unable to parse param '{name}': invalid syntax")
    return int(text) / 1e6


def _count(text: str, name: str) -> int:
    if not text:
        return _DEPTH
    if not re.fullmatch(r"\d{1,9}", text) or int(text) == 0:
        raise BadSearch(f"malformed parameter {name}: {text!r} is no positive number")
    return min(int(text), MOST_TRACES)


def _duration(text: str, name: str) -> int | None:
    if text and not _DURATION.fullmatch(text):
        raise BadSearch(f"malformed parameter {name}: invalid duration {text!r}")
    return nanoseconds(text) if text else None


def _tags(text: str, name: str) -> dict[str, str]:
    try:
        tags: Any = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise BadSearch(f"malformed parameter {name}: {error}") from error
    if not isinstance(tags, dict):
        raise BadSearch(f"malformed parameter {name}: an object is expected")
    pairs = cast("dict[str, Any]", tags)
    if not all(isinstance(value, str) for value in pairs.values()):
        raise BadSearch(f"malformed parameter {name}: values are strings")
    return pairs


def found(search: Search, traces: Iterable[SpanSet]) -> list[SpanSet]:
    """The newest traces with a span that fits."""
    hits: list[SpanSet] = []
    for trace in traces:
        if any(_fits(span, search) for span in trace.spans):
            hits.append(trace)
            if len(hits) >= search.depth:
                break
    return hits


def _fits(span: Span, search: Search) -> bool:
    return (
        span.process.service == search.service
        and (not search.operation or span.name == search.operation)
        and search.shortest <= span.duration_ns <= search.longest
        and all(_has(span, key, value) for key, value in search.tags.items())
    )


def _has(span: Span, key: str, wanted: str) -> bool:
    if key == "error":
        return (span.status is Status.ERROR) is (wanted == "true")
    value = span.attributes.get(key, span.process.resource.get(key))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return value is not None and text == wanted


def dependencies(traces: Iterable[SpanSet]) -> list[dict[str, Any]]:
    """Which service calls which, and how often."""
    calls: dict[tuple[str, str], int] = {}
    for trace in traces:
        services = {span.span_id: span.process.service for span in trace.spans}
        for span in trace.spans:
            above = services.get(span.parent_id)
            if above is not None and above != span.process.service:
                pair = above, span.process.service
                calls[pair] = calls.get(pair, 0) + 1
    return [
        {"parent": parent, "child": child, "callCount": count}
        for (parent, child), count in sorted(calls.items())
    ]
