"""A replica's claim on a piece of background work, so that n replicas do it once."""

from collections.abc import Callable
from datetime import datetime, timedelta

from aiops_mcp.storage.leases import LeaseTable


class Lease:
    """One named lease as this replica sees it; ``holder`` is a name no other replica has.

    Call ``held`` before every round of the work, more often than ``ttl``. The table is asked only
    when a third of ``ttl`` has passed, or while another replica holds the lease.
    """

    def __init__(
        self,
        table: LeaseTable,
        name: str,
        holder: str,
        *,
        clock: Callable[[], datetime],
        ttl: timedelta = timedelta(seconds=30),
    ) -> None:
        self._table = table
        self._name = name
        self._holder = holder
        self._clock = clock
        self._ttl = ttl
        self._renew_at: datetime | None = None

    async def held(self) -> bool:
        """Whether this replica is the one to work now; takes or renews the lease.

        Raises:
            StorageFailed: it is not known; do not work.
        """
        now = self._clock()
        if self._renew_at is not None and now < self._renew_at:
            return True
        self._renew_at = None
        if await self._table.acquire(self._name, self._holder, now=now, ttl=self._ttl):
            self._renew_at = now + self._ttl / 3
            return True
        return False

    async def release(self) -> None:
        """Let another replica go on at once, instead of after ``ttl``."""
        self._renew_at = None
        await self._table.release(self._name, self._holder)
