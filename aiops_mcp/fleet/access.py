"""How a call reaches one cluster: its clients, made when first needed and kept.

Clients are kept a cluster and made anew when its address, its endpoints or its credentials
change. How a client is built is not known here: a `Connect` is passed in.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from aiops_mcp.errors import AiopsError, CredentialsNotFound
from aiops_mcp.models.cluster import Cluster, ClusterCredentials, CredentialsInfo

if TYPE_CHECKING:
    from aiops_mcp.backends.alertmanager import AlertmanagerClient
    from aiops_mcp.backends.kubernetes import KubernetesClient
    from aiops_mcp.backends.prometheus import PrometheusClient

CREDENTIALS_CHECK_SECONDS = 30.0
"""Another process may have stored new credentials; how often that is looked up."""

RETIRE_SECONDS = 300.0
"""A replaced client may still serve a call; the longest call lasts this long."""

ClientT = TypeVar("ClientT")


class BackendMissing(AiopsError):
    """The cluster has no such backend: neither an answer nor a failure (coverage: skipped)."""

    code = "CLUSTER_UNREACHABLE"
    status = 503

    def __init__(self, cluster: str, backend: str) -> None:
        super().__init__(
            f"Cluster {cluster} has no {backend}.",
            f"Set its {backend} URL with update_cluster, or let refresh_cluster discover it.",
            details={"cluster": cluster, "backend": backend},
        )
        self.backend = backend


class Connect(Protocol):
    """Builds clients. ``credentials`` is None where none are stored (an open backend)."""

    async def prometheus(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> "PrometheusClient": ...

    async def alertmanager(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> "AlertmanagerClient": ...

    async def kubernetes(
        self, cluster: Cluster, credentials: ClusterCredentials | None
    ) -> "KubernetesClient": ...

    async def close(self, client: Any) -> None:
        """End a client that one of the above made."""
        ...


class CredentialsSource(Protocol):
    """The part of the registry that clients are built from."""

    async def load_credentials(self, cluster_id: UUID) -> ClusterCredentials: ...

    async def credentials_info(self, cluster_id: UUID) -> CredentialsInfo | None: ...


class Access(Protocol):
    """What a call gets: the cluster and its clients."""

    @property
    def cluster(self) -> Cluster: ...

    async def prometheus(self) -> "PrometheusClient": ...

    async def alertmanager(self) -> "AlertmanagerClient": ...

    async def kubernetes(self) -> "KubernetesClient": ...


@dataclass(slots=True)
class _Entry:
    signature: tuple[object, ...]
    info: CredentialsInfo | None
    credentials: ClusterCredentials | None
    checked_at: float
    clients: dict[str, Any] = field(default_factory=dict[str, Any])


class Clients:
    """The clients of the whole fleet; ``now`` is a monotonic clock in seconds."""

    def __init__(
        self, source: CredentialsSource, connect: Connect, now: Callable[[], float]
    ) -> None:
        self._source = source
        self._connect = connect
        self._now = now
        self._entries: dict[UUID, _Entry] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._retired: list[tuple[float, Any]] = []

    def access(self, cluster: Cluster) -> "ClusterAccess":
        return ClusterAccess(cluster, self)

    async def prometheus(self, cluster: Cluster) -> "PrometheusClient":
        url = cluster.endpoints.prometheus_url
        if url is None:
            raise BackendMissing(cluster.name, "Prometheus")
        return await self._client(
            cluster, "prometheus", lambda stored: self._connect.prometheus(cluster, stored, url)
        )

    async def alertmanager(self, cluster: Cluster) -> "AlertmanagerClient":
        url = cluster.endpoints.alertmanager_url
        if url is None:
            raise BackendMissing(cluster.name, "Alertmanager")
        return await self._client(
            cluster, "alertmanager", lambda stored: self._connect.alertmanager(cluster, stored, url)
        )

    async def kubernetes(self, cluster: Cluster) -> "KubernetesClient":
        return await self._client(
            cluster, "kubernetes", lambda stored: self._connect.kubernetes(cluster, stored)
        )

    async def _client(
        self,
        cluster: Cluster,
        backend: str,
        build: Callable[[ClusterCredentials | None], Awaitable[ClientT]],
    ) -> ClientT:
        kept = self._kept(cluster, backend)
        if kept is not None:
            return kept
        async with self._lock(cluster.id):
            entry = await self._entry(cluster)
            if backend not in entry.clients:
                entry.clients[backend] = await build(entry.credentials)
            return entry.clients[backend]

    async def has_credentials(self, cluster: Cluster) -> bool:
        async with self._lock(cluster.id):
            return (await self._entry(cluster)).credentials is not None

    def forget(self, cluster_id: UUID) -> None:
        """Build this cluster's clients anew at the next call; running calls go on."""
        entry = self._entries.pop(cluster_id, None)
        if entry is not None:
            ends = self._now() + RETIRE_SECONDS
            self._retired.extend((ends, client) for client in entry.clients.values())

    async def aclose(self) -> None:
        for cluster_id in list(self._entries):
            self.forget(cluster_id)
        retired, self._retired = self._retired, []
        for _, client in retired:
            await self._connect.close(client)

    def _kept(self, cluster: Cluster, backend: str) -> Any | None:
        """The quick way: a client that needs no look at the registry."""
        entry = self._entries.get(cluster.id)
        if entry is None or entry.signature != _signature(cluster) or self._is_old(entry):
            return None
        return entry.clients.get(backend)

    def _is_old(self, entry: _Entry) -> bool:
        return self._now() - entry.checked_at > CREDENTIALS_CHECK_SECONDS

    def _lock(self, cluster_id: UUID) -> asyncio.Lock:
        return self._locks.setdefault(cluster_id, asyncio.Lock())

    async def _entry(self, cluster: Cluster) -> _Entry:
        signature = _signature(cluster)
        entry = self._entries.get(cluster.id)
        if entry is not None and entry.signature == signature:
            if not self._is_old(entry):
                return entry
            if await self._source.credentials_info(cluster.id) == entry.info:
                entry.checked_at = self._now()
                return entry
        self.forget(cluster.id)
        await self._close_retired()
        entry = await self._new_entry(cluster, signature)
        self._entries[cluster.id] = entry
        return entry

    async def _new_entry(self, cluster: Cluster, signature: tuple[object, ...]) -> _Entry:
        info = await self._source.credentials_info(cluster.id)
        credentials: ClusterCredentials | None = None
        if info is not None:
            try:
                credentials = await self._source.load_credentials(cluster.id)
            except CredentialsNotFound:
                info = None  # deleted between the two reads
        return _Entry(signature, info, credentials, self._now())

    async def _close_retired(self) -> None:
        now = self._now()
        ended = [client for ends, client in self._retired if ends <= now]
        self._retired = [pair for pair in self._retired if pair[0] > now]
        for client in ended:
            await self._connect.close(client)


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """One cluster and its clients, as `Access` says."""

    cluster: Cluster
    clients: Clients

    async def prometheus(self) -> "PrometheusClient":
        """Raises BackendMissing where the cluster has no Prometheus."""
        return await self.clients.prometheus(self.cluster)

    async def alertmanager(self) -> "AlertmanagerClient":
        """Raises BackendMissing where the cluster has no Alertmanager."""
        return await self.clients.alertmanager(self.cluster)

    async def kubernetes(self) -> "KubernetesClient":
        return await self.clients.kubernetes(self.cluster)


def _signature(cluster: Cluster) -> tuple[object, ...]:
    return (cluster.name, cluster.api_server_url, cluster.endpoints)
