"""Series on a common grid, and the window that an analysis reads."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_mcp.errors import InputError, QueryTooExpensive
from aiops_mcp.fleet.series_grid import MOST_POINTS, Span, grid_of
from aiops_mcp.fleet.series_window import default_step, span_of
from aiops_mcp.models.metrics import Series

NOW = datetime(2026, 3, 1, 12, 0, 20, tzinfo=UTC)


def series(name, *points):
    return Series(metric={"__name__": name}, values=points)


def test_samples_stand_at_their_times_and_gaps_are_nan():
    span = Span(1000.0, 1240.0, 60.0)
    grid = grid_of([series("a", (1000.0, "1"), (1120.0, "3"), (1240.0, "5"))], span)
    assert grid.times.tolist() == [1000, 1060, 1120, 1180, 1240]
    assert np.isnan(grid.values[0]).tolist() == [False, True, False, True, False]
    assert grid.values[0][[0, 2, 4]].tolist() == [1, 3, 5]
    assert grid.cut == 0


def test_rubbish_is_missing_and_what_is_off_the_grid_is_left_out():
    span = Span(0.0, 120.0, 60.0)
    grid = grid_of(
        [
            series("a", (0.0, "NaN"), (60.0, "+Inf"), (120.0, "x")),
            series("b", (-60.0, "9"), (60.4, "2"), (180.0, "9")),
            series("c"),
        ],
        span,
    )
    assert np.isnan(grid.values[0]).all()
    assert np.isnan(grid.values[1]).tolist() == [True, False, True]
    assert grid.values[1][1] == 2
    assert np.isnan(grid.values[2]).all()


def test_of_two_samples_of_one_time_the_last_stands_in_any_order():
    grid = grid_of([series("a", (60.0, "2"), (0.0, "1"), (60.0, "3"))], Span(0.0, 60.0, 60.0))
    assert grid.values[0].tolist() == [1, 3]


def test_more_series_than_can_be_read_are_cut_the_same_ones_each_time():
    span = Span(0.0, 60.0 * (MOST_POINTS // 2 - 1), 60.0)
    assert span.most_series == 2
    some = [series(name, (0.0, "1")) for name in ("c", "a", "b")]
    grid = grid_of(some, span)
    assert [labels["__name__"] for labels in grid.labels] == ["a", "b"]
    assert grid.cut == 1
    assert grid_of(some[::-1], span).labels == grid.labels


def test_a_window_lies_on_multiples_of_its_step():
    span = span_of(window=3600, until=None, step=None, now=NOW)
    assert span == Span(NOW.timestamp() - 20 - 3600, NOW.timestamp() - 20, 60.0)
    assert span.points == 61


def test_a_window_in_the_past_and_one_that_ends_a_little_ahead():
    until = NOW - timedelta(hours=5)
    assert span_of(window=7200, until=until, step="2m", now=NOW).end == (until.timestamp() - 20)
    ahead = span_of(window=7200, until=NOW + timedelta(minutes=2), step=None, now=NOW)
    assert ahead.end <= NOW.timestamp()


@pytest.mark.parametrize(
    ("hours", "step"), [(1, 60), (6, 60), (12, 60), (24, 120), (168, 900), (720, 3600)]
)
def test_the_step_fits_the_window(hours, step):
    assert default_step(hours * 3600) == step


@pytest.mark.parametrize(
    ("window", "step", "field"), [(600, None, "window"), (3600, "0", "step"), (3600, "x", "step")]
)
def test_what_cannot_be_judged_is_said_with_a_hint(window, step, field):
    with pytest.raises(InputError) as caught:
        span_of(window=window, until=None, step=step, now=NOW)
    assert caught.value.details["field"] == field
    assert caught.value.hint


def test_a_window_in_the_future_and_one_that_is_too_long():
    with pytest.raises(InputError, match="future"):
        span_of(window=3600, until=NOW + timedelta(hours=1), step=None, now=NOW)
    with pytest.raises(QueryTooExpensive, match="11000 are the most"):
        span_of(window=60 * 11_001, until=None, step="1m", now=NOW)
