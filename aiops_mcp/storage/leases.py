"""Leases: which replica does a piece of background work. Times come from the caller's clock."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select

from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import leases
from aiops_mcp.storage.upsert import upsert


class LeaseTable:
    """Leases by name; each has one holder until it expires or is given back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> bool:
        """Take or renew the lease; false when somebody else holds it. Atomic.

        Raises:
            StorageFailed: nothing changed.
        """
        row = {"name": name, "holder": holder, "expires_at": now + ttl}
        free = or_(leases.c.holder == holder, leases.c.expires_at <= now)
        async with self._database.transaction() as transaction:
            return await upsert(transaction, leases, row, keys=("name",), only_if=free)

    async def release(self, name: str, holder: str) -> bool:
        """Give the lease back; false when the holder did not have it."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(
                delete(leases).where(leases.c.name == name, leases.c.holder == holder)
            )
            return gone.rowcount > 0

    async def holder(self, name: str, now: datetime) -> str | None:
        """Who holds the lease at this moment."""
        async with self._database.read() as transaction:
            return await transaction.scalar(
                select(leases.c.holder).where(leases.c.name == name, leases.c.expires_at > now)
            )
