"""What must not matter: the order in which things are given, the hour, and what comes later."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.anomaly import Kind, OnlineDetector
from aiops_mcp.analysis.correlate import Observation, ObservationKind, correlate
from aiops_mcp.analysis.evidence_calls import CallSample, evidence_of_calls
from aiops_mcp.analysis.evidence_logs import LogLine, evidence_of_logs
from aiops_mcp.analysis.logbaseline import ChangeKind, compare, count_over_time
from aiops_mcp.analysis.logpatterns import TemplateMiner

WHEN = 1000.0
seeds = st.integers(0, 10**6)
shifts = st.sampled_from([-86_400.0, 3600.0, 2.0**30])


# ---- no look-ahead -------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 299), st.sampled_from(list(Kind)), st.sampled_from([np.nan, 0.0, 1e9]))
def test_a_changed_future_changes_no_past_verdict(seed, cut, kind, future):
    values = np.random.default_rng(seed).normal(5.0, 1.0, 300)
    if kind is Kind.COUNTER:
        values = np.cumsum(np.abs(values))
    other = values.copy()
    other[cut:] = future

    def verdicts(series):
        detector = OnlineDetector(kind=kind)
        return [repr(detector.update(60.0 * at, float(x))) for at, x in enumerate(series[:cut])]

    assert verdicts(values) == verdicts(other)


WORDS = st.lists(
    st.sampled_from(["open", "shut", "7", "10.0.0.1:80", "eth0", "a.b.c", "(x)", "k=v"]),
    min_size=1,
    max_size=6,
).map(" ".join)


@given(st.lists(WORDS, max_size=20), st.lists(WORDS, max_size=10))
def test_later_lines_change_no_template_as_it_was(lines, later):
    short, long = TemplateMiner(), TemplateMiner()
    told = [short.add(line).now().text for line in lines]
    assert [long.add(line).now().text for line in lines] == told
    counted = {each.text: each.count for each in long.templates()}
    assert counted == {each.text: each.count for each in short.templates()}
    for line in later:
        long.add(line)
    assert sum(each.count for each in long.templates()) == len(lines) + len(later)


# ---- order ---------------------------------------------------------------------------------------

FORMS = (
    "connection from {}.{}.1.7:{} closed after {} ms",
    "GET /api/v1/items/{} {} took {}.{} s",
    "job {} of {} has {} of {} parts",
    "disk sd{} is {} % full, {} left of {}",
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(FORMS), min_size=1, max_size=30), seeds)
def test_lines_that_differ_in_values_are_of_one_template_in_any_order(forms, seed):
    chance = random.Random(seed)
    lines = [form.format(*(chance.randint(10, 250) for _ in range(4))) for form in forms]
    mixed = chance.sample(lines, len(lines))

    def templates(of):
        miner = TemplateMiner()
        for line in of:
            miner.add(line)
        return {each.id: each.count for each in miner.templates()}

    assert templates(mixed) == templates(lines)
    assert len(templates(lines)) == len(set(forms))


def lines_of(seed):
    """Requests through three components; after ``WHEN`` one of them fails."""
    chance = random.Random(seed)
    lines = []
    for number in range(120):
        began, trace = 20.0 * number - 200.0, f"{number:032x}"
        steps = ["web Front#10", "cart Cart#20", "price Price#30", "web Front#11"]
        if began >= WHEN and chance.random() < 0.7:
            steps[2:] = ["price ERROR Price#39", "web ERROR Front#19"]
        for place, step in enumerate(steps):
            component, text = step.split(" ", 1)
            lines.append(LogLine(began + place / 100, component, f"{text} TraceID: {trace}"))
    return lines


def told(found, shift=0.0):
    return {
        each.component: (
            each.name,
            pytest.approx(each.strength),
            None if each.began is None else pytest.approx(each.began - shift),
        )
        for each in found
    }


@settings(max_examples=15, deadline=None)
@given(seeds, shifts)
def test_neither_order_nor_hour_of_lines_matters(seed, shift):
    lines = lines_of(seed)
    plain = told(evidence_of_logs(lines, WHEN))
    assert plain["price"][0] == "new error"
    mixed = random.Random(seed).sample(lines, len(lines))
    assert told(evidence_of_logs(mixed, WHEN)) == plain
    later = [replace(line, time=line.time + shift) for line in lines]
    assert told(evidence_of_logs(later, WHEN + shift), shift) == plain


def calls_of(seed):
    noise = np.random.default_rng(seed)
    return [
        CallSample(
            time,
            caller,
            callee,
            4,
            20.0 * float(noise.lognormal(0, 0.1)),
            (200.0 if callee == "cart" and time >= WHEN else 3.0) * float(noise.lognormal(0, 0.2)),
        )
        for time in np.arange(WHEN - 300, WHEN + 100, 10.0).tolist()
        for caller, callee in (("web", "cart"), ("web", "user"), ("user", "db"))
    ]


@settings(max_examples=15, deadline=None)
@given(seeds, shifts)
def test_the_hour_of_calls_does_not_matter(seed, shift):
    samples = calls_of(seed)
    plain = told(evidence_of_calls(samples, WHEN))
    assert "cart" in plain
    later = [replace(each, time=each.time + shift) for each in samples]
    assert told(evidence_of_calls(later, WHEN + shift), shift) == plain


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 25), shifts)
def test_neither_order_nor_hour_of_observations_matters(seed, count, shift):
    chance = random.Random(seed)
    seen = [
        Observation(
            f"o{number}",
            chance.choice(list(ObservationKind)),
            began=float(chance.randint(0, 400)),
            component=chance.choice("abc"),
            cluster=chance.choice("xy"),
            labels={"pod": chance.choice("pqrstuvw")},
            traces=frozenset(chance.sample("123456789", 1)),
        )
        for number in range(count)
    ]
    order = chance.sample(range(count), count)

    def links(of, names, shift=0.0):
        found = correlate([replace(each, began=each.began + shift) for each in of], most_links=99)
        return {
            frozenset((names[each.source], names[each.target])): round(each.weight, 9)
            for each in found.links
        }

    plain = links(seen, list(range(count)))
    assert links([seen[place] for place in order], order) == plain
    assert links(seen, list(range(count)), shift) == plain


@settings(max_examples=30, deadline=None)
@given(seeds, shifts)
def test_baseline_and_now_may_change_places(seed, shift):
    chance = random.Random(seed)
    before = [(chance.uniform(0, 600), chance.choice("aabbc")) for _ in range(300)]
    now = [(chance.uniform(600, 1200), chance.choice("aabdddd")) for _ in range(300)]

    def found(first, second, shift=0.0):
        one = count_over_time(first, begin=shift, end=600 + shift, steps=10)
        two = count_over_time(second, begin=600 + shift, end=1200 + shift, steps=10)
        return {each.pattern: each.kind for each in compare(one, two)}

    forth = found(before, now)
    assert forth["d"] is ChangeKind.NEW
    assert forth["c"] is ChangeKind.VANISHED
    assert found(before[::-1], now[::-1]) == forth
    moved = [[(at + shift, pattern) for at, pattern in of] for of in (before, now)]
    assert found(*moved, shift) == forth
    back = found(
        [(at - 600, pattern) for at, pattern in now],
        [(at + 600, pattern) for at, pattern in before],
    )
    assert back["d"] is ChangeKind.VANISHED
    assert back["c"] is ChangeKind.NEW
