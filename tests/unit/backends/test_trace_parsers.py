"""OTLP and Jaeger JSON as spans: every kind of value, and nothing that crashes them."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_summary import summarise
from aiops_mcp.backends.jaeger_answers import fits, hit_of, matches, parse_v1, parse_v3
from aiops_mcp.backends.otlp import attributes, hex_id, parse_resource_spans
from aiops_mcp.backends.tempo_answers import parse_hits, parse_span_names, parse_tag_values
from aiops_mcp.fleet.trace_answer import moment
from aiops_mcp.models.spans import SpanKind, SpanStatus, TraceSearch

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NS = 1_772_366_400_000_000_000


def otlp(**more):
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "op",
        "startTimeUnixNano": str(NS),
        "endTimeUnixNano": str(NS + 5),
        **more,
    }
    return [{"scopeSpans": [{"spans": [{k: v for k, v in span.items() if v is not ...}]}]}]


def one(**more):
    [span], broken = parse_resource_spans(otlp(**more))
    assert broken == 0
    return span


# --- ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        (TRACE, 16, TRACE),
        (TRACE.upper(), 16, TRACE),
        ("abc", 16, "abc".rjust(32, "0")),
        (base64.b64encode(bytes.fromhex(TRACE)).decode(), 16, TRACE),
        (base64.urlsafe_b64encode(bytes.fromhex("fb" * 16)).decode().rstrip("="), 16, "fb" * 16),
        (base64.b64encode(bytes.fromhex(SPAN)).decode(), 8, SPAN),
        ("", 8, ""),
        ("0" * 16, 8, ""),
        ("AAAAAAAAAAA=", 8, ""),
    ],
)
def test_ids(text, size, expected):
    assert hex_id(text, size) == expected


@pytest.mark.parametrize("text", ["not an id!", "ab" * 17, "é", "====", "Z" * 5])
def test_what_is_no_id(text):
    with pytest.raises(ValueError):
        hex_id(text, 8)


@given(st.binary(min_size=8, max_size=8))
def test_an_id_is_the_same_in_hex_and_base64(raw):
    expected = raw.hex() if any(raw) else ""
    assert hex_id(raw.hex(), 8) == hex_id(base64.b64encode(raw).decode(), 8) == expected


# --- values ---------------------------------------------------------------------------------


def test_every_kind_of_value():
    deep = {"stringValue": "x"}
    for _ in range(40):
        deep = {"arrayValue": {"values": [deep]}}
    pairs = {
        "s": {"stringValue": ""},
        "i": {"intValue": "9007199254740993"},
        "small": {"intValue": -3},
        "huge": {"intValue": str(2**70)},
        "odd": {"intValue": "x"},
        "b": {"boolValue": False},
        "d": {"doubleValue": 1.5},
        "nan": {"doubleValue": "NaN"},
        "bytes": {"bytesValue": "AAE="},
        "list": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "2"}, {}]}},
        "map": {
            "kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}, {"key": 1}]}
        },
        "deep": deep,
        "empty": {},
        "unknown": {"what": 1},
    }
    read = attributes([{"key": key, "value": value} for key, value in pairs.items()])
    assert read.pop("nan") != read.get("nan")
    assert read == {
        "s": "",
        "i": 9007199254740993,
        "small": -3,
        "huge": str(2**70),
        "odd": "x",
        "b": False,
        "d": 1.5,
        "bytes": "AAE=",
        "list": '["a",2,null]',
        "map": '{"k":true}',
    }
    assert attributes(None) == attributes({}) == attributes([None, 1, {"key": 1}]) == {}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (..., SpanStatus.UNSET),
        ({}, SpanStatus.UNSET),
        ({"code": 1}, SpanStatus.OK),
        ({"code": 2}, SpanStatus.ERROR),
        ({"code": "STATUS_CODE_OK"}, SpanStatus.OK),
        ({"code": "STATUS_CODE_ERROR"}, SpanStatus.ERROR),
        ({"code": [1]}, SpanStatus.UNSET),
        ("bad", SpanStatus.UNSET),
    ],
)
def test_status(status, expected):
    assert one(status=status).status is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(2, SpanKind.SERVER), ("SPAN_KIND_CONSUMER", SpanKind.CONSUMER), (..., SpanKind.UNSPECIFIED),
     (99, SpanKind.UNSPECIFIED)],
)  # fmt: skip
def test_kind(kind, expected):
    assert one(kind=kind).kind is expected


def exception(message):
    said = [{"key": "exception.message", "value": {"stringValue": message}}]
    return [{"timeUnixNano": str(NS), "name": "exception", "attributes": said}]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"status": {"code": 2, "message": "said"}, "events": exception("x")}, "said"),
        ({"status": {"code": 2}, "events": exception("no funds")}, "exception: no funds"),
        (
            {
                "status": {"code": 2},
                "attributes": [{"key": "error.type", "value": {"stringValue": "timeout"}}],
            },
            "timeout",
        ),
        ({"status": {"code": 2}}, ""),
        ({"events": exception("handled")}, ""),
    ],
)
def test_why_a_span_failed(more, expected):
    assert one(**more).message == expected


def test_events_that_cannot_be_read_are_left_out():
    events = [{"name": "no time"}, {"timeUnixNano": "x"}, 5, *exception("y"),
              {"timeUnixNano": NS, "name": "retry", "attributes": [
                  {"key": "attempt", "value": {"intValue": "2"}}]}]  # fmt: skip
    assert [event.text for event in one(events=events).events] == [
        "exception: y",
        "retry: attempt=2",
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"traceId": ...},
        {"spanId": ""},
        {"spanId": 5},
        {"traceId": "0" * 32},
        {"startTimeUnixNano": ...},
        {"startTimeUnixNano": "0"},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": True},
        {"startTimeUnixNano": "9" * 40},
        {"startTimeUnixNano": str(2**63)},
        {"endTimeUnixNano": "later"},
        {"parentSpanId": "not an id!"},
    ],
)
def test_a_span_that_cannot_be_read_is_counted(more):
    assert parse_resource_spans(otlp(**more)) == ([], 1)


def test_the_last_moment_there_is():
    last = one(startTimeUnixNano=str(2**63 - 1), endTimeUnixNano=str(2**64))
    assert (last.start_ns, last.duration_ns) == (2**63 - 1, 0)
    assert moment(last.start_ns).year == 2262


def test_times_that_contradict_each_other():
    assert one(endTimeUnixNano=str(NS - 100)).duration_ns == 0
    assert one(endTimeUnixNano=...).duration_ns == 0
    assert one(endTimeUnixNano="0").duration_ns == 0


def test_an_older_name_for_scopes_and_a_service_without_name():
    blocks = otlp()
    blocks[0]["instrumentationLibrarySpans"] = blocks[0].pop("scopeSpans")
    [span], _ = parse_resource_spans(blocks)
    assert (span.service, span.resource) == ("unknown_service", {})


def test_a_stream_of_v3():
    spans, broken = parse_v3([{"result": {"resourceSpans": otlp()}}, {"resourceSpans": otlp()}, 3])
    assert (len(spans), broken) == (2, 0)


# --- Jaeger v1 ------------------------------------------------------------------------------


def v1(**more):
    span = {"traceID": TRACE, "spanID": SPAN, "operationName": "op", "startTime": NS // 1000,
            "duration": 7, "processID": "p1", **more}  # fmt: skip
    return {"data": [{"spans": [span], "processes": {"p1": {"serviceName": "s"}}}]}


def test_the_parent_of_v1():
    def parent(*references, **more):
        [span], _ = parse_v1(v1(references=list(references), **more))
        return span.parent_id

    child = {"refType": "CHILD_OF", "traceID": TRACE, "spanID": "a"}
    after = {"refType": "FOLLOWS_FROM", "traceID": TRACE, "spanID": "b"}
    elsewhere = {"refType": "CHILD_OF", "traceID": "9", "spanID": "c"}
    assert parent(elsewhere, after, child) == "a".rjust(16, "0")
    assert parent(elsewhere, after) == "b".rjust(16, "0")
    assert parent(elsewhere) == ""
    assert parent(parentSpanID="d") == "d".rjust(16, "0")


def test_tags_of_v1():
    tags = [
        {"key": "otel.status_code", "value": "ERROR"},
        {"key": "error.message", "value": "no"},
        {"key": "span.kind", "value": "producer"},
        {"key": "n", "value": 2**80},
        {"key": "l", "value": [1]},
        {"value": 1},
        None,
    ]
    [span], _ = parse_v1(v1(tags=tags))
    assert (span.status, span.message, span.kind) == (SpanStatus.ERROR, "no", SpanKind.PRODUCER)
    assert span.attributes["n"] == str(2**80)
    assert "l" not in span.attributes
    [ok], _ = parse_v1(v1(tags=[{"key": "otel.status_code", "value": "OK"}]))
    assert ok.status is SpanStatus.OK


def test_a_process_within_the_span():
    process = {"serviceName": "own", "tags": [{"key": "k", "value": "v"}]}
    [span], _ = parse_v1(v1(process=process))
    assert (span.service, span.resource) == ("own", {"k": "v"})
    [lost], _ = parse_v1(v1(processID="p9"))
    assert lost.service == "unknown_service"


@pytest.mark.parametrize(
    "more", [{"startTime": "x"}, {"startTime": None}, {"duration": [1]}, {"spanID": None},
             {"startTime": 1e308}]
)  # fmt: skip
def test_a_span_of_v1_that_cannot_be_read_is_counted(more):
    assert parse_v1(v1(**more)) == ([], 1)


@pytest.mark.parametrize(
    ("wanted", "text", "expected"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("*", "", True),
        ("a*", "ab", True),
        ("*b", "ab", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c", False),
        ("ab*ba", "aba", False),
        ("a.c", "abc", False),
        ("*x*", "axb", True),
        ("*" * 50 + "z", "a" * 10_000, False),
    ],
)
def test_wildcards(wanted, text, expected):
    assert fits(wanted, text) is expected


def test_a_hit_without_its_root():
    [span], _ = parse_resource_spans(otlp(parentSpanId="00000000000000aa"))
    hit = hit_of([span])
    assert (hit.root_service, hit.root_operation, hit.span_count) == (None, None, 1)
    [ring], _ = parse_resource_spans(otlp(parentSpanId=SPAN))
    assert hit_of([ring]).root_service is None


def test_durations_of_whole_traces_where_nothing_selects_a_span():
    [span], _ = parse_resource_spans(otlp(endTimeUnixNano=str(NS + 50_000_000)))
    late = span._replace(start_ns=NS + 450_000_000)
    at = datetime(2026, 3, 1, tzinfo=UTC)

    def found(**more):
        return matches([span, late], TraceSearch(start=at, end=at, **more))

    assert found(min_duration_ms=500)
    assert not found(min_duration_ms=501)
    assert not found(max_duration_ms=499)
    assert not found(service="unknown_service", min_duration_ms=500)
    assert found(operation="o*", max_duration_ms=50)


# --- nothing crashes them -------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from([TRACE, SPAN, str(NS), "STATUS_CODE_ERROR", "CHILD_OF", "abc"])
)
KEYS = st.sampled_from(
    ["resource", "attributes", "scopeSpans", "spans", "traceId", "spanId", "parentSpanId", "name",
     "kind", "startTimeUnixNano", "endTimeUnixNano", "status", "code", "message", "events", "key",
     "value", "stringValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "values",
     "data", "processes", "p1", "serviceName", "tags", "traceID", "spanID", "operationName",
     "references", "refType", "startTime", "duration", "logs", "timestamp", "fields", "processID",
     "result", "resourceSpans", "traces", "rootServiceName", "durationMs", "serviceStats",
     "spanCount", "errorCount", "tagValues", "spanSets", "process"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_no_json_crashes_a_parser(value):
    mapping = value if isinstance(value, dict) else {"data": value, "traces": value}
    for spans, broken in (
        parse_resource_spans(value),
        parse_v1(mapping),
        parse_v3([value]),
        parse_v1({"data": [mapping]}),
        parse_v1({"data": [{"spans": [value, mapping]}]}),
        parse_resource_spans([{"scopeSpans": [{"spans": [value, mapping]}]}]),
    ):
        assert broken >= 0
        if spans:
            summarise(assemble({"hub": spans}))
            json.dumps([span.attributes for span in spans])
    parse_hits(mapping)
    parse_hits({"traces": [mapping]})
    parse_tag_values(mapping)
    parse_span_names(mapping)


SPAN_IDS = st.integers(1, 12).map(lambda n: f"{n:016x}")
SPANS = st.lists(
    st.fixed_dictionaries(
        {
            "traceId": st.just(TRACE),
            "spanId": SPAN_IDS,
            "parentSpanId": SPAN_IDS | st.just(""),
            "name": st.text(max_size=4),
            "kind": st.integers(0, 6),
            "startTimeUnixNano": st.integers(NS, NS + 1000).map(str),
            "endTimeUnixNano": st.integers(NS - 10, NS + 2000).map(str),
            "status": st.fixed_dictionaries({"code": st.integers(0, 2)}),
        }
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(SPANS, SPANS)
def test_every_graph_of_spans_becomes_a_tree(hub, edge):
    by_store = {
        name: parse_resource_spans([{"scopeSpans": [{"spans": spans}]}])[0]
        for name, spans in (("hub", hub), ("edge", edge))
    }
    trace = assemble(by_store)
    seen, todo = set(), list(trace.roots)
    while todo:
        index = todo.pop()
        assert index not in seen
        seen.add(index)
        todo += trace.children[index]
    assert seen == set(range(len(trace.spans)))
    assert list(trace.starts) == sorted(trace.starts)
    summary = summarise(trace).summary
    shares = sum(step.share for step in summary.critical_path) * summary.total_ms
    assert shares + summary.untraced_ms <= summary.total_ms * 1.000001
    assert summary.untraced_ms >= 0
