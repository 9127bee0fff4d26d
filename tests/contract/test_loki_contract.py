"""Loki as its client meets it: plain and behind a gateway, simulated and as written by hand.

The hand-written answers follow Grafana Loki's HTTP API reference.
"""

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.loki import LokiClient
from aiops_mcp.backends.loki_answers import TailFrame
from aiops_mcp.backends.loki_tail import MAX_FAILURES, OPENED, follow
from aiops_mcp.backends.loki_tenants import tenancy
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import (
    BackendMisbehaved,
    BackendUnauthorized,
    ClusterUnreachable,
    InvalidLogql,
    QueryTimeout,
    QueryTooExpensive,
)
from aiops_mcp.models.logs import LogDirection
from aiops_mcp.models.metrics import ResultType
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.transport import SimulatedTransport
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
NS = int(NOW.timestamp()) * 10**9
HOUR = 3600 * 10**9
STORES = {
    "plain": ("prod-virginia", "namespace"),
    "gateway": ("prod-frankfurt", "kubernetes_namespace_name"),
}


@pytest.fixture(scope="module")
def fleet():
    return SimulatedFleet(World(1, clock=NOW.timestamp))


@pytest.fixture(params=STORES)
def store(request, fleet):
    """A client of the simulation, and what its streams call a namespace."""
    cluster, namespace = STORES[request.param]
    registration = next(each for each, _ in fleet.registrations() if each.name == cluster)
    url = registration.endpoints.loki_url
    known = tenancy(url)
    bearer = token_of(1, cluster)
    http = HttpClient(
        Target(known.base_url, "loki", cluster, bearer=lambda: bearer),
        transport=fleet.transport(url),
        retries=0,
    )
    return LokiClient(http, known), namespace


async def first_tenant(client):
    return client.tenancy.chosen(None)[0]


async def test_lines_in_both_directions(store):
    client, namespace = store
    tenant = await first_tenant(client)
    query = f'{{{namespace}="shop"}}'
    args = {"start": NS - HOUR, "end": NS, "limit": 50, "tenant": tenant}
    back = await client.query_range(query, **args)
    ahead = await client.query_range(query, direction=LogDirection.FORWARD, **args)
    assert back.lines == ahead.lines == 50
    newest = max(line.ns for stream in back.streams for line in stream.lines)
    oldest = min(line.ns for stream in ahead.streams for line in stream.lines)
    assert NS - HOUR <= oldest < newest < NS
    assert newest > NS - HOUR // 10
    assert {stream.labels[namespace] for stream in back.streams} == {"shop"}


async def test_metric_queries(store):
    client, namespace = store
    tenant = await first_tenant(client)
    query = f'sum by ({namespace}) (count_over_time({{{namespace}="shop"}}[5m]))'
    now = await client.query(query, time=NS, tenant=tenant)
    assert now.result_type is ResultType.VECTOR
    assert float(now.series[0].values[0][1]) > 0
    over = await client.query_range(query, start=NS - HOUR, end=NS, step=600, tenant=tenant)
    assert over.result_type is ResultType.MATRIX
    assert len(over.series[0].values) == 7


async def test_names_and_values(store):
    client, namespace = store
    tenant = await first_tenant(client)
    assert namespace in await client.labels(start=NS - HOUR, end=NS, tenant=tenant)
    values = await client.label_values(namespace, start=NS - HOUR, end=NS, tenant=tenant)
    assert "shop" in values
    sets = await client.series([f'{{{namespace}="shop"}}'], start=NS - HOUR, end=NS, tenant=tenant)
    assert all(each[namespace] == "shop" for each in sets)


async def test_how_much_a_query_would_read(store):
    client, namespace = store
    tenant = await first_tenant(client)
    covered = await client.index_stats(
        f'{{{namespace}="shop"}}', start=NS - HOUR, end=NS, tenant=tenant
    )
    assert covered.bytes > 10_000


async def test_a_query_that_is_none(store):
    client, _ = store
    with pytest.raises(InvalidLogql, match="parse error"):
        await client.query_range(
            '{app="x"', start=NS - HOUR, end=NS, tenant=await first_tenant(client)
        )


async def test_it_is_well(store):
    client, _ = store
    await client.healthy()


async def test_a_tail_begins_where_it_is_told(store):
    client, namespace = store
    frames = client.tail(
        f'{{{namespace}="shop"}}',
        start=NS - HOUR // 60,
        limit=20,
        tenant=await first_tenant(client),
    )
    async with aclosing(frames):
        assert await anext(frames) == OPENED
        frame = await asyncio.wait_for(anext(frames), 10)
    lines = [line for stream in frame.streams for line in stream.lines]
    assert lines
    assert all(NS - HOUR // 60 <= line.ns <= NS for line in lines)


async def test_a_gateway_without_a_token_sends_away(fleet):
    registration = next(each for each, _ in fleet.registrations() if each.name == "prod-frankfurt")
    url = registration.endpoints.loki_url
    known = tenancy(url)
    http = HttpClient(
        Target(known.base_url, "loki", "x"), transport=fleet.transport(url), retries=0
    )
    with pytest.raises(BackendUnauthorized):
        await LokiClient(http, known).labels(tenant="application")


# --- by hand ----------------------------------------------------------------------------------


def by_hand(answer, **target):
    asked = []

    def handle(request):
        asked.append(request)
        return answer(request)

    http = HttpClient(
        Target("https://loki.example", "loki", "edge-1", **target),
        transport=httpx2.MockTransport(handle),
        retries=0,
    )
    return LokiClient(http), asked


def text(status, body):
    return lambda _: httpx2.Response(status, text=body)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "parse error at line 1, col 2: syntax error", InvalidLogql),
        (400, "max entries limit per query exceeded, limit > max_entries_limit", QueryTooExpensive),
        (429, "too many outstanding requests", QueryTimeout),
        (504, "", QueryTimeout),
        (503, "no healthy upstream", ClusterUnreachable),
        (401, "no credentials provided", BackendUnauthorized),
        (200, "<html>login</html>", BackendMisbehaved),
        (200, '{"status":"success","data":{"resultType":"odd","result":[]}}', BackendMisbehaved),
        (302, "", BackendUnauthorized),
    ],
)
async def test_what_it_says_in_plain_text(status, body, error):
    client, _ = by_hand(text(status, body))
    with pytest.raises(error):
        await client.query_range('{a="b"}', start=1, end=2)


async def test_a_long_query_is_posted_and_times_are_nanoseconds():
    empty = {"status": "success", "data": {"resultType": "streams", "result": []}}
    client, asked = by_hand(lambda _: httpx2.Response(200, json=empty))
    await client.query_range('{a="b"}', start=NS - 1, end=NS, limit=7)
    await client.query_range('{a="b"} |= "' + "x" * 7000 + '"', start=NS - 1, end=NS)
    first, second = asked
    assert first.method == "GET"
    assert first.url.params["start"] == str(NS - 1)
    assert first.url.params["direction"] == "backward"
    assert first.url.params["limit"] == "7"
    assert second.method == "POST"
    assert b"query=" in second.content


async def test_a_loki_that_tells_no_sizes():
    client, _ = by_hand(text(404, "404 page not found"))
    assert await client.index_stats('{a="b"}', start=1, end=2) is None


# --- the tail, over breaks ----------------------------------------------------------------------


def frame(*stamps, dropped=0):
    values = [[str(ns), f"line {ns}"] for ns in stamps]
    return json.dumps(
        {
            "streams": [{"stream": {"a": "b"}, "values": values}] if values else [],
            "dropped_entries": [{"labels": {}, "timestamp": "1"}] * dropped,
        }
    )


def tailing(sessions):
    """A Loki that serves one list of frames a connection; ``None`` fails with 1011."""
    asked = []

    async def tail(websocket):
        asked.append(dict(websocket.query_params))
        frames = sessions[len(asked) - 1] if len(asked) <= len(sessions) else []
        await websocket.accept()
        for each in frames:
            if each is None:
                await websocket.close(1011, "ingester is gone")
                return
            await websocket.send_text(each)
        await websocket.close(1000)

    app = Starlette(routes=[WebSocketRoute("/loki/api/v1/tail", tail)])
    http = HttpClient(
        Target("https://loki.example", "loki", "edge-1"),
        transport=SimulatedTransport(app, lambda: True),
        retries=0,
    )
    return LokiClient(http), asked


async def test_it_goes_on_after_the_last_line():
    client, asked = tailing([[frame(5, 9), None], [frame(10, dropped=3)]])
    got = []
    frames = client.tail('{a="b"}', start=1)
    async with aclosing(frames):
        async for each in frames:
            if each != OPENED:
                got.append(each)
            if len(got) == 2:
                break
    assert [line.ns for each in got for stream in each.streams for line in stream.lines] == [
        5,
        9,
        10,
    ]
    assert got[1].dropped == 3
    assert [each["start"] for each in asked[:2]] == ["1", "10"]


async def test_it_gives_up_after_failures_in_a_row():
    pauses = []

    async def connect(since, put):
        await put(OPENED)
        raise ClusterUnreachable("refused")

    async def sleep(seconds):
        pauses.append(seconds)

    frames = follow(connect, None, sleep=sleep, jitter=lambda: 0.5)
    for _ in range(MAX_FAILURES):
        assert await anext(frames) == TailFrame(())
    with pytest.raises(ClusterUnreachable):
        await anext(frames)
    assert len(pauses) == MAX_FAILURES - 1
    assert pauses == sorted(pauses)


async def test_a_frame_that_is_none_is_said():
    client, _ = tailing([["[]"]] * MAX_FAILURES)
    with pytest.raises((BackendMisbehaved, ClusterUnreachable)):
        async for _ in client.tail('{a="b"}'):
            pass
