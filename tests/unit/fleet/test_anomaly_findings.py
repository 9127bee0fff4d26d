"""Whether an anomaly matters, how grave it is, and what is said of it."""

import math
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from aiops_mcp.analysis.anomaly import Anomaly, Judged
from aiops_mcp.fleet.anomaly_findings import (
    Place,
    breach_of,
    departure_matters,
    explained,
    findings_of,
    identity,
    outermost,
    percent,
    severity_of,
)
from aiops_mcp.fleet.series_grid import SeriesGrid
from aiops_mcp.fleet.vital_signs import Area, Bad, SignKind, VitalSign
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType

START = 1_772_366_400.0
PLACE = Place(UUID(int=7), "prod-1", "the query", datetime(2026, 3, 1, 14, tzinfo=UTC))


def sign(**fields):
    given = {
        "name": "disk used",
        "expression": "disk",
        "area": Area.NODES,
        "of": "node",
        "component": ("instance",),
        "kind": SignKind.SATURATION,
        "unit": "ratio",
        **fields,
    }
    return VitalSign(**given)


def anomaly(expected, actual, *, begin=40, end=59, **fields):
    given = {
        "begin": begin,
        "end": end,
        "peak": begin,
        "type": AnomalyType.SPIKE,
        "severity": AnomalySeverity.LOW,
        "expected": expected,
        "low": expected - 0.1,
        "high": expected + 0.1,
        "actual": actual,
        "deviation": 12.0,
        "confidence": 0.8,
        **fields,
    }
    return Anomaly(**given)


def grid(values, labels=None):
    row = np.asarray(values, dtype=float)
    labels = labels or {"instance": "worker-3:9100", "mountpoint": "/var"}
    return SeriesGrid((labels,), START + 60 * np.arange(len(row)), row[None, :])


def judged(*anomalies):
    nothing = np.zeros(60)
    return [Judged(list(anomalies), nothing, nothing, nothing, nothing)]


@pytest.mark.parametrize(
    ("fields", "expected", "actual", "told"),
    [
        ({}, 0.4, 0.41, True),
        ({"least": 0.05}, 0.4, 0.44, False),
        ({"least": 0.05}, 0.4, 0.46, True),
        ({"least_share": 0.5}, 0.4, 0.59, False),
        ({"least_share": 0.5}, 0.4, 0.61, True),
        ({"least_share": 0.5, "least": 1}, 0.4, 0.9, False),
        ({}, 0.4, 0.3, False),
        ({"bad": Bad.DOWN}, 0.4, 0.3, True),
        ({"bad": Bad.DOWN}, 0.4, 0.5, False),
        ({"bad": Bad.BOTH}, 0.4, 0.3, True),
        ({"matters_from": 0.75}, 0.4, 0.7, False),
        ({"matters_from": 0.75}, 0.4, 0.8, True),
        ({"matters_from": 0.75, "bad": Bad.DOWN}, 0.9, 0.8, False),
        ({"matters_from": 0.75, "bad": Bad.DOWN}, 0.9, 0.7, True),
    ],
)
def test_a_departure_matters_by_size_direction_and_place(fields, expected, actual, told):
    assert departure_matters(sign(**fields), expected, actual) is told


@pytest.mark.parametrize(
    ("actual", "goes_on", "beyond", "severity"),
    [
        (0.46, True, False, AnomalySeverity.LOW),
        (0.51, True, False, AnomalySeverity.MEDIUM),
        (0.66, True, False, AnomalySeverity.HIGH),
        (0.66, False, False, AnomalySeverity.MEDIUM),
        (0.46, False, False, AnomalySeverity.LOW),
        (0.46, True, True, AnomalySeverity.HIGH),
    ],
)
def test_how_grave_it_is_goes_by_what_matters(actual, goes_on, beyond, severity):
    found = severity_of(sign(least=0.05), anomaly(0.4, actual), goes_on=goes_on, beyond=beyond)
    assert found is severity


def test_without_a_floor_the_judge_says_how_grave_it_is():
    grave = anomaly(0.4, 0.41, severity=AnomalySeverity.HIGH)
    assert severity_of(sign(), grave, goes_on=True, beyond=False) is AnomalySeverity.HIGH


def test_a_finding_says_of_what_since_when_and_how_far():
    values = [0.4] * 40 + [0.8] * 20
    [one] = findings_of(sign(least=0.05), grid(values), judged(anomaly(0.4, 0.8)), PLACE)
    assert one.component == "worker-3"
    assert one.detail == "/var"
    assert one.metric_name == "disk used"
    assert one.query == "the query"
    assert one.cluster_id == UUID(int=7)
    assert one.started_at == datetime.fromtimestamp(START + 40 * 60, UTC)
    assert one.ended_at is None
    assert one.severity is AnomalySeverity.HIGH
    assert (one.expected_value, one.actual_value, one.deviation_percent) == (0.4, 0.8, 100.0)
    assert one.confidence_score == 0.8
    assert one.explanation == (
        "disk used /var of worker-3 is 0.8 ratio where 0.4 ratio was to be expected, "
        "12 robust deviations away; since 2026-03-01 12:40 UTC and goes on."
    )


def test_what_is_over_says_until_when():
    values = [0.4] * 40 + [0.8] * 5 + [0.4] * 15
    [one] = findings_of(sign(least=0.05), grid(values), judged(anomaly(0.4, 0.8, end=44)), PLACE)
    assert one.ended_at == datetime.fromtimestamp(START + 45 * 60, UTC)
    assert one.severity is AnomalySeverity.MEDIUM
    assert "until 12:45" in one.explanation


def test_a_spike_upon_a_new_level_is_part_of_that_event():
    values = [0.4] * 40 + [0.9] * 3 + [0.8] * 17
    level, spike = anomaly(0.4, 0.8), anomaly(0.8, 0.9, begin=41, end=43)
    before = anomaly(0.4, 0.7, begin=10, end=12)
    found = findings_of(sign(least=0.05), grid(values), judged(before, level, spike), PLACE)
    assert [one.actual_value for one in found] == [0.7, 0.8]
    twins = [anomaly(0.4, 0.8), anomaly(0.4, 0.8)]
    assert outermost(twins) == twins


def climbing(start, end):
    ramp = np.linspace(start, end, 30)
    return np.concatenate([np.full(30, start), ramp, np.full(20, end)])


def test_what_fills_slowly_is_told_where_no_sample_is_unusual():
    full = sign(least=0.05, matters_from=0.75)
    [one] = findings_of(full, grid(climbing(0.4, 0.9)), judged(), PLACE)
    assert one.anomaly_type is AnomalyType.TREND_CHANGE
    assert (one.expected_value, one.actual_value) == (0.4, 0.9)
    began = (one.started_at.timestamp() - START) / 60
    assert 30 <= began <= 45
    assert one.ended_at is None
    assert one.severity is AnomalySeverity.HIGH


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        ({}, 0.4, 0.7),
        ({}, 0.8, 0.84),
        ({}, 0.9, 0.4),
        ({"kind": SignKind.LATENCY}, 0.4, 0.9),
    ],
)
def test_what_fills_a_little_or_empties_or_is_no_store_is_not(fields, start, end):
    full = sign(least=0.05, matters_from=0.75, **fields)
    assert findings_of(full, grid(climbing(start, end)), judged(), PLACE) == []
    assert findings_of(full, grid([0.4] * 3 + [0.9] * 3), judged(), PLACE) == []


def test_what_does_not_matter_is_not_told():
    values = [0.4] * 40 + [0.42] * 20
    assert findings_of(sign(least=0.05), grid(values), judged(anomaly(0.4, 0.42)), PLACE) == []


def test_beyond_its_limit_a_value_is_trouble_also_where_it_is_usual():
    limited = sign(limit=0.95)
    [one] = findings_of(limited, grid([0.97] * 60), judged(), PLACE)
    assert one.anomaly_type is AnomalyType.THRESHOLD_BREACH
    assert one.severity is AnomalySeverity.MEDIUM
    assert one.expected_value == 0.95
    assert one.expected_low is None
    assert "beyond its limit of 0.95 ratio" in one.explanation
    [new] = findings_of(limited, grid([0.9] * 40 + [0.97] * 20), judged(), PLACE)
    assert new.severity is AnomalySeverity.HIGH
    assert new.started_at == datetime.fromtimestamp(START + 40 * 60, UTC)


def test_a_series_that_begins_beyond_its_limit_is_new():
    values = [math.nan] * 40 + [1.0] * 20
    [one] = findings_of(sign(limit=0.5), grid(values), judged(), PLACE)
    assert one.severity is AnomalySeverity.HIGH


def test_an_anomaly_and_its_breach_are_one():
    values = [0.4] * 40 + [0.97] * 20
    found = findings_of(sign(limit=0.95), grid(values), judged(anomaly(0.4, 0.97)), PLACE)
    assert [one.anomaly_type for one in found] == [AnomalyType.SPIKE]


@pytest.mark.parametrize(
    "values",
    [
        [0.9] * 57 + [0.97] * 3,
        [0.97] * 50 + [0.9] * 10,
        [0.97] * 50 + [math.nan] * 10,
        [math.nan] * 60,
        [0.97] * 3,
    ],
)
def test_short_past_or_unknown_values_break_no_limit(values):
    assert breach_of(sign(limit=0.95), np.array(values)) is None


def test_a_limit_that_is_fallen_below():
    found = breach_of(sign(limit=7.0, bad=Bad.DOWN), np.array([9.0] * 10 + [3.0, 2.0] * 4))
    assert found is not None
    assert (found.begin, found.actual) == (10, 2.0)
    assert (found.low, found.high) == (7.0, math.inf)
    assert breach_of(sign(bad=Bad.DOWN), np.array([1.0] * 10)) is None


def test_one_event_has_one_id_whoever_sees_it():
    began = datetime(2026, 3, 1, 12, 40, 3, tzinfo=UTC)
    one = identity(PLACE, "m", {"a": "1", "b": "2"}, began)
    assert one == identity(PLACE, "m", {"b": "2", "a": "1"}, began.replace(second=41))
    assert one != identity(PLACE, "m", {"a": "1", "b": "2"}, began.replace(minute=41))
    assert one != identity(PLACE, "n", {"a": "1", "b": "2"}, began)


def test_percent_of_nothing_is_unknown():
    assert percent(0.0, 3.0) is None
    assert percent(math.nan, 3.0) is None
    assert percent(-2.0, -1.0) == 50.0


def test_a_still_series_is_not_said_to_be_millions_of_deviations_away():
    values = [0.4] * 40 + [0.8] * 20
    still = anomaly(0.4, 0.8, deviation=5e9)
    [one] = findings_of(sign(least=0.05), grid(values), judged(still), PLACE)
    assert "more than 100 robust deviations" in one.explanation
    assert explained(one.model_copy(update={"component": "", "deviation": None})).startswith(
        "disk used /var is 0.8 ratio"
    )
