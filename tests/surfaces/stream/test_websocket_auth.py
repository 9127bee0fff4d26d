"""How a WebSocket is let in, over a real ASGI application."""

from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
from aiops_mcp.surfaces.websocket_auth import admit_websocket, send_frame

TOKEN = "viewer-token-1234567890"


def client(*, timeout: float = 5.0, tokens: str | None = f"viewer={TOKEN}", **changed: Any):
    settings = Settings(
        api_tokens=SecretStr(tokens) if tokens else None, rate_user_burst=1000, **changed
    )
    gate = Gate(
        authenticator_from(settings),
        RateLimits(MemoryBuckets(), settings),
        GatewayMetrics(process=False),
    )

    async def endpoint(websocket: WebSocket) -> None:
        admitted = await admit_websocket(websocket, gate, timeout=timeout)
        if admitted is not None:
            await send_frame(websocket, {"in": admitted.principal.subject})
            await websocket.close()

    return TestClient(Starlette(routes=[WebSocketRoute("/ws", endpoint)]))


def test_the_first_frame_holds_the_token() -> None:
    with client().websocket_connect("/ws") as socket:
        socket.send_json({"type": "auth", "token": TOKEN})
        answer = socket.receive_json()
        assert answer["type"] == "auth_response"
        assert answer["status"] == "authenticated"
        assert len(answer["client_id"]) == 36
        assert socket.receive_json() == {"in": "viewer-1"}


def test_a_header_is_enough() -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    with client().websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_json() == {"in": "viewer-1"}


def test_no_token_is_asked_for_where_none_is_set() -> None:
    with client(tokens=None).websocket_connect("/ws") as socket:
        assert socket.receive_json() == {"in": "local"}


@pytest.mark.parametrize(
    "sent",
    [
        '{"type":"auth","token":"wrong-token-wrong"}',
        '{"type":"auth"}',
        '{"type":"auth","token":7}',
        '{"type":"subscribe","subscription":{}}',
        "no json",
        "[1]",
        '"' + "x" * 70_000 + '"',
    ],
)
def test_who_is_not_known_is_told_and_closed(sent: str) -> None:
    with client().websocket_connect("/ws") as socket:
        socket.send_text(sent)
        error = socket.receive_json()
        assert (error["type"], error["code"]) == ("error", "AUTH_FAILED")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1008


def test_a_wrong_header_is_refused_and_does_not_wait_for_a_frame() -> None:
    headers = {"authorization": "Bearer wrong-wrong-wrong"}
    with client().websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_json()["code"] == "AUTH_FAILED"


def test_binary_is_refused() -> None:
    with client().websocket_connect("/ws") as socket:
        socket.send_bytes(b"\x00\xff")
        assert socket.receive_json()["code"] == "AUTH_FAILED"


def test_who_says_nothing_is_closed() -> None:
    with client(timeout=0.05).websocket_connect("/ws") as socket:
        error = socket.receive_json()
        assert error["code"] == "AUTH_FAILED"
        assert "0.05 s" in error["message"]


def test_a_used_up_limit_says_to_come_again() -> None:
    limited = client(rate_all_per_second=1, rate_all_burst=1)
    with limited.websocket_connect("/ws") as socket:
        socket.send_json({"type": "auth", "token": "wrong-wrong-wrong"})
        assert socket.receive_json()["code"] == "AUTH_FAILED"
    with limited.websocket_connect("/ws") as socket:
        socket.send_json({"type": "auth", "token": TOKEN})
        assert socket.receive_json()["code"] == "RATE_LIMITED"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1013
