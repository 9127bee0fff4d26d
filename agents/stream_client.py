"""A client of a server's ``/ws``: comes back by itself, and asks for what it missed.

Knows the protocol of contract §4 and nothing of terminals.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, cast

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from aiops_mcp.errors import AuthExpired, AuthFailed, ClusterUnreachable, InputError

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before the next attempt (contract)."""

MAX_FRAME_BYTES: Final = 256 * 1024


async def stream(
    server: str,
    token: str | None,
    subscription: dict[str, Any],
    *,
    told: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[dict[str, Any]]:
    """The events of a server, for ever; ``told`` gets what else a person should know.

    Raises:
        ClusterUnreachable: the server could not be reached the first time.
        AuthFailed: the token is not known.
        InputError: the server does not take the subscription, or the URL is none.
    """
    last: str | None = None
    failures, ever = 0, False
    while True:
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        try:
            async with connect(
                websocket_url(server), max_size=MAX_FRAME_BYTES, compression=None, proxy=None
            ) as socket:
                await _introduce(socket, token, subscription, last)
                async for text in socket:
                    frame = cast("dict[str, Any]", orjson.loads(text))
                    if frame.get("type") == "event":
                        last = str(frame["event_id"])
                        failures, ever = 0, True
                        yield frame
                    elif frame.get("type") == "disconnect":
                        pause = float(frame.get("reconnect_after_ms", 1000)) / 1000
                        told(f"the server says {frame.get('reason')}")
                    else:
                        ever = _heed(frame, told) or ever
        except InvalidURI as error:
            raise InputError(f"{server} is no URL of a server.", "Use http://host:port.") from error
        except (OSError, InvalidHandshake, TimeoutError, WebSocketException) as error:
            if not ever:
                raise ClusterUnreachable(
                    f"No event stream answers at {server}.", "Start one with `aiops serve`."
                ) from error
        failures += 1
        told(f"the connection is gone; trying again in {pause:g} s")
        await sleep(pause)


def websocket_url(server: str) -> str:
    """The address of ``/ws`` below a server's root URL."""
    root = server.rstrip("/").removesuffix("/mcp")
    scheme, _, rest = root.partition("://")
    return f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}/ws"


async def _introduce(
    socket: ClientConnection, token: str | None, subscription: dict[str, Any], last: str | None
) -> None:
    if token is not None:
        await socket.send(orjson.dumps({"type": "auth", "token": token}).decode())
    frame: dict[str, Any] = {"type": "subscribe", "subscription": subscription}
    if last is not None:
        frame["last_event_id"] = last
    await socket.send(orjson.dumps(frame).decode())


def _heed(frame: dict[str, Any], told: Callable[[str], None]) -> bool:
    """Say what matters of a frame that is no event; whether it shows that we are in."""
    kind, message = frame.get("type"), str(frame.get("message", ""))
    if kind == "subscribed":
        if frame.get("gap"):
            told("events may be missing: the server no longer has all since the last one seen")
        return True
    if kind in ("gap", "notice"):
        told(message)
    elif kind == "error":
        code = frame.get("code")
        if code == "AUTH_FAILED":
            raise AuthFailed(message, "Give another with --token.")
        if code == "AUTH_EXPIRED":
            raise AuthExpired(message, "Give another with --token.")
        if code == "INVALID_SUBSCRIPTION":
            raise InputError(message)
        told(message)
    return False
