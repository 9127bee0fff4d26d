"""Follow a LogQL query over Loki's WebSocket, across reconnects.

Wire format: Grafana Loki's HTTP API reference, ``/tail``, and ``pkg/querier/tail``: text frames
with streams and dropped entries; the server pings, closes after an hour at most, and with 1011 on
an error. A new connection begins one nanosecond after the last line that came.
"""

import asyncio
import base64
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable

import orjson
import wsproto.events
from httpx2.websockets import (
    AsyncWebSocketSession,
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketUpgradeError,
)

from aiops_mcp.backends import faults
from aiops_mcp.backends.call import Params
from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.loki_answers import TailFrame, loki_refusal, parse_frame
from aiops_mcp.backends.prometheus_answers import MalformedAnswer
from aiops_mcp.backends.retry import pause_before
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import AiopsError, BackendMisbehaved, ClusterUnreachable, QueryTimeout

MAX_FAILURES = 5
"""In a row, without a frame between them; then the tail is given up."""

_FRAME_BYTES = 32 * 1024 * 1024
_PING_SECONDS = 20.0
_PONG_SECONDS = 30.0
_WAITING_FRAMES = 8
_SERVER_FAILED = 1011

OPENED = TailFrame(())
"""The first frame of each connection, which Loki does not send: it says that one is open."""

Put = Callable[[TailFrame], Awaitable[None]]
Connect = Callable[[int | None, Put], Awaitable[None]]
"""One connection from a nanosecond on (None: from now); returns when the server ends it."""


async def follow(
    connect: Connect,
    start: int | None,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> AsyncGenerator[TailFrame]:
    """Frames without end. A reader that is slow makes Loki wait, which then drops and says so.

    Raises:
        BackendUnauthorized, BackendRefused, InputError: at once.
        ClusterUnreachable, QueryTimeout, BackendMisbehaved: after five failures in a row.
    """
    frames: asyncio.Queue[TailFrame | AiopsError] = asyncio.Queue(_WAITING_FRAMES)
    pump = asyncio.create_task(_pump(connect, start, frames, sleep, jitter))
    try:
        while True:
            found = await frames.get()
            if isinstance(found, AiopsError):
                raise found
            yield found
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(
    connect: Connect,
    start: int | None,
    frames: "asyncio.Queue[TailFrame | AiopsError]",
    sleep: Callable[[float], Awaitable[None]],
    jitter: Callable[[], float],
) -> None:
    """Connect again and again; a session lives in one task, as its scopes must."""
    last, failures = start, 0

    async def put(frame: TailFrame) -> None:
        nonlocal last, failures
        if frame.streams or frame.dropped:
            failures = 0
        newest = max((line.ns for each in frame.streams for line in each.lines), default=None)
        if newest is not None:
            last = newest + 1 if last is None else max(last, newest + 1)
        await frames.put(frame)

    while True:
        try:
            await connect(last, put)
            failures += 1
            fault: AiopsError | None = None
        except (ClusterUnreachable, QueryTimeout, BackendMisbehaved) as error:
            failures += 1
            fault = error
        except AiopsError as error:
            await frames.put(error)
            return
        if failures >= MAX_FAILURES:
            await frames.put(fault or _ends_at_once())
            return
        await sleep(pause_before(failures, None, jitter()))


def _ends_at_once() -> ClusterUnreachable:
    return ClusterUnreachable(
        "Loki ends the tail as soon as it is opened.",
        "A proxy in between may not pass WebSockets, or Loki's limit of tails is reached.",
    )


async def listen(http: HttpClient, path: str, params: Params, put: Put, *, timeout: float) -> None:
    """One connection: every frame to ``put``, until the server ends it.

    Raises:
        BackendRefused, ClusterUnreachable, QueryTimeout, BackendMisbehaved: see `faults`.
    """
    fault: AiopsError | None = None
    try:
        async with http.upgrade(
            path, params, _handshake(), timeout=timeout, read_error=loki_refusal
        ) as response:
            session = AsyncWebSocketSession(
                response.extensions["network_stream"],
                max_message_size_bytes=_FRAME_BYTES,
                keepalive_ping_interval_seconds=_PING_SECONDS,
                keepalive_ping_timeout_seconds=_PONG_SECONDS,
                response=response,
            )
            async with session:
                await put(OPENED)
                fault = await _receive(session, http, put)
    except WebSocketUpgradeError as error:  # in process, a refusal comes as this
        refused = error.response
        answer = Answer(refused.status_code, dict(refused.headers), refused.content)
        raise faults.refused(http.target, answer, loki_refusal(answer)) from error
    except HTTPXWSException as error:
        raise ClusterUnreachable(
            f"{http.target}: the WebSocket was closed before it was open.",
            "A proxy in between may not pass WebSockets.",
            details=faults.details_of(http.target),
        ) from error
    if fault is not None:
        raise fault


async def _receive(session: AsyncWebSocketSession, http: HttpClient, put: Put) -> AiopsError | None:
    """Until the connection ends; the fault is returned, as a session wraps what is raised in it."""
    while True:
        try:
            event = await session.receive()
        except HTTPXWSException as closed:
            return _closed(http, closed)
        if isinstance(event, wsproto.events.TextMessage | wsproto.events.BytesMessage):
            try:
                frame = parse_frame(orjson.loads(event.data))
            except (orjson.JSONDecodeError, MalformedAnswer):
                return BackendMisbehaved(
                    f"{http.target}: sent a frame that is not a tail's.",
                    "Check that the URL is Loki's own.",
                    details=faults.details_of(http.target),
                )
            await put(frame)


def _closed(http: HttpClient, closed: HTTPXWSException) -> AiopsError | None:
    if isinstance(closed, WebSocketDisconnect) and closed.code == _SERVER_FAILED:
        said = f": {closed.reason}" if closed.reason else ""
        return ClusterUnreachable(
            f"{http.target}: ended the tail with an error{said}.",
            "It is opened again.",
            details=faults.details_of(http.target),
        )
    return None


def _handshake() -> dict[str, str]:
    """Source: RFC 6455, section 4.1."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
