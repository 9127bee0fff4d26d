"""Spans out of OTLP's JSON, as Tempo and Jaeger v3 send it. Pure.

Source: open-telemetry/opentelemetry-proto ``trace/v1/trace.proto`` and its JSON mapping. Ids may
be hex (the OTLP rule) or base64 (plain protobuf JSON, as Tempo's); numbers of 64 bits are strings.
A span that cannot be read is counted and left out.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import orjson

from aiops_mcp.backends.wire import Answer
from aiops_mcp.models.spans import SpanEvent, SpanKind, SpanRecord, SpanStatus, TagValue

UNKNOWN_SERVICE = "unknown_service"
"""What OpenTelemetry itself calls a process without ``service.name``."""

LAST_NS = 2**63 - 1
"""The last moment that 64 bits hold, in the year 2262."""

LARGE = 1024 * 1024
"""Bytes of JSON that take so long to read that others should not wait."""

Json = Mapping[str, Any]
T = TypeVar("T")

_HEX = re.compile(r"[0-9a-fA-F]+")
_URL_SAFE = str.maketrans("-_", "+/")
_MOST_TEXT = 4_000
_KINDS: Mapping[object, SpanKind] = {
    **dict(
        enumerate(
            (
                SpanKind.UNSPECIFIED,
                SpanKind.INTERNAL,
                SpanKind.SERVER,
                SpanKind.CLIENT,
                SpanKind.PRODUCER,
                SpanKind.CONSUMER,
            )
        )
    ),
    **{f"SPAN_KIND_{kind.value}": kind for kind in SpanKind},
}
_STATUSES: Mapping[object, SpanStatus] = {
    1: SpanStatus.OK,
    2: SpanStatus.ERROR,
    "STATUS_CODE_OK": SpanStatus.OK,
    "STATUS_CODE_ERROR": SpanStatus.ERROR,
}
_SAYS_WHY = ("exception.message", "error.message", "otel.status_description", "error.type")


async def read_aside(answer: Answer, read: Callable[[], T]) -> T:
    """What ``read`` makes of an answer; a large one is read beside the loop, which goes on."""
    return read() if len(answer.body) < LARGE else await asyncio.to_thread(read)


def hex_id(text: str, size: int) -> str:
    """An id of ``size`` bytes as lower-case hex with its leading zeros; empty where there is none.

    Raises:
        ValueError: it is neither hex nor base64, or too long.
    """
    if len(text) <= 2 * size and _HEX.fullmatch(text):
        ident = text.lower().rjust(2 * size, "0")
    elif text:
        ident = _from_base64(text).hex().rjust(2 * size, "0")
    else:
        return ""
    if len(ident) != 2 * size:
        raise ValueError(f"an id of {len(ident) // 2} bytes instead of {size}")
    return ident if ident.strip("0") else ""


def _from_base64(text: str) -> bytes:
    padded = text.translate(_URL_SAFE) + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, validate=True)
    except binascii.Error as error:
        raise ValueError("an id that is neither hex nor base64") from error


def parse_resource_spans(blocks: object) -> tuple[list[SpanRecord], int]:
    """The spans of ``resourceSpans`` (or Tempo's ``batches``), and how many could not be read."""
    spans: list[SpanRecord] = []
    broken = 0
    for block in _mappings(blocks):
        resource_of_block = block.get("resource")
        resource = (
            attributes(cast("Json", resource_of_block).get("attributes"))
            if isinstance(resource_of_block, Mapping)
            else {}
        )
        service = str(resource.get("service.name") or UNKNOWN_SERVICE)
        scopes = block.get("scopeSpans") or block.get("instrumentationLibrarySpans")
        for scope in _mappings(scopes):
            for raw in _items(scope.get("spans")):
                try:
                    spans.append(_span(cast("Json", raw), service, resource))
                except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                    broken += 1
    return spans, broken


def _span(raw: Json, service: str, resource: Mapping[str, TagValue]) -> SpanRecord:
    trace_id, span_id = hex_id(raw["traceId"], 16), hex_id(raw["spanId"], 8)
    if not trace_id or not span_id:
        raise ValueError("a span without its ids")
    start = moment_ns(raw["startTimeUnixNano"])
    end = int(raw.get("endTimeUnixNano") or start)  # it has not ended yet
    own = attributes(raw.get("attributes"))
    events = _events(raw.get("events"))
    code, message = _status(raw.get("status"))
    return SpanRecord(
        trace_id,
        span_id,
        hex_id(raw.get("parentSpanId") or "", 8),
        str(raw.get("name") or ""),
        service,
        _KINDS.get(raw.get("kind"), SpanKind.UNSPECIFIED),
        start,
        max(0, min(end, LAST_NS) - start),
        code,
        message or (reason(own, events) if code is SpanStatus.ERROR else ""),
        own,
        resource,
        events,
    )


def moment_ns(value: object) -> int:
    """Nanoseconds since 1970 of a string or a number.

    Raises:
        ValueError, TypeError: it is none, or lies outside of what dates can hold.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("a time that is no integer")
    found = int(value)
    if not 0 < found <= LAST_NS:
        raise ValueError("a time outside of all time")
    return found


def reason(own: Mapping[str, TagValue], events: Iterable[SpanEvent]) -> str:
    """Why a span failed, by its attributes or what it logged; empty where nothing says so."""
    for key in _SAYS_WHY:
        if said := own.get(key):
            return str(said)[:_MOST_TEXT]
    return next((event.text for event in events if event.text.startswith("exception")), "")


def _status(status: object) -> tuple[SpanStatus, str]:
    if not isinstance(status, Mapping):
        return SpanStatus.UNSET, ""
    said = cast("Json", status)
    code = said.get("code")
    found = _STATUSES.get(code) if isinstance(code, str | int) else None
    return found or SpanStatus.UNSET, str(said.get("message") or "")[:_MOST_TEXT]


def _events(events: object) -> tuple[SpanEvent, ...]:
    if not events:
        return ()
    found: list[SpanEvent] = []
    for event in _mappings(events):
        try:
            at = moment_ns(event.get("timeUnixNano"))
        except (TypeError, ValueError):
            continue
        found.append(
            SpanEvent(at, event_text(event.get("name"), attributes(event.get("attributes"))))
        )
    return tuple(found)


def event_text(name: object, fields: Mapping[str, TagValue]) -> str:
    """What an event says on one line: an exception's type and message, else name and fields."""
    head = str(name or fields.get("event") or "")
    if said := fields.get("exception.message"):
        kind = fields.get("exception.type")
        body = f"{kind}: {said}" if kind else str(said)
    elif said := fields.get("message"):
        body = str(said)
    else:
        rest = {key: value for key, value in fields.items() if key != "event"}
        body = " ".join(f"{key}={value}" for key, value in rest.items())
    return (f"{head}: {body}" if head and body else head or body)[:_MOST_TEXT]


def attributes(pairs: object) -> dict[str, TagValue]:
    """Attributes by key; what has no readable key or value is left out."""
    found: dict[str, TagValue] = {}
    for pair in _mappings(pairs):
        key, value = pair.get("key"), pair.get("value")
        if isinstance(key, str) and isinstance(value, Mapping) and value:
            read = tag_value(cast("Json", value))
            if read is not None:
                found[key] = read
    return found


def tag_value(value: Json) -> TagValue | None:
    """The value of an OTLP ``AnyValue``; lists and maps as JSON, bytes as their base64."""
    text = value.get("stringValue")
    if isinstance(text, str):
        return text
    number = value.get("intValue")
    if number is not None:
        return _integer(number)
    flag = value.get("boolValue")
    if isinstance(flag, bool):
        return flag
    decimal = value.get("doubleValue")
    if decimal is not None:
        return _decimal(decimal)
    if isinstance(blob := value.get("bytesValue"), str):
        return blob
    return _nested(value)


def _integer(number: object) -> TagValue | None:
    try:
        found = int(cast("Any", number))
    except (TypeError, ValueError, OverflowError):
        return str(number)[:_MOST_TEXT]
    return found if -(2**63) <= found < 2**63 else str(number)[:_MOST_TEXT]


def _decimal(number: object) -> TagValue | None:
    try:
        return float(cast("Any", number))
    except (TypeError, ValueError, OverflowError):
        return str(number)[:_MOST_TEXT]


def _nested(value: Json) -> TagValue | None:
    """A list or a map; deeper than the JSON library goes it is left out."""
    try:
        return orjson.dumps(_plain(value, 0)).decode()[:_MOST_TEXT]
    except (TypeError, ValueError):
        return None


def _plain(value: Json, depth: int) -> Any:
    if depth > 16:
        raise ValueError("an attribute nested too deeply")
    if isinstance(holder := value.get("arrayValue"), Mapping):
        values = _mappings(cast("Json", holder).get("values"))
        return [_plain(each, depth + 1) for each in values]
    if isinstance(holder := value.get("kvlistValue"), Mapping):
        pairs = _mappings(cast("Json", holder).get("values"))
        return {
            str(pair.get("key")): _plain(cast("Json", pair.get("value") or {}), depth + 1)
            for pair in pairs
            if isinstance(pair.get("value"), Mapping)
        }
    if depth == 0:
        raise ValueError("an attribute of an unknown kind")
    return tag_value(value) if value else None


def _items(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _mappings(value: object) -> list[Json]:
    return [cast("Json", each) for each in _items(value) if isinstance(each, Mapping)]
