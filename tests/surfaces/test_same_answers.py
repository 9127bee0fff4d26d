"""MCP and REST say the same: one operation, one answer, of one running application.

The application is the real one over the simulated fleet, at a fixed moment. What REST answers, put
through the operation's digest and the guard, must be what the MCP tool answers, in both eras.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio
from fastmcp import Client

from aiops_mcp.app import App, open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.operation import Operation
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.serving import http_application
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.guard import digest_payload, guard

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
TOOLS = {operation.name: operation for operation in OPERATIONS if operation.tool}

NEW = {
    "name": "new-one",
    "api_server_url": "https://api.new-one.invalid:6443",
    "cluster_type": "EDGE",
    "labels": {"team": "ml"},
}

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_fleet_summary", {}),
    ("list_clusters", {}),
    ("list_clusters", {"cluster_type": "EDGE", "page_size": 2}),
    ("list_clusters", {"label": ["nobody=has-this"]}),
    ("find_runbook", {"alert": "KubePodCrashLooping"}),
    ("get_cluster_status", {"cluster": "fleet-hub"}),
    ("get_cluster_status", {"cluster": "tower-18"}),
    ("query_metrics", {"query": "topk(3, sum by (namespace) (kube_pod_info))"}),
    ("query_metrics", {"query": "sum(up)", "aggregation": "SUM"}),
    ("query_metrics", {"query": "up", "clusters": ["type=EDGE"], "limit": 5}),
    ("query_metrics", {"query": "sum(up)", "start_time": "-1h", "step": "5m"}),
    ("query_metrics", {"query": "no_such_metric"}),
    ("find_metrics", {"search": "gpu temperature"}),
    ("get_metric_labels", {"label_name": "namespace", "clusters": ["fleet-hub"]}),
    ("list_alerts", {}),
    ("list_alerts", {"severity": "CRITICAL", "response_format": "detailed"}),
    ("get_gpu_nodes", {}),
    ("get_gpu_nodes", {"response_format": "detailed", "limit": 3}),
    ("get_gpu_processes", {"limit": 5}),
    ("get_gpu_summary", {}),
    ("get_gpu_health", {}),
    ("get_gpu_waste", {}),
    ("get_model_servers", {}),
    ("get_cnf_workloads", {"cnf_type": "UPF"}),
    ("get_ptp_status", {}),
    ("get_dpdk_stats", {"cluster": "edge-berlin", "pod_name": "upf-0"}),
    ("get_sriov_status", {"clusters": ["edge-munich"]}),
    ("check_alert_rules", {"clusters": ["fleet-hub"]}),
    ("list_silences", {}),
    ("query_logs", {"query": '{namespace="shop"}', "clusters": ["prod-virginia"]}),
    (
        "query_logs",
        {"query": 'sum(count_over_time({app="cart"}[5m]))', "clusters": ["prod-virginia"]},
    ),
    ("get_log_labels", {"clusters": ["prod-virginia"]}),
    (
        "get_log_patterns",
        {"query": '{namespace="shop", app="cart"}', "clusters": ["prod-virginia"], "window": "30m"},
    ),
    ("find_resources", {"kind": "pods", "namespace": "shop", "limit": 5}),
    ("get_resource", {"cluster": "fleet-hub", "kind": "Node", "name": "fleet-hub-cp-0"}),
    ("list_events", {"clusters": ["prod-frankfurt"]}),
    ("get_pod_logs", {"cluster": "edge-berlin", "pod": "upf-0"}),
    ("list_unhealthy", {}),
    ("get_changes", {"clusters": ["prod-frankfurt"]}),
    ("compare_clusters", {"clusters": ["prod-frankfurt", "stage-singapore"]}),
    ("search_traces", {}),
    ("search_traces", {"service_name": "pay*", "tags": {"status": "error"}, "limit": 3}),
    ("search_traces", {"service_name": "paiment"}),
    ("get_trace", {"trace_id": "050d60335ca53d3949f480c3aecde140"}),
    ("detect_anomalies", {"clusters": ["fleet-hub"], "window": "1h"}),
    ("find_changes", {"query": "sum by (service) (rate(http_requests_total[5m]))"}),
    ("correlate", {"clusters": ["fleet-hub"], "limit": 5}),
    ("forecast", {"clusters": ["stage-singapore"], "horizon": "52w"}),
    ("triage", {"clusters": ["prod-frankfurt", "edge-berlin"]}),
    ("analyze_root_cause", {"cluster": "prod-frankfurt"}),
]

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "get_cluster_status",
        {"cluster": "fleet-hubb"},
        "CLUSTER_NOT_FOUND",
        "No cluster is called 'fleet-hubb'. Near names: fleet-hub.",
    ),
    ("query_metrics", {"query": "sum(up"}, "INVALID_PROMQL", "1:7: parse error: "),
    (
        "query_metrics",
        {"query": "up", "clusters": ["type=NOTHING"]},
        "VALIDATION_FAILED",
        "'NOTHING' is no type. type= takes HUB, SPOKE, EDGE, FAR_EDGE.",
    ),
    (
        "query_metrics",
        {"query": "up", "start_time": "-1h", "end_time": "-2h"},
        "VALIDATION_FAILED",
        "The range ends before it starts. Swap start_time and end_time.",
    ),
    (
        "detect_anomalies",
        {"window": "10m"},
        "VALIDATION_FAILED",
        "11 samples are too few to know what is usual. Take a window of at least 30 steps",
    ),
    (
        "forecast",
        {"query": "up"},
        "VALIDATION_FAILED",
        "A query needs the threshold that it will reach. Add threshold,",
    ),
    (
        "analyze_root_cause",
        {"component": "shop/payment"},
        "VALIDATION_FAILED",
        "It is not said which cluster is meant. Give cluster,",
    ),
    (
        "analyze_root_cause",
        {"alert": "NoSuchAlert"},
        "ALERT_NOT_FOUND",
        "No alert has the fingerprint, id or name 'NoSuchAlert'. list_alerts tells",
    ),
    ("list_alerts", {"severty": "CRITICAL"}, "VALIDATION_FAILED", "id you mean severity?"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        demo=True,
        # On a busy machine too, every cluster has the time to answer.
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        allow_write=True,
        rate_user_per_minute=0,
        rate_query_per_minute=0,
    )
    async with open_app(settings, watch=False, clock=lambda: MOMENT) as opened:
        await opened.check_stale_clusters()
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(app: App) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=http_application(app).asgi)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def over_rest(
    client: httpx2.AsyncClient, operation: Operation, arguments: dict[str, Any]
) -> httpx2.Response:
    method, _, path = operation.routes[0].partition(" ")
    left = dict(arguments)
    for name in arguments:
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(left.pop(name)), safe=""))
    url = f"/api/v1{path}"
    if method in {"POST", "PUT"}:
        return await client.request(method, url, json=left)
    return await client.request(method, url, params=left)


def digest_of(operation: Operation, arguments: dict[str, Any], answer: Any) -> dict[str, Any]:
    request = operation.request_type.model_validate(arguments)
    assert operation.digest is not None
    digest = operation.digest(request, operation.answer_type.model_validate(answer))
    return json.loads(json.dumps(digest_payload(guard(digest))))


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=lambda value: json.dumps(value)[:60])
async def test_a_question(
    app: App, rest: httpx2.AsyncClient, era: Any, name: str, arguments: dict[str, Any]
) -> None:
    operation = TOOLS[name]
    answer = await over_rest(rest, operation, arguments)
    assert answer.status_code == operation.status, answer.text
    async with Client(mcp_server(OpenApp(app), app.settings), mode=era) as client:
        result = await client.call_tool(name, arguments)
    assert result.structured_content == digest_of(operation, arguments, answer.json())
    # Some clients show a model only the text: it must hold the same.
    text = result.content[0].text
    assert result.structured_content["headline"] in text
    for row in result.structured_content.get("rows", ()):
        assert all(str(cell) in text for cell in row if isinstance(cell, str))


@pytest.mark.parametrize("era", ["auto", "legacy"])
@pytest.mark.parametrize(("name", "arguments", "code", "says"), WRONG, ids=lambda v: str(v)[:40])
async def test_a_refusal(
    app: App, rest: httpx2.AsyncClient, era: Any, name: str, arguments: Any, code: str, says: str
) -> None:
    refused = await over_rest(rest, TOOLS[name], arguments)
    error = refused.json()["error"]
    assert refused.status_code in {400, 404, 422}
    assert error["code"] == code
    assert says in error["message"]
    async with Client(mcp_server(OpenApp(app), app.settings), mode=era) as client:
        result = await client.call_tool(name, arguments, raise_on_error=False)
    assert result.is_error
    told = result.content[0].text.replace("\nhint:", "")
    assert told.startswith(f"{code}: ")
    assert says in told


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_change_in_two_steps_and_in_one(
    app: App, rest: httpx2.AsyncClient, era: Any
) -> None:
    changes = [
        ("register_cluster", NEW),
        ("update_cluster", {"cluster": "new-one", "region": "eu-north"}),
        ("remove_cluster", {"cluster": "new-one"}),
    ]
    by_rest = {}
    for name, arguments in changes:
        answer = await over_rest(rest, TOOLS[name], arguments)
        assert answer.status_code == TOOLS[name].status, answer.text
        by_rest[name] = digest_of(TOOLS[name], arguments, answer.json())
    async with Client(mcp_server(OpenApp(app), app.settings), mode=era) as client:
        for name, arguments in changes:
            plan = await client.call_tool(name, arguments)
            handle = _handle(plan.structured_content)
            done = await client.call_tool(name, {**arguments, "apply": handle})
            assert done.structured_content == by_rest[name]


async def test_a_silence_is_planned_made_and_ended(app: App, rest: httpx2.AsyncClient) -> None:
    wanted = {
        "clusters": ["fleet-hub"],
        "matchers": ["alertname=Watchdog"],
        "duration": "1h",
        "comment": "a test of silences",
    }
    async with Client(mcp_server(OpenApp(app), app.settings)) as client:
        plan = (await client.call_tool("create_silence", wanted)).structured_content
        assert "Watchdog" in json.dumps(plan)
        assert (await rest.get("/api/v1/silences")).json()["silences"] == []
        handle = _handle(plan)
        await client.call_tool("create_silence", {**wanted, "apply": handle})
        [silence] = (await rest.get("/api/v1/silences")).json()["silences"]
        assert silence["cluster_name"] == "fleet-hub"
        assert silence["created_by"] == "local (aiops)"
        again = await client.call_tool(
            "create_silence", {**wanted, "apply": handle}, raise_on_error=False
        )
        assert again.is_error  # a handle works once
        which = {"silences": [silence["id"]]}
        plan = (await client.call_tool("expire_silence", which)).structured_content
        await client.call_tool("expire_silence", {**which, "apply": _handle(plan)})
        [ended] = (await rest.get("/api/v1/silences?state=EXPIRED")).json()["silences"]
        assert ended["id"] == silence["id"]


async def test_a_report_is_the_same_but_for_its_id(app: App, rest: httpx2.AsyncClient) -> None:
    """Each call makes one of its own, so that only ids and where they are may differ."""
    asked = {"report_type": "CAPACITY_PLAN", "format": "JSON", "clusters": ["fleet-hub"]}
    answer = await over_rest(rest, TOOLS["create_report"], asked)
    assert answer.status_code == 201, answer.text
    by_rest = digest_of(TOOLS["create_report"], asked, answer.json())
    async with Client(mcp_server(OpenApp(app), app.settings)) as client:
        by_mcp = (await client.call_tool("create_report", asked)).structured_content
    for told in (by_rest, by_mcp):
        (row,) = told["rows"]
        report_id = row[told["columns"].index("id")]
        assert report_id in told.pop("more")
        kept = await rest.get(f"/api/v1/reports/{report_id}/download")
        assert kept.json()["clusters"] == ["fleet-hub"]
        row[0] = ""
    assert by_mcp == by_rest
    assert (await rest.get("/api/v1/reports")).json()["total"] == 2


def _handle(plan: dict[str, Any]) -> str:
    """The one-time handle, as a model reads it off the plan."""
    return plan["more"].partition("apply=")[2].split()[0]


async def test_every_tool_with_a_route_is_asked() -> None:
    asked = {name for name, _ in CALLS} | {"register_cluster", "update_cluster", "remove_cluster"}
    asked |= {"create_silence", "expire_silence", "create_report"}
    # A refresh measures: two of them never take the same number of milliseconds.
    assert {name for name, operation in TOOLS.items() if operation.routes} - asked == {
        "refresh_cluster"
    }
