"""Token buckets: how they empty and fill, and what the caller is told."""

import pytest

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.ratelimit import (
    Demand,
    MemoryBuckets,
    Rate,
    RateLimits,
    TooManyRequests,
)

MINUTE = Rate("user", 60, 60, 2)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


async def test_a_bucket_gives_its_burst_then_what_flows_in(clock):
    buckets = MemoryBuckets(clock)
    demand = (Demand("a", MINUTE),)
    first, second, third = [(await buckets.take(demand))[0] for _ in range(3)]
    assert (first.remaining, first.wait, first.reset) == (1, 0, 1)
    assert (second.remaining, second.wait, second.reset) == (0, 0, 2)
    assert (third.remaining, third.wait) == (0, 1)
    clock.now = 0.75
    (refused,) = await buckets.take(demand)
    assert (refused.remaining, refused.wait) == (0.75, 0.25)
    clock.now = 1.0
    assert (await buckets.take(demand))[0].wait == 0
    clock.now = 1000.0
    assert (await buckets.take(demand))[0].remaining == 1  # never more than the burst


async def test_a_clock_that_steps_back_takes_nothing_away(clock):
    buckets = MemoryBuckets(clock)
    clock.now = 10.0
    await buckets.take((Demand("a", MINUTE),))
    clock.now = 0.0
    assert (await buckets.take((Demand("a", MINUTE),)))[0].remaining == 0


async def test_callers_have_buckets_of_their_own(clock):
    buckets = MemoryBuckets(clock)
    for _ in range(3):
        await buckets.take((Demand("a", MINUTE),))
    assert (await buckets.take((Demand("b", MINUTE),)))[0].remaining == 1


async def test_a_refused_request_takes_from_no_bucket(clock):
    buckets = MemoryBuckets(clock)
    small, large = Demand("small", Rate("s", 1, 1, 1)), Demand("large", Rate("l", 1, 1, 5))
    await buckets.take((large, small))
    refused = await buckets.take((large, small))
    assert [level.wait for level in refused] == [0, 1]
    assert (await buckets.take((large,)))[0].remaining == 3


async def test_memory_is_bounded_and_the_oldest_goes(clock):
    buckets = MemoryBuckets(clock, most=3)
    for name in ("a", "b", "a", "c", "d"):
        await buckets.take((Demand(name, MINUTE),))
    assert len(buckets) == 3
    assert (await buckets.take((Demand("a", MINUTE),)))[0].wait > 0  # used twice, still known
    assert (await buckets.take((Demand("b", MINUTE),)))[0].remaining == 1  # forgotten, full again


async def test_the_contracts_limits_are_the_defaults(clock):
    limits = RateLimits(MemoryBuckets(clock), Settings())
    told = [await limits.admit("eve", "query") for _ in range(10)]
    assert told[0] == {
        "x-ratelimit-limit": "60",
        "x-ratelimit-remaining": "9",
        "x-ratelimit-reset": "1",
    }
    with pytest.raises(TooManyRequests, match="the limit query is 60 requests per 60 s") as caught:
        await limits.admit("eve", "query")
    assert (caught.value.limit, caught.value.retry_after) == ("query", 1)
    told.extend([await limits.admit("eve") for _ in range(40)])
    assert told[-1]["x-ratelimit-remaining"] == "0"
    assert told[-1]["x-ratelimit-limit"] == "300"
    with pytest.raises(TooManyRequests) as caught:
        await limits.admit("eve")
    assert (caught.value.limit, caught.value.retry_after) == ("user", 0.2)
    for number in range(50):
        await limits.admit(f"user {number}")
    with pytest.raises(TooManyRequests, match="All clients together") as caught:
        await limits.admit("mallory")
    assert (caught.value.limit, caught.value.headers["x-ratelimit-limit"]) == ("all", "1000")


async def test_strangers_count_against_all_clients_only(clock):
    limits = RateLimits(MemoryBuckets(clock), Settings(rate_all_burst=1))
    assert (await limits.admit(None))["x-ratelimit-limit"] == "1000"
    with pytest.raises(TooManyRequests):
        await limits.admit(None)


async def test_zero_means_no_limit(clock):
    limits = RateLimits(
        MemoryBuckets(clock),
        Settings(rate_all_per_second=0, rate_user_per_minute=0, rate_query_per_minute=0),
    )
    assert [await limits.admit("eve", "query") for _ in range(200)][-1] == {}


async def test_a_limited_route_tells_it_and_refuses_with_retry_after(serve, problem):
    served = serve(rate_query_per_minute=60, rate_query_burst=1, rate_user_per_minute=300)
    first = await served.client.post("/api/v1/query", json={"query": "up"})
    assert first.status_code == 200
    assert first.headers["x-ratelimit-remaining"] == "0"
    second = await served.client.post("/api/v1/query_range", json={"query": "up"})
    error = problem(second, 429, "RATE_LIMITED")
    assert second.headers["retry-after"] == "1"
    assert second.headers["x-ratelimit-limit"] == "60"
    assert error["details"] == {"retry_after_seconds": 1.0}
    other = await served.client.get("/api/v1/shelves?page=0")
    assert other.status_code == 422
    assert other.headers["x-ratelimit-remaining"] == "48"
    assert b'gateway_rate_limit_hits_total{limit="query"} 1.0' in served.metrics.text()


@pytest.mark.parametrize(("per_minute", "seconds"), [(300, "1"), (60, "1"), (40, "2"), (24, "3")])
async def test_retry_after_is_never_too_early(serve, per_minute, seconds):
    served = serve(rate_user_per_minute=per_minute, rate_user_burst=1)
    await served.client.get("/api/v1/shelves")
    refused = await served.client.get("/api/v1/shelves")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, seconds)


async def test_guessing_tokens_is_limited_too(serve, problem):
    served = serve(api_tokens="admin=x", rate_all_per_second=1, rate_all_burst=1)
    wrong = {"authorization": "Bearer y"}
    problem(await served.client.get("/api/v1/shelves", headers=wrong), 401, "AUTH_FAILED")
    problem(await served.client.get("/api/v1/shelves", headers=wrong), 429, "RATE_LIMITED")
