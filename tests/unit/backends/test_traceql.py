"""What is looked for as TraceQL, and that no value can end its string."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.backends.traceql import pattern, query_of, string, wants_errors
from aiops_mcp.models.spans import TraceSearch

AT = datetime(2026, 3, 1, tzinfo=UTC)


def query(**more):
    return query_of(TraceSearch(start=AT, end=AT, **more))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "{ }"),
        ({"service": "web"}, '{ resource.service.name = "web" }'),
        ({"service": "pay*"}, '{ resource.service.name =~ "^(?:pay.*)$" }'),
        ({"service": "a.b*"}, '{ resource.service.name =~ "^(?:a\\\\.b.*)$" }'),
        ({"service": "a–b.*"}, '{ resource.service.name =~ "^(?:a–b\\\\..*)$" }'),
        ({"operation": "GET /x"}, '{ name = "GET /x" }'),
        ({"service": 'a"} || {"'}, '{ resource.service.name = "a\\"} || {\\"" }'),
        ({"min_duration_ms": 1500}, "{ traceDuration >= 1500ms }"),
        ({"min_duration_ms": 0.5, "service": "s"},
         '{ resource.service.name = "s" && duration >= 500us }'),
        ({"max_duration_ms": 86_400_000, "operation": "o"},
         '{ name = "o" && duration <= 86400000ms }'),
        ({"tags": (("status", "error"),)}, "{ status = error }"),
        ({"tags": (("status", "OK"),)}, "{ status = ok }"),
        ({"tags": (("status", "weird"),)}, '{ .status = "weird" }'),
        ({"tags": (("error", "true"),)}, "{ status = error }"),
        ({"tags": (("error", False),)}, "{ status != error }"),
        ({"tags": (("kind", "Server"),)}, "{ kind = server }"),
        ({"tags": (("kind", "x"),)}, '{ .kind = "x" }'),
        ({"tags": (("http.status_code", "500"),)},
         '{ (.http.status_code = 500 || .http.status_code = "500") }'),
        ({"tags": (("n", 2.5),)}, '{ (.n = 2.5 || .n = "2.5") }'),
        ({"tags": (("n", 1e300),)}, '{ .n = "1e+300" }'),
        ({"tags": (("zip", "00123"),)}, '{ .zip = "00123" }'),
        ({"tags": (("flag", "true"),)}, '{ (.flag = true || .flag = "true") }'),
        ({"tags": (("flag", True),)}, '{ (.flag = true || .flag = "true") }'),
        ({"tags": (("route", "/a*"),)}, '{ .route =~ "^(?:/a.*)$" }'),
        ({"tags": (("resource.k8s.pod.name", "p"),)}, '{ resource.k8s.pod.name = "p" }'),
        ({"tags": (("resource.", "p"),)}, '{ ."resource." = "p" }'),
        ({"tags": (("a b", "p"),)}, '{ ."a b" = "p" }'),
        ({"tags": (('x" = 1 || "', "p"),)}, '{ ."x\\" = 1 || \\"" = "p" }'),
        ({"traceql": " { a } | count() > 1 "}, "{ a } | count() > 1"),
    ],
)  # fmt: skip
def test_queries(wanted, expected):
    assert query(**wanted) == expected


def test_all_conditions_are_of_one_span():
    assert query(service="s", operation="o", tags=(("a", "b"), ("status", "error"))) == (
        '{ resource.service.name = "s" && name = "o" && .a = "b" && status = error }'
    )


@pytest.mark.parametrize(
    ("tags", "expected"),
    [((("status", "error"),), True), ((("error", "true"),), True), ((("error", "false"),), False),
     ((("a", "error"),), False), ((), False)],
)  # fmt: skip
def test_whether_only_failures_are_looked_for(tags, expected):
    assert wants_errors(TraceSearch(start=AT, end=AT, tags=tags)) is expected


LITERAL = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\]|x[0-9a-f]{2}|ufffd))*"')


@given(st.text())
def test_no_text_ends_its_string(text):
    assert LITERAL.fullmatch(string(text))


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_tag_ends_its_condition(key, value):
    found = query(tags=((key or "k", value),))
    bare = re.sub(LITERAL, '""', found)
    assert bare.count('"') % 2 == 0
    assert bare.count("{") == bare.count("}") == 1


@given(st.text(max_size=30).filter(lambda text: "\n" not in text and "\r" not in text))
def test_a_pattern_fits_its_own_text(text):
    fixed = text.replace("*", "")
    assert re.fullmatch(pattern(fixed), fixed, re.DOTALL)
    assert re.fullmatch(pattern(fixed + "*"), fixed + "anything")
