import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.cache import AnswerCache

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


class Load:
    def __init__(self, value=1, error=None):
        self.calls = 0
        self.value = value
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.calls += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.value


def make(clock, max_bytes=1000):
    return AnswerCache(max_bytes, clock.monotonic)


async def get(cache, key, load, *, ttl=10.0, size=100, flight=None):
    return await cache.get(("owner", key), load, ttl=ttl, size=lambda _: size, flight=flight)


async def test_kept_until_the_ttl_ends(clock):
    cache, load = make(clock), Load()
    assert await get(cache, "k", load) == 1
    clock.advance(9.99)
    assert await get(cache, "k", load) == 1
    assert load.calls == 1
    assert (cache.hits, cache.misses) == (1, 1)
    clock.advance(0.01)
    load.value = 2
    assert await get(cache, "k", load) == 2
    assert load.calls == 2


async def test_least_recently_used_goes_first(clock):
    cache = make(clock, max_bytes=300)
    loads = {key: Load(key) for key in "abcd"}
    for key in "abc":
        await get(cache, key, loads[key])
    await get(cache, "a", loads["a"])
    await get(cache, "d", loads["d"])
    assert cache.bytes == 300
    for key in "acd":
        await get(cache, key, loads[key])
    assert [loads[key].calls for key in "abcd"] == [1, 1, 1, 1]
    await get(cache, "b", loads["b"])
    assert loads["b"].calls == 2


async def test_what_is_larger_than_the_cache_is_not_kept(clock):
    cache, load = make(clock), Load()
    await get(cache, "other", load, size=100)
    await get(cache, "k", load, size=1001)
    assert (len(cache), cache.bytes) == (1, 100)
    await get(cache, "k", load, size=1000)
    assert (len(cache), cache.bytes) == (1, 1000)


async def test_a_ttl_of_zero_keeps_nothing(clock):
    cache, load = make(clock), Load()
    await get(cache, "k", load, ttl=0)
    await get(cache, "k", load, ttl=0)
    assert load.calls == 2


async def test_one_load_for_many(clock):
    cache, load = make(clock), Load("x")
    load.gate.clear()
    tasks = [asyncio.create_task(get(cache, "k", load)) for _ in range(5)]
    await asyncio.sleep(0)
    load.gate.set()
    assert await asyncio.gather(*tasks) == ["x"] * 5
    assert load.calls == 1


async def test_a_failure_is_shared_and_not_kept(clock):
    cache, load = make(clock), Load(error=ClusterUnreachable("down"))
    load.gate.clear()
    tasks = [asyncio.create_task(get(cache, "k", load)) for _ in range(3)]
    await asyncio.sleep(0)
    load.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, ClusterUnreachable) for one in results)
    assert load.calls == 1
    load.error = None
    assert await get(cache, "k", load) == 1


async def test_other_deadlines_do_not_share_a_load(clock):
    cache, load = make(clock), Load()
    load.gate.clear()
    tasks = [asyncio.create_task(get(cache, "k", load, flight=n)) for n in (1, 2, 2)]
    await asyncio.sleep(0)
    load.gate.set()
    await asyncio.gather(*tasks)
    assert load.calls == 2
    assert cache.bytes == 100


async def test_a_waiter_takes_over_from_a_cancelled_loader(clock):
    cache, load = make(clock), Load("x")
    load.gate.clear()
    first = asyncio.create_task(get(cache, "k", load))
    await asyncio.sleep(0)
    others = [asyncio.create_task(get(cache, "k", load)) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(0)
    load.gate.set()
    assert await asyncio.gather(*others) == ["x", "x"]
    assert load.calls == 2


async def test_a_cancelled_waiter_disturbs_nobody(clock):
    cache, load = make(clock), Load("x")
    load.gate.clear()
    first = asyncio.create_task(get(cache, "k", load))
    await asyncio.sleep(0)
    waiter = asyncio.create_task(get(cache, "k", load))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    load.gate.set()
    assert await first == "x"


async def test_forgetting_an_owner(clock):
    cache = make(clock)
    for owner in ("a", "b"):
        await cache.get((owner, "k"), Load(), ttl=10, size=lambda _: 100)
    cache.forget("a")
    assert (len(cache), cache.bytes) == (1, 100)
    assert cache.peek(("b", "k")).value == 1


@calmly
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 400), st.integers(0, 20), st.integers(0, 8)),
        max_size=40,
    )
)
def test_never_over_its_bytes_and_never_a_stale_value(steps):
    async def scenario():
        time = 0.0
        cache = AnswerCache(500, lambda: time)
        truth = {}
        for number, (key, size, ttl, pause) in enumerate(steps):
            time += pause

            async def load(number=number):
                return number

            expected = truth.get(key)
            value = await cache.get((key,), load, ttl=ttl, size=lambda _, size=size: size)
            if value != number:
                assert expected is not None
                assert value == expected[0]
                assert time < expected[1]
            else:
                truth[key] = (number, time + ttl)
            assert 0 <= cache.bytes <= 500

    asyncio.run(scenario())
