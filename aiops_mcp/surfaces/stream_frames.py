"""Frames of the event stream: events as bytes that every client gets, requests as values. Pure."""

from typing import Any, cast

import orjson
from pydantic import ValidationError

from aiops_mcp.errors import InvalidSubscription
from aiops_mcp.models.events import Event, EventType, Notice, NoticeKind, Subscription
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.websocket_auth import MAX_FRAME_BYTES

MAX_FILTERS = 500
_LONG_TEXT = 1_000
_LONG_LIST = 50
_DEPTH = 6


def event_frame(event: Event, sequence: str | None) -> bytes:
    """An event as its ``event`` frame: cleaned, and of a payload that is too large only a part."""
    fields = cast("dict[str, Any]", guard_json(event.model_dump(mode="json")))
    frame = {"type": "event", "sequence": sequence, **fields}
    encoded = orjson.dumps(frame)
    if len(encoded) <= MAX_FRAME_BYTES:
        return encoded
    payload = cast("dict[str, Any]", _shortened(fields["payload"], _DEPTH))
    encoded = orjson.dumps({**frame, "payload": payload, "shortened": True})
    if len(encoded) <= MAX_FRAME_BYTES:
        return encoded
    kept: dict[str, Any] = {}
    room = MAX_FRAME_BYTES - 2_000
    for name, value in payload.items():
        room -= len(orjson.dumps({name: value}))
        if room > 0:
            kept[name] = value
    return orjson.dumps({**frame, "payload": kept, "shortened": True})


def _shortened(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONG_TEXT else value[:_LONG_TEXT] + "…"
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        items = list(cast("dict[str, Any]", value).items())[:_LONG_LIST]
        return {name[:_LONG_TEXT]: _shortened(item, depth - 1) for name, item in items}
    if isinstance(value, list):
        return [_shortened(item, depth - 1) for item in cast("list[Any]", value)[:_LONG_LIST]]
    return value


def notice_frame(notice: Notice) -> bytes:
    """A ``gap`` frame, or the ``notice`` of an administrator."""
    frame: dict[str, Any] = {"type": notice.kind.value, "message": guard_json(notice.text)}
    if notice.kind is NoticeKind.GAP:
        frame["dropped"] = notice.dropped
    return orjson.dumps(frame)


def read_subscription(frame: dict[str, Any]) -> Subscription:
    """What a ``subscribe`` frame asks for; its fields may also stand in the frame itself.

    Raises:
        InvalidSubscription: something in it is unknown, malformed or too much.
    """
    given = frame.get("subscription")
    if given is None:
        given = {name: value for name, value in frame.items() if name in Subscription.model_fields}
    try:
        subscription = Subscription.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "subscription"
        raise InvalidSubscription(
            f"{where}: {first['msg']}.",
            "Send event_types, cluster_filter and namespace_filter, each a list of texts.",
        ) from error
    count = len(subscription.cluster_filter) + len(subscription.namespace_filter)
    if count > MAX_FILTERS:
        raise InvalidSubscription(
            f"{count} filters are too many.", f"Send at most {MAX_FILTERS}, or none for all."
        )
    return subscription


def read_event_types(frame: dict[str, Any]) -> frozenset[EventType]:
    """The types an ``unsubscribe`` frame names; all where it names none.

    Raises:
        InvalidSubscription: a type is unknown.
    """
    given: object = frame.get("event_types")
    if given in (None, []):
        return frozenset(EventType)
    try:
        return frozenset(EventType(name) for name in cast("list[str]", given))
    except (ValueError, TypeError) as error:
        known = ", ".join(kind.value for kind in EventType)
        raise InvalidSubscription("event_types: unknown type.", f"There are {known}.") from error


def namespace_of(event: Event) -> str | None:
    """The namespace an event is about: its payload's, or that of its labels."""
    payload = event.payload
    labels = payload.get("labels")
    for holder in (payload, labels):
        if isinstance(holder, dict):
            value = cast("dict[str, Any]", holder).get("namespace")
            if isinstance(value, str):
                return value
    return None
