"""When a limit is reached, with a band that holds, and what is said where it is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.forecast import (
    AWAY,
    NO_TREND,
    NOT_WITHIN,
    REACHED,
    TOO_SHORT,
    forecast,
)

DAY = 86_400.0
TIMES = 1_700_000_000.0 + 600.0 * np.arange(7 * 144)
DAYS = (TIMES - TIMES[0]) / DAY
LAST = float(TIMES[-1])


def noise(scale, seed=0):
    return np.random.default_rng(seed).normal(0, scale, len(TIMES))


def in_days(moment):
    return (moment - LAST) / DAY


def told(values, *, limit=100.0, horizon=60 * DAY, times=TIMES):
    return forecast(times, values, limit=limit, horizon=horizon)


def test_a_disk_that_fills():
    found = told(50 + 2 * DAYS + noise(0.5))
    assert in_days(found.at) == pytest.approx(18, abs=0.5)
    assert found.earliest < found.at < found.latest
    assert in_days(found.latest) - in_days(found.earliest) < 2
    assert found.slope * DAY == pytest.approx(2, abs=0.05)
    assert found.now == pytest.approx(64, abs=0.3)
    assert found.reason == ""


def test_what_counts_down_reaches_nought_from_above():
    found = told(60 * DAY - (TIMES - TIMES[0]), limit=0.0)
    assert in_days(found.at) == pytest.approx(53.007, abs=0.01)
    assert found.earliest == pytest.approx(found.at)


def test_the_band_holds_the_truth_nine_times_in_ten_or_more():
    held = 0
    for seed in range(60):
        found = told(50 + 2 * DAYS + noise(3, seed))
        held += found.earliest <= TIMES[0] + 25 * DAY <= found.latest
    assert held >= 54


def test_neighbours_that_resemble_each_other_widen_the_band():
    rng = np.random.default_rng(0)
    alike = np.convolve(rng.normal(0, 3, len(TIMES) + 143), np.ones(144) / 12, mode="valid")
    plain, wide = told(50 + 2 * DAYS + noise(3)), told(50 + 2 * DAYS + alike)
    assert (wide.latest or np.inf) - wide.earliest > 2 * (plain.latest - plain.earliest)


def test_a_daily_swing_is_not_the_trend_and_reaches_the_limit_first():
    swing = 8 * np.sin(2 * np.pi * DAYS)
    found = told(50 + 3 * DAYS + swing + noise(0.5))
    calm = told(50 + 3 * DAYS + noise(0.5))
    assert found.slope * DAY == pytest.approx(3, abs=0.15)
    assert 1 < in_days(calm.at) - in_days(found.at) < 4


def test_only_what_came_after_a_clean_up_counts():
    values = np.where(DAYS < 4, 50 + 8 * DAYS, 30 + 5 * (DAYS - 4)) + noise(0.3)
    found = told(values)
    assert found.slope * DAY == pytest.approx(5, abs=0.2)
    assert in_days(found.at) == pytest.approx(11, abs=0.5)


def test_only_what_came_after_a_bend_counts():
    found = told(50 + 10 * np.maximum(DAYS - 5, 0) + noise(0.5))
    assert found.slope * DAY == pytest.approx(10, abs=0.4)
    assert in_days(found.at) == pytest.approx(3, abs=0.3)


def test_what_is_emptied_time_and_again_does_not_run_full():
    assert told(40 + 10 * (DAYS % 1) + noise(0.3)).at is None


def test_a_few_wild_samples_change_nothing():
    values = 50 + 2 * DAYS + noise(0.5)
    calm = told(values)
    values[::50] += 500
    values[-1] = values[-2]
    assert told(values).at == pytest.approx(calm.at, abs=0.3 * DAY)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (50 + noise(3), NO_TREND),
        (np.full(len(TIMES), 50.0), NO_TREND),
        (50 - 2 * DAYS + noise(0.5), AWAY),
        (50 + 0.1 * DAYS + noise(0.01), NOT_WITHIN),
        (np.full(len(TIMES), np.nan), TOO_SHORT),
        (np.where(np.arange(len(TIMES)) < 5, 1.0, np.inf), TOO_SHORT),
        (np.where(np.arange(len(TIMES)) < 3, 1.0, np.nan), TOO_SHORT),
    ],
)
def test_why_there_is_no_moment(values, reason):
    found = told(values)
    assert found.at is None
    assert found.reason == reason
    assert np.isnan(found.now) == (reason == TOO_SHORT)


@pytest.mark.parametrize("values", [np.full(len(TIMES), 100.0), 90 + 2 * DAYS])
def test_what_is_reached_is_reached_now(values):
    found = told(values)
    assert (found.at, found.earliest, found.latest) == (LAST, LAST, LAST)
    assert found.reason == REACHED


def test_the_band_may_end_beyond_the_horizon():
    found = told(50 + 2 * DAYS + noise(4), horizon=18 * DAY)
    assert found.earliest is not None
    assert found.latest is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2.0**-20, 4.0, 2.0**40]))
def test_neither_order_nor_scale_matters(seed, factor):
    values = 50 + 2 * DAYS + noise(0.5, seed)
    straight = told(values)
    places = np.random.default_rng(seed).permutation(len(TIMES))
    assert told(values[places], times=TIMES[places]) == straight
    scaled = told(values * factor, limit=100 * factor)
    assert scaled.at == pytest.approx(straight.at, abs=1.0)
    assert scaled.latest == pytest.approx(straight.latest, abs=1.0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(width=64), max_size=40),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
def test_any_numbers_are_answered(values, limit):
    found = forecast(
        TIMES[: len(values)], np.array(values, dtype=np.float64), limit=limit, horizon=DAY
    )
    for moment in (found.at, found.earliest, found.latest):
        assert moment is None or TIMES[0] <= moment <= LAST + DAY
