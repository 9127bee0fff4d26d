"""Printing: what is printed reads back as the same tree; no text crashes the reader."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import parse, to_text
from aiops_mcp.logql.tree import (
    Binary,
    Both,
    BytesTest,
    Decolorize,
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

names = st.sampled_from(
    ["app", "a", "line_format", "rate", "sum", "_b", "level", "ip", "vector", "duration"]
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
regexes = st.sampled_from([".*", "a|b", "(?i)x", "[0-9]+", "\\.", '"', "\\pL", "[[:alpha:]]"])
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
durations = st.integers(1, 10**16)
matchers = st.one_of(
    st.builds(Matcher, names, st.sampled_from(["=", "!="]), texts),
    st.builds(Matcher, names, st.sampled_from(["=~", "!~"]), regexes),
)
selectors = st.builds(
    lambda more: Selector((Matcher("app", "=", "x"), *more)), st.lists(matchers, max_size=2)
)
comparisons = st.sampled_from(["==", "!=", "<", ">", "<=", ">="])
tests = st.recursive(
    st.one_of(
        st.builds(StringTest, matchers),
        st.builds(NumberTest, names, comparisons, numbers),
        st.builds(DurationTest, names, comparisons, st.integers(-(10**16), 10**16)),
        st.builds(BytesTest, names, comparisons, st.integers(0, 10**15)),
        st.builds(IpTest, names, st.sampled_from(["=", "!="]), texts),
    ),
    lambda inner: st.one_of(st.builds(Both, inner, inner), st.builds(Either, inner, inner)),
    max_leaves=5,
)


def tuples(of, most=3):
    return st.lists(of, min_size=1, max_size=most).map(tuple)


# A bare name at the end would take the sign of a line filter that follows as its own.
named = st.builds(
    lambda some, last: (*some, last), st.lists(st.one_of(names, matchers), max_size=2), matchers
)
extractions = st.lists(st.builds(Extraction, names, texts), max_size=2).map(tuple)
stages = st.one_of(
    st.builds(
        LineFilter,
        st.sampled_from(["|=", "!="]),
        tuples(st.builds(LineMatch, texts, st.booleans())),
    ),
    st.builds(LineFilter, st.sampled_from(["|~", "!~"]), tuples(st.builds(LineMatch, regexes))),
    st.builds(LineFilter, st.sampled_from(["|>", "!>"]), tuples(st.builds(LineMatch, texts))),
    st.builds(Json, extractions),
    st.builds(Logfmt, extractions, st.booleans(), st.booleans()),
    st.sampled_from([Pattern("<a> <_>"), Regexp("(?P<a>x)"), Unpack(), Decolorize()]),
    st.builds(LabelFilter, tests),
    st.builds(LineFormat, texts),
    st.builds(
        LabelFormat,
        st.lists(
            st.one_of(st.builds(LabelRename, names, names), st.builds(LabelTemplate, names, texts)),
            min_size=1,
            max_size=3,
            unique_by=lambda one: one.name,
        ).map(tuple),
    ),
    st.builds(Drop, named),
    st.builds(Keep, named),
)
log_queries = st.builds(LogQuery, selectors, st.lists(stages, max_size=4).map(tuple))
groupings = st.builds(Grouping, st.lists(names, max_size=2).map(tuple), st.booleans())
offsets = st.one_of(st.just(0), st.integers(-(10**16), 10**16))
ranges = st.one_of(
    st.builds(
        RangeAggregation,
        st.sampled_from(["rate", "count_over_time", "bytes_rate"]),
        log_queries,
        durations,
        st.none(),
        offsets,
    ),
    st.builds(
        RangeAggregation,
        st.just("quantile_over_time"),
        log_queries,
        durations,
        st.builds(
            Unwrap,
            names,
            st.sampled_from(["", "duration", "duration_seconds", "bytes"]),
            st.lists(tests, max_size=2).map(tuple),
        ),
        offsets,
        numbers,
        st.one_of(st.none(), groupings),
    ),
)
matchings = st.builds(
    lambda on, labels, group, include: Matching(on, labels, group, include if group else ()),
    st.booleans(),
    st.lists(names, max_size=2).map(tuple),
    st.sampled_from(["", "left", "right"]),
    st.lists(names, max_size=2).map(tuple),
)


def combined(inner):
    arithmetic = st.sampled_from(["+", "-", "*", "/", "%", "^"])
    return st.one_of(
        st.builds(
            VectorAggregation,
            st.sampled_from(["sum", "avg", "max", "count"]),
            inner,
            st.none(),
            st.one_of(st.none(), groupings),
        ),
        st.builds(
            VectorAggregation, st.sampled_from(["topk", "bottomk"]), inner, st.integers(1, 9)
        ),
        st.builds(VectorAggregation, st.sampled_from(["sort", "sort_desc"]), inner),
        st.builds(LabelReplace, inner, texts, texts, texts, regexes),
        st.builds(
            Binary, arithmetic, inner, inner, st.just(False), st.one_of(st.none(), matchings)
        ),
        st.builds(Binary, comparisons, inner, inner, st.booleans()),
        st.builds(Binary, st.sampled_from(["and", "or", "unless"]), inner, inner),
    )


metric_queries = st.recursive(
    st.one_of(st.builds(Number, numbers), st.builds(VectorNumber, numbers), ranges),
    combined,
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(log_queries, metric_queries))
def test_what_is_printed_reads_back(query):
    text = to_text(query)
    again = parse(text)
    assert again == query
    assert to_text(again) == text


pieces = st.sampled_from(
    [
        "{", "}", "(", ")", "[", "]", "|", "|=", "!=", "=~", '"', '"x"', "`", "=", ",", "a", "json",
        "logfmt", "unwrap", "5m", "[5m]", "1", "1e9", "rate(", "sum", "by", "topk(", "offset", "-",
        "and", "or", "bool", "on", "#", "\n", "\\", "é", "\x00", "ip(", "20MB", "--strict", '{a="b"}',
    ]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(pieces, max_size=20).map(" ".join)))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        query = parse(text)
    except InvalidLogql as error:
        place = error.details["position"]
    else:
        place = 0
        assert to_text(parse(to_text(query))) == to_text(query)
    assert 0 <= place <= len(text)
