import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.correlate_moves import what_else_moved

STEPS = 240
TIMES = np.arange(STEPS) * 60.0


def noise(seed, rows=1, steps=STEPS):
    return np.random.default_rng(seed).normal(size=(rows, steps))


def test_the_series_of_one_cause_is_found_with_its_lag():
    of = noise(1)[0].cumsum()
    values = noise(2, rows=300)
    values[17] = np.roll(of, 3) * 40.0 + 7.0
    first, *others = what_else_moved(TIMES, values, of)
    assert first.index == 17
    assert first.lag == 180.0
    assert first.correlation > 0.99
    assert all(each.score < 0.5 for each in others)


def test_one_that_goes_the_other_way_moved_too():
    of = noise(1)[0].cumsum()
    values = np.vstack((noise(3, rows=5), -of[None, :]))
    first = what_else_moved(TIMES, values, of)[0]
    assert (first.index, first.lag) == (5, 0.0)
    assert first.correlation < -0.99


def test_a_step_that_no_correlation_sees_is_found_by_its_onset():
    of, other = noise(4)[0], noise(5)[0]
    of[120:] += 20.0
    other[121:] -= 30.0
    found = what_else_moved(TIMES, np.vstack((noise(6, rows=20), other[None, :])), of)
    assert found[0].index == 20
    assert found[0].onset_gap == 60.0
    assert found[0].correlation == 0.0
    assert found[0].score > 0.4


def test_a_far_onset_counts_less_than_a_near_one():
    of, near, far = noise(7)[0], noise(8)[0], noise(9)[0]
    of[120:] += 20.0
    near[122:] += 20.0
    far[123:] += 20.0
    found = what_else_moved(TIMES, np.vstack((far, near)), of, max_lag=0)
    assert [(each.index, each.onset_gap) for each in found] == [(1, 120.0), (0, 180.0)]
    assert found[0].score > 1.4 * found[1].score > 0


def test_clocks_of_two_clusters_may_differ_by_a_minute():
    of = noise(1)[0].cumsum()
    values = np.vstack((noise(2, rows=50), np.roll(of, -1)[None, :], np.roll(of, 1)[None, :]))
    assert {each.index for each in what_else_moved(TIMES, values, of)[:2]} == {50, 51}


def test_two_drifting_series_of_their_own_are_no_pair():
    values = noise(11, rows=500).cumsum(axis=1)
    found = what_else_moved(TIMES, values, noise(12)[0].cumsum())
    assert all(each.correlation == 0.0 for each in found)


def test_missing_steps_are_left_out():
    of = noise(1)[0].cumsum()
    hole = of * 2.0
    hole[40:90] = np.nan
    hole[5] = np.inf
    found = what_else_moved(TIMES, np.vstack((noise(2, rows=3), hole[None, :])), of)
    assert found[0].index == 3
    assert found[0].correlation > 0.99


@pytest.mark.parametrize(
    "row",
    [
        np.zeros(STEPS),
        np.full(STEPS, np.nan),
        np.full(STEPS, np.inf),
        np.where(np.arange(STEPS) % 2 == 0, 1e308, -1e308),
    ],
    ids=["constant", "empty", "infinite", "huge"],
)
def test_what_cannot_move_with_anything_does_not(row):
    of = noise(1)[0].cumsum()
    assert what_else_moved(TIMES, row[None, :], of) == []
    assert what_else_moved(TIMES, of[None, :], row) == []


def test_too_few_steps_say_nothing_and_shapes_must_fit():
    of = noise(1)[0]
    assert what_else_moved(TIMES[:11], of[None, :11], of[:11]) == []
    assert what_else_moved(TIMES, np.empty((0, STEPS)), of) == []
    with pytest.raises(ValueError, match="240"):
        what_else_moved(TIMES[:5], of[None, :], of)


def test_a_lag_beyond_the_reach_is_not_looked_for():
    of = noise(1)[0].cumsum()
    values = np.roll(of, 4)[None, :]
    assert what_else_moved(TIMES, values, of, max_lag=240)[0].lag == 240.0
    assert all(
        abs(each.correlation) < 0.9 for each in what_else_moved(TIMES, values, of, max_lag=180)
    )


def test_only_as_many_as_asked_for():
    of = noise(1)[0].cumsum()
    values = np.tile(of, (30, 1)) + noise(2, rows=30) * 0.01
    assert len(what_else_moved(TIMES, values, of, most=7)) == 7


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(0.001, 1e6), shift=st.floats(-1e6, 1e6), order=st.permutations(list(range(6)))
)
def test_units_and_order_do_not_matter(scale, shift, order):
    of = noise(1)[0].cumsum()
    values = np.vstack((noise(2, rows=4), of[None, :] * 3, np.roll(of, 2)[None, :]))
    plain = what_else_moved(TIMES, values, of)
    moved = what_else_moved(TIMES, values[order] * scale + shift, of)
    assert {order[each.index] for each in moved} == {each.index for each in plain}
    assert [each.score for each in moved] == pytest.approx([e.score for e in plain], abs=1e-3)
