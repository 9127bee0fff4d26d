"""A stream judged from its past only: what alarms, once, and what cannot change a verdict."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.anomaly import Kind, OnlineDetector
from aiops_mcp.analysis.anomaly_online import FEWEST, REST, surprise_of
from aiops_mcp.analysis.anomaly_surprise import FEWEST as FEWEST_RANKED
from aiops_mcp.analysis.anomaly_surprise import MOST, REMEMBERED, Ranks, Recurrence
from aiops_mcp.analysis.anomaly_verdict import confidence_of, severity_of
from aiops_mcp.analysis.seasons import DAY, HOUR, MEMORY, Expectation
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType

STEP = 300.0
START = 1_700_000_000.0


def stream(values, *, step=STEP, **options):
    detector = OnlineDetector(**options)
    return [detector.update(START + step * i, float(v)) for i, v in enumerate(values)]


def alarms(verdicts):
    return [i for i, verdict in enumerate(verdicts) if verdict.alarm]


def noise(size, seed=0):
    return np.random.default_rng(seed).normal(0, 1, size)


def scores(verdicts):
    return np.array([verdict.score for verdict in verdicts])


def test_a_shift_alarms_once_where_it_begins():
    values = 50 + noise(1500)
    values[1000:1100] += 15
    verdicts = stream(values)
    late = [at for at in alarms(verdicts) if 1000 <= at < 1100]
    assert len(late) == 1
    assert 1000 <= late[0] <= 1004
    anomaly = verdicts[late[0]].anomaly
    assert 999 <= anomaly.begin <= late[0]
    assert anomaly.end == anomaly.peak == late[0]
    assert anomaly.expected == pytest.approx(50, abs=1.5)
    assert anomaly.low < anomaly.expected < anomaly.high < anomaly.actual
    assert anomaly.actual == values[late[0]]
    assert anomaly.deviation == pytest.approx(15, abs=4)
    assert anomaly.severity is AnomalySeverity.HIGH
    assert 0.2 < anomaly.confidence < 1


def test_direction_and_kind():
    up, down = 50 + noise(900), 50 + noise(900)
    up[800:806] += 40
    down[800:806] -= 40
    for values, kind, sign in ((up, AnomalyType.SPIKE, 1), (down, AnomalyType.DROP, -1)):
        found = [v.anomaly for v in stream(values) if v.alarm and v.anomaly.peak >= 800]
        assert [one.type for one in found] == [kind]
        assert math.copysign(1, found[0].deviation) == sign


def test_a_day_that_does_not_come_is_noticed_though_no_value_is_new():
    hours = np.arange(14 * 288) * STEP / HOUR
    values = np.where(hours % 24 < 8, 80.0, 20.0) + noise(len(hours))
    values[11 * 288 : 12 * 288] = 20 + noise(288, seed=5)
    verdicts = stream(values)
    early = [at for at in alarms(verdicts) if 11 * 288 <= at < 12 * 288]
    assert early
    assert early[0] <= 11 * 288 + 96
    assert verdicts[early[0]].expected == pytest.approx(80, abs=8)
    assert verdicts[early[0]].anomaly.deviation < -10
    assert not [at for at in alarms(verdicts) if 8 * 288 <= at < 11 * 288]


def test_steady_noise_alarms_seldom_and_less_at_low_sensitivity():
    values = noise(6000, seed=3)
    counts = [len(alarms(stream(values, sensitivity=s))) for s in (3.0, 2.5, 2.0, 1.5)]
    assert counts == sorted(counts)
    assert counts[0] <= 2
    assert counts[1] <= 6
    assert counts[3] > counts[1]


def test_nothing_alarms_before_there_is_a_past():
    values = noise(FEWEST)
    values[60] = 1000.0
    assert not alarms(stream(values))
    detector = OnlineDetector()
    ready = []
    for at, value in enumerate(values):
        detector.update(START + at * STEP, value)
        ready.append(detector.ready)
    assert ready.index(True) == FEWEST - 1
    verdict = stream(values)[0]
    assert math.isnan(verdict.expected)
    assert verdict.score == 0


def test_an_event_goes_on_until_it_has_been_quiet_for_long_enough():
    values = noise(1200)
    values[600] += 60
    values[600 + REST // 2] += 60
    near = [at for at in alarms(stream(values)) if at >= 600]
    values = noise(1200)
    values[600] += 60
    values[600 + 3 * REST] += 60
    far = [at for at in alarms(stream(values)) if at >= 600]
    assert len(near) == 1
    assert len(far) == 2


def test_a_counter_is_judged_by_its_rate_and_a_reset_is_none():
    rates = np.random.default_rng(1).poisson(100, 1200).astype(float)
    total = np.cumsum(rates)
    total[700:] -= total[699]
    verdicts = stream(total, kind=Kind.COUNTER)
    assert not [at for at in alarms(verdicts) if 690 <= at < 720]
    assert verdicts[650].expected == pytest.approx(100 / STEP, rel=0.1)
    rates[900:910] *= 10
    loud = stream(np.cumsum(rates), kind=Kind.COUNTER)
    assert [at for at in alarms(loud) if 900 <= at < 910]


def test_irregular_samples_are_judged_too():
    rng = np.random.default_rng(8)
    times = START + np.cumsum(rng.exponential(STEP, 1500))
    values = 50 + noise(1500)
    values[1200:1220] += 15
    detector = OnlineDetector()
    verdicts = [detector.update(time, value) for time, value in zip(times, values, strict=True)]
    assert [at for at in alarms(verdicts) if 1200 <= at < 1220]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_judged_and_not_learnt(bad):
    values = noise(400)
    detector, other = OnlineDetector(), OnlineDetector()
    for at, value in enumerate(values):
        expected = other.update(START + at * STEP, value)
        assert detector.update(START + at * STEP, value).score == expected.score
        verdict = detector.update(START + at * STEP + 1, bad)
        assert verdict.score == 0
        assert math.isnan(verdict.expected)


@pytest.mark.parametrize("moment", [START, START + 10, math.nan, math.inf])
def test_a_sample_that_is_not_newer_is_left_out(moment):
    detector = OnlineDetector()
    for at in range(200):
        detector.update(START + 20 + at, 1.0 + at % 7)
    before = detector.update(START + 300, 3.0)
    assert math.isnan(detector.update(moment, 9e9).expected)
    assert detector.update(START + 301, 3.0).expected == pytest.approx(before.expected, rel=0.01)


def test_a_constant_is_never_unusual_and_its_end_is_at_once():
    values = np.full(600, 7.25)
    assert scores(stream(values)).max() == 0
    values[500:] = 7.26
    verdicts = stream(values)
    assert verdicts[500].score > 0.4
    assert alarms(verdicts) == [502]
    assert verdicts[502].anomaly.deviation == 1000


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(130, 260), st.sampled_from([0.5, 4.0, 1024.0, -2.0]))
def test_no_look_ahead_and_no_scale(seed, cut, factor):
    values = noise(300, seed)
    whole = stream(values)
    other = values.copy()
    other[cut:] = np.random.default_rng(seed + 1).normal(5, 9, 300 - cut)
    changed = stream(other)
    assert scores(whole[:cut]).tolist() == scores(changed[:cut]).tolist()
    assert alarms(whole[:cut]) == alarms(changed[:cut])
    scaled = stream(values * factor)
    assert scores(scaled).tolist() == scores(whole).tolist()
    assert alarms(scaled) == alarms(whole)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-1000, 1000))
def test_no_level(seed, shift):
    values = noise(300, seed)
    assert scores(stream(values + shift)) == pytest.approx(scores(stream(values)), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(width=64), max_size=150))
def test_any_numbers_give_scores_from_0_to_1(values):
    for verdict in stream(values):
        assert 0 <= verdict.score <= 1


def test_surprise_is_the_rank_and_beyond_the_tail_its_distance():
    ranks = Ranks()
    found = [ranks.surprise(float(number)) for number in range(1000)]
    assert found[:FEWEST_RANKED] == [0.0] * FEWEST_RANKED
    assert found[50] == pytest.approx(math.log10(51))
    assert ranks.quantile(0.5) == 500
    assert ranks.surprise(500.0) == pytest.approx(-math.log10(501 / 1001))
    assert ranks.surprise(-5.0) == pytest.approx(0, abs=1e-9)
    near, far = ranks.surprise(1010.0), ranks.surprise(1100.0)
    # The 95th and 99th percentile are 40 apart: a decade is 40 / ln 5 * ln 10 further.
    assert far - near == pytest.approx(90 / (40 / math.log(5)) / math.log(10), rel=0.05)
    assert ranks.surprise(1e9) == MOST


def test_a_full_memory_forgets_every_other_number_but_the_highest():
    ranks = Ranks()
    for number in range(REMEMBERED - 1):
        ranks.surprise(float(number))
    ranks.surprise(1e6)
    assert ranks.quantile(1.0) == 1e6
    assert ranks.quantile(0.5) == pytest.approx(REMEMBERED / 2, rel=0.01)
    assert ranks.surprise(REMEMBERED * 0.75) == pytest.approx(math.log10(4), rel=0.01)


def test_a_stretch_seen_before_is_near_and_a_new_one_is_far():
    recurrence = Recurrence((4, 8), reach=64)
    wave = [0.0, 1.0, 3.0, 1.0] * 40
    found = [recurrence.distances(value) for value in wave]
    assert found[0] == [0.0, 0.0]
    assert found[-1] == pytest.approx([0.0, 0.0], abs=1e-12)
    for value in (5.0, -2.0, 6.0):
        last = recurrence.distances(value)
    assert last[0] > 10
    assert last[1] > 10


def test_distances_are_those_of_a_plain_sum_over_every_lag():
    values = noise(150, seed=9)
    recurrence = Recurrence((3, 6), reach=40)
    for value in values:
        found = recurrence.distances(value)
    now = len(values) - 1
    for span, distance in zip((3, 6), found, strict=True):
        sums = [
            sum(
                (1 - 1 / span) ** k * (values[now - k] - values[now - k - lag]) ** 2
                for k in range(now - lag + 1)
            )
            for lag in range(span + 1, 41)
        ]
        assert distance == pytest.approx(min(sums), rel=1e-9)


def test_the_expectation_is_what_erred_least():
    expectation = Expectation()
    for at in range(10 * 288):
        time = START + at * STEP
        expectation.learn(time, 100.0 if time % DAY < DAY / 2 else 10.0)
    noon = (START // DAY + 20) * DAY + 6 * HOUR
    assert expectation.at(noon) == pytest.approx(100.0)
    assert expectation.at(noon + 12 * HOUR) == pytest.approx(10.0)


def test_the_expectation_of_a_new_series_is_its_mean():
    expectation = Expectation()
    assert math.isnan(expectation.at(START))
    for at, value in enumerate([4.0, 8.0, 6.0]):
        expectation.learn(START + at, value)
    assert expectation.at(START + 3) == pytest.approx(6.0)
    for at in range(MEMORY * 4):
        expectation.learn(START + 10 + at, 20.0)
    assert expectation.at(START + 10**4) == pytest.approx(20.0, abs=0.1)


def test_sensitivities_severities_and_confidence():
    assert surprise_of(2.5) == pytest.approx(-math.log10(0.01241933), rel=1e-5)
    assert [severity_of(x) for x in (3.9, -4, 7.9, 8, -1000)] == [
        AnomalySeverity.LOW,
        AnomalySeverity.MEDIUM,
        AnomalySeverity.MEDIUM,
        AnomalySeverity.HIGH,
        AnomalySeverity.HIGH,
    ]
    assert confidence_of(1.7) == pytest.approx(0.26, abs=0.02)
    assert confidence_of(3.5) == pytest.approx(0.75, abs=0.02)
