"""The bodies that the short way understands: a plain tool call, and that one is no longer wanted.

Knows how a request is written in either era, and neither HTTP nor tools. What it does not
recognise it leaves to the protocol library, without a word on what may be wrong with it.
"""

from dataclasses import dataclass
from typing import Any, cast

import orjson

REVISION = "2026-07-28"
"""The revision whose calls stand alone and say so in their metadata, under names with a prefix."""

PREFIX = "io.modelcontextprotocol/"

_PLAIN_META = frozenset(
    PREFIX + name for name in ("protocolVersion", "clientCapabilities", "clientInfo")
)
_NEEDED_META = _PLAIN_META - {PREFIX + "clientInfo"}
_REQUEST_KEYS = {"jsonrpc", "id", "method", "params"}
_PARAM_KEYS = frozenset({"name", "arguments", "_meta"})


@dataclass(frozen=True, slots=True)
class PlainCall:
    """A request in which there is nothing but a tool, its arguments and who speaks."""

    id: int | str
    name: str
    arguments: dict[str, Any]


def plain_call(body: bytes, *, in_session: bool = False) -> PlainCall | None:
    """The call in a request's body, or ``None`` where anything in it asks for more."""
    request = _message(body)
    params, identity = request.get("params"), request.get("id")
    if (
        request.keys() != _REQUEST_KEYS
        or request["jsonrpc"] != "2.0"
        or request["method"] != "tools/call"
        or not isinstance(params, dict)
        or not isinstance(identity, int | str)
        or isinstance(identity, bool)
    ):
        return None
    fields = cast("dict[str, Any]", params)
    name, arguments = fields.get("name"), fields.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    # Beyond these: a progress token, trace context, answers to questions, or an older shape.
    plain = fields.get("_meta", {}) == {} if in_session else _plain_meta(fields.get("_meta"))
    if not plain or not fields.keys() <= _PARAM_KEYS:
        return None
    return PlainCall(identity, name, cast("dict[str, Any]", arguments))


def _plain_meta(meta: object) -> bool:
    if not isinstance(meta, dict):
        return False
    fields = cast("dict[str, Any]", meta)
    if not _NEEDED_META <= fields.keys() <= _PLAIN_META:
        return False
    return fields[PREFIX + "protocolVersion"] == REVISION and all(
        isinstance(value, dict)
        for key, value in fields.items()
        if not key.endswith("protocolVersion")
    )


def cancelled_request(body: bytes) -> int | str | None:
    """The request that a client no longer wants, where the body says so."""
    message = _message(body)
    params = message.get("params")
    if message.get("method") != "notifications/cancelled" or not isinstance(params, dict):
        return None
    identity = cast("dict[str, Any]", params).get("requestId")
    return identity if isinstance(identity, int | str) else None


def _message(body: bytes) -> dict[str, Any]:
    """The object in a body; empty where there is none."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else {}
