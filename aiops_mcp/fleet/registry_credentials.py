"""Credentials of registered clusters: what the registry does around the vault.

A vault in our database joins the registry's transaction. One outside of it can neither join nor
may it hold the transaction up: new credentials go there first and are taken back when the rest
fails; old ones leave it last.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet import registry_events
from aiops_mcp.fleet.expiry import with_expiry
from aiops_mcp.fleet.vault import Vault
from aiops_mcp.models.cluster import Cluster, ClusterCredentials, CredentialsInfo
from aiops_mcp.models.events import Event
from aiops_mcp.storage.engine import Transaction

Write = Callable[[Transaction], Awaitable[Sequence[Event]]]
Change = Callable[[Write], Awaitable[None]]
Touch = Callable[[Transaction, UUID], Awaitable[Cluster]]


class CredentialChanges:
    """Stores and deletes credentials, each with its transaction and event.

    ``change`` runs a write in a transaction and publishes its events; ``touch`` notes in it that a
    cluster is reached otherwise now, and raises ``ClusterNotFound`` when it is gone.
    """

    def __init__(
        self, vault: Vault, change: Change, touch: Touch, clock: Callable[[], datetime]
    ) -> None:
        self._vault = vault
        self._change = change
        self._touch = touch
        self._clock = clock

    async def with_new(
        self, cluster_id: UUID, credentials: ClusterCredentials | None, write: Write
    ) -> None:
        """Make a change that brings a cluster and its first credentials: both, or neither."""
        if credentials is None:
            await self._change(write)
            return
        sealed = with_expiry(credentials)
        if self._vault.transactional:

            async def write_both(transaction: Transaction) -> Sequence[Event]:
                events = await write(transaction)
                await self._vault.store(cluster_id, sealed, transaction=transaction)
                return events

            await self._change(write_both)
            return
        await self._vault.store(cluster_id, sealed)
        try:
            await self._change(write)
        except AiopsError:
            await self._vault.delete(cluster_id)
            raise

    async def store(self, cluster_id: UUID, credentials: ClusterCredentials) -> CredentialsInfo:
        """Store or replace."""
        dated = with_expiry(credentials)

        async def write(transaction: Transaction) -> Sequence[Event]:
            cluster = await self._touch(transaction, cluster_id)
            if self._vault.transactional:
                await self._vault.store(cluster_id, dated, transaction=transaction)
            now = self._clock()
            return (registry_events.credentials_updated(cluster, "stored", dated, now),)

        async def check(transaction: Transaction) -> Sequence[Event]:
            await self._touch(transaction, cluster_id)
            return ()

        if not self._vault.transactional:
            await self._change(check)  # no credentials for a cluster that does not exist
            await self._vault.store(cluster_id, dated)
        await self._change(write)
        return self._vault.about(dated)

    async def delete(self, cluster_id: UUID) -> bool:
        """Forget; false when there were none."""
        deleted = False

        async def write(transaction: Transaction) -> Sequence[Event]:
            nonlocal deleted
            cluster = await self._touch(transaction, cluster_id)
            if self._vault.transactional:
                deleted = await self._vault.delete(cluster_id, transaction=transaction)
            if not deleted:
                return ()
            now = self._clock()
            return (registry_events.credentials_updated(cluster, "deleted", None, now),)

        if not self._vault.transactional:
            deleted = await self._vault.delete(cluster_id)
        await self._change(write)
        return deleted
