"""Fakes of the fleet's neighbours, and an event loop in which waiting costs no time."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from aiops_mcp.errors import CredentialsNotFound
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterEndpoints,
    ClusterState,
    ClusterStatus,
    ClusterType,
)
from aiops_mcp.models.metrics import ResultType, Series
from aiops_mcp.settings import Settings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMESPACE = UUID("6f1bd6fb-1111-4222-8333-0a0b0c0d0e0f")


class _SkippingSelector:
    """Never sleeps: time jumps to the next timer when nothing else is to be done."""

    def __init__(self, selector):
        self._selector = selector
        self.skipped = 0.0

    def __getattr__(self, name):
        return getattr(self._selector, name)

    def select(self, timeout=None):
        if timeout is None:
            return self._selector.select(None)
        events = self._selector.select(0)
        if not events and timeout > 0:
            self.skipped += timeout
        return events


@pytest.fixture(autouse=True)
async def virtual_time():
    """Timers of the test's loop fire at once, in order, and ``loop.time()`` agrees."""
    loop = asyncio.get_running_loop()
    selector, loop._selector = loop._selector, _SkippingSelector(loop._selector)
    skipping = loop._selector
    loop.time = lambda: 1000.0 + skipping.skipped
    yield skipping
    loop._selector = selector
    del loop.time


@dataclass
class Clock:
    now: datetime = NOW
    mono: float = 0.0

    def wall(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.mono

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.mono += seconds


def cluster(
    name: str,
    kind: ClusterType = ClusterType.SPOKE,
    state: ClusterState = ClusterState.ONLINE,
    **fields: Any,
) -> Cluster:
    values: dict[str, Any] = {
        "endpoints": ClusterEndpoints(
            prometheus_url=f"https://prometheus.{name}.example",
            alertmanager_url=f"https://alertmanager.{name}.example",
        ),
        "created_at": NOW,
        "updated_at": NOW,
        **fields,
    }
    return Cluster(
        id=uuid5(NAMESPACE, name),
        name=name,
        api_server_url=f"https://api.{name}.example:6443",
        cluster_type=kind,
        status=ClusterStatus(state=state),
        **values,
    )


@dataclass
class FakeRegistry:
    clusters: list[Cluster]
    revisions: dict[UUID, int] = field(default_factory=dict)
    credentials: dict[UUID, Any] = field(default_factory=dict)
    loads: int = 0

    async def list(self, principal):
        return tuple(c for c in self.clusters if principal.sees(c.name))

    async def access_revision(self, cluster_id):
        return self.revisions.get(cluster_id, 0)

    async def credentials_info(self, cluster_id):
        return self.credentials.get(cluster_id)

    async def load_credentials(self, cluster_id):
        self.loads += 1
        if cluster_id not in self.credentials:
            raise CredentialsNotFound("none")
        return self.credentials[cluster_id]


@dataclass
class FakeAnswer:
    series: tuple[Series, ...]
    result_type: ResultType = ResultType.VECTOR
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


@dataclass
class FakePrometheus:
    """Answers by ``reply(query, at) -> FakeAnswer``; may raise or take ``delay`` seconds."""

    reply: Callable[..., Any]
    delay: float = 0.0
    calls: list[tuple] = field(default_factory=list)
    closed: bool = False

    async def aclose(self):
        self.closed = True

    async def query(self, promql, *, time=None, timeout=None, limit=None):
        self.calls.append(("query", promql, time))
        await asyncio.sleep(self.delay)
        return self.reply(promql)

    async def query_range(self, promql, *, start, end, step, timeout=None):
        self.calls.append(("range", promql, start, end, step))
        await asyncio.sleep(self.delay)
        return self.reply(promql)


@dataclass
class FakeConnect:
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    built: list[tuple[str, str, Any]] = field(default_factory=list)

    async def prometheus(self, cluster, credentials, url):
        return self._get("prometheus", cluster, credentials)

    async def alertmanager(self, cluster, credentials, url):
        return self._get("alertmanager", cluster, credentials)

    async def kubernetes(self, cluster, credentials):
        return self._get("kubernetes", cluster, credentials)

    def _get(self, backend, cluster, credentials):
        self.built.append((backend, cluster.name, credentials))
        return self.clients[backend, cluster.name]

    async def readiness(self, cluster, credentials, backend, url):
        return self._get(backend, cluster, credentials)


@dataclass
class MemoryLastSeen:
    kept: dict[tuple[str, UUID], tuple[bytes, datetime]] = field(default_factory=dict)

    async def put(self, key, cluster_id, blob, at):
        self.kept[key, cluster_id] = (blob, at)

    async def get(self, key, cluster_id):
        return self.kept.get((key, cluster_id))


def make_fleet(
    clusters: Sequence[Cluster],
    clock: Clock,
    connect: FakeConnect | None = None,
    last_seen: Any = None,
    **settings: Any,
) -> Fleet:
    return Fleet(
        FakeRegistry(list(clusters)),
        connect or FakeConnect(),
        Settings(_env_file=None, **settings),
        clock=clock.wall,
        monotonic=clock.monotonic,
        last_seen=last_seen,
    )


def vector(*pairs, at: float = 0.0) -> FakeAnswer:
    """``vector(({"a": "b"}, 1.5), …)``"""
    return FakeAnswer(
        tuple(Series(metric=labels, values=((at, str(value)),)) for labels, value in pairs)
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fakes():
    """This module, for its classes and functions."""
    return sys.modules[__name__]
