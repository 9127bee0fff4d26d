"""Part of a day's swing is no anomaly, and hides none."""

import numpy as np
import pytest

from aiops_mcp.analysis.anomaly import judge
from aiops_mcp.analysis.anomaly_curves import curves
from aiops_mcp.models.anomaly import AnomalyType

SIZE = 1440
TIMES = 1_772_000_000.0 + 60.0 * np.arange(SIZE)


def swing(seed=7, size=SIZE, noise=2.0):
    turns = 2 * np.pi * np.arange(size) / 1440
    course = 100 + 20 * np.sin(turns + seed) + 8 * np.cos(2 * turns)
    return course + np.random.default_rng(seed).normal(0, noise, size)


def told(values):
    times = TIMES[0] + 60.0 * np.arange(len(values))
    [found] = judge(times, np.array([values]))
    return [(each.type, each.begin, each.end) for each in found.anomalies]


@pytest.mark.parametrize(
    ("hours", "mistaken"), [(6, 1), (9, 1), (12, 0), (24, 0), (36, 0), (60, 0)]
)
def test_a_swing_of_less_than_three_days_is_no_anomaly(hours, mistaken):
    """The little of it that six hours show may be taken for a turn."""
    found = [told(swing(seed, hours * 60)) for seed in range(10)]
    assert sum(bool(one) for one in found) <= mistaken


def test_an_hour_that_is_off_is_found_on_the_swing():
    values = swing()
    values[720:780] += 40
    assert told(values) == [(AnomalyType.TREND_CHANGE, 720, 779)]


def test_what_began_just_now_is_found_on_the_swing():
    values = swing()
    values[1400:] += 20
    assert told(values) == [(AnomalyType.TREND_CHANGE, 1400, 1439)]


def test_the_expectation_follows_the_swing():
    quiet = swing(noise=0.5)
    [found] = judge(TIMES, np.array([quiet]))
    assert np.abs(found.expected - swing(noise=0.0)).max() < 1.5


def test_steps_lines_and_bends_stay_what_they_are():
    noise = np.random.default_rng(3).normal(0, 1, SIZE)
    step = np.where(np.arange(SIZE) < 900, 10.0, 40.0) + noise
    assert told(step) == [(AnomalyType.TREND_CHANGE, 900, 1439)]
    leak = 10 + 0.1 * np.maximum(np.arange(SIZE) - 700, 0) + noise
    [(kind, begin, end)] = told(leak)
    assert (kind, end) == (AnomalyType.TREND_CHANGE, SIZE - 1)
    assert abs(begin - 700) < 60
    assert told(10 + 0.05 * np.arange(SIZE) + noise) == []


def test_an_event_does_not_bend_the_curve():
    values = swing()
    bumped = values.copy()
    bumped[720:780] += 400
    _, [one] = curves(TIMES, values[None, :])
    _, [other] = curves(TIMES, bumped[None, :])
    assert np.abs(one - other).max() < 1.0


def test_short_empty_and_huge_series_do_no_harm():
    assert curves(TIMES[:20], np.zeros((3, 20)))[0].size == 0
    rows, _ = curves(TIMES, np.full((2, SIZE), np.nan))
    assert rows.size == 0
    with np.errstate(all="raise"):
        rows, fitted = curves(TIMES, np.stack([np.full(SIZE, 0.9), np.zeros(SIZE)]))
    assert rows.tolist() == [0, 1]
    assert fitted[0] == pytest.approx(0.9)
    gap = swing()
    gap[300:600] = np.nan
    rows, fitted = curves(TIMES, gap[None, :])
    assert rows.tolist() == [0]
    assert np.isfinite(fitted).all()


@pytest.mark.parametrize("minutes", [5, 30, 60, 120])
@pytest.mark.parametrize("base", [swing, lambda seed: swing(seed) - swing(seed, noise=0.0)])
def test_events_of_any_length_are_found(minutes, base):
    """Those of an hour are too long to be rare samples and too short to be a level.

    What the window begins with is no event: it may have been so for long.
    """
    found = 0
    for seed in range(20):
        values = base(seed)
        begin = 180 + (61 * seed) % (SIZE - 180 - minutes)
        values[begin : begin + minutes] += 15
        found += any(one < begin + minutes and end >= begin for _, one, end in told(values))
    assert found >= 19


def test_a_heavy_tail_alone_brings_few_events():
    rows = np.random.default_rng(8).lognormal(0, 1, (50, SIZE))
    assert sum(len(one.anomalies) for one in judge(TIMES, rows)) <= 35
