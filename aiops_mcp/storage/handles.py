"""One-time handles: what a plan promised, to be applied once. Holds hashes, never a handle."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, insert, or_, update

from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import handles


class HandleTable:
    """Handles by their hash (at most 128 characters), shared by all replicas."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def add(self, handle_hash: str, expires_at: datetime) -> None:
        """Remember an unused handle, and forget those that are of no use any more.

        Raises:
            StorageFailed: it was not remembered.
        """
        spent = or_(handles.c.expires_at <= self._clock(), handles.c.used_at.is_not(None))
        async with self._database.transaction() as transaction:
            await transaction.execute(delete(handles).where(spent))
            await transaction.execute(
                insert(handles).values(hash=handle_hash, expires_at=expires_at)
            )

    async def consume(self, handle_hash: str) -> bool:
        """Use a handle up, atomically: true once, and only before it expires."""
        now = self._clock()
        async with self._database.transaction() as transaction:
            used = await transaction.execute(
                update(handles)
                .where(
                    handles.c.hash == handle_hash,
                    handles.c.used_at.is_(None),
                    handles.c.expires_at > now,
                )
                .values(used_at=now)
            )
            return used.rowcount == 1
