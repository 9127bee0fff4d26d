"""``/api/v1/logs/tail``: new lines of many clusters over one WebSocket, as they come.

    client: auth (where no Authorization header was sent), ping
    server: auth_response, source, log, dropped, pong, error

What is followed stands in the URL: ``query`` (LogQL), ``clusters``, ``start``, ``limit`` (lines of
before), ``tenant``. A client that does not read loses the oldest lines, and is told how many. Knows
no fleet: what gives the lines is passed in.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from aiops_mcp.errors import AiopsError, InputError, PermissionDenied, RateLimited
from aiops_mcp.models.logs import LogEntry, TailDropped, TailItem, TailLines
from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.websocket_auth import (
    MAX_FRAME_BYTES,
    Admitted,
    admit_websocket,
    error_frame,
    read_frame,
    refuse,
    send_frame,
)

_log = logging.getLogger(__name__)

PATH = "/api/v1/logs/tail"
NEEDS = "metrics:read"
MOST_TAILS = 200
"""At a time, of all callers: each holds a connection to every cluster it follows."""

DEFAULT_BACKLOG, MOST_BACKLOG = 10, 1000
_LONGEST_MESSAGE = 32 * 1024
_ROOM = MAX_FRAME_BYTES - 1024
_TOKEN_CHECK_SECONDS = 30.0
_ENDED, _FAILED = 1000, 1011


@dataclass(frozen=True, slots=True)
class TailQuestion:
    """What is followed; ``start`` as it was written, ``limit`` lines of before at most."""

    query: str
    clusters: tuple[str, ...] = ()
    start: str | None = None
    limit: int = DEFAULT_BACKLOG
    tenant: str | None = None


class Tail(Protocol):
    """Gives the lines. Raises AiopsError, at once or later."""

    def __call__(
        self, question: TailQuestion, principal: Principal
    ) -> AsyncGenerator[TailItem]: ...


Refused = Callable[[Mapping[str, Any], Principal, str], None]
"""Is told what was asked for, by whom, and the code of the error that was the answer."""


def log_tail_route(
    tail: Tail, gate: Gate, *, refused: Refused | None = None, auth_seconds: float = 10.0
) -> WebSocketRoute:
    """The route; its connections are counted together. ``tail`` itself tells of what it refuses."""
    endpoint = LogTailEndpoint(tail, gate, auth_seconds, refused)

    async def follow(websocket: WebSocket) -> None:
        await endpoint(websocket)

    return WebSocketRoute(PATH, follow)


class LogTailEndpoint:
    """Serves each connection in its own task."""

    def __init__(
        self, tail: Tail, gate: Gate, auth_seconds: float, refused: Refused | None
    ) -> None:
        self._tail = tail
        self._gate = gate
        self._auth_seconds = auth_seconds
        self._refused = refused
        self._open = 0

    async def __call__(self, websocket: WebSocket) -> None:
        admitted = await admit_websocket(websocket, self._gate, timeout=self._auth_seconds)
        if admitted is None:
            return
        try:
            question = read_question(websocket)
            if not admitted.principal.may(NEEDS):
                raise PermissionDenied(f"Following logs needs the permission {NEEDS}.")
            if self._open >= MOST_TAILS:
                raise RateLimited(
                    f"{MOST_TAILS} logs are followed already.", "Come again.", retry_after=30.0
                )
        except AiopsError as error:
            if self._refused is not None:
                self._refused(dict(websocket.query_params), admitted.principal, error.code)
            await _end(websocket, error)
            return
        self._open += 1
        try:
            await self._serve(websocket, question, admitted)
        finally:
            self._open -= 1

    async def _serve(
        self, websocket: WebSocket, question: TailQuestion, admitted: Admitted
    ) -> None:
        """Until the client leaves, its token ends, or there is nothing to follow any more."""
        lines = self._tail(question, admitted.principal)
        tasks = (
            asyncio.create_task(_send_all(websocket, lines)),
            asyncio.create_task(_read_all(websocket, admitted)),
            asyncio.create_task(_watch_token(admitted)),
        )
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        failure = next((error for task in done if (error := task.exception())), None)
        if isinstance(failure, WebSocketDisconnect):
            return
        if failure is not None and not isinstance(failure, AiopsError):
            _log.error("a log tail failed", exc_info=failure)
            failure = AiopsError("The server failed.", "Come again.")
        await _end(websocket, failure)


def read_question(websocket: WebSocket) -> TailQuestion:
    """What the URL asks for.

    Raises:
        InputError: a parameter is missing, unknown or malformed; details name it.
    """
    given = websocket.query_params
    known = {"query", "clusters", "cluster_ids", "start", "start_time", "limit", "tenant"}
    if unknown := sorted(set(given.keys()) - known):
        raise _wrong(unknown[0], f"{unknown[0]!r} is no parameter; known are {sorted(known)}.")
    query = given.get("query", "").strip()
    if not query:
        raise _wrong("query", 'A query is needed, such as {namespace="shop"}.')
    limit = given.get("limit", str(DEFAULT_BACKLOG))
    # Long ones are not even read: Python refuses to, beyond some thousand digits.
    if not limit.isdecimal() or len(limit) > 9 or int(limit) > MOST_BACKLOG:
        raise _wrong("limit", f"limit is a number up to {MOST_BACKLOG}.")
    named = [*given.getlist("clusters"), *given.getlist("cluster_ids")]
    return TailQuestion(
        query,
        tuple(term for each in named if (term := each.strip())),
        given.get("start") or given.get("start_time"),
        int(limit),
        given.get("tenant"),
    )


def _wrong(field: str, message: str) -> InputError:
    return InputError(message, details={"field": field})


async def _send_all(websocket: WebSocket, lines: AsyncGenerator[TailItem]) -> None:
    async with aclosing(lines):
        async for item in lines:
            for frame in frames_of(item):
                # Waits while the client does not read; meanwhile the oldest lines are dropped.
                await websocket.send_text(frame)


def frames_of(item: TailItem) -> Iterator[str]:
    """The frames that tell of an item, each under 64 KiB and without secrets."""
    if isinstance(item, TailDropped):
        yield _text({"type": "dropped", "count": item.count})
    elif isinstance(item, TailLines):
        yield from _frames_of_lines(item.entries)
    else:
        yield _text({"type": "source", **guard_json(item.model_dump(mode="json"))})


def _frames_of_lines(entries: Sequence[LogEntry]) -> Iterator[str]:
    waiting: list[bytes] = []
    size = 0
    for entry in entries:
        told = guard_json(entry.model_dump(mode="json"))
        if len(told["message"]) > _LONGEST_MESSAGE:
            told["message"] = told["message"][: _LONGEST_MESSAGE // 4] + "…"
            told["shortened"] = True
        encoded = orjson.dumps(told)
        if waiting and size + len(encoded) > _ROOM:
            yield _log_frame(waiting)
            waiting, size = [], 0
        if len(encoded) <= _ROOM:
            waiting.append(encoded)
            size += len(encoded) + 1
    if waiting:
        yield _log_frame(waiting)


def _log_frame(entries: Sequence[bytes]) -> str:
    return '{"type":"log","entries":[' + b",".join(entries).decode() + "]}"


async def _read_all(websocket: WebSocket, admitted: Admitted) -> None:
    """Answer what the client says, which is little, until it leaves."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        try:
            frame = read_frame(message.get("text"))
        except InputError as error:
            await send_frame(websocket, error_frame(error, "INVALID_MESSAGE"))
            continue
        if frame.get("type") == "ping":
            sent = frame.get("timestamp")  # a text or a number; what is nested cannot be told back
            told = sent if isinstance(sent, str | int | float) else None
            await send_frame(websocket, {"type": "pong", "timestamp": told})
        elif frame.get("type") == "auth":  # of a client that always says it
            again = {"status": "authenticated", "client_id": admitted.client_id}
            await send_frame(websocket, {"type": "auth_response", **again})
        else:
            error = InputError("This stream understands ping only.", "What is followed is its URL.")
            await send_frame(websocket, error_frame(error, "INVALID_MESSAGE"))


async def _watch_token(admitted: Admitted) -> None:
    """Return when the token is good no more."""
    looking = True
    while looking:
        await asyncio.sleep(_TOKEN_CHECK_SECONDS)
        looking = await admitted.is_good()


async def _end(websocket: WebSocket, failure: AiopsError | None) -> None:
    """Say why it ends and close."""
    if failure is None:
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(_ENDED)
        return
    if isinstance(failure, PermissionDenied | RateLimited):
        await refuse(websocket, failure)
        return
    await send_frame(websocket, error_frame(failure))
    if websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(_FAILED if failure.status >= 500 else 1008, failure.message[:100])


def _text(frame: dict[str, Any]) -> str:
    return orjson.dumps(frame).decode()
