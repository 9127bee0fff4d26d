"""What Prometheus's JSON is read as; 3.x answers after docs/querying/api.md of Prometheus 3.14."""

import gc

import orjson
import pytest

from aiops_mcp.backends.prometheus_answers import (
    LARGE,
    MalformedAnswer,
    parse_label_sets,
    parse_metadata,
    parse_names,
    parse_object,
    parse_query,
    parse_rule_alerts,
    parse_rules,
    parse_targets,
    prometheus_refusal,
)
from aiops_mcp.backends.wire import Answer
from aiops_mcp.models.metrics import ResultType, Series


def query(kind, result, **more):
    data = {"resultType": kind, "result": result}
    return parse_query(orjson.dumps({"status": "success", "data": data, **more}))


def test_vector():
    answer = query("vector", [{"metric": {"a": "b"}, "value": [1700000000.1, "1"]}])
    assert answer.result_type is ResultType.VECTOR
    assert answer.series == (Series(metric={"a": "b"}, values=((1700000000.1, "1"),)),)


def test_a_series_is_as_good_as_a_validated_one():
    answer = query("vector", [{"metric": {"a": "b"}, "value": [1700000000.5, "1.5"]}])
    made = Series(metric={"a": "b"}, values=((1700000000.5, "1.5"),))
    read = answer.series[0]
    assert read == made
    assert read.model_dump_json() == made.model_dump_json()
    assert read.model_copy(update={"metric": {}}) == made.model_copy(update={"metric": {}})
    assert read.model_fields_set == {"metric", "values"}
    assert hash(read.values) == hash(made.values)
    assert repr(read) == repr(made)


def test_matrix():
    answer = query("matrix", [{"metric": {}, "values": [[1, "NaN"], [2, "+Inf"], [3, "-Inf"]]}])
    assert answer.result_type is ResultType.MATRIX
    assert answer.series[0].values == ((1, "NaN"), (2, "+Inf"), (3, "-Inf"))


def test_scalar_and_string():
    assert query("scalar", [5, "2"]).series[0].values == ((5, "2"),)
    answer = query("string", [5, "text"])
    assert answer.result_type is ResultType.STRING
    assert answer.series[0].values == ((5, "text"),)
    assert answer.series[0].metric == {}


def test_warnings_and_infos_of_3_x_and_thanos():
    answer = query(
        "vector",
        [],
        warnings=["No StoreAPIs matched for this query"],
        infos=["PromQL info: metric might not be a counter"],
    )
    assert answer.warnings == ("No StoreAPIs matched for this query",)
    assert answer.infos == ("PromQL info: metric might not be a counter",)
    assert query("vector", [], warnings=None).warnings == ()


HISTOGRAM = {"count": "2", "sum": "3", "buckets": [[0, "0.5", "1", "2"]]}


def test_native_histograms_are_left_out_and_that_is_said():
    answer = query(
        "vector",
        [
            {"metric": {"a": "1"}, "histogram": [1, HISTOGRAM]},
            {"metric": {"a": "2"}, "value": [1, "7"]},
        ],
    )
    assert [one.metric for one in answer.series] == [{"a": "2"}]
    assert answer.warnings[0].startswith("1 series of native histograms left out")


def test_native_histograms_in_a_range():
    both = {"metric": {"a": "1"}, "values": [[1, "7"]], "histograms": [[2, HISTOGRAM]]}
    only = {"metric": {"a": "2"}, "histograms": [[2, HISTOGRAM]]}
    answer = query("matrix", [both, only])
    assert [one.values for one in answer.series] == [((1, "7"),)]
    assert answer.warnings[0].startswith("2 series of native histograms")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"success"',
        b'{"status": "success"}',
        b'{"status": "success", "data": []}',
        b'{"status": "error", "data": {"resultType": "vector", "result": []}}',
        b'{"status": "success", "data": {"resultType": "table", "result": []}}',
        b'{"status": "success", "data": {"resultType": "vector"}}',
        b'{"status": "success", "data": {"resultType": "scalar", "result": null}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": {"a": 1}}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [1]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "2"]}]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [3]}]}}',
        b'{"status": "success", "data": {"resultType": "scalar", "result": [1]}}',
    ],
)
def test_json_of_another_shape(body):
    with pytest.raises(MalformedAnswer):
        parse_query(body)


def test_an_empty_slice_of_go_may_be_null():
    assert query("vector", None).series == ()
    assert query("matrix", None).series == ()
    assert parse_label_sets({"status": "success", "data": None}) == ()


def test_what_is_no_json():
    with pytest.raises(orjson.JSONDecodeError):
        parse_query(b"<html>")


def test_names():
    assert parse_names({"status": "success", "data": ["a", "b"]}) == ("a", "b")
    assert parse_names({"status": "success"}) == ()
    for data in ({"a": 1}, [1], "a"):
        with pytest.raises(MalformedAnswer):
            parse_names({"status": "success", "data": data})


def test_label_sets():
    answer = {"status": "success", "data": [{"__name__": "up"}]}
    assert parse_label_sets(answer) == ({"__name__": "up"},)
    with pytest.raises(MalformedAnswer):
        parse_label_sets({"status": "success", "data": ["up"]})


def test_metadata():
    found = parse_metadata(
        {
            "status": "success",
            "data": {
                "up": [{"type": "gauge", "help": "Up.", "unit": ""}, {"type": "counter"}],
                "odd": [{"type": "", "help": None}],
                "none": [],
            },
        }
    )
    assert (found["up"].type, found["up"].help) == ("gauge", "Up.")
    assert (found["odd"].type, found["odd"].help, found["odd"].unit) == ("unknown", "", "")
    assert "none" not in found
    with pytest.raises(MalformedAnswer):
        parse_metadata({"status": "success", "data": {"up": ["gauge"]}})


def test_rules_with_and_without_everything():
    groups = parse_rules(
        {
            "status": "success",
            "data": {
                "groups": [
                    {"name": "g", "rules": [{"type": "recording", "name": "r", "query": "1"}]},
                    {
                        "name": "h",
                        "file": "f.yml",
                        "interval": 30,
                        "rules": [
                            {
                                "type": "alerting",
                                "name": "a",
                                "query": "up == 0",
                                "duration": 60,
                                "state": "firing",
                                "health": "err",
                                "lastError": "many-to-many",
                                "labels": {"severity": "page"},
                                "annotations": {"summary": "s"},
                            }
                        ],
                    },
                ]
            },
        }
    )
    assert (groups[0].interval, groups[0].rules[0].health) == (0.0, "unknown")
    rule = groups[1].rules[0]
    assert (rule.state, rule.duration, rule.last_error) == ("firing", 60.0, "many-to-many")
    with pytest.raises(MalformedAnswer):
        parse_rules({"status": "success", "data": {"groups": [{"rules": []}]}})
    assert parse_rules({"status": "success", "data": {"groups": None}}) == ()


def test_targets_alerts_and_objects_of_another_shape():
    for read, data in (
        (parse_targets, {"activeTargets": [{}]}),
        (parse_rule_alerts, {"alerts": [{}]}),
        (parse_object, []),
    ):
        with pytest.raises(MalformedAnswer):
            read({"status": "success", "data": data})
    assert parse_targets({"status": "success", "data": {}}) == ()
    assert parse_object({"status": "success", "data": {"version": "3.14.0"}}) == {
        "version": "3.14.0"
    }


@pytest.mark.parametrize(
    ("kind", "too_heavy"),
    [("timeout", True), ("canceled", True), ("bad_data", False), ("unavailable", False)],
)
def test_refusals(kind, too_heavy):
    body = orjson.dumps({"status": "error", "errorType": kind, "error": "why\nnot"})
    refusal = prometheus_refusal(Answer(503, {}, body))
    assert (refusal.reason, refusal.too_heavy) == (f"{kind}: why not", too_heavy)
    assert refusal.details == {"error_type": kind}


def test_refusals_of_a_proxy():
    assert prometheus_refusal(Answer(502, {}, b"<html>x")).reason == "an HTML page"
    assert prometheus_refusal(Answer(502, {}, b'["x"]')).reason == '["x"]'


@pytest.mark.parametrize("was_enabled", [True, False])
def test_large_answers_are_read_without_the_collector_which_is_as_before_after(was_enabled):
    result = [{"metric": {"i": f"{i:050d}"}, "value": [1, "2"]} for i in range(LARGE // 80)]
    if not was_enabled:
        gc.disable()
    try:
        assert len(query("vector", result).series) == len(result)
        with pytest.raises(orjson.JSONDecodeError):
            parse_query(b" " * (LARGE + 1))
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
