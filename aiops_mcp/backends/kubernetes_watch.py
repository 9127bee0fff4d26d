"""Follow the objects of a kind: changes as they happen, across reconnects and expired versions.

Wire format: kubernetes.io "API concepts", efficient detection of changes. The caller sees only
ADDED, MODIFIED and DELETED; bookmarks, errors and lists made anew are dealt with here.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from aiops_mcp.backends import faults
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal, status_refusal
from aiops_mcp.backends.retry import pause_before
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import (
    BackendError,
    BackendMisbehaved,
    BackendRefused,
    ClusterUnreachable,
    QueryTimeout,
)

SERVER_SECONDS = 300  # after which the server ends the stream; bookmarks come about every minute
_GRACE_SECONDS = 30.0
MAX_FAILURES = 5  # in a row, without an event between them


class WatchEvent(NamedTuple):
    """``type`` is ADDED, MODIFIED or DELETED; a DELETED found by a new list has metadata only."""

    type: str
    object: dict[str, Any]


class Lister(Protocol):
    """The part of a Kubernetes client that a watch stands on."""

    @property
    def http(self) -> HttpClient: ...

    async def list_page(
        self,
        path: str,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> tuple[list[dict[str, Any]], str]: ...


class _Expired(Exception):
    """The server no longer knows the version: only a new list helps."""


@dataclass(slots=True)
class _Known:
    """What the caller has been told of: version and identifying metadata by uid."""

    version: str | None
    objects: dict[str, tuple[str, dict[str, Any]]] = field(
        default_factory=dict[str, tuple[str, dict[str, Any]]]
    )

    def take(self, kind: str, found: dict[str, Any]) -> None:
        metadata: Mapping[str, Any] = found.get("metadata") or {}
        self.version = str(metadata.get("resourceVersion") or self.version or "")
        uid = _uid(found)
        if kind == "DELETED":
            self.objects.pop(uid, None)
        else:
            named = {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
            self.objects[uid] = (self.version, named)

    def changes(self, items: list[dict[str, Any]]) -> list[WatchEvent]:
        """A new list as the changes since; order: new and changed ones, then what has gone."""
        present = {_uid(item) for item in items}
        events: list[WatchEvent] = []
        for item in items:
            known = self.objects.get(_uid(item))
            if known is None:
                events.append(WatchEvent("ADDED", item))
            elif known[0] != item["metadata"].get("resourceVersion"):
                events.append(WatchEvent("MODIFIED", item))
        events += [
            WatchEvent("DELETED", {"metadata": named})
            for uid, (_, named) in self.objects.items()
            if uid not in present
        ]
        return events


async def watch_objects(
    client: Lister,
    path: str,
    selectors: list[tuple[str, str]],
    resource_version: str | None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> AsyncGenerator[WatchEvent]:
    """Changes without end.

    Without a version it begins with a list, every object of which comes as ADDED. With one it
    goes on from there. When the server has forgotten the version (410), the list is read anew and
    comes as the changes since; an object that was never told of comes as ADDED, so take ADDED as
    "this is how it is now".

    Raises:
        BackendUnauthorized, BackendRefused: at once.
        ClusterUnreachable, QueryTimeout, BackendMisbehaved: after five failures in a row.
    """
    known = _Known(resource_version)
    failures = 0
    fruitless = 0
    while True:
        before = known.version
        try:
            if not known.version:
                for event in await _listed(client, path, selectors, known):
                    yield event
            async with aclosing(_stream(client.http, path, selectors, known)) as events:
                async for event in events:
                    failures = 0
                    yield event
            expired = False
        except _Expired:
            expired = True
        except (ClusterUnreachable, QueryTimeout, BackendMisbehaved):
            failures += 1
            if failures >= MAX_FAILURES:
                raise
            await sleep(pause_before(failures, None, jitter()))
            continue
        if not expired and known.version != before:
            fruitless = 0
            continue
        # A server that hangs up or forgets at once must not be asked without a pause.
        known.version = None if expired else known.version
        fruitless += 1
        await sleep(pause_before(fruitless, None, jitter()))


async def _listed(
    client: Lister, path: str, selectors: list[tuple[str, str]], known: _Known
) -> list[WatchEvent]:
    chosen = dict(selectors)
    items, version = await client.list_page(
        path,
        label_selector=chosen.get("labelSelector"),
        field_selector=chosen.get("fieldSelector"),
    )
    events = known.changes(items)
    for event in events:
        known.take(event.type, event.object)
    known.version = version
    return events


async def _stream(
    http: HttpClient, path: str, selectors: list[tuple[str, str]], known: _Known
) -> AsyncGenerator[WatchEvent]:
    """One connection's events; ends when the server ends it."""
    params = [
        *selectors,
        ("watch", "1"),
        ("allowWatchBookmarks", "true"),
        ("timeoutSeconds", str(SERVER_SECONDS)),
        *([("resourceVersion", known.version)] if known.version else []),
    ]
    lines = http.stream_lines(
        path,
        params,
        idle_seconds=SERVER_SECONDS + _GRACE_SECONDS,
        total_seconds=SERVER_SECONDS + _GRACE_SECONDS,
        read_error=kubernetes_refusal,
    )
    try:
        async with aclosing(lines) as found:
            async for line in found:
                kind, item = _event(http, line)
                if kind == "ERROR":
                    raise _error_event(http, item)
                if kind == "BOOKMARK":
                    known.version = item["metadata"]["resourceVersion"]
                    continue
                known.take(kind, item)
                yield WatchEvent(kind, item)
    except BackendRefused as error:
        if error.http_status == 410:
            raise _Expired from error
        raise


def _event(http: HttpClient, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        event: Any = orjson.loads(line)
        kind, item = event["type"], event["object"]
        if kind != "ERROR":
            item["metadata"]["resourceVersion"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError) as error:
        raise faults.not_json(http.target, Answer(200, {}, line)) from error
    return kind, item


def _error_event(http: HttpClient, status: dict[str, Any]) -> BackendError | _Expired:
    code = status.get("code")
    if code == 410 or status.get("reason") in {"Expired", "Gone"}:
        return _Expired()
    refusal = status_refusal(status)
    answer = Answer(code if isinstance(code, int) and code >= 400 else 503, {}, b"")
    return faults.refused(http.target, answer, refusal)


def _uid(item: Mapping[str, Any]) -> str:
    metadata: Mapping[str, Any] = item.get("metadata") or {}
    return str(metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata.get('name', '')}")
