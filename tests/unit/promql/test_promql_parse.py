"""Reading PromQL: the tree, what the parser library lacks, and where a fault lies."""

import pytest

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.promql import parse, parse_selector
from aiops_mcp.promql.parse import prettify
from aiops_mcp.promql.tree import (
    Aggregate,
    Binary,
    Call,
    DurationFormula,
    Matcher,
    Matching,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
    duration_ms,
)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("up", Selector("up")),
        ('up{a="b",c!~"d.*"}', Selector("up", (Matcher("a", "=", "b"), Matcher("c", "!~", "d.*")))),
        ('{__name__="up"}', Selector("up")),
        ('up{or="b"}', Selector("up", (Matcher("or", "=", "b"),))),
        ('{"my.metric","a.b"="c"}', Selector("my.metric", (Matcher("a.b", "=", "c"),))),
        ("up offset 5m", Selector("up", (), 300_000)),
        ("up offset -1h30m", Selector("up", (), -5_400_000)),
        ("up @ 1.5", Selector("up", (), 0, 1500)),
        ("up @ -0.001 offset 1ms", Selector("up", (), 1, -1)),
        ("up @ start()", Selector("up", (), 0, "start")),
        ("up @ end()", Selector("up", (), 0, "end")),
        ("up[5m]", Range(Selector("up"), 300_000)),
        ("up[300]", Range(Selector("up"), 300_000)),
        ("up[5m + 1m * 2]", Range(Selector("up"), 420_000)),
        ("up[2 ^ 3 - 1]", Range(Selector("up"), 7000)),
        ("up[max(1m, 90s)]", Range(Selector("up"), 90_000)),
        ("up[5m:]", Subquery(Selector("up"), 300_000)),
        ("up[5m:1m] offset 2m", Subquery(Selector("up"), 300_000, 60_000, 120_000)),
        ("up offset (1h + 5m)", Selector("up", (), 3_900_000)),
        ("offset", Selector("offset")),
        ("offset offset 1s", Selector("offset", (), 1000)),
        ("1_000", Number(1000.0)),
        ("0x1F", Number(31.0)),
        ("017", Number(15.0)),
        ("08", Number(8.0)),
        ("-1", Number(-1.0)),
        ("5m", Number(300.0)),
        (r"'it\'s'", String("it's")),
        (r"`a\d`", String(r"a\d")),
        (r'"\x41\u00e9\101\n"', String("AéA\n")),
        ("-up", Unary("-", Selector("up"))),
        ("(up)", Paren(Selector("up"))),
        ("-up ^ 2", Unary("-", Binary("^", Selector("up"), Number(2.0)))),
        ("rate(up[1m])", Call("rate", (Range(Selector("up"), 60_000),))),
        (
            "holt_winters(up[1m], 0.5, 0.1)",
            Call("holt_winters", (Range(Selector("up"), 60_000), Number(0.5), Number(0.1))),
        ),
        ("sum(up) by (a)", Aggregate("sum", Selector("up"), None, ("a",))),
        ("SUM WITHOUT (a) (up)", Aggregate("sum", Selector("up"), None, ("a",), True)),
        ('sum by ("a.b") (up)', Aggregate("sum", Selector("up"), None, ("a.b",))),
        ("topk(3, up)", Aggregate("topk", Selector("up"), Number(3.0))),
        ("a > bool 1", Binary(">", Selector("a"), Number(1.0), True)),
        (
            "a and b",
            Binary("and", Selector("a"), Selector("b"), False, Matching("many-to-many")),
        ),
        (
            "a / on (x) group_left (y) b",
            Binary(
                "/",
                Selector("a"),
                Selector("b"),
                False,
                Matching("many-to-one", True, ("x",), ("y",)),
            ),
        ),
        (
            "a + ignoring (x) group_right fill_left (0) b",
            Binary(
                "+",
                Selector("a"),
                Selector("b"),
                False,
                Matching("one-to-many", False, ("x",), (), 0.0, None),
            ),
        ),
    ],
)
def test_reads(text, node):
    assert parse(text) == node


@pytest.mark.parametrize("pattern", [".*{{.*}}", r"(?i)a|b", r"\d+", r"a\.b", "[[:alpha:]]+"])
def test_takes_regular_expressions_of_re2(pattern):
    assert parse(f"up{{a=~`{pattern}`}}").matchers == (Matcher("a", "=~", pattern),)


def test_reads_durations_that_depend_on_the_query():
    node = parse("up[step() * 4]")
    assert node.range == DurationFormula("*", (DurationFormula("step", ()), 4000))
    assert duration_ms(node.range, step_ms=15_000, range_ms=0) == 60_000
    offset = parse("up offset -min(1h, range())").offset
    assert duration_ms(offset, step_ms=1, range_ms=600_000) == -600_000


@pytest.mark.parametrize(
    ("op", "expected"),
    [("+", 7000), ("-", 3000), ("*", 10_000), ("/", 2500), ("%", 1000), ("^", 25_000)],
)
def test_duration_arithmetic_counts_in_seconds(op, expected):
    node = parse(f"up[range() {op} 2]")
    assert duration_ms(node.range, step_ms=1, range_ms=5000) == expected


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("", 0, "no expression"),
        ("  # nothing", 0, "no expression"),
        ("foo(x", 5, "end of input inside parenthesis"),
        ("up{", 3, "end of input inside braces"),
        ("up[5m", 5, "inside square brackets"),
        ("up)", 2, "nothing is open"),
        ("(up]", 3, 'expected ")"'),
        ("a + foo(x)", 4, "unknown function"),
        ("rate(a[5m]) + rate(b)", 14, "expected type"),
        ("abs(a) + sum(rate(b))", 13, "expected type"),
        ("a b", 2, 'unexpected identifier "b"'),
        ("a +", 3, "end of input"),
        ("a + * b", 4, 'unexpected "*"'),
        ("1 2", 2, "unexpected number"),
        ("a 'x'", 2, "unexpected string"),
        ("sum by (a b) (c)", 10, "in grouping opts"),
        ("sum(a,)", 6, 'unexpected ")"'),
        ("a{b=c}", 4, "in label matching"),
        ("a{b=='c'}", 3, "in label matching"),
        ("a{b='c' d='e'}", 8, "in label matching"),
        ('a + "x', 4, "unterminated"),
        (r'a{b="\q"}', 5, "escape"),
        ("a[5x]", 2, "bad number or duration"),
        ("a[5m1]", 2, "bad number or duration"),
        ("a[-5m]", 2, "greater than 0"),
        ("a[5m:0s]", 5, "greater than 0"),
        ("a[b]", 2, "expected a duration"),
        ("a[5m 1]", 5, 'expected ":" or "]"'),
        ("a[1m / 0]", 5, "no such duration"),
        ("a offset", 8, "end of input in offset"),
        ("a offset b", 9, "expected a duration"),
        ("a @ b", 4, "expected timestamp"),
        ("a @", 3, "expected timestamp"),
        ("a ? b", 2, "unexpected character"),
        ("1e1000", 0, "out of range"),
        ("a * {}", 4, "non-empty matcher"),
        ('{a=~".*"}', 0, "non-empty matcher"),
        ('{a!="x"}', 0, "non-empty matcher"),
        ('a * b{__name__="c"}', 4, "set twice"),
        ('b{a=~"("}', 5, "regexp"),
        ('a{b="1" or c="2"}', 8, 'unexpected "or"'),
        ("a and b c", 8, "unexpected identifier"),
        ("a > bool", 8, "end of input"),
        ("sum without a", 12, 'unexpected identifier "a"'),
        ("a on b", 2, 'unexpected identifier "on"'),
        ("a, b", 1, 'unexpected ","'),
        ("(a, b)", 2, 'unexpected ","'),
        ("a (b)", 0, "unknown function"),
        ("1 (b)", 2, 'unexpected "("'),
        ("1 == 1", 0, "BOOL"),
        ("1 + info(up, sum(a))", 4, "label selectors"),
        ("a[1e30]", 2, "out of range"),
        ("a[1e999]", 2, "out of range"),
        ("a offset 1e30", 9, "out of range"),
        ("a @ 1e30", 4, "out of bounds"),
        ("-on", 1, 'unexpected identifier "on"'),
    ],
)
def test_says_what_is_wrong_and_where(text, position, part):
    with pytest.raises(InvalidPromql) as caught:
        parse(text)
    assert part in caught.value.message
    assert caught.value.position == position


def test_line_and_column_count_from_one():
    with pytest.raises(InvalidPromql) as caught:
        parse("sum(\n  foo(x)\n)")
    assert caught.value.details == {"position": 7, "line": 2, "column": 3}
    assert caught.value.message.startswith("2:3: parse error: ")
    assert (caught.value.code, caught.value.status) == ("INVALID_PROMQL", 400)


def test_messages_show_the_query_not_the_stand_ins():
    with pytest.raises(InvalidPromql) as caught:
        parse('abs("text")')
    assert "\u00a7" not in caught.value.message


def test_a_selector_alone_is_asked_for():
    assert parse_selector('a{b="c"}') == Selector("a", (Matcher("b", "=", "c"),))
    for text in ("a[5m]", "a offset 1m", "a @ 1", "sum(a)", "1"):
        with pytest.raises(InvalidPromql, match="series selector"):
            parse_selector(text)


def test_prettify_breaks_long_queries_over_lines():
    assert prettify("sum(a)by(b)") == "sum by (b) (a)"
    long = " + ".join(["sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))"] * 3)
    assert prettify(long).count("\n") > 2
    with pytest.raises(InvalidPromql) as caught:
        prettify("sum(a) 1")
    assert caught.value.position == 7


@pytest.mark.parametrize("query", ['{a!=""}', '{a=~".+"}', '{a!~".*"}', '{a!="x", b="y"}'])
def test_a_selector_without_a_name_needs_one_matcher_that_says_something(query):
    node = parse(query)
    assert isinstance(node, Selector)
    assert node.name == ""
    assert node.matchers[0].name == "a"
