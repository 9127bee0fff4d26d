"""The registry: which clusters there are, how they are, and who may know of them.

Every change is one transaction, then its event; both happen even when the caller has gone away.
Credentials pass through to the vault and appear in no answer, event or log of this room.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet import registry_events
from aiops_mcp.fleet.naming import find_visible, no_such_cluster
from aiops_mcp.fleet.registry_credentials import CredentialChanges
from aiops_mcp.fleet.roster import Roster
from aiops_mcp.fleet.status_writer import StatusUpdate, StatusWriter
from aiops_mcp.fleet.vault import Vault
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCapabilities,
    ClusterCredentials,
    ClusterEndpoints,
    ClusterStatus,
    CredentialsInfo,
    HealthCheck,
    Platform,
)
from aiops_mcp.models.events import Event
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.registration import ClusterChanges, NewCluster
from aiops_mcp.storage.clusters import (
    ClusterRecord,
    delete_cluster,
    find_cluster,
    insert_cluster,
    next_revision,
    save_cluster,
    touch_access,
)
from aiops_mcp.storage.engine import Database, Transaction
from aiops_mcp.storage.health import delete_checks, read_checks

_T = TypeVar("_T")
_MAX_HISTORY = 10_000  # entries of one answer
_MAX_VERSION = 128  # characters


class Registry:
    """The clusters of the fleet.

    ``history_every``: an unchanged health check enters the history only so often.
    ``keep_history``: entries older than this are pruned.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        max_age: float = 1.0,
        history_every: timedelta = timedelta(minutes=5),
        keep_history: timedelta = timedelta(days=7),
    ) -> None:
        self._database = database
        self._vault = vault
        self._bus = bus
        self._clock = clock
        self._keep_history = keep_history
        self._roster = Roster(database, monotonic=monotonic, max_age=max_age)
        self._statuses = StatusWriter(
            database,
            bus,
            clock=clock,
            history_every=history_every,
            written=self._roster.forget,
        )
        self._credentials = CredentialChanges(vault, self._change, self._touch, clock)

    # --- reading ----------------------------------------------------------------------------

    async def on_event(self, event: Event) -> None:
        """Look before the next answer, as another process changed a cluster; for the bus."""
        if event.cluster_id is not None and event.event_type.value.startswith("CLUSTER_"):
            self._roster.forget()

    async def list(self, principal: Principal) -> tuple[Cluster, ...]:
        """The clusters the principal may see, in the order of their names.

        Raises:
            StorageFailed: the database is away (for minutes: until then the last list stands).
        """
        snapshot = await self._roster.current()
        if principal.clusters is None:
            return snapshot.clusters
        return tuple(cluster for cluster in snapshot.clusters if principal.sees(cluster.name))

    async def resolve(self, name_or_id: str | UUID, principal: Principal) -> Cluster:
        """The cluster with this name or id.

        Raises:
            ClusterNotFound: there is none that the principal may see; the hint has near names.
        """
        record = find_visible(await self._roster.current(), name_or_id, principal)
        return record.cluster

    async def access_revision(self, cluster_id: UUID) -> int:
        """A number that changes whenever the cluster's URLs or credentials do.

        Raises:
            ClusterNotFound: it was removed.
        """
        record = (await self._roster.current()).by_id.get(cluster_id)
        if record is None:
            raise no_such_cluster(str(cluster_id), ())
        return record.access_revision

    async def history(
        self, cluster_id: UUID, since: datetime, *, limit: int = 1000
    ) -> tuple[HealthCheck, ...]:
        """The newest ``limit`` health checks from ``since`` on, oldest first."""
        async with self._database.read() as transaction:
            return await read_checks(transaction, cluster_id, since, min(limit, _MAX_HISTORY))

    # --- changing ---------------------------------------------------------------------------

    async def register(
        self, new: NewCluster, credentials: ClusterCredentials | None = None
    ) -> Cluster:
        """Add a cluster, with its credentials when given, in state UNKNOWN.

        Raises:
            ClusterAlreadyExists: the name is taken; the message names the one that has it.
            StorageFailed: nothing was stored.
        """
        now = self._clock()
        cluster = Cluster(
            id=uuid4(),
            created_at=now,
            updated_at=now,
            **new.model_dump(exclude={"endpoints"}),
        )
        record = ClusterRecord(cluster).with_endpoints(configured=new.endpoints)

        async def write(transaction: Transaction) -> Sequence[Event]:
            await insert_cluster(transaction, record, await next_revision(transaction))
            return (registry_events.registered(record.cluster),)

        await _to_the_end(self._credentials.with_new(cluster.id, credentials, write))
        return record.cluster

    async def update(self, cluster_id: UUID, changes: ClusterChanges) -> Cluster:
        """Change what the changes name; nothing is written when nothing differs.

        Raises:
            ClusterNotFound: it was removed.
            ClusterAlreadyExists: the new name is taken.
        """
        values = changes.values()
        endpoints: ClusterEndpoints | None = values.pop("endpoints", None)

        def apply(record: ClusterRecord) -> ClusterRecord:
            return record.with_cluster(**values).with_endpoints(configured=endpoints)

        return await _to_the_end(self._edit(cluster_id, apply, registry_events.edited))

    async def set_capabilities(
        self,
        cluster_id: UUID,
        capabilities: ClusterCapabilities,
        *,
        endpoints: ClusterEndpoints | None = None,
        platform: Platform | None = None,
        platform_version: str | None = None,
    ) -> Cluster:
        """Store what discovery found. Found endpoints never replace configured ones.

        Raises:
            ClusterNotFound: it was removed.
        """
        found: dict[str, Any] = {"capabilities": capabilities}
        if platform is not None:
            found["platform"] = platform
        if platform_version is not None:
            found["platform_version"] = platform_version.replace("\0", "")[:_MAX_VERSION]

        def apply(record: ClusterRecord) -> ClusterRecord:
            return record.with_cluster(**found).with_endpoints(discovered=endpoints)

        return await _to_the_end(self._edit(cluster_id, apply, registry_events.discovered))

    async def _edit(
        self,
        cluster_id: UUID,
        apply: Callable[[ClusterRecord], ClusterRecord],
        announce: Callable[[Cluster, Cluster, set[str]], Sequence[Event]],
    ) -> Cluster:
        edited: list[Cluster] = []

        async def write(transaction: Transaction) -> Sequence[Event]:
            revision = await next_revision(transaction)
            before = await _existing(transaction, cluster_id)
            after = apply(before)
            changed = after.changed_fields(before)
            if not changed:
                edited.append(before.cluster)
                return ()
            after = after.with_cluster(updated_at=self._clock())
            access = bool(changed & {"api_server_url", "endpoints"})
            await save_cluster(transaction, after, revision, access=access)
            edited.append(after.cluster)
            return announce(before.cluster, after.cluster, changed)

        await self._change(write)
        return edited[0]

    async def remove(self, cluster_id: UUID) -> Cluster:
        """Forget a cluster with its credentials, history and last-seen answers.

        Raises:
            ClusterNotFound: it was removed already.
        """
        gone: list[Cluster] = []

        async def write(transaction: Transaction) -> Sequence[Event]:
            await next_revision(transaction, removes=True)
            gone.append((await _existing(transaction, cluster_id)).cluster)
            await delete_cluster(transaction, cluster_id)
            return (registry_events.removed(gone[0], self._clock()),)

        async def both() -> None:
            await self._change(write)
            if not self._vault.transactional:
                await self._vault.delete(cluster_id)

        await _to_the_end(both())
        return gone[0]

    # --- health -----------------------------------------------------------------------------

    async def set_status(
        self,
        cluster_id: UUID,
        status: ClusterStatus,
        latency_ms: float | None = None,
        seen: bool = False,
    ) -> None:
        """Store one health check; ``seen``: the API server answered, so ``last_seen_at`` moves.

        Raises:
            ClusterNotFound: it was removed.
        """
        update = StatusUpdate(cluster_id, status, latency_ms, seen)
        if cluster_id not in await self._statuses.write((update,)):
            raise no_such_cluster(str(cluster_id), ())

    async def set_statuses(self, updates: Sequence[StatusUpdate]) -> None:
        """Store many health checks in one transaction; clusters that are gone are passed over."""
        if updates:
            await self._statuses.write(updates)

    async def prune_history(self) -> int:
        """Forget checks older than ``keep_history``; returns how many went."""
        async with self._database.transaction() as transaction:
            return await delete_checks(transaction, self._clock() - self._keep_history)

    # --- credentials ------------------------------------------------------------------------

    async def store_credentials(
        self, cluster_id: UUID, credentials: ClusterCredentials
    ) -> CredentialsInfo:
        """Store or replace a cluster's credentials; returns what may be said about them.

        Raises:
            ClusterNotFound: there is no such cluster.
        """
        return await _to_the_end(self._credentials.store(cluster_id, credentials))

    async def delete_credentials(self, cluster_id: UUID) -> bool:
        """Forget a cluster's credentials; false when there were none.

        Raises:
            ClusterNotFound: there is no such cluster.
        """
        return await _to_the_end(self._credentials.delete(cluster_id))

    async def load_credentials(self, cluster_id: UUID) -> ClusterCredentials:
        """The credentials themselves, for a client.

        Raises:
            CredentialsNotFound: none are stored, or they cannot be opened.
        """
        return await self._vault.load(cluster_id)

    async def credentials_info(self, cluster_id: UUID) -> CredentialsInfo | None:
        """Kind and dates of the stored credentials, and whether they expire soon."""
        return await self._vault.info(cluster_id)

    async def expiring_credentials(
        self, principal: Principal
    ) -> tuple[tuple[Cluster, CredentialsInfo], ...]:
        """The visible clusters whose credentials expire soon or have expired, soonest first."""
        clusters = {cluster.id: cluster for cluster in await self.list(principal)}
        infos = await self._vault.infos(frozenset(clusters))
        found = [(clusters[key], info) for key, info in infos.items() if info.expires_soon]
        return tuple(sorted(found, key=lambda pair: (str(pair[1].expires_at), pair[0].name)))

    async def rotate_vault_key(self) -> int:
        """Seal all credentials with a new key; returns how many were sealed anew."""
        return await _to_the_end(self._vault.rotate_key())

    async def _touch(self, transaction: Transaction, cluster_id: UUID) -> Cluster:
        revision = await next_revision(transaction)
        record = await _existing(transaction, cluster_id)
        await touch_access(transaction, cluster_id, revision)
        return record.cluster

    async def _change(self, write: Callable[[Transaction], Awaitable[Sequence[Event]]]) -> None:
        async with self._database.transaction() as transaction:
            events = await write(transaction)
        self._roster.forget()
        for event in events:
            await self._bus.publish(event)


async def _existing(transaction: Transaction, cluster_id: UUID) -> ClusterRecord:
    record = await find_cluster(transaction, cluster_id)
    if record is None:
        raise no_such_cluster(str(cluster_id), ())
    return record


async def _to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Run the work to its end even when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise
