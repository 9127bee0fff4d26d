"""Traces over the fleet: who is asked, what is united, what is kept, what is hidden."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from aiops_mcp.errors import (
    BackendRefused,
    ClusterUnreachable,
    InputError,
    TempoNotAvailable,
    TraceNotFound,
)
from aiops_mcp.fleet.trace_answer import moment
from aiops_mcp.fleet.trace_graph import service_graph
from aiops_mcp.fleet.trace_names import SAMPLED, traced_operations, traced_services
from aiops_mcp.fleet.trace_normal import COMPARED, normal_profiles
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterState
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.models.spans import (
    FoundTrace,
    SearchHits,
    SpanKind,
    SpanRecord,
    SpanStatus,
    TraceSearch,
    TraceSpans,
)
from aiops_mcp.settings import Settings

MS = 1_000_000
ONE, OTHER = "1" * 32, "2" * 32


def span(ident, parent="", start=0, took=100, service="web", trace_id=ONE, resource=None):
    return SpanRecord(
        trace_id, ident, parent, f"{service} op", service, SpanKind.SERVER,
        1_772_366_000_000 * MS + start * MS, took * MS, SpanStatus.UNSET, "", {}, resource or {}, (),
    )  # fmt: skip


def hit(trace_id, start=0, took=100, root="web", **more):
    begins = 1_772_366_000_000 * MS + start * MS
    operation = None if root is None else f"{root} op"
    return FoundTrace(trace_id, root, operation, begins, took * MS, **more)


@dataclass
class Store:
    """A cluster's traces; ``error`` is raised by every question."""

    hits: tuple[FoundTrace, ...] = ()
    traces: dict[str, TraceSpans] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    ran_in: frozenset[str] | None = frozenset()
    more: bool = False
    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    async def _answer(self, question, answer):
        self.asked.append(question)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return answer

    async def search(self, search):
        return await self._answer(search, SearchHits(self.hits, self.more))

    async def trace(self, trace_id):
        return await self._answer(trace_id, self.traces.get(trace_id))

    async def services(self):
        return await self._answer("services", self.names)

    async def operations(self, service):
        return await self._answer(service, self.names)

    async def clusters(self):
        return await self._answer("clusters", self.ran_in)

    async def aclose(self):
        pass


@dataclass
class Connect:
    stores: dict[str, Store]

    async def traces(self, cluster, credentials, url):
        return self.stores[cluster.name]


WITH = ClusterEndpoints(tempo_url="https://tempo")


@pytest.fixture
def make(fakes, clock):
    def build(more=(), **stores):
        named = {name.replace("_", "-"): store for name, store in stores.items()}
        clusters = [fakes.cluster(name, endpoints=WITH) for name in named]
        fleet = fakes.make_fleet([*clusters, *more], clock, Connect(named))
        return FleetTraces(fleet, Settings(_env_file=None), clock.wall)

    return build


def search(clock, **more):
    return TraceSearch(start=clock.now - timedelta(hours=1), end=clock.now, **more)


# --- search ---------------------------------------------------------------------------------


async def test_a_search_unites_the_fleet_newest_first(make, clock, fakes):
    plain = fakes.cluster("plain", endpoints=ClusterEndpoints())
    traces = make(
        [plain],
        hub=Store((hit(ONE, 5), hit(OTHER, 9))),
        edge_1=Store((hit(ONE, 6, root=None),)),
        edge_2=Store(error=ClusterUnreachable("down")),
    )
    found = await traces.search(search(clock), principal=LOCAL_ADMIN)
    assert [one.hit.trace_id for one in found.hits] == [OTHER, ONE]
    assert (found.hits[1].home, found.hits[1].clusters) == ("hub", ("hub", "edge-1"))
    assert found.clusters.keys() == {"hub", "edge-1"}
    assert (found.coverage.succeeded, found.coverage.queried) == (2, 3)
    assert found.coverage.failures[0].cluster_name == "edge-2"
    assert found.coverage.skipped == ("plain (no Tempo)",)
    assert found.cut == ()


async def test_a_search_is_shared_for_a_moment(make, clock):
    store = Store((hit(ONE),))
    traces = make(hub=store)
    asked = search(clock)
    await asyncio.gather(*(traces.search(asked, principal=LOCAL_ADMIN) for _ in range(5)))
    assert len(store.asked) == 1
    clock.advance(16)
    await traces.search(asked, principal=LOCAL_ADMIN)
    assert len(store.asked) == 2


async def test_a_cluster_may_have_more(make, clock):
    traces = make(hub=Store((hit(ONE),), more=True), edge_1=Store((hit(ONE),)))
    found = await traces.search(search(clock), principal=LOCAL_ADMIN)
    assert found.cut == ("hub",)


async def test_times_and_durations_that_cannot_be(make, clock):
    traces = make(hub=Store())
    with pytest.raises(InputError, match="does not lie before"):
        await traces.search(TraceSearch(start=clock.now, end=clock.now), principal=LOCAL_ADMIN)
    with pytest.raises(InputError, match="more than max_duration_ms"):
        await traces.search(
            search(clock, min_duration_ms=5, max_duration_ms=4), principal=LOCAL_ADMIN
        )


async def test_nobody_keeps_traces(make, fakes, clock):
    plain = [fakes.cluster(f"plain-{n}", endpoints=ClusterEndpoints()) for n in range(7)]
    traces = make(plain, hub=Store((hit(ONE),)))
    with pytest.raises(TempoNotAvailable, match=r"plain-0, plain-1.* and 2 more") as caught:
        await traces.search(search(clock), selection=["plain-*"], principal=LOCAL_ADMIN)
    assert (caught.value.code, caught.value.status) == ("TEMPO_NOT_AVAILABLE", 503)
    with pytest.raises(TempoNotAvailable, match="none are registered"):
        await traced_services(make(), principal=LOCAL_ADMIN)


async def test_nobody_answers(make, clock):
    traces = make(hub=Store(error=BackendRefused("parse error", http_status=400)))
    with pytest.raises(BackendRefused, match="parse error"):
        await traces.search(search(clock), principal=LOCAL_ADMIN)


# --- one trace ------------------------------------------------------------------------------


def parts():
    """One trace over two clusters."""
    hub = TraceSpans((span("a1"), span("b1", "a1", 10, 50)))
    edge = TraceSpans((span("c1", "b1", 20, 10, "db"),), partial="a block was not read", broken=2)
    return Store(traces={ONE: hub}), Store(traces={ONE: edge})


async def test_a_trace_over_several_clusters_is_one(make):
    hub, edge = parts()
    found = await make(hub=hub, edge_1=edge, edge_2=Store()).trace(ONE, principal=LOCAL_ADMIN)
    assert [one.span_id for one in found.trace.spans] == ["a1", "b1", "c1"]
    assert found.trace.parents == (-1, 0, 1)
    assert found.home.name == "hub"
    assert found.stores.keys() == {"hub", "edge-1"}
    assert found.partial == ("edge-1: a block was not read",)
    assert found.broken == 2
    assert found.coverage.succeeded == 3


async def test_a_complete_trace_is_asked_for_once(make, clock):
    hub, edge = parts()
    traces = make(hub=hub, edge_1=edge)
    await traces.trace(ONE, principal=LOCAL_ADMIN)
    clock.advance(300)
    await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert (len(hub.asked), len(edge.asked)) == (1, 2)  # the partial one may become whole
    clock.advance(301)
    await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert len(hub.asked) == 2


async def test_a_trace_that_may_grow_is_asked_for_again(make, clock):
    young = clock.now.timestamp() * 1000 - 1_772_366_000_000 - 60_000
    store = Store(traces={ONE: TraceSpans((span("a1", start=int(young)),))})
    traces = make(hub=store)
    for _ in range(2):
        await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert len(store.asked) == 1
    clock.advance(6)
    await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert len(store.asked) == 2


async def test_a_trace_nobody_has(make, fakes):
    away = fakes.cluster("away", state=ClusterState.OFFLINE, endpoints=WITH)
    traces = make([away], hub=Store(), edge_1=Store(error=ClusterUnreachable("down")))
    with pytest.raises(TraceNotFound, match="None of 1 clusters has the trace 1111") as caught:
        await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert caught.value.hint == "No answer came from edge-1, away; it may be there."
    with pytest.raises(TraceNotFound) as caught:
        await traces.trace(ONE, selection=["hub"], principal=LOCAL_ADMIN)
    assert "past its retention" in caught.value.hint


async def test_a_trace_of_broken_spans_only_is_no_trace(make):
    traces = make(hub=Store(traces={ONE: TraceSpans((), broken=3)}))
    with pytest.raises(TraceNotFound):
        await traces.trace(ONE, principal=LOCAL_ADMIN)


# --- what one may not see -------------------------------------------------------------------


def confined(*names):
    return Principal(subject="u", role=Role.VIEWER, clusters=frozenset(names))


async def test_spans_of_hidden_clusters_do_not_exist(make):
    hub, edge = parts()
    secret = {"k8s.cluster.name": "edge-1"}
    unknown = {"k8s.cluster.name": "not-registered"}
    hub.traces[ONE] = TraceSpans(
        (
            *hub.traces[ONE].spans,
            span("d1", "b1", 30, 5, "vault", resource=secret),
            span("e1", "b1", 31, 5, "mail", resource=unknown),
        )
    )
    traces = make(hub=hub, edge_1=edge)
    seen = await traces.trace(ONE, principal=confined("hub"))
    assert [one.span_id for one in seen.trace.spans] == ["a1", "b1", "e1"]
    assert seen.stores.keys() == {"hub"}
    assert edge.asked == []
    whole = await traces.trace(ONE, principal=LOCAL_ADMIN)
    assert {one.span_id for one in whole.trace.spans} == {"a1", "b1", "c1", "d1", "e1"}
    hub.traces[OTHER] = TraceSpans((span("f1", trace_id=OTHER, resource=secret),))
    with pytest.raises(TraceNotFound):
        await traces.trace(OTHER, principal=confined("hub"))


async def test_hits_are_told_as_far_as_one_may_see(make, clock):
    """The hub's store holds spans of edge-1 too."""
    secret = {"k8s.cluster.name": "edge-1"}
    own = TraceSpans((span("a1", resource=secret, took=900), span("b1", "a1", 10, 50, "api")))
    theirs = TraceSpans((span("c1", trace_id=OTHER, resource=secret),))
    hub = Store(
        (hit(ONE, has_errors=True), hit(OTHER, 1), hit("3" * 32, 2)), {ONE: own, OTHER: theirs}
    )
    traces = make(hub=hub, edge_1=Store())
    found = await traces.search(search(clock), principal=confined("hub"))
    [one] = found.hits
    assert (one.hit.trace_id, one.home, one.clusters) == (ONE, "hub", ("hub",))
    assert (one.hit.root_service, one.hit.root_operation) == (None, None)
    assert (one.hit.duration_ns, one.hit.has_errors, one.hit.span_count) == (50 * MS, False, 1)
    asked = len(hub.asked)
    everything = await traces.search(search(clock), principal=LOCAL_ADMIN)
    assert len(everything.hits) == 3
    assert len(hub.asked) == asked  # what the store said is kept once


async def test_nothing_is_found_for_what_is_hidden_of_it(make, clock):
    """A trace of both clusters is no hit of a search that only its hidden part fits."""
    secret = {"k8s.cluster.name": "edge-1"}
    both = TraceSpans((span("a1", service="vault", resource=secret), span("b1", "a1", 10, 50)))
    hub = Store(
        (hit(ONE), hit(OTHER)), {ONE: both, OTHER: TraceSpans((span("c1", trace_id=OTHER),))}
    )
    traces, principal = make(hub=hub, edge_1=Store()), confined("hub")
    found = await traces.search(search(clock, service="vault"), principal=principal)
    assert [one.hit.trace_id for one in found.hits] == [OTHER]  # whole, and as its store says
    found = await traces.search(search(clock, service="web"), principal=principal)
    assert {one.hit.trace_id for one in found.hits} == {ONE, OTHER}
    found = await traces.search(search(clock, traceql="{ .a = 1 }"), principal=principal)
    assert [one.hit.trace_id for one in found.hits] == [OTHER]


async def test_a_trace_is_of_the_cluster_where_its_root_ran(make, fakes, clock):
    """The hub keeps the traces of the edge, which has no store of its own."""
    there = {"k8s.cluster.name": "edge-9"}
    edge = fakes.cluster("edge-9", endpoints=ClusterEndpoints())
    hub = Store(
        (hit(ONE), hit(OTHER)), {ONE: TraceSpans((span("a1", resource=there), span("b1", "a1")))}
    )
    traces = make([edge], hub=hub, edge_1=Store())
    for principal in (LOCAL_ADMIN, confined("hub", "edge-9")):
        found = await traces.trace(ONE, principal=principal)
        assert found.home.id == edge.id
        assert (set(found.stores), set(found.places)) == ({"hub"}, {"hub", "edge-9"})
        assert not await normal_profiles(traces, found, principal=principal, now=clock.now)
    found = await traces.search(search(clock), principal=confined("hub", "edge-9"))
    assert [one.home for one in found.hits] == ["edge-9"]
    assert found.clusters["edge-9"].id == edge.id


async def test_who_sees_all_registered_clusters_is_asked_no_more(make, clock):
    hub = Store((hit(ONE),))
    found = await make(hub=hub).search(search(clock), principal=confined("hub", "gone"))
    assert (len(found.hits), len(hub.asked)) == (1, 1)


# --- names ----------------------------------------------------------------------------------


async def test_services_and_operations_with_their_clusters(make):
    traces = make(hub=Store(names=("cart", "web")), edge_1=Store(names=("cart",)))
    found = await traced_services(traces, principal=LOCAL_ADMIN)
    assert [(one.entry, one.clusters) for one in found.found] == [
        ("cart", ("edge-1", "hub")),
        ("web", ("hub",)),
    ]
    found = await traced_operations(traces, "cart", selection=["hub"], principal=LOCAL_ADMIN)
    assert found.entries == ("cart", "web")


async def test_names_of_a_store_of_its_own_are_told_to_all(make):
    hub = Store(names=("cart", "web"), ran_in=frozenset({"hub", "not-registered"}))
    found = await traced_services(make(hub=hub, edge_1=Store()), principal=confined("hub"))
    assert (found.entries, found.cut) == (("cart", "web"), ())
    assert hub.asked == ["services", "clusters"]


@pytest.mark.parametrize("ran_in", [frozenset({"hub", "edge-1"}), None])
async def test_of_a_shared_store_only_names_are_told_that_can_be_seen(make, ran_in):
    secret = {"k8s.cluster.name": "edge-1"}
    stored = TraceSpans(
        (
            span("a1"),
            span("b1", "a1", service="vault", resource=secret),
            span("c1", "a1", service="db"),
        )
    )
    hub = Store((hit(ONE), hit(OTHER)), {ONE: stored}, ("db", "vault", "web"), ran_in)
    traces = make(hub=hub, edge_1=Store(names=("vault",)))
    found = await traced_services(traces, principal=confined("hub"))
    assert [(one.entry, one.clusters) for one in found.found] == [
        ("db", ("hub",)),
        ("web", ("hub",)),
    ]
    assert found.cut == ("hub",)
    [sampled] = [one for one in hub.asked if isinstance(one, TraceSearch)]
    assert (sampled.limit, sampled.service) == (SAMPLED, None)
    found = await traced_operations(traces, "vault", principal=confined("hub"))
    assert found.entries == ()
    found = await traced_operations(traces, "web", principal=confined("hub"))
    assert found.entries == ("web op",)
    whole = await traced_services(traces, principal=LOCAL_ADMIN)
    assert whole.entries == ("db", "vault", "web")


# --- what is normal -------------------------------------------------------------------------


def others(count, failing=()):
    ids = [f"{n:032x}" for n in range(3, 3 + count)]
    hits = tuple(hit(one, n, has_errors=one in failing) for n, one in enumerate(ids))
    traces = {one: TraceSpans((span("a1", trace_id=one), span("b1", "a1", 1, 5, trace_id=one)))
              for one in ids}  # fmt: skip
    return hits, traces


async def test_normal_traces_are_others_of_the_same_root(make, clock):
    hits, stored = others(9)
    odd = hit("e" * 32, root="other")
    hub = Store((hit(ONE), *hits, odd), {ONE: TraceSpans((span("a1"),)), **stored})
    edge = Store()
    traces = make(hub=hub, edge_1=edge)
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    edge.asked.clear()
    profiles = await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)
    assert len(profiles) == COMPARED
    assert {len(profile.calls) for profile in profiles} == {1}
    [asked] = [one for one in hub.asked if isinstance(one, TraceSearch)]
    began = moment(found.trace.start_ns).replace(second=0)
    assert (asked.service, asked.operation) == ("web", "web op")
    assert (began - asked.start, began - asked.end) == (timedelta(hours=7), timedelta(hours=1))
    assert len(edge.asked) == COMPARED  # the others may have a part there


async def test_in_a_large_fleet_only_some_clusters_are_asked_for_the_others(make, clock):
    hits, stored = others(9)
    hub = Store((hit(ONE), *hits), {ONE: TraceSpans((span("a1"),)), **stored})
    first = hits[-1].trace_id  # the newest
    near = Store(traces={first: TraceSpans((span("c1", "b1", 2, 3, "db", trace_id=first),))})
    far = [Store() for _ in range(30)]
    traces = make(hub=hub, near=near, **{f"far_{n}": store for n, store in enumerate(far)})
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    profiles = await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)
    assert len(profiles) == COMPARED
    assert sum(("db", "db op") in profile.calls for profile in profiles) == 1
    assert {len(store.asked) for store in far} == {2}  # for the trace and the first other
    assert len(near.asked) == 1 + COMPARED


async def test_those_that_did_not_fail_are_more_normal(make, clock):
    failing = {f"{n:032x}" for n in range(3, 7)}
    hits, stored = others(9, failing)
    hub = Store((*hits, hit(ONE)), {ONE: TraceSpans((span("a1"),)), **stored})
    traces = make(hub=hub)
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)
    read = {one for one in hub.asked if isinstance(one, str)} - {ONE}
    assert read & failing == set()


@pytest.mark.parametrize(
    ("root", "error"),
    [
        (span("a1", "gone"), None),
        (span("a1", service="we*b"), None),
        (span("a1"), BackendRefused("no", http_status=403)),
    ],
)
async def test_nothing_to_compare_with_is_no_failure(make, clock, root, error):
    hub = Store((hit("3" * 32),), {ONE: TraceSpans((root,))})
    traces = make(hub=hub)
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    hub.error = error
    assert list(await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)) == []


async def test_too_few_before_are_made_up_for_by_those_of_about_now(make, clock):
    hits, stored = others(2)
    hub = Store(hits, {ONE: TraceSpans((span("a1"),)), **stored})
    traces = make(hub=hub)
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    profiles = await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)
    assert len(profiles) == 2
    before, around = [one for one in hub.asked if isinstance(one, TraceSearch)]
    assert before.end == around.start
    assert around.end == clock.now + timedelta(minutes=1)


async def test_others_that_are_gone_meanwhile_are_left_out(make, clock):
    hits, stored = others(4)
    stored.pop(hits[1].trace_id)
    traces = make(hub=Store(hits, {ONE: TraceSpans((span("a1"),)), **stored}))
    found = await traces.trace(ONE, principal=LOCAL_ADMIN)
    profiles = await normal_profiles(traces, found, principal=LOCAL_ADMIN, now=clock.now)
    assert len(profiles) == 3


# --- the graph ------------------------------------------------------------------------------


async def test_the_graph_is_drawn_from_whole_traces(make, clock):
    hub, edge = parts()
    hub.hits = (hit(ONE, 9), hit(OTHER, 5))
    edge.hits = (hit(ONE, 9, root=None),)
    traces = make(hub=hub, edge_1=edge)
    graph = await service_graph(traces, search(clock, limit=10), principal=LOCAL_ADMIN)
    assert [(call.caller, call.callee, call.calls) for call in graph.calls] == [("web", "db", 1)]
    assert (graph.traces, graph.found) == (1, 2)
    assert graph.coverage.succeeded == 2
