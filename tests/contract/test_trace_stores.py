"""What a client of traces answers, whichever store is behind it: Tempo, its gateway, or Jaeger."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from trace_stores import (
    MS,
    SHORT,
    SLOW,
    START_NS,
    JaegerV1,
    JaegerV3,
    Tempo,
    TempoGateway,
    json_of,
    resource_spans,
    text,
)

from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.jaeger import MOST_SERVICES
from aiops_mcp.backends.otlp import LARGE
from aiops_mcp.backends.traces import TraceClient, trace_client
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
    InputError,
    QueryTimeout,
)
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.spans import SpanKind, SpanStatus, TraceSearch
from aiops_mcp.settings import Settings

GATEWAY = "/api/traces/v1/prod/tempo"
HOUR = TraceSearch(
    start=datetime(2026, 3, 1, 11, 30, tzinfo=UTC),
    end=datetime(2026, 3, 1, 12, 30, 0, 500_000, tzinfo=UTC),
    service="payment",
    limit=20,
)


async def client_of(store: Any, path: str = "") -> TraceClient:
    target = Target(f"https://traces.example{path}", "tempo", "edge-1")
    return await trace_client(HttpClient(target, transport=httpx2.MockTransport(store), retries=0))


@dataclass
class Subject:
    client: TraceClient
    store: Any
    kind: str


STORES = {
    "tempo": (Tempo, "", {}),
    "tempo-base64": (Tempo, "", {"base64_ids": True}),
    "tempo-2.3": (Tempo, "", {"v2": False, "stats": False, "base64_ids": True}),
    "gateway": (TempoGateway, GATEWAY, {"prefix": GATEWAY, "stats": False}),
    "gateway-tenant": (TempoGateway, GATEWAY.removesuffix("/tempo"), {"prefix": GATEWAY}),
    "behind-a-path": (Tempo, "/tempo", {"prefix": "/tempo"}),
    "jaeger-v3": (JaegerV3, "", {}),
    "jaeger-v1": (JaegerV1, "", {}),
}


@pytest.fixture(params=STORES)
async def subject(request: pytest.FixtureRequest) -> Subject:
    make, path, settings = STORES[request.param]
    store = make(**settings)
    return Subject(await client_of(store, path), store, request.param)


async def test_nobody_is_asked_before_the_first_question(subject: Subject) -> None:
    assert subject.store.asked == []


async def test_a_trace_whole(subject: Subject) -> None:
    found = await subject.client.trace(SLOW)
    assert found is not None
    root, charge, query = sorted(found.spans, key=lambda span: span.start_ns)
    exact = 1 if subject.kind != "jaeger-v1" else 1000  # microseconds there
    assert {span.trace_id for span in found.spans} == {SLOW}
    assert (root.span_id, root.parent_id) == ("b7ad6b7169203331", "")
    assert (root.name, root.service, root.kind) == ("POST /order", "checkout", SpanKind.SERVER)
    assert root.start_ns == START_NS // exact * exact
    assert root.duration_ns == 900 * MS
    assert (root.status, root.message) == (SpanStatus.UNSET, "")
    assert (charge.parent_id, charge.status) == (root.span_id, SpanStatus.ERROR)
    assert charge.message == "card declined"
    assert charge.attributes["http.status_code"] == 502
    assert charge.resource["k8s.pod.name"] == "payment-0"
    assert [event.text for event in charge.events] == ["exception: CardError: no funds"]
    assert query.parent_id == charge.span_id
    assert query.span_id == "00000000000000a1"
    assert found.broken == 0
    assert found.partial == ""


async def test_leading_zeros_of_an_id(subject: Subject) -> None:
    found = await subject.client.trace(SHORT)
    assert found is not None
    assert {span.trace_id for span in found.spans} == {SHORT}
    has_v2 = subject.kind in {"tempo", "tempo-base64", "gateway", "gateway-tenant", "behind-a-path"}
    assert found.partial == ("a block was not read" if has_v2 else "")


async def test_a_trace_nobody_knows(subject: Subject) -> None:
    assert await subject.client.trace("9" * 32) is None
    assert await subject.client.trace(SLOW) is not None
    assert await subject.client.trace("9" * 32) is None


async def test_a_search(subject: Subject) -> None:
    found = {hit.trace_id: hit for hit in (await subject.client.search(HOUR)).hits}
    slow = found[SLOW]
    assert (slow.root_service, slow.root_operation) == ("checkout", "POST /order")
    assert (slow.duration_ns, slow.has_errors) == (900 * MS, True)
    assert abs(slow.start_ns - START_NS) < 1000
    if not subject.kind.startswith("jaeger"):
        short = found[SHORT]
        assert (short.root_service, short.root_operation) == (None, None)
        assert (short.duration_ns, short.has_errors) == (0, False)
    if subject.kind in {"tempo", "jaeger-v3", "jaeger-v1"}:
        assert (slow.span_count, slow.service_count) == (3, 3)
    if subject.kind == "tempo-2.3":
        assert slow.span_count is None


async def test_services_and_operations(subject: Subject) -> None:
    assert await subject.client.services() == ("card-db", "checkout", "payment")
    assert await subject.client.operations("payment") == ("charge",)
    assert await subject.client.operations('"}nobody') == ()


async def test_healthy(subject: Subject) -> None:
    await subject.client.healthy()


async def test_the_store_is_looked_for_once(subject: Subject) -> None:
    await subject.client.services()
    probes = len(subject.store.asked)
    await subject.client.services()
    assert len(subject.store.asked) - probes in (1, 2)  # an old Tempo is asked for v2 first


# --- what goes over the wire ----------------------------------------------------------------


async def test_a_search_of_tempo_on_the_wire() -> None:
    store = Tempo()
    await (await client_of(store)).search(HOUR)
    [(_, query)] = [asked for asked in store.asked if asked[0] == "/api/search"]
    assert query == {
        "q": '{ resource.service.name = "payment" }',
        "limit": "20",
        "spss": "1",
        "start": "1772364600",
        "end": "1772368201",
    }


async def test_an_old_tempo_is_asked_which_traces_failed() -> None:
    store = Tempo(stats=False)
    await (await client_of(store)).search(HOUR)
    asked = [query for path, query in store.asked if path == "/api/search"]
    assert [query["q"] for query in asked] == [
        '{ resource.service.name = "payment" }',
        '{ resource.service.name = "payment" } && { status = error }',
    ]
    assert [query["limit"] for query in asked] == ["20", "21"]


async def test_a_search_of_jaeger_v3_on_the_wire() -> None:
    store = JaegerV3()
    wanted = TraceSearch(
        start=HOUR.start,
        end=HOUR.end,
        service="payment",
        operation="charge",
        min_duration_ms=1.5,
        max_duration_ms=2_000_000,
        tags=(("http.status_code", "502"), ("error", "true"), ("pod", "a*")),
        limit=7,
        sample=100,
    )
    await (await client_of(store)).search(wanted)
    assert store.asked[-1] == (
        "/api/v3/traces",
        {
            "query.serviceName": "payment",
            "query.startTimeMin": "2026-03-01T11:30:00.000000000Z",
            "query.startTimeMax": "2026-03-01T12:30:00.500000000Z",
            "query.searchDepth": "7",
            "query.operationName": "charge",
            "query.durationMin": "1500us",
            "query.durationMax": "2000000000us",
            "query.attributes": '{"http.status_code":"502","error":"true"}',
        },
    )


async def test_a_search_of_jaeger_v1_on_the_wire() -> None:
    store = JaegerV1()
    wanted = TraceSearch(
        start=HOUR.start,
        end=HOUR.end,
        service="payment",
        operation="charge",
        min_duration_ms=100,
        tags=(("http.status_code", "502"),),
    )
    assert len((await (await client_of(store)).search(wanted)).hits) == 1
    assert store.asked[-1] == (
        "/api/traces",
        {
            "service": "payment",
            "start": "1772364600000000",
            "end": "1772368200500000",
            "limit": "20",
            "operation": "charge",
            "minDuration": "100000us",
            "tags": '{"http.status_code":"502"}',
        },
    )


@pytest.mark.parametrize("make", [JaegerV3, JaegerV1])
async def test_jaeger_is_asked_service_by_service(make: Any) -> None:
    store = make()
    client = await client_of(store)
    everything = TraceSearch(start=HOUR.start, end=HOUR.end)
    assert [hit.trace_id for hit in (await client.search(everything)).hits] == [SLOW]
    key = "query.serviceName" if make is JaegerV3 else "service"
    asked = [query[key] for _, query in store.asked if key in query]
    assert sorted(asked) == ["card-db", "checkout", "payment"]
    some = TraceSearch(start=HOUR.start, end=HOUR.end, service="c*")
    store.asked.clear()
    await client.search(some)
    assert sorted(query[key] for _, query in store.asked if key in query) == ["card-db", "checkout"]


@pytest.mark.parametrize("make", [JaegerV3, JaegerV1])
async def test_no_service_of_many_is_left_out_in_silence(make: Any) -> None:
    store = make()
    names = [f"a{n:03d}" for n in range(MOST_SERVICES)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == ("/api/v3/services" if make is JaegerV3 else "/api/services"):
            return json_of({"services": [*names, "payment"], "data": [*names, "payment"]})
        return store(request)

    everything = TraceSearch(start=HOUR.start, end=HOUR.end)
    found = await (await client_of(answer)).search(everything)
    assert (found.hits, found.more) == ((), True)
    names.pop()
    found = await (await client_of(answer)).search(everything)
    assert ([hit.trace_id for hit in found.hits], found.more) == ([SLOW], False)


async def test_what_fits_of_a_full_answer_may_not_be_all() -> None:
    client = await client_of(JaegerV1())
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, service="payment", limit=1)
    assert (await client.search(wanted)).more
    none = replace(wanted, tags=(("kind", "server"),))
    found = await client.search(none)
    assert (found.hits, found.more) == ((), True)


async def test_a_service_that_fails_ends_the_others() -> None:
    store, asked = JaegerV1(), list[str]()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        if request.url.path == "/api/services":
            return store.envelope([f"s{n:03d}" for n in range(100)])
        if request.url.path == "/api/traces":
            asked.append(str(request.url))
            return text(500, "broken")
        return store(request)

    with pytest.raises(BackendRefused, match="broken"):
        await (await client_of(answer)).search(TraceSearch(start=HOUR.start, end=HOUR.end))
    await asyncio.sleep(0)
    assert len(asked) < 20


async def test_jaeger_is_not_asked_for_the_kind_of_a_span_as_a_tag() -> None:
    store = JaegerV3()
    wanted = TraceSearch(
        start=HOUR.start, end=HOUR.end, service="payment", tags=(("kind", "client"),)
    )
    assert len((await (await client_of(store)).search(wanted)).hits) == 1


async def test_in_which_clusters_spans_ran(subject: Subject) -> None:
    ran_in = await subject.client.clusters()
    tells = subject.kind.startswith("tempo") or subject.kind == "behind-a-path"
    assert ran_in == (frozenset({"edge-1", "hub"}) if tells else None)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ((("status", "error"),), 1),
        ((("status", "ok"),), 0),
        ((("error", "true"), ("http.status_code", "5*")), 1),
        ((("http.status_code", "404"),), 0),
        ((("resource.k8s.pod.name", "payment-*"),), 1),
        ((("kind", "client"),), 1),
        ((("kind", "server"),), 0),
        ((("error", "false"),), 0),
    ],
)
async def test_jaeger_hits_are_looked_at_again(tags: tuple, found: int) -> None:
    client = await client_of(JaegerV1())
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, service="payment", tags=tags)
    assert len((await client.search(wanted)).hits) == found


async def test_a_search_for_failed_ones_is_one_question() -> None:
    store = Tempo(stats=False)
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, tags=(("status", "error"),))
    [hit] = (await (await client_of(store)).search(wanted)).hits
    assert hit.has_errors is True
    assert len([1 for path, _ in store.asked if path == "/api/search"]) == 1


# --- refusals -------------------------------------------------------------------------------


async def test_a_query_that_tempo_cannot_read() -> None:
    client = await client_of(Tempo())
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, traceql="{ bad query }")
    with pytest.raises(BackendRefused, match="parse error at line 1, col 3") as caught:
        await client.search(wanted)
    assert caught.value.http_status == 400


async def test_a_trace_that_is_too_large() -> None:
    client = await client_of(Tempo())
    with pytest.raises(BackendRefused, match="larger than Tempo hands out.*max bytes: 5000000"):
        await client.trace("f" * 32)


@pytest.mark.parametrize("make", [JaegerV3, JaegerV1])
async def test_jaeger_knows_no_traceql(make: Any) -> None:
    client = await client_of(make())
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, traceql="{ }")
    with pytest.raises(BackendRefused, match="knows no TraceQL"):
        await client.search(wanted)


async def test_neither_tempo_nor_jaeger() -> None:
    def page(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, html="<!doctype html><title>Welcome</title>")

    with pytest.raises(BackendMisbehaved, match="neither Tempo nor Jaeger") as caught:
        await (await client_of(page)).services()
    assert "port 16686" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (text(401, "no"), BackendUnauthorized),
        (text(403, "no"), BackendUnauthorized),
        (text(500, "broken"), BackendRefused),
        (text(504, "context deadline exceeded"), QueryTimeout),
        (httpx2.Response(302, headers={"location": "/oauth/login"}), BackendUnauthorized),
    ],
)
async def test_a_store_that_lets_nobody_in(answer: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        await (await client_of(lambda request: answer)).services()


async def test_another_program_at_the_same_place_is_noticed() -> None:
    stores: list[Any] = [JaegerV1(), Tempo()]

    def answer(request: httpx2.Request) -> httpx2.Response:
        return stores[0](request)

    client = await client_of(answer)
    assert len(await client.services()) == 3
    stores.pop(0)
    with pytest.raises(BackendRefused):
        await client.services()
    assert len(await client.services()) == 3


@pytest.mark.parametrize("body", [b"[]", b"3", b'"x"', b"null"])
async def test_json_that_is_not_the_stores(body: bytes) -> None:
    healthy = Tempo()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/echo":
            return healthy(request)
        return httpx2.Response(200, content=body)

    client = await client_of(answer)
    with pytest.raises(BackendMisbehaved, match="not Tempo's"):
        await client.search(HOUR)


# --- bad weather ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Tempo, JaegerV3, JaegerV1])
async def test_an_answer_that_breaks_off(make: Any) -> None:
    store = make()

    def answer(request: httpx2.Request) -> httpx2.Response:
        whole = store(request)
        if SLOW not in request.url.path:
            return whole
        return httpx2.Response(200, content=whole.content[: len(whole.content) // 2])

    with pytest.raises(BackendMisbehaved, match="breaks off"):
        await (await client_of(answer)).trace(SLOW)


@pytest.mark.parametrize("v2", [True, False])
async def test_a_large_trace_is_read_beside_the_loop(v2: bool) -> None:
    store = Tempo(v2=v2)
    part = store.trace(SLOW, v2=v2)
    blocks = part.json()["trace"]["resourceSpans"] if v2 else part.json()["batches"]
    many = blocks * (2 * LARGE // len(part.content) + 1)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if SLOW not in request.url.path or (not v2 and "/v2/" in request.url.path):
            return store(request)
        body = {"trace": {"resourceSpans": many}} if v2 else {"batches": many}
        return httpx2.Response(200, json=body)

    found = await (await client_of(answer)).trace(SLOW)
    assert found is not None
    assert len(found.spans) == len(many)


async def test_jaeger_streams_its_answer_in_lines() -> None:
    store = JaegerV3()

    def answer(request: httpx2.Request) -> httpx2.Response:
        whole = store(request)
        if SLOW not in request.url.path:
            return whole
        blocks = whole.json()["result"]["resourceSpans"]
        lines = [json.dumps({"result": {"resourceSpans": [block]}}) for block in blocks]
        return httpx2.Response(200, content="\n".join(lines).encode())

    found = await (await client_of(answer)).trace(SLOW)
    assert found is not None
    assert len(found.spans) == 3


async def test_a_tempo_too_old_for_scoped_tags() -> None:
    store = Tempo()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "/api/v2/search/" in request.url.path:
            return text(404, "404 page not found\n")
        return store(request)

    assert await (await client_of(answer)).services() == ("card-db", "checkout", "payment")


async def test_a_store_of_broken_spans_says_how_many() -> None:
    blocks = resource_spans()
    blocks[0]["scopeSpans"][0]["spans"][0]["traceId"] = "?"

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/echo":
            return text(200, "echo")
        return httpx2.Response(200, json={"trace": {"resourceSpans": blocks}})

    found = await (await client_of(answer)).trace(SLOW)
    assert found is not None
    assert (len(found.spans), found.broken) == (2, 1)


@pytest.mark.parametrize("body", [{}, {"trace": None}, {"trace": {"resourceSpans": []}}])
async def test_an_empty_trace_is_none(body: dict[str, Any]) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return text(200, "echo") if request.url.path == "/api/echo" else json_of(body)

    assert await (await client_of(answer)).trace(SLOW) is None


async def test_a_query_longer_than_tempo_takes() -> None:
    client = await client_of(Tempo())
    wanted = TraceSearch(start=HOUR.start, end=HOUR.end, traceql="{ " + "x" * 140_000 + " }")
    with pytest.raises(InputError, match="128 KiB"):
        await client.search(wanted)


async def test_an_old_tempo_that_refuses_to_say_which_failed() -> None:
    store = Tempo(stats=False)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if "status" in request.url.params.get("q", ""):
            return text(400, "not supported")
        return store(request)

    hits = (await (await client_of(answer)).search(HOUR)).hits
    assert {hit.has_errors for hit in hits} == {None}


@pytest.mark.parametrize(
    ("query", "tenant"), [("", None), ("?tenant=shop", "shop"), ("?tenant=a%7Cb", "a|b")]
)
async def test_a_plain_tempo_with_tenants(query: str, tenant: str | None) -> None:
    store, seen = Tempo(prefix="/base"), set[str | None]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.add(request.headers.get("X-Scope-OrgID"))
        return store(request)

    moment = datetime(2026, 3, 1, tzinfo=UTC)
    cluster = Cluster(
        id=UUID(int=7), name="edge-1", api_server_url="https://k", created_at=moment,
        updated_at=moment,
    )  # fmt: skip
    connect = NetworkConnect(Settings(_env_file=None), lambda _: httpx2.MockTransport(answer))
    client = await connect.traces(cluster, None, f"https://tempo.example/base{query}")
    assert len(await client.services()) == 3
    assert seen == {tenant}
