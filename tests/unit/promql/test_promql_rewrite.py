"""Restricting a query, and asking what it touches."""

import pytest

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import add_matchers, metric_names, parse, result_type, selectors, to_text
from aiops_mcp.promql.tree import Matcher, Selector, walk

TENANT = Matcher("cluster", "=", 'a"b')
QUERIES = [
    "up",
    "-up",
    "(up)",
    'sum by (a) (rate(up{b="c"}[5m] offset 1m))',
    "a and on (x) b",
    "topk(scalar(a), b)",
    "max_over_time(a[1h:1m] @ end())",
    'label_replace(a, "b", "c", "d", "e") * 2',
    "absent(a)",
    "quantile(0.5, {__name__=~'a.*'})",
]


@pytest.mark.parametrize("query", QUERIES)
def test_every_selector_gets_the_matcher(query):
    before = [n for n in walk(parse(query)) if isinstance(n, Selector)]
    after = parse(to_text(add_matchers(parse(query), TENANT)))
    found = [n for n in walk(after) if isinstance(n, Selector)]
    assert len(found) == len(before) > 0
    assert [n.matchers for n in found] == [(*n.matchers, TENANT) for n in before]
    assert [(n.name, n.offset, n.at) for n in found] == [(n.name, n.offset, n.at) for n in before]


def test_a_matcher_of_the_query_does_not_replace_ours():
    node = add_matchers(parse('up{cluster="other"}'), TENANT)
    assert node.matchers == (Matcher("cluster", "=", "other"), TENANT)


def test_what_has_no_selector_stays():
    assert to_text(add_matchers(parse("1 + time()"), TENANT)) == "1 + time()"


def test_info_is_refused_as_it_reads_more_than_it_says():
    with pytest.raises(InvalidPromql, match="info"):
        add_matchers(parse("sum(info(up))"), TENANT)


def test_uses_tell_how_far_back_a_selector_reads():
    query = "a + max_over_time(rate(b[5m] offset 2m)[1h:1m] offset 1d) + c @ 5 + d[1s + step()]"
    a, b, c = selectors(parse("a + max_over_time(rate(b[5m] offset 2m)[1h:1m] offset 1d) + c @ 5"))
    assert (a.selector.name, a.range_ms, a.offset_ms, a.pinned) == ("a", 0, 0, False)
    assert (b.range_ms, b.offset_ms, b.pinned) == (3_900_000, 86_520_000, False)
    assert (c.range_ms, c.offset_ms, c.pinned) == (0, 0, True)
    assert query
    (d,) = selectors(parse("rate(d[step()])"))
    assert d.range_ms == 0
    (e,) = selectors(parse("max_over_time(e[1h:] @ start())"))
    assert e.pinned


def test_names():
    query = 'a + b{x="y"} * {__name__=~"c.*"} - {"d.e"}'
    assert metric_names(parse(query)) == {"a", "b", "d.e"}


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("1", "scalar"),
        ("-(1)", "scalar"),
        ("1 + time()", "scalar"),
        ("scalar(a)", "scalar"),
        ("a", "vector"),
        ("a + 1", "vector"),
        ("1 + a", "vector"),
        ("sum(a)", "vector"),
        ("rate(a[1m])", "vector"),
        ("vector(1)", "vector"),
        ("a[1m]", "matrix"),
        ("(a[1m:])", "matrix"),
        ("'a'", "string"),
    ],
)
def test_result_types(query, kind):
    assert result_type(parse(query)) == kind
