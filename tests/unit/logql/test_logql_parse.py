"""Reading LogQL: what becomes of each form, and how a fault is told."""

import pytest

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import as_log_query, is_metric, parse, parse_selector, selectors, to_text
from aiops_mcp.logql.quantities import format_duration, parse_bytes, parse_duration
from aiops_mcp.logql.tree import (
    Binary,
    Both,
    BytesTest,
    Drop,
    DurationTest,
    Either,
    Extraction,
    Grouping,
    IpTest,
    Json,
    Keep,
    LabelFilter,
    LabelFormat,
    LabelRename,
    LabelReplace,
    LabelTemplate,
    LineFilter,
    LineFormat,
    LineMatch,
    Logfmt,
    LogQuery,
    Matcher,
    Matching,
    Number,
    NumberTest,
    Pattern,
    RangeAggregation,
    Regexp,
    Selector,
    StringTest,
    Unpack,
    Unwrap,
    VectorAggregation,
    VectorNumber,
)

MINUTE = 60_000_000_000
APP = Selector((Matcher("app", "=", "x"),))


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ('|= "a"', LineFilter("|=", (LineMatch("a"),))),
        ('!= "a" or "b"', LineFilter("!=", (LineMatch("a"), LineMatch("b")))),
        ("|~ `a\\d`", LineFilter("|~", (LineMatch("a\\d"),))),
        ('|= ip("10.0.0.0/8")', LineFilter("|=", (LineMatch("10.0.0.0/8", ip=True),))),
        ('|> "<_>done<_>"', LineFilter("|>", (LineMatch("<_>done<_>"),))),
        ("| json", Json()),
        ('| json a="b.c", d', Json((Extraction("a", "b.c"), Extraction("d", "d")))),
        ("| logfmt --strict --keep-empty", Logfmt((), strict=True, keep_empty=True)),
        ('| pattern "<_> <status>"', Pattern("<_> <status>")),
        ('| regexp "(?P<a>.+)"', Regexp("(?P<a>.+)")),
        ("| unpack", Unpack()),
        ('| line_format "{{.a}}"', LineFormat("{{.a}}")),
        (
            '| label_format a=b, c="{{.d}}"',
            LabelFormat((LabelRename("a", "b"), LabelTemplate("c", "{{.d}}"))),
        ),
        ('| drop a, b="c"', Drop(("a", Matcher("b", "=", "c")))),
        ("| keep a", Keep(("a",))),
        ('| a=~"b.*"', LabelFilter(StringTest(Matcher("a", "=~", "b.*")))),
        ("| a >= 5", LabelFilter(NumberTest("a", ">=", 5.0))),
        ("| a = -5", LabelFilter(NumberTest("a", "==", -5.0))),
        ("| took > 1h1m", LabelFilter(DurationTest("took", ">", 61 * MINUTE))),
        ("| size < 1.5KiB", LabelFilter(BytesTest("size", "<", 1536))),
        ("| size < 20kb", LabelFilter(BytesTest("size", "<", 20000))),
        ('| addr != ip("::1")', LabelFilter(IpTest("addr", "!=", "::1"))),
        ('| json="x"', LabelFilter(StringTest(Matcher("json", "=", "x")))),
    ],
)
def test_a_stage_is_read(text, stage):
    assert parse('{app="x"} ' + text) == LogQuery(APP, (stage,))


def test_conjunctions_bind_stronger_than_alternatives():
    one, two, three = (NumberTest(name, "==", 1.0) for name in "abc")
    for both in ("a == 1 and b == 1", "a == 1, b == 1", "a == 1 b == 1"):
        found = as_log_query('{app="x"} | ' + both + " or c == 1").stages
        assert found == (LabelFilter(Either(Both(one, two), three)),)
    grouped = as_log_query('{app="x"} | a == 1 and (b == 1 or c == 1)').stages
    assert grouped == (LabelFilter(Both(one, Either(two, three))),)


def test_a_line_filter_behind_a_parser_is_no_label_filter():
    found = as_log_query('{app="x"} | json != "x" | a != "y" != "z"').stages
    assert found == (
        Json(),
        LineFilter("!=", (LineMatch("x"),)),
        LabelFilter(StringTest(Matcher("a", "!=", "y"))),
        LineFilter("!=", (LineMatch("z"),)),
    )


@pytest.mark.parametrize(
    "text",
    [
        'rate({app="x"} |= "a" [5m] offset 1h)',
        'rate({app="x"} [5m] offset 1h |= "a")',
        'rate(({app="x"} |= "a")[5m] offset 1h)',
        'rate(({app="x"} |= "a" [5m] offset 1h))',
    ],
)
def test_the_range_may_stand_in_three_places(text):
    query = LogQuery(APP, (LineFilter("|=", (LineMatch("a"),)),))
    assert parse(text) == RangeAggregation("rate", query, 5 * MINUTE, offset=60 * MINUTE)


def test_an_unwrapped_range_keeps_its_conversion_filters_and_grouping():
    text = (
        'quantile_over_time(0.99, {app="x"} | json | unwrap duration(t) | __error__="" [1m]) by (a)'
    )
    assert parse(text) == RangeAggregation(
        "quantile_over_time",
        LogQuery(APP, (Json(),)),
        MINUTE,
        Unwrap("t", "duration", (StringTest(Matcher("__error__", "=", "")),)),
        parameter=0.99,
        grouping=Grouping(("a",)),
    )


def test_grouping_may_stand_before_or_behind():
    inner = RangeAggregation("count_over_time", LogQuery(APP), MINUTE)
    topk = VectorAggregation("topk", inner, 3, Grouping(("a", "b"), without=True))
    assert parse('topk without (a, b) (3, count_over_time({app="x"}[1m]))') == topk
    assert parse('topk(3, count_over_time({app="x"}[1m])) without (a, b)') == topk


def test_operators_bind_as_in_loki():
    found = parse("1 + 2 * 3 ^ 4 ^ -5 > bool 6 or vector(7)")
    power = Binary("^", Number(3), Binary("^", Number(4), Number(-5)))
    total = Binary("+", Number(1), Binary("*", Number(2), power))
    assert found == Binary("or", Binary(">", total, Number(6), return_bool=True), VectorNumber(7))


def test_vector_matching_is_read():
    rate = RangeAggregation("rate", LogQuery(APP), MINUTE)
    text = 'rate({app="x"}[1m]) / on (a) group_left (b) rate({app="x"}[1m])'
    assert parse(text) == Binary("/", rate, rate, matching=Matching(True, ("a",), "left", ("b",)))


def test_label_replace_is_read():
    text = 'label_replace(rate({app="x"}[1m]), "to", "$1", "from", "(.*)")'
    rate = RangeAggregation("rate", LogQuery(APP), MINUTE)
    assert parse(text) == LabelReplace(rate, "to", "$1", "from", "(.*)")


def test_comments_and_blanks_mean_nothing():
    assert parse('{app="x"} # why\n |= "a" # so') == parse('{app="x"}|="a"')


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("", "line 1, col 1: syntax error: unexpected $end", 0),
        ("{app}", "line 1, col 5: syntax error: unexpected }, expecting =", 4),
        ('{app="x"', "line 1, col 9: syntax error: unexpected $end, expecting }", 8),
        ('{app="x}', "line 1, col 6: literal not terminated", 5),
        ("{app='x'}", "line 1, col 6: syntax error: unexpected '", 5),
        ('\n{app=~"("}', "line 2, col 7: error parsing regexp", 7),
        ('{app=~"(?!a)b"}', "invalid or unsupported Perl syntax", 6),
        ('{app=~".*"}', "at least one regexp or equality matcher", 0),
        ('{app="x"} |= 5', "unexpected NUMBER, expecting STRING", 13),
        ('{app="x"} | regexp "a"', "at least one named capture", 19),
        ('{app="x"} | pattern "a"', "at least one capture", 20),
        ('{app="x"} | pattern "<a><b>"', "consecutive capture", 20),
        ('{app="x"} | a > "5"', "unexpected STRING", 16),
        ('{app="x"} | label_format a=b, a=c', "multiple label name", 30),
        ('{app="x"} | unwrap a', "unexpected |", 10),
        ('{app="x"} more', "unexpected IDENTIFIER", 10),
        ('rate({app="x"})', "unexpected ), expecting [", 14),
        ('rate({app="x"}[5])', "unexpected NUMBER, expecting DURATION", 15),
        ('sum_over_time({app="x"}[1m])', "invalid aggregation sum_over_time without unwrap", 0),
        ('count_over_time({app="x"} | unwrap a [1m])', "with unwrap", 0),
        ('rate({app="x"}[1m]) by (a)', "grouping not allowed for rate aggregation", 0),
        ('topk(0, rate({app="x"}[1m]))', "must be greater than 0", 5),
        ('topk(rate({app="x"}[1m]))', "parameter required", 5),
        ("1 + bool 2", "bool modifier", 2),
        ('"\\q"', "unexpected STRING", 0),
        ('{app="\\q"}', "invalid char escape", 6),
        ('{a="x"} | b > 999999999999y', "invalid quantity", 14),
        ("up", "unexpected IDENTIFIER", 0),
        ("(" * 500, "nests deeper", 101),
        ("1" + " + 1" * 500, "nests deeper", 404),
        ("x" * 200_000, "input size too long", 0),
    ],
)
def test_a_fault_says_what_and_where(text, message, position):
    with pytest.raises(InvalidLogql) as caught:
        parse(text)
    assert message in caught.value.message
    assert caught.value.details["position"] == position


def test_where_lines_are_needed_numbers_are_refused():
    assert as_log_query('{app="x"}') == LogQuery(APP)
    with pytest.raises(InvalidLogql, match="only log selectors"):
        as_log_query('rate({app="x"}[1m])')
    assert not is_metric(parse('{app="x"}'))
    assert is_metric(parse("1"))


def test_a_bare_selector_may_match_everything():
    assert parse_selector("{}") == Selector(())
    with pytest.raises(InvalidLogql):
        parse_selector('{app="x"} |= "a"')


@pytest.mark.parametrize(
    ("text", "selective"),
    [
        ('{a="b"}', True),
        ('{a=""}', False),
        ('{a!="b"}', False),
        ('{a!=""}', True),
        ('{a=~".+"}', True),
        ('{a=~"b|"}', False),
        ('{a!~".+"}', False),
        ('{a!~".*"}', True),
        ('{a!="b", c=~"d.*"}', True),
    ],
)
def test_a_selector_is_selective_by_a_matcher_that_wants_something(text, selective):
    assert parse_selector(text).is_selective is selective


def test_selectors_come_with_their_ranges():
    found = selectors(
        parse(
            'sum(rate({app="x"} |= "a" [5m] offset 1h)) / count_over_time({b="c"}[1m]) + vector(1)'
        )
    )
    assert [(to_text(use.selector), use.range, use.offset) for use in found] == [
        ('{app="x"}', 5 * MINUTE, 60 * MINUTE),
        ('{b="c"}', MINUTE, 0),
    ]
    assert [use.query.selector for use in selectors(parse('{app="x"} | json'))] == [APP]


def test_quantities_are_read_and_written():
    assert parse_duration("1h30m") == 90 * MINUTE
    assert parse_duration("1.5s") == 1_500_000_000
    assert parse_duration("250µs") == 250_000
    assert parse_duration("5") is None
    assert parse_duration("9" * 50 + "s") is None
    assert format_duration(90 * MINUTE + 1) == "1h30m1ns"
    assert format_duration(0) == "0s"
    assert format_duration(-MINUTE) == "-1m"
    assert (parse_bytes("42B"), parse_bytes("2MiB"), parse_bytes("x")) == (42, 2**21, None)
