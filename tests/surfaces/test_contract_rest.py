"""What the contract promises of REST, asked of the real application over the simulated fleet."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client

from aiops_mcp.app import App, open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
CREDENTIALS = "/api/v1/clusters/lab-one/credentials"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        demo=True,
        # On a busy machine too, every cluster has the time to answer.
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        demo_incidents=("node-lost@2026-03-10T14:22:00Z",),
        allow_write=True,
        rate_user_per_minute=0,
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as opened:
        await opened.check_stale_clusters()
        await opened.check_stale_clusters()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=http_application(app).asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        new = {"name": "lab-one", "api_server_url": "https://127.0.0.1:1"}
        assert (await client.post("/api/v1/clusters", json=new)).status_code == 201
        yield client


def code_of(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["code"]


async def test_what_a_healthy_cluster_has_is_well(rest: httpx2.AsyncClient) -> None:
    await rest.post("/api/v1/clusters/fleet-hub/refresh")
    again = (await rest.post("/api/v1/clusters/fleet-hub/refresh")).json()
    assert (again["tempo_healthy"], again["loki_healthy"]) == (True, True)
    assert (again["state"], again["health_score"]) == ("ONLINE", 100)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", CREDENTIALS, None),
        ("POST", f"{CREDENTIALS}/validate", None),
        ("POST", f"{CREDENTIALS}/rotate", {"auth_type": "SERVICE_ACCOUNT", "token": "t"}),
    ],
)
async def test_credentials_that_are_not_there(
    rest: httpx2.AsyncClient, method: str, path: str, body: Any
) -> None:
    answer = await rest.request(method, path, json=body)
    assert code_of(answer, 404) == "CREDENTIALS_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {"auth_type": "SERVICE_ACCOUNT"},
        {"auth_type": "SERVICE_ACCOUNT", "token": "  "},
        {"auth_type": "KUBECONFIG"},
        {"auth_type": "OIDC", "oidc": {}},
    ],
)
async def test_credentials_that_say_nothing(rest: httpx2.AsyncClient, body: Any) -> None:
    assert code_of(await rest.post(CREDENTIALS, json=body), 400) == "CREDENTIALS_INVALID"


async def test_credentials_come_and_go(rest: httpx2.AsyncClient) -> None:
    only_metrics = {"auth_type": "SERVICE_ACCOUNT", "prometheus_token": "t"}
    assert (await rest.post(CREDENTIALS, json=only_metrics)).status_code == 201
    gone = await rest.delete(CREDENTIALS)
    assert gone.json() == {"cluster_name": "lab-one", "deleted": True}
    assert code_of(await rest.delete(CREDENTIALS), 404) == "CREDENTIALS_NOT_FOUND"


async def test_pending_alerts_are_found_beside_an_alertmanager(rest: httpx2.AsyncClient) -> None:
    pending = (await rest.get("/api/v1/alerts", params={"state": "PENDING"})).json()
    assert pending["total"] > 0
    assert {alert["state"] for alert in pending["alerts"]} == {"PENDING"}
    named = {alert["alertname"] for alert in pending["alerts"]}
    assert named & {"KubeNodeNotReady", "KubeNodeUnreachable"}


async def test_a_cluster_id_is_taken_where_a_cluster_is(app: App, rest: httpx2.AsyncClient) -> None:
    hub = (await rest.get("/api/v1/clusters/by-name/fleet-hub")).json()
    async with Client(mcp_server(OpenApp(app), app.settings)) as client:
        told = await client.call_tool("get_cluster_status", {"cluster_id": hub["id"]})
    assert told.structured_content["headline"].startswith("fleet-hub is ")


async def test_times_are_told_to_a_thousandth(rest: httpx2.AsyncClient) -> None:
    asked = {"query": "up", "cluster_ids": ["fleet-hub"]}
    answer = (await rest.post("/api/v1/metrics/query", json=asked)).json()
    [result] = answer["results"]
    for told in (result["query_time_ms"], answer["total_query_time_ms"]):
        assert told == round(told, 3)


async def test_what_discovery_finds_of_a_mesh(rest: httpx2.AsyncClient) -> None:
    having = (await rest.get("/api/v1/fleet/capabilities")).json()["having"]
    assert having["has_service_mesh"] == ["prod-virginia"]


async def test_microshift_is_told_with_its_own_version(rest: httpx2.AsyncClient) -> None:
    found = (await rest.get("/api/v1/clusters/tower-17")).json()
    assert (found["platform"], found["platform_version"]) == ("MICROSHIFT", "4.18.4")


async def test_each_dependency_is_told_with_its_latency(rest: httpx2.AsyncClient) -> None:
    found = (await rest.get("/health/detailed")).json()["dependencies"]
    assert set(found) == {"database", "vault"}
    assert {each["status"] for each in found.values()} == {"healthy"}
    assert all(each["latency_ms"] >= 0 for each in found.values())
    assert (found["database"]["required"], found["vault"]["required"]) == (True, False)
