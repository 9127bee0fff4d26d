"""What the target's violated series tells."""

import numpy as np
import pytest

from aiops_mcp.analysis.rootcause_deviation import Movement
from aiops_mcp.analysis.rootcause_problem import Problem, Signal, SignalKind
from aiops_mcp.analysis.rootcause_target import as_bad_before, target_of, with_target


def series(
    values: list[float], kind: SignalKind = SignalKind.LATENCY, name: str = "c", metric: str = "m"
) -> Signal:
    return Signal(name, metric, kind, np.arange(len(values)) * 1.0, np.array(values))


def test_the_target_is_found_by_component_and_metric() -> None:
    signals = [series([1.0], name="a"), series([1.0], name="b"), series([2.0], name="b")]
    assert target_of(Problem(signals, 0.0, target=("b", "m"))) is signals[1]
    assert target_of(Problem(signals, 0.0, target=("b", "x"))) is None
    assert target_of(Problem(signals, 0.0)) is None


def test_how_often_it_was_as_bad() -> None:
    before = [10.0] * 6 + [20.0, 20.0] + [10.0] * 12
    # of 19 pairs before one is as bad as (20, 20), three as bad as (20, 10)
    assert as_bad_before(series([*before, 20.0, 20.0]), 20.0) == pytest.approx(1 / 19)
    assert as_bad_before(series([*before, 20.0, 10.0]), 20.0) == pytest.approx(3 / 19)
    assert as_bad_before(series([*before, 30.0, 30.0]), 20.0) == 0.0
    assert as_bad_before(series([*before, 9.0, 9.0]), 20.0) == 1.0


def test_success_is_bad_when_it_falls() -> None:
    before = [100.0] * 20
    assert as_bad_before(series([*before, 90.0], SignalKind.SUCCESS), 20.0) == 0.0
    assert as_bad_before(series([*before, 110.0], SignalKind.SUCCESS), 20.0) == 1.0


def test_too_little_before_dismisses_nothing() -> None:
    assert as_bad_before(series([1.0] * 6), 4.0) == 1.0
    assert as_bad_before(series([1.0, 1.0, 1.0, 1.0]), 1.0) == 0.0
    assert as_bad_before(series([1.0] * 5), 9.0) == 0.0


def moving(signal: Signal, fresh: float) -> Movement:
    return Movement(signal, fresh, fresh, 0.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "values", "fresh", "follows"),
    [
        (SignalKind.LATENCY, [1.0, 1.0, 5.0, 9.0], 8.0, 1.0),
        (SignalKind.LATENCY, [9.0, 9.0, 5.0, 1.0], 8.0, -1.0),
        (SignalKind.SUCCESS, [9.0, 9.0, 5.0, 1.0], -8.0, 1.0),
        (SignalKind.TRAFFIC, [9.0, 9.0, 5.0, 1.0], -8.0, 1.0),
        (SignalKind.TRAFFIC, [1.0, 1.0, 5.0, 9.0], 8.0, 1.0),
        (SignalKind.RESOURCE, [5.0, 5.0, 5.0, 5.0], 0.0, 0.0),
        (SignalKind.LATENCY, [1.0, 5.0, 9.0], 8.0, 0.0),
    ],
)
def test_bad_goes_with_bad(
    kind: SignalKind, values: list[float], fresh: float, follows: float
) -> None:
    target = series([10.0, 10.0, 20.0, 30.0], name="t")
    found = with_target([moving(series(values, kind), fresh)], target, since=0.0)
    assert found[0].follows == pytest.approx(follows)


def test_only_what_came_since_counts() -> None:
    target = series([90.0, 10.0, 10.0, 10.0, 20.0, 30.0], name="t")
    other = series([1.0, 1.0, 1.0, 1.0, 2.0, 3.0])
    (found,) = with_target([moving(other, 2.0)], target, since=2.0)
    assert found.follows == pytest.approx(1.0)


def test_a_falling_target_turns_the_sign() -> None:
    target = series([100.0, 100.0, 90.0, 80.0], SignalKind.SUCCESS, "t")
    (found,) = with_target([moving(series([1.0, 1.0, 5.0, 9.0]), 8.0)], target, since=0.0)
    assert found.follows == pytest.approx(1.0)


def test_samples_of_other_times_are_laid_on_the_targets_line() -> None:
    target = Signal("t", "m", SignalKind.LATENCY, np.array([0.0, 10.0]), np.array([0.0, 10.0]))
    other = series([0.0, 1.0, 2.0, 3.0, 4.0])
    (found,) = with_target([moving(other, 4.0)], target, since=0.0)
    assert found.follows == pytest.approx(1.0)


def test_the_target_does_not_follow_itself_and_twins_are_marked() -> None:
    target = series([1.0, 1.0, 5.0, 9.0], name="t")
    same = series([1.0, 1.0, 5.0, 9.0], name="a")
    tail = series([1.0, 1.0, 5.0, 9.0], name="a", metric="p99")
    alone = series([1.0, 1.0, 5.0, 9.0], name="b", metric="p99")
    found = with_target([moving(s, 8.0) for s in (target, same, tail, alone)], target, since=0.0)
    assert [each.follows for each in found] == pytest.approx([0.0, 1.0, 1.0, 1.0])
    assert [each.has_twin for each in found] == [False, False, True, False]


def test_an_empty_target_leaves_all_as_it_is() -> None:
    moved = [moving(series([1.0, 2.0]), 1.0)]
    assert with_target(moved, series([], name="t"), since=0.0) is moved
