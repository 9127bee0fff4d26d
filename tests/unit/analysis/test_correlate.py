import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_mcp.analysis.correlate import LinkRelation, Observation, ObservationKind, correlate
from aiops_mcp.analysis.rootcause_problem import Edge

NOW = 1_700_000_000.0


def seen(name, began=0.0, **rest):
    rest.setdefault("kind", ObservationKind.METRIC)
    return Observation(name=name, began=NOW + began, **rest)


def only_link(*observations, **rest):
    [link] = correlate(observations, **rest).links
    return link


def test_a_shared_trace_is_the_strongest_reason():
    link = only_link(
        seen("span", 0, traces=frozenset({"a1", "b2"}), component="cart"),
        seen("line", 10, traces=frozenset({"b2", "a1"}), component="cart"),
    )
    assert link.relation is LinkRelation.SAME_TRACE
    assert (link.source, link.target, link.lag) == (0, 1, 10.0)
    assert link.weight > 0.97
    assert link.reasons[:2] == ("trace a1", "cart")


def test_the_earlier_is_the_source_whatever_the_order():
    link = only_link(seen("late", 100, component="x"), seen("early", 0, component="x"))
    assert (link.source, link.target, link.lag) == (1, 0, 100.0)


def test_closeness_in_time_scales_a_link():
    near = only_link(seen("a", 0, component="x"), seen("b", 30, component="x"))
    far = only_link(seen("a", 0, component="x"), seen("b", 200, component="x"))
    assert near.weight > 2 * far.weight
    assert correlate([seen("a", component="x"), seen("b", 3600, component="x")]).links == ()


def test_a_dependency_of_a_few_steps_links_and_a_longer_one_does_not():
    edges = [Edge("a", "b"), Edge("b", "c"), Edge("c", "d"), Edge("d", "e")]
    weights = []
    for component in "bcd":
        # far enough apart that closeness alone is no reason
        link = only_link(
            seen("deep", 0, component=component), seen("top", 70, component="a"), edges=edges
        )
        assert link.relation is LinkRelation.DEPENDS
        assert link.source == 0
        weights.append(link.weight)
    assert weights[0] > weights[1] > weights[2]
    graph = correlate([seen("deep", component="e"), seen("top", 70, component="a")], edges)
    assert graph.links == ()


def test_what_is_depended_on_comes_first_where_clocks_do_not_tell():
    link = only_link(
        seen("caller", 0, component="web", cluster="east"),
        seen("callee", 50, component="db", cluster="west"),
        edges=[Edge("web", "db")],
    )
    assert (link.source, link.target, link.lag) == (1, 0, -50.0)


def test_a_minute_between_the_clocks_of_two_clusters_costs_nothing():
    edges = [Edge("web", "db")]

    def weight(lag, west="west"):
        return only_link(
            seen("caller", 0, component="web", cluster="east"),
            seen("callee", lag, component="db", cluster=west),
            edges=edges,
        ).weight

    assert weight(50) == weight(0)
    assert weight(50, "east") < weight(0, "east")


def test_known_clock_offsets_are_added():
    link = only_link(
        seen("a", 0, component="x", cluster="east"),
        seen("b", 300, component="x", cluster="west"),
        clock_offsets={"west": -290.0},
    )
    assert link.lag == 10.0


def test_a_rare_label_links_and_one_that_all_have_does_not():
    many = [seen(f"o{i}", 100 * i, labels={"cluster": "c", "pod": f"p{i // 2}"}) for i in range(8)]
    links = correlate(many).links
    assert {(link.source, link.target) for link in links} == {(0, 1), (2, 3), (4, 5), (6, 7)}
    assert all(link.relation is LinkRelation.SAME_LABELS for link in links)
    assert links[0].reasons == (f"pod=p{links[0].source // 2}",)


def test_time_alone_is_a_weak_reason():
    link = only_link(seen("a", 0), seen("b", 5))
    assert link.relation is LinkRelation.SAME_TIME
    assert link.weight == pytest.approx(0.2)
    assert correlate([seen("a", 0), seen("b", 5)]).groups == ((0,), (1,))


def test_groups_are_told_strongest_first_and_by_time():
    graph = correlate(
        [
            seen("lonely", 0),
            seen("alert", 90, component="cart", strength=5.0),
            seen("deploy", 30, component="cart", kind=ObservationKind.CHANGE, strength=2.0),
            seen("latency", 60, component="web", strength=4.0),
        ],
        [Edge("web", "cart")],
    )
    assert graph.groups == ((2, 3, 1), (0,))


def test_each_keeps_its_strongest_links_only():
    crowd = [seen(f"o{i}", i, component="x") for i in range(40)]
    assert len(correlate(crowd, most_links=2).links) < 90
    assert len(correlate(crowd).links) > 150


def test_a_ring_and_unknown_names_are_survived():
    edges = [Edge("a", "b"), Edge("b", "a"), Edge("a", "a"), Edge("nobody", "nowhere")]
    link = only_link(seen("one", 0, component="a"), seen("two", 0, component="b"), edges=edges)
    assert link.relation is LinkRelation.DEPENDS
    assert link.reasons[0] == "a depends on b"


@pytest.mark.parametrize("began", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_links_to_nothing(began):
    graph = correlate([seen("a", began, component="x"), seen("b", 0, component="x")])
    assert graph.links == ()
    assert sorted(graph.groups) == [(0,), (1,)]
    assert correlate([]).groups == ()


def test_a_crowd_of_one_label_costs_no_square():
    crowd = [seen(f"o{i}", i % 7, labels={"app": "x"}) for i in range(3000)]
    crowd.append(seen("other", 0, labels={"app": "y"}))
    assert len(correlate(crowd).links) < 30_000


observations = st.lists(
    st.builds(
        seen,
        st.just("o"),
        st.floats(0, 600),
        component=st.sampled_from(["", "a", "b", "c"]),
        cluster=st.sampled_from(["east", "west"]),
        labels=st.dictionaries(st.sampled_from(["ns", "pod"]), st.sampled_from("xyz"), max_size=2),
        traces=st.frozensets(st.sampled_from(["t1", "t2"]), max_size=2),
        kind=st.sampled_from(list(ObservationKind)),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(observations)
def test_a_link_is_between_two_and_in_bounds(found):
    edges = [Edge("a", "b"), Edge("b", "c"), Edge("c", "a")]
    graph = correlate(found, edges)
    pairs = [frozenset((link.source, link.target)) for link in graph.links]
    assert all(len(pair) == 2 for pair in pairs)
    assert len(set(pairs)) == len(pairs)
    assert all(0.1 <= link.weight <= 1.0 and link.reasons for link in graph.links)
    assert sorted(index for group in graph.groups for index in group) == list(range(len(found)))
    for link in graph.links:
        if found[link.source].cluster == found[link.target].cluster:
            assert link.lag >= -15.0
        else:
            assert link.lag >= -60.0
