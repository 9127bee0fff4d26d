"""Root causes over made-up incidents whose truth is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from aiops_mcp.analysis.rootcause import (
    Cause,
    Clue,
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

STEP = 60.0
BEFORE, AFTER = 45, 15
NOTICED = BEFORE * STEP
TIMES = np.arange(BEFORE + AFTER) * STEP
SHOP = (
    Edge("web", "orders"),
    Edge("web", "catalogue"),
    Edge("orders", "database"),
    Edge("catalogue", "cache"),
)


class Series:
    """Calm signals of named components, from one seed, with steps put on some of them."""

    def __init__(self, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)

    def calm(self, component: str, metric: str, kind: SignalKind, level: float = 100.0) -> Signal:
        noise = self._random.normal(level, 0.03 * level, len(TIMES))
        return Signal(component, metric, kind, TIMES, noise)

    def stepped(
        self, component: str, metric: str, kind: SignalKind, by: float, begins: float = NOTICED
    ) -> Signal:
        signal = self.calm(component, metric, kind)
        return Signal(
            component, metric, kind, TIMES, signal.values + np.where(begins <= TIMES, by, 0.0)
        )

    def service(self, name: str, *, slower: float = 0.0, cpu: float = 0.0) -> list[Signal]:
        return [
            self.stepped(name, "latency", SignalKind.LATENCY, slower),
            self.stepped(name, "cpu", SignalKind.RESOURCE, cpu),
            self.calm(name, "requests", SignalKind.TRAFFIC),
        ]


def shop(**moved: dict[str, float]) -> list[Signal]:
    series = Series()
    names = ("web", "orders", "catalogue", "database", "cache")
    return [signal for name in names for signal in series.service(name, **moved.get(name, {}))]


def names(ranking: Ranking) -> list[str]:
    return [cause.component for cause in ranking.causes]


def clues(cause: Cause) -> set[Clue]:
    return {each.clue for each in cause.evidence_for}


SLOW_DATABASE = {
    "web": {"slower": 40.0},
    "orders": {"slower": 50.0},
    "database": {"slower": 60.0, "cpu": 80.0},
}


def test_the_deepest_component_that_deviates_leads() -> None:
    ranking = rank_causes(Problem(shop(**SLOW_DATABASE), NOTICED, SHOP, target=("web", "latency")))
    assert names(ranking)[0] == "database"
    assert ranking.reason_if_empty == ""
    assert ranking.onset == NOTICED


def test_evidence_says_what_deviates_and_what_explains() -> None:
    ranking = rank_causes(Problem(shop(**SLOW_DATABASE), NOTICED, SHOP, target=("web", "latency")))
    by_name = {cause.component: cause for cause in ranking.causes}
    database, orders = by_name["database"], by_name["orders"]
    assert {"latency", "cpu"} == {
        each.about for each in database.evidence_for if each.clue is Clue.DEVIATES
    }
    assert Clue.MOVES_WITH_TARGET in clues(database)
    upstream = next(e for e in database.evidence_for if e.clue is Clue.UPSTREAM)
    assert upstream.amount == 2.0
    explained = next(e for e in orders.evidence_against if e.clue is Clue.EXPLAINED)
    assert explained.about == "database"
    assert explained.amount > 10.0
    assert {e.clue for e in database.missing} == {
        Clue.NO_LOGS,
        Clue.NO_CALLS,
        Clue.NO_CHANGES,
    }


def test_what_was_looked_at_is_not_missing() -> None:
    every = frozenset(EvidenceKind)
    ranking = rank_causes(Problem(shop(**SLOW_DATABASE), NOTICED, SHOP, looked_at=every))
    assert ranking.causes[0].missing == ()


def test_nothing_is_blamed_when_nothing_moved() -> None:
    ranking = rank_causes(Problem(shop(), NOTICED, SHOP))
    assert ranking.causes == ()
    assert ranking.reason_if_empty == "nothing is 5 robust deviations or more from its normal"


def test_a_target_that_is_as_ever_silences_the_rest() -> None:
    moved = shop(cache={"slower": 80.0})
    ranking = rank_causes(Problem(moved, NOTICED, SHOP, target=("orders", "latency")))
    assert ranking.causes == ()
    assert ranking.reason_if_empty.startswith("the target is as ever")


def test_a_resource_used_more_while_nobody_suffers_is_no_incident() -> None:
    # 15 robust deviations
    backup = shop(database={"cpu": 40.0})
    assert rank_causes(Problem(backup, NOTICED, SHOP)).causes == ()
    # the same where somebody does
    suffering = shop(database={"cpu": 40.0}, orders={"slower": 40.0})
    assert names(rank_causes(Problem(suffering, NOTICED, SHOP)))[0] == "database"


def test_work_explains_the_resource_it_takes() -> None:
    series = Series()
    busy = [
        series.stepped("busy", "cpu", SignalKind.RESOURCE, 60.0),
        series.stepped("busy", "requests", SignalKind.TRAFFIC, 60.0),
        series.stepped("sick", "cpu", SignalKind.RESOURCE, 60.0),
        series.calm("sick", "requests", SignalKind.TRAFFIC),
    ]
    assert names(rank_causes(Problem(busy, NOTICED)))[0] == "sick"


def test_memory_names_the_cause_where_it_grew() -> None:
    series = Series()
    hoarding = [
        series.stepped("cart", "cpu", SignalKind.RESOURCE, 400.0),
        series.stepped("cart", "heap", SignalKind.MEMORY, 90.0),
    ]
    assert rank_causes(Problem(hoarding, NOTICED)).causes[0].metric == "heap"
    working = [
        series.stepped("cart", "cpu", SignalKind.RESOURCE, 400.0),
        series.stepped("cart", "heap", SignalKind.MEMORY, 20.0),
    ]
    assert rank_causes(Problem(working, NOTICED)).causes[0].metric == "cpu"


def waiting_shop(**waits: float) -> list[Signal]:
    series = Series()
    signals = shop()
    for caller in ("web", "orders", "catalogue"):
        signals.append(series.stepped(caller, "client", SignalKind.WAITING, waits.get(caller, 0.0)))
    return signals


def test_a_slow_network_is_blamed_on_what_the_waiting_callers_share() -> None:
    edges = (*SHOP, Edge("catalogue", "database"))
    ranking = rank_causes(Problem(waiting_shop(orders=60.0, catalogue=60.0), NOTICED, edges))
    assert names(ranking)[0] == "database"
    assert Clue.KEPT_WAITING in clues(ranking.causes[0])


def test_a_caller_that_does_not_wait_speaks_for_its_callee() -> None:
    edges = (*SHOP, Edge("catalogue", "database"), Edge("orders", "queue"))
    ranking = rank_causes(Problem(waiting_shop(orders=60.0), NOTICED, edges))
    assert names(ranking)[0] == "queue"


def test_what_is_slow_below_explains_a_full_pool_above() -> None:
    series = Series()
    signals = [
        *shop(),
        series.stepped("catalogue", "pool", SignalKind.SATURATION, 90.0),
        series.stepped("catalogue", "client", SignalKind.WAITING, 90.0),
    ]
    ranking = rank_causes(Problem(signals, NOTICED, SHOP))
    assert names(ranking)[0] == "cache"
    alone = rank_causes(Problem(signals[:-1], NOTICED, SHOP))
    assert names(alone)[0] == "catalogue"


def test_the_noisiest_quantile_alone_is_half_believed() -> None:
    series = Series()
    signals = [
        *(series.stepped("all", f"p{q}", SignalKind.LATENCY, 40.0) for q in (50, 90, 99)),
        *(series.calm("tail", f"p{q}", SignalKind.LATENCY) for q in (50, 90)),
        series.stepped("tail", "p99", SignalKind.LATENCY, 80.0),
    ]
    assert names(rank_causes(Problem(signals, NOTICED))) == ["all", "tail"]


def test_one_bad_replica_of_several_is_fully_believed() -> None:
    series = Series()
    signals = [
        series.stepped("a", "latency", SignalKind.LATENCY, by) for by in (0.0, 0.0, 0.0, 60.0)
    ]
    signals.append(series.stepped("b", "latency", SignalKind.LATENCY, 40.0))
    assert names(rank_causes(Problem(signals, NOTICED))) == ["a", "b"]


def test_calls_told_apart_blame_the_one_they_go_to() -> None:
    series = Series()
    signals = shop()
    for callee, by in (("orders", 0.0), ("catalogue", 60.0)):
        signal = series.stepped("web", f"calls to {callee}", SignalKind.WAITING, by)
        signals.append(replace(signal, callee=callee))
    ranking = rank_causes(Problem(signals, NOTICED, SHOP))
    assert names(ranking)[0] == "catalogue"
    kept = {c.component: Clue.KEPT_WAITING in clues(c) for c in ranking.causes}
    assert kept["catalogue"]
    assert not kept.get("orders", False)


def test_a_component_that_stopped_asking_is_blamed() -> None:
    series = Series()
    signals = [
        series.stepped("web", "success", SignalKind.SUCCESS, -20.0),
        *(series.calm(n, "requests", SignalKind.TRAFFIC) for n in ("web", "orders")),
        series.stepped("payment", "requests", SignalKind.TRAFFIC, -95.0),
        series.stepped("mail", "requests", SignalKind.TRAFFIC, -95.0),
    ]
    edges = (Edge("web", "orders"), Edge("orders", "payment"), Edge("orders", "mail"))
    ranking = rank_causes(Problem(signals, NOTICED, edges))
    assert names(ranking)[0] == "orders"
    assert Clue.ASKED_LESS in clues(ranking.causes[0])


def test_a_node_explains_the_services_it_carries() -> None:
    series = Series()
    signals = [
        *series.service("a", slower=50.0),
        *series.service("b", slower=50.0),
        *series.service("c"),
        series.stepped("node", "pressure", SignalKind.SATURATION, 60.0),
    ]
    edges = [Edge(name, "node", Relation.RUNS_ON) for name in "ab"]
    ranking = rank_causes(Problem(signals, NOTICED, edges))
    assert names(ranking)[:3] == ["node", "a", "b"]


@pytest.mark.parametrize("late", [0.0, 120.0, 300.0, 600.0])
def test_a_late_notice_changes_neither_the_cause_nor_the_begin(late: float) -> None:
    ranking = rank_causes(
        Problem(shop(**SLOW_DATABASE), NOTICED + late, SHOP, target=("web", "latency"))
    )
    assert names(ranking)[0] == "database"
    assert ranking.causes[0].began == NOTICED


def test_other_incidents_in_the_past_do_not_hide_this_one() -> None:
    signals = []
    for signal in shop(**SLOW_DATABASE):
        values = signal.values.copy()
        if signal.component in ("catalogue", "database"):
            values[5:12] += 70.0
            values[20:26] += 70.0
        signals.append(Signal(signal.component, signal.metric, signal.kind, TIMES, values))
    assert names(rank_causes(Problem(signals, NOTICED, SHOP)))[0] == "database"


def test_what_was_so_before_is_held_against_it() -> None:
    series = Series()
    old = Signal(
        "old",
        "latency",
        SignalKind.LATENCY,
        TIMES,
        series.calm("old", "latency", SignalKind.LATENCY).values
        + np.where(TIMES >= NOTICED - 1200.0, 60.0, 0.0),
    )
    fresh = series.stepped("fresh", "latency", SignalKind.LATENCY, 40.0)
    ranking = rank_causes(Problem([old, fresh], NOTICED))
    assert names(ranking)[0] == "fresh"
    (stale,) = (c for c in ranking.causes if c.component == "old")
    assert Clue.OLD in {e.clue for e in stale.evidence_against}


def test_two_incidents_at_once_are_both_told() -> None:
    moved = shop(database={"cpu": 90.0, "slower": 50.0}, cache={"cpu": 70.0, "slower": 40.0})
    ranking = rank_causes(Problem(moved, NOTICED, SHOP))
    assert set(names(ranking)[:2]) == {"database", "cache"}


def test_the_target_chooses_between_two_incidents() -> None:
    moved = shop(
        database={"slower": 40.0},
        orders={"slower": 40.0},
        cache={"slower": 90.0},
        catalogue={"slower": 90.0},
    )
    ranking = rank_causes(Problem(moved, NOTICED, SHOP, target=("orders", "latency")))
    assert names(ranking)[0] == "database"
    outside = next(c for c in ranking.causes if c.component == "cache")
    assert Clue.UNRELATED in {e.clue for e in outside.evidence_against}


def test_of_two_that_moved_alike_the_earlier_leads() -> None:
    series = Series()
    signals = [
        series.stepped("a", "latency", SignalKind.LATENCY, 60.0, NOTICED + 480.0),
        series.stepped("b", "latency", SignalKind.LATENCY, 60.0),
    ]
    ranking = rank_causes(Problem(signals, NOTICED))
    assert names(ranking) == ["b", "a"]
    late = next(e for e in ranking.causes[1].evidence_against if e.clue is Clue.LATE)
    assert late.amount == pytest.approx(480.0)


@pytest.mark.parametrize("shift", [-60.0, 60.0])
def test_a_clock_that_is_off_by_a_minute_changes_no_cause(shift: float) -> None:
    signals = [
        Signal(s.component, s.metric, s.kind, s.times + shift, s.values)
        if s.component == "database"
        else s
        for s in shop(**SLOW_DATABASE)
    ]
    ranking = rank_causes(Problem(signals, NOTICED, SHOP, target=("web", "latency")))
    assert names(ranking)[0] == "database"


def test_a_component_whose_series_end_is_a_cause() -> None:
    signals = [
        Signal(s.component, s.metric, s.kind, s.times[:BEFORE], s.values[:BEFORE])
        if s.component == "cache"
        else s
        for s in shop(catalogue={"slower": 60.0})
    ]
    ranking = rank_causes(Problem(signals, NOTICED, SHOP))
    assert "cache" in names(ranking)[:2]
    gone = next(c for c in ranking.causes if c.component == "cache")
    assert clues(gone) >= {Clue.GONE}


def test_a_component_that_has_just_come_is_not_judged() -> None:
    newcomer = Signal("new", "latency", SignalKind.LATENCY, TIMES[BEFORE:], np.full(AFTER, 500.0))
    evidence = [Evidence("new", EvidenceKind.LOG, 20.0, name="panic")]
    signals = [*shop(**SLOW_DATABASE), newcomer]
    ranking = rank_causes(Problem(signals, NOTICED, SHOP, evidence))
    new = next(c for c in ranking.causes if c.component == "new")
    assert new.metric == ""
    assert Clue.SHORT_BASELINE in {e.clue for e in new.missing}


def test_logs_alone_are_enough() -> None:
    evidence = [
        Evidence("orders", EvidenceKind.LOG, 9.0, NOTICED, "panic: nil map", "panic"),
        Evidence("web", EvidenceKind.LOG, 4.5, NOTICED + 5.0, "502 from orders"),
    ]
    ranking = rank_causes(Problem((), NOTICED, SHOP, evidence))
    assert names(ranking) == ["orders", "web"]
    assert ranking.causes[0].began == NOTICED
    assert ranking.causes[0].metric == ""
    log = next(e for e in ranking.causes[0].evidence_for if e.clue is Clue.LOG)
    assert (log.about, log.text, log.amount) == ("panic", "panic: nil map", 9.0)
    assert Clue.NO_METRICS in {e.clue for e in ranking.causes[0].missing}


def test_calls_alone_are_enough_and_weak_ones_are_not() -> None:
    weak = [Evidence("orders", EvidenceKind.CALL, 3.0)]
    assert rank_causes(Problem((), NOTICED, SHOP, weak)).causes == ()
    clear = [Evidence("orders", EvidenceKind.CALL, 8.0)]
    assert names(rank_causes(Problem((), NOTICED, SHOP, clear))) == ["orders"]


def test_a_change_decides_between_two_but_is_no_trouble_by_itself() -> None:
    series = Series()
    signals = [series.stepped(name, "latency", SignalKind.LATENCY, 60.0) for name in ("a", "b")]
    change = Evidence("b", EvidenceKind.CHANGE, 10.0, NOTICED - 120.0, "image 1.4", "rollout")
    assert names(rank_causes(Problem(signals, NOTICED, (), [change])))[0] == "b"
    assert rank_causes(Problem(shop(), NOTICED, SHOP, [change])).causes == ()


def test_a_change_after_the_begin_speaks_for_nothing() -> None:
    series = Series()
    signals = [
        series.stepped("a", "latency", SignalKind.LATENCY, 60.0),
        series.stepped("b", "latency", SignalKind.LATENCY, 50.0),
    ]
    late = Evidence("b", EvidenceKind.CHANGE, 50.0, NOTICED + 300.0, name="rollback")
    ranking = rank_causes(Problem(signals, NOTICED, (), [late]))
    assert names(ranking)[0] == "a"
    against = next(e for e in ranking.causes[1].evidence_against if e.clue is Clue.TOO_LATE)
    assert (against.about, against.amount) == ("rollback", 300.0)


def test_all_kinds_together_lead_clearer_than_metrics_alone() -> None:
    problem = Problem(shop(**SLOW_DATABASE), NOTICED, SHOP)
    evidence = [Evidence("database", kind, 8.0) for kind in (EvidenceKind.LOG, EvidenceKind.CALL)]
    alone = rank_causes(problem).causes
    both = rank_causes(Problem(problem.signals, NOTICED, SHOP, evidence)).causes
    assert both[0].component == alone[0].component == "database"
    assert both[0].score - both[1].score > alone[0].score - alone[1].score


def test_cycles_unknown_names_and_edges_to_oneself_are_taken() -> None:
    edges = (
        *SHOP,
        Edge("database", "web"),
        Edge("database", "database"),
        Edge("database", "nowhere"),
        Edge("nowhere", "elsewhere"),
    )
    ranking = rank_causes(Problem(shop(**SLOW_DATABASE), NOTICED, edges, target=("web", "latency")))
    assert names(ranking)[0] == "database"


def test_no_edges_leave_the_deviations() -> None:
    ranking = rank_causes(Problem(shop(database={"slower": 90.0}), NOTICED))
    assert names(ranking)[0] == "database"
    assert Clue.NO_EDGES in {e.clue for e in ranking.causes[0].missing}


def test_an_unknown_target_is_no_error() -> None:
    signals = shop(**SLOW_DATABASE)
    ranking = rank_causes(Problem(signals, NOTICED, SHOP, target=("nobody", "latency")))
    assert names(ranking)[0] == "database"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: np.where(np.arange(len(v)) % 7 == 3, np.nan, v),
        lambda v: np.where(np.arange(len(v)) % 11 == 5, np.inf, v),
        lambda v: np.where(np.arange(len(v)) % 13 == 2, -np.inf, v),
    ],
)
def test_empty_and_infinite_cells_are_left_out(
    spoil: Callable[[np.ndarray], np.ndarray],
) -> None:
    signals = [
        Signal(s.component, s.metric, s.kind, s.times, spoil(s.values))
        for s in shop(**SLOW_DATABASE)
    ]
    ranking = rank_causes(Problem(signals, NOTICED, SHOP, target=("web", "latency")))
    assert names(ranking)[0] == "database"


def test_only_as_many_as_asked_for() -> None:
    problem = Problem(shop(**SLOW_DATABASE), NOTICED, SHOP)
    assert len(rank_causes(problem, most=1).causes) == 1
    assert rank_causes(problem, most=1).causes == rank_causes(problem).causes[:1]


def test_nothing_at_all_is_said_so() -> None:
    ranking = rank_causes(Problem((), 0.0))
    assert ranking == Ranking((), "there is nothing to judge: no signals and no evidence")
