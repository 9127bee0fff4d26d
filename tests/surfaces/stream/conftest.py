"""A real server process's worth of stream: uvicorn in this loop, and clients over sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect

from aiops_mcp.events.log import EventLog
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import Principal
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
from aiops_mcp.surfaces.stream import stream_route
from aiops_mcp.surfaces.stream_hub import StreamHub
from aiops_mcp.surfaces.stream_metrics import StreamMetrics
from aiops_mcp.surfaces.stream_server import StreamProtocol

ADMIN, CONFINED = "admin-token-123456", "confined-token-123456"
START = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = UUID(int=1)


def make_event(
    number: int = 0,
    *,
    kind: EventType = EventType.ALERT_FIRED,
    cluster: str | None = "east",
    **payload: Any,
) -> Event:
    return Event(
        event_id=UUID(int=number + 1),
        event_type=kind,
        source="test",
        cluster_id=uuid5(NAMES, cluster) if cluster else None,
        cluster_name=cluster,
        timestamp=START + timedelta(seconds=number),
        payload={"n": number, **payload},
    )


@dataclass
class Stream:
    """The running stream. ``publish`` returns when the hub has dealt with the event."""

    hub: StreamHub
    bus: MemoryBus
    gate: Gate
    metrics: GatewayMetrics
    url: str
    server: uvicorn.Server
    tokens_gone: set[str] = field(default_factory=set)

    async def publish(self, *events: Event) -> None:
        for event in events:
            await self.bus.publish(event)
        await self.bus.settle()

    @asynccontextmanager
    async def client(
        self, token: str | None = None, **subscription: Any
    ) -> AsyncIterator["Client"]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with connect(
            self.url, additional_headers=headers, proxy=None, close_timeout=0.2
        ) as socket:
            client = Client(socket)
            if subscription:
                client.subscribed = await client.ask(
                    {"type": "subscribe", "subscription": subscription}
                )
            yield client


@dataclass
class Client:
    socket: ClientConnection
    subscribed: dict[str, Any] = field(default_factory=dict)

    async def send(self, frame: Any) -> None:
        text = frame if isinstance(frame, str | bytes) else orjson.dumps(frame).decode()
        await self.socket.send(text)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return orjson.loads(await self.socket.recv())

    async def ask(self, frame: Any) -> dict[str, Any]:
        await self.send(frame)
        return await self.next()

    async def numbers(self) -> list[int]:
        """The events that came so far, by their number; a ping marks the end."""
        await self.send({"type": "ping", "timestamp": "end"})
        found: list[int] = []
        while True:
            frame = await self.next()
            if frame["type"] == "pong":
                return found
            assert frame["type"] == "event", frame
            found.append(frame["payload"]["n"])


class Expiring:
    """Tokens that may expire while they are in use."""

    required = True

    def __init__(self, inner: Any, gone: set[str]) -> None:
        self._inner, self._gone = inner, gone

    async def authenticate(self, token: str | None) -> Principal | None:
        return None if token in self._gone else await self._inner.authenticate(token)


Streams = Callable[..., Awaitable[Stream]]


@pytest.fixture
async def streams() -> AsyncIterator[Streams]:
    running: list[tuple[Stream, asyncio.Task[None]]] = []

    async def start(
        *,
        tokens: bool = False,
        log: int = 1000,
        most: int = 1000,
        direct: bool = True,
        **changed: Any,
    ) -> Stream:
        text = SecretStr(f"admin={ADMIN},viewer@east+south={CONFINED}") if tokens else None
        settings = Settings(
            api_tokens=text, rate_all_per_second=0, rate_user_per_minute=0, **changed
        )
        bus = MemoryBus(log=EventLog(log))
        metrics = GatewayMetrics(process=False)
        gone: set[str] = set()
        authenticator = authenticator_from(settings)
        gate = Gate(
            Expiring(authenticator, gone) if tokens else authenticator,
            RateLimits(MemoryBuckets(), settings),
            metrics,
        )
        hub = StreamHub(bus.log, lambda: START, max_connections=most, announce=bus.announce)
        hub.serve(StreamMetrics(metrics.registry))
        bus.subscribe(hub.on_event)
        bus.on_notice(hub.on_notice)
        app = Starlette(routes=[stream_route(hub, gate, lambda: START, auth_seconds=1)])
        config = uvicorn.Config(
            app, port=0, log_config=None, ws_per_message_deflate=False, ws_max_size=64 * 1024,
            timeout_graceful_shutdown=2, **({"ws": StreamProtocol} if direct else {}),
        )  # fmt: skip
        server = uvicorn.Server(config)
        server.capture_signals = _Nothing  # type: ignore[method-assign]
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        stream = Stream(hub, bus, gate, metrics, f"ws://127.0.0.1:{port}/ws", server, gone)
        running.append((stream, task))
        return stream

    yield start
    for stream, task in running:
        stream.server.should_exit = True
        await task
        await stream.bus.close()


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def event() -> Callable[..., Event]:
    return make_event
