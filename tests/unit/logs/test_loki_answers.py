import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.backends.loki_answers import (
    loki_refusal,
    parse_answer,
    parse_frame,
    parse_names,
    parse_series,
    parse_stats,
    parse_volume,
)
from aiops_mcp.backends.loki_faults import explained
from aiops_mcp.backends.loki_tenants import tenancy
from aiops_mcp.backends.prometheus_answers import MalformedAnswer
from aiops_mcp.backends.wire import Answer
from aiops_mcp.errors import (
    BackendRefused,
    BackendUnauthorized,
    InputError,
    InvalidLogql,
    QueryTooExpensive,
)
from aiops_mcp.models.metrics import ResultType


def envelope(kind, result, **more):
    return {"status": "success", "data": {"resultType": kind, "result": result, **more}}


def test_lines_keep_their_nanoseconds_and_metadata():
    body = envelope(
        "streams",
        [
            {
                "stream": {"app": "x"},
                "values": [
                    ["1700000000000000001", "a"],
                    ["1700000000000000002", "b", {"trace_id": "1"}],
                    ["1700000000000000003", "c", {"structuredMetadata": {"t": "2"}, "parsed": {}}],
                ],
            }
        ],
        stats={},
    )
    [stream] = parse_answer(body).streams
    assert stream.labels == {"app": "x"}
    assert [(line.ns, line.text) for line in stream.lines] == [
        (1700000000000000001, "a"),
        (1700000000000000002, "b"),
        (1700000000000000003, "c"),
    ]
    assert stream.lines[1].metadata == {"trace_id": "1"}
    assert stream.lines[2].metadata == {"t": "2"}


def test_metrics_are_prometheus_s():
    body = envelope("matrix", [{"metric": {"a": "b"}, "values": [[1700000000, "1.5"]]}])
    found = parse_answer(body)
    assert found.result_type is ResultType.MATRIX
    assert found.series[0].metric == {"a": "b"}
    assert found.series[0].values == ((1700000000, "1.5"),)
    vector = parse_answer(envelope("vector", [{"metric": {}, "value": [1700000000.5, "2"]}]))
    assert vector.result_type is ResultType.VECTOR
    assert vector.series[0].values == ((1700000000.5, "2"),)


@pytest.mark.parametrize("result", [None, []])
def test_nothing_found_is_an_answer(result):
    assert parse_answer(envelope("streams", result)).streams == ()


def test_names_may_be_missing():
    assert parse_names({"status": "success"}) == ()
    assert parse_names({"status": "success", "data": ["a", "b"]}) == ("a", "b")
    assert parse_series({"status": "success", "data": [{"a": "b"}]}) == ({"a": "b"},)
    with pytest.raises(MalformedAnswer):
        parse_series({"status": "success", "data": ["a"]})


def test_how_much_a_selector_covers():
    stats = parse_stats({"streams": 2, "chunks": 3, "entries": 4, "bytes": 5})
    assert (stats.bytes, stats.streams, stats.entries) == (5, 2, 4)
    volume = parse_volume(
        envelope("vector", [{"metric": {}, "value": [1, "7"]}, {"metric": {}, "value": [1, "8"]}])
    )
    assert volume.bytes == 15


def test_a_frame_of_a_tail():
    frame = parse_frame(
        {
            "streams": [{"stream": {"a": "b"}, "values": [["1", "x"]]}],
            "dropped_entries": [{"labels": {}, "timestamp": "1"}, {}],
        }
    )
    assert frame.streams[0].lines[0].text == "x"
    assert frame.dropped == 2
    assert parse_frame({"streams": None}).streams == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["status", "data", "resultType", "result", "stream", "values", "streams"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([parse_answer, parse_frame, parse_names, parse_series, parse_stats]))
def test_rubbish_is_said_to_be_rubbish(body, read):
    with contextlib.suppress(MalformedAnswer):
        read(body)


# --- refusals ---------------------------------------------------------------------------------


def refusal(text, status=400, query='{app="x"}', *, gateway=False):
    kind = BackendUnauthorized if status in (401, 403) else BackendRefused
    return explained(kind(text, http_status=status), query, is_gateway=gateway)


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("parse error at line 1, col 7: syntax error: unexpected", InvalidLogql, "Correct"),
        ("queries require at least one regexp or equality matcher", InvalidLogql, "Begin with"),
        ("max entries limit per query exceeded, limit > 5000", QueryTooExpensive, "cursor"),
        ("the query time range exceeds the limit", QueryTooExpensive, "shorter range"),
        ("maximum number of series (500) reached", QueryTooExpensive, "topk"),
        ("the query would read too many bytes", QueryTooExpensive, "matchers"),
        ("no org id", BackendRefused, "tenant"),
        ("something else", BackendRefused, ""),
    ],
)
def test_a_refusal_says_what_to_do(text, kind, hint):
    error = refusal(text)
    assert type(error) is kind
    assert hint in error.hint


def test_a_parse_error_has_its_place():
    error = refusal("parse error at line 2, col 7: unexpected")
    assert (error.details["line"], error.details["column"]) == (2, 7)


def test_a_gateway_wants_a_namespace():
    error = refusal("forbidden", 403, gateway=True)
    assert "kubernetes_namespace_name" in error.hint
    granted = refusal("forbidden", 403, '{kubernetes_namespace_name="a"}', gateway=True)
    assert "grant" in granted.hint
    assert refusal("forbidden", 403).hint == ""


@pytest.mark.parametrize(
    ("status", "text", "heavy"),
    [
        (429, "too many outstanding requests", True),
        (504, "", True),
        (503, "context deadline exceeded", True),
        (503, "no healthy upstream", False),
        (400, "parse error", False),
    ],
)
def test_what_is_too_heavy_is_not_repeated(status, text, heavy):
    assert loki_refusal(Answer(status, {}, text.encode())).too_heavy is heavy


# --- tenants ----------------------------------------------------------------------------------


def test_a_gateway_is_known_by_its_path():
    found = tenancy("https://gw.example.com/api/logs/v1/application")
    assert found.is_gateway
    assert found.chosen(None) == ("application", "infrastructure")
    assert found.chosen("audit") == ("audit",)
    assert found.path("audit") == "/audit"
    with pytest.raises(InputError, match="no tenant 'shop'"):
        found.chosen("shop")


def test_a_plain_loki_has_the_tenants_its_url_names():
    plain = tenancy("https://loki.example.com")
    assert (plain.is_gateway, plain.chosen(None), plain.path(None)) == (False, (None,), "")
    named = tenancy("https://loki.example.com/?tenant=a|b")
    assert named.chosen(None) == ("a", "b")
    assert named.headers("a") == {"X-Scope-OrgID": "a"}
