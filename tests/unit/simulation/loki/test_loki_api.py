"""Loki's HTTP API at wire level: shapes, time forms, limits, plain-text errors, pushes."""

import gzip
import json

import pytest
from starlette.testclient import TestClient

NOW = 1_764_050_000
NOW_NS = NOW * 10**9
API = "/loki/api/v1"


@pytest.fixture(scope="module")
def quiet(make_fleet):
    """A Loki nobody pushes to; what was written does not change."""
    return TestClient(make_fleet().app("dev-dublin", "loki"))


@pytest.fixture
def loki(fleet_with):
    return TestClient(fleet_with().app("dev-dublin", "loki"))


def get(client, path, **params):
    answer = client.get(API + path, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def refused(client, path, **params):
    answer = client.get(API + path, params=params)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def push(client, *rows, **labels):
    values = [[str(ns), line, *more] for ns, line, *more in rows]
    body = {"streams": [{"stream": labels or {"app": "mine"}, "values": values}]}
    answer = client.post(f"{API}/push", json=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


def pairs(answer):
    return [tuple(v[:2]) for s in answer["data"]["result"] for v in s["values"]]


MINE = '{app="mine"}'


def test_lines_come_as_streams_with_nanoseconds_as_text(loki):
    push(loki, (NOW_NS - 3, "b"), (NOW_NS - 5, "a"))
    answer = get(loki, "/query_range", query=MINE)
    assert answer["status"] == "success"
    assert answer["data"]["resultType"] == "streams"
    assert answer["data"]["result"] == [
        {
            "stream": {"app": "mine"},
            "values": [[str(NOW_NS - 3), "b"], [str(NOW_NS - 5), "a"]],
        }
    ]
    summary = answer["data"]["stats"]["summary"]
    assert (summary["totalLinesProcessed"], summary["totalEntriesReturned"]) == (2, 2)
    forward = get(loki, "/query_range", query=MINE, direction="FORWARD", limit=1)
    assert pairs(forward) == [(str(NOW_NS - 5), "a")]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (f"{NOW - 20}", f"{NOW - 10}"),
        (f"{NOW - 20}.0", f"{NOW - 10}.5"),
        (f"{NOW_NS - 20 * 10**9}", f"{NOW_NS - 10 * 10**9}"),
        ("2025-11-25T05:53:00Z", "2025-11-25T05:53:10.000000000Z"),
        ("2025-11-25T06:53:00+01:00", "2025-11-25T06:53:10.1+01:00"),
    ],
)
def test_times_are_read_in_every_form(loki, start, end):
    push(loki, *((NOW_NS - at * 10**9, str(at)) for at in (25, 15, 5)))
    found = get(loki, "/query_range", query=MINE, start=start, end=end)
    assert [line for _, line in pairs(found)] == ["15"]


def test_the_end_is_not_part_of_the_window_and_since_says_how_far_back(loki):
    push(loki, (NOW_NS - 10**9, "in"), (NOW_NS - 7200 * 10**9, "old"))
    end = str(NOW_NS - 10**9)
    assert pairs(get(loki, "/query_range", query=MINE, end=end)) == []
    assert [t for _, t in pairs(get(loki, "/query_range", query=MINE, since="3h"))] == ["in", "old"]


def test_metadata_are_labels_or_kept_apart(loki):
    push(loki, (NOW_NS - 5, "n=1", {"level": "info"}))
    query = f"{MINE} | logfmt"
    together = get(loki, "/query_range", query=query)
    assert together["data"]["result"][0]["stream"] == {"app": "mine", "level": "info", "n": "1"}
    headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    apart = loki.get(f"{API}/query_range", params={"query": query}, headers=headers).json()
    assert apart["data"]["encodingFlags"] == ["categorize-labels"]
    assert apart["data"]["result"] == [
        {
            "stream": {"app": "mine"},
            "values": [
                [
                    str(NOW_NS - 5),
                    "n=1",
                    {"structuredMetadata": {"level": "info"}, "parsed": {"n": "1"}},
                ]
            ],
        }
    ]


def test_numbers_come_as_a_matrix_a_vector_or_a_scalar(loki):
    push(loki, *((NOW_NS - at * 10**9, "x") for at in (1, 2, 90)))
    query = f"sum(count_over_time({MINE}[1m]))"
    params = {"start": NOW - 60, "end": NOW, "step": "30s"}
    matrix = get(loki, "/query_range", query=query, **params)["data"]
    assert matrix["resultType"] == "matrix"
    # At NOW - 60 the window holds the one of 90 s ago, at NOW - 30 no more.
    assert matrix["result"] == [{"metric": {}, "values": [[NOW - 60, "1"], [NOW, "2"]]}]
    vector = get(loki, "/query", query=query, time=str(NOW))["data"]
    assert vector["resultType"] == "vector"
    assert vector["result"] == [{"metric": {}, "value": [NOW, "2"]}]
    half = get(loki, "/query", query=f"{query} / 4", time=f"{NOW}.5")["data"]["result"]
    assert half == [{"metric": {}, "value": [NOW + 0.5, "0.5"]}]
    assert get(loki, "/query", query="1 + 2")["data"]["result"] == [NOW, "3"]


def test_a_query_may_be_posted_and_a_tenant_is_accepted(loki):
    push(loki, (NOW_NS - 5, "a"))
    answer = loki.post(
        f"{API}/query_range", data={"query": MINE}, headers={"X-Scope-OrgID": "team-a"}
    )
    assert pairs(answer.json()) == [(str(NOW_NS - 5), "a")]


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("/query_range", {"query": "{"}, "parse error at line 1, col 2: syntax error"),
        ("/query_range", {"query": '{a=~".*"}'}, "at least one regexp or equality matcher"),
        ("/query_range", {"query": '{a="b"} | line_format `{{`'}, "invalid template"),
        ("/query_range", {"query": MINE, "limit": "5001"}, "max entries limit per query exceeded"),
        ("/query_range", {"query": MINE, "limit": "0"}, "limit must be a positive value"),
        ("/query_range", {"query": MINE, "limit": "x"}, "invalid syntax"),
        ("/query_range", {"query": MINE, "direction": "up"}, "invalid direction 'up'"),
        ("/query_range", {"query": MINE, "start": "yesterday"}, "could not parse 'start'"),
        ("/query_range", {"query": MINE, "start": "9" * 30}, "could not parse 'start'"),
        ("/query_range", {"query": MINE, "since": "1x"}, "could not parse 'since'"),
        ("/query_range", {"query": MINE, "start": NOW, "end": NOW}, "end timestamp must not be"),
        (
            "/query_range",
            {"query": MINE, "since": "800h"},
            "the query time range exceeds the limit",
        ),
        ("/query_range", {"query": MINE, "interval": "-1s"}, "interval must be >= 0"),
        ("/query_range", {"query": f"rate({MINE}[1m])", "step": "0"}, "zero or negative"),
        ("/query_range", {"query": f"rate({MINE}[1m])", "step": "x"}, "to a valid duration"),
        (
            "/query_range",
            {"query": f"rate({MINE}[1m])", "step": "0.1"},
            "exceeded maximum resolution of 11,000 points",
        ),
        ("/query", {"query": MINE}, "log queries are not supported as an instant query type"),
        ("/query", {"query": f"rate({MINE}[1m]) and 1"}, "unexpected literal"),
        ("/labels", {"query": "{"}, "parse error"),
        ("/series", {"match[]": "up"}, "parse error"),
        ("/index/stats", {"query": f"{MINE} | json"}, "only label matchers"),
        ("/format_query", {"query": "{a"}, "parse error"),
        ("/detected_fields", {"query": f"rate({MINE}[1m])"}, "only log selectors"),
    ],
)
def test_what_is_refused_is_told_in_plain_text(quiet, path, params, text):
    assert text in refused(quiet, path, **params)


def test_range_of_thirty_days_is_the_longest(quiet):
    since = f"{30 * 24 + 1}h"
    assert get(quiet, "/query_range", query='{app="none"}', since=since)["data"]["result"] == []


def test_names_values_and_series(quiet):
    names = get(quiet, "/labels")["data"]
    assert names == ["app", "container", "job", "namespace", "node_name", "pod", "stream", "unit"]
    assert get(quiet, "/label/namespace/values", query='{app="spark-worker"}')["data"] == ["batch"]
    assert get(quiet, "/label/nope/values") == {"status": "success"}
    series = get(quiet, "/series", **{"match[]": '{app="coredns", stream="stdout"}'})["data"]
    assert len(series) == 2
    assert {one["namespace"] for one in series} == {"kube-system"}
    labels = get(quiet, "/detected_labels", query='{app="coredns"}')["detectedLabels"]
    assert {"label": "pod", "cardinality": 2} in labels


def test_sizes_before_a_query(loki):
    push(loki, *((NOW_NS - at * 10**9, "12345") for at in range(1, 11)), app="mine", pod="a")
    push(loki, (NOW_NS - 10**9, "123"), app="mine", pod="b")
    size = get(loki, "/index/stats", query=MINE, start=NOW - 60)
    assert size == {"streams": 2, "chunks": 2, "entries": 11, "bytes": 53}
    volume = get(loki, "/index/volume", query=MINE, start=NOW - 60, targetLabels="pod")["data"]
    assert volume["resultType"] == "vector"
    assert volume["result"] == [
        {"metric": {"pod": "a"}, "value": [NOW, "50"]},
        {"metric": {"pod": "b"}, "value": [NOW, "3"]},
    ]
    by_step = get(loki, "/index/volume_range", query=MINE, start=NOW - 10, end=NOW, step="5s")
    assert by_step["data"]["result"] == [
        {"metric": {"app": "mine"}, "values": [[NOW - 10, "25"], [NOW - 5, "28"]]}
    ]
    # A long window is told from its newest half hour: ten times as long, ten times as much.
    long = get(loki, "/index/stats", query=MINE, start=NOW - 18_000)
    assert (long["entries"], long["bytes"]) == (110, 530)


def test_patterns_and_fields(loki):
    push(
        loki,
        *((NOW_NS - at * 10**9, f"level=info took={at}ms user=u{at}") for at in range(1, 6)),
        (NOW_NS - 7 * 10**9, "stopped"),
    )
    found = get(loki, "/patterns", query=MINE, start=NOW - 60, step="60s")["data"]
    assert [(one["pattern"], sum(n for _, n in one["samples"])) for one in found] == [
        ("level=info took=<_> user=<_>", 5),
        ("stopped", 1),
    ]
    fields = get(loki, "/detected_fields", query=MINE)["fields"]
    assert {one["label"]: (one["type"], one["cardinality"]) for one in fields} == {
        "level": ("string", 1),
        "took": ("duration", 5),
        "user": ("string", 5),
    }
    values = get(loki, "/detected_field/took/values", query=MINE)
    assert values["values"] == ["1ms", "2ms", "3ms", "4ms", "5ms"]
    assert get(loki, "/detected_field/nope/values", query=MINE)["values"] == []


def test_ready_build_and_format(quiet):
    assert quiet.get("/ready").text == "ready\n"
    assert get(quiet, "/status/buildinfo")["version"] == "3.4.2"
    formatted = get(quiet, "/format_query", query='sum(rate({a="b"}[5m]))by(c)')
    assert formatted == {"status": "success", "data": 'sum by (c)(rate({a="b"} [5m]))'}


def test_a_push_may_be_packed(loki):
    body = {"streams": [{"stream": {"app": "mine"}, "values": [[str(NOW_NS - 1), "packed"]]}]}
    packed = gzip.compress(json.dumps(body).encode())
    answer = loki.post(f"{API}/push", content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == 204
    assert pairs(get(loki, "/query_range", query=MINE)) == [(str(NOW_NS - 1), "packed")]


def stream(values, labels=None):
    return {
        "streams": [{"stream": {"app": "mine"} if labels is None else labels, "values": values}]
    }


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "couldn't parse push request"),
        ([], "couldn't parse push request"),
        ({"streams": [5]}, "a stream needs stream and values"),
        (stream([["1"]]), "a value is"),
        (stream([[str(NOW_NS), 5]]), "a value is"),
        (stream([["soon", "x"]]), "invalid syntax"),
        (stream([[str(NOW_NS), "x", []]]), "structured metadata is an object"),
        (stream([], {}), "at least one label pair is required"),
        (stream([], {"a-b": "c"}), "invalid label"),
        (stream([], {f"l{n}": "x" for n in range(16)}), "has 16 label names; limit 15"),
        (stream([[str(NOW_NS - 8 * 86400 * 10**9), "x"]]), "has timestamp too old"),
        (stream([[str(NOW_NS + 3600 * 10**9), "x"]]), "has timestamp too new"),
        (stream([[str(NOW_NS), "é" * 131_073]]), "Max entry size '262144' bytes exceeded"),
    ],
)
def test_a_bad_push_is_refused(loki, body, text):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = loki.post(f"{API}/push", content=content)
    assert answer.status_code == 400
    assert text in answer.text
    bad_pack = loki.post(f"{API}/push", content=b"x", headers={"content-encoding": "gzip"})
    assert bad_pack.status_code == 400


def test_what_is_pushed_is_kept_within_bounds(loki):
    for first in (0, 30_000):
        push(loki, *((NOW_NS - 60_000 + first + n, str(first + n)) for n in range(30_000)))
    found = get(loki, "/query", query=f"sum(count_over_time({MINE}[1m]))")["data"]["result"]
    assert found[0]["value"][1] == "50000"
    oldest = get(loki, "/query_range", query=MINE, direction="forward", limit=1)
    assert [line for _, line in pairs(oldest)] == ["10000"]
