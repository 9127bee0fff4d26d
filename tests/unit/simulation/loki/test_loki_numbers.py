"""Metric queries over lines laid out by hand; the answers are worked out by hand."""

import math

import pytest

from aiops_mcp.simulation.loki.series import QueryRefused


@pytest.fixture
def streams(laid):
    return laid(
        ({"app": "a", "pod": "1"}, [(1, "took=2"), (2, "took=4"), (10, "took=6"), (20, "took=8")]),
        ({"app": "a", "pod": "2"}, [(5, "took=1"), (15, "took=3")]),
        ({"app": "b", "pod": "3"}, [(20, "took=10 size=1KB wait=1.5s")]),
    )


@pytest.mark.parametrize(
    ("query", "at_10", "at_20"),
    [
        # The window is open at its start: (0, 10] has 1, 2, 10; (10, 20] has 20.
        ('count_over_time({pod="1"}[10s])', 3, 1),
        ('rate({pod="1"}[10s])', 0.3, 0.1),
        ('bytes_over_time({pod="1"}[10s])', 18, 6),
        ('bytes_rate({pod="1"}[10s])', 1.8, 0.6),
        ('sum_over_time({pod="1"} | logfmt | unwrap took [10s])', 12, 8),
        ('rate({pod="1"} | logfmt | unwrap took [10s])', 1.2, 0.8),
        ('avg_over_time({pod="1"} | logfmt | unwrap took [10s])', 4, 8),
        ('min_over_time({pod="1"} | logfmt | unwrap took [10s])', 2, 8),
        ('max_over_time({pod="1"} | logfmt | unwrap took [10s])', 6, 8),
        ('first_over_time({pod="1"} | logfmt | unwrap took [10s])', 2, 8),
        ('last_over_time({pod="1"} | logfmt | unwrap took [10s])', 6, 8),
        ('quantile_over_time(0.5, {pod="1"} | logfmt | unwrap took [10s])', 4, 8),
        ('quantile_over_time(0.75, {pod="1"} | logfmt | unwrap took [10s])', 5, 8),
        ('stdvar_over_time({pod="1"} | logfmt | unwrap took [10s])', 8 / 3, 0),
        ('stddev_over_time({pod="1"} | logfmt | unwrap took [10s])', math.sqrt(8 / 3), 0),
        ('count_over_time({pod="1"}[10s] offset 10s)', None, 3),
        ('count_over_time({pod="1"} |= "4" [10s])', 1, None),
    ],
)
def test_a_range_aggregation(numbers, streams, query, at_10, at_20):
    ((_, values),) = numbers(streams, query, 10, 20).items()
    wanted = [None if one is None else round(one, 9) for one in (at_10, at_20)]
    assert values == wanted


def test_units_of_unwrapped_values(numbers, streams):
    by = "by (app)"
    seconds = f'max_over_time({{app="b"}} | logfmt | unwrap duration(wait) [10s]) {by}'
    assert numbers(streams, seconds, 20) == {("app=b",): [1.5]}
    size = f'max_over_time({{app="b"}} | logfmt | unwrap bytes(size) [10s]) {by}'
    assert numbers(streams, size, 20) == {("app=b",): [1000]}


def test_a_counters_rate_counts_resets_in(numbers, laid):
    rows = [(at, f"n={value}") for at, value in ((2, 10), (4, 20), (6, 5), (8, 15))]
    streams = laid(({"app": "a"}, rows))
    # 10 + (reset) 5 + 10 = 25 in 6 s, stretched by 2 s on each side to the window of 10 s.
    query = 'rate_counter({app="a"} | logfmt | unwrap n [10s])'
    assert numbers(streams, query, 10) == {("app=a",): [round(25 * 10 / 6 / 10, 9)]}


def test_series_are_told_apart_by_all_labels_that_are_left(numbers, streams):
    query = 'count_over_time({app="a"} | logfmt [20s])'
    assert len(numbers(streams, query, 20)) == 6
    assert numbers(streams, 'count_over_time({app="a"}[20s])', 20) == {
        ("app=a", "pod=1"): [4],
        ("app=a", "pod=2"): [2],
    }
    grouped = 'avg_over_time({app="a"} | logfmt | unwrap took [20s]) by (app)'
    assert numbers(streams, grouped, 20) == {("app=a",): [4]}
    without = 'max_over_time({app=~".+"} | logfmt | unwrap took [20s]) without (pod, size, wait)'
    assert numbers(streams, without, 20) == {("app=a",): [8], ("app=b",): [10]}


def test_structured_metadata_are_labels_of_a_series(numbers, laid):
    rows = [(1, "x", {"level": "info"}), (2, "y", {"level": "error"}), (3, "z", {"level": "info"})]
    streams = laid(({"app": "a"}, rows))
    assert numbers(streams, 'count_over_time({app="a"}[10s])', 10) == {
        ("app=a", "level=info"): [2],
        ("app=a", "level=error"): [1],
    }


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ('sum(count_over_time({app=~".+"}[20s]))', {(): [7]}),
        ('sum by (app) (count_over_time({app=~".+"}[20s]))', {("app=a",): [6], ("app=b",): [1]}),
        (
            'sum without (app) (count_over_time({app=~".+"}[20s]))',
            {("pod=1",): [4], ("pod=2",): [2], ("pod=3",): [1]},
        ),
        ('avg(count_over_time({app="a"}[20s]))', {(): [3]}),
        ('min(count_over_time({app="a"}[20s]))', {(): [2]}),
        ('max(count_over_time({app="a"}[20s]))', {(): [4]}),
        ('count(count_over_time({app=~".+"}[20s]))', {(): [3]}),
        ('stddev(count_over_time({app="a"}[20s]))', {(): [1]}),
        ('stdvar(count_over_time({app="a"}[20s]))', {(): [1]}),
        (
            'topk(2, sum by (pod) (count_over_time({app=~".+"}[20s])))',
            {("pod=1",): [4], ("pod=2",): [2]},
        ),
        ('bottomk(1, sum by (pod) (count_over_time({app=~".+"}[20s])))', {("pod=3",): [1]}),
    ],
)
def test_a_vector_aggregation(numbers, streams, query, answer):
    assert numbers(streams, query, 20) == answer


def test_sorting_orders_by_value(numbers, streams):
    up = numbers(streams, 'sort(sum by (pod) (count_over_time({app=~".+"}[20s])))', 20)
    assert list(up) == [("pod=3",), ("pod=2",), ("pod=1",)]
    down = numbers(streams, 'sort_desc(sum by (pod) (count_over_time({app=~".+"}[20s])))', 20)
    assert list(down) == [("pod=1",), ("pod=2",), ("pod=3",)]


def test_topk_chooses_anew_at_every_step(numbers, streams):
    query = 'topk(1, sum by (pod) (count_over_time({app="a"}[5s])))'
    assert numbers(streams, query, 5, 15) == {("pod=1",): [2, None], ("pod=2",): [None, 1]}


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("1 + 2 * 3 ^ 2", 19.0),
        ("7 % 4 - 1", 2.0),
        ("1 > bool 2", 0.0),
        ("2 ^ 3 ^ 2", 512.0),
    ],
)
def test_numbers_alone(numbers, streams, query, answer):
    assert numbers(streams, query, 20) == answer


A = 'sum by (pod) (count_over_time({app="a"}[20s]))'
B = 'sum by (pod) (count_over_time({pod=~"2|3"}[20s]))'


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (f"{A} * 2", {("pod=1",): [8], ("pod=2",): [4]}),
        (f"10 - {A}", {("pod=1",): [6], ("pod=2",): [8]}),
        (f"{A} > 2", {("pod=1",): [4]}),
        (f"3 < {A}", {("pod=1",): [4]}),
        (f"{A} > bool 2", {("pod=1",): [1], ("pod=2",): [0]}),
        (f"{A} / {B}", {("pod=2",): [1]}),
        (f"{A} and {B}", {("pod=2",): [2]}),
        (f"{A} or {B}", {("pod=1",): [4], ("pod=2",): [2], ("pod=3",): [1]}),
        (f"{A} unless {B}", {("pod=1",): [4]}),
        ("vector(3) + vector(4)", {(): [7]}),
        (
            f'{A} / on (app) group_left () sum by (app) (count_over_time({{app="b"}}[20s]))',
            {},
        ),
        (
            'label_replace(sum by (app) (count_over_time({app="b"}[20s])), "to", "x-$1", "app", "(.*)")',
            {("app=b", "to=x-b"): [1]},
        ),
    ],
)
def test_a_binary_operation(numbers, streams, query, answer):
    assert numbers(streams, query, 20) == answer


def test_many_are_matched_to_one_when_one_says_so(numbers, streams):
    pods = 'sum by (app, pod) (count_over_time({app="a"}[20s]))'
    apps = 'sum by (app) (count_over_time({app="a"}[20s]))'
    assert numbers(streams, f"{pods} / on (app) group_left () {apps} * 6", 20) == {
        ("app=a", "pod=1"): [4],
        ("app=a", "pod=2"): [2],
    }
    for query in (f"{pods} / on (app) {apps}", f"{apps} / on (app) {pods}"):
        with pytest.raises(QueryRefused, match="many"):
            numbers(streams, query, 20)
    with pytest.raises(QueryRefused, match="unexpected literal"):
        numbers(streams, f"{pods} and 1", 20)


def test_nothing_where_nothing_was_and_one_where_absence_was_asked(numbers, streams):
    assert numbers(streams, 'count_over_time({app="c"}[10s])', 20) == {}
    assert numbers(streams, 'sum(count_over_time({app="c"}[10s]))', 20) == {}
    absent = 'absent_over_time({app="a", pod=~"1|2"}[4s])'
    assert numbers(streams, absent, 5, 14, 30) == {("app=a",): [None, 1, 1]}


def test_an_error_that_is_left_refuses_the_query_unless_it_is_filtered(numbers, laid):
    streams = laid(({"app": "a"}, [(1, '{"n": 5}'), (2, "no json"), (3, '{"n": "many"}')]))
    with pytest.raises(QueryRefused, match="pipeline error: 'JSONParserErr' for series"):
        numbers(streams, 'count_over_time({app="a"} | json [10s])', 10)
    unwrapped = 'sum_over_time({app="a"} | json | __error__="" | unwrap n [10s])'
    with pytest.raises(QueryRefused, match="SampleExtractionErr"):
        numbers(streams, unwrapped, 10)
    filtered = 'sum_over_time({app="a"} | json | unwrap n | __error__="" [10s])'
    assert numbers(streams, filtered, 10) == {("app=a",): [5]}


def test_too_many_series_are_refused(numbers, laid):
    streams = laid(*(({"app": "a", "pod": str(n)}, [(1, "x")]) for n in range(501)))
    assert numbers(streams, 'sum(count_over_time({app="a"}[10s]))', 10) == {(): [501]}
    with pytest.raises(QueryRefused, match=r"maximum number of series \(500\) reached"):
        numbers(streams, 'count_over_time({app="a"}[10s])', 10)
