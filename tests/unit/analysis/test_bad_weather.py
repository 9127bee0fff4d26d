"""Every kind of series that monitoring brings, through every analysis of series: an answer each."""

import math

import numpy as np
import pytest

from aiops_mcp.analysis.anomaly import Kind, OnlineDetector, judge
from aiops_mcp.analysis.changepoints import find_changes
from aiops_mcp.analysis.correlate_moves import what_else_moved
from aiops_mcp.analysis.correlate_peers import odd_ones
from aiops_mcp.analysis.forecast import forecast
from aiops_mcp.analysis.rootcause import Problem, Signal, SignalKind, rank_causes

SIZE = 240
TIMES = 1_772_000_000.0 + 60.0 * np.arange(SIZE)
NOISE = np.random.default_rng(3).normal(50.0, 1.0, SIZE)


def changed(places, value):
    values = NOISE.copy()
    values[places] = value
    return TIMES, values


def resets():
    values = np.cumsum(np.abs(NOISE))
    values[80:] -= values[80]
    values[150:] -= values[150]
    return TIMES, values


WEATHER = {
    "constant": (TIMES, np.full(SIZE, 7.0)),
    "zero": (TIMES, np.zeros(SIZE)),
    "empty": (TIMES[:0], NOISE[:0]),
    "one": (TIMES[:1], NOISE[:1]),
    "three": (TIMES[:3], NOISE[:3]),
    "missing": (TIMES, np.full(SIZE, np.nan)),
    "infinite": (TIMES, np.full(SIZE, np.inf)),
    "both infinities": changed(slice(None, None, 2), -np.inf),
    "a few infinite": changed([5, 100], np.inf),
    "mostly missing": changed(slice(10, 230), np.nan),
    "begins in the middle": changed(slice(0, 120), np.nan),
    "ends in the middle": changed(slice(120, None), np.nan),
    "irregular": (TIMES[0] + np.cumsum(np.random.default_rng(4).exponential(60.0, SIZE)), NOISE),
    "one moment": (np.full(SIZE, TIMES[0]), NOISE),
    "duplicated": (np.repeat(TIMES[::2], 2), NOISE),
    "unordered": (np.random.default_rng(5).permutation(TIMES), NOISE),
    "backwards": (TIMES[::-1], NOISE),
    "times missing": (np.where(np.arange(SIZE) % 3, TIMES, np.nan), NOISE),
    "resets": resets(),
    "huge": (TIMES, NOISE * 1e300),
    "tiny": (TIMES, NOISE * 1e-308),
    "largest": (TIMES, np.where(np.arange(SIZE) % 2, 1.7e308, -1.7e308)),
    "one huge": changed(200, 1e308),
    "before the epoch": (-TIMES, NOISE),
    "microseconds": (TIMES * 1e6, NOISE),
}
QUIET = ["constant", "zero", "empty", "one", "three", "missing", "infinite"]


each_weather = pytest.mark.parametrize("name", WEATHER)


@each_weather
@pytest.mark.parametrize("kind", list(Kind))
def test_a_window_is_judged_or_says_why_not(name, kind):
    times, values = WEATHER[name]
    [judged] = judge(times, values[None, :], kind=kind)
    assert judged.score.shape == values.shape
    assert ((judged.score >= 0) & (judged.score <= 1)).all()
    if name in QUIET:
        assert judged.anomalies == []
        assert judged.remarks
    for each in judged.anomalies:
        assert math.isfinite(each.expected + each.low + each.high + each.actual + each.deviation)
        assert 0 <= each.begin < len(values)
    if name == "begins in the middle":
        assert "begins late" in judged.remarks
    if name == "ends in the middle":
        assert "ends early" in judged.remarks


@each_weather
@pytest.mark.parametrize("kind", list(Kind))
def test_a_stream_is_judged_and_goes_on(name, kind):
    times, values = WEATHER[name]
    detector = OnlineDetector(kind=kind)
    verdicts = [
        detector.update(*each) for each in zip(times.tolist(), values.tolist(), strict=True)
    ]
    assert all(0 <= each.score <= 1 for each in verdicts)
    if name in QUIET:
        assert not any(each.alarm for each in verdicts)
    calm = [detector.update(9e14 + 60.0 * step, 50.0) for step in range(3)]
    assert all(math.isfinite(each.score) for each in calm)


@each_weather
def test_changes_are_placed_within_the_samples(name):
    times, values = WEATHER[name]
    found = find_changes(times, values)
    assert all(0 <= each.index < len(values) for each in found)
    assert all(math.isfinite(each.before + each.after + each.strength) for each in found)
    if name in QUIET:
        assert found == []


@each_weather
def test_a_forecast_has_a_time_or_a_reason(name):
    times, values = WEATHER[name]
    found = forecast(times, values, limit=1e3, horizon=86_400.0)
    assert (found.at is not None) or found.reason
    for moment in (found.at, found.earliest, found.latest):
        assert moment is None or math.isfinite(moment)
    if name in ("empty", "one", "three", "missing", "infinite"):
        assert found.reason == "too short to forecast"


@each_weather
@pytest.mark.parametrize("kind", list(SignalKind))
def test_causes_are_ranked_or_it_is_said_why_not(name, kind):
    times, values = WEATHER[name]
    when = float(TIMES[180])
    signals = [
        Signal("bad", "m", kind, times, values),
        Signal("calm", "m", kind, TIMES, NOISE),
    ]
    ranking = rank_causes(Problem(signals, when))
    assert all(math.isfinite(each.score) for each in ranking.causes)
    assert bool(ranking.causes) != bool(ranking.reason_if_empty)
    if name in QUIET:
        assert ranking.causes == ()
    # The odd series takes nothing from a clear one.
    step = np.where(when <= TIMES, NOISE + 60.0, NOISE)
    clear = Signal("clear", "m", SignalKind.LATENCY, TIMES, step)
    assert "clear" in {
        each.component for each in rank_causes(Problem([*signals, clear], when)).causes
    }


@each_weather
def test_what_else_moved_and_who_is_odd_are_answered(name):
    times, values = WEATHER[name]
    order = np.argsort(times, kind="stable")
    usable = np.isfinite(times[order])
    rising, row = times[order][usable], values[order][usable]
    of = np.where(np.arange(len(row)) < len(row) // 2, 0.0, 10.0)
    for each in what_else_moved(rising, np.stack([row, of]), of):
        assert 0 <= each.score <= 1
        assert math.isfinite(each.lag + each.correlation)
    peers = np.stack([*(np.roll(row, shift) for shift in range(4)), row])
    found = odd_ones(peers)
    assert all(math.isfinite(each.deviation) for each in found.odd)
    assert bool(found.odd) != bool(found.reason_if_none)
    if name in ("empty", "missing", "infinite"):
        assert what_else_moved(rising, row[None, :], of) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_million_samples_are_only_more():
    size = 1_000_000
    times = TIMES[0] + 15.0 * np.arange(size)
    values = np.random.default_rng(0).normal(0.0, 1.0, size)
    values[700_000:] += 8.0
    [change] = find_changes(times, values)
    assert change.index == 700_000
    still = np.random.default_rng(1).normal(0.0, 1.0, size)
    signals = [
        Signal("calm", "m", SignalKind.LATENCY, times, still),
        Signal("bad", "m", SignalKind.LATENCY, times, values),
    ]
    ranking = rank_causes(Problem(signals, float(times[700_000])))
    assert ranking.causes[0].component == "bad"
    assert ranking.onset == times[700_000]
    grown = np.cumsum(np.abs(still)) / size
    reached = forecast(times, grown, limit=2 * float(grown[-1]), horizon=20.0 * size)
    assert reached.at == pytest.approx(times[-1] + 15.0 * size, rel=0.02)
