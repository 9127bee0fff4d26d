"""A small MCP server of our own make, in memory or on a socket, that says who asked and waits."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from pydantic import Field, SecretStr
from starlette.applications import Starlette

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.operation import Call, Capability, Clusters, Effect, Input, Operation, WriteInput
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import Authenticator
from aiops_mcp.surfaces.mcp import build_mcp_server, http_part
from aiops_mcp.surfaces.mcp_plan import OneTimeHandles
from aiops_mcp.surfaces.mcp_server import FleetServer

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FLEET = ("hub-1", "edge-7", "edge-8")
VIEWER = Principal(subject="vera", role=Role.VIEWER, clusters=frozenset({"edge-7"}))
TOKENS = "admin=admin-secret-token,viewer@edge-7=viewer-secret-token"


class Ask(Input):
    clusters: Clusters = ()


class Remove(WriteInput):
    cluster: Annotated[str, Field(description="Which")]
    token: Annotated[SecretStr | None, Field(description="Token to revoke")] = None


class Found(Entity):
    names: tuple[str, ...]


@dataclass
class Seen:
    """Who asked what, and gates to wait at."""

    callers: list[tuple[str, Principal]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


class Handles:
    def __init__(self) -> None:
        self.kept: set[str] = set()

    async def add(self, handle_hash: str, expires_at: datetime) -> None:
        self.kept.add(handle_hash)

    async def consume(self, handle_hash: str) -> bool:
        found = handle_hash in self.kept
        self.kept.discard(handle_hash)
        return found


def _digest(request: Input, answer: Found) -> Digest:
    return Digest(
        headline=f"{len(answer.names)} clusters",
        columns=("name", "state"),
        rows=tuple((name, "ONLINE") for name in answer.names),
        coverage="all answered",
        as_of=NOON,
        query="up",
    )


def _removal(request: Any, answer: Found) -> Digest:
    said = "would be removed" if request.dry_run else "was removed"
    return Digest(headline=f"{answer.names[0]} {said}", more="look at list_clusters")


def operations(seen: Seen) -> list[Operation]:
    clusters = Capability("clusters", "Clusters.")

    def sees(context: Call, names: Any) -> tuple[str, ...]:
        return tuple(name for name in names if context.principal.sees(name))

    @clusters.operation("list_clusters", needs="clusters:read", digest=_digest)
    async def list_clusters(context: Call, request: Ask) -> Found:
        """Clusters of the fleet."""
        seen.callers.append(("list_clusters", context.principal))
        wanted = request.clusters or sees(context, FLEET)
        if unknown := [name for name in wanted if name not in sees(context, FLEET)]:
            raise ClusterNotFound(f"There is no cluster {unknown[0]!r}.", "Look at the list.")
        return Found(names=wanted)

    @clusters.operation("wait_long", needs="metrics:read", digest=_digest)
    async def wait_long(context: Call, request: Ask) -> Found:
        """Waits until it may go on."""
        await context.progress(1, 3, "1 of 3 \x1b[31mclusters")
        seen.started.set()
        try:
            await seen.go_on.wait()
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise
        return Found(names=sees(context, FLEET))

    @clusters.operation("break_down", needs="metrics:read", digest=_digest)
    async def break_down(context: Call, request: Ask) -> Found:
        """Fails inside the server."""
        raise RuntimeError("password=hunter2")

    @clusters.operation(
        "remove_cluster", needs="clusters:delete", effect=Effect.DESTROY, digest=_removal
    )
    async def remove_cluster(context: Call, request: Remove) -> Found:
        """Remove a cluster."""
        if not request.dry_run:
            seen.removed.append(request.cluster)
        return Found(names=(request.cluster,))

    @clusters.operation("list_pods", needs="metrics:read", digest=_digest)
    async def list_pods(context: Call, request: Ask) -> Found:
        """Pods."""
        return Found(names=())

    return clusters.operations


def fleet_server(seen: Seen, authenticator: Authenticator | None = None) -> FleetServer:
    async def run(operation: Operation, request: Input, call: Call) -> Entity:
        return await operation.run(call, request)

    return build_mcp_server(
        operations(seen),
        run,
        settings=Settings(_env_file=None, allow_write=True),
        version="1",
        handles=OneTimeHandles(Handles(), lambda: NOON),
        authenticator=authenticator,
    )


class Server(uvicorn.Server):
    """Leaves signals alone: of servers that end in another order than they began, one would stay
    the handler for good, and every stream of events later in this process would take it for its
    own that ends.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: Any, port: int = 0) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """An ASGI application on a loopback socket: its address, and the server to end early."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        running = Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        while not running.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", running
        finally:
            running.should_exit = True
            await serving


def mcp_app(server: FleetServer) -> Starlette:
    part = http_part(server, Settings(_env_file=None))
    return Starlette(routes=list(part.routes), lifespan=part.lifespan)


def persona(*capabilities: str, called: str = "default") -> Persona:
    return Persona(id=called, name="d", system_prompt="x", capabilities=capabilities or ("*",))
