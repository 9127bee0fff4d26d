"""The vault: credentials go in sealed, and come out only for those who call a cluster.

Nothing here logs, and no error holds a secret. See ``vault_kubernetes.py`` for the other kind.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from cryptography.fernet import InvalidToken

from aiops_mcp.errors import CredentialsNotFound, StorageFailed
from aiops_mcp.fleet.vault_format import from_plaintext, to_plaintext
from aiops_mcp.fleet.vault_keys import KeyRing
from aiops_mcp.models.cluster import AuthType, ClusterCredentials, CredentialsInfo
from aiops_mcp.storage.clusters import next_revision
from aiops_mcp.storage.credentials import (
    CredentialsRecord,
    all_credentials,
    delete_credentials,
    put_credentials,
    read_credentials,
    replace_ciphertexts,
)
from aiops_mcp.storage.engine import Database, Transaction

WARN_BEFORE = timedelta(days=7)


class Vault(Protocol):
    """Keeps credentials. ``transactional``: it takes part in the registry's transaction."""

    @property
    def transactional(self) -> bool: ...

    async def store(
        self,
        cluster_id: UUID,
        credentials: ClusterCredentials,
        *,
        transaction: Transaction | None = None,
    ) -> None:
        """Store or replace. Raises ``ClusterNotFound`` or ``StorageFailed``."""
        ...

    async def load(self, cluster_id: UUID) -> ClusterCredentials:
        """What was stored. Raises ``CredentialsNotFound``: none, or they cannot be opened."""
        ...

    def about(self, credentials: ClusterCredentials) -> CredentialsInfo:
        """What may be said about these credentials."""
        ...

    async def info(self, cluster_id: UUID) -> CredentialsInfo | None:
        """Kind and dates, without opening anything; ``None``: nothing is stored."""
        ...

    async def infos(self, cluster_ids: frozenset[UUID]) -> dict[UUID, CredentialsInfo]:
        """``info`` of those of the clusters that have credentials."""
        ...

    async def delete(self, cluster_id: UUID, *, transaction: Transaction | None = None) -> bool:
        """Forget; false when there was nothing."""
        ...

    async def rotate_key(self) -> int:
        """Seal everything anew with a new key; returns how many. A kill at any moment is safe."""
        ...


def credentials_info(
    auth_type: AuthType,
    created_at: datetime,
    expires_at: datetime | None,
    *,
    now: datetime,
    warn_before: timedelta,
) -> CredentialsInfo:
    """What may be said about credentials; they expire soon from ``warn_before`` on."""
    return CredentialsInfo(
        auth_type=auth_type,
        created_at=created_at,
        expires_at=expires_at,
        expires_soon=expires_at is not None and expires_at - now <= warn_before,
    )


class DatabaseVault:
    """Credentials in our database, sealed with Fernet (AES-128-CBC, HMAC-SHA256)."""

    transactional = True

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        *,
        clock: Callable[[], datetime],
        warn_before: timedelta = WARN_BEFORE,
    ) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._warn_before = warn_before

    async def store(
        self,
        cluster_id: UUID,
        credentials: ClusterCredentials,
        *,
        transaction: Transaction | None = None,
    ) -> None:
        if transaction is None:
            async with self._database.transaction() as own:
                await next_revision(own)
                await self.store(cluster_id, credentials, transaction=own)
            return
        # Sealed inside the transaction: a rotation of keys elsewhere waits for it, or it for that.
        ciphertext = self._keys.newest().encrypt(to_plaintext(cluster_id, credentials))
        record = CredentialsRecord(
            cluster_id=cluster_id,
            ciphertext=ciphertext,
            auth_type=credentials.auth_type.value,
            created_at=credentials.created_at,
            expires_at=credentials.expires_at,
        )
        await put_credentials(transaction, record)

    async def load(self, cluster_id: UUID) -> ClusterCredentials:
        plaintext = await self._open(cluster_id)
        if plaintext is None:  # a rotation may have ended between reading the row and the keys
            plaintext = await self._open(cluster_id)
        if plaintext is None:
            raise _unreadable(f"cluster {cluster_id}")
        return from_plaintext(cluster_id, plaintext)

    async def _open(self, cluster_id: UUID) -> bytes | None:
        async with self._database.read() as transaction:
            record = await read_credentials(transaction, cluster_id)
        if record is None:
            raise CredentialsNotFound(
                f"No credentials are stored for cluster {cluster_id}.", "Store credentials for it."
            )
        try:
            return self._keys.keys().decrypt(record.ciphertext)
        except InvalidToken:
            return None

    def about(self, credentials: ClusterCredentials) -> CredentialsInfo:
        return self._dated(credentials.auth_type, credentials.created_at, credentials.expires_at)

    async def info(self, cluster_id: UUID) -> CredentialsInfo | None:
        async with self._database.read() as transaction:
            record = await read_credentials(transaction, cluster_id)
        return None if record is None else self._info(record)

    async def infos(self, cluster_ids: frozenset[UUID]) -> dict[UUID, CredentialsInfo]:
        async with self._database.read() as transaction:
            records = await all_credentials(transaction)
        return {
            record.cluster_id: self._info(record)
            for record in records
            if record.cluster_id in cluster_ids
        }

    def _info(self, record: CredentialsRecord) -> CredentialsInfo:
        return self._dated(AuthType(record.auth_type), record.created_at, record.expires_at)

    def _dated(
        self, auth_type: AuthType, created_at: datetime, expires_at: datetime | None
    ) -> CredentialsInfo:
        return credentials_info(
            auth_type,
            created_at,
            expires_at,
            now=self._clock(),
            warn_before=self._warn_before,
        )

    async def delete(self, cluster_id: UUID, *, transaction: Transaction | None = None) -> bool:
        if transaction is None:
            async with self._database.transaction() as own:
                return await delete_credentials(own, cluster_id)
        return await delete_credentials(transaction, cluster_id)

    async def rotate_key(self) -> int:
        async with self._database.transaction() as transaction:
            await next_revision(transaction)  # no other process stores or rotates meanwhile
            self._keys.begin_rotation()
            count = await self._seal_anew(transaction)
        async with self._database.transaction() as transaction:
            await next_revision(transaction)
            await self._seal_anew(transaction)  # nothing to do unless somebody used an old key
            self._keys.end_rotation()
        return count

    async def _seal_anew(self, transaction: Transaction) -> int:
        newest, keys = self._keys.newest(), self._keys.keys()
        anew: dict[UUID, bytes] = {}
        unreadable: list[str] = []
        for record in await all_credentials(transaction):
            try:
                newest.decrypt(record.ciphertext)
            except InvalidToken:
                try:
                    anew[record.cluster_id] = keys.rotate(record.ciphertext)
                except InvalidToken:
                    unreadable.append(str(record.cluster_id))
        if unreadable:
            raise StorageFailed(
                "The key was not rotated: the credentials of these clusters cannot be opened "
                f"with any key we have: {', '.join(unreadable)}.",
                "Bring back the key they were sealed with, or store or delete their credentials.",
            )
        await replace_ciphertexts(transaction, anew)
        return len(anew)


def _unreadable(whose: str) -> CredentialsNotFound:
    return CredentialsNotFound(
        f"The stored credentials of {whose} cannot be opened with the keys we have.",
        "Bring back the key they were sealed with (the file vault.key, or AIOPS_VAULT_KEYS), "
        "or store the credentials again.",
    )
