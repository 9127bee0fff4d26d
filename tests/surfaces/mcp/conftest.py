import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr

from aiops_mcp.errors import ClusterNotFound, ClusterUnreachable
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Duration, Entity
from aiops_mcp.operation import (
    Call,
    Capability,
    ClusterArgument,
    Clusters,
    Effect,
    Input,
    Operation,
    WriteInput,
)
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.mcp import build_mcp_server
from aiops_mcp.surfaces.mcp_plan import OneTimeHandles
from aiops_mcp.surfaces.mcp_server import FleetServer
from aiops_mcp.surfaces.prompts import load_prompts

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CLUSTERS = {"hub-1": "HUB", "edge-7": "EDGE"}


class ListClusters(Input):
    clusters: Clusters = ()
    cluster_type: Annotated[ClusterType | None, Field(description="Only this type")] = None
    window: Annotated[Duration, Field(description="How far back")] = "1h"
    labels: Annotated[dict[str, str], Field(description="Labels to match")] = {}
    limit: Annotated[int, Field(description="Most rows", ge=1, le=100)] = 20


class OneCluster(Input):
    cluster: ClusterArgument


class RemoveCluster(WriteInput):
    cluster: ClusterArgument
    token: Annotated[SecretStr | None, Field(description="Token to revoke")] = None


class Names(Entity):
    names: tuple[str, ...]
    note: str = ""


class Removal(Entity):
    cluster: str
    dry_run: bool


@dataclass
class Seen:
    """What the fake operations were asked, and the gates a test may hold them at."""

    calls: list[tuple[str, Input, Call]] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    removed: list[str] = field(default_factory=list)


class MemoryHandles:
    """Handle hashes in a dict, with the expiry that storage would keep."""

    def __init__(self) -> None:
        self.now = NOON
        self.kept: dict[str, datetime] = {}

    async def add(self, handle_hash: str, expires_at: datetime) -> None:
        self.kept[handle_hash] = expires_at

    async def consume(self, handle_hash: str) -> bool:
        expires_at = self.kept.pop(handle_hash, None)
        return expires_at is not None and self.now < expires_at

    def pass_time(self, span: timedelta) -> None:
        self.now += span


def _names_digest(request: Input, answer: Names) -> Digest:
    return Digest(
        headline=f"{len(answer.names)} clusters",
        columns=("name",),
        rows=tuple((name,) for name in answer.names),
        coverage="2 of 2 clusters answered",
        as_of=NOON,
        notes=(answer.note,) if answer.note else (),
    )


def _removal_digest(request: Input, answer: Removal) -> Digest:
    said = "would be removed" if answer.dry_run else "was removed"
    return Digest(headline=f"{answer.cluster} {said}")


def _declare(seen: Seen) -> list[Operation]:
    clusters = Capability("clusters", "Clusters of the fleet.")
    slow = Capability("slow", "What takes long.")

    @clusters.operation(
        "list_clusters", needs="clusters:read", digest=_names_digest, resource="fleet://clusters"
    )
    async def list_clusters(context: Any, request: ListClusters) -> Names:
        """Clusters of the fleet, with their state."""
        return Names(names=tuple(request.clusters or CLUSTERS))

    @clusters.operation(
        "get_cluster_status",
        needs="clusters:read",
        digest=_names_digest,
        resource="fleet://clusters/{cluster}",
    )
    async def get_cluster_status(context: Any, request: OneCluster) -> Names:
        """One cluster."""
        if request.cluster == "away":
            raise ClusterUnreachable("away does not answer.", "Check its network.")
        if request.cluster == "broken":
            raise RuntimeError("password=hunter2 in a traceback")
        if request.cluster not in CLUSTERS:
            raise ClusterNotFound(
                f"There is no cluster {request.cluster!r}.",
                "Did you mean edge-7?",
                details={"near": ["edge-7"]},
            )
        return Names(names=(request.cluster,), note="token: Bearer abcdef0123456789")

    @clusters.operation(
        "remove_cluster", needs="clusters:delete", effect=Effect.DESTROY, digest=_removal_digest
    )
    async def remove_cluster(context: Any, request: RemoveCluster) -> Removal:
        """Remove a cluster from the registry."""
        if not request.dry_run:
            seen.removed.append(request.cluster)
        return Removal(cluster=request.cluster, dry_run=request.dry_run)

    @slow.operation("wait_long", needs="metrics:read", digest=_names_digest)
    async def wait_long(context: Call, request: Input) -> Names:
        """Waits until it is cancelled."""
        await context.progress(1, 3, "1 of 3 clusters")
        seen.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.cancelled.set()
            raise
        return Names(names=())

    @slow.operation("count_far", needs="metrics:read", digest=_names_digest)
    async def count_far(context: Call, request: Input) -> Names:
        """Reports progress and ends."""
        for done in (1, 2):
            await context.progress(done, 2, f"{done} of 2 clusters")
        return Names(names=())

    return [*clusters.operations, *slow.operations]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def operations(seen: Seen) -> list[Operation]:
    return _declare(seen)


@pytest.fixture
def invoke(seen: Seen) -> Callable[..., Any]:
    async def run(operation: Operation, request: Input, call: Call) -> Entity:
        seen.calls.append((operation.name, request, call))
        return await operation.run(call, request)

    return run


@pytest.fixture
def handle_store() -> MemoryHandles:
    return MemoryHandles()


@pytest.fixture
def make_server(
    operations: Sequence[Operation], invoke: Callable[..., Any], handle_store: MemoryHandles
) -> Callable[..., FleetServer]:
    def make(*, allow_write: bool = True, toolsets: tuple[str, ...] = (), **options: Any) -> Any:
        settings = Settings(allow_write=allow_write, toolsets=toolsets)
        chosen = options.pop("operations", operations)
        return build_mcp_server(
            chosen,
            options.pop("invoke", invoke),
            settings=settings,
            version="1.2.3",
            handles=OneTimeHandles(handle_store, lambda: handle_store.now),
            prompts=load_prompts(),
            **options,
        )

    return make
