"""How one signal's normal, its deviation and its begin are found."""

import numpy as np
import pytest

from aiops_mcp.analysis.rootcause_deviation import (
    FARTHEST,
    FROM_NOTHING,
    badness,
    has_ended,
    look_back,
    movement,
    normal_of,
    tidy,
    towards_bad,
)
from aiops_mcp.analysis.rootcause_problem import Signal, SignalKind

RNG = np.random.default_rng(3)


def signal(values: list[float] | np.ndarray, kind: SignalKind = SignalKind.LATENCY) -> Signal:
    array = np.asarray(values, dtype=np.float64)
    return Signal("c", "m", kind, np.arange(len(array)) * 60.0, array)


def moved(values: list[float] | np.ndarray, at: int, kind: SignalKind = SignalKind.LATENCY):
    found = movement(signal(values, kind), at * 60.0, back=300.0)
    assert found is not None
    return found


def test_normal_is_the_middle_of_the_shortest_half() -> None:
    level, scatter = normal_of(np.array([1.0, 2.0, 3.0, 4.0, 100.0, 200.0, 300.0]))
    assert level == 2.5
    assert scatter == pytest.approx(3.0 / 1.349)


def test_normal_of_a_bell_is_its_mean_and_deviation() -> None:
    level, scatter = normal_of(RNG.normal(50.0, 4.0, 20_000))
    assert level == pytest.approx(50.0, abs=1.5)
    assert scatter == pytest.approx(4.0, rel=0.05)


def test_two_fifths_of_other_incidents_move_neither_level_nor_scatter() -> None:
    calm = RNG.normal(50.0, 1.0, 60)
    level, scatter = normal_of(np.concatenate((calm, RNG.normal(500.0, 50.0, 40))))
    assert level == pytest.approx(50.0, abs=1.0)
    assert scatter < 2.5


def test_of_equal_halves_the_middle_one_counts() -> None:
    level, scatter = normal_of(np.arange(9.0))
    assert level == 4.0
    assert scatter == pytest.approx(4.0 / 1.349)


@pytest.mark.parametrize(
    ("kind", "change", "bad"),
    [
        (SignalKind.LATENCY, 2.0, 2.0),
        (SignalKind.WAITING, -2.0, -2.0),
        (SignalKind.ERRORS, -2.0, -2.0),
        (SignalKind.SATURATION, 2.0, 2.0),
        (SignalKind.SUCCESS, -2.0, 2.0),
        (SignalKind.SUCCESS, 2.0, -2.0),
        (SignalKind.TRAFFIC, -2.0, 2.0),
        (SignalKind.RESOURCE, 2.0, 2.0),
        (SignalKind.MEMORY, -2.0, 2.0),
        (SignalKind.OTHER, -2.0, 2.0),
    ],
)
def test_which_way_is_bad(kind: SignalKind, change: float, bad: float) -> None:
    assert towards_bad(kind, change) == bad
    assert badness(kind, np.array([change])).tolist() == [bad]


def test_a_step_is_measured_in_its_own_scatter() -> None:
    calm = RNG.normal(100.0, 10.0, 200)
    found = moved(np.concatenate((calm, np.full(10, 200.0))), 200)
    assert found.deviation == pytest.approx(10.0, rel=0.3)
    assert found.fresh == pytest.approx(found.deviation, rel=0.1)
    assert found.growth == pytest.approx(1.0, abs=0.1)
    assert found.worse == found.fresh
    assert found.began == 200 * 60.0


def test_a_calm_signal_moves_only_by_a_share_of_its_level() -> None:
    assert moved([100.0] * 20 + [104.0] * 5, 20).deviation == pytest.approx(0.8)
    success = moved([99.99] * 20 + [99.0] * 5, 20, SignalKind.SUCCESS)
    assert success.deviation == pytest.approx(-0.99 / (99.99 * 0.002), rel=0.01)


def test_a_single_spike_is_no_stretch() -> None:
    assert moved([100.0] * 20 + [100.0, 900.0, 100.0, 100.0], 20).deviation == 0.0
    assert moved([100.0] * 20 + [900.0], 20).deviation == pytest.approx(160.0)


def test_an_incident_that_ends_within_the_window_is_seen() -> None:
    found = moved([100.0] * 20 + [200.0] * 5 + [100.0] * 15, 20)
    assert found.deviation == pytest.approx(20.0)


def test_the_bad_direction_is_looked_for_first() -> None:
    both = [100.0] * 20 + [10.0] * 8 + [150.0] * 4
    assert moved(both, 20).deviation == pytest.approx(10.0)
    assert moved(both, 20, SignalKind.SUCCESS).deviation < -100.0
    assert moved(both, 20, SignalKind.TRAFFIC).deviation == pytest.approx(-18.0)


def test_what_is_zero_and_then_is_not_is_clear_without_a_measure() -> None:
    assert moved([0.0] * 20 + [0.3] * 5, 20).deviation == FROM_NOTHING
    assert moved([0.0] * 20 + [5e9] * 5, 20).deviation == FROM_NOTHING
    bursts = [0.0, 0.0, 0.0, 4.0] * 10
    assert moved(bursts + [8.0] * 5, 40).deviation == pytest.approx(2.0)


def test_deviations_are_bounded() -> None:
    assert moved([1e-90] * 20 + [1e90] * 5, 20).deviation == FARTHEST


def test_a_signal_that_wanders_is_measured_by_how_far_stretches_go() -> None:
    slow = 100.0 + 20.0 * np.sin(np.arange(240) / 12.0)
    jump = np.full(5, 140.0)
    calm = RNG.normal(100.0, 3.0, 240)
    wandering = abs(moved(np.concatenate((slow, jump)), 240).deviation)
    assert wandering < 4.0
    assert abs(moved(np.concatenate((calm, jump)), 240).deviation) > 8.0


@pytest.mark.parametrize("late", [0, 1, 3, 5])
def test_the_begin_is_found_before_a_late_notice(late: int) -> None:
    values = [100.0 + (i % 3) for i in range(40)] + [180.0 + (i % 3) for i in range(10)]
    found = moved(values, 40 + late)
    assert found.began == 40 * 60.0
    assert found.fresh == pytest.approx(found.deviation, rel=0.05)


def test_the_begin_may_come_after_the_notice() -> None:
    assert moved([100.0] * 20 + [100.0] * 3 + [200.0] * 8, 20).began == 23 * 60.0


def test_what_was_so_before_fades() -> None:
    # a notice is at most five steps late
    found = moved([100.0] * 33 + [160.0] * 12, 40)
    assert found.deviation == pytest.approx(12.0)
    assert found.fresh == pytest.approx(12.0 * 0.6)
    assert found.began == 33 * 60.0
    older = moved([100.0] * 25 + [160.0] * 20, 40)
    assert older.deviation == pytest.approx(12.0)
    assert older.fresh == 0.0


def test_a_further_step_is_fresh_in_part() -> None:
    values = [100.0] * 20 + [150.0] * 10 + [200.0] * 5
    found = moved(values, 30)
    assert found.deviation == pytest.approx(20.0)
    assert found.fresh == pytest.approx(10.0)


def test_too_little_before_or_nothing_after_is_not_judged() -> None:
    assert movement(signal([1.0, 2.0, 9.0]), 120.0, 0.0) is None
    assert movement(signal([1.0] * 10), 600.0, 0.0) is None
    assert movement(signal([]), 0.0, 0.0) is None
    # the untrusted stretch is used rather than nothing
    assert movement(signal([1.0, 1.0, 1.0, 9.0]), 180.0, 900.0) is not None


def test_constant_says_nothing() -> None:
    assert moved([5.0] * 20, 15).constant
    assert not moved([5.0] * 15 + [6.0] * 5, 15).constant


def test_tidy_orders_and_leaves_out() -> None:
    rough = Signal(
        "c",
        "m",
        SignalKind.OTHER,
        np.array([3.0, 1.0, np.nan, 2.0, 5.0, 6.0]),
        np.array([30.0, 10.0, 1.0, 20.0, np.inf]),
    )
    neat = tidy(rough)
    assert neat.times.tolist() == [1.0, 2.0, 3.0]
    assert neat.values.tolist() == [10.0, 20.0, 30.0]
    huge = tidy(signal([1e300, -1e300, 0.0]))
    assert huge.values.tolist() == [1e100, -1e100, 0.0]


def test_how_far_back_an_incident_may_reach() -> None:
    assert look_back(np.array([0.0]), 400.0) == 100.0
    assert look_back(np.array([0.0]), 360_000.0) == 900.0
    assert look_back(np.array([500.0]), 400.0) == 0.0
    assert look_back(np.empty(0), 400.0) == 0.0


def test_a_regular_series_that_stops_has_ended() -> None:
    regular = signal([1.0] * 20)
    assert has_ended(regular, when=1200.0, end=1500.0)
    assert not has_ended(regular, when=1200.0, end=1300.0)
    assert not has_ended(regular, when=1000.0, end=1500.0)
    assert not has_ended(signal([1.0] * 9), when=1200.0, end=9000.0)
    comes_and_goes = Signal(
        "c",
        "m",
        SignalKind.OTHER,
        np.array([0, 1, 2, 9, 10, 11, 19, 20, 30, 31, 40.0]),
        np.ones(11),
    )
    assert not has_ended(comes_and_goes, when=41.0, end=900.0)
