"""One trace out of the spans of several stores."""

from aiops_mcp.analysis.traces_assembly import assemble, spans_by_cluster
from aiops_mcp.analysis.traces_clocks import NOBODY, Skew
from aiops_mcp.models.spans import SpanKind, SpanRecord, SpanStatus

MS = 1_000_000
TRACE = "a" * 32


def span(ident, parent="", start=0, took=100, name=None, service="web", **more):
    values = {
        "kind": SpanKind.INTERNAL,
        "status": SpanStatus.UNSET,
        "message": "",
        "attributes": {},
        "resource": {},
        "events": (),
        **more,
    }
    return SpanRecord(
        TRACE,
        ident,
        parent,
        name or ident,
        service,
        start_ns=(1000 + start) * MS,
        duration_ns=took * MS,
        **values,
    )


def names(trace):
    return [one.span_id for one in trace.spans]


def parent_of(trace, ident):
    parent = trace.parents[names(trace).index(ident)]
    return None if parent == NOBODY else trace.spans[parent].span_id


def start_ms(trace, ident):
    return trace.starts[names(trace).index(ident)] / MS - 1000


def test_spans_of_two_stores_are_one_tree():
    trace = assemble(
        {
            "hub": [span("r", took=500), span("a", "r", 10)],
            "edge": [span("b", "a", 20, 50), span("c", "b", 30, 10)],
        }
    )
    assert names(trace) == ["r", "a", "b", "c"]
    assert trace.parents == (NOBODY, 0, 1, 2)
    assert trace.children == ((1,), (2,), (3,), ())
    assert trace.clusters == ("hub", "hub", "edge", "edge")
    assert (trace.roots, trace.root, trace.missing_parents, trace.cycles) == ((0,), 0, 0, 0)
    assert trace.skews == ()
    assert trace.end_ns - trace.start_ns == 500 * MS
    assert spans_by_cluster(trace) == {"hub": 2, "edge": 2}


def test_a_span_in_two_stores_is_one_and_the_ended_one_stands():
    trace = assemble({"hub": [span("r", took=0)], "edge": [span("r", took=80)]})
    assert names(trace) == ["r"]
    assert trace.spans[0].duration_ns == 80 * MS
    assert trace.clusters == ("edge",)
    again = assemble({"hub": [span("r", took=80)], "edge": [span("r", took=80)]})
    assert again.clusters == ("hub",)


def test_a_process_says_where_it_runs_whoever_stores_it():
    there = {"k8s.cluster.name": "edge-7"}
    trace = assemble({"hub": [span("r"), span("a", "r", 1, 5, resource=there)]})
    assert trace.clusters == ("hub", "edge-7")


def test_a_missing_parent_makes_a_root_and_the_real_one_names_the_trace():
    trace = assemble({"hub": [span("a", "gone", 0), span("r", "", 5), span("b", "r", 6, 1)]})
    assert names(trace) == ["a", "r", "b"]
    assert trace.roots == (0, 1)
    assert trace.spans[trace.root].span_id == "r"
    assert trace.missing_parents == 1
    only = assemble({"hub": [span("b", "gone", 9), span("a", "lost", 3)]})
    assert only.spans[only.root].span_id == "a"
    assert only.missing_parents == 2


def test_rings_are_cut_at_their_earliest_span():
    trace = assemble(
        {
            "hub": [
                span("r"),
                span("x", "z", 10),
                span("y", "x", 20),
                span("z", "y", 30),
                span("w", "z", 5),  # hangs on the ring, and began before
                span("self", "self", 40),
            ]
        }
    )
    assert trace.cycles == 2
    assert trace.missing_parents == 0
    assert [trace.spans[root].span_id for root in trace.roots] == ["r", "x", "self"]
    assert parent_of(trace, "z") == "y"
    assert parent_of(trace, "w") == "z"
    assert parent_of(trace, "x") is None


def test_a_chain_of_many_thousands_is_no_problem():
    count = 20_000
    spans = [span(f"{n}", f"{n - 1}" if n else "", n, count - n) for n in range(count)]
    trace = assemble({"hub": spans})
    assert trace.roots == (0,)
    assert trace.parents[-1] == count - 2


def test_client_and_server_that_share_an_id_are_two_spans():
    client = span("s", "r", 10, 50, name="call", kind=SpanKind.CLIENT, service="web")
    server = span("s", "r", 15, 40, name="serve", kind=SpanKind.SERVER, service="api")
    trace = assemble({"hub": [span("r"), client, server, span("q", "s", 20, 5, service="api")]})
    assert [one.name for one in trace.spans] == ["r", "call", "serve", "q"]
    assert trace.parents == (NOBODY, 0, 1, 2)


# --- clocks ---------------------------------------------------------------------------------


def crossing(child_start, child_took=40, **more):
    """hub: r 0..200, a 10..110; edge: b called by a."""
    hub = [span("r", took=200), span("a", "r", 10, 100)]
    below = span("c", "b", child_start + 5, 10)
    return assemble({"hub": hub, "edge": [span("b", "a", child_start, child_took, **more), below]})


def test_a_called_span_is_moved_into_its_caller_and_all_below_moves_along():
    for wrong in (-500, 5000):
        trace = crossing(wrong)
        offset = 10 + (100 - 40) // 2 - wrong
        assert start_ms(trace, "b") == 40
        assert start_ms(trace, "c") == 45
        assert trace.skews == (Skew("edge", offset * MS, 2),)
        assert names(trace) == ["r", "a", "b", "c"]
        assert trace.end_ns - trace.start_ns == 200 * MS


def test_a_called_span_that_fits_stays():
    trace = crossing(50)
    assert start_ms(trace, "b") == 50
    assert trace.skews == ()


def test_a_called_span_that_outlasts_its_caller_is_only_kept_from_beginning_before():
    late = crossing(60, 400)
    assert start_ms(late, "b") == 60
    early = crossing(-30, 400)
    assert start_ms(early, "b") == 10
    assert early.skews == (Skew("edge", 40 * MS, 2),)


def test_nobody_waits_for_a_consumer():
    after = crossing(3000, kind=SpanKind.CONSUMER)
    assert start_ms(after, "b") == 3000
    before = crossing(-3000, kind=SpanKind.CONSUMER)
    assert start_ms(before, "b") == 10


def test_within_a_cluster_clocks_agree():
    trace = assemble({"hub": [span("r", took=100), span("a", "r", -50, 20)]})
    assert start_ms(trace, "a") == -50
    assert trace.skews == ()


def test_an_offset_does_not_follow_the_trace_back_home():
    hub = [span("r", took=200), span("d", "b", 60, 10)]
    trace = assemble({"hub": hub, "edge": [span("b", "r", 1000, 100)]})
    assert start_ms(trace, "b") == 30  # from 0 to 60 it would lie in r and around d
    assert start_ms(trace, "d") == 60
    assert [skew.cluster for skew in trace.skews] == ["edge"]


def test_one_clock_a_cluster_and_what_was_right_stays():
    """edge is 5 s ahead; it calls hub, whose span lies near the end of edge's."""
    hub = [span("r", took=1000), span("h", "e1", 400, 50)]
    edge = [
        span("e1", "r", 5100, 400),
        span("e2", "r", 5600, 300),
        span("e3", "r", 5950, 40),
    ]
    trace = assemble({"hub": hub, "edge": edge})
    [skew] = trace.skews
    assert (skew.cluster, skew.spans) == ("edge", 3)
    # e1 may go to 0 at the earliest and no later than h (400); e3 must end before 1000.
    assert -5100 * MS <= skew.offset_ns <= -4990 * MS
    assert start_ms(trace, "h") == 400
    gaps = {start_ms(trace, one) - at for one, at in (("e1", 5100), ("e2", 5600), ("e3", 5950))}
    assert len(gaps) == 1


def test_a_call_that_nobody_waited_for_moves_nothing():
    hub = [span("r", took=100)]
    edge = [span("a", "r", 10, 20), span("b", "r", 40, 20), span("late", "r", 400, 20)]
    trace = assemble({"hub": hub, "edge": edge})
    assert trace.skews == ()
    assert start_ms(trace, "late") == 400


def test_an_offset_reaches_over_several_clusters():
    stores = {
        "hub": [span("r", took=100)],
        "edge": [span("e", "r", 1010, 80)],
        "far": [span("f", "e", 5020, 60)],
    }
    trace = assemble(stores)
    assert (start_ms(trace, "e"), start_ms(trace, "f")) == (10, 20)
    assert [skew.cluster for skew in trace.skews] == ["far", "edge"]


def test_a_caller_whose_clock_is_wrong_is_moved_to_those_it_called():
    """The trace begins in hub, whose clock stands; edge called hub again."""
    hub = [span("r", took=1000), span("h", "e", 300, 100)]
    edge = [span("e", "r", -700, 200)]
    trace = assemble({"hub": hub, "edge": edge})
    [skew] = trace.skews
    assert start_ms(trace, "e") <= 300
    assert start_ms(trace, "e") + 200 >= 400
    assert skew.cluster == "edge"


def test_clusters_that_nothing_leads_to_keep_their_clock():
    trace = assemble({"hub": [span("r")], "edge": [span("x", "gone", 9000)]})
    assert start_ms(trace, "x") == 9000
    assert trace.skews == ()
