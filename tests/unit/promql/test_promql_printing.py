"""Printing: what is printed reads back as the same tree."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.promql import parse, to_text
from aiops_mcp.promql.tokens import format_duration, parse_duration
from aiops_mcp.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Matcher,
    Matching,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
)


def bare(value):
    """The tree without parentheses, which the printer adds where precedence asks for them."""
    if isinstance(value, Paren):
        return bare(value.expr)
    # A literal with a sign and a signed literal are the same text.
    if isinstance(value, Unary) and isinstance(bare(value.expr), Number):
        inner = bare(value.expr).value
        return "NaN" if math.isnan(inner) else Number(-inner)
    if isinstance(value, Number) and math.isnan(value.value):
        return "NaN"
    if isinstance(value, tuple):
        return tuple(bare(one) for one in value)
    if dataclasses.is_dataclass(value):
        return type(value)(*(bare(getattr(value, f.name)) for f in dataclasses.fields(value)))
    return value


legacy = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
names = st.one_of(
    legacy, st.sampled_from(["on", "by", "offset", "inf", "nan", "a.b", "é x", "and"])
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
durations = st.integers(1, 10**10)
offsets = st.one_of(st.just(0), st.integers(-(10**9), 10**9))
ats = st.one_of(st.none(), st.sampled_from(["start", "end"]), st.integers(-(10**12), 10**13))
literals = st.builds(Number, st.floats(width=64))
matchers = st.builds(
    Matcher,
    names,
    st.sampled_from(["=", "!="]),
    texts,
)
selectors = st.builds(
    Selector, names, st.lists(matchers, max_size=3).map(tuple), offsets, ats
).filter(lambda s: all(m.name != "__name__" for m in s.matchers))
ranges = st.builds(Range, selectors, durations)
label_lists = st.lists(names, max_size=3, unique=True).map(tuple)


def vectors(inner):
    scalar_ops = st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2"])
    comparisons = st.sampled_from(["==", "!=", "<", ">", "<=", ">="])
    one = st.builds(Matching, st.just("one-to-one"), st.booleans(), label_lists)
    many = st.builds(
        Matching,
        st.sampled_from(["many-to-one", "one-to-many"]),
        st.booleans(),
        label_lists,
        st.lists(names, max_size=2, unique=True).map(tuple),
    ).filter(lambda m: not (m.on and set(m.labels) & set(m.include)))
    sets = st.builds(Matching, st.just("many-to-many"), st.booleans(), label_lists)
    matching = st.one_of(one, many)
    return st.one_of(
        st.builds(Unary, st.just("-"), inner),
        st.builds(Paren, inner),
        st.builds(Call, st.just("abs"), st.tuples(inner)),
        st.builds(Call, st.just("rate"), st.tuples(ranges)),
        st.builds(
            Call,
            st.just("max_over_time"),
            st.tuples(st.builds(Subquery, inner, durations, st.none() | durations, offsets, ats)),
        ),
        st.builds(Aggregate, st.just("sum"), inner, st.none(), label_lists, st.booleans()),
        st.builds(Aggregate, st.just("topk"), inner, literals, label_lists, st.booleans()),
        st.builds(Aggregate, st.just("count_values"), inner, st.builds(String, texts)),
        st.builds(Binary, scalar_ops, inner, inner, st.just(False), matching),
        st.builds(Binary, comparisons, inner, inner, st.booleans(), matching),
        st.builds(
            Binary, st.sampled_from(["and", "or", "unless"]), inner, inner, st.just(False), sets
        ),
        st.builds(Binary, scalar_ops, literals, inner),
        st.builds(Binary, scalar_ops, inner, literals),
    )


trees = st.recursive(selectors, vectors, max_leaves=8)


@given(trees)
@settings(max_examples=400, deadline=None)
def test_what_is_printed_reads_back(tree):
    text = to_text(tree)
    assert repr(bare(parse(text))) == repr(bare(tree)), text


@pytest.mark.parametrize(
    "text",
    [
        "a + b * c",
        "(a + b) * c",
        "a - (b - c)",
        "2 ^ 3 ^ a",
        "(2 ^ 3) ^ a",
        "-a ^ 2",
        "(-a) ^ 2",
        'sum by (a, "b.c") (rate(x{d=~"e|f"}[5m] offset 1h))',
        "sum without () (a)",
        "topk by (a) (3, b)",
        "a / on (b) group_left (c) d",
        "a / ignoring () group_right () d",
        "a + fill (0) b",
        "a + on (c) fill_left (1) b",
        "a > bool 1",
        '{"my.metric",a="b"}',
        "max_over_time(rate(a[5m])[1h30m:1m] @ 1.500 offset -5m)",
        "a @ start()",
        "a[step() * 4s]",
        "a offset (-(min(5m, step())))",
        "a[(step() + 1m) * 2s]",
        'label_replace(a, "b", "$1\\n\\"", "c", "(.*)")',
        "NaN",
        "+Inf",
        "1e-300",
    ],
)
def test_canonical_text_is_a_fixed_point(text):
    first = to_text(parse(text))
    assert to_text(parse(first)) == first
    assert repr(bare(parse(first))) == repr(bare(parse(text)))


@pytest.mark.parametrize(
    ("messy", "tidy"),
    [
        ("sum(a)by(b)", "sum by (b) (a)"),
        ("sum by () (a)", "sum(a)"),
        ("a{b='c',}", 'a{b="c"}'),
        ("{__name__='a',b='c'}", 'a{b="c"}'),
        ("a[90m]", "a[1h30m]"),
        ("a[7d]", "a[1w]"),
        ("a[36h]", "a[1d12h]"),
        ("a[365d]", "a[1y]"),
        ("a==bool b", "a == bool b"),
        ("1_000 + 0x10", "1000 + 16"),
        ("-1 ^ 2", "-1 ^ 2"),
        ("a @ 5", "a @ 5.000"),
        ("a and ignoring(x) b", "a and ignoring (x) b"),
    ],
)
def test_prints_in_one_form(messy, tidy):
    assert to_text(parse(messy)) == tidy


@given(st.integers(0, 10**14))
def test_durations_read_back(milliseconds):
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "m", "5m5h", "-5m", "1.5h", "5 m"])
def test_what_is_no_duration(text):
    assert parse_duration(text) is None
