import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.fleet.breaker import Breaker, Breakers, BreakerState

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


class Now:
    def __init__(self):
        self.value = 0.0

    def __call__(self):
        return self.value


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def breaker(now):
    return Breaker(failures=5, reset=30.0, probes=3, now=now)


def fail(breaker, times):
    for _ in range(times):
        assert breaker.admit()
        breaker.failed()


def test_five_failures_in_a_row_open_it(breaker, now):
    fail(breaker, 4)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admit()
    now.value = 10
    assert breaker.retry_in() == 20


def test_a_success_between_starts_the_count_again(breaker):
    fail(breaker, 4)
    breaker.admit()
    breaker.succeeded()
    fail(breaker, 4)
    assert breaker.admit()


def test_three_probes_then_closed(breaker, now):
    fail(breaker, 5)
    now.value = 29.9
    assert not breaker.admit()
    now.value = 30
    assert breaker.state is BreakerState.HALF_OPEN
    assert [breaker.admit() for _ in range(4)] == [True, True, True, False]
    breaker.succeeded()
    breaker.succeeded()
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admit()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 4)
    assert breaker.admit()


def test_one_failing_probe_opens_it_for_the_whole_time_again(breaker, now):
    fail(breaker, 5)
    now.value = 30
    assert breaker.admit()
    breaker.succeeded()
    assert breaker.admit()
    breaker.failed()
    assert not breaker.admit()
    now.value = 59.9
    assert not breaker.admit()
    now.value = 60
    assert [breaker.admit() for _ in range(4)] == [True, True, True, False]


def test_an_abandoned_probe_gives_its_place_back(breaker, now):
    fail(breaker, 5)
    now.value = 30
    assert [breaker.admit() for _ in range(3)] == [True] * 3
    breaker.abandoned()
    assert breaker.admit()
    assert not breaker.admit()


def test_breakers_are_apart_and_can_be_forgotten(now):
    breakers = Breakers(1, 30.0, 1, now)
    breakers.of("a", "prometheus").failed()
    breakers.of("b", "prometheus").failed()
    assert breakers.of("a", "kubernetes").admit()
    assert not breakers.of("a", "prometheus").admit()
    breakers.forget("a")
    assert breakers.of("a", "prometheus").admit()
    assert not breakers.of("b", "prometheus").admit()


@calmly
@given(st.lists(st.sampled_from(["ok", "bad", "gone", "wait"]), max_size=60))
def test_never_more_probes_than_allowed_and_never_stuck(steps):
    now = Now()
    breaker = Breaker(2, 10.0, 3, now)
    in_flight = 0
    for step in steps:
        if step == "wait":
            now.value += 10
        elif breaker.admit():
            in_flight += 1
            assert breaker.state is not BreakerState.OPEN
            {"ok": breaker.succeeded, "bad": breaker.failed, "gone": breaker.abandoned}[step]()
    now.value += 10
    assert breaker.admit()
