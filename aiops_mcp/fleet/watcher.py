"""Watches every cluster: health by tier, discovery when it is new and once a day.

One task keeps the times in a heap and starts a task for each check that is due; a check that hangs
delays nobody. A cluster's checks lie on a fixed grid of its period, so that they do not drift. The
first checks are spread over a moment, so that a large fleet is not asked at once.
"""

import asyncio
import heapq
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from aiops_mcp.errors import AiopsError, ClusterNotFound, ClusterUnreachable
from aiops_mcp.fleet import health
from aiops_mcp.fleet.access import Clients
from aiops_mcp.fleet.checkup import look_at
from aiops_mcp.fleet.discovery import discover
from aiops_mcp.fleet.health import Finding, Reachability
from aiops_mcp.fleet.shards import LOOK_AROUND_SECONDS, Shards, watch_ours
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCapabilities,
    ClusterEndpoints,
    ClusterStatus,
    Platform,
)
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import Settings

_log = logging.getLogger(__name__)

WATCHER = Principal(subject="fleet.watcher", role=Role.ADMIN)
CHECKS_PER_SECOND_AT_START = 50
DISCOVERIES_AT_ONCE = 8
DISCOVERY_TIMEOUT_SECONDS = 60.0
RETRY_DISCOVERY_SECONDS = 600.0


class WatchedRegistry(Protocol):
    """The part of the registry that watching needs."""

    async def list(self, principal: Principal) -> Sequence[Cluster]: ...

    async def access_revision(self, cluster_id: UUID) -> int: ...

    async def set_status(
        self,
        cluster_id: UUID,
        status: ClusterStatus,
        latency_ms: float | None = None,
        seen: bool = False,
    ) -> None: ...

    async def set_capabilities(
        self,
        cluster_id: UUID,
        capabilities: ClusterCapabilities,
        *,
        endpoints: ClusterEndpoints | None = None,
        platform: Platform | None = None,
        platform_version: str | None = None,
    ) -> Cluster: ...


@dataclass(slots=True)
class _Watched:
    """What is remembered of one cluster between checks; times are the event loop's."""

    cluster: Cluster
    due: float
    reachability: Reachability = field(default_factory=Reachability)
    checking: bool = False
    discover_at: float = 0.0
    discovered_revision: int | None = None
    discovering: bool = False


class Watcher:
    """Runs until cancelled. ``refresh`` checks and discovers one cluster at once."""

    def __init__(
        self,
        registry: WatchedRegistry,
        clients: Clients,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        shards: Shards,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._registry = registry
        self._clients = clients
        self._settings = settings
        self._clock = clock
        self._shards = shards
        self._chance = chance
        self._watched: dict[UUID, _Watched] = {}
        self._heap: list[tuple[float, UUID]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._discoveries = asyncio.Semaphore(DISCOVERIES_AT_ONCE)
        self.late_seconds = 0.0
        """The latest that any check started after its time."""

    async def run(self) -> None:
        """Watch until cancelled; then give the leases back."""
        try:
            await watch_ours(self._shards, self._look_around, self._start_due)
        finally:
            await self._stop()

    async def refresh(self, cluster: Cluster) -> ClusterStatus:
        """Check the cluster now, and discover it anew when it can be reached.

        Raises:
            ClusterNotFound: it was removed meanwhile. DiscoveryFailed: it answers, but does not
            let itself be looked at.
        """
        watched = self._watched.get(cluster.id) or _Watched(cluster, due=0.0)
        watched.cluster = cluster
        status, findings = await self._check(watched)
        if findings[health.API_SERVER].reachable:
            await self._discover(watched)
        return status

    # --- the schedule ---------------------------------------------------------------------

    async def _look_around(self, now: float) -> None:
        """Take in new clusters and changes, and let go of what is gone."""
        try:
            clusters = await self._registry.list(WATCHER)
        except AiopsError as error:
            _log.warning("The list of clusters cannot be read: %s", error)
            return
        ours = {cluster.id: cluster for cluster in clusters if self._shards.is_ours(cluster.id)}
        for gone in self._watched.keys() - ours.keys():
            del self._watched[gone]
        fresh = ours.keys() - self._watched.keys()
        spread = len(fresh) / CHECKS_PER_SECOND_AT_START
        for cluster_id, cluster in ours.items():
            watched = self._watched.get(cluster_id)
            if watched is None:
                delay = self._chance() * min(spread, self._period(cluster))
                self._watched[cluster_id] = _Watched(cluster, now + delay)
                heapq.heappush(self._heap, (now + delay, cluster_id))
            else:
                watched.cluster = cluster

    def _start_due(self, now: float) -> float:
        """Start the checks that are due; the time of the next one."""
        while self._heap and self._heap[0][0] <= now:
            due, cluster_id = heapq.heappop(self._heap)
            watched = self._watched.get(cluster_id)
            if watched is None or watched.due != due:
                continue  # gone, or gone and come again with a time of its own
            self.late_seconds = max(self.late_seconds, now - due)
            period = self._period(watched.cluster)
            missed = int((now - due) // period)
            watched.due = due + period * (missed + 1)
            heapq.heappush(self._heap, (watched.due, cluster_id))
            if not watched.checking:
                self._spawn(self._scheduled(watched))
        return self._heap[0][0] if self._heap else now + LOOK_AROUND_SECONDS

    def _period(self, cluster: Cluster) -> float:
        return self._settings.check_every[cluster.cluster_type]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=5)
        await self._shards.release()

    # --- the checks -----------------------------------------------------------------------

    async def _scheduled(self, watched: _Watched) -> None:
        watched.checking = True
        name = watched.cluster.name
        try:
            _, findings = await self._check(watched)
            if findings[health.API_SERVER].reachable:
                await self._discover_when_due(watched)
        except ClusterNotFound:
            return  # removed while it was being checked
        except AiopsError as error:
            _log.warning("The check of %s could not be stored: %s", name, error)
        except Exception:  # noqa: BLE001 - one cluster must never end the watch over the others
            _log.exception("The check of %s failed", name)
        finally:
            watched.checking = False

    async def _check(self, watched: _Watched) -> tuple[ClusterStatus, dict[str, Finding]]:
        cluster = watched.cluster
        timeout = self._settings.check_timeout[cluster.cluster_type]
        findings = await look_at(cluster, self._clients, timeout)
        api = findings[health.API_SERVER]
        connectivity = watched.reachability.saw(api.reachable)
        status = health.status_of(findings, connectivity, self._clock())
        await self._registry.set_status(cluster.id, status, api.latency_ms, api.reachable)
        return status, findings

    async def _discover_when_due(self, watched: _Watched) -> None:
        revision = await self._registry.access_revision(watched.cluster.id)
        now = asyncio.get_running_loop().time()
        known = watched.discovered_revision == revision and now < watched.discover_at
        if watched.discovering or known:
            return
        watched.discovering = True
        watched.discovered_revision = revision
        watched.discover_at = now + self._settings.discovery_every
        self._spawn(self._scheduled_discovery(watched))

    async def _scheduled_discovery(self, watched: _Watched) -> None:
        name = watched.cluster.name
        try:
            async with self._discoveries:
                await self._discover(watched)
            # Storing what was found may itself have changed where the cluster is reached.
            watched.discovered_revision = await self._registry.access_revision(watched.cluster.id)
        except ClusterNotFound:
            return
        except AiopsError as error:
            _log.info("Discovery of %s failed: %s", name, error)
            now = asyncio.get_running_loop().time()
            watched.discover_at = now + min(RETRY_DISCOVERY_SECONDS, self._settings.discovery_every)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("Discovery of %s failed", name)
        finally:
            watched.discovering = False

    async def _discover(self, watched: _Watched) -> None:
        cluster = watched.cluster
        try:
            async with asyncio.timeout(DISCOVERY_TIMEOUT_SECONDS):
                found = await discover(await self._clients.kubernetes(cluster), cluster)
        except TimeoutError as error:
            raise ClusterUnreachable(
                f"Discovery of {cluster.name} did not end in {DISCOVERY_TIMEOUT_SECONDS:g} s."
            ) from error
        await self._registry.set_capabilities(
            cluster.id,
            found.capabilities,
            endpoints=found.endpoints,
            platform=found.platform,
            platform_version=found.platform_version,
        )
