import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.correlate_peers import odd_ones


def peers(rows=12, steps=60, level=100.0, seed=1):
    return np.random.default_rng(seed).normal(level, 2.0, size=(rows, steps))


def test_the_one_that_stands_off_all_the_time_is_odd():
    values = peers()
    values[7] += 40.0
    [odd] = odd_ones(values).odd
    assert odd.index == 7
    assert odd.deviation > 10
    assert odd.persistence == 1.0
    assert odd.value == pytest.approx(140, abs=2)
    assert odd.peers == pytest.approx(100, abs=1)


def test_one_below_its_peers_is_odd_too_and_the_farther_comes_first():
    values = peers()
    values[2] -= 30.0
    values[9] += 60.0
    found = odd_ones(values).odd
    assert [each.index for each in found] == [9, 2]
    assert found[1].deviation < -5


def test_one_bad_point_is_none():
    values = peers()
    values[3, 30] = 1e9
    comparison = odd_ones(values)
    assert comparison.odd == ()
    assert comparison.reason_if_none == "none stands off its peers for most of the time"


@pytest.mark.parametrize(("steps", "is_odd"), [(42, True), (32, False)])
def test_it_must_last_for_most_of_the_window(steps, is_odd):
    values = peers()
    values[3, :steps] += 50.0
    assert bool(odd_ones(values).odd) is is_odd


def test_one_that_swings_to_both_sides_is_no_level_apart():
    values = peers()
    values[3] += np.where(np.arange(60) % 2 == 0, 50.0, -50.0)
    assert odd_ones(values).odd == ()


def test_a_wave_that_all_ride_is_no_difference_even_a_minute_late():
    wave = 50 * np.sin(np.arange(60) / 10)
    values = peers() + wave
    values[5] = peers(seed=3)[5] + np.roll(wave, 1)
    assert odd_ones(values).odd == ()


def test_peers_that_are_all_alike_forgive_two_percent():
    values = np.full((8, 30), 100.0)
    values[0] = 105.0
    assert odd_ones(values).odd == ()
    values[0] = 110.0
    assert [each.index for each in odd_ones(values).odd] == [0]


def test_two_kinds_are_said_to_be_two_kinds():
    values = peers(rows=10)
    values[:4] += 100.0
    comparison = odd_ones(values)
    assert comparison.odd == ()
    assert comparison.reason_if_none == "4 of 10 stand off: they are of two kinds"


def test_too_few_peers_and_missing_values_are_said():
    assert odd_ones(peers(rows=3)).reason_if_none == "3 peers with enough values; 4 are needed"
    assert odd_ones(np.empty((0, 0))).odd == ()
    values = peers(rows=5)
    values[0, :40] = np.nan
    values[1] = np.inf
    assert "3 peers" in odd_ones(values).reason_if_none
    apart = np.ones((4, 8))
    apart[:2, :4] = apart[2:, 4:] = np.nan
    assert odd_ones(apart).reason_if_none == "at no step do 4 peers have a value"


def test_holes_do_not_hide_the_odd_one():
    values = peers()
    values[7] += 40.0
    values[np.random.default_rng(5).random(values.shape) < 0.3] = np.nan
    assert [each.index for each in odd_ones(values).odd] == [7]


def test_where_all_others_are_zero_anything_is_far_off():
    values = np.zeros((6, 10))
    values[4] = 1e300
    [odd] = odd_ones(values).odd
    assert (odd.index, odd.deviation, odd.value, odd.peers) == (4, 1e6, 1e300, 0.0)


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="members x steps"):
        odd_ones(np.zeros(5))


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-6, 1e9), order=st.permutations(list(range(12))))
def test_unit_and_order_do_not_matter(scale, order):
    values = peers()
    values[7] += 40.0
    [odd] = odd_ones(values[order] * scale).odd
    assert order[odd.index] == 7
    assert odd.deviation == pytest.approx(odd_ones(values).odd[0].deviation)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3),
        min_size=0,
        max_size=9,
    )
)
def test_any_numbers_are_survived(rows):
    comparison = odd_ones(np.array(rows, dtype=float).reshape(len(rows), 3))
    assert comparison.odd or comparison.reason_if_none
