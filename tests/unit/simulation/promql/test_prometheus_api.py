"""The HTTP API at wire level: shapes, parameters, limits, errors."""

import math

import pytest
from starlette.testclient import TestClient

from aiops_mcp.simulation.prometheus import Providers, prometheus_app
from aiops_mcp.simulation.promql import MetricMetadata
from aiops_mcp.simulation.promql.serve import dataset_app

RULES = [
    {
        "name": "g1",
        "file": "f.yml",
        "rules": [
            {"name": "HighLoad", "type": "alerting", "labels": {"team": "a"}, "alerts": [{"x": 1}]},
            {"name": "load:sum", "type": "recording", "labels": {}},
        ],
    },
    {"name": "g2", "file": "f.yml", "rules": [{"name": "Down", "type": "alerting"}]},
    {"name": "g3", "file": "h.yml", "rules": [{"name": "Slow", "type": "alerting"}]},
]
TARGETS = {
    "activeTargets": [{"scrapePool": "a", "health": "up"}, {"scrapePool": "b", "health": "down"}],
    "droppedTargets": [{"discoveredLabels": {}}],
    "droppedTargetCounts": {"a": 1},
}


@pytest.fixture
def client(make_store):
    store = make_store(
        {
            'up{job="a",instance="1"}': "1 1 1 1",
            'up{job="a",instance="2"}': "0 0 0 0",
            'temp{job="b","room.name"="hall"}': "0.5 NaN 1e21 2",
        },
        metadata={
            "up": MetricMetadata("gauge", "Is it up?"),
            "temp": MetricMetadata("gauge", "Degrees.", "celsius"),
        },
    )
    providers = Providers(
        rules=lambda: RULES, alerts=lambda: [{"state": "firing"}], targets=lambda: TARGETS
    )
    return TestClient(prometheus_app(store, now=lambda: 45.0, providers=providers))


def data(client, path, **params):
    answer = client.get(
        f"/api/v1/{path}", params={k.replace("__", "[]"): v for k, v in params.items()}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["status"] == "success"
    return body["data"]


def test_vector_at_the_time_of_the_server(client):
    assert data(client, "query", query='up{instance="1"}') == {
        "resultType": "vector",
        "result": [{"metric": {"__name__": "up", "instance": "1", "job": "a"}, "value": [45, "1"]}],
    }


def test_scalar_string_and_matrix(client):
    assert data(client, "query", query="1.5", time="2.25") == {
        "resultType": "scalar",
        "result": [2.25, "1.5"],
    }
    assert data(client, "query", query="'a\"b'", time="2") == {
        "resultType": "string",
        "result": [2, 'a"b'],
    }
    found = data(client, "query", query="temp[1m]", time="45")
    assert found["resultType"] == "matrix"
    (series,) = found["result"]
    assert series["metric"] == {"__name__": "temp", "job": "b", "room.name": "hall"}
    assert series["values"] == [[0, "0.5"], [15, "NaN"], [30, "1000000000000000000000"], [45, "2"]]


def test_range_query(client):
    found = data(client, "query_range", query="up > 0", start=0, end=45, step=15)
    assert found["resultType"] == "matrix"
    assert [one["metric"]["instance"] for one in found["result"]] == ["1"]
    assert found["result"][0]["values"] == [[t, "1"] for t in (0, 15, 30, 45)]
    holes = data(client, "query_range", query="temp < 3", start=0, end="45", step="15s")
    assert holes["result"][0]["values"] == [[0, "0.5"], [45, "2"]]
    scalar = data(client, "query_range", query="time()", start=0, end=30, step="30")
    assert scalar["result"] == [{"metric": {}, "values": [[0, "0"], [30, "30"]]}]
    assert data(client, "query_range", query="nope", start=0, end=30, step=15)["result"] == []


def test_times_as_rfc3339_and_posted_forms(client):
    answer = client.post(
        "/api/v1/query", data={"query": "time()", "time": "1970-01-01T01:00:00.25+00:30"}
    )
    assert answer.json()["data"]["result"] == [1800.25, "1800.25"]
    answer = client.post(
        "/api/v1/query_range", data={"query": "1", "start": "0", "end": "1", "step": "1"}
    )
    assert answer.json()["data"]["result"][0]["values"] == [[0, "1"], [1, "1"]]


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "part"),
    [
        ("query", {}, 400, "bad_data", "no expression"),
        ("query", {"query": "up{"}, 400, "bad_data", 'parameter "query": 1:4: parse error'),
        ("query", {"query": "1", "time": "x"}, 400, "bad_data", 'parameter "time"'),
        ("query", {"query": "1", "time": "1e300"}, 400, "bad_data", 'parameter "time"'),
        ("query", {"query": "1", "time": "2025-02-31T00:00:00Z"}, 400, "bad_data", "time"),
        ("query", {"query": "1", "timeout": "x"}, 400, "bad_data", 'parameter "timeout"'),
        ("query", {"query": "1", "limit": "x"}, 400, "bad_data", "must be a number"),
        ("query", {"query": "1", "limit": "-1"}, 400, "bad_data", "non-negative"),
        ("query", {"query": "1", "lookback_delta": "x"}, 400, "bad_data", "lookback_delta"),
        ("query", {"query": "up + on () up"}, 422, "execution", "duplicate series"),
        ("query", {"query": "up", "timeout": "0"}, 503, "timeout", "timed out"),
        ("query_range", {"query": "1", "end": "1", "step": "1"}, 400, "bad_data", '"start"'),
        ("query_range", {"query": "1", "start": "1", "step": "1"}, 400, "bad_data", '"end"'),
        ("query_range", {"query": "1", "start": "1", "end": "2"}, 400, "bad_data", '"step"'),
        (
            "query_range",
            {"query": "1", "start": "2", "end": "1", "step": "1"},
            400,
            "bad_data",
            "must not be before",
        ),
        (
            "query_range",
            {"query": "1", "start": "1", "end": "2", "step": "0"},
            400,
            "bad_data",
            "zero or negative",
        ),
        (
            "query_range",
            {"query": "1", "start": "0", "end": "11001", "step": "1"},
            400,
            "bad_data",
            "11,000 points",
        ),
        (
            "query_range",
            {"query": "up[1m]", "start": "0", "end": "1", "step": "1"},
            400,
            "bad_data",
            "range vector",
        ),
        ("series", {}, 400, "bad_data", "no match[]"),
        ("series", {"match[]": "{}"}, 400, "bad_data", 'parameter "match[]"'),
        ("labels", {"start": "2", "end": "1"}, 400, "bad_data", '"end"'),
        ("label/x/values", {"match[]": "sum(a)"}, 400, "bad_data", "series selector"),
        ("query_exemplars", {"query": "up", "start": "2", "end": "1"}, 400, "bad_data", "before"),
        ("format_query", {"query": "1 +"}, 400, "bad_data", "end of input"),
        ("rules", {"type": "x"}, 400, "bad_data", "not supported"),
        ("rules", {"match[]": "{"}, 400, "bad_data", "parse error"),
        ("rules", {"group_next_token": "x"}, 400, "bad_data", "group_limit"),
        ("rules", {"group_limit": "1", "group_next_token": "x"}, 400, "bad_data", "token"),
    ],
)
def test_refusals(client, path, params, status, kind, part):
    answer = client.get(f"/api/v1/{path}", params=params)
    body = answer.json()
    assert (answer.status_code, body["status"], body["errorType"]) == (status, "error", kind)
    assert part in body["error"]


def test_eleven_thousand_points_are_allowed(client):
    found = data(client, "query_range", query="1", start=0, end=11_000, step=1)
    assert len(found["result"][0]["values"]) == 11_001


def test_series_labels_and_values(client):
    assert data(client, "series", match__="up") == [
        {"__name__": "up", "instance": "1", "job": "a"},
        {"__name__": "up", "instance": "2", "job": "a"},
    ]
    assert data(client, "series", match__="up", start="3600") == []
    both = client.get("/api/v1/series", params={"match[]": ["up", "temp"]}).json()["data"]
    assert len(both) == 3
    assert data(client, "labels") == ["__name__", "instance", "job", "room.name"]
    assert data(client, "labels", match__="up") == ["__name__", "instance", "job"]
    assert data(client, "label/job/values") == ["a", "b"]
    assert data(client, "label/job/values", match__="temp") == ["b"]
    assert data(client, "label/nope/values") == []
    assert data(client, "label/U__room_2e_name/values") == ["hall"]
    assert data(client, "label/U__room__name/values") == []


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("query", {"query": "up"}),
        ("query", {"query": "up[1m]"}),
        ("query_range", {"query": "up", "start": 0, "end": 1, "step": 1}),
        ("series", {"match[]": "up"}),
        ("labels", {}),
        ("label/instance/values", {}),
    ],
)
def test_limit_cuts_and_says_so(client, path, params):
    def size(body):
        found = body["data"]
        return len(found["result"] if isinstance(found, dict) else found)

    whole = client.get(f"/api/v1/{path}", params=params).json()
    cut = client.get(f"/api/v1/{path}", params={**params, "limit": "1"}).json()
    assert size(whole) > size(cut) == 1
    assert cut["warnings"] == ["results truncated due to limit"]
    assert "warnings" not in whole
    assert size(client.get(f"/api/v1/{path}", params={**params, "limit": "0"}).json()) == size(
        whole
    )


def test_remarks_travel_beside_the_data(client):
    body = client.get("/api/v1/query", params={"query": "quantile(3, rate(temp[1m]))"}).json()
    assert body["warnings"][0].startswith("PromQL warning: quantile value")
    assert body["infos"][0].startswith("PromQL info: metric might not be a counter")


def test_lookback(client):
    assert data(client, "query", query="up", time="60", lookback_delta="10s")["result"] == []
    assert len(data(client, "query", query="up", time="60", lookback_delta="16")["result"]) == 2
    assert len(data(client, "query", query="up", time="60", lookback_delta="0")["result"]) == 2


def test_metadata(client):
    assert data(client, "metadata") == {
        "temp": [{"type": "gauge", "help": "Degrees.", "unit": "celsius"}],
        "up": [{"type": "gauge", "help": "Is it up?", "unit": ""}],
    }
    assert list(data(client, "metadata", metric="up")) == ["up"]
    assert data(client, "metadata", metric="nope") == {}
    assert list(data(client, "metadata", limit="1")) == ["temp"]


def names(found):
    return [[rule["name"] for rule in group["rules"]] for group in found["groups"]]


def test_rules(client):
    assert names(data(client, "rules")) == [["HighLoad", "load:sum"], ["Down"], ["Slow"]]
    assert names(data(client, "rules", type="alert")) == [["HighLoad"], ["Down"], ["Slow"]]
    assert names(data(client, "rules", type="record")) == [["load:sum"]]
    assert names(data(client, "rules", rule_name__="Down")) == [["Down"]]
    assert names(data(client, "rules", rule_group__="g3")) == [["Slow"]]
    assert names(data(client, "rules", file__="h.yml")) == [["Slow"]]
    assert names(data(client, "rules", match__='{team="a"}')) == [["HighLoad"]]
    kept = data(client, "rules", rule_group__="g1")["groups"][0]["rules"][0]
    assert kept["alerts"] == [{"x": 1}]
    bare = data(client, "rules", rule_group__="g1", exclude_alerts="true")["groups"][0]["rules"][0]
    assert "alerts" not in bare


def test_rules_come_in_pages(client):
    first = data(client, "rules", group_limit="2")
    assert names(first) == [["HighLoad", "load:sum"], ["Down"]]
    rest = data(client, "rules", group_limit="2", group_next_token=first["groupNextToken"])
    assert names(rest) == [["Slow"]]
    assert "groupNextToken" not in rest


def test_targets_and_alerts(client):
    found = data(client, "targets")
    assert found == TARGETS
    assert data(client, "targets", state="active")["droppedTargets"] == []
    assert data(client, "targets", state="dropped")["activeTargets"] == []
    assert data(client, "targets", scrapePool="b")["activeTargets"] == [TARGETS["activeTargets"][1]]
    assert data(client, "alerts") == {"alerts": [{"state": "firing"}]}
    assert data(client, "alertmanagers")["activeAlertmanagers"] == []


def test_status(client):
    assert data(client, "status/buildinfo")["version"] == "3.14.0"
    assert data(client, "status/flags")["query.lookback-delta"] == "5m"
    assert "evaluation_interval: 1m" in data(client, "status/config")["yaml"]
    assert data(client, "status/runtimeinfo")["serverTime"] == "1970-01-01T00:00:45Z"
    tsdb = data(client, "status/tsdb")
    assert tsdb["headStats"]["numSeries"] == 3
    assert tsdb["seriesCountByMetricName"][0] == {"name": "up", "value": 2}
    assert {"name": "instance", "value": 2} in tsdb["labelValueCountByLabelName"]
    assert {"name": "job=a", "value": 2} in tsdb["seriesCountByLabelValuePair"]
    assert len(data(client, "status/tsdb", limit="1")["seriesCountByMetricName"]) == 1


def test_the_rest(client):
    assert data(client, "query_exemplars", query="up") == []
    assert data(client, "format_query", query="sum(up)by(job)") == "sum by (job) (up)"
    assert client.get("/-/ready").text == "Prometheus Server is Ready.\n"
    assert client.get("/-/healthy").status_code == 200
    assert client.get("/api/v1/nope").status_code == 404
    assert client.post("/api/v1/metadata").status_code == 405


def test_a_server_without_providers_is_empty(make_store):
    client = TestClient(prometheus_app(make_store({"x": "1"}), now=lambda: 0.0))
    assert data(client, "rules") == {"groups": []}
    assert data(client, "alerts") == {"alerts": []}
    assert data(client, "targets")["activeTargets"] == []


def test_a_recorded_folder_is_served_as_of_its_newest_sample(tmp_path):
    (tmp_path / "dataset.om").write_text("a 1 1000.25\na 2 1015.25\n# EOF\n")
    client = TestClient(dataset_app(tmp_path))
    assert data(client, "query", query="a")["result"][0]["value"] == [1015.25, "2"]
    assert math.isclose(data(client, "query", query="time()")["result"][0], 1015.25)
