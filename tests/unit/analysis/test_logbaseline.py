import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.analysis.logbaseline import (
    ChangeKind,
    Counts,
    compare,
    count_over_time,
    dispersion,
    rare_patterns,
    rate_change_probability,
)


def counted(of, *, begin=0.0, step=60.0):
    steps = max(len(counts) for counts in of.values())
    return Counts(begin, step, steps, {name: list(counts) for name, counts in of.items()})


def test_lines_are_counted_in_steps():
    lines = [(0.0, "a"), (9.99, "a"), (10.0, "b"), (19.999, "a"), (20.0, "a"), (-0.1, "b")]
    counts = count_over_time(lines, begin=0.0, end=20.0, steps=2)
    assert counts == Counts(0.0, 10.0, 2, {"a": [2, 1], "b": [0, 1]})
    assert counts.seconds == 20.0
    assert counts.total("a") == 3
    assert counts.total("unknown") == 0


@pytest.mark.parametrize(("begin", "end", "steps"), [(1.0, 1.0, 3), (2.0, 1.0, 3), (0.0, 1.0, 0)])
def test_no_time_or_no_steps(begin, end, steps):
    with pytest.raises(ValueError, match="no time between"):
        count_over_time([], begin=begin, end=end, steps=steps)


@pytest.mark.parametrize(
    ("before", "now", "share", "probability"),
    [
        (0, 0, 0.5, 1.0),
        (0, 1, 0.5, 1.0),
        (0, 10, 0.5, 2 * 0.5**10),
        (10, 0, 0.5, 2 * 0.5**10),
        (0, 3, 0.1, 2 * 0.1**3),
        (5, 5, 0.5, 1.0),
        (1, 5, 0.5, 2 * (6 + 1) / 64),
    ],
)
def test_chance_of_a_split(before, now, share, probability):
    assert rate_change_probability(before, now, share=share) == pytest.approx(probability)


def test_many_lines_are_judged_as_few_are():
    exact = rate_change_probability(1040, 960, share=0.5)
    asymptotic = rate_change_probability(1041, 960, share=0.5)
    assert exact == pytest.approx(asymptotic, rel=0.12)
    assert rate_change_probability(10**6, 10**6, share=0.5) == 1.0
    assert rate_change_probability(10**6, 2 * 10**6, share=0.5) < 1e-300


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.01, 0.99))
def test_probabilities_are_such_and_alike_both_ways(before, now, share):
    probability = rate_change_probability(before, now, share=share)
    assert 0.0 <= probability <= 1.0
    other = rate_change_probability(now, before, share=1 - share)
    assert probability == pytest.approx(other, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "index"),
    [([5, 5, 5], 1.0), ([0, 10, 0, 10], 20 / 3), ([7], 1.0), ([], 1.0), ([0, 1], 1.0)],
)
def test_bursts(counts, index):
    assert dispersion(counts) == pytest.approx(index)


def test_what_is_new_gone_more_and_less():
    baseline = counted({"same": [9] * 10, "gone": [4] * 10, "up": [2] * 10, "down": [30] * 10})
    current = counted(
        {
            "same": [9, 10, 8, 9, 9],
            "new": [0, 0, 3, 5, 4],
            "up": [2, 2, 2, 14, 20],
            "down": [28, 6, 0, 0, 0],
        },
        begin=1000.0,
    )
    found = {each.pattern: each for each in compare(baseline, current)}
    assert {name: each.kind for name, each in found.items()} == {
        "new": ChangeKind.NEW,
        "gone": ChangeKind.VANISHED,
        "up": ChangeKind.MORE,
        "down": ChangeKind.LESS,
    }
    assert found["new"].began == 1000 + 2 * 60
    assert found["up"].began == 1000 + 3 * 60
    assert found["down"].began == 1000 + 2 * 60
    assert found["gone"].began == 1000
    assert found["up"].expected == pytest.approx(10)
    assert found["up"].actual == 40
    assert found["up"].ratio == pytest.approx(4)
    assert found["new"].expected == 0
    assert found["new"].ratio == pytest.approx(24)
    ordered = [each.probability for each in compare(baseline, current)]
    assert ordered == sorted(ordered)


def test_a_line_or_two_are_no_finding():
    baseline = counted({"a": [5] * 10})
    current = counted({"a": [5] * 10, "seldom": [0] * 9 + [1]})
    assert compare(baseline, current) == []


def test_bursts_as_before_are_no_finding():
    baseline = counted({"bursty": [0, 0, 200, 0, 0, 0, 180, 0, 0, 0]})
    current = counted({"bursty": [0, 210, 0, 0, 190, 0, 220, 0, 150, 0]})
    assert compare(baseline, current) == []
    even = counted({"bursty": [38] * 10})
    assert [each.kind for each in compare(even, current)] == [ChangeKind.MORE]


def test_a_sure_but_small_difference_is_none():
    baseline, current = counted({"a": [1000] * 10}), counted({"a": [1500] * 10})
    assert compare(baseline, current) == []
    [found] = compare(baseline, current, least_ratio=1.4)
    assert found.kind is ChangeKind.MORE


def test_few_false_findings_where_nothing_changed():
    chance = random.Random(11)

    def draw(mean):
        limit, count, product = math.exp(-mean), 0, chance.random()
        while product > limit:
            count, product = count + 1, product * chance.random()
        return count

    means = {f"p{place}": 0.05 * 1.2 ** (place % 25) for place in range(400)}
    baseline = counted({name: [draw(mean) for _ in range(30)] for name, mean in means.items()})
    current = counted({name: [draw(mean) for _ in range(10)] for name, mean in means.items()})
    assert len(compare(baseline, current, least_ratio=1.0)) <= 2


def test_a_change_in_great_numbers_has_its_begin():
    baseline, current = counted({"a": [5000] * 4}), counted({"a": [5000, 5010, 30000, 30000]})
    [found] = compare(baseline, current)
    assert found.began == 120


def test_nothing_against_nothing():
    assert compare(Counts(0, 60, 5, {}), Counts(300, 60, 5, {})) == []


def test_rare_grave_patterns():
    counts = {"served": 9000, "oom": 1, "denied": 3, "timeout": 400, "panic": 7, "gone": 0}
    grave = {"oom", "denied", "timeout", "gone", "panic"}
    found = rare_patterns(counts, grave)
    assert [(each.pattern, each.count) for each in found] == [
        ("oom", 1),
        ("denied", 3),
        ("panic", 7),
    ]
    assert found[0].surprise == pytest.approx(math.log2(9411))
    assert [each.pattern for each in rare_patterns(counts, grave, few=1, share=0)] == ["oom"]
