"""The evaluator against answers worked out by hand (``data/cases.yaml``)."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from aiops_mcp.promql import parse
from aiops_mcp.simulation.promql import Engine, QueryFailed, Scalar, labels_from

SECTIONS = yaml.safe_load((Path(__file__).parent / "data" / "cases.yaml").read_text())


def labels_of(text):
    if text == "{}":
        return ()
    return labels_from({m.name: m.value for m in parse(text).all_matchers})


@pytest.mark.parametrize("number", range(len(SECTIONS)))
def test_section(number, make_store, close):
    section = SECTIONS[number]
    engine = Engine(make_store(section["series"]))
    wrong = []
    for query, want in section["cases"]:
        try:
            value = engine.instant(query, section["at"] * 1000).value
        except QueryFailed as error:
            if not (isinstance(want, str) and want.removeprefix("error: ") in str(error)):
                wrong.append(f"{query}: failed with {error}")
            continue
        if isinstance(value, Scalar):
            if not close(value.values[0], want):
                wrong.append(f"{query}: {value.values}")
            continue
        got = dict(zip(value.labels, value.values[:, 0].tolist(), strict=True))
        expected = want if isinstance(want, str) else {labels_of(k): v for k, v in want.items()}
        if (
            isinstance(expected, str)
            or set(got) != set(expected)
            or not all(close(got[k], expected[k]) for k in got)
        ):
            wrong.append(f"{query}: {got}")
    assert not wrong, "\n".join(wrong)


def test_order_of_ranked_and_sorted_vectors(make_store):
    store = make_store({'v{i="a10"}': "1", 'v{i="a2"}': "NaN", 'v{i="a1"}': "5", 'v{i="b"}': "3"})
    engine = Engine(store)

    def order(query):
        return [dict(labels)["i"] for labels in engine.instant(query, 0).value.labels]

    assert order("sort(v)") == ["a10", "b", "a1", "a2"]
    assert order("sort_desc(v)") == ["a1", "b", "a10", "a2"]
    assert order("topk(9, v)") == ["a1", "b", "a10", "a2"]
    assert order("bottomk(2, v)") == ["a10", "b"]
    assert order('sort_by_label(v, "i")') == ["a1", "a2", "a10", "b"]
    assert order('sort_by_label_desc(v, "i")') == ["b", "a10", "a2", "a1"]


def test_subqueries_step_on_absolute_multiples(make_store):
    engine = Engine(make_store({"x": " ".join(map(str, range(60)))}))
    raw = engine.instant("x[50s:20s]", 95_000).value.series[0]
    assert raw.timestamps.tolist() == [60_000, 80_000]
    assert raw.values.tolist() == [4, 5]
    # The left edge does not belong to the window.
    raw = engine.instant("x[40s:20s]", 80_000).value.series[0]
    assert raw.timestamps.tolist() == [60_000, 80_000]
    # Without a step the evaluation interval is taken.
    raw = engine.instant("x[3m:]", 200_000).value.series[0]
    assert raw.timestamps.tolist() == [60_000, 120_000, 180_000]


def test_start_and_end_are_those_of_the_whole_query(make_store):
    engine = Engine(make_store({"x": " ".join(map(str, range(60)))}))
    answer = engine.range("sum_over_time((x @ end())[30s:15s])", 60_000, 120_000, 30_000).value
    assert answer.values.tolist() == [[16, 16, 16]]
    answer = engine.range("x @ start() + step() + range()", 60_000, 120_000, 30_000).value
    assert answer.values.tolist() == [[94, 94, 94]]
    assert engine.range("start()", 60_000, 120_000, 30_000).value.values.tolist() == [60] * 3


def test_a_duration_formula_follows_the_step(make_store):
    engine = Engine(make_store({"x": " ".join(map(str, range(60)))}))
    answer = engine.range("count_over_time(x[step() * 2])", 300_000, 420_000, 60_000).value
    assert answer.values.tolist() == [[8, 8, 8]]
    with pytest.raises(QueryFailed, match="greater than 0"):
        engine.instant("rate(x[step()])", 60_000)
    with pytest.raises(QueryFailed, match="bad duration"):
        engine.instant("rate(x[1m / step()])", 60_000)


def test_series_that_take_turns_are_joined_but_not_where_they_overlap(make_store):
    store = make_store({'a{i="1"}': "1 stale _ _", 'b{i="1"}': "_ _ 3 4"})
    answer = Engine(store).range("-{__name__=~'a|b'}", 0, 45_000, 15_000).value
    assert answer.labels == [(("i", "1"),)]
    assert answer.present.tolist() == [[True, False, True, True]]
    assert answer.values[answer.present].tolist() == [-1, -3, -4]
    with pytest.raises(QueryFailed, match="same labelset"):
        Engine(make_store({"a": "1", "b": "2"})).instant("-{__name__=~'a|b'}", 0)


def test_limits(make_store):
    store = make_store({"x": " ".join(map(str, range(60)))})
    with pytest.raises(QueryFailed, match="too many samples"):
        Engine(store, max_samples=10).range("x", 0, 900_000, 15_000)
    with pytest.raises(QueryFailed, match="too many samples"):
        Engine(store).instant("sum_over_time(x[200y:1ms])", 0)
    with pytest.raises(QueryFailed, match="out of range"):
        Engine(store).range("sum_over_time(x[step() ^ 9])", 0, 9_000_000, 9_000_000)
    with pytest.raises(QueryFailed, match="too many samples"):
        Engine(store, max_samples=50).instant("sum_over_time(x[10m:1s])", 900_000)
    ticks = iter(range(100))
    slow = Engine(store, clock=lambda: float(next(ticks)))
    with pytest.raises(QueryFailed, match="timed out") as caught:
        slow.instant("abs(abs(abs(x)))", 0, timeout_s=2)
    assert caught.value.kind == "timeout"
    assert slow.instant("abs(x)", 0).value.values.tolist() == [[0]]


def test_lookback_is_left_open_and_can_be_asked_for(make_store):
    engine = Engine(make_store({"x": "7"}))
    assert engine.instant("x", 299_999).value.labels
    assert not engine.instant("x", 300_000).value.labels
    assert not engine.instant("x", 60_000, lookback_ms=60_000).value.labels
    assert engine.instant("x", 59_999, lookback_ms=60_000).value.labels


def test_remarks(make_store):
    store = make_store({"gauge": "1 2 3", 'h{le="x"}': "1", "c_total": "1 2 3"})
    engine = Engine(store)
    assert engine.instant("rate(c_total[1m])", 30_000).infos == ()
    (info,) = engine.instant("rate(gauge[1m])", 30_000).infos
    assert "might not be a counter" in info
    assert "gauge" in info
    assert len(engine.instant("quantile(2, gauge) + quantile(2, gauge)", 0).warnings) == 1
    (warning,) = engine.range("sort(gauge)", 0, 1000, 1000).warnings
    assert "sort is ineffective" in warning
    assert engine.instant("sort(gauge)", 0).warnings == ()
    uneven = make_store({'w{le="1"}': "6", 'w{le="2"}': "4", 'w{le="+Inf"}': "8"})
    (info,) = Engine(uneven).instant("histogram_quantile(0.5, w)", 0).infos
    assert "monotonicity" in info
    assert info.endswith('metric name "w"')
    (warning,) = engine.instant("limit_ratio(-1.5, gauge)", 0).warnings
    assert "got -1.5, capping to -1" in warning
    (warning,) = engine.instant("histogram_quantile(0.5, h)", 0).warnings
    assert 'malformed value of "x"' in warning


def test_types_that_have_no_range_query(make_store):
    engine = Engine(make_store({"x": "7"}))
    for query in ("x[5m]", "'text'"):
        with pytest.raises(QueryFailed, match="for range query") as caught:
            engine.range(query, 0, 1000, 1000)
        assert caught.value.kind == "bad_data"
    assert engine.instant("'text'", 0).value.value == "text"


def test_a_regular_expression_only_the_parser_takes_is_refused(make_store):
    with pytest.raises(QueryFailed, match="regexp") as caught:
        Engine(make_store({"x": "7"})).instant("x{a=~'a++'}", 0)
    assert caught.value.kind == "bad_data"


def test_topk_over_many_steps_picks_at_each_step(make_store):
    store = make_store(
        {
            'x{i="a"}': "1 5 2 NaN",
            'x{i="b"}': "2 4 2 1",
            'x{i="c"}': "3 _ 2 2",
            'x{i="d"}': "0 0 0 0",
        }
    )
    engine = Engine(store, lookback_ms=1000)

    def chosen(query):
        value = engine.range(query, 0, 45_000, 15_000).value
        names = np.array([dict(labels)["i"] for labels in value.labels])
        return ["".join(sorted(names[value.present[:, step]])) for step in range(4)]

    assert chosen("topk(2, x)") == ["bc", "ab", "ab", "bc"]
    assert chosen("topk(2, x > -1)") == ["bc", "ab", "ab", "bc"]
    assert chosen("bottomk(2, x)") == ["ad", "bd", "ad", "bd"]
    assert chosen("topk(scalar(x{i='b'}), x)") == ["bc", "abd", "ab", "c"]
    assert chosen("limitk(1, x)") == ["a", "a", "a", "a"]


def test_no_line_goes_through_infinity(make_store):
    engine = Engine(make_store({"x": "1 2 +Inf 4 5 6 7"}))
    for query in ("deriv(x[70s])", "predict_linear(x[70s], 60)"):
        assert np.isnan(engine.instant(query, 75_000).value.values).all()
    assert engine.instant("predict_linear(x[50s], 15)", 90_000).value.values == pytest.approx(8)


def test_histograms_whose_buckets_come_and_go(make_store):
    store = make_store(
        {'h{le="1"}': "2 2 stale", 'h{le="2"}': "4 stale 4", 'h{le="+Inf"}': "4 4 4"}
    )
    value = Engine(store).range("histogram_quantile(0.5, h)", 0, 30_000, 15_000).value
    assert value.present.all()
    assert value.values.tolist() == [[1, 1, 1]]
    value = Engine(store).range("histogram_quantile(0.75, h)", 0, 30_000, 15_000).value
    assert value.values.tolist() == [[1.5, 1, 1.5]]
