"""Which clusters this replica looks after: shards of the fleet, held by leases.

Every cluster belongs to one shard by its id. A replica takes free shards a few at a time, so that
replicas which start together share them, and renews what it holds. When one dies its leases run
out and the others take over. Without leases there is one replica, and it looks after everything.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from aiops_mcp.errors import StorageFailed

SHARDS = 16
TAKEN_AT_ONCE = 2
LEASE = timedelta(seconds=30)
RENEW_SECONDS = 10.0
LOOK_AROUND_SECONDS = 1.0
"""How often the list of clusters is read for newcomers."""

TAKE_MORE_SECONDS = 0.1
"""Time for other replicas to take their part; a lone one has everything within a second."""


class Leases(Protocol):
    """Named leases that all replicas see; ``acquire`` also renews."""

    async def acquire(self, name: str, holder: str, *, now: datetime, ttl: timedelta) -> bool: ...

    async def release(self, name: str, holder: str) -> bool: ...


class Ours(Protocol):
    """Which clusters this replica looks after, as `Shards` tell."""

    def is_ours(self, cluster_id: UUID) -> bool: ...

    async def renew(self) -> bool: ...

    async def release(self) -> None: ...


class Shards:
    """The shards of one kind of work (``purpose``) that ``holder`` has."""

    def __init__(
        self,
        leases: Leases | None,
        *,
        purpose: str,
        holder: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._purpose = purpose
        self._holder = holder
        self._clock = clock
        self._renewed_at: datetime | None = None
        self.held: set[int] = set(range(SHARDS)) if leases is None else set()

    def is_ours(self, cluster_id: UUID) -> bool:
        return cluster_id.int % SHARDS in self.held

    async def renew(self) -> bool:
        """Keep what is held and take some of what is free; whether anything was taken.

        When the storage fails nothing is held: another replica may have it by now.
        """
        leases = self._leases
        if leases is None:
            return False
        try:
            kept = await self._kept(leases)
            taken: set[int] = set()
            for shard in range(SHARDS):
                if len(taken) == TAKEN_AT_ONCE:
                    break
                if shard not in kept and await self._acquire(leases, shard):
                    taken.add(shard)
            self.held = kept | taken
        except StorageFailed:
            self.held = set()
            self._renewed_at = None
            return False
        return bool(taken)

    async def release(self) -> None:
        """Give everything back, so that another replica need not wait."""
        held, self.held = self.held, set()
        if self._leases is None:
            return
        for shard in held:
            try:
                await self._leases.release(self._name(shard), self._holder)
            except StorageFailed:
                return  # they run out by themselves

    async def _kept(self, leases: Leases) -> set[int]:
        """What is still ours; asked no more often than leases need it."""
        now = self._clock()
        # A clock that was set back must not put the next renewal off by as much.
        if self._renewed_at is not None and abs(now - self._renewed_at) < LEASE / 4:
            return self.held
        kept = {shard for shard in self.held if await self._acquire(leases, shard)}
        self._renewed_at = now
        return kept

    async def _acquire(self, leases: Leases, shard: int) -> bool:
        return await leases.acquire(self._name(shard), self._holder, now=self._clock(), ttl=LEASE)

    def _name(self, shard: int) -> str:
        return f"{self._purpose}:{shard}"


async def keep_shards(ours: Ours, shared_out: asyncio.Event) -> None:
    """Renew what is ours for as long as looks may lie further apart than a lease lasts.

    Sets ``shared_out`` when the replicas have taken their parts; runs until cancelled.
    """
    while True:
        took = await ours.renew()
        if not took:
            shared_out.set()
        await asyncio.sleep(TAKE_MORE_SECONDS if took else RENEW_SECONDS)


async def watch_ours(
    shards: Ours,
    look_around: Callable[[float], Awaitable[None]],
    start_due: Callable[[float], float],
) -> None:
    """The schedule of who watches each cluster at a time of its own; until cancelled.

    Leases are renewed, ``look_around`` takes in which clusters are ours, and ``start_due`` starts
    what is due and says when the next is. Times are the event loop's.
    """
    loop = asyncio.get_running_loop()
    look = renew = loop.time()
    while True:
        now = loop.time()
        if now >= renew:
            took = await shards.renew()
            renew = now + (TAKE_MORE_SECONDS if took else RENEW_SECONDS)
            look = now if took else look
        if now >= look:
            await look_around(now)
            look = now + LOOK_AROUND_SECONDS
        wake = min(look, renew, start_due(loop.time()))
        await asyncio.sleep(max(0.0, wake - loop.time()))
