import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.simulation.spans import Kind, Process, Span, SpanSet, Status
from aiops_mcp.simulation.traceql_match import Matcher, TraceView
from aiops_mcp.simulation.traceql_parse import parse_traceql
from aiops_mcp.simulation.traceql_tree import TraceqlError

MS = 1_000_000


def span(name, parent, kind, start, end, status=Status.UNSET, service="shop", **attributes):
    process = Process("c", service, {"service.name": service, "k8s.pod.name": f"{service}-0"})
    told = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(process, name, parent, name, kind, start * MS, end * MS, told, status)


#  root ─ call ─ answer ─ query (fails)
#       └ other
SPANS = (
    span("root", "", Kind.SERVER, 0, 100, http__status=500, ok=True),
    span("call", "root", Kind.CLIENT, 5, 60),
    span("answer", "call", Kind.SERVER, 10, 55, service="db", http__status=200, ratio=0.5),
    span("query", "answer", Kind.CLIENT, 20, 50, Status.ERROR, service="db", db__system="redis"),
    span("other", "root", Kind.INTERNAL, 60, 90),
)


def selected(query, spans=SPANS):
    view = TraceView(SpanSet("ab" * 16, "c", spans))
    return " ".join(span.name for span in Matcher(parse_traceql(query)).select(view))


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{}", "root call answer query other"),
        ("{ name = `root` }", "root"),
        ('{ resource.service.name = "db" && kind = server }', "answer"),
        ("{ status = error || duration > 90ms }", "root query"),
        ("{ status != error && kind = client }", "call"),
        ('{ name =~ "c.*|o.*" }', "call other"),
        ('{ name =~ "oo" }', ""),
        ('{ name !~ ".*r.*" }', "call"),
        ("{ span.http.status >= 200 && span.http.status < 400 }", "answer"),
        ('{ span.http.status = "500" }', ""),
        ("{ .http.status = 500 }", "root"),
        ('{ .k8s.pod.name = "db-0" }', "answer query"),
        ('{ span.k8s.pod.name = "db-0" }', ""),
        ("{ .http.status = nil }", "call query other"),
        ("{ .http.status != nil }", "root answer"),
        ("{ .http.status != 500 }", "answer"),
        ("{ .ok = true }", "root"),
        ("{ .ok = 1 }", ""),
        ("{ .ratio = 0.5 }", "answer"),
        ("{ .ratio * 4 = 2 }", "answer"),
        ("{ .http.status / 0 = 1 }", ""),
        ("{ .http.status % 300 = 200 }", "root answer"),
        ("{ -.ratio < 0 }", "answer"),
        ("{ !(kind = client) }", "root answer other"),
        ("{ rootName = `root` && name = `other` }", "other"),
        ("{ rootServiceName = `shop` && kind = internal }", "other"),
        ("{ traceDuration >= 100ms } && { status = error }", "root call answer query other"),
        ("{ traceDuration > 100ms }", ""),
        ("{ childCount = 2 }", "root"),
        ("{ parent.http.status = 200 }", "query"),
        ("{ name = `root` } >> { kind = client }", "call query"),
        ("{ name = `root` } > { kind = client }", "call"),
        ("{ status = error } << { kind = server }", "root answer"),
        ("{ status = error } < { }", "answer"),
        ("{ name = `call` } ~ { }", "other"),
        ("{ name = `call` } !>> { kind = client }", "call"),
        ("{ name = `call` } && { name = `other` }", "call other"),
        ("{ name = `call` } && { name = `nobody` }", ""),
        ("{ name = `nobody` } || { name = `other` }", "other"),
        ("({ name = `root` } || { name = `call` }) > { kind = server }", "answer"),
        ("{ kind = client } | count() = 2", "call query"),
        ("{ kind = client } | count() > 2", ""),
        ("{ kind = client } | avg(duration) > 42ms", "call query"),
        ("{ kind = client } | max(duration) >= 55ms | min(duration) < 31ms", "call query"),
        ("{ } | sum(.http.status) = 700", "root call answer query other"),
        ("{ } | avg(.none) > 0", ""),
        ("{ kind = server } | { .http.status = 200 }", "answer"),
        ("{ status = error } | select(.db.system, name)", "query"),
    ],
)
def test_a_query_selects_these_spans(query, names):
    assert selected(query) == names


def test_spans_whose_parents_form_a_circle_end():
    circle = (
        span("a", "b", Kind.CLIENT, 0, 10),
        span("b", "a", Kind.CLIENT, 0, 10),
    )
    assert selected("{ name = `a` } >> { }", circle) == "b"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "line 1, col 1: syntax error: unexpected $end"),
        ("{ name = `a`", "line 1, col 13: syntax error: unexpected $end"),
        ("{\n  foo = 1 }", "line 2, col 3: syntax error: unexpected IDENTIFIER 'foo'"),
        ("{ .a = ; }", "unexpected ';'"),
        ('{ .a =~ "(" }', "error parsing regexp"),
        ("{ .a =~ .b }", "a pattern is a string"),
        ("{ } | rate", "unexpected $end"),
        ("{ } | count()", "unexpected $end"),
        ("{ } | coalesce()", "coalesce is not supported by this server"),
        ("{ link.a = 1 }", "link attributes are not supported"),
        ("{ } | select(1)", "unexpected 1"),
        ("{ " + "(" * 200 + "1" + ")" * 200 + " = 1 }", "nested too deeply"),
        ("(" * 200 + "{}" + ")" * 200, "nested too deeply"),
        ("{ " + "!" * 5000 + " .a }", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(query, said):
    with pytest.raises(TraceqlError) as caught:
        parse_traceql(query)
    assert said in str(caught.value)


def test_durations_and_odd_names_are_read():
    assert selected('{ duration = 1s - 900ms && name = "ro\\u006ft" }') == "root"
    assert selected('{ span."http.status" = 500 }') == "root"
    assert selected("{ duration > 0.0299s && duration < 31000us && kind = client }") == "query"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}()=!~<>&|.,"`abc 019ms_:-+*/%^\\\n', max_size=60))
def test_no_text_does_more_than_be_refused(text):
    try:
        matcher = Matcher(parse_traceql(text))
    except TraceqlError:
        return
    matcher.select(TraceView(SpanSet("ab" * 16, "c", SPANS)))
