"""Summaries and level shifts of many series, on data whose truth is known."""

import numpy as np
import pytest

from aiops_mcp.analysis.series import level_shifts, levels


def noise(rows, steps, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(0.0, scale, (rows, steps))


def test_levels_of_a_known_row():
    found = levels(np.array([[1.0, 2.0, 6.0, 3.0], [np.nan, 4.0, np.nan, np.nan]]))
    assert found.first.tolist() == [1.0, 4.0]
    assert found.last.tolist() == [3.0, 4.0]
    assert found.minimum.tolist() == [1.0, 4.0]
    assert found.maximum.tolist() == [6.0, 4.0]
    assert found.mean.tolist() == [3.0, 4.0]


def test_trend_is_the_change_over_the_window_as_a_share_of_the_mean():
    found = levels(np.array([np.linspace(50.0, 150.0, 11), np.full(11, 7.0)]))
    assert found.trend == pytest.approx([1.0, 0.0])


def test_a_row_without_data_says_nan():
    found = levels(np.full((1, 5), np.nan))
    assert np.isnan(found.mean).all()
    assert np.isnan(found.minimum).all()
    assert not level_shifts(np.full((1, 50), np.nan)).found.any()


def test_one_shift_among_two_hundred_is_found_where_it_is():
    values = 100 + noise(200, 360)
    values[137, 240:] += 12
    found = level_shifts(values)
    assert np.flatnonzero(found.found).tolist() == [137]
    assert found.index[137] == 240
    assert found.before[137] == pytest.approx(100, abs=0.5)
    assert found.after[137] == pytest.approx(112, abs=0.5)


def test_a_step_without_any_noise_is_a_shift():
    values = np.full((1, 60), 5.0)
    values[0, 40:] = 6.0
    found = level_shifts(values)
    assert found.found.all()
    assert found.index[0] == 40


@pytest.mark.parametrize(
    "row",
    [
        np.full(360, 3.3),
        np.linspace(0, 100, 360) + noise(1, 360)[0],
        50 + 10 * np.sin(np.linspace(0, 12 * np.pi, 360)) + noise(1, 360)[0],
        np.cumsum(np.abs(noise(1, 360)[0])),
    ],
    ids=["flat", "trend", "season", "counter"],
)
def test_what_is_no_shift(row):
    assert not level_shifts(row[None, :]).found.any()


def test_a_spike_is_no_shift():
    values = 100 + noise(1, 360)
    values[0, 200:206] += 500
    assert not level_shifts(values).found.any()


def test_spikes_do_not_hide_a_shift():
    values = 100 + noise(1, 360)
    values[0, 150:] += 15
    values[0, 60] = values[0, 300] = 2000
    found = level_shifts(values)
    assert found.found.all()
    assert abs(found.index[0] - 150) <= 1


def test_gaps_are_left_out():
    values = 100 + noise(1, 360)
    values[0, 180:] -= 10
    values[0, 170:178] = np.nan
    found = level_shifts(values)
    assert found.found.all()
    assert 170 <= found.index[0] <= 180


def test_too_few_points_say_nothing():
    values = np.array([[1.0, 1, 1, 1, 1, 9, 9, 9, 9, 9]])
    assert not level_shifts(values).found.any()


def test_false_alarms_on_noise_are_rare():
    assert level_shifts(noise(2000, 240, seed=5)).found.sum() == 0


def smoothed(rows, steps, window=5, seed=7):
    """What ``rate(…[5m])`` every minute of white noise looks like: neighbours share samples."""
    raw = noise(rows, steps + window - 1, seed=seed)
    kernel = np.ones(window) / window
    return np.array([np.convolve(row, kernel, mode="valid") for row in raw])


def test_overlapping_windows_are_no_shift():
    assert level_shifts(100 + smoothed(500, 120)).found.sum() <= 2
    assert level_shifts(100 + smoothed(500, 60, seed=8)).found.sum() <= 5


def test_a_shift_among_overlapping_windows_is_found():
    values = 100 + smoothed(50, 120)
    values[17, 70:] += 5
    found = level_shifts(values)
    assert found.found[17]
    assert abs(found.index[17] - 70) <= 2


def test_a_slow_wander_is_no_shift():
    walk = np.cumsum(noise(300, 240, seed=6), axis=1)
    assert level_shifts(walk).found.mean() < 0.1
