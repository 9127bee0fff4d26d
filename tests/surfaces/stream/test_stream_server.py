"""What ``stream_server`` relies on inside uvicorn, so that a new version of it is noticed here."""

import asyncio
import inspect

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from aiops_mcp.surfaces.stream_server import StreamProtocol, frame_bytes


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_a_frame_is_what_the_library_would_write(length):
    payload = b"x" * length
    assert frame_bytes(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


async def test_what_it_relies_on_is_there():
    for method in ("handle_connect", "resume_writing", "pause_writing", "connection_made"):
        assert callable(getattr(WebSocketsSansIOProtocol, method))
    protocol = StreamProtocol(_config(), uvicorn.server.ServerState(), {})
    assert isinstance(protocol.writable, asyncio.Event)
    assert protocol.writable.is_set()
    assert (protocol.close_sent, protocol.disconnected) == (False, False)
    assert protocol.conn.extensions == []
    protocol.pause_writing()
    assert not protocol.writable.is_set()
    assert protocol.write_text(b"waits") is False
    called = []
    protocol.on_takes_more(lambda: called.append(True))
    protocol.resume_writing()
    assert protocol.writable.is_set()
    assert called == [True]


async def test_after_a_close_nothing_is_written():
    class Transport:
        written: list[bytes] = []
        closing = False

        def write(self, data: bytes) -> None:
            self.written.append(data)

        def is_closing(self) -> bool:
            return self.closing

    protocol = StreamProtocol(_config(), uvicorn.server.ServerState(), {})
    transport = protocol.transport = Transport()
    assert protocol.write_text(b"{}") is True
    assert transport.written == [b"\x81\x02{}"]
    protocol.close_sent = True
    assert protocol.write_text(b"{}") is True
    protocol.close_sent, protocol.disconnected = False, True
    assert protocol.write_text(b"{}") is True
    protocol.disconnected, transport.closing = False, True
    assert protocol.write_text(b"{}") is True
    assert len(transport.written) == 1


async def test_the_scope_has_it_and_it_writes_between_what_asgi_sends(streams):
    stream = await streams()
    async with stream.client() as client:
        assert (await client.ask({"type": "ping"}))["type"] == "pong"
        [served] = stream.hub.clients
        assert isinstance(served.websocket.scope["extensions"]["aiops.direct"], StreamProtocol)
        await served.websocket.send_text('{"n":1}')
        served.send(orjson.dumps({"n": 2}))
        await served.websocket.send_text('{"n":3}')
        assert [(await client.next())["n"] for _ in range(3)] == [1, 2, 3]


async def test_a_client_that_does_not_answer_a_ping_is_closed():
    ended = asyncio.Event()

    async def endpoint(websocket):
        await websocket.accept()
        assert (await websocket.receive())["type"] == "websocket.disconnect"
        ended.set()

    server = uvicorn.Server(
        _config(
            app=Starlette(routes=[WebSocketRoute("/", endpoint)]),
            port=0,
            ws_ping_interval=0.05,
            ws_ping_timeout=0.1,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        writer.write(
            f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        async with asyncio.timeout(5):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            ping = await reader.readexactly(6)
            assert ping[0] == 0x89
            close = await reader.readexactly(4)
            assert (close[0], int.from_bytes(close[2:4])) == (0x88, 1011)
        writer.close()  # it would wait ten seconds for an answer to its close
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        writer.close()
        server.should_exit = True
        await serving


def test_the_server_asks_for_signs_of_life_as_the_contract_says():
    from aiops_mcp import serving

    source = inspect.getsource(serving._serve)
    assert "ws_ping_interval=HEARTBEAT_SECONDS" in source
    assert "ws_ping_timeout=SILENCE_SECONDS" in source
    assert (serving.HEARTBEAT_SECONDS, serving.SILENCE_SECONDS) == (30.0, 10.0)


def _config(**changed) -> uvicorn.Config:
    given = {"app": Starlette(), "log_config": None, "ws": StreamProtocol, "ws_max_size": 65_536}
    config = uvicorn.Config(**{**given, "ws_per_message_deflate": False, **changed})
    config.load()
    return config
