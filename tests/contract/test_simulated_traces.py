"""What the operations on traces say of the simulated fleet's incidents, over the wire and all.

Its clusters keep their traces in Tempo, in a TempoStack with a gateway, and in Jaeger.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from aiops_mcp.app import App, open_app
from aiops_mcp.errors import AiopsError, TempoNotAvailable, TraceNotFound
from aiops_mcp.fleet.trace_watcher import FailedTraces
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.models.spans import SpanStatus, TraceSearch
from aiops_mcp.operation import Call
from aiops_mcp.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
BYTES_PER_TOKEN = 3.6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    home: Path = tmp_path_factory.mktemp("home")
    settings = Settings(
        _env_file=None,
        home=home,
        demo=True,
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        demo_incidents=("config-change", "slow-database"),
    )
    async with open_app(settings, watch=False, clock=lambda: NOW) as opened:
        await opened.check_stale_clusters()
        yield opened


async def run(app: App, name: str, principal: Principal = LOCAL_ADMIN, **arguments: Any) -> Any:
    operation = next(each for each in app.operations if each.name == name)
    request = operation.request_type.model_validate(arguments)
    return await app.invoke(operation, request, Call(principal, "rest"))


def tokens(digest: Digest) -> float:
    return len(digest.text().encode()) / BYTES_PER_TOKEN


async def test_the_whole_fleet_in_few_words(app: App) -> None:
    digest = await app.ask("search_traces", {})
    assert "root operations" in digest.headline
    assert {str(row[0]).split(":")[0] for row in digest.rows} >= {"frontend", "argocd-server"}
    assert "simulated fleet" in str(digest.coverage)
    assert tokens(digest) < 600


async def test_stores_of_three_kinds_are_asked(app: App) -> None:
    found = await run(app, "list_traced_services")
    where = {one.name: set(one.clusters) for one in found.items}
    assert "fleet-hub" in where["argocd-server"]
    assert "ml-frankfurt" in where["chat-gateway"]  # Jaeger
    assert {"prod-frankfurt", "prod-virginia", "stage-singapore"} <= where["payment"]
    operations = await run(app, "list_traced_operations", service_name="payment")
    assert "POST /charges" in {one.name for one in operations.items}
    assert any(name.endswith("(no Tempo)") for name in found.coverage.skipped)


async def test_a_setting_that_made_n_plus_one_is_read_off(app: App) -> None:
    digest = await app.ask(
        "search_traces", {"service_name": "catalogue", "clusters": ["stage-singapore"]}
    )
    row = dict(zip(digest.columns, digest.rows[0], strict=True))
    one = await app.ask("get_trace", {"trace_id": row["failing"]})
    assert "catalogue: SELECT catalogue (12 calls)" in one.headline
    told = "\n".join(one.notes)
    assert "calls catalogue: SELECT catalogue 12x one after the other" in told
    assert "catalogue: SELECT catalogue 24 calls not 2" in told
    assert tokens(one) < 500


async def test_a_slow_database_is_read_off(app: App) -> None:
    wanted = {
        "service_name": "catalogue",
        "tags": {"status": "error"},
        "clusters": ["prod-frankfurt"],
    }
    found = await run(app, "search_traces", **wanted)
    slowest = max(found.traces, key=lambda one: one.duration_ms)
    digest = await app.ask("get_trace", {"trace_id": slowest.trace_id})
    assert "x the normal" in digest.headline
    assert "failed at catalogue: SELECT catalogue" in digest.headline
    assert "catalogue-db" in digest.headline


async def test_answers_cost_a_fifth_of_what_the_stores_send(app: App) -> None:
    found = await run(app, "search_traces", service_name="checkout", min_duration_ms=300)
    trace = max(found.traces, key=lambda one: one.duration_ms)
    raw = 0
    for name in trace.clusters:
        cluster = await app.context.registry.resolve(name, LOCAL_ADMIN)
        client = await app.context.fleet.clients.traces(cluster)
        await client.services()
        http = client._http
        answer = await http.request("GET", f"/api/v2/traces/{trace.trace_id}")
        raw += len(orjson.dumps(orjson.loads(answer.body)))
    digest = await app.ask("get_trace", {"trace_id": trace.trace_id})
    assert tokens(digest) < raw / BYTES_PER_TOKEN / 5


async def test_a_trace_over_two_clusters_is_one(app: App) -> None:
    found = await run(
        app, "search_traces", service_name="payment", clusters=["prod-virginia", "prod-frankfurt"]
    )
    for hit in found.traces:
        trace = await run(app, "get_trace", trace_id=hit.trace_id, compare=False)
        if len(trace.summary.clusters) > 1:
            break
    assert {ref.cluster_name for ref in trace.clusters} == {"prod-virginia", "prod-frankfurt"}
    known = {span.span_id for span in trace.spans}
    roots = [span for span in trace.spans if span.parent_span_id not in known]
    assert len(roots) == 1
    assert (trace.root_service, trace.cluster_name) == ("frontend", roots[0].cluster_name)
    by_id = {span.span_id: span for span in trace.spans}
    for span in trace.spans:
        parent = by_id.get(span.parent_span_id)
        if parent is not None:  # clocks were brought together
            assert span.start_time >= parent.start_time
    spans = await run(app, "get_trace_spans", trace_id=hit.trace_id, page_size=5, page=2)
    assert spans.total == trace.span_count == len(trace.spans)
    assert spans.spans == trace.spans[5:10]
    only = await run(app, "get_trace_spans", trace_id=hit.trace_id, service_name="payment")
    assert {span.service_name for span in only.spans} == {"payment"}


async def test_raw_traceql_and_a_store_that_knows_none(app: App) -> None:
    query = '{ resource.service.name = "payment" && duration > 100ms }'
    found = await run(app, "search_traces", traceql=query, limit=5)
    assert 0 < len(found.traces) <= 5
    assert any("knows no TraceQL" in failure.error for failure in found.coverage.failures)
    with pytest.raises(AiopsError, match=r"(?i)traceql"):
        await run(app, "search_traces", traceql="{ nonsense ((", clusters=["fleet-hub"])


@pytest.mark.parametrize("text", ['"} || {"', "\\", "a\nb", "*", "ünïcode", "x" * 300])
async def test_odd_names_find_nothing_and_break_nothing(app: App, text: str) -> None:
    found = await run(
        app,
        "search_traces",
        service_name=text,
        operation_name="nobody",
        tags={text: text},
    )
    assert found.found == 0
    assert found.coverage.failures == ()


async def test_one_trace_by_its_id_in_a_search(app: App) -> None:
    [any_] = (await run(app, "search_traces", service_name="cart", limit=1)).traces
    found = await run(app, "search_traces", trace_id=any_.trace_id.upper())
    assert [one.trace_id for one in found.traces] == [any_.trace_id]
    assert found.groups[0].root_operation == any_.root_operation


async def test_a_trace_nobody_has(app: App) -> None:
    with pytest.raises(TraceNotFound, match="None of 5 clusters has the trace"):
        await run(app, "get_trace", trace_id="1234")
    with pytest.raises(TempoNotAvailable):
        await run(app, "search_traces", clusters=["dev-dublin"])


async def test_what_one_may_not_see_does_not_exist(app: App) -> None:
    confined = Principal(subject="u", role=Role.VIEWER, clusters=frozenset({"prod-virginia"}))
    services = await run(app, "list_traced_services", confined)
    assert {name for one in services.items for name in one.clusters} == {"prod-virginia"}
    found = await run(app, "search_traces", confined, service_name="checkout")
    crossing = None
    for hit in found.traces:
        whole = await run(app, "get_trace", trace_id=hit.trace_id, compare=False)
        if len(whole.clusters) > 1:
            crossing = whole
            break
    assert crossing is not None
    seen = await run(app, "get_trace", confined, trace_id=crossing.trace_id)
    assert {span.cluster_name for span in seen.spans} == {"prod-virginia"}
    assert len(seen.spans) < len(crossing.spans)
    with pytest.raises(AiopsError):
        await run(app, "get_trace", confined, trace_id=crossing.trace_id, clusters=["fleet-hub"])


async def test_who_calls_whom(app: App) -> None:
    graph = await run(app, "get_service_graph", clusters=["prod-frankfurt"], limit=40)
    calls = {(call.caller, call.callee): call for call in graph.calls}
    assert ("frontend", "catalogue") in calls
    assert calls["frontend", "catalogue"].p95_ms >= calls["frontend", "catalogue"].p50_ms
    assert graph.traces > 10


async def test_failed_traces_are_found_for_the_bus(app: App) -> None:
    look = FailedTraces(app.context.traces)
    found = await look.find(NOW.replace(minute=28), NOW)
    assert found
    for one in found:
        assert one.hit.has_errors is True
        trace = await look.read(one)
        assert trace is not None
        assert trace.home.name in one.clusters
        assert any(span.status is SpanStatus.ERROR for span in trace.trace.spans)


async def test_every_store_answers_the_same_questions(app: App) -> None:
    """The contract of ``test_trace_stores`` over the simulated stores, whatever they hold."""
    clusters = await app.context.registry.list(LOCAL_ADMIN)
    asked = 0
    for cluster in clusters:
        if cluster.endpoints.tempo_url is None or cluster.name.startswith("tower"):
            continue
        client = await app.context.fleet.clients.traces(cluster)
        await client.healthy()
        services = await client.services()
        assert list(services) == sorted(services)
        assert await client.operations(services[0])
        search = TraceSearch(start=NOW.replace(minute=0), end=NOW, service=services[0], limit=5)
        hits = (await client.search(search)).hits
        assert 0 < len(hits) <= 5
        for hit in hits:
            told = await client.trace(hit.trace_id)
            assert told is not None
            assert {span.trace_id for span in told.spans} == {hit.trace_id}
            assert services[0] in {span.service for span in told.spans}
            failed = any(span.status is SpanStatus.ERROR for span in told.spans)
            assert hit.has_errors in (failed, None)
        assert await client.trace("9" * 32) is None
        asked += 1
    assert asked == 5


async def test_failed_traces_reach_the_bus_while_nobody_asks(tmp_path: Path) -> None:
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        demo=True,
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        demo_incidents=("config-change",),
        trace_poll_every=600,
    )
    told: asyncio.Queue[Event] = asyncio.Queue()

    async def listen(event: Event) -> None:
        if event.event_type is EventType.TRACE_RECEIVED:
            told.put_nowait(event)

    async with open_app(settings, watch=True, clock=lambda: NOW) as opened:
        opened.bus.subscribe(listen)
        async with asyncio.timeout(25):
            events = [await told.get() for _ in range(5)]
        assert len({event.payload["trace_id"] for event in events}) == 5
        one = next(event for event in events if event.cluster_name == "stage-singapore")
        trace = await run(opened, "get_trace", trace_id=one.payload["trace_id"], compare=False)
        assert trace.has_errors
        assert trace.root_operation == one.payload["root_operation"]
