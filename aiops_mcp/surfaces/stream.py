"""``/ws``: the protocol of the event stream on one connection (contract §4).

    client: auth, subscribe, unsubscribe, ping
    server: auth_response, subscribed, unsubscribed, pong, event, gap, notice, error, disconnect

Liveness is the WebSocket's own ping and pong, which the server sends (``HEARTBEAT_SECONDS``).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from aiops_mcp.errors import AccessError, AiopsError, AuthExpired, InputError, InvalidSubscription
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.ratelimit import Demand, MemoryBuckets, Rate
from aiops_mcp.surfaces.stream_client import StreamClient
from aiops_mcp.surfaces.stream_frames import read_event_types, read_subscription
from aiops_mcp.surfaces.stream_hub import StreamHub
from aiops_mcp.surfaces.websocket_auth import (
    TRY_AGAIN_LATER,
    admit_websocket,
    authenticate_frame,
    error_frame,
    read_frame,
    refuse,
    send_frame,
)

_log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0
SILENCE_SECONDS = 10.0
GOING_AWAY = 1001

_FRAMES = Rate("frames", 20, 1, 50)
"""Frames a client may send a second; there is little it has to say."""

_FULL_RECONNECT_MS = 30_000


def stream_route(
    hub: StreamHub, gate: Gate, clock: Callable[[], datetime], *, auth_seconds: float = 10.0
) -> WebSocketRoute:
    """The route ``/ws``."""
    endpoint = StreamEndpoint(hub, gate, clock, auth_seconds)

    async def stream(websocket: WebSocket) -> None:
        await endpoint(websocket)

    return WebSocketRoute("/ws", stream)


class StreamEndpoint:
    """Serves one connection after the other; holds nothing of any."""

    def __init__(
        self, hub: StreamHub, gate: Gate, clock: Callable[[], datetime], auth_seconds: float
    ) -> None:
        self._hub = hub
        self._gate = gate
        self._clock = clock
        self._auth_seconds = auth_seconds

    async def __call__(self, websocket: WebSocket) -> None:
        hub = self._hub
        if not hub.has_room():
            await self._turn_away(websocket)
            return
        try:
            admitted = await admit_websocket(websocket, self._gate, timeout=self._auth_seconds)
            if admitted is None:
                return
            client = StreamClient(
                websocket,
                admitted,
                self._clock(),
                sent=hub.metrics.sent.inc,
                dropped=hub.count_dropped,
            )
            hub.add(client)
            try:
                await self._serve(client)
            finally:
                hub.remove(client)
                await client.end()
        finally:
            hub.left()

    async def _turn_away(self, websocket: WebSocket) -> None:
        """Say when to come again: a client that is just cut off comes again at once."""
        await websocket.accept()
        reason = "SERVER_SHUTDOWN" if self._hub.is_closing else "TOO_MANY_CONNECTIONS"
        frame = {"type": "disconnect", "reason": reason, "reconnect_after_ms": _FULL_RECONNECT_MS}
        await send_frame(websocket, frame)
        await websocket.close(TRY_AGAIN_LATER, reason)

    async def _serve(self, client: StreamClient) -> None:
        """Read frames until the client leaves or the server does."""
        reading = asyncio.create_task(self._read(client))
        going = asyncio.create_task(client.gone.wait())
        watching = asyncio.create_task(self._watch_token(client))
        try:
            await asyncio.wait({reading, going, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, going, watching):
                task.cancel()
            outcomes = await asyncio.gather(reading, going, watching, return_exceptions=True)
        websocket = client.websocket
        if websocket.application_state is WebSocketState.CONNECTED and going.done():
            await _close(websocket, GOING_AWAY, "the server goes away")
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                _log.error("a stream connection failed", exc_info=outcome)
                failure = AiopsError("The server failed.", "Come again.")
                await self._answer(client, error_frame(failure))
                await _close(websocket, 1011, "internal error")

    async def _read(self, client: StreamClient) -> None:
        allowed = MemoryBuckets(most=1)
        while True:
            message = await client.websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._hub.metrics.received.inc()
            [level] = await allowed.take([Demand("frames", _FRAMES)])
            if level.wait:
                await self._answer(
                    client,
                    {
                        "type": "error",
                        "code": "RATE_LIMITED",
                        "message": f"Over {_FRAMES.count} frames a second; this one was dropped.",
                    },
                )
                await asyncio.sleep(1)  # what comes meanwhile waits on the client's side
                continue
            await self._take(client, message.get("text"))

    async def _take(self, client: StreamClient, text: str | None) -> None:
        """Answer one frame; what is wrong with it is an ``error`` frame, and nothing ends."""
        try:
            await self._obey(client, read_frame(text))
        except AccessError as error:
            await refuse(client.websocket, error)
            client.gone.set()
        except InvalidSubscription as error:
            await self._answer(client, error_frame(error))
        except InputError as error:
            await self._answer(client, error_frame(error, "INVALID_MESSAGE"))
        except AiopsError as error:
            await self._answer(client, error_frame(error))

    async def _obey(self, client: StreamClient, frame: dict[str, Any]) -> None:
        kind = frame.get("type")
        if kind == "ping":
            now = self._clock().isoformat()
            sent = frame.get("timestamp")
            told = sent if isinstance(sent, str | int | float) else None
            await self._answer(client, {"type": "pong", "timestamp": told, "server_time": now})
        elif kind == "subscribe":
            try:
                self._hub.subscribe(client, read_subscription(frame), _last_event_id(frame))
            except AiopsError as error:
                self._hub.refused(client, _wanted(frame), error.code)
                raise
        elif kind == "unsubscribe":
            self._hub.unsubscribe(client, read_event_types(frame))
        elif kind == "auth":
            client.admitted = await authenticate_frame(
                client.websocket, self._gate, frame, client_id=client.admitted.client_id
            )
            client.is_paused = False
        else:
            raise InputError(
                f"There is no frame of type {str(kind)[:40]!r}.",
                "Send auth, subscribe, unsubscribe or ping.",
            )

    async def _answer(self, client: StreamClient, frame: dict[str, Any]) -> None:
        """Behind whatever waits, so that answers keep their order with events."""
        client.send(orjson.dumps(frame))

    async def _watch_token(self, client: StreamClient) -> None:
        """See every half minute that the token is still good; end where it stays expired."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if await self._is_good(client):
                continue
            client.is_paused = True
            error = AuthExpired("The token has expired.", "Send an auth frame with a new one.")
            await self._answer(client, error_frame(error))
            await asyncio.sleep(SILENCE_SECONDS)
            if client.is_paused:
                await _close(client.websocket, 1008, "the token has expired")
                return

    async def _is_good(self, client: StreamClient) -> bool:
        try:
            return await client.admitted.is_good()
        except AccessError:
            return False


def _wanted(frame: dict[str, Any]) -> dict[str, Any]:
    """What a frame asks to hear, good or not."""
    wanted = frame.get("subscription")
    return cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else {"subscription": wanted}


def _last_event_id(frame: Mapping[str, Any]) -> str | None:
    last = frame.get("last_event_id")
    if last is None or (isinstance(last, str) and len(last) <= 100):
        return last
    raise InputError("last_event_id is not the id of an event.", "Leave it away.")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    try:
        await websocket.close(code, reason)
    except (WebSocketDisconnect, RuntimeError):
        return  # the other side was first
