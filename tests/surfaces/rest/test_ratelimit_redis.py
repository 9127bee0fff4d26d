"""Buckets in a real Redis: the same as in memory, shared, and without Redis each for itself."""

import asyncio

import pytest
import real_stores

from aiops_mcp.surfaces.ratelimit import Demand, Rate
from aiops_mcp.surfaces.ratelimit_redis import RedisBuckets

pytestmark = pytest.mark.real

SLOW = Rate("user", 6, 60, 3)
FAST = Rate("all", 1000, 1, 100)


@pytest.fixture
def redis(require_program):
    require_program("redis-server")
    with real_stores.redis_server() as server:
        yield server


@pytest.fixture
async def buckets(redis):
    made = [RedisBuckets.at(f"{redis.url}/7") for _ in range(2)]
    yield made
    for each in made:
        await each.aclose()


async def test_two_processes_draw_on_one_bucket(buckets) -> None:
    one, two = buckets
    demand = Demand("user:a", SLOW)
    levels = [(await each.take([demand]))[0] for each in (one, two, one)]
    assert [round(level.remaining) for level in levels] == [2, 1, 0]
    assert all(level.wait == 0 for level in levels)
    [empty] = await two.take([demand])
    assert 9 < empty.wait <= 10
    [other] = await two.take([Demand("user:b", SLOW)])
    assert other.wait == 0


async def test_all_or_none_is_taken(buckets) -> None:
    one, _ = buckets
    for _ in range(3):
        await one.take([Demand("user:c", SLOW)])
    refused = await one.take([Demand("all", FAST), Demand("user:c", SLOW)])
    assert refused[0].remaining == pytest.approx(100)
    assert refused[1].wait > 9
    allowed = await one.take([Demand("all", FAST)])
    assert allowed[0].remaining == pytest.approx(99)


async def test_a_bucket_fills_again(buckets) -> None:
    one, _ = buckets
    quick = Demand("quick", Rate("quick", 20, 1, 1))
    assert (await one.take([quick]))[0].wait == 0
    assert (await one.take([quick]))[0].wait > 0
    await asyncio.sleep(0.08)
    assert (await one.take([quick]))[0].wait == 0


async def test_only_as_many_as_allowed_however_many_ask_at_once(buckets) -> None:
    demand = Demand("user:d", Rate("user", 1, 600, 10))
    answers = await asyncio.gather(*(buckets[n % 2].take([demand]) for n in range(40)))
    assert sum(level.wait == 0 for [level] in answers) == 10


async def test_buckets_are_in_database_1_and_do_not_stay(buckets, redis) -> None:
    one, _ = buckets
    await one.take([Demand("user:e", SLOW)])
    client = one._redis
    assert client.connection_pool.connection_kwargs["db"] == 1
    assert await client.keys() == [b"ratelimit:user:e"]
    assert 60 < await client.ttl("ratelimit:user:e") <= 71


async def test_without_redis_each_counts_for_itself_and_it_is_said_once(redis, caplog) -> None:
    now = [0.0]
    buckets = RedisBuckets.at(redis.url)
    buckets._clock = lambda: now[0]
    demand = Demand("user:f", SLOW)
    assert (await buckets.take([demand]))[0].wait == 0
    redis.stop()
    waits = [(await buckets.take([demand]))[0].wait for _ in range(4)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0
    now[0] += 6
    await buckets.take([demand])
    assert caplog.text.count("counts rate limits for itself") == 1
    redis.start()
    now[0] += 6
    [level] = await buckets.take([demand])
    assert level.remaining == pytest.approx(2, abs=0.1)
    await buckets.aclose()
