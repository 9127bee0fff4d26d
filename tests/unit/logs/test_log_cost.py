from datetime import UTC, datetime

import pytest

from aiops_mcp.errors import InputError, InvalidLogql, QueryTooExpensive
from aiops_mcp.fleet.log_cost import (
    check,
    check_bytes,
    is_telling,
    narrowed,
    read_question,
    span_of,
    step_of,
)
from aiops_mcp.logql import parse_selector
from aiops_mcp.models.nanoseconds import SECOND, to_ns
from aiops_mcp.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = Settings(_env_file=None)
HOUR = 3600


def span(seconds):
    return span_of(to_ns(NOW) - seconds * SECOND, None, NOW, default=HOUR)


def refused(query, seconds=HOUR):
    with pytest.raises(QueryTooExpensive) as caught:
        check(read_question(query), span(seconds), SETTINGS)
    return caught.value


@pytest.mark.parametrize(
    "query",
    ['{namespace=~".+"}', '{app=~".*", level="error"} |= "x"', '{app!="x", pod=~"[a-z].*|.+"}'],
)
def test_a_selector_that_leaves_nothing_out(query):
    if "level" in query:
        refused(query, 24 * HOUR)
        return
    error = refused(query)
    assert r"namespace=\"NAME\"" in error.hint
    assert "query_logs(query=" in error.hint


def test_a_broad_label_may_be_asked_for_a_short_time():
    question = read_question('{level="error"}')
    check(question, span(600), SETTINGS)
    error = refused('{level="error"}', 24 * HOUR)
    assert "level alone" in error.message
    assert 'start_time="-' in error.hint


def test_a_range_longer_than_allowed():
    error = refused('{app="x"}', int(SETTINGS.log_max_range) + 60)
    assert "the most is" in error.message
    assert 'start_time="-' in error.hint


def test_windows_reach_back_further():
    question = read_question('sum(rate({app="x"}[2h] offset 1h))')
    assert question.looks_back == 3 * HOUR * SECOND
    assert question.is_metric


def test_too_many_bytes_names_the_largest_and_a_shorter_time():
    question = read_question('{app="x"}')
    most = SETTINGS.log_max_bytes
    check_bytes(question, span(HOUR), {"a": most // 2, "b": most // 2}, SETTINGS)
    with pytest.raises(QueryTooExpensive) as caught:
        check_bytes(question, span(HOUR), {"a": most, "b": most, "c": 0}, SETTINGS)
    assert caught.value.details["estimated_bytes"] == 2 * most
    assert 'start_time="-30m"' in caught.value.hint


@pytest.mark.parametrize(
    ("selector", "telling"),
    [
        ('{a="x"}', True),
        ('{a=""}', False),
        ('{a!="x"}', False),
        ('{a=~"x|y"}', True),
        ('{a=~".+"}', False),
        ('{a=~".*"}', False),
        ('{a=~"[a-z0-9-]+"}', False),
    ],
)
def test_whether_a_matcher_leaves_something_out(selector, telling):
    assert is_telling(parse_selector(selector).matchers[0]) is telling


def test_the_rewritten_query_is_one():
    for query in ("{}", '{level="error"} |= "x"', '{ kubernetes_host="a"}', '{namespace="a"}'):
        call = narrowed(query)
        assert call.startswith('query_logs(query="{')
    assert "kubernetes_namespace_name" in narrowed('{kubernetes_host="a"}')
    assert r"pod=\"NAME\"" in narrowed('{namespace="a"}')


def test_spans_that_cannot_be():
    with pytest.raises(InputError):
        span_of(to_ns(NOW), to_ns(NOW) - SECOND, NOW, default=HOUR)
    with pytest.raises(InputError):
        span_of(to_ns(NOW) + HOUR * SECOND, None, NOW, default=HOUR)
    assert span_of(None, None, NOW, default=HOUR).seconds == HOUR


def test_a_step_that_gives_too_many_points_is_made_longer():
    step, notes = step_of(1.0, span(24 * HOUR))
    assert step * 11_000 >= 24 * HOUR
    assert notes
    assert step_of(60.0, span(HOUR)) == (60.0, ())


def test_a_query_that_is_none():
    with pytest.raises(InvalidLogql):
        read_question('{app="x"')
