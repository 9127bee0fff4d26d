"""Servers that misbehave, each on a free loopback port, in a thread of their own.

For tests of real processes: what is asked runs in another process, so these need no loop of the
test's. ``BadServers`` starts them by name and ends them all.
"""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Act = Callable[["Request", asyncio.StreamWriter, "BadServers"], Awaitable[None]]

FLOOD_BYTES = 500_000_000
CHUNK = b"1," * 32768


class Request:
    """What was asked: method, path with its query, headers in lower case, body."""

    def __init__(self, head: str, body: bytes) -> None:
        first, *rest = head.split("\r\n")
        self.method, self.target = first.split(" ")[:2]
        self.path = self.target.partition("?")[0]
        pairs = (line.partition(":") for line in rest if line)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.body = body


def reply(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def vector(*series: tuple[dict[str, str], str]) -> bytes:
    """An instant answer of Prometheus."""
    result = [{"metric": labels, "value": [1_700_000_000, value]} for labels, value in series]
    data = {"resultType": "vector", "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


class BadServers:
    """Starts servers in one thread; counts what they were asked and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.arrived = threading.Event()
        self.abandoned = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, act: Act, *, tls: bool = False, host: str = "127.0.0.1") -> int:
        """The port of a new server that answers every request by ``act``."""
        context = server_tls(self.folder) if tls else None
        return asyncio.run_coroutine_threadsafe(self._start(act, context, host), self._loop).result(
            10
        )

    async def _start(self, act: Act, context: ssl.SSLContext | None, host: str) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, ValueError
            ):
                await self._one(reader, writer, act)
            writer.close()

        server = await asyncio.start_server(serve, host, 0, ssl=context)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def start_plain(self) -> int:
        """A port where plain HTTP is spoken, whatever is sent: what a TLS client meets there."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(reply(b"", status="400 Bad Request"))
            writer.close()

        async def start() -> int:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, act: Act
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request = Request(head.strip("\r\n"), b"")
        length = int(request.headers.get("content-length", "0"))
        request.body = await reader.readexactly(length) if length else b""
        self.requests.append(request)
        self.seen[request.path] += 1
        self.arrived.set()
        acting = asyncio.ensure_future(act(request, writer, self))
        leaving = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not acting.done():
            self.abandoned.set()
            acting.cancel()
        leaving.cancel()
        await asyncio.gather(acting, leaving, return_exceptions=True)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextmanager
def bad_servers(folder: Path) -> Generator[BadServers]:
    servers = BadServers(folder)
    try:
        yield servers
    finally:
        servers.close()


# --- what they do ---------------------------------------------------------------------------


def answers(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> Act:
    async def act(_request: Request, writer: asyncio.StreamWriter, _servers: BadServers) -> None:
        writer.write(reply(body, status=status, kind=kind))
        await writer.drain()

    return act


async def healthy(request: Request, writer: asyncio.StreamWriter, _servers: BadServers) -> None:
    """A Prometheus and an API server of a small cluster, as far as health checks and queries."""
    body = vector(({"job": "good"}, "7"))
    if request.path == "/version":
        body = b'{"major":"1","minor":"31","gitVersion":"v1.31.0"}'
    elif request.path in {"/readyz", "/livez", "/healthz"}:
        body = b"ok"
    elif request.path.startswith(("/api/v1/nodes", "/api/v1/pods", "/api/v1/services", "/apis")):
        body = b'{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}'
    elif request.path in {"/api/v1/labels", "/api/v1/series"}:
        body = b'{"status":"success","data":[]}'
    elif request.path == "/api/v2/alerts":
        body = b"[]"
    writer.write(reply(body))
    await writer.drain()


async def silent(_request: Request, _writer: asyncio.StreamWriter, _servers: BadServers) -> None:
    await asyncio.Event().wait()


async def hangs_up(_request: Request, _writer: asyncio.StreamWriter, _servers: BadServers) -> None:
    return


async def drips(_request: Request, writer: asyncio.StreamWriter, _servers: BadServers) -> None:
    """One byte a second, of an answer that would take for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


async def floods(_request: Request, writer: asyncio.StreamWriter, servers: BadServers) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    for _ in range(FLOOD_BYTES // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()
        servers.seen["flooded bytes"] += len(CHUNK)


def bearer(token: str) -> Act:
    """Healthy for who brings the token, 401 for everybody else."""

    async def act(request: Request, writer: asyncio.StreamWriter, servers: BadServers) -> None:
        if request.headers.get("authorization") == f"Bearer {token}":
            await healthy(request, writer, servers)
        else:
            given = request.headers.get("authorization", "none")
            body = f"Unauthorized: {given}".encode()
            writer.write(reply(body, status="401 Unauthorized", kind="text/plain"))
            await writer.drain()

    return act


def many(alerts: bytes, nodes: int) -> Act:
    """A healthy cluster with these alerts and so many nodes, in pages as they are asked for."""

    def node(number: int) -> dict[str, object]:
        labels = {f"example.com/label-{each}": "v" * 40 for each in range(20)}
        return {
            "metadata": {"name": f"node-{number}", "labels": labels},
            "status": {"allocatable": {"cpu": "64"}, "nodeInfo": {"kubeletVersion": "v1.31.0"}},
        }

    async def act(request: Request, writer: asyncio.StreamWriter, servers: BadServers) -> None:
        asked = parse_qs(request.target.partition("?")[2])
        if request.path == "/api/v2/alerts":
            writer.write(reply(alerts))
        elif request.path == "/api/v1/nodes":
            start = int(asked.get("continue", ["0"])[0])
            end = min(nodes, start + int(asked.get("limit", [str(nodes)])[0]))
            left = {"continue": str(end), "remainingItemCount": nodes - end} if end < nodes else {}
            page = {"kind": "NodeList", "metadata": left, "items": [*map(node, range(start, end))]}
            writer.write(reply(json.dumps(page).encode()))
        else:
            await healthy(request, writer, servers)
        await writer.drain()

    return act


def server_tls(folder: Path) -> ssl.SSLContext:
    """A self-signed certificate for 127.0.0.1, made anew."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-signed")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    both = folder / "self-signed.pem"
    both.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context
