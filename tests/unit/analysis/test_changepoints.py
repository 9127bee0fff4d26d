"""When a level changed, by how much, and what is no change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.changepoints import block_means, find_changes, level_edges

START = 1_700_000_000.0


def noise(size, seed=0):
    return 10 + np.random.default_rng(seed).normal(0, 1, size)


def times(size):
    return START + 60.0 * np.arange(size)


def test_a_change_has_its_moment_both_levels_and_its_size():
    values = noise(600)
    values[350:] += 6
    (change,) = find_changes(times(600), values)
    assert change.index == 350
    assert change.time == START + 350 * 60
    assert change.before == pytest.approx(10, abs=0.3)
    assert change.after == pytest.approx(16, abs=0.3)
    assert change.strength == pytest.approx(6, abs=1)


@pytest.mark.parametrize("length", [120, 400, 5000])
def test_a_level_that_is_left_and_returned_to_is_two_changes(length):
    values = noise(length)
    begin, end = round(0.5 * length), round(0.58 * length)
    values[begin:end] -= 7
    found = find_changes(times(length), values)
    assert [change.index for change in found] == pytest.approx([begin, end], abs=2)
    assert found[0].after == pytest.approx(3, abs=1)
    assert found[1].after == pytest.approx(10, abs=0.5)


def test_three_steps_up_are_three():
    values = noise(900)
    for begin in (200, 420, 700):
        values[begin:] += 5
    found = find_changes(times(900), values)
    assert [change.index for change in found] == pytest.approx([200, 420, 700], abs=2)
    assert [change.after - change.before for change in found] == pytest.approx([5] * 3, abs=0.7)


def test_the_largest_ones_are_kept_and_told_in_order():
    values = noise(1200)
    for begin, size in ((200, 4), (500, 12), (800, -8)):
        values[begin:] += size
    found = find_changes(times(1200), values, most=2)
    assert [change.index for change in found] == pytest.approx([500, 800], abs=2)


@pytest.mark.parametrize(
    "values",
    [
        noise(600),
        np.full(600, 4.0),
        np.where(np.arange(600) == 300, 90.0, noise(600)),
        np.linspace(0, 100, 600) + noise(600),
        np.full(600, np.nan),
        np.full(600, np.inf),
        np.array([1.0, 9.0, 9.0]),
        np.zeros(0),
    ],
    ids=["noise", "constant", "spike", "ramp", "nothing", "infinite", "three", "empty"],
)
def test_what_is_no_change_of_level(values):
    assert find_changes(times(len(values)), values) == []


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([2.0**-30, 0.5, 64.0, 2.0**300]),
    st.integers(-1000, 1000),
)
def test_neither_order_nor_scale_nor_level_matters(seed, factor, shift):
    rng = np.random.default_rng(seed)
    values = np.round(noise(300, seed) * 1024) / 1024
    values[170:] += 8
    straight = find_changes(times(300), values)
    assert 170 in [change.index for change in straight]
    places = rng.permutation(300)
    mixed = find_changes(times(300)[places], values[places])
    assert [change.time for change in mixed] == [change.time for change in straight]
    assert [int(places[change.index]) for change in mixed] == [one.index for one in straight]
    scaled = find_changes(times(300), values * factor)
    assert [one.index for one in scaled] == [one.index for one in straight]
    assert scaled[0].after == pytest.approx(straight[0].after * factor)
    shifted = find_changes(times(300), values + shift)
    assert [one.index for one in shifted] == [one.index for one in straight]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(width=64), max_size=80))
def test_any_numbers_are_answered(values):
    for change in find_changes(times(len(values)), np.array(values, dtype=np.float64)):
        assert 0 < change.index < len(values)
        assert np.isfinite([change.before, change.after, change.strength]).all()


def test_missing_samples_move_no_change():
    values = noise(600)
    values[350:] += 6
    values[np.random.default_rng(2).random(600) < 0.3] = np.nan
    values[350] = 16.0
    (change,) = find_changes(times(600), values)
    assert change.index == pytest.approx(350, abs=3)


def test_edges_of_many_rows_at_once_are_those_of_each_alone():
    rows = np.stack([noise(480, seed) for seed in range(30)])
    rows[7, 100:] += 5
    rows[20, 300:360] += 9
    together = level_edges(rows)
    assert together[7] == [100]
    assert together[20] == pytest.approx([300, 360], abs=1)
    assert {row: level_edges(rows[row : row + 1]).get(0) for row in together} == together


def test_means_of_blocks_leave_out_what_is_missing():
    row = np.array([[1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 9.0]])
    assert block_means(row, 2)[0].tolist() == pytest.approx([2.0, 5.0, np.nan], nan_ok=True)
    assert block_means(row, 1) is row
