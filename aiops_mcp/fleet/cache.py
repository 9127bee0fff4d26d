"""What clusters answered a moment ago: bounded by bytes, expiring, and asked once for many.

Least recently used goes first. Concurrent calls for one key share one load; a load that fails is
shared with those who wait for it and is not kept. Knows nothing of what it keeps: the caller
gives the key and the size.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")

Key = tuple[Hashable, ...]
"""What is asked; its first part is the owner, such as a cluster's id."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A value with the monotonic second it was loaded at."""

    value: Any
    size: int
    loaded_at: float
    expires_at: float


class AnswerCache:
    """Holds at most ``max_bytes``; ``now`` is a monotonic clock in seconds."""

    def __init__(self, max_bytes: int, now: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._now = now
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._flights: dict[Hashable, asyncio.Future[Any]] = {}
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def peek(self, key: Key) -> Kept | None:
        """What is kept and fresh, and mark it as used."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.expires_at <= self._now():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    async def get(
        self,
        key: Key,
        load: Callable[[], Awaitable[T]],
        *,
        ttl: float,
        size: Callable[[T], int],
        flight: Hashable = None,
    ) -> T:
        """The kept value, else that of a load under way, else that of ``load``.

        ``flight`` tells loads of one key apart that must not be shared (other deadlines). A
        waiter whose loading caller was cancelled loads itself.
        """
        flight_key = (key, flight)
        while True:
            kept = self.peek(key)
            if kept is not None:
                self.hits += 1
                return cast("T", kept.value)
            under_way = self._flights.get(flight_key)
            if under_way is None:
                return await self._load(key, flight_key, load, ttl, size)
            self.hits += 1
            try:
                return cast("T", await asyncio.shield(under_way))
            except asyncio.CancelledError:
                if not under_way.cancelled():
                    raise
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise

    async def _load(
        self,
        key: Key,
        flight_key: Hashable,
        load: Callable[[], Awaitable[T]],
        ttl: float,
        size: Callable[[T], int],
    ) -> T:
        self.misses += 1
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._flights[flight_key] = future
        try:
            value = await load()
        except asyncio.CancelledError:
            future.cancel()
            raise
        except BaseException as error:
            future.set_exception(error)
            future.exception()  # nobody may be waiting; that is no lost error
            raise
        else:
            future.set_result(value)
            self._keep(key, value, ttl, size(value))
            return value
        finally:
            del self._flights[flight_key]

    def forget(self, owner: Hashable) -> None:
        """Drop what is kept under every key that begins with ``owner``."""
        for key in [key for key in self._kept if key[0] == owner]:
            self._drop(key)

    def _keep(self, key: Key, value: object, ttl: float, size: int) -> None:
        if key in self._kept:
            self._drop(key)
        if ttl <= 0 or size > self._max_bytes:
            return
        now = self._now()
        self._kept[key] = Kept(value, size, now, now + ttl)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        self._bytes -= self._kept.pop(key).size
