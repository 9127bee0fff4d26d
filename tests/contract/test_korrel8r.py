"""Korrel8r's REST API: what the client sends and reads, and what the simulated one answers."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest

from aiops_mcp.backends.http import HttpClient
from aiops_mcp.backends.korrel8r import Domain, Graph, Korrel8rClient, query_text, read_graph
from aiops_mcp.backends.tokens import fixed_token
from aiops_mcp.backends.wire import Target
from aiops_mcp.errors import BackendMisbehaved, BackendRefused, BackendUnauthorized
from aiops_mcp.fleet.correlation_neighbours import Near, kind_of, starts_of, told
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CLUSTER = "prod-frankfurt"
URL = f"https://korrel8r.{CLUSTER}.sim.invalid"


def client_of(transport: httpx2.AsyncBaseTransport, token: str | None = None) -> Korrel8rClient:
    bearer = fixed_token(token) if token else None
    return Korrel8rClient(
        HttpClient(Target(URL, "korrel8r", CLUSTER, bearer=bearer), transport=transport)
    )


def answering(asked: list[tuple[str, Any]], *answers: tuple[int, Any]) -> Korrel8rClient:
    left = list(answers)

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.url.path, orjson.loads(request.content or b"null")))
        status, body = left.pop(0)
        return httpx2.Response(status, json=body)

    return client_of(httpx2.MockTransport(handle))


@pytest.fixture
async def simulated():
    started = start_incidents(["oom-loop"], read_incidents(None), now=NOW.timestamp())
    world = World(1, started, NOW.timestamp)
    transport = SimulatedFleet(world).transport(URL)
    assert transport is not None
    client = client_of(transport, token_of(world.seed, CLUSTER))
    yield client
    await client.aclose()


async def test_the_question_is_as_the_api_wants_it():
    asked: list[tuple[str, Any]] = []
    client = answering(asked, (200, {"nodes": None, "edges": None}))
    found = await client.neighbours(
        ['k8s:Pod:{"namespace":"a","name":"b"}'], start=NOW, end=NOW, depth=3, limit=7
    )
    assert found == Graph()
    assert asked == [
        (
            "/api/v1alpha1/graphs/neighbors",
            {
                "start": {
                    "queries": ['k8s:Pod:{"namespace":"a","name":"b"}'],
                    "constraint": {
                        "limit": 7,
                        "start": "2026-11-25T12:00:00Z",
                        "end": "2026-11-25T12:00:00Z",
                    },
                },
                "depth": 3,
            },
        )
    ]


async def test_the_older_spelling_is_tried_where_the_newer_is_not_known():
    asked: list[tuple[str, Any]] = []
    client = answering(asked, (404, {"error": "no route"}), (200, {"nodes": []}))
    await client.neighbours(["alert:alert:{}"])
    assert [path.rpartition("/")[2] for path, _ in asked] == ["neighbors", "neighbours"]


async def test_a_refusal_says_why():
    client = answering([], (400, {"error": "class not found: k8s:Nonsense"}))
    with pytest.raises(BackendRefused, match="class not found: k8s:Nonsense"):
        await client.neighbours(["k8s:Nonsense:{}"])


async def test_what_is_no_korrel8r_is_said_so():
    client = answering([], (200, ["no graph"]))
    with pytest.raises(BackendMisbehaved, match="not Korrel8r"):
        await client.neighbours(["alert:alert:{}"])


def test_a_graph_is_read_leniently():
    found = read_graph(
        {
            "nodes": [
                {"class": "k8s:Pod", "count": 3, "queries": [
                    {"query": "k8s:Pod:{1}", "count": 1}, {"query": "k8s:Pod:{2}", "count": 2}]},
                {"class": "log:application", "count": None, "queries": None},
                {"count": 4},
                "rubbish",
            ],
            "edges": [{"start": "alert:alert", "goal": "k8s:Pod", "rules": [{"name": "AlertToPod"}]}],
        }
    )  # fmt: skip
    assert [(node.class_name, node.count) for node in found.nodes] == [
        ("k8s:Pod", 3),
        ("log:application", 0),
    ]
    assert found.nodes[0].queries == (("k8s:Pod:{2}", 2), ("k8s:Pod:{1}", 1))
    assert found.edges[0].rules == ("AlertToPod",)
    [pod] = told("edge-1", found)
    assert (pod.kind, pod.count, pod.query, pod.from_class) == (
        "object",
        3,
        "k8s:Pod:{2}",
        "alert:alert",
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("k8s:Pod", "object"),
        ("k8s:Event", "event"),
        ("k8s:Event.events.k8s.io", "event"),
        ("alert:alert", "alert"),
        ("metric:metric", "metric"),
        ("log:infrastructure", "log"),
        ("trace:span", "trace"),
        ("netflow:network", "network flow"),
        ("incident:incident", "incident"),
        ("otherdomain:thing", "otherdomain"),
    ],
)
def test_its_classes_in_our_words(name: str, kind: str):
    [node] = read_graph({"nodes": [{"class": name, "count": 1}]}).nodes
    assert kind_of(node) == kind


def test_where_to_begin():
    def near(**more: str) -> list[str]:
        return starts_of(Near(NOW, NOW, **more))

    assert near() == []
    assert near(component="worker-1") == ['k8s:Node:{"name":"worker-1"}']
    assert near(component="shop/cart")[0] == (
        'k8s:Deployment.apps:{"namespace":"shop","name":"cart"}'
    )
    assert len(near(component="shop/cart")) == 3
    assert near(component="shop/cart", alertname="X") == ['alert:alert:{"alertname":"X"}']


async def test_the_simulated_one_leads_from_an_alert_to_its_pods_and_their_events(simulated):
    start = query_text(Domain.ALERT, "alert", {"alertname": "KubePodCrashLooping"})
    found = await simulated.neighbours([start], depth=2)
    nodes = {node.class_name: node for node in found.nodes}
    assert nodes["k8s:Pod"].count >= 1
    assert all(
        '"shop"' in query and "recommendation" in query for query, _ in nodes["k8s:Pod"].queries
    )
    assert nodes["k8s:Event"].count >= 1
    assert nodes["metric:metric"].count > 5
    assert ("alert:alert", "k8s:Pod") in {(edge.start, edge.goal) for edge in found.edges}


async def test_the_simulated_one_refuses_as_the_real_one(simulated):
    with pytest.raises(BackendRefused, match="domain not found: nothing"):
        await simulated.neighbours(["nothing:x:{}"])
    with pytest.raises(BackendRefused, match="invalid selector"):
        await simulated.neighbours(["k8s:Pod:{nonsense"])
    assert await simulated.neighbours(['k8s:Node:{"name":"no-such-node"}']) == Graph()


async def test_without_the_token_it_tells_nothing():
    world = World(1, (), NOW.timestamp)
    transport = SimulatedFleet(world).transport(URL)
    assert transport is not None
    client = client_of(transport, "another")
    with pytest.raises(BackendUnauthorized):
        await client.neighbours(['k8s:Node:{"name":"x"}'])
    assert SimulatedFleet(world).transport("https://korrel8r.prod-virginia.sim.invalid") is None
