from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.errors import InputError, QueryTooExpensive
from aiops_mcp.fleet import cost
from aiops_mcp.promql import parse

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


NOW = datetime(2026, 3, 1, 12, 0, 17, tzinfo=UTC)


def ago(**delta):
    return NOW - timedelta(**delta)


def test_nothing_asked_is_the_last_hour_on_whole_minutes():
    grid = cost.grid(None, None, None, now=NOW)
    assert grid.end == NOW.timestamp() - 17
    assert (grid.end - grid.start, grid.step, grid.points) == (3600, 60, 61)
    assert grid.follows_now
    assert grid.notes == ()


def test_what_was_asked_is_kept_to_the_second():
    grid = cost.grid(ago(hours=2), ago(seconds=3), 30, now=NOW)
    assert (grid.start, grid.end) == (ago(hours=2).timestamp(), ago(seconds=3).timestamp())
    assert not grid.follows_now


def test_a_given_start_until_now_keeps_its_start():
    grid = cost.grid(ago(minutes=10), None, 60, now=NOW)
    assert grid.start == ago(minutes=10).timestamp()
    assert grid.end == NOW.timestamp() - 17


def test_a_start_just_now_gives_one_point():
    grid = cost.grid(NOW, None, 60, now=NOW)
    assert grid.points == 1
    assert grid.start <= grid.end


@pytest.mark.parametrize("step", [3600, 7200, 1e9, 1e308])
def test_a_step_longer_than_the_range_gives_its_start(step):
    grid = cost.grid(ago(minutes=10), None, step, now=NOW)
    assert (grid.start, grid.end) == (ago(minutes=10).timestamp(), NOW.timestamp())
    assert grid.points == 1


@pytest.mark.parametrize(
    ("delta", "step"),
    [
        ({"hours": 1}, 60),
        ({"hours": 4}, 60),
        ({"hours": 6}, 120),
        ({"days": 1}, 600),
        ({"days": 7}, 3600),
        ({"days": 365}, 172800),
        ({"days": 3650}, 1814400),
    ],
)
def test_the_default_step_gives_at_most_250_points(delta, step):
    grid = cost.grid(ago(**delta), NOW, None, now=NOW)
    assert grid.step == step
    assert grid.points <= 250


@pytest.mark.parametrize(
    ("start", "end", "step", "message"),
    [
        (ago(hours=1), ago(hours=2), 60, "ends before it starts"),
        (NOW + timedelta(hours=1), None, 60, "starts in the future"),
        (datetime(1, 1, 1, tzinfo=UTC), None, 60, "before 1970"),
        (None, datetime(1, 1, 1, tzinfo=UTC), 60, "before 1970"),
        (None, None, float("nan"), "longer than 0"),
        (None, None, 0, "longer than 0"),
        (None, None, -5, "longer than 0"),
        (None, None, float("inf"), "longer than 0"),
        (ago(days=1000), NOW, 0.0864, "points a series"),
    ],
)
def test_ranges_that_cannot_be(start, end, step, message):
    with pytest.raises(InputError, match=message) as caught:
        cost.grid(start, end, step, now=NOW)
    assert caught.value.hint


def test_a_billion_points_are_refused_with_a_step_to_use():
    with pytest.raises(QueryTooExpensive, match=r"1e\+09") as caught:
        cost.grid(ago(seconds=10**9), NOW, 1, now=NOW)
    assert "Use a step of" in caught.value.hint


def test_more_than_prometheus_gives_is_coarsened_with_a_note():
    grid = cost.grid(ago(days=1), NOW, 5, now=NOW)
    assert grid.step == 10
    assert grid.points <= cost.MAX_POINTS_PER_SERIES
    assert grid.notes == ("step raised from 5s to 10s: 11000 points a series",)
    exact = cost.grid(ago(seconds=10_999), NOW, 1, now=NOW)
    assert (exact.step, exact.points, exact.notes) == (1, 11_000, ())
    assert cost.grid(ago(seconds=11_000), NOW, 1, now=NOW).step == 2


def test_an_end_in_the_future_is_now():
    grid = cost.grid(ago(hours=1), NOW + timedelta(hours=1), 60, now=NOW)
    assert grid.end == NOW.timestamp()
    assert grid.notes == ("the end lies in the future; asked until now",)
    slack = cost.grid(ago(hours=1), NOW + timedelta(seconds=200), 60, now=NOW)
    assert slack.notes == ()


@calmly
@given(st.integers(0, 10**8), st.one_of(st.none(), st.floats(0.001, 10**6)), st.integers(0, 10**6))
def test_a_grid_is_orderly_and_within_the_limit(length, step, end_ago):
    end = NOW - timedelta(seconds=end_ago)
    try:
        grid = cost.grid(end - timedelta(seconds=length), end, step, now=NOW)
    except QueryTooExpensive:
        assert step is not None
        assert length / step > cost.MAX_POINTS_PER_SERIES * cost.COARSEN_AT_MOST
        return
    assert grid.start <= grid.end <= NOW.timestamp()
    assert 1 <= grid.points <= cost.MAX_POINTS_PER_SERIES
    assert step is None or grid.step >= step


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m", 60), ("1h30m", 5400), ("250ms", 0.25), ("15", 15), ("0.5", 0.5), (7, 7)],
)
def test_steps(text, seconds):
    assert cost.read_step(text) == seconds


def test_no_step_stays_none():
    assert cost.read_step(None) is None


@pytest.mark.parametrize("text", ["soon", "", "nan", "1 m", "m1"])
def test_bad_steps(text):
    with pytest.raises(InputError, match="is no step"):
        cost.read_step(text)


def fit(series, *, points=100, most=1000):
    grid = cost.Grid(0, (points - 1) * 60, 60)
    return cost.fit(grid, series, clusters=3, max_points=most, query="x")


def test_what_fits_is_left_alone():
    assert fit(10).step == 60
    assert fit(10).notes == ()


def test_what_is_just_too_much_is_coarsened():
    grid = fit(11)
    assert grid.step == 120
    assert 11 * grid.points <= 1000
    assert grid.notes == ("step raised from 1m to 2m: 11 series from 3 clusters",)


def test_what_would_be_too_coarse_is_refused():
    assert fit(33).points <= 30
    with pytest.raises(QueryTooExpensive) as caught:
        fit(40)
    assert "40 series x 100 steps from 3 clusters" in caught.value.message
    assert "sum by (namespace) (x)" in caught.value.hint
    assert caught.value.details == {"series": 40, "steps": 100, "clusters": 3}


def test_an_instant_of_too_many_series_is_refused():
    with pytest.raises(QueryTooExpensive):
        cost.fit(cost.Grid(0, 0, 1), 1001, clusters=1, max_points=1000, query="x")
    cost.fit(cost.Grid(0, 0, 1), 1000, clusters=1, max_points=1000, query="x")


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("sum(x)", 1),
        ("avg(rate(x[5m]))", 1),
        ("topk(5, x)", 5),
        ("topk(scalar(y), x)", None),
        ("topk by (a) (5, x)", None),
        ("sum by (a) (x)", None),
        ("sum without (a) (x)", None),
        ("count_values('v', x)", None),
        ("x", None),
        ("rate(x[5m])", None),
        ("scalar(x)", 1),
        ("5", 1),
        ("absent(x)", 1),
        ("vector(1)", 1),
        ("histogram_quantile(0.9, sum by (le) (x))", 1),
        ("histogram_quantile(0.9, sum by (le, ns) (x))", None),
        ("histogram_quantile(0.9, x)", None),
        ("-sum(x)", 1),
        ("sum(x) * 8", 1),
        ("8 * sum(x)", 1),
        ("8 * x", None),
        ("sum(x) / sum(y)", 1),
        ("topk(5, x) / y", 5),
        ("x / y", None),
        ("topk(3, x) or topk(4, y)", 7),
        ("x or sum(y)", None),
        ("x and sum(y)", None),
        ("sum(x) unless y", 1),
        ("x * on (a) group_left sum(y)", None),
        ("abs(sum(x))", 1),
        ("label_replace(sum(x), 'a', 'b', '', '')", 1),
    ],
)
def test_series_known_by_form(query, series):
    assert cost.known_series(parse(query)) == series


@pytest.mark.parametrize(
    ("query", "steps", "needed"),
    [
        ("x", 61, True),
        ("x", 1, False),
        ("{job='a'}", 1, True),
        ("sum by (a) (x)", 61, True),
        ("sum(x)", 61, False),
        ("{job='a'}[5m]", 1, False),
    ],
)
def test_when_series_are_counted(query, steps, needed):
    assert cost.needs_count(parse(query), steps=steps, clusters=100, max_points=10_000) is needed


def test_a_small_range_is_not_counted():
    node = parse("x")
    assert not cost.needs_count(node, steps=50, clusters=10, max_points=5_000_000)
    assert cost.needs_count(node, steps=51, clusters=10, max_points=5_000_000)
