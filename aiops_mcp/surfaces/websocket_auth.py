"""Lets a WebSocket in: by its Authorization header, or by a first frame that holds the token.

Browsers cannot set headers on a WebSocket, so the contract puts the token into the first frame.
Knows no route; whoever serves one calls ``admit_websocket`` and goes on with who was admitted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from aiops_mcp.errors import AccessError, AiopsError, AuthFailed, InputError
from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.auth import bearer_token
from aiops_mcp.surfaces.gate import Gate

MAX_FRAME_BYTES = 64 * 1024
"""Of a frame in either direction (contract)."""

POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who is on a connection; ``client_id`` names the connection in answers and lists.

    ``is_good`` says whether the token is good still; it may raise ``AuthExpired``.
    """

    principal: Principal
    client_id: str
    is_good: Callable[[], Awaitable[bool]] = field(repr=False)


async def admit_websocket(
    websocket: WebSocket, gate: Gate, *, timeout: float = 10.0
) -> Admitted | None:
    """Accept the connection and find out who it is; ``None`` where it was told no and closed.

    A caller without header must send ``{"type": "auth", "token": …}`` within ``timeout`` seconds
    and gets ``auth_response``. Where no token is needed nothing is waited for: pass an ``auth``
    frame that comes all the same to ``authenticate_frame``.
    """
    await websocket.accept()
    try:
        if "authorization" in websocket.headers or not gate.needs_token:
            admission = await gate.admit(websocket)
            token = bearer_token(websocket.headers.get("authorization"))
            return Admitted(admission.principal, str(uuid4()), lambda: gate.knows(token))
        async with asyncio.timeout(timeout):
            frame = read_frame(await _next_text(websocket))
        if frame.get("type") != "auth":
            raise AuthFailed(
                "The first frame must be an auth frame.", 'Send {"type": "auth", "token": …}.'
            )
        return await authenticate_frame(websocket, gate, frame)
    except TimeoutError:
        refusal: AiopsError = AuthFailed(
            f"No auth frame came within {timeout:g} s.", "Send it as soon as you are connected."
        )
    except (AiopsError, WebSocketDisconnect) as error:
        if isinstance(error, WebSocketDisconnect):
            return None
        refusal = error
    await refuse(websocket, refusal)
    return None


async def authenticate_frame(
    websocket: WebSocket, gate: Gate, frame: dict[str, Any], *, client_id: str | None = None
) -> Admitted:
    """Who an ``auth`` frame says it is, answered with ``auth_response``.

    Raises:
        AuthFailed: no token, or one nobody knows.
        AuthExpired: a token that was good once.
        TooManyRequests: a limit is used up.
    """
    token = frame.get("token")
    if token is not None and not isinstance(token, str):
        raise AuthFailed("token is not text.", 'Send {"type": "auth", "token": "…"}.')
    admission = await gate.admit_token(websocket, token)
    admitted = Admitted(admission.principal, client_id or str(uuid4()), lambda: gate.knows(token))
    await send_frame(
        websocket,
        {
            "type": "auth_response",
            "status": "authenticated",
            "client_id": admitted.client_id,
            "role": admitted.principal.role.value,
        },
    )
    return admitted


def read_frame(text: str | None) -> dict[str, Any]:
    """The JSON object in a text frame.

    Raises:
        InputError: it is binary, holds no JSON object, or is over 64 KiB.
    """
    if text is None:
        raise InputError("Binary frames are not understood.", "Send JSON as text.")
    if len(text) > MAX_FRAME_BYTES or len(text.encode(errors="replace")) > MAX_FRAME_BYTES:
        raise InputError(f"The frame is over {MAX_FRAME_BYTES} bytes.", "Send less at once.")
    try:
        decoded: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InputError(f"The frame is no JSON: {error}.", "Send one JSON object.") from error
    if not isinstance(decoded, dict):
        raise InputError("The frame is no JSON object.", 'Send {"type": …}.')
    return cast("dict[str, Any]", decoded)


def error_frame(error: AiopsError, code: str | None = None) -> dict[str, Any]:
    """The ``error`` frame of an error, with its own code where none is given."""
    return {"type": "error", "code": code or error.code, "message": str(error)}


async def send_frame(websocket: WebSocket, frame: dict[str, Any]) -> None:
    """Send a frame as JSON text; a connection that is gone swallows it."""
    if websocket.application_state is not WebSocketState.CONNECTED:
        return
    try:
        await websocket.send_text(orjson.dumps(frame).decode())
    except (WebSocketDisconnect, RuntimeError):
        return  # closed by the other side while we wrote: its reader ends too


async def refuse(websocket: WebSocket, error: AiopsError) -> None:
    """Say why and close: 1008 for who may not, 1013 for who may come again."""
    code = None if isinstance(error, AccessError) or error.retryable else "AUTH_FAILED"
    await send_frame(websocket, error_frame(error, code))
    if websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(
            TRY_AGAIN_LATER if error.retryable else POLICY_VIOLATION, error.message[:100]
        )


async def _next_text(websocket: WebSocket) -> str | None:
    """The text of the next frame; ``None`` of a binary one.

    Raises:
        WebSocketDisconnect: the other side is gone.
    """
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006), message.get("reason"))
    return message.get("text")
