import statistics
import time

import pytest

from aiops_mcp.simulation.request_ids import number_of, requests_between, trace_id_of
from aiops_mcp.simulation.service_truths import ServiceTruths
from aiops_mcp.simulation.spans import Kind, Status
from aiops_mcp.simulation.traces import TraceBook
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0


def servers(book, cluster, service, start=NOW - 1800, end=NOW):
    return [
        span
        for trace in book.between(cluster, start, end)
        for span in trace.spans
        if span.kind is Kind.SERVER and span.process.service == service
    ]


def failing(spans):
    return sum(span.status is Status.ERROR for span in spans) / len(spans)


def test_ids_tell_their_number_and_nobody_elses():
    trace_id = trace_id_of(1, "prod-frankfurt", "frontend", 440_000_123)
    assert len(trace_id) == 32
    assert number_of(1, "prod-frankfurt", "frontend", trace_id) == 440_000_123
    assert number_of(1, "prod-virginia", "frontend", trace_id) is None
    assert number_of(2, "prod-frankfurt", "frontend", trace_id) is None


def test_a_window_holds_the_same_requests_however_it_is_cut():
    whole = list(requests_between(1, "c", "s", NOW, NOW + 60))
    halves = [*requests_between(1, "c", "s", NOW, NOW + 30)]
    halves += requests_between(1, "c", "s", NOW + 30, NOW + 60)
    assert whole == halves
    assert len(whole) == pytest.approx(15, abs=1)


def test_the_same_seed_gives_the_same_traces_whoever_asks_first(fleet_with):
    book = fleet_with().traces
    other = TraceBook(World(1, (), lambda: NOW))
    first = list(book.between("prod-frankfurt", NOW - 120, NOW))
    assert list(other.between("prod-frankfurt", NOW - 120, NOW)) == first
    assert other.trace("prod-frankfurt", first[3].trace_id) == first[3]
    assert list(other.between("prod-frankfurt", NOW - 120, NOW)) == first


def test_spans_lie_within_their_parents_and_name_a_pod_that_runs(fleet_with):
    fleet = fleet_with("oom-loop")
    pods = {pod.name: pod for pod in fleet.world.clusters["prod-frankfurt"].inventory.pods}
    for trace in fleet.traces.between("prod-frankfurt", NOW - 600, NOW):
        by_id = {span.span_id: span for span in trace.spans}
        assert len(by_id) == len(trace.spans)
        for span in trace.spans:
            pod = pods[str(span.process.resource["k8s.pod.name"])]
            assert pod.work.name == span.process.service
            assert pod.history.created < span.start_ns / 1e9
            parent = by_id.get(span.parent_id)
            if parent is not None:
                assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns
            assert span.duration_ns >= 0


def test_in_a_healthy_fleet_spans_take_as_long_as_the_metrics_say(fleet_with):
    fleet = fleet_with()
    truths = ServiceTruths(fleet.world.store("prod-frankfurt")).table(NOW - 1800)
    for service in ("frontend", "checkout", "payment", "catalogue", "cart"):
        spans = servers(fleet.traces, "prod-frankfurt", service)
        median = statistics.median(span.duration_ns / 1e9 for span in spans)
        # The frontend's routes differ a lot, so its median is not that of one lognormal.
        near = 0.35 if service == "frontend" else 0.2
        assert median == pytest.approx(truths.medians[service][100], rel=near), service
        assert failing(spans) < 0.02


@pytest.mark.parametrize(
    ("incident", "cluster", "service", "least", "most"),
    [
        ("oom-loop", "prod-frankfurt", "frontend", 0.05, 0.18),
        ("dns-outage", "prod-virginia", "frontend", 0.08, 0.27),
        ("cross-cluster-payment", "prod-frankfurt", "payment", 0.45, 0.75),
        ("cross-cluster-payment", "prod-virginia", "checkout", 0.12, 0.48),
        ("config-change", "stage-singapore", "catalogue", 0.06, 0.2),
    ],
)
def test_as_many_spans_fail_as_the_metrics_say(incident, cluster, service, least, most, fleet_with):
    fleet = fleet_with(incident)
    truths = ServiceTruths(fleet.world.store(cluster)).table(NOW)
    spans = servers(fleet.traces, cluster, service)
    share = failing(spans)
    assert least < share < most
    assert share == pytest.approx(truths.errors[service][-60], abs=0.12)
    quiet = servers(fleet.traces, cluster, service, NOW - 7200, NOW - 5400)
    assert failing(quiet) < 0.03


def test_a_slow_database_shows_in_statements_and_in_all_who_wait_for_them(fleet_with):
    book = fleet_with("slow-database").traces

    def median(start, end, wanted):
        times = [
            span.duration_ns / 1e6
            for trace in book.between("prod-frankfurt", start, end)
            for span in trace.spans
            if wanted(span)
        ]
        return statistics.median(times)

    def statement(span):
        return span.attributes.get("db.system") == "postgresql"

    def answer(span):
        return span.kind is Kind.SERVER and span.process.service == "frontend"

    for wanted, before, after in ((statement, 15, 400), (answer, 200, 500)):
        assert median(NOW - 7200, NOW - 5400, wanted) < before
        assert median(NOW - 1800, NOW, wanted) > after


def test_a_lost_cache_asks_the_database_a_dozen_times(fleet_with):
    book = fleet_with("config-change").traces
    trace = next(
        trace
        for trace in book.between("stage-singapore", NOW - 600, NOW)
        if any(span.process.service == "catalogue" for span in trace.spans)
    )
    parent = next(
        span
        for span in trace.spans
        if span.process.service == "catalogue" and span.status is Status.UNSET
    )
    asked = [span for span in trace.spans if span.parent_id == parent.span_id]
    assert len(asked) == 12
    assert {span.attributes["db.statement"] for span in asked} == {
        "SELECT price FROM product_prices WHERE product_id = $1"
    }


def test_a_callee_without_pods_refuses_and_the_caller_records_it(fleet_with):
    book = fleet_with("oom-loop").traces
    refused = [
        span
        for trace in book.between("prod-frankfurt", NOW - 900, NOW)
        for span in trace.spans
        if span.attributes.get("error.type") == "connection_refused"
    ]
    assert len(refused) > 20
    span = refused[0]
    assert span.attributes["peer.service"] == "recommendation"
    assert span.events[0].name == "exception"
    assert span.events[0].attributes["exception.message"] == (
        "dial tcp recommendation.shop.svc:8080: connect: connection refused"
    )
    assert span.start_ns <= span.events[0].at_ns <= span.end_ns


def test_one_trace_lies_in_two_clusters_and_their_clocks_differ(fleet_with):
    book = fleet_with().traces
    virginia = {t.trace_id: t for t in book.between("prod-virginia", NOW - 1800, NOW)}
    frankfurt = {t.trace_id: t for t in book.between("prod-frankfurt", NOW - 1800, NOW)}
    shared = sorted(set(virginia) & set(frankfurt))
    assert 10 < len(shared) < 60
    there = {span.span_id: span for span in virginia[shared[0]].spans}
    (entry,) = [span for span in frankfurt[shared[0]].spans if span.parent_id in there]
    caller = there[entry.parent_id]
    assert (caller.process.service, entry.process.service) == ("checkout", "payment")
    assert caller.attributes["server.address"] == "payment.prod-frankfurt.example.com"
    # Its clock is 180 ms ahead and the way takes 45: the callee seems to begin before the call.
    assert (entry.start_ns - caller.start_ns) / 1e6 == pytest.approx(45 - 180, abs=1)
    assert frankfurt[shared[0]].root is None


def test_clusters_without_a_store_keep_nothing_and_lose_no_roots_elsewhere(fleet_with):
    fleet = fleet_with()
    assert fleet.transport("https://tempo.depot-3.sim.invalid") is None
    orphans = [t for t in fleet.traces.between("fleet-hub", NOW - 1800, NOW) if t.root is None]
    assert orphans
    assert {span.process.service for span in orphans[0].spans} == {"argocd-server"}


def test_what_lies_ahead_or_too_far_back_is_not_there(fleet_with):
    book = fleet_with().traces
    assert not list(book.between("prod-frankfurt", NOW + 10, NOW + 600))
    assert not list(book.between("prod-frankfurt", NOW - 72 * 3600, NOW - 60 * 3600))
    assert all(
        span.end_ns <= NOW * 1e9
        for trace in book.between("prod-frankfurt", NOW - 60, NOW + 60)
        for span in trace.spans
    )
    future = next(requests_between(1, "prod-frankfurt", "frontend", NOW + 60, NOW + 90))[0]
    assert (
        book.trace("prod-frankfurt", trace_id_of(1, "prod-frankfurt", "frontend", future)) is None
    )
    assert book.trace("prod-frankfurt", "0" * 32) is None
    assert book.trace("dev-dublin", trace_id_of(1, "prod-frankfurt", "frontend", future)) is None


def test_an_hour_is_looked_through_without_long_work():
    book = TraceBook(World(1, (), lambda: NOW))
    begun = time.process_time()
    traces = list(book.between("prod-frankfurt", NOW - 3600, NOW))
    spent = time.process_time() - begun
    assert len(traces) > 900
    assert spent < 1.5  # 0.25 s on a quiet machine
