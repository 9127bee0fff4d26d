import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.analysis.counters import (
    growing_since,
    increase,
    points_of,
    rate,
    slope,
    steady_since,
)


def test_numbers_only_as_prometheus_writes_them():
    written = ((1.0, "2"), (2.0, "NaN"), (3.0, "+Inf"), (4.0, "x"), (5.0, "-1e2"))
    assert points_of(written) == ((1.0, 2.0), (5.0, -100.0))


def test_a_fall_is_a_reset():
    assert increase(((0, 10), (30, 40), (60, 5), (90, 9))) == 30 + 5 + 4


@pytest.mark.parametrize("points", [(), ((0, 1),)])
def test_one_point_tells_of_no_growth(points):
    assert increase(points) is None
    assert rate(points) is None
    assert growing_since(points) is None


def test_the_rate_of_a_part():
    points = ((0, 0), (30, 0), (60, 300), (90, 600))
    assert rate(points) == pytest.approx(600 / 90)
    assert rate(points, since=30) == 10
    assert rate(points, until=30) == 0
    assert rate(points, since=90) is None


def test_since_when_it_grows_without_a_pause():
    assert growing_since(((0, 0), (30, 5), (60, 5), (90, 7), (120, 9))) == 60
    assert growing_since(((0, 0), (30, 5), (60, 5))) is None
    assert growing_since(((0, 9), (30, 2), (60, 3))) == 0  # began anew at 30
    assert growing_since(((0, 0), (10, 1), (20, 100)), above=1.0) == 10


def test_the_drift_of_a_gauge():
    assert slope(((0, 10), (60, 70), (120, 130))) == pytest.approx(1.0)
    assert slope(((0, 1), (60, 2))) is None
    assert slope(((5, 1), (5, 2), (5, 3))) is None


def test_since_when_a_value_stands():
    assert steady_since(((0, 1), (30, 2), (60, 2), (90, 2))) == 30
    assert steady_since(((0, 1), (30, 2), (60, 1))) == 60
    assert steady_since(()) is None


@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=40))
def test_a_counter_never_shrinks(values):
    points = [(30.0 * number, value) for number, value in enumerate(values)]
    grown = increase(points)
    assert grown is not None
    assert grown >= 0
    assert grown >= values[-1] - values[0] - 1e-6 * max(values)
    assert math.isfinite(grown)
