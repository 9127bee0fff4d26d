"""Token buckets in Redis, so that several processes share a caller's limit.

The same arithmetic as ``MemoryBuckets``, in a script that runs whole or not at all, by the clock
of Redis. While Redis is away each process counts for itself.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from aiops_mcp.surfaces.ratelimit import Buckets, Demand, Level, MemoryBuckets

DATABASE = 1
_TRY_AGAIN_SECONDS = 5.0

# KEYS: the buckets; ARGV: for each its burst and its tokens a second. Answers, as text since Lua
# numbers become integers, the level of each before anything was taken.
_TAKE = """
local now = redis.call('TIME')
local time = tonumber(now[1]) + tonumber(now[2]) / 1000000
local levels, allowed = {}, true
for i = 1, #KEYS do
  local burst, rate = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local kept = redis.call('HMGET', KEYS[i], 'level', 'at')
  local level, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or time
  level = math.min(burst, level + math.max(0, time - at) * rate)
  levels[i] = level
  if level < 1 then allowed = false end
end
local told = {}
for i = 1, #KEYS do
  local left = levels[i]
  if allowed then left = left - 1 end
  redis.call('HSET', KEYS[i], 'level', string.format('%.6f', left))
  redis.call('HSET', KEYS[i], 'at', string.format('%.6f', time))
  local full = (tonumber(ARGV[2 * i - 1]) - left) / tonumber(ARGV[2 * i])
  redis.call('EXPIRE', KEYS[i], math.ceil(full) + 60)
  told[i] = string.format('%.6f', levels[i])
end
return told
"""

_log = logging.getLogger(__name__)


class RedisBuckets:
    """``Buckets`` that all processes with this Redis share."""

    def __init__(
        self,
        redis: Any,
        *,
        instead: Buckets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._instead = instead or MemoryBuckets()
        self._clock = clock
        self._away_until = 0.0
        self._is_away = False

    @classmethod
    def at(cls, url: str, *, timeout: float = 0.5) -> "RedisBuckets":
        """Buckets in database 1 of the server at ``url``. Raises ``ValueError`` on a bad URL."""
        make: Any = getattr(Redis, "from_url")  # noqa: B009  # untyped keywords
        base = url.partition("://")
        plain = base[0] in ("redis", "rediss")
        address = f"{base[0]}://{base[2].partition('/')[0]}/{DATABASE}" if plain else url
        return cls(
            make(
                address,
                db=DATABASE,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),
            )
        )

    async def take(self, demands: Sequence[Demand]) -> tuple[Level, ...]:
        if self._is_away and self._clock() < self._away_until:
            return await self._instead.take(demands)
        try:
            found = await self._take(
                keys=[f"ratelimit:{demand.key}" for demand in demands],
                args=[
                    part
                    for demand in demands
                    for part in (demand.rate.burst, repr(demand.rate.per_second))
                ],
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._went(error)
            return await self._instead.take(demands)
        if self._is_away:
            self._is_away = False
            _log.info("rate limits are shared between processes again")
        levels = [float(level) for level in found]
        allowed = all(level >= 1 for level in levels)
        return tuple(
            Level(
                demand.rate,
                level - 1 if allowed else level,
                0.0 if level >= 1 else (1 - level) / demand.rate.per_second,
            )
            for demand, level in zip(demands, levels, strict=True)
        )

    def _went(self, error: BaseException) -> None:
        self._away_until = self._clock() + _TRY_AGAIN_SECONDS
        if not self._is_away:
            self._is_away = True
            _log.warning(
                "each process counts rate limits for itself until Redis is back: %s", error
            )

    async def aclose(self) -> None:
        await self._redis.aclose()
