"""Plans of queries, and that combining what they bring equals asking one big Prometheus."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.errors import InputError
from aiops_mcp.fleet.merge import Combine, combine
from aiops_mcp.fleet.pushdown import plan
from aiops_mcp.models.metrics import Aggregation, Series
from aiops_mcp.promql import parse, tree

calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine a slow example is no fault of the code."""


SUM, AVG, MAX, MIN = Aggregation.SUM, Aggregation.AVG, Aggregation.MAX, Aggregation.MIN


def how(query, aggregation):
    return plan(parse(query), aggregation).combining.how


@pytest.mark.parametrize(
    "query",
    [
        "up",
        "sum by (ns) (rate(x[5m]))",
        "count(up == 0)",
        "max by (node) (x)",
        "min(x)",
        "rate(x[5m])",
        "increase(x[1h])",
        "avg_over_time(x[5m])",
        "sum(x) * 8",
        "8 * sum(x)",
        "sum(x) / 1024",
        "-sum(x)",
        "sum(x) + sum(y)",
        "sum(x) - sum(y)",
        "sum(x) or vector(0)",
        "label_replace(sum by (a) (x), 'b', '$1', 'a', '(.*)')",
        "sort_desc(sum by (a) (x))",
        "round(sum(x))",
        "(((sum(x))))",
        "sum_over_time(sum(x)[1h:1m])",
        "absent(x)",
        "scalar(sum(x))",
        "count_values('v', x)",
        "sum(a / b)",
        "sum(topk(3, x))",
    ],
)
def test_addable_queries(query):
    assert how(query, SUM) is Combine.SUM
    assert how(query, AVG) is Combine.MEAN
    assert how(query, MAX) is Combine.MAX
    assert how(query, MIN) is Combine.MIN
    assert len(plan(parse(query), SUM).queries) == 1


@pytest.mark.parametrize(
    ("query", "sum_reason", "average"),
    [
        ("avg(x)", "averages", Combine.RATIO),
        ("avg by (a) (x)", "averages", Combine.RATIO),
        ("100 * avg(x)", "averages", Combine.WEIGHTED),
        ("avg(x) - 273.15", "averages", Combine.WEIGHTED),
        ("sort(avg by (a) (x))", "averages", Combine.RATIO),
        ("sum(a) / sum(b)", "ratios", Combine.RATIO),
        ("rate(a[5m]) / rate(b[5m])", "ratios", Combine.RATIO),
        ("100 * sum(a) / sum(b)", "ratios", Combine.RATIO),
        ("1 - sum(a) / sum(b)", "ratios", Combine.WEIGHTED),
        ("sum(x) + 5", "once for every cluster", Combine.MEAN),
        ("max_over_time(x[1h])", "another time", Combine.MEAN),
    ],
)
def test_what_may_be_averaged_but_not_added(query, sum_reason, average):
    with pytest.raises(InputError, match=sum_reason) as caught:
        plan(parse(query), SUM)
    assert "SUM over clusters would be wrong" in caught.value.message
    assert "AVG" in caught.value.hint
    assert how(query, AVG) is average
    assert how(query, MAX) is Combine.MAX


@pytest.mark.parametrize(
    "query",
    [
        "quantile(0.9, x)",
        "stddev(x)",
        "quantile_over_time(0.9, x[1h])",
        "stddev_over_time(x[1h])",
        "sum(x) > 5",
        "sum(x) > bool 5",
        "sum(x) and sum(y) > 3",
        "x unless y",
        "ln(sum(x))",
        "sqrt(sum(x))",
        "sum(x) ^ 2",
        "2 / sum(x)",
        "sum(a) * sum(b)",
        "avg(a) / avg(b)",
        "sum(a) / on (x) group_left sum by (x, y) (b)",
        "avg(a) + avg(b)",
        "round(avg(x))",
        "sum(x) * scalar(sum(y))",
        "time()",
        "timestamp(x)",
        "avg_over_time(avg(x)[1h:])",
        "max_over_time((sum(a) / sum(b))[1h:])",
        "histogram_quantile(0.9, x) * 1000",
    ],
)
def test_what_may_only_be_compared(query):
    for aggregation in (SUM, AVG):
        with pytest.raises(InputError, match="would be wrong") as caught:
            plan(parse(query), aggregation)
        assert caught.value.hint
        assert caught.value.details == {"field": "aggregation"}
    assert how(query, MAX) is Combine.MAX
    assert how(query, MIN) is Combine.MIN


@pytest.mark.parametrize(
    "query",
    [
        "topk(3, x)",
        "bottomk(3, sum by (a) (x))",
        "sort_desc(topk(3, x))",
        "100 * topk(3, x)",
        "topk(3, x) + y",
        "-topk(3, x)",
    ],
)
@pytest.mark.parametrize("aggregation", [SUM, AVG, MAX, MIN])
def test_a_clusters_own_top_is_refused(query, aggregation):
    with pytest.raises(InputError, match="leaves out series") as caught:
        plan(parse(query), aggregation)
    assert "take the top of the answer" in caught.value.hint


@pytest.mark.parametrize("query", ["x[5m]", "'text'"])
def test_what_is_no_number_is_refused(query):
    with pytest.raises(InputError, match="no number"):
        plan(parse(query), SUM)
    assert how(query, Aggregation.MERGE) is Combine.MERGE


def test_an_average_asks_for_sum_and_count():
    made = plan(parse("avg by (ns) (rate(x[5m]))"), AVG)
    assert made.queries == ("sum by (ns) (rate(x[5m]))", "count by (ns) (rate(x[5m]))")
    assert made.notes == (f"computed as {made.queries[0]} over {made.queries[1]}",)


def test_a_scaled_average_is_weighted_by_its_count():
    made = plan(parse("100 * avg(x)"), AVG)
    assert made.queries == ("100 * avg(x)", "count(x)")
    assert made.notes == ("weighted by count(x)",)


def test_a_ratio_asks_for_both_sides():
    made = plan(parse("100 * sum by (a) (x) / sum by (a) (y)"), AVG)
    assert made.queries == ("100 * sum by (a) (x)", "sum by (a) (y)")


@pytest.mark.parametrize("aggregation", [SUM, AVG])
def test_a_quantile_brings_its_buckets(aggregation):
    query = "histogram_quantile(0.99, sum by (le, ns) (rate(x_bucket[5m])))"
    made = plan(parse(query), aggregation)
    assert made.queries == ("sum by (le, ns) (rate(x_bucket[5m]))",)
    assert made.combining.how is Combine.QUANTILE
    assert made.combining.quantile == 0.99
    assert made.notes == ("the quantile over all clusters' buckets, added by le",)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("histogram_quantile(0.9, avg by (le) (x))", "buckets cannot be added"),
        ("histogram_quantile(scalar(y), sum by (le) (x))", "no plain number"),
    ],
)
def test_quantiles_that_cannot_be_combined(query, reason):
    with pytest.raises(InputError, match=reason):
        plan(parse(query), AVG)


# --- against one Prometheus that has everything ---------------------------------------------------


def evaluate(node, data):
    """A few of PromQL's rules on instant data: ``[(labels, value)]`` by metric."""
    node = tree.without_parens(node)
    match node:
        case tree.Number(value=value):
            return value
        case tree.Selector(name=name):
            return {
                frozenset({**labels, "__name__": name}.items()): v
                for labels, v in data.get(name, ())
            }
        case tree.Aggregate():
            groups = {}
            for labels, value in evaluate(node.expr, data).items():
                key = frozenset(pair for pair in labels if pair[0] in node.grouping)
                groups.setdefault(key, []).append(value)
            fold = {
                "sum": math.fsum,
                "count": len,
                "max": max,
                "min": min,
                "avg": lambda values: math.fsum(values) / len(values),
            }[node.op]
            return {key: float(fold(values)) for key, values in groups.items()}
        case tree.Binary(op=op, left=left, right=right):
            one, other = evaluate(left, data), evaluate(right, data)
            apply = {
                "+": lambda a, b: a + b,
                "-": lambda a, b: a - b,
                "*": lambda a, b: a * b,
                "/": lambda a, b: (
                    a / b if b else math.nan if a == 0 else math.copysign(math.inf, a)
                ),
            }[op]
            if isinstance(one, float):
                return {key: apply(one, value) for key, value in bare(other).items()}
            if isinstance(other, float):
                return {key: apply(value, other) for key, value in bare(one).items()}
            one, other = bare(one), bare(other)
            return {key: apply(one[key], other[key]) for key in one.keys() & other.keys()}


def bare(vector):
    return {
        frozenset(pair for pair in labels if pair[0] != "__name__"): value
        for labels, value in vector.items()
    }


def as_series(vector):
    return [Series(metric=dict(labels), values=((0.0, repr(v)),)) for labels, v in vector.items()]


def over_clusters(query, aggregation, clusters):
    made = plan(parse(query), aggregation)
    answers = [
        [as_series(evaluate(parse(text), data)) for text in made.queries] for data in clusters
    ]
    return {
        frozenset(series.metric.items()): float(series.values[0][1])
        for series in combine(made.combining, answers, at=0.0)
    }


def union(clusters):
    return {name: [pair for data in clusters for pair in data.get(name, ())] for name in ("x", "y")}


@st.composite
def fleets(draw):
    """Up to five clusters; each pod stands in one cluster, and has both metrics."""
    value = st.floats(0.5, 1e6)
    pods = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4), value, value)))
    clusters = [{"x": [], "y": []} for _ in range(5)]
    for number, (namespace, cluster, x, y) in enumerate(pods):
        labels = {"ns": namespace, "pod": f"p{number}"}
        clusters[cluster]["x"].append((labels, x))
        clusters[cluster]["y"].append((labels, y))
    return clusters


@pytest.mark.parametrize(
    ("query", "aggregation"),
    [
        ("sum by (ns) (x)", SUM),
        ("sum(x)", SUM),
        ("count by (ns) (x)", SUM),
        ("sum by (ns) (x) * 8", SUM),
        ("sum by (ns) (x) + sum by (ns) (y)", SUM),
        ("x", SUM),
        ("max by (ns) (x)", MAX),
        ("min by (ns) (x)", MIN),
        ("avg by (ns) (x)", AVG),
        ("avg(x)", AVG),
        ("100 * avg by (ns) (x)", AVG),
        ("avg(x) - 273", AVG),
        ("sum by (ns) (x) / sum by (ns) (y)", AVG),
        ("1 - sum(x) / sum(y)", AVG),
        ("100 * sum(x) / sum(y)", AVG),
    ],
)
@calmly
@given(clusters=fleets())
def test_the_fleet_equals_the_union(query, aggregation, clusters):
    expected = evaluate(parse(query), union(clusters))
    found = over_clusters(query, aggregation, clusters)
    assert found.keys() == expected.keys()
    for labels, value in expected.items():
        assert found[labels] == pytest.approx(value, rel=1e-9, abs=1e-6)


def test_the_average_of_averages_is_never_formed():
    clusters = [{"x": [({"pod": "a"}, 10.0)]}, {"x": [({"pod": str(n)}, 1.0) for n in range(9)]}]
    assert over_clusters("avg(x)", AVG, clusters) == {frozenset(): 1.9}


def test_ratios_weigh_by_their_denominator_even_where_one_cluster_is_idle():
    clusters = [
        {"x": [({}, 5.0)], "y": [({}, 100.0)]},
        {"x": [({}, 0.0)], "y": [({}, 0.0)]},
    ]
    assert over_clusters("sum(x) / sum(y)", AVG, clusters) == {frozenset(): 0.05}
    assert over_clusters("1 - sum(x) / sum(y)", AVG, clusters) == {frozenset(): 0.95}
