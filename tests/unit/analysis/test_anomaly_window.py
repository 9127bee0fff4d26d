"""Finished windows of many series: each event once, its kind, its place, and what is said instead."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.anomaly import FEWEST, Kind, judge
from aiops_mcp.analysis.anomaly_bends import bends
from aiops_mcp.analysis.anomaly_events import flat_stretch
from aiops_mcp.analysis.anomaly_robust import medians, quantiles
from aiops_mcp.analysis.anomaly_samples import in_order, rates
from aiops_mcp.analysis.anomaly_verdict import event_confidence
from aiops_mcp.analysis.anomaly_window import running_mean
from aiops_mcp.analysis.seasons import DAY, HOUR, WEEK, usual_pattern
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType

SIZE = 1440
TIMES = 1_700_000_000.0 + 60.0 * np.arange(SIZE)


def noise(seed=0, size=SIZE):
    return 10 + np.random.default_rng(seed).normal(0, 1, size)


def only(values, times=TIMES, **options):
    return judge(times, np.atleast_2d(values), **options)[0]


def told(judged):
    return [(one.type.value, one.begin, one.end) for one in judged.anomalies]


def test_a_spike_and_a_drop():
    values = noise()
    values[100] += 20
    values[900:903] -= 20
    found = only(values).anomalies
    assert [(one.type, one.begin, one.end) for one in found] == [
        (AnomalyType.SPIKE, 100, 100),
        (AnomalyType.DROP, 900, 902),
    ]
    spike = found[0]
    assert spike.peak == 100
    assert spike.actual == values[100]
    assert spike.expected == pytest.approx(10, abs=0.2)
    assert spike.deviation == pytest.approx(20, abs=3)
    assert spike.severity is AnomalySeverity.HIGH
    assert spike.high - spike.expected == pytest.approx(2.5, abs=0.3)
    assert spike.expected - spike.low == pytest.approx(2.5, abs=0.3)


def test_a_shift_is_one_change_of_trend_until_it_is_undone():
    values = noise()
    values[700:] += 8
    shifted = only(values)
    assert told(shifted) == [("TREND_CHANGE", 700, SIZE - 1)]
    assert shifted.anomalies[0].expected == pytest.approx(10, abs=0.3)
    assert shifted.anomalies[0].actual == pytest.approx(18, abs=0.5)
    assert shifted.expected[800] == pytest.approx(18, abs=0.3)
    for length in (100, 300):
        values = noise()
        values[700 : 700 + length] += 6
        assert told(only(values)) == [("TREND_CHANGE", 700, 699 + length)]


def test_a_spike_on_a_new_level_is_told_beside_it_and_not_within():
    values = noise()
    values[700:] += 8
    values[300] += 25
    assert told(only(values)) == [("SPIKE", 300, 300), ("TREND_CHANGE", 700, SIZE - 1)]


def test_a_trend_is_expected_and_a_spike_on_it_is_not():
    values = noise() + 0.01 * np.arange(SIZE)
    values[500] += 15
    judged = only(values)
    assert told(judged) == [("SPIKE", 500, 500)]
    assert judged.anomalies[0].expected == pytest.approx(15, abs=0.5)


def test_a_leak_begins_where_the_line_turns():
    values = noise()
    values[900:] += 0.03 * np.arange(SIZE - 900)
    (leak,) = only(values).anomalies
    assert leak.type is AnomalyType.TREND_CHANGE
    assert leak.begin == pytest.approx(900, abs=30)
    assert leak.end == SIZE - 1
    assert leak.expected == pytest.approx(10, abs=1)
    assert leak.actual > 24


@pytest.mark.parametrize(
    ("swing", "phase", "hours"), [(0.01, 0.0, 6), (0.03, 2.66, 24), (0.05, 1.77, 12)]
)
def test_a_step_at_the_end_of_what_swings_a_little_is_no_bend(swing, phase, hours):
    minutes = np.arange(361)
    values = 0.48 + swing * np.sin(2 * np.pi * minutes / (60 * hours) + phase)
    values += np.random.default_rng(3).normal(0, 0.004, len(minutes))
    values[331:] += 0.55
    assert told(only(values, TIMES[:361])) == [("TREND_CHANGE", 331, 360)]


def test_a_standstill_and_a_burst_break_the_pattern():
    values = noise()
    values[600:660] = values[600]
    still = only(values).anomalies
    assert [(one.type, one.begin, one.end) for one in still] == [
        (AnomalyType.PATTERN_BREAK, 600, 659)
    ]
    assert still[0].severity is AnomalySeverity.MEDIUM
    assert still[0].confidence > 0.4
    values = noise()
    values[600:660] = 10 + np.random.default_rng(4).normal(0, 5, 60)
    (burst,) = only(values).anomalies
    assert burst.type is AnomalyType.PATTERN_BREAK
    assert 595 <= burst.begin <= 615
    assert 640 <= burst.end <= 665


@pytest.mark.parametrize(
    ("period", "step", "name"), [(HOUR, 60.0, "hour"), (DAY, 300.0, "day"), (WEEK, 3600.0, "week")]
)
def test_what_repeats_is_expected(period, step, name):
    times = 1_700_000_000.0 + step * np.arange(round(6 * period / step))
    values = 50 + 20 * np.sin(2 * np.pi * times / period)
    values += np.random.default_rng(1).normal(0, 1, len(times))
    at = len(times) // 2
    values[at : at + 3] = values[at : at + 3] - 14
    judged = only(values, times)
    assert judged.period == period, name
    assert told(judged) == [("DROP", at, at + 2)]
    assert judged.anomalies[0].expected == pytest.approx(
        50 + 20 * np.sin(2 * np.pi * times[judged.anomalies[0].peak] / period), abs=2
    )


def test_neither_noise_nor_a_trend_nor_a_shift_repeats():
    times = 300.0 * np.arange(2016)
    rows = np.stack([noise(1, 2016), np.linspace(0, 90, 2016), noise(2, 2016)])
    rows[2, 1000:] += 30
    pattern, period = usual_pattern(times, rows)
    assert period.tolist() == [0, 0, 0]
    assert not pattern.any()


def test_a_job_of_every_hour_is_no_anomaly_but_its_absence_is():
    values = np.zeros(SIZE)
    values[30::60] = 5.0
    assert told(only(values)) == []
    values[30 + 60 * 12] = 0.0
    judged = only(values)
    assert [(one.type, one.begin) for one in judged.anomalies] == [(AnomalyType.DROP, 750)]
    assert judged.anomalies[0].deviation == -1000


def test_rare_events_are_unusual_and_frequent_ones_are_not():
    values = np.zeros(SIZE)
    values[77] = 1.0
    assert told(only(values)) == [("SPIKE", 77, 77)]
    values[np.random.default_rng(3).random(SIZE) < 0.05] = 1.0
    assert told(only(values)) == []


@pytest.mark.parametrize("kind", ["normal", "laplace", "exponential"])
def test_chance_brings_few_events_whatever_the_tail(kind):
    rows = getattr(np.random.default_rng(5), kind)(size=(200, SIZE))
    events = sum(len(one.anomalies) for one in judge(TIMES, rows))
    assert events <= 40


def test_more_sensitive_finds_more():
    rows = np.random.default_rng(6).standard_t(5, (100, SIZE))
    counts = [
        sum(len(one.anomalies) for one in judge(TIMES, rows, sensitivity=s))
        for s in (3.0, 2.5, 2.0, 1.5)
    ]
    assert counts == sorted(counts)
    assert counts[3] > 2 * counts[0]


def test_a_counter_is_judged_by_its_rate():
    steps = np.random.default_rng(2).poisson(600, SIZE).astype(float)
    total = np.cumsum(steps)
    total[800:] -= total[799]
    assert told(only(total, kind=Kind.COUNTER)) == []
    steps[1000] = 6000
    judged = only(np.cumsum(steps), kind=Kind.COUNTER)
    assert told(judged) == [("SPIKE", 1000, 1000)]
    assert judged.anomalies[0].actual == pytest.approx(100)
    assert judged.anomalies[0].expected == pytest.approx(10, abs=0.3)
    assert np.isnan(judged.expected[0]) or judged.expected[0] == pytest.approx(10, abs=0.3)


def test_rates_skip_what_is_missing_and_take_a_fall_for_a_reset():
    values = np.array([[np.nan, 10.0, np.nan, 40.0, 5.0, 5.0]])
    found = rates(np.arange(6) * 10.0, values)
    assert found[0].tolist() == pytest.approx([np.nan, np.nan, np.nan, 1.5, 0.5, 0.0], nan_ok=True)


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        (np.full(SIZE, 3.0), "flat: the value never changed"),
        (np.full(SIZE, np.nan), "no data"),
        (np.full(SIZE, np.inf), "no data"),
        (np.where(np.arange(SIZE) < FEWEST - 1, np.arange(SIZE), np.nan), "too short to judge"),
        (np.where(np.arange(SIZE) < 500, np.nan, noise()), "begins late"),
        (np.where(np.arange(SIZE) > 900, np.nan, noise()), "ends early"),
        (np.where(np.arange(SIZE) % 5 == 1, np.nan, noise()), "missing data"),
    ],
)
def test_what_cannot_be_said_is_said(values, remark):
    judged = only(values)
    assert judged.remarks == [remark]
    assert judged.anomalies == []
    assert judged.score.shape == (SIZE,)
    assert judged.score.max() < 0.5


@pytest.mark.parametrize("size", [0, 1, 3])
def test_hardly_any_samples(size):
    judged = only(np.arange(float(size)), np.arange(float(size)))
    assert judged.remarks == ["no data" if size == 0 else "too short to judge"]
    assert judge(np.arange(3.0), np.zeros((0, 3))) == []


def test_times_and_samples_must_agree():
    with pytest.raises(ValueError, match="3 times for 4 samples"):
        judge(np.arange(3.0), np.zeros((1, 4)))


def test_enough_is_enough():
    values = np.arange(FEWEST) % 3 * 1.0
    assert only(values, np.arange(FEWEST) * 60.0).remarks == []


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([2.0**-40, 0.25, 8.0, 2.0**60]),
    st.integers(-50, 50),
)
def test_neither_scale_nor_level_matters(seed, factor, shift):
    values = np.round(noise(seed, 300) * 1024) / 1024
    values[200] += 30
    values[240:] += 9
    times = TIMES[:300]
    plain, scaled = only(values, times), only(values * factor, times)
    assert told(scaled) == told(plain)
    assert scaled.score == pytest.approx(plain.score, abs=1e-9)
    assert scaled.expected == pytest.approx(plain.expected * factor)
    shifted = only(values + shift, times)
    assert [one.begin for one in shifted.anomalies] == [one.begin for one in plain.anomalies]
    assert shifted.expected == pytest.approx(plain.expected + shift, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_samples_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    values = noise(seed, 300)
    values[200] += 30
    times = TIMES[:300].copy()
    times[50:60] = times[40:50]  # ten doubles
    places = rng.permutation(300)
    straight, mixed = only(values, times), only(values[places], times[places])
    assert mixed.score == pytest.approx(straight.score[places], abs=1e-12)
    assert mixed.expected == pytest.approx(straight.expected[places], abs=1e-12)
    assert {times[one.peak] for one in straight.anomalies} == {
        times[places][one.peak] for one in mixed.anomalies
    }
    assert times[200] in {times[one.peak] for one in straight.anomalies}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=64), min_size=0, max_size=60),
    st.lists(st.floats(width=64), min_size=60, max_size=60),
    st.sampled_from(list(Kind)),
)
def test_any_numbers_are_answered(values, times, kind):
    numbers = np.array(values, dtype=np.float64)
    judged = only(numbers, np.array(times[: len(values)], dtype=np.float64), kind=kind)
    assert judged.score.shape == numbers.shape
    assert ((judged.score >= 0) & (judged.score <= 1)).all()
    for one in judged.anomalies:
        assert np.isfinite(astuple(one)[5:]).all()


def test_a_row_is_judged_alone():
    rows = np.stack([noise(seed) for seed in range(6)])
    rows[3, 400] += 30
    rows[4, :700] = np.nan
    together = judge(TIMES, rows)
    for row, judged in enumerate(together):
        alone = only(rows[row])
        assert told(alone) == told(judged)
        assert alone.score == pytest.approx(judged.score, abs=1e-12)


def test_a_million_samples():
    values = np.random.default_rng(1).normal(0, 1, 1_000_000)
    values[123_456] = 40.0
    assert told(only(values, 15.0 * np.arange(1_000_000.0))) == [("SPIKE", 123_456, 123_456)]


def test_irregular_samples_are_judged_too():
    rng = np.random.default_rng(8)
    times = 1_700_000_000.0 + np.cumsum(rng.exponential(60.0, SIZE))
    values = noise()
    values[400] += 25
    values[1000:] += 8
    judged = only(values, times)
    assert told(judged) == [("SPIKE", 400, 400), ("TREND_CHANGE", 1000, SIZE - 1)]


def test_quantiles_leave_out_what_is_missing():
    rows = np.array([[4.0, 1.0, 3.0, 2.0], [np.nan, 9.0, np.nan, 7.0], [np.nan] * 4])
    half, most = quantiles(rows, (0.5, 0.99))
    assert half.tolist() == pytest.approx([3.0, 9.0, np.nan], nan_ok=True)
    assert most.tolist() == pytest.approx([4.0, 9.0, np.nan], nan_ok=True)
    assert np.isnan(medians(np.zeros((2, 0)))).all()


@pytest.mark.parametrize("length", [5, 6])
def test_a_running_mean_is_centred_and_shorter_at_the_edges(length):
    values = np.random.default_rng(0).normal(0, 1, (2, 30))
    values[1, 4:14] = np.nan
    found = running_mean(values, length)
    before = length // 2
    for row in range(2):
        for at in range(30):
            around = values[row, max(at - before, 0) : at + length - before]
            known = around[np.isfinite(around)]
            expected = known.mean() if known.size else np.nan
            assert found[row, at] == pytest.approx(expected, nan_ok=True)


def test_samples_in_order_know_where_they_were_given():
    times = np.array([30.0, 10.0, np.nan, 20.0, 10.0])
    samples = in_order(times, np.array([[3.0, 1.0, 7.0, np.inf, 5.0]]), Kind.GAUGE)
    assert samples.times.tolist() == [10.0, 20.0, 30.0]
    assert samples.values[0].tolist() == pytest.approx([3.0, np.nan, 3.0], nan_ok=True)
    assert samples.given.tolist() == [1, 3, 0]
    assert samples.moment.tolist() == [2, 0, -1, 1, 0]


def test_a_flat_stretch_is_one_only_in_what_otherwise_moves():
    values = noise()
    values[200:240] = 4.0
    found = flat_stretch(values)
    assert (found.begin, found.end) == (200, 239)
    assert found.excess > 5
    assert flat_stretch(np.round(noise() / 20)) is None
    assert flat_stretch(noise()) is None
    assert flat_stretch(values[190:205]) is None


def test_a_bend_is_where_the_line_turns_and_a_line_has_none():
    rows = np.stack([noise(), noise(1) + 0.05 * np.arange(SIZE), noise(2)])
    rows[0, 500:] -= 0.05 * np.arange(SIZE - 500)
    found = bends(rows)
    assert list(found) == [0]
    assert found[0].index == pytest.approx(500, abs=25)
    assert found[0].fitted[-1] == pytest.approx(10 - 47, abs=1)
    assert found[0].before[-1] == pytest.approx(10, abs=1)
    assert bends(rows[:, :30]) == {}


def test_confidence_of_events_grows_with_their_excess():
    found = [event_confidence(excess) for excess in (0.5, 1.0, 8.0, 500.0)]
    assert found[0] == found[1] == pytest.approx(0.21, abs=0.01)
    assert found == sorted(found)
    assert found[2] == pytest.approx(0.44, abs=0.03)
    assert found[3] < 0.95
