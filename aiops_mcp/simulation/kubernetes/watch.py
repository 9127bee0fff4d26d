"""Watches: what changed between two moments, told until the time is up.

The world is a function of time, so a resourceVersion is a moment (ms) and a watch from it is the
difference of two renderings. Nothing is missed and nothing is kept.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson

from aiops_mcp.simulation.kubernetes import faults
from aiops_mcp.simulation.kubernetes.view import Json

Snapshot = Callable[[float], list[Json]]
KEPT = 600.0
"""How far back a watch may start (seconds); etcd is compacted every five minutes."""

BOOKMARK_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """``since`` None: tell all that exists first. Times in seconds, ``poll`` between two looks."""

    since: float | None
    timeout: float
    bookmarks: bool
    poll: float
    kind: str
    api_version: str


async def watch_lines(
    snapshot: Snapshot,
    request: WatchRequest,
    now: Callable[[], float],
    shape: Callable[[Json], Json],
) -> AsyncIterator[bytes]:
    """Lines of JSON, one event each; ``shape`` makes what is sent of an object."""
    if request.since is not None and now() - request.since > KEPT:
        gone = faults.failure(410, "Expired", "too old resource version")
        yield _line("ERROR", gone)
        return
    known: dict[tuple[str, str], Json] = {}
    if request.since is not None:
        known = _keyed(snapshot(request.since))
    waited = told = 0.0
    while True:
        moment = now()
        current = _keyed(snapshot(moment))
        for kind, thing in _differences(known, current):
            yield _line(kind, shape(thing))
        known = current
        if waited >= request.timeout:
            break
        pause = min(request.poll, request.timeout - waited)
        await asyncio.sleep(pause)
        waited += pause
        told += pause
        if request.bookmarks and told >= BOOKMARK_EVERY:
            told = 0.0
            yield _bookmark(request, moment)
    if request.bookmarks:
        yield _bookmark(request, now())


def _keyed(things: list[Json]) -> dict[tuple[str, str], Json]:
    return {
        (thing["metadata"].get("namespace", ""), thing["metadata"]["name"]): thing
        for thing in things
    }


def _differences(
    before: dict[tuple[str, str], Json], after: dict[tuple[str, str], Json]
) -> list[tuple[str, Json]]:
    found = [("DELETED", thing) for key, thing in before.items() if key not in after]
    for key, thing in after.items():
        if key not in before:
            found.append(("ADDED", thing))
        elif before[key] != thing:
            found.append(("MODIFIED", thing))
    return found


def _line(kind: str, thing: Json) -> bytes:
    return orjson.dumps({"type": kind, "object": thing}) + b"\n"


def _bookmark(request: WatchRequest, moment: float) -> bytes:
    version = str(int(moment * 1000))
    thing = {
        "kind": request.kind,
        "apiVersion": request.api_version,
        "metadata": {"resourceVersion": version, "creationTimestamp": None},
    }
    return _line("BOOKMARK", thing)
