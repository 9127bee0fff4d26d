"""The last answer each cluster gave to each question, for when it is away. Bytes, not meaning."""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import last_seen
from aiops_mcp.storage.upsert import upsert

_LONGEST_KEY = 128


class LastSeenTable:
    """Answers by question (``key``) and cluster."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, key: str, cluster_id: UUID, blob: bytes, at: datetime) -> None:
        """Keep an answer, unless a newer one is kept or the cluster is gone.

        Raises:
            StorageFailed: nothing was kept.
        """
        row = {"cluster_id": cluster_id, "key": _stored_key(key), "answer": blob, "seen_at": at}
        try:
            async with self._database.transaction() as transaction:
                await upsert(
                    transaction,
                    last_seen,
                    row,
                    keys=("cluster_id", "key"),
                    only_if=last_seen.c.seen_at <= at,
                )
        except IntegrityError:
            return  # its cluster was removed meanwhile: nobody will ask for this answer

    async def get(self, key: str, cluster_id: UUID) -> tuple[bytes, datetime] | None:
        """One cluster's last answer, and when it was given."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(last_seen.c.answer, last_seen.c.seen_at).where(
                    last_seen.c.key == _stored_key(key), last_seen.c.cluster_id == cluster_id
                )
            )
            row = found.one_or_none()
        return None if row is None else (row.answer, row.seen_at)

    async def prune(self, before: datetime) -> int:
        """Forget answers from before a moment; returns how many."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(delete(last_seen).where(last_seen.c.seen_at < before))
            return gone.rowcount


def _stored_key(key: str) -> str:
    """A question may be a long query; its hash stands for it then."""
    return key if len(key) <= _LONGEST_KEY else sha256(key.encode()).hexdigest()
