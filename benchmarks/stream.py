"""A thousand clients of the event stream, beside a plain Starlette loop that sends the same frames.

    python benchmarks/stream.py [--clients 1000] [--rate 100] [--seconds 10]

Each client filters on 10 of 100 clusters, so that an event has 100 takers: 10,000 frames a second.
One more client never reads. Server and load generator are a process each, on the same machine;
latency is from publication to the bytes in the client's hands, by the clock both share.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from figures import Figure, at_most, ratio

MAX_P95_MS = 100.0
CLUSTERS = 100
WATCHED = 10
_SELF = Path(__file__).resolve()
_TIME = re.compile(rb'"sent_ns":(\d+)')


def watched_by(number: int) -> list[str]:
    return [f"cluster-{(number * WATCHED + step) % CLUSTERS}" for step in range(WATCHED)]


# --- the two servers, each in a process of its own ----------------------------------------------


def _event(number: int):
    from datetime import UTC, datetime
    from uuid import uuid4

    from aiops_mcp.models.events import Event, EventType

    return Event(
        event_id=uuid4(),
        event_type=EventType.ALERT_FIRED,
        source="bench",
        cluster_id=uuid4(),
        cluster_name=f"cluster-{number % CLUSTERS}",
        timestamp=datetime.now(UTC),
        payload={
            "alertname": "KubePodCrashLooping",
            "labels": {"namespace": "payments", "pod": f"api-{number}", "severity": "warning"},
            "sent_ns": time.monotonic_ns(),
        },
    )


def ours():
    """The application of a server, with nothing but its stream."""
    from datetime import UTC, datetime

    from starlette.applications import Starlette

    from aiops_mcp.events.memory import MemoryBus
    from aiops_mcp.settings import Settings
    from aiops_mcp.surfaces.auth import NoAuth
    from aiops_mcp.surfaces.gate import Gate
    from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
    from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
    from aiops_mcp.surfaces.stream import stream_route
    from aiops_mcp.surfaces.stream_hub import StreamHub
    from aiops_mcp.surfaces.stream_metrics import StreamMetrics

    def clock() -> datetime:
        return datetime.now(UTC)

    settings = Settings(
        rate_all_per_second=0,
        rate_user_per_minute=0,
    )
    bus = MemoryBus()
    metrics = GatewayMetrics()
    gate = Gate(NoAuth(), RateLimits(MemoryBuckets(), settings), metrics)
    hub = StreamHub(bus.log, clock, max_connections=2_000)
    hub.serve(StreamMetrics(metrics.registry))
    bus.subscribe(hub.on_event)

    async def publish(number: int) -> None:
        await bus.publish(_event(number))

    return Starlette(routes=[stream_route(hub, gate, clock)]), publish


def plain():
    """What one writes first: a list of clients, and a loop that sends to each in turn."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    clients: dict[WebSocket, set[str]] = {}

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        frame = json.loads(await websocket.receive_text())
        clients[websocket] = set(frame["subscription"]["cluster_filter"])
        await websocket.send_text('{"type":"subscribed"}')
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            clients.pop(websocket, None)

    async def publish(number: int) -> None:
        event = _event(number)
        frame = {"type": "event", **event.model_dump(mode="json")}
        text = json.dumps(frame, separators=(",", ":"))
        for websocket, clusters in list(clients.items()):
            if event.cluster_name in clusters:
                try:
                    await websocket.send_text(text)
                except (WebSocketDisconnect, RuntimeError):
                    clients.pop(websocket, None)

    return Starlette(routes=[WebSocketRoute("/ws", endpoint)]), publish


def serve(kind: str, port: int, rate: float) -> None:
    import uvicorn

    from aiops_mcp.garbage import leave_what_is_loaded
    from aiops_mcp.surfaces.stream_server import StreamProtocol

    application, publish = {"ours": ours, "plain": plain}[kind]()
    extra = {"ws": StreamProtocol} if kind == "ours" else {}
    leave_what_is_loaded()

    async def main() -> None:
        config = uvicorn.Config(
            application, port=port, log_level="error", ws_per_message_deflate=False, **extra
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        loop = asyncio.get_running_loop()
        # The load generator says when all its clients are there.
        await loop.run_in_executor(None, sys.stdin.readline)
        began, number = loop.time(), 0
        while not serving.done():
            await publish(number)
            number += 1
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))

    asyncio.run(main())


# --- the load generator -------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """A WebSocket client that does no more than it must."""

    def __init__(self, number: int, found: list[int], ready: asyncio.Event) -> None:
        self.number, self.found, self.ready = number, found, ready
        self.frames = 0
        self.dropped = False

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        filters = {"cluster_filter": watched_by(self.number)}
        self.hello = json.dumps({"type": "subscribe", "subscription": filters}).encode()

    def data_received(self, data: bytes) -> None:
        if not self.ready.is_set():
            if b"101" in data[:20]:
                length = len(self.hello)
                head = bytes([0x81, 0x80 | 126]) + length.to_bytes(2, "big")
                self.transport.write(head + bytes(4) + self.hello)
            if b'"subscribed"' in data:
                self.ready.set()
            return
        now = time.monotonic_ns()
        if b"QUEUE_FULL" in data:
            self.dropped = True
        for sent in _TIME.findall(data):
            self.frames += 1
            self.found.append(now - int(sent))


async def _load(kind: str, clients: int, rate: float, seconds: float) -> dict[str, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        str(_SELF),
        "--serve",
        kind,
        "--port",
        str(port),
        "--rate",
        str(rate),
    ]
    server = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: ASYNC220  # nothing runs yet
    try:
        await _until_open(port)
        loop = asyncio.get_running_loop()
        found: list[int] = []
        there: list[Client] = []
        for number in range(clients + (kind == "ours")):
            ready = asyncio.Event()
            _, client = await loop.create_connection(
                lambda n=number, r=ready: Client(n, found, r), "127.0.0.1", port
            )
            async with asyncio.timeout(10):
                await ready.wait()
            there.append(client)
        if kind == "ours":
            there.pop().transport.pause_reading()  # the one that never reads
        before = _cpu(server.pid)
        assert server.stdin is not None
        server.stdin.write(b"go\n")
        server.stdin.flush()
        await asyncio.sleep(1)  # the first second warms up
        found.clear()
        await asyncio.sleep(seconds)
        cpu = (_cpu(server.pid) - before) / (seconds + 1)
        found.sort()
        frames = [client.frames for client in there]
        return {
            "p50_ms": found[len(found) // 2] / 1e6,
            "p95_ms": found[int(len(found) * 0.95)] / 1e6,
            "cpu": cpu,
            "frames": len(found) / seconds,
            "dropped": sum(client.dropped for client in there),
            "uneven": max(frames) - min(frames),
            "memory_mb": _memory(server.pid),
        }
    finally:
        server.kill()
        server.wait()


async def _until_open(port: int) -> None:
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError("the server did not start")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def measure(*, quick: bool, clients: int = 1000, rate: float = 100.0) -> list[Figure]:
    seconds = 5.0 if quick else 10.0
    mine = asyncio.run(_load("ours", clients, rate, seconds))
    theirs = asyncio.run(_load("plain", clients, rate, seconds))
    about = f"{clients} stream clients, {rate:g} events/s, {mine['frames']:.0f} frames/s"
    return [
        at_most(f"{about}: p95 from publish to receipt", mine["p95_ms"], "ms", MAX_P95_MS),
        ratio(f"{about}: p95 beside a plain loop", mine["p95_ms"], theirs["p95_ms"], "ms"),
        ratio(f"{about}: CPU beside a plain loop", mine["cpu"], theirs["cpu"], "cores", 1.0),
        Figure(f"{about}: p50", mine["p50_ms"], "ms"),
        Figure(f"{about}: memory of the server", mine["memory_mb"], "MB"),
        at_most("clients that read and lost a frame", mine["dropped"], "clients", 0),
    ]


def main() -> int:
    from figures import table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port, options.rate)
        return 0
    print(table(measure(quick=options.quick, clients=options.clients, rate=options.rate)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
