"""What goes over the wire, as values: where to call, what came back, what a refusal says.

Plain data for `http.py` and the clients above it. Opens nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast, runtime_checkable

import orjson

from aiops_mcp.backends.tls import TlsSettings


@runtime_checkable
class Renewable(Protocol):
    """A bearer that can forget its token, so that the next call gets a new one."""

    def forget(self) -> None: ...


Bearer = Callable[[], str | None] | Callable[[], Awaitable[str | None]]
"""Gives the token of this moment, at every call anew; it may have to wait for one."""

EXCERPT = 500  # characters of a foreign answer that are repeated in an error


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backend answers and how to identify there; ``name`` and ``cluster`` are for people.

    ``bearer`` is asked before every call, so that a rotated token is used at once.
    """

    base_url: str
    name: str
    cluster: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    bearer: Bearer | None = field(default=None, repr=False)
    tls: TlsSettings = field(default_factory=TlsSettings)
    proxy: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.name} of cluster {self.cluster}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. Header names are lower case; ``body`` is decoded and bounded."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_html(self) -> bool:
        start = self.body[:200].lstrip().lower()
        return self.media_type == "text/html" or start.startswith((b"<!doctype html", b"<html"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a backend gave as its reason; ``too_heavy``: repeating would only make it worse."""

    reason: str
    too_heavy: bool = False
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


ErrorReader = Callable[[Answer], Refusal]


def plain_refusal(answer: Answer) -> Refusal:
    """The reason as any server may write it: text, a JSON string, or an object with a message."""
    if answer.is_html:
        return Refusal("an HTML page")
    text = answer.body[: 8 * EXCERPT].decode("utf-8", "replace").strip()
    try:
        value: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Refusal(excerpt(text))
    if isinstance(value, dict):
        said = cast("dict[str, Any]", value)
        for key in ("message", "error", "msg"):
            if isinstance(said.get(key), str):
                return Refusal(excerpt(said[key]))
    return Refusal(excerpt(value if isinstance(value, str) else text))


def excerpt(text: str) -> str:
    """At most 500 characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…"
