import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.fleet.histogram import add_buckets, bucket_quantile
from aiops_mcp.fleet.merge import Combine, Combining, combine, fleet_quantile, number_text
from aiops_mcp.models.metrics import Series

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


def series(labels, *points):
    return Series(metric=labels, values=tuple((float(t), str(v)) for t, v in points))


def combined(how, *clusters, at=None):
    answer = combine(Combining(how), [[list(one)] for one in clusters], at=at)
    return {tuple(one.metric.items()): one.values for one in answer}


A = {"ns": "a"}


def test_points_are_combined_at_equal_times_only():
    found = combined(
        Combine.SUM,
        [series(A, (0, 1), (60, 2), (120, 3))],
        [series(A, (60, 10), (120, 20), (180, 30))],
    )
    assert found == {
        (("ns", "a"),): ((0.0, "1"), (60.0, "12"), (120.0, "23"), (180.0, "30")),
    }


def test_series_are_combined_at_equal_labels_only():
    found = combined(
        Combine.SUM, [series(A, (0, 1))], [series({"ns": "b"}, (0, 2)), series({}, (0, 4))]
    )
    assert found == {
        (): ((0.0, "4"),),
        (("ns", "a"),): ((0.0, "1"),),
        (("ns", "b"),): ((0.0, "2"),),
    }


@pytest.mark.parametrize(
    ("how", "expected"),
    [(Combine.SUM, "9"), (Combine.MEAN, "3"), (Combine.MAX, "5"), (Combine.MIN, "1")],
)
def test_instants_of_other_moments_are_one(how, expected):
    clusters = [[series(A, (t, v))] for t, v in ((1.1, 1), (2.2, 3), (3.3, 5))]
    assert combined(how, *clusters, at=7.0) == {(("ns", "a"),): ((7.0, expected),)}


def test_a_cluster_without_the_series_takes_no_part_in_its_mean():
    found = combined(Combine.MEAN, [series(A, (0, 2))], [], [series(A, (0, 4))])
    assert found[(("ns", "a"),)] == ((0.0, "3"),)


@pytest.mark.parametrize(
    ("how", "values", "expected"),
    [
        (Combine.MAX, ("NaN", "3", "-1"), "3"),
        (Combine.MIN, ("NaN", "3", "-1"), "-1"),
        (Combine.MAX, ("NaN", "NaN"), "NaN"),
        (Combine.MAX, ("+Inf", "3"), "+Inf"),
        (Combine.MIN, ("-Inf", "3"), "-Inf"),
        (Combine.SUM, ("NaN", "3"), "NaN"),
        (Combine.SUM, ("+Inf", "-Inf"), "NaN"),
        (Combine.SUM, ("+Inf", "3"), "+Inf"),
        (Combine.SUM, ("0.1", "0.2", "0.3"), "0.6"),
        (Combine.SUM, ("1e308", "1e308", "-1e308"), number_text(math.inf)),
        (Combine.MEAN, ("NaN", "3"), "NaN"),
    ],
)
def test_odd_numbers(how, values, expected):
    found = combined(how, *[[series({}, (0, value))] for value in values])
    assert found[()] == ((0.0, expected),)


def test_ratio_and_weighted_need_both_queries_of_a_cluster():
    clusters = [
        [[series({}, (0, 6))], [series({}, (0, 2))]],
        [[series({}, (0, 9))], []],
    ]
    ratio = combine(Combining(Combine.RATIO), clusters)
    assert ratio[0].values == ((0.0, "3"),)
    weighted = combine(Combining(Combine.WEIGHTED), clusters)
    assert weighted[0].values == ((0.0, "6"),)


def test_a_ratio_drops_the_metrics_name():
    clusters = [[[series({"__name__": "x"}, (0, 6))], [series({"__name__": "y"}, (0, 2))]]]
    assert combine(Combining(Combine.RATIO), clusters)[0].metric == {}


def test_nothing_below_the_line():
    def ratio(above, below):
        clusters = [[[series({}, (0, above))], [series({}, (0, below))]]]
        return combine(Combining(Combine.RATIO), clusters)[0].values[0][1]

    assert (ratio(0, 0), ratio(3, 0), ratio(-3, 0)) == ("NaN", "+Inf", "-Inf")
    clusters = [[[series({}, (0, "NaN"))], [series({}, (0, 0))]]]
    assert combine(Combining(Combine.WEIGHTED), clusters)[0].values[0][1] == "NaN"


@calmly
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(-1e9, 1e9), max_size=3), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_clusters_changes_nothing(clusters, random):
    def answer(order):
        data = [[series({"l": k}, (0, v)) for k, v in one.items()] for one in order]
        return [combined(how, *data) for how in (Combine.SUM, Combine.MEAN, Combine.MAX)]

    shuffled = clusters[:]
    random.shuffle(shuffled)
    assert answer(clusters) == answer(shuffled)


@calmly
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30), st.integers(1, 29))
def test_summing_clusters_equals_summing_their_union(values, cut):
    parts = [values[:cut], values[cut:]]
    sums = [[series({}, (0, repr(math.fsum(part))))] for part in parts if part]
    found = float(combined(Combine.SUM, *sums)[()][0][1])
    assert found == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1.5, "1.5"),
        (-12.25, "-12.25"),
        (1e15, "1000000000000000"),
        (1e21, "1000000000000000000000"),
        (1.5e-7, "0.00000015"),
        (123456789.125, "123456789.125"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers_as_prometheus_writes_them(value, text):
    assert number_text(value) == text


@calmly
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_number_is_lost(value):
    text = number_text(value)
    assert float(text) == value
    assert "e" not in text


# --- histograms -----------------------------------------------------------------------------------

INF = math.inf


@pytest.mark.parametrize(
    ("level", "buckets", "expected"),
    [
        (0.5, {1: 10, 2: 20, INF: 20}, 1.0),
        (0.75, {1: 10, 2: 20, INF: 20}, 1.5),
        (0.25, {1: 10, 2: 20, INF: 20}, 0.5),
        (1, {1: 10, 2: 20, INF: 20}, 2.0),
        (0.99, {1: 10, 2: 20, INF: 100}, 2.0),
        (0.5, {-1: 10, 2: 12, INF: 12}, -1.0),
        (0.5, {0: 4, 2: 12, INF: 12}, 0.5),
        (0.9, {1: 10, 2: 8, 4: 20, INF: 20}, 3.6),
        (-0.1, {1: 1, INF: 1}, -INF),
        (1.1, {1: 1, INF: 1}, INF),
    ],
)
def test_the_quantile_of_a_histogram(level, buckets, expected):
    assert bucket_quantile(level, buckets) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("level", "buckets"),
    [
        (0.5, {}),
        (0.5, {INF: 3}),
        (0.5, {1: 1, 2: 2}),
        (0.5, {1: 0, INF: 0}),
        (math.nan, {1: 1, INF: 1}),
        (0.0, {1: 0, 2: 5, INF: 5}),
        (0.5, {1: 1, INF: math.nan}),
    ],
)
def test_no_quantile_to_tell(level, buckets):
    assert math.isnan(bucket_quantile(level, buckets))


def test_buckets_are_added_on_the_bounds_all_have():
    added = add_buckets([{1: 1, 2: 3, INF: 4}, {1: 10, 5: 20, INF: 30}, {1: 5, 2: 6}])
    assert added == {1: 11, INF: 34}
    assert add_buckets([]) == {}


def buckets(labels, at, **counts):
    bounds = {"inf": "+Inf"}
    return [
        series({**labels, "le": bounds.get(le, le.removeprefix("b"))}, (at, count))
        for le, count in counts.items()
    ]


def test_the_fleets_quantile_is_not_the_mean_of_quantiles():
    quick = buckets({"job": "x"}, 5, b1=1000, b10=1000, inf=1000)
    slow = buckets({"job": "x"}, 6, b1=0, b10=10, inf=10)
    found = fleet_quantile(0.99, [quick, slow], at=9.0)
    assert found == (series({"job": "x"}, (9, number_text(0.99 * 1010 / 1000))),)


def test_quantiles_are_apart_by_labels_and_time():
    data = buckets({"job": "x"}, 0, b1=10, inf=10) + buckets({"job": "x"}, 60, b1=0, inf=4)
    data += buckets({"job": "y"}, 0, b2=10, inf=10) + [series({"job": "z"}, (0, 3))]
    found = fleet_quantile(0.5, [data])
    assert found == (
        series({"job": "x"}, (0, "0.5"), (60, "1")),
        series({"job": "y"}, (0, "1")),
    )


def test_a_quantile_drops_the_metrics_name():
    found = fleet_quantile(0.5, [buckets({"__name__": "x_bucket"}, 0, b1=10, inf=10)])
    assert found == (series({}, (0, "0.5")),)


@calmly
@given(
    st.lists(
        st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), min_size=1, max_size=4
    ),
    st.floats(0.01, 0.99),
)
def test_the_fleets_quantile_equals_that_of_all_observations(clusters, level):
    """One cluster holding everything answers the same as many holding parts."""
    bounds = ["1", "2", "4", "+Inf"]

    def cumulative(counts):
        return [sum(counts[: i + 1]) for i in range(4)]

    def data(counts):
        return [
            series({"le": le}, (0, c)) for le, c in zip(bounds, cumulative(counts), strict=True)
        ]

    whole = [sum(column) for column in zip(*clusters, strict=True)]
    many = fleet_quantile(level, [data(counts) for counts in clusters])
    assert many == fleet_quantile(level, [data(whole)])


@pytest.mark.parametrize("value", ["NaN", "+Inf", "7"])
def test_a_cluster_of_no_weight_takes_no_part_whatever_its_value(value):
    clusters = [
        [[series(A, (0, 4))], [series(A, (0, 2))]],
        [[series(A, (0, value))], [series(A, (0, 0))]],
    ]
    assert combine(Combining(Combine.WEIGHTED), clusters)[0].values == ((0.0, "4"),)


def test_one_bound_written_in_two_ways_is_one_bucket():
    buckets = [
        series({"le": "1"}, (0, 3)),
        series({"le": "1.0"}, (0, 1)),
        series({"le": "+Inf"}, (0, 8)),
    ]
    found = fleet_quantile(0.25, [buckets])
    assert found[0].values == ((0.0, "0.5"),)
