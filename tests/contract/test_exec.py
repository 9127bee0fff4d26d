"""Exec against a WebSocket server that answers as a kubelet does, or worse, frame by frame."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx2
import pytest
import wsproto
from certificates import certificate, pem, server_tls
from httpx2.websockets import ASGIWebSocketTransport
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request

from aiops_mcp.backends.http import HttpClient, Target, TlsSettings
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.kubernetes_exec import ExecOutput
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    QueryTimeout,
)

SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()


def exit_code(code):
    status = {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with exit code {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
    return b"\x03" + json.dumps(status).encode()


class Kubelet:
    """Accepts one protocol, sends its frames, and closes; keeps what it was asked."""

    def __init__(self, frames, *, protocol="v5.channel.k8s.io", close=True, raw=b""):
        self.frames = frames
        self.protocol = protocol
        self.close = close
        self.raw = raw
        self.request = None

    async def serve(self, reader, writer):
        connection = wsproto.WSConnection(ConnectionType.SERVER)
        try:
            while self.request is None:
                connection.receive_data(await reader.read(65536))
                self.request = next(
                    (e for e in connection.events() if isinstance(e, Request)), None
                )
            writer.write(connection.send(AcceptConnection(subprotocol=self.protocol)))
            for frame in self.frames:
                event = Ping() if frame == "ping" else BytesMessage(frame)
                writer.write(connection.send(event))
                await writer.drain()
            writer.write(self.raw)
            if self.close:
                writer.write(connection.send(CloseConnection(1000)))
                await writer.drain()
            elif self.close is False:
                await asyncio.Event().wait()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def kubernetes(serve, server_context=None, tls=None):
    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    port = running.sockets[0].getsockname()[1]
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    target = Target(url, "kubernetes", "edge-1", tls=tls or TlsSettings(), bearer=lambda: "t0ken")
    http = HttpClient(target, timeout=5)
    try:
        yield KubernetesClient(http)
    finally:
        await http.aclose()
        running.close()


async def run(kubelet, **settings):
    async with kubernetes(kubelet.serve) as client:
        return await client.exec("gpu", "driver-x", "ctr", ["nvidia-smi", "-L"], **settings)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_streams_and_exit_code_are_told_apart(protocol):
    frames = [b"\x01", b"\x01GPU 0\n", b"\x02warn", b"\x01GPU 1\n", b"\x02ing\n", SUCCESS]
    kubelet = Kubelet(frames, protocol=protocol)
    result = await run(kubelet)
    assert (result.stdout, result.stderr, result.exit_code) == (b"GPU 0\nGPU 1\n", b"warning\n", 0)
    asked = httpx2.URL(f"http://x{kubelet.request.target}")
    assert asked.path == "/api/v1/namespaces/gpu/pods/driver-x/exec"
    assert asked.params.multi_items() == [
        ("command", "nvidia-smi"),
        ("command", "-L"),
        ("container", "ctr"),
        ("stdout", "true"),
        ("stderr", "true"),
    ]
    assert kubelet.request.subprotocols == ["v5.channel.k8s.io", "v4.channel.k8s.io"]


async def test_over_tls_with_a_client_certificate_and_a_token(tmp_path):
    ca = certificate("test CA", is_ca=True)
    server_context = server_tls(tmp_path, certificate("s", ca), client_ca=ca)
    cert, key = pem(certificate("me", ca))
    tls = TlsSettings(ca_bundle=pem(ca)[0], client_cert=cert, client_key=key)
    kubelet = Kubelet([b"\x01GPU 0\n", exit_code(3)])
    async with kubernetes(kubelet.serve, server_context, tls) as client:
        result = await client.exec("gpu", "driver-x", "ctr", ["nvidia-smi"])
    assert (result.stdout, result.exit_code) == (b"GPU 0\n", 3)
    headers = dict(kubelet.request.extra_headers)
    assert headers[b"authorization"] == b"Bearer t0ken"


async def test_exit_code_of_a_failure():
    result = await run(Kubelet([b"\x02no such device\n", exit_code(6)]))
    assert (result.exit_code, result.stderr) == (6, b"no such device\n")


async def test_the_default_container_is_not_named():
    kubelet = Kubelet([SUCCESS])
    async with kubernetes(kubelet.serve) as client:
        await client.exec("gpu", "driver-x", None, ["true"])
    assert "container" not in kubelet.request.target


async def test_characters_cut_in_two_by_frames_stay_whole():
    text = "größe ≥ 1 😀".encode()
    result = await run(Kubelet([b"\x01" + bytes([byte]) for byte in text] + [SUCCESS]))
    assert result.stdout == text


async def test_a_status_that_comes_in_two_frames_and_pings_between():
    frames = ["ping", SUCCESS[:10], "ping", b"\x03" + SUCCESS[10:]]
    assert (await run(Kubelet(frames))).exit_code == 0


async def test_v5_close_frames_and_unknown_channels_mean_nothing():
    frames = [b"\xff\x01", b"\x09what", b"", b"\x01out", SUCCESS]
    assert (await run(Kubelet(frames))).stdout == b"out"


async def test_a_large_output_comes_whole():
    frames = [b"\x01" + b"x" * 32768] * 100 + [SUCCESS]
    assert len((await run(Kubelet(frames))).stdout) == 3_276_800


async def test_output_without_end_is_cut_off():
    kubelet = Kubelet([b"\x01" + b"x" * 32768] * 100)
    with pytest.raises(BackendMisbehaved, match="more than 100,000 bytes"):
        await run(kubelet, max_bytes=100_000)


async def test_a_command_that_does_not_end():
    with pytest.raises(QueryTimeout, match="nvidia-smi in pod gpu/driver-x ran longer than 0.3 s"):
        await run(Kubelet([b"\x01GPU 0\n"], close=False), timeout=0.3)


async def test_a_server_that_never_accepts():
    async def silent(reader, writer):
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    async with kubernetes(silent) as client:
        with pytest.raises(QueryTimeout):
            await client.exec("gpu", "p", "c", ["x"], timeout=0.2)


async def test_a_connection_that_breaks_before_the_exit_code():
    for kubelet in (Kubelet([b"\x01GPU 0\n"]), Kubelet([b"\x01GPU 0\n"], close=None)):
        with pytest.raises(ClusterUnreachable, match="without an exit code"):
            await run(kubelet)


async def test_a_command_that_cannot_be_started():
    status = {
        "status": "Failure",
        "reason": "InternalError",
        "message": 'exec: "nvidia-smi": executable file not found in $PATH',
        "code": 500,
    }
    with pytest.raises(BackendRefused, match="executable file not found"):
        await run(Kubelet([b"\x03" + json.dumps(status).encode()]))


@pytest.mark.parametrize(
    "status",
    [
        b"{half",
        b"[]",
        b'{"status":"Failure","reason":"NonZeroExitCode"}',
        b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[]}}',
        b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"x"}]}}',
    ],
)
async def test_a_status_that_cannot_be_read(status):
    with pytest.raises(BackendMisbehaved, match="status cannot be read"):
        await run(Kubelet([b"\x03" + status]))


async def test_a_server_that_speaks_another_protocol():
    with pytest.raises(BackendMisbehaved, match="neither v5 nor v4"):
        await run(Kubelet([SUCCESS], protocol=None))


async def test_frames_that_are_none():
    with pytest.raises(BackendMisbehaved, match="frames are malformed"):
        await run(Kubelet([], raw=b"\xff\xff\xff\xff", close=False))


@pytest.mark.parametrize(
    ("code", "expected", "match"),
    [
        (401, BackendUnauthorized, "Unauthorized"),
        (403, BackendUnauthorized, "cannot create resource"),
        (404, BackendRefused, 'pods "x" not found'),
        (400, BackendRefused, "container not found"),
    ],
)
async def test_a_refusal_before_the_upgrade(code, expected, match):
    messages = {
        401: "Unauthorized",
        403: "cannot create resource pods/exec",
        404: 'pods "x" not found',
        400: "container not found",
    }
    body = json.dumps({"kind": "Status", "message": messages[code], "code": code}).encode()

    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with kubernetes(refuse) as client:
        with pytest.raises(expected, match=match) as caught:
            await client.exec("gpu", "x", "c", ["y"])
    assert caught.value.http_status == code


async def test_a_connection_that_is_refused():
    async with kubernetes(lambda reader, writer: None) as client:
        pass
    with pytest.raises(ClusterUnreachable):
        await KubernetesClient(
            HttpClient(Target("http://127.0.0.1:1", "kubernetes", "edge-1"), timeout=5)
        ).exec("gpu", "x", "c", ["y"])
    await client.aclose()


async def test_many_at_once():
    async def serve(reader, writer):
        await Kubelet([b"\x01GPU\n", SUCCESS]).serve(reader, writer)

    async with kubernetes(serve) as client:
        calls = [client.exec("gpu", f"p-{i}", "c", ["nvidia-smi"]) for i in range(50)]
        results = await asyncio.gather(*calls)
    assert {result.stdout for result in results} == {b"GPU\n"}


async def test_in_process_as_the_simulation_serves_it():
    async def execute(websocket):
        if websocket.query_params["container"] == "forbidden":
            await websocket.send_denial_response(
                JSONResponse({"kind": "Status", "message": "no", "code": 403}, 403)
            )
            return
        if websocket.query_params["container"] == "closed":
            await websocket.close()
            return
        await websocket.accept(subprotocol="v5.channel.k8s.io")
        await websocket.send_bytes(b"\x01")
        await websocket.send_bytes(b"\x01out")
        await websocket.send_bytes(SUCCESS)
        await websocket.close()

    path = "/api/v1/namespaces/{namespace}/pods/{pod}/exec"
    app = Starlette(routes=[WebSocketRoute(path, execute)])
    async with ASGIWebSocketTransport(app) as transport:
        http = HttpClient(
            Target("https://api.sim.invalid", "kubernetes", "sim"), transport=transport
        )
        client = KubernetesClient(http)
        assert (await client.exec("a", "b", "c", ["x"])).stdout == b"out"
        with pytest.raises((BackendUnauthorized, ClusterUnreachable)):
            await client.exec("a", "b", "forbidden", ["x"])
        with pytest.raises(ClusterUnreachable):
            await client.exec("a", "b", "closed", ["x"])


async def test_a_refusal_in_process_says_why():
    body = json.dumps({"kind": "Status", "message": "cannot exec", "code": 403}).encode()

    async def deny(scope, receive, send):
        await receive()
        start = {"type": "websocket.http.response.start", "status": 403, "headers": []}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": body})

    async with ASGIWebSocketTransport(deny) as transport:
        http = HttpClient(
            Target("https://api.sim.invalid", "kubernetes", "sim"), transport=transport
        )
        with pytest.raises(BackendUnauthorized, match="cannot exec"):
            await KubernetesClient(http).exec("a", "b", "c", ["x"])


def test_output_is_put_together_without_io():
    output = ExecOutput(max_bytes=10)
    for frame in (b"", b"\x01", b"\x01ab", b"\x02c", b"\x00in"):
        output.add(frame)
    assert (output.stdout, output.stderr) == (b"ab", b"c")
    with pytest.raises(OverflowError):
        output.add(b"\x01" + b"x" * 8)
