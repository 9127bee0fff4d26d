"""A client of a server's ``/api/v1/logs/tail``: comes back by itself, from the last line on.

Knows the frames and nothing of terminals.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from agents.stream_client import MAX_FRAME_BYTES, PAUSES, websocket_url
from aiops_mcp.errors import AiopsError, AuthFailed, ClusterUnreachable, InputError

_CALLERS_FAULT = {"AUTH_FAILED", "AUTH_EXPIRED", "PERMISSION_DENIED"}


async def follow(
    server: str,
    token: str | None,
    asked: dict[str, Any],
    *,
    told: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[dict[str, Any]]:
    """The frames of a log tail, for ever; ``told`` gets what else a person should know.

    Raises:
        ClusterUnreachable: the server could not be reached the first time.
        AuthFailed, InputError: the server refuses the token or the question.
    """
    last: str | None = None
    failures, ever = 0, False
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    while True:
        try:
            async with connect(
                tail_url(server, asked, last),
                additional_headers=headers,
                max_size=MAX_FRAME_BYTES,
                compression=None,
                proxy=None,
            ) as socket:
                async for text in socket:
                    frame = cast("dict[str, Any]", orjson.loads(text))
                    if frame.get("type") == "error":
                        raise _refusal(frame)
                    failures, ever = 0, True
                    if frame.get("type") == "log":
                        last = str(frame["entries"][-1]["timestamp"])
                    yield frame
        except InvalidURI as error:
            raise InputError(f"{server} is no URL of a server.", "Use http://host:port.") from error
        except (OSError, InvalidHandshake, TimeoutError, WebSocketException) as error:
            if not ever:
                raise ClusterUnreachable(
                    f"No log tail answers at {server}.", "Start a server with `aiops serve`."
                ) from error
        pause = PAUSES[min(failures, len(PAUSES) - 1)]
        failures += 1
        told(f"the connection is gone; trying again in {pause:g} s")
        await sleep(pause)


def tail_url(server: str, asked: dict[str, Any], last: str | None) -> str:
    """The address of a log tail; from ``last`` (a line's time) on, once there was one."""
    given = [(name, asked[name]) for name in ("query", "limit", "tenant") if asked.get(name)]
    given += [("clusters", name) for name in asked.get("clusters") or ()]
    if last is not None:
        given.append(("start", last))
    root = websocket_url(server).removesuffix("/ws")
    return f"{root}/api/v1/logs/tail?{urlencode(given)}"


def _refusal(frame: dict[str, Any]) -> AiopsError:
    message = str(frame.get("message", ""))
    if frame.get("code") in _CALLERS_FAULT:
        return AuthFailed(message, "Give another token with --token.")
    return InputError(message)
