"""What holds for root causes whatever the data are."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.rootcause import (
    Edge,
    Evidence,
    EvidenceKind,
    Problem,
    Ranking,
    Relation,
    Signal,
    SignalKind,
    rank_causes,
)

COMPONENTS, METRICS = "abcdef", "xy"
BEFORE, AFTER = 24, 8

names = st.sampled_from(COMPONENTS)
kinds = st.sampled_from(list(SignalKind))
odd = st.one_of(
    st.floats(), st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324, np.nan, np.inf, -np.inf])
)
stamps = st.one_of(
    st.floats(-1e9, 1e9), st.sampled_from([0.0, 1.0, 2.0, 60.0, np.nan, np.inf, 1e300])
)
edges = st.lists(st.builds(Edge, names, names, st.sampled_from(list(Relation))), max_size=10)
targets = st.one_of(st.none(), st.tuples(names, st.sampled_from(METRICS)))


def series(component: str, metric: str, kind: SignalKind, times, values) -> Signal:
    return Signal(component, metric, kind, np.array(times, float), np.array(values, float))


rough = st.builds(
    series,
    names,
    st.sampled_from(METRICS),
    kinds,
    st.lists(stamps, max_size=30),
    st.lists(odd, max_size=30),
)
regular = st.builds(
    lambda c, m, k, v: series(c, m, k, np.arange(len(v)), v),
    names,
    st.sampled_from(METRICS),
    kinds,
    st.lists(odd, max_size=40),
)
seen = st.builds(Evidence, names, st.sampled_from(list(EvidenceKind)), odd, st.none() | odd)
anything = st.builds(
    Problem,
    st.lists(st.one_of(rough, regular), max_size=12),
    st.floats(-10.0, 50.0),
    edges,
    st.lists(seen, max_size=5),
    targets,
)


@settings(max_examples=300, deadline=None)
@given(anything)
def test_whatever_comes_it_answers_in_order_or_says_why_not(problem: Problem) -> None:
    ranking = rank_causes(problem)
    scores = [cause.score for cause in ranking.causes]
    assert all(np.isfinite(scores))
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0.0 for score in scores)
    assert len({cause.component for cause in ranking.causes}) == len(scores)
    assert bool(ranking.causes) != bool(ranking.reason_if_empty)


@st.composite
def incidents(draw: st.DrawFn) -> Problem:
    """Noise of one seed with steps on some signals."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    times = np.arange(BEFORE + AFTER) * 60.0
    signals: list[Signal] = []
    for component in COMPONENTS:
        for metric, kind in zip(METRICS, draw(st.tuples(kinds, kinds)), strict=True):
            step = draw(st.sampled_from([0.0, 0.0, 30.0, 80.0, -40.0]))
            values = random.normal(100.0, 4.0, len(times)) + np.where(times >= BEFORE * 60, step, 0)
            signals.append(Signal(component, metric, kind, times, values))
    return Problem(signals, BEFORE * 60.0, draw(edges), target=draw(targets))


def order(ranking: Ranking) -> list[tuple[str, str]]:
    return [(cause.component, cause.metric) for cause in ranking.causes]


def scores(ranking: Ranking) -> dict[str, float]:
    return {cause.component: cause.score for cause in ranking.causes}


def close(left: Ranking, right: Ranking) -> None:
    one, two = scores(left), scores(right)
    assert one.keys() == two.keys()
    assert all(abs(one[name] - two[name]) < 1e-6 for name in one)


@settings(max_examples=60, deadline=None)
@given(incidents(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_given_changes_nothing(problem: Problem, random) -> None:
    shuffled = list(problem.signals)
    random.shuffle(shuffled)
    turned = list(problem.edges)[::-1]
    mixed: list[Signal] = []
    for signal in shuffled:
        places = list(range(len(signal.times)))
        random.shuffle(places)
        mixed.append(replace(signal, times=signal.times[places], values=signal.values[places]))
    close(
        rank_causes(problem, most=99),
        rank_causes(replace(problem, signals=mixed, edges=turned), most=99),
    )


@settings(max_examples=60, deadline=None)
@given(incidents(), st.sampled_from([0.001, 1000.0, 2.0**20]))
def test_units_change_nothing(problem: Problem, factor: float) -> None:
    scaled = [replace(each, values=each.values * factor) for each in problem.signals]
    close(rank_causes(problem, most=99), rank_causes(replace(problem, signals=scaled), most=99))


@settings(max_examples=60, deadline=None)
@given(incidents(), st.sampled_from([-86_400.0, 3600.0, 1.7e9]))
def test_the_hour_changes_nothing(problem: Problem, shift: float) -> None:
    moved = [replace(each, times=each.times + shift) for each in problem.signals]
    later = replace(problem, signals=moved, when=problem.when + shift)
    ranking, shifted = rank_causes(problem, most=99), rank_causes(later, most=99)
    close(ranking, shifted)
    if ranking.onset is not None:
        assert shifted.onset == ranking.onset + shift


@settings(max_examples=60, deadline=None)
@given(incidents(), st.permutations(COMPONENTS))
def test_no_name_is_favoured(problem: Problem, other: list[str]) -> None:
    called = dict(zip(COMPONENTS, other, strict=True))
    renamed = Problem(
        [replace(each, component=called[each.component]) for each in problem.signals],
        problem.when,
        [Edge(called[e.source], called[e.target], e.relation) for e in problem.edges],
        target=(called[problem.target[0]], problem.target[1]) if problem.target else None,
    )
    one = {called[n]: s for n, s in scores(rank_causes(problem, most=99)).items()}
    two = scores(rank_causes(renamed, most=99))
    assert one.keys() == two.keys()
    assert all(abs(one[name] - two[name]) < 1e-9 for name in one)


@settings(max_examples=60, deadline=None)
@given(incidents(), names)
def test_more_evidence_of_a_component_never_lowers_it(problem: Problem, name: str) -> None:
    before = scores(rank_causes(problem, most=99))
    told = replace(problem, evidence=[Evidence(name, EvidenceKind.LOG, 9.0)])
    after = rank_causes(told, most=99)
    if not after.causes:
        assert after.reason_if_empty.startswith("the target is as ever")
        return
    assert scores(after)[name] > before.get(name, 0.0)


def test_no_signal_is_written_to() -> None:
    times, values = np.array([3.0, 1.0, 2.0, 4.0, 5.0]), np.array([1.0, np.nan, 1.0, 9.0, 9.0])
    kept = times.copy(), values.copy()
    rank_causes(Problem([Signal("a", "x", SignalKind.LATENCY, times, values)], 4.0))
    assert np.array_equal(times, kept[0])
    assert np.array_equal(values, kept[1], equal_nan=True)
