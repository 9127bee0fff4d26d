"""How often one may ask: token buckets, several of which one request can draw on at once.

A request takes from all of its buckets or from none. The buckets are kept in memory here; a store
shared by several processes only has to keep the ``Buckets`` protocol.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiops_mcp.errors import RateLimited
from aiops_mcp.settings import Settings


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` requests every ``window`` seconds on average, ``burst`` of them at once."""

    name: str
    count: int
    window: float
    burst: int

    @property
    def per_second(self) -> float:
        return self.count / self.window


@dataclass(frozen=True, slots=True)
class Demand:
    """One token of the bucket ``key``, which fills by ``rate``."""

    key: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket after a request; ``wait`` is seconds until it has a token, 0 where it had one."""

    rate: Rate
    remaining: float
    wait: float

    @property
    def reset(self) -> float:
        """Seconds until the bucket is full again."""
        return max(0.0, (self.rate.burst - self.remaining) / self.rate.per_second)


class Buckets(Protocol):
    """Where the buckets are kept."""

    async def take(self, demands: Sequence[Demand]) -> tuple[Level, ...]:
        """Take one token for every demand, or none at all where one bucket is empty.

        The levels stand in the order of the demands; one with ``wait`` above 0 was empty.
        """
        ...


class MemoryBuckets:
    """Buckets of this process. At most ``most`` are kept; the least recently used goes first.

    A forgotten bucket is a full one, so ``most`` must be well above the number of callers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def take(self, demands: Sequence[Demand]) -> tuple[Level, ...]:
        now = self._clock()
        levels = [(demand, self._level(demand, now)) for demand in demands]
        allowed = all(level >= 1 for _, level in levels)
        answer: list[Level] = []
        for demand, level in levels:
            left = level - 1 if allowed else level
            self._kept[demand.key] = (left, now)
            self._kept.move_to_end(demand.key)
            wait = 0.0 if level >= 1 else (1 - level) / demand.rate.per_second
            answer.append(Level(demand.rate, left, wait))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return tuple(answer)

    def _level(self, demand: Demand, now: float) -> float:
        level, since = self._kept.get(demand.key, (float(demand.rate.burst), now))
        filled = level + max(0.0, now - since) * demand.rate.per_second
        return min(float(demand.rate.burst), filled)


class RateLimits:
    """Which buckets a request draws on: all clients together, the caller's, the operation's."""

    def __init__(self, buckets: Buckets, settings: Settings) -> None:
        self._buckets = buckets
        self._all = Rate("all", settings.rate_all_per_second, 1, settings.rate_all_burst)
        self._user = Rate("user", settings.rate_user_per_minute, 60, settings.rate_user_burst)
        self._named = {
            "query": Rate("query", settings.rate_query_per_minute, 60, settings.rate_query_burst),
            "chat": Rate("chat", settings.rate_chat_per_minute, 60, settings.rate_chat_burst),
            "reports": Rate(
                "reports", settings.rate_reports_per_minute, 60, settings.rate_reports_burst
            ),
        }

    def knows(self, name: str) -> bool:
        """Whether an operation may name this limit."""
        return name in self._named

    async def admit(self, subject: str | None, limit: str | None = None) -> Mapping[str, str]:
        """Count one request; the headers that tell the tightest limit it counts against.

        ``subject`` is ``None`` for a caller nobody knows, ``limit`` the operation's own limit.

        Raises:
            TooManyRequests: one of the limits is used up; none has been counted against.
        """
        demands = [Demand("all", self._all)]
        if subject is not None:
            demands.append(Demand(f"user:{subject}", self._user))
            if limit is not None:
                demands.append(Demand(f"{limit}:{subject}", self._named[limit]))
        return await self._take(demands)

    async def _take(self, demands: Sequence[Demand]) -> Mapping[str, str]:
        counted = [demand for demand in demands if demand.rate.count > 0]  # 0 means no limit
        if not counted:
            return {}
        levels = await self._buckets.take(counted)
        tightest = max(levels, key=lambda level: (level.wait, -level.remaining))
        if tightest.wait > 0:
            raise TooManyRequests(tightest)
        return limit_headers(tightest)


class TooManyRequests(RateLimited):
    """A limit is used up; ``headers`` tell which and when it is over."""

    def __init__(self, level: Level) -> None:
        rate = level.rate
        per = "second" if rate.window == 1 else f"{rate.window:g} s"
        whose = "All clients together" if rate.name == "all" else "You"
        super().__init__(
            f"{whose} asked too often: the limit {rate.name} is {rate.count} requests "
            f"per {per}, {rate.burst} at once.",
            f"Wait {level.wait:.1f} s, or raise the limit in the settings (AIOPS_RATE_…).",
            retry_after=level.wait,
        )
        self.limit = rate.name
        self.headers = limit_headers(level)


def limit_headers(level: Level) -> Mapping[str, str]:
    """``X-RateLimit-*``: requests a window, whole requests left, seconds until all are back."""
    return {
        "x-ratelimit-limit": str(level.rate.count),
        "x-ratelimit-remaining": str(max(0, int(level.remaining))),
        "x-ratelimit-reset": str(-int(-level.reset // 1)),
    }
