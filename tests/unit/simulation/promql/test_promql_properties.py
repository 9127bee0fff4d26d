"""What holds for any query: a range query is the sequence of its instant queries."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_mcp.simulation.promql import Engine, QueryFailed, Scalar
from aiops_mcp.simulation.promql.over_time import sums
from aiops_mcp.simulation.promql.windows import WindowBlock, fold

START, STEP, STEPS = 1_740_702_000_500, 37_000, 6
QUERIES = [
    "g",
    "rate(c_total[5m])",
    'increase(c_total{mode="b"}[2m])',
    "sum by (mode) (g)",
    "topk(2, steps)",
    "bottomk by (instance) (1, g)",
    "quantile(0.3, steps)",
    'count_values("v", steps)',
    "histogram_quantile(0.9, rate(h_bucket[5m]))",
    "histogram_fraction(0.2, 2, h_bucket)",
    "max_over_time(sum by (mode) (rate(c_total[1m]))[5m:41s])",
    "predict_linear(g[5m], 60)",
    "deriv(steps[3m])",
    "quantile_over_time(0.4, g[3m])",
    "mad_over_time(steps[3m])",
    "stddev_over_time(g[4m])",
    "double_exponential_smoothing(steps[3m], 0.3, 0.4)",
    "changes(steps[3m]) + resets(steps[3m])",
    "ts_of_max_over_time(steps[3m])",
    "avg_over_time(g[5m]) > 0",
    "g and on (instance) (steps > 1)",
    "g or on (mode) steps",
    "steps / ignoring (mode) group_left sum without (mode) (steps)",
    "absent(steps > 2) or vector(1)",
    "scalar(sum(steps)) * time()",
    "limitk(2, g)",
    "limit_ratio(0.5, steps)",
    "g{mode='b'} @ 1740702050 offset 10s",
    "sort_by_label_desc(steps, 'mode')",
    "label_replace(steps, 'x', '$1', 'instance', 'i(.)')",
    "sum(steps) + fill(5) (sum(g) > 0)",
    "timestamp(g)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_range_query_is_its_instant_queries(recorded_store, close, query):
    engine = Engine(recorded_store)
    whole = engine.range(query, START, START + (STEPS - 1) * STEP, STEP).value
    seen = 0
    for step in range(STEPS):
        one = engine.instant(query, START + step * STEP).value
        if isinstance(whole, Scalar):
            assert close(whole.values[step], one.values[0])
            seen += 1
            continue
        got = {
            labels: values[step]
            for labels, values, here in zip(whole.labels, whole.values, whole.present, strict=True)
            if here[step]
        }
        want = dict(zip(one.labels, one.values[:, 0], strict=True))
        assert set(got) == set(want)
        assert all(close(got[labels], value) for labels, value in want.items())
        seen += len(want)
    assert seen > 0


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(
    st.lists(numbers, min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_fold_reduces_each_window_alone(values, spans):
    lo = np.array([min(a, b, len(values)) for a, b in spans])
    hi = np.array([min(max(a, b), len(values)) for a, b in spans])
    with np.errstate(all="ignore"):
        folded = fold(np.fmax, np.nan, np.array([values]), lo, hi)[0]
        for number in range(len(spans)):
            window = np.array(values[lo[number] : hi[number]])
            expected = np.fmax.reduce(window, initial=np.nan)
            assert folded[number] == expected or (np.isnan(folded[number]) and np.isnan(expected))


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=30), st.integers(0, 29))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_sums_keep_their_digits_when_terms_cancel(values, cut):
    import math

    terms = [*values, *(-value for value in values[cut:]), 1.0]
    times = np.arange(len(terms), dtype=np.int64)
    block = WindowBlock([()], times, np.array([terms]), np.array([0]), np.array([len(terms)]))
    total = sums(block)[0][0, 0]
    assert math.isclose(total, math.fsum(terms), rel_tol=1e-9, abs_tol=1e-12)


def test_a_filter_and_its_complement_share_out_the_series(recorded_store):
    engine = Engine(recorded_store)
    above = engine.instant("steps > 1", START).value
    below = engine.instant("steps <= 1", START).value
    every = engine.instant("steps", START).value
    assert sorted([*above.labels, *below.labels]) == sorted(every.labels)
    assert min(above.values[:, 0]) > 1 >= max(below.values[:, 0])


def test_limit_ratio_and_its_negative_share_out_the_series(recorded_store):
    engine = Engine(recorded_store)
    some = engine.instant("limit_ratio(0.4, {__name__=~'g|steps|c_total'})", START).value
    rest = engine.instant("limit_ratio(-0.6, {__name__=~'g|steps|c_total'})", START).value
    assert not set(some.labels) & set(rest.labels)
    assert len(some.labels) + len(rest.labels) == 27
    assert 0 < len(some.labels) < 27


def test_two_pairs_of_equal_labels_at_one_time_are_refused(recorded_store):
    with pytest.raises(QueryFailed, match="same labelset"):
        Engine(recorded_store).instant("rate({__name__=~'g|steps'}[5m])", START)
