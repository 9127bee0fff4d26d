"""What matters about one trace, and how it differs from normal ones."""

from dataclasses import replace

import pytest

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_compare import compare, profile
from aiops_mcp.analysis.traces_graph import service_calls
from aiops_mcp.analysis.traces_groups import group, percentile, unite
from aiops_mcp.analysis.traces_patterns import call_name, call_names, repetitions
from aiops_mcp.analysis.traces_summary import MOST_STEPS, summarise
from aiops_mcp.models.spans import FoundTrace, SpanKind, SpanRecord, SpanStatus
from aiops_mcp.models.traces import CallShape, DifferenceKind

MS = 1_000_000
TRACE = "a" * 32


def span(ident, parent="", start=0, took=10, name=None, service="web", error=None, **attributes):
    return SpanRecord(
        TRACE, ident, parent, name or ident, service, SpanKind.INTERNAL, (1000 + start) * MS,
        took * MS, SpanStatus.UNSET if error is None else SpanStatus.ERROR, error or "",
        {key.replace("__", "."): value for key, value in attributes.items()}, {}, (),
    )  # fmt: skip


def n_plus_one(count=48, took=10, start=0):
    """checkout POST /order asks the cart once, then the database for each item."""
    spans = [
        span("r", "", start, 40 + count * took, "POST /order", "checkout"),
        span("cart", "r", start + 5, 20, "GET /cart", "cart"),
    ]
    spans += [
        span(f"q{n}", "r", start + 30 + n * took, took, f"SELECT item WHERE id = {n}", "db")
        for n in range(count)
    ]
    return spans


def summary(spans, **more):
    return summarise(assemble({"hub": spans, **more})).summary


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SELECT * FROM t WHERE id = 17", "SELECT * FROM t WHERE id = ?"),
        ("SELECT 'it''s' , 'x'", "SELECT ? , ?"),
        ("GET /v1/users/42/orders", "GET /v1/users/?/orders"),
        ("GET /o/6f1bd6fb-1111-4222-8333-0a0b0c0d0e0f", "GET /o/?"),
        ("get deadbeefcafe0123 now", "get ? now"),
        ("HTTP/1.1 GET", "HTTP/? GET"),
        ("facade", "facade"),
        ("s3.PutObject", "s3.PutObject"),
        ("a\n  b", "a b"),
    ],
)
def test_a_call_s_name_without_what_varies(name, expected):
    assert call_name(span("x", name=name)) == expected


def test_where_the_name_says_only_query_the_query_stands_for_it():
    told = span("x", name="query", db__statement="SELECT 1")
    assert call_name(told) == "SELECT ?"
    assert call_name(span("x", name="query")) == "query"
    assert call_names([told, span("y", name="a 1"), span("z", name="a 1")]) == [
        "SELECT ?",
        "a ?",
        "a ?",
    ]


def test_a_long_name_is_cut():
    assert len(call_name(span("x", name="long " * 100))) == 120


# --- repetition -----------------------------------------------------------------------------


def test_n_plus_one():
    [found] = summary(n_plus_one()).repeated
    assert (found.parent_service, found.parent_operation) == ("checkout", "POST /order")
    assert (found.service_name, found.operation_name) == ("db", "SELECT item WHERE id = ?")
    assert (found.count, found.shape) == (48, CallShape.SEQUENTIAL)
    assert found.total_ms == 480
    assert found.share == pytest.approx(480 / 520)


def test_fan_out_is_parallel():
    spans = [span("r", took=100), *(span(f"{n}", "r", 5, 80, "ask", "shard") for n in range(16))]
    [found] = summary(spans).repeated
    assert (found.count, found.shape) == (16, CallShape.PARALLEL)
    assert (found.share, found.total_ms) == (0.8, 16 * 80)


def test_few_or_short_repetitions_are_not_told():
    assert summary(n_plus_one(count=4)).repeated == ()
    quick = [span("r", took=10_000), *(span(f"{n}", "r", n, 1, "x") for n in range(10))]
    assert summary(quick).repeated == ()
    many = [span("r", took=10_000), *(span(f"{n}", "r", n, 1, "x") for n in range(20))]
    assert [each.count for each in summary(many).repeated] == [20]
    trace = assemble({"hub": quick})
    assert len(repetitions(trace, call_names(trace.spans))) == 1


# --- the summary ----------------------------------------------------------------------------


def test_the_critical_path_is_told_by_operation():
    found = summary(n_plus_one())
    steps = {step.operation_name: step for step in found.critical_path}
    assert list(steps) == ["POST /order", "GET /cart", "SELECT item WHERE id = ?"]
    query = steps["SELECT item WHERE id = ?"]
    assert (query.count, query.self_ms, query.cluster_name) == (48, 480, "hub")
    assert query.share == pytest.approx(480 / 520)
    assert sum(step.share for step in found.critical_path) == pytest.approx(1)
    assert found.total_ms == 520
    assert found.services == ("checkout", "cart", "db")


def test_a_long_path_keeps_its_largest_steps_in_order():
    count = MOST_STEPS + 10
    spans = [span("r", took=10 * count * (count + 1), name="root")]
    start = 0
    for n in range(count):
        spans.append(span(f"s{n}", "r", start, 20 * (n + 1), f"op-{chr(97 + n)}"))
        start += 20 * (n + 1)
    found = summary(spans).critical_path
    assert len(found) == MOST_STEPS
    assert [step.operation_name for step in found] == [
        f"op-{chr(97 + n)}" for n in range(count - MOST_STEPS, count)
    ]


def test_failures_begin_with_their_origin():
    spans = [
        span("r", "", 0, 100, "POST /order", "checkout", error="upstream failed"),
        span("p", "r", 10, 80, "charge", "payment", error="card declined"),
        span("q", "r", 20, 10, "charge", "payment", error="card declined"),
        span("db", "p", 30, 10, "INSERT", "db", error="deadlock"),
    ]
    found = summary(spans)
    assert [(one.service_name, one.message, one.count) for one in found.failing] == [
        ("payment", "card declined", 1),
        ("db", "deadlock", 1),
        ("checkout", "upstream failed", 1),
        ("payment", "card declined", 1),
    ]
    assert found.failing_count == 4


def test_equal_failures_are_one():
    spans = [span("r", took=100), *(span(f"{n}", "r", n, 1, "x", "s", "no") for n in range(30))]
    found = summary(spans)
    assert [(one.count, one.message) for one in found.failing] == [(30, "no")]
    assert found.failing_count == 30


def test_the_slowest_are_those_that_spent_time_themselves():
    found = summary(n_plus_one(count=3, took=30))
    assert [one.self_ms for one in found.slowest] == [30, 30, 30, 20, 20]
    assert found.slowest[0].share == pytest.approx(30 / 130)


def test_what_is_odd_about_a_trace_is_counted():
    spans = [span("r", took=100), span("late", "r", 50, 100), span("x", "gone", 10, 5)]
    found = summary(spans)
    assert (found.roots, found.missing_parents, found.outlive_root) == (2, 1, 0)
    whole = summary(spans[:2])
    assert (whole.roots, whole.missing_parents, whole.outlive_root) == (1, 0, 1)


def test_skew_is_told():
    hub, edge = [span("r", took=100)], [span("a", "r", 5000, 20)]
    [skew] = summary(hub, edge=edge).skews
    assert (skew.cluster_name, skew.offset_ms, skew.spans) == ("edge", -4960, 1)


def test_a_trace_without_time():
    found = summary([span("r", took=0)])
    assert found.total_ms == 0
    assert [step.share for step in found.critical_path] == [0]


# --- comparison -----------------------------------------------------------------------------


def told(this, *normal):
    profiles = [profile(assemble({"hub": spans})) for spans in normal]
    found = compare(profile(assemble({"hub": this})), profiles)
    return found, {
        (each.kind, each.service_name, each.operation_name): each for each in found.differences
    }


def test_more_calls_than_normal():
    found, differences = told(n_plus_one(48), n_plus_one(1), n_plus_one(1), n_plus_one(2))
    assert (found.compared, found.normal_ms) == (3, 50)
    more = differences[DifferenceKind.MORE_CALLS, "db", "SELECT item WHERE id = ?"]
    assert (more.count, more.normal_count) == (48, 1)
    assert (more.self_ms, more.normal_self_ms) == (480, 10)
    assert len(differences) == 1


def test_slower_by_itself_and_not_for_what_is_below():
    normal = [span("r", took=100), span("a", "r", 10, 50, "query", "db")]
    slow = [span("r", took=1000), span("a", "r", 10, 950, "query", "db")]
    _, differences = told(slow, normal, normal)
    assert list(differences) == [(DifferenceKind.SLOWER, "db", "query")]


def test_only_here_and_missing_here():
    with_cache = [span("r", took=100), span("c", "r", 1, 10, "get", "cache")]
    without = [span("r", took=100), span("d", "r", 1, 90, "read", "db")]
    _, differences = told(without, with_cache, with_cache)
    assert set(differences) == {
        (DifferenceKind.ONLY_HERE, "db", "read"),
        (DifferenceKind.MISSING_HERE, "cache", "get"),
    }
    rare = [span("r", took=100)]
    _, differences = told(rare, with_cache, rare, rare)
    assert differences == {}


def test_a_failure_that_normal_traces_lack_comes_first():
    bad = [span("r", took=100), span("c", "r", 1, 1, "get", "cache", "no"), span("d", "r", 5, 90)]
    good = [span("r", took=100), span("c", "r", 1, 1, "get", "cache")]
    found, _ = told(bad, good)
    assert [each.kind for each in found.differences] == [
        DifferenceKind.FAILS_HERE,
        DifferenceKind.ONLY_HERE,
    ]
    _, same = told(bad, bad)
    assert same == {}


def test_nothing_to_compare_with():
    with pytest.raises(ValueError, match="no normal trace"):
        compare(profile(assemble({"hub": [span("r")]})), [])


# --- the graph ------------------------------------------------------------------------------


def test_who_calls_whom():
    first = [
        span("r", took=100, service="web"),
        span("a", "r", 1, 20, service="api", error="no"),
        span("b", "a", 2, 10, service="api"),
        span("c", "b", 3, 5, service="db"),
    ]
    second = [span("r", took=100, service="web"), span("a", "r", 1, 40, service="api")]
    calls = service_calls([assemble({"hub": first}), assemble({"edge": second})])
    assert [(call.caller, call.callee) for call in calls] == [("web", "api"), ("api", "db")]
    assert (calls[0].calls, calls[0].errors, calls[0].error_rate) == (2, 1, 0.5)
    assert (calls[0].p50_ms, calls[0].p95_ms) == (30, 39)
    assert calls[0].clusters == ("edge", "hub")
    assert (calls[1].p50_ms, calls[1].error_rate) == (5, 0)
    assert service_calls([]) == ()


# --- hits -----------------------------------------------------------------------------------


HIT = FoundTrace("1" * 32, "web", "GET /", 5 * MS, 100 * MS, 3, 2, has_errors=False)


def test_one_trace_in_two_clusters_is_one_hit():
    part = HIT._replace(
        root_service=None, root_operation=None, duration_ns=900 * MS, has_errors=True
    )
    other = HIT._replace(trace_id="2" * 32, start_ns=9 * MS)
    found = unite({"edge": [part], "hub": [HIT, other]})
    assert [one.hit.trace_id for one in found] == [other.trace_id, HIT.trace_id]
    both = found[1]
    assert (both.home, both.clusters) == ("hub", ("edge", "hub"))
    assert (both.hit.root_service, both.hit.duration_ns) == ("web", 100 * MS)
    assert both.hit.has_errors is True
    assert both.hit.span_count is None
    [rootless] = unite({"a": [part._replace(duration_ns=1)], "b": [part]})
    assert rootless.hit.duration_ns == 900 * MS


@pytest.mark.parametrize(
    ("told", "expected"),
    [((False, False), False), ((False, None), None), ((None, True), True), ((None, None), None)],
)
def test_whether_it_failed_anywhere(told, expected):
    parts = {str(n): [HIT._replace(has_errors=one)] for n, one in enumerate(told)}
    assert unite(parts)[0].hit.has_errors is expected


def test_groups_with_failures_first():
    hits = [
        HIT._replace(trace_id=f"{n:032x}", duration_ns=n * 10 * MS, start_ns=n * MS)
        for n in range(1, 11)
    ]
    slow = HIT._replace(trace_id="f" * 32, root_operation="slow", duration_ns=9000 * MS)
    bad = [hits[2]._replace(has_errors=True), hits[6]._replace(has_errors=True)]
    mixed = [bad[0] if n == 2 else bad[1] if n == 6 else hit for n, hit in enumerate(hits)]
    first, second = group(unite({"hub": [*mixed, slow]}))
    assert (first.operation, second.operation) == ("GET /", "slow")
    assert (first.errors, first.errors_known, second.errors) == (2, 10, 0)
    assert (first.p50_ms, first.p95_ms) == (55, pytest.approx(95.5))
    assert first.slowest.hit.trace_id == f"{10:032x}"
    assert first.failing is not None
    assert first.failing.hit.trace_id == f"{7:032x}"
    assert second.failing is None


def test_percentile():
    assert percentile([5.0], 0.95) == 5
    assert percentile([0.0, 10.0], 0.5) == 5
    assert percentile([1.0, 2.0, 3.0], 1.0) == 3


def test_a_profile_may_be_given_what_is_known():
    trace = assemble({"hub": n_plus_one(3)})
    known = summarise(trace).profile
    assert known == profile(trace)
    assert replace(known, failed=True) != known
