"""Where the time of a trace went."""

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_path import covered, critical_path, self_times
from aiops_mcp.models.spans import SpanKind, SpanRecord, SpanStatus

TRACE = "a" * 32


def span(ident, parent, start, end):
    return SpanRecord(
        TRACE, ident, parent, ident, "web", SpanKind.INTERNAL, 1000 + start, end - start,
        SpanStatus.UNSET, "", {}, {}, (),
    )  # fmt: skip


def path(*spans):
    trace = assemble({"hub": [span(*each) for each in spans]})
    found = critical_path(trace)
    told = {trace.spans[index].span_id: own for index, own in found.self_ns.items()}
    order = [trace.spans[index].span_id for index in found.order]
    assert sum(told.values()) + found.untraced_ns == found.total_ns
    return told, order, found


def test_one_call_after_the_other():
    told, order, found = path(
        ("r", "", 0, 100), ("a", "r", 10, 40), ("b", "r", 50, 90), ("c", "b", 60, 80)
    )
    assert told == {"r": 30, "a": 30, "b": 20, "c": 20}
    assert order == ["r", "a", "b", "c"]
    assert (found.total_ns, found.untraced_ns) == (100, 0)


def test_of_calls_side_by_side_the_last_to_end_counts():
    told, _, _ = path(("r", "", 0, 100), ("fast", "r", 10, 30), ("slow", "r", 10, 90))
    assert told == {"r": 20, "slow": 80}


def test_what_ended_before_the_last_one_began_counts_too():
    told, _, _ = path(
        ("r", "", 0, 100), ("a", "r", 0, 45), ("beside", "r", 20, 70), ("b", "r", 50, 100)
    )
    assert told == {"r": 5, "a": 45, "b": 50}


def test_a_small_overlap_is_the_clocks_fault():
    told, _, _ = path(("r", "", 0, 2000), ("a", "r", 0, 1010), ("b", "r", 1000, 2000))
    assert told == {"r": 0, "a": 1000, "b": 1000}
    told, _, _ = path(("r", "", 0, 2000), ("a", "r", 0, 1300), ("b", "r", 1000, 2000))
    assert told == {"r": 1000, "b": 1000}


def test_what_outlives_its_parent_counts_within_it_only():
    told, _, found = path(("r", "", 0, 100), ("a", "r", 50, 500), ("b", "a", 60, 400))
    assert told == {"r": 50, "a": 10, "b": 40}
    assert found.total_ns == 100


def test_what_began_before_its_parent_counts_within_it_only():
    told, _, _ = path(("r", "", 0, 100), ("m", "r", 40, 100), ("a", "m", 10, 60))
    assert told == {"r": 40, "m": 40, "a": 20}


def test_a_call_outside_of_its_parent_counts_nowhere():
    told, _, _ = path(("r", "", 0, 100), ("late", "r", 200, 300), ("early", "r", -50, -10))
    assert told == {"r": 100}


def test_between_several_roots_lies_time_in_no_span():
    told, order, found = path(("a", "gone", 0, 30), ("b", "lost", 50, 100), ("c", "b", 60, 90))
    assert told == {"a": 30, "b": 20, "c": 30}
    assert order == ["a", "b", "c"]
    assert (found.total_ns, found.untraced_ns) == (100, 20)


def test_spans_that_took_no_time():
    told, _, found = path(("r", "", 0, 0), ("a", "r", 0, 0))
    assert told == {"r": 0}
    assert found.total_ns == 0


def test_a_span_s_own_time_is_what_no_child_covers():
    trace = assemble(
        {"hub": [span("r", "", 0, 100), span("a", "r", 10, 50), span("b", "r", 30, 60),
                 span("c", "r", 90, 150)]}
    )  # fmt: skip
    assert self_times(trace) == [40, 40, 30, 60]


def test_covered():
    assert covered([(0, 10), (5, 20), (6, 7), (30, 40)], 0, 100) == 30
    assert covered([(0, 10), (5, 200)], 8, 50) == 42
    assert covered([], 0, 10) == 0


def test_deep_and_wide():
    deep = [(f"{n}", f"{n - 1}" if n else "", n, 20_000 - n) for n in range(6000)]
    told, order, _ = path(*deep)
    assert len(order) == 6000
    assert told["5999"] == 20_000 - 2 * 5999
