"""The HTTP server: MCP, REST, docs, health and metrics of one running application."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from aiops_mcp import __version__
from aiops_mcp.additions import Additions
from aiops_mcp.app import App, open_app
from aiops_mcp.errors import InputError, StorageFailed
from aiops_mcp.mcp_host import OpenApp, mcp_server, start_logging
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.operations import CAPABILITIES
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from, check_bind
from aiops_mcp.surfaces.docs import docs_routes
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.health import Health, Probe, health_routes
from aiops_mcp.surfaces.identity import identity_routes
from aiops_mcp.surfaces.log_tail import log_tail_route
from aiops_mcp.surfaces.mcp import MCP_PATH, http_part
from aiops_mcp.surfaces.mcp_limit import McpLimit
from aiops_mcp.surfaces.middleware import gateway
from aiops_mcp.surfaces.openapi import openapi_document, openapi_route
from aiops_mcp.surfaces.problem import exception_handlers
from aiops_mcp.surfaces.ratelimit import Buckets, MemoryBuckets, RateLimits
from aiops_mcp.surfaces.rest import rest_routes
from aiops_mcp.surfaces.stream import HEARTBEAT_SECONDS, SILENCE_SECONDS, stream_route
from aiops_mcp.surfaces.stream_metrics import StreamMetrics
from aiops_mcp.surfaces.stream_server import StreamProtocol
from aiops_mcp.surfaces.webhook import webhook_routes
from aiops_mcp.surfaces.websocket_auth import MAX_FRAME_BYTES

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and proxies idle; uvicorn's 5 s cut them off between two questions."""


@dataclass(frozen=True, slots=True)
class HttpApplication:
    """The ASGI application; ``close_streams`` ends answers that would go on for ever."""

    asgi: ASGIApp
    close_streams: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Served:
    """A running application, and what is served beside its own."""

    app: App
    additions: Additions = field(default_factory=Additions)


Opening = Callable[[Settings], AbstractAsyncContextManager[Served]]
"""Opens what is served, and closes it in the end."""


@asynccontextmanager
async def the_fleet_alone(settings: Settings) -> AsyncGenerator[Served]:
    """The application without anything beside it. Raises as `open_app`."""
    async with open_app(settings) as app:
        yield Served(app)


def _probes(app: App) -> list[Probe]:
    """What the server stands on; without its vault it still shows what it knows of the fleet."""
    nobody = UUID(int=0)

    async def redis() -> None:
        if not app.bus.connected:
            raise StorageFailed("Redis does not answer; each process is on its own.")

    shared = [Probe("redis", redis, required=False)] if app.settings.redis_url else []
    return [
        *shared,
        Probe("database", app.database.ping),
        Probe("vault", lambda: app.context.registry.credentials_info(nobody), required=False),
    ]


def http_application(app: App, additions: Additions | None = None) -> HttpApplication:
    """Everything HTTP as one ASGI application: /mcp, /api/v1, /docs, health and metrics.

    ``additions`` are served beside it.

    Raises:
        InputError: a setting (tokens, toolsets) cannot be used.
    """
    settings, additions = app.settings, additions or Additions()
    authenticator = authenticator_from(settings)
    metrics = GatewayMetrics()
    buckets = _buckets(settings)
    gate = Gate(authenticator, RateLimits(buckets, settings), metrics)
    server = mcp_server(OpenApp(app), settings, authenticator)
    app.bus.subscribe(server.on_event)
    app.hub.serve(StreamMetrics(metrics.registry))
    app.bus.subscribe(app.hub.on_event)
    app.bus.on_notice(app.hub.on_notice)
    mcp = http_part(server, settings, sessions=settings.mcp_sessions)

    def document() -> dict[str, Any]:
        return openapi_document(
            app.operations,
            version=__version__,
            needs_token=authenticator.required,
            tags={
                **{capability.name: capability.description for capability in CAPABILITIES},
                **additions.tags,
            },
            more_paths=additions.paths,
        )

    health = Health(_probes(app))

    @asynccontextmanager
    async def lifespan(starlette: Starlette) -> AsyncGenerator[None]:
        async with mcp.running(starlette), app.context.alerts.intake.working():
            yield

    starlette = Starlette(
        lifespan=lifespan,
        exception_handlers=exception_handlers(),
        routes=[
            *mcp.routes,
            *webhook_routes(app.context.alerts.intake, gate, buckets),
            *additions.routes(gate),
            *rest_routes(app.operations, app.invoke, gate, settings, metrics),
            *health_routes(health, gate, metrics, version=__version__),
            *identity_routes(app.operations, gate),
            stream_route(app.hub, gate, app.context.clock),
            log_tail_route(app.tail_logs, gate, refused=app.refused_tail),
            openapi_route(document),
            *docs_routes(),
        ],
    )
    limited = McpLimit(starlette, gate, path=MCP_PATH)
    asgi = gateway(limited, settings, metrics, needs_token=authenticator.required)

    def close_streams() -> None:
        additions.going_away()
        app.hub.close()
        server.close_subscriptions()

    return HttpApplication(asgi, close_streams)


def _buckets(settings: Settings) -> Buckets:
    if settings.redis_url is None:
        return MemoryBuckets()
    # Only where it is used: its client takes a while to import.
    from aiops_mcp.surfaces.ratelimit_redis import RedisBuckets

    return RedisBuckets.at(settings.redis_url.get_secret_value())


class _Server(uvicorn.Server):
    """Ends at a signal by returning, with open streams closed first.

    uvicorn would wait for streams until its patience is over, and then raise the signal again,
    which ends the process before the database is closed.
    """

    def __init__(self, config: uvicorn.Config, close_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._close_streams = close_streams

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        handled = (signal.SIGINT, signal.SIGTERM)
        for number in handled:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._close_streams()
        await super().shutdown(sockets)


def serve_http(
    settings: Settings, say: Callable[[str], None], *, opening: Opening = the_fleet_alone
) -> None:
    """Serve HTTP until interrupted; ``say`` gets a few lines for the person who started it.

    ``opening`` gives what is served.

    Raises:
        InputError: the address may not be bound (see ``check_bind``), or is taken.
        StorageFailed: the database cannot be used.
    """
    restore = start_logging(settings)
    check_bind(settings.host, settings)
    listening = _listen(settings.host, settings.port)
    try:
        asyncio.run(_serve(settings, listening, say, opening))
    finally:
        restore()


async def _serve(
    settings: Settings,
    listening: socket.socket,
    say: Callable[[str], None],
    opening: Opening,
) -> None:
    async with opening(settings) as served:
        app = served.app
        application = http_application(app, served.additions)
        config = uvicorn.Config(
            application.asgi,
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
            server_header=False,
            ws=StreamProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            ws_ping_interval=HEARTBEAT_SECONDS,
            ws_ping_timeout=SILENCE_SECONDS,
            # Each client would need its own compressed copy of every event.
            ws_per_message_deflate=False,
        )
        clusters = await app.context.registry.list(LOCAL_ADMIN)
        for line in _greeting(settings, listening.getsockname()[1], len(clusters)):
            say(line)
        await _Server(config, application.close_streams).serve(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket; taken before anything else is started, so that a refusal costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, or asyncio leaves Nagle's algorithm on: 40 ms more an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InputError(
            f"{host}:{port} cannot be bound: {error.strerror or error}.",
            "Another server may have it: choose another with --port.",
        ) from error
    return listening


def _greeting(settings: Settings, port: int, clusters: int) -> list[str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = f"http://{host}:{port}"
    what = f"{clusters} simulated clusters" if settings.demo else f"{clusters} clusters"
    lines = [
        f"{what} at {base}",
        f"  MCP    {base}/mcp     (aiops-mcp config CLIENT --url {base})",
        f"  REST   {base}/api/v1  docs {base}/docs",
        f"  shell  aiops --server {base} fleet",
    ]
    if not clusters:
        lines.append("  none yet: aiops clusters import ~/.kube/config, or try aiops demo")
    return lines
