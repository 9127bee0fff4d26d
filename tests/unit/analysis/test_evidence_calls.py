import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.evidence_calls import CallSample, calls_of_traces, evidence_of_calls
from aiops_mcp.analysis.rootcause_problem import EvidenceKind
from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.models.spans import SpanKind, SpanRecord, SpanStatus

WHEN = 1000.0
CALLS = (("web", "cart"), ("web", "user"), ("cart", "price"), ("cart", "stock"), ("user", "db"))
NORMAL_MS = {"cart": 40.0, "user": 20.0, "price": 8.0, "stock": 8.0, "db": 5.0}


def samples(begin, end, *, seed=1, wait=None, callee=None, calls=None, errors=None):
    """Each call's sample every 10 s, with a fifth of noise; the arguments change some of them."""
    noise = random.Random(seed)
    wait, callee, calls, errors = wait or {}, callee or {}, calls or {}, errors or {}
    found = []
    for time in range(int(begin), int(end), 10):
        for caller, name in CALLS:
            count = calls.get((caller, name), 4)
            if count:
                found.append(
                    CallSample(
                        float(time),
                        caller,
                        name,
                        count,
                        callee.get(name, NORMAL_MS[name]) * noise.lognormvariate(0, 0.1),
                        wait.get((caller, name), 3.0) * noise.lognormvariate(0, 0.2),
                        errors.get((caller, name), 0),
                    )
                )
    return found


def judged(**changed):
    return evidence_of_calls(
        samples(WHEN - 600, WHEN) + samples(WHEN, WHEN + 180, seed=2, **changed), WHEN
    )


def test_as_ever_is_no_evidence():
    assert judged() == []


def test_a_delay_on_the_way_is_blamed_on_who_is_reached():
    first, *others = judged(wait={("web", "cart"): 2000.0})
    assert (first.component, first.kind, first.name) == ("cart", EvidenceKind.CALL, "slow to reach")
    assert first.strength > 5
    assert first.text == "calls into it wait 2164 ms instead of 3 (from web)"
    assert others == []


def test_it_is_told_since_when():
    late = samples(WHEN, WHEN + 60, seed=2)
    late += samples(WHEN + 60, WHEN + 180, seed=3, wait={("web", "cart"): 2000.0})
    assert evidence_of_calls(samples(WHEN - 600, WHEN) + late, WHEN)[0].began == WHEN + 60


def test_a_component_whose_own_time_grew_is_blamed_and_its_callers_are_not():
    # price takes 400 ms more, and cart and its caller wait for it.
    first, *others = judged(callee={"price": 408.0, "cart": 440.0})
    assert (first.component, first.name) == ("price", "slow itself")
    assert "instead of 8" in first.text
    assert others == []


def test_a_starved_caller_is_blamed_and_not_all_that_it_calls():
    slow = {("cart", "price"): 90.0, ("cart", "stock"): 95.0, ("web", "cart"): 60.0}
    first, *others = judged(wait=slow, callee={"cart": 215.0})
    assert first.component == "cart"
    assert first.name in ("slow caller", "slow to reach")
    assert "most of its calls wait longer" in first.text
    assert all(each.strength < first.strength / 1.5 for each in others)


def test_one_slow_call_of_a_caller_with_one_callee_is_the_callees():
    first = judged(wait={("user", "db"): 700.0})[0]
    assert first.component == "db"


def test_a_longer_delay_is_stronger():
    weaker, stronger = (judged(wait={("web", "cart"): ms})[0].strength for ms in (30.0, 300.0))
    assert stronger > weaker > 2


def test_failures_are_blamed_where_they_begin():
    deep = {("web", "cart"): 2, ("cart", "price"): 2}
    found = {each.component: each for each in judged(errors=deep)}
    assert found["price"].name == "failing calls"
    assert "36 of 72 calls into it fail; before 0 of 240" in found["price"].text
    assert "cart" not in found


def test_more_failures_than_calls_are_counted_as_all():
    [found] = judged(errors={("user", "db"): 9})
    assert found.component == "db"
    assert math.isfinite(found.strength)


def test_who_is_reached_no_more_shares_the_blame_with_who_no_longer_calls():
    found = {each.component: each for each in judged(calls={("user", "db"): 0})}
    assert found["db"].name == "no longer called"
    assert found["user"].name == "no longer calls"
    assert found["db"].strength == found["user"].strength > 5
    assert found["db"].text == ("user calls db no more: 0 times in 72 requests, before 240 in 240")


def test_who_is_not_called_because_its_caller_is_not_is_no_finding():
    assert judged(calls={("web", "user"): 0, ("user", "db"): 0}) == [] or all(
        each.component != "db" for each in judged(calls={("web", "user"): 0, ("user", "db"): 0})
    )


def test_a_good_time_that_is_known_is_what_calls_are_compared_with():
    slow = {("web", "cart"): 2000.0}
    lines = samples(WHEN - 200, WHEN + 180, wait=slow)
    assert evidence_of_calls(lines, WHEN) == []
    found = evidence_of_calls(lines, WHEN, normal=samples(-90_000, -89_900))
    assert found[0].component == "cart"


def test_a_call_that_good_times_did_not_see_is_compared_with_what_was_before():
    normal = [each for each in samples(-90_000, -89_900) if each.callee != "db"]
    now = samples(WHEN - 300, WHEN) + samples(WHEN, WHEN + 180, wait={("user", "db"): 900.0})
    assert evidence_of_calls(now, WHEN, normal=normal)[0].component == "db"


def test_few_samples_make_less_sure():
    slow = {("web", "cart"): 100.0}
    short, long = (
        evidence_of_calls(
            samples(WHEN - before, WHEN) + samples(WHEN, WHEN + 180, seed=2, wait=slow), WHEN
        )[0].strength
        for before in (20, 600)
    )
    assert 2 < short < long


def test_waits_need_not_be_known():
    lines = [
        CallSample(each.time, each.caller, each.callee, each.calls, each.callee_ms)
        for each in samples(WHEN - 600, WHEN) + samples(WHEN, WHEN + 180, callee={"db": 300.0})
    ]
    first = evidence_of_calls(lines, WHEN)[0]
    assert (first.component, first.name) == ("db", "slow itself")


def test_nothing_and_what_is_no_number_are_survived():
    assert evidence_of_calls([], WHEN) == []
    assert evidence_of_calls(samples(WHEN, WHEN + 60), WHEN) == []
    odd = [
        CallSample(WHEN + place * 10 - 50, "a", "a", 1, value, value)
        for place, value in enumerate(
            (math.nan, math.inf, -math.inf, -5.0, 0.0, 1e300, math.nan, math.inf, -1.0, 1e300)
        )
    ]
    odd.append(CallSample(WHEN, "a", "b", 0, 1.0, 1.0))
    odd.append(CallSample(WHEN, "a", "b", -3, 1.0, 1.0))
    assert all(math.isfinite(each.strength) for each in evidence_of_calls(odd, WHEN))


@settings(max_examples=30, deadline=None)
@given(st.permutations(samples(WHEN - 100, WHEN + 60, wait={("web", "cart"): 50.0})))
def test_order_does_not_matter(mixed):
    plain = evidence_of_calls(samples(WHEN - 100, WHEN + 60, wait={("web", "cart"): 50.0}), WHEN)
    found = evidence_of_calls(mixed, WHEN)
    assert {e.component: pytest.approx(e.strength) for e in found} == {
        e.component: e.strength for e in plain
    }


# ---- whole traces --------------------------------------------------------------------------------


def span(span_id, parent, service, start_ms, duration_ms, status=SpanStatus.OK):
    return SpanRecord(
        trace_id="ab" * 16,
        span_id=span_id,
        parent_id=parent,
        name="GET /",
        service=service,
        kind=SpanKind.SERVER,
        start_ns=1_700_000_000_000_000_000 + start_ms * 1_000_000,
        duration_ns=duration_ms * 1_000_000,
        status=status,
        message="",
        attributes={},
        resource={},
        events=(),
    )


def test_calls_of_traces_tell_the_callees_time_and_the_wait_beyond_it():
    trace = assemble(
        {
            "east": [
                span("01", "", "web", 0, 100),
                span("02", "01", "web", 5, 60),
                span("03", "02", "cart", 10, 40, SpanStatus.ERROR),
                span("04", "03", "price", 20, 90),
            ]
        }
    )
    found = calls_of_traces([trace, trace])
    assert [(each.caller, each.callee, each.calls) for each in found] == [
        ("cart", "price", 2),
        ("web", "cart", 2),
    ]
    assert (found[1].callee_ms, found[1].wait_ms, found[1].errors) == (40.0, 20.0, 2)
    # price outlives the span that called it: nobody waited
    assert (found[0].callee_ms, found[0].wait_ms) == (90.0, 0.0)
    assert found[0].time == 1_700_000_000.0
