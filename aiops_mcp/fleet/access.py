"""How a call reaches one cluster: its clients, made when first needed and kept.

Clients are kept a cluster and made anew when its address, its endpoints or its credentials
change. How a client is built is not known here: a `Connect` is passed in.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar, cast
from uuid import UUID

from aiops_mcp.errors import AiopsError
from aiops_mcp.models.cluster import Cluster, ClusterCredentials, CredentialsInfo

if TYPE_CHECKING:
    from aiops_mcp.backends.alertmanager import AlertmanagerClient
    from aiops_mcp.backends.korrel8r import Korrel8rClient
    from aiops_mcp.backends.kubernetes import KubernetesClient
    from aiops_mcp.backends.loki import LokiClient
    from aiops_mcp.backends.prometheus import PrometheusClient
    from aiops_mcp.backends.traces import TraceClient

RETIRE_SECONDS = 300.0
"""A replaced client may still serve a call; the longest call lasts this long."""

ClientT = TypeVar("ClientT", bound="Client")


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

    async def loki(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> "LokiClient": ...

    async def traces(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> "TraceClient":
        """For Tempo, a TempoStack gateway, or Jaeger: whichever answers at the URL."""
        ...

    async def korrel8r(
        self, cluster: Cluster, credentials: ClusterCredentials | None, url: str
    ) -> "Korrel8rClient": ...

    async def readiness(
        self, cluster: Cluster, credentials: ClusterCredentials | None, backend: str, url: str
    ) -> "Readiness":
        """For backends that are only looked at: ``loki`` and ``tempo``."""
        ...


class Client(Protocol):
    async def aclose(self) -> None: ...


class Readiness(Client, Protocol):
    async def healthy(self) -> None:
        """Returns when the backend answers, else raises why not."""
        ...


class CredentialsSource(Protocol):
    """The part of the registry that clients are built from."""

    async def access_revision(self, cluster_id: UUID) -> int:
        """Changes whenever the cluster's URLs or credentials do."""
        ...

    async def credentials_info(self, cluster_id: UUID) -> CredentialsInfo | None: ...

    async def load_credentials(self, cluster_id: UUID) -> ClusterCredentials: ...


class Access(Protocol):
    """What a call gets: the cluster and its clients."""

    @property
    def cluster(self) -> Cluster: ...

    async def prometheus(self) -> "PrometheusClient": ...

    async def alertmanager(self) -> "AlertmanagerClient": ...

    async def kubernetes(self) -> "KubernetesClient": ...

    async def loki(self) -> "LokiClient": ...

    async def traces(self) -> "TraceClient": ...

    async def korrel8r(self) -> "Korrel8rClient": ...


@dataclass(slots=True)
class _Entry:
    revision: int
    credentials: ClusterCredentials | None
    clients: dict[str, Client] = field(default_factory=dict[str, Client])


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
        self._retired: list[tuple[float, Client]] = []

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

    async def loki(self, cluster: Cluster) -> "LokiClient":
        url = cluster.endpoints.loki_url
        if url is None:
            raise BackendMissing(cluster.name, "Loki")
        return await self._client(
            cluster, "logs", lambda stored: self._connect.loki(cluster, stored, url)
        )

    async def traces(self, cluster: Cluster) -> "TraceClient":
        url = cluster.endpoints.tempo_url
        if url is None:
            raise BackendMissing(cluster.name, "Tempo")
        return await self._client(
            cluster, "traces", lambda stored: self._connect.traces(cluster, stored, url)
        )

    async def korrel8r(self, cluster: Cluster) -> "Korrel8rClient":
        url = cluster.endpoints.korrel8r_url
        if url is None:
            raise BackendMissing(cluster.name, "korrel8r")
        return await self._client(
            cluster, "korrel8r", lambda stored: self._connect.korrel8r(cluster, stored, url)
        )

    async def readiness(self, cluster: Cluster, backend: str, url: str) -> Readiness:
        """A look at whether ``loki`` or ``tempo`` is there."""
        return await self._client(
            cluster,
            backend,
            lambda stored: self._connect.readiness(cluster, stored, backend, url),
        )

    async def _client(
        self,
        cluster: Cluster,
        backend: str,
        build: Callable[[ClusterCredentials | None], Awaitable[ClientT]],
    ) -> ClientT:
        # One name is always built by the same method, so what is kept has its type.
        revision = await self._source.access_revision(cluster.id)
        entry = self._entries.get(cluster.id)
        if entry is not None and entry.revision == revision and backend in entry.clients:
            return cast("ClientT", entry.clients[backend])
        async with self._lock(cluster.id):
            entry = await self._entry(cluster, revision)
            if backend not in entry.clients:
                entry.clients[backend] = await build(entry.credentials)
            return cast("ClientT", entry.clients[backend])

    async def has_credentials(self, cluster: Cluster) -> bool:
        """Whether calls to the cluster carry credentials at all."""
        async with self._lock(cluster.id):
            revision = await self._source.access_revision(cluster.id)
            return (await self._entry(cluster, revision)).credentials is not None

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
            await client.aclose()

    def _lock(self, cluster_id: UUID) -> asyncio.Lock:
        return self._locks.setdefault(cluster_id, asyncio.Lock())

    async def _entry(self, cluster: Cluster, revision: int) -> _Entry:
        entry = self._entries.get(cluster.id)
        if entry is not None and entry.revision == revision:
            return entry
        self.forget(cluster.id)
        await self._close_retired()
        stored = await self._source.credentials_info(cluster.id)
        credentials = None if stored is None else await self._source.load_credentials(cluster.id)
        entry = _Entry(revision, credentials)
        self._entries[cluster.id] = entry
        return entry

    async def _close_retired(self) -> None:
        now = self._now()
        ended = [client for ends, client in self._retired if ends <= now]
        self._retired = [pair for pair in self._retired if pair[0] > now]
        for client in ended:
            await client.aclose()


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

    async def loki(self) -> "LokiClient":
        """Raises BackendMissing where the cluster has no Loki."""
        return await self.clients.loki(self.cluster)

    async def traces(self) -> "TraceClient":
        """Raises BackendMissing where the cluster keeps no traces."""
        return await self.clients.traces(self.cluster)

    async def korrel8r(self) -> "Korrel8rClient":
        """Raises BackendMissing where the cluster has no korrel8r."""
        return await self.clients.korrel8r(self.cluster)


def address(cluster: Cluster) -> tuple[str | None, ...]:
    """Everything about a cluster that decides where a call goes."""
    ends = cluster.endpoints
    urls = (ends.prometheus_url, ends.alertmanager_url, ends.loki_url, ends.tempo_url)
    return (cluster.name, cluster.api_server_url, *urls, ends.korrel8r_url)
