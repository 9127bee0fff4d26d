"""`aiops demo` and `aiops serve` over HTTP: clients nobody here wrote, and how it starts and ends."""

import asyncio
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import fastmcp
import httpx2
import mcp
import pytest
import real_servers
from mcp.shared.exceptions import MCPError

from aiops_mcp.operations import OPERATIONS

READING = {each.name for each in OPERATIONS if each.tool and each.needs.endswith(":read")}
TOKENS = "admin=an-admin-token-for-tests,viewer=a-viewer-token-for-tests"


def refused(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=20, check=False)


async def test_a_client_of_the_newest_protocol(demo) -> None:
    async with mcp.Client(f"{demo.url}/mcp") as client:
        assert client.protocol_version == "2026-07-28"
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"query_metrics", "list_alerts", "register_cluster"} <= names
        answer = await client.call_tool("query_metrics", {"query": "count(up)"})
        told = answer.structured_content
        assert len(told["rows"]) == 10
        # One is away for good, and one comes and goes.
        assert re.match(r"1[34] of 15 clusters answered", told["coverage"])
        assert "tower-18" in told["coverage"]
        assert told["coverage"] in answer.content[0].text
        page = await client.read_resource("fleet://clusters/tower-18")
        assert '"OFFLINE"' in page.contents[0].text


async def test_a_client_of_an_older_protocol(demo) -> None:
    async with fastmcp.Client(f"{demo.url}/mcp", mode="legacy") as client:
        assert {tool.name for tool in await client.list_tools()} >= {"query_metrics"}
        answer = await client.call_tool("get_cluster_status", {"cluster": "fleet-hub"})
        assert "fleet-hub" in answer.structured_content["headline"]
        assert "fleet-hub" in (await client.read_resource("fleet://clusters"))[0].text
        assert {str(each.uri_template) for each in await client.list_resource_templates()} == {
            "fleet://clusters/{cluster}",
            "fleet://clusters/{cluster}/alerts",
            "fleet://clusters/{cluster}/gpus",
            "fleet://traces/{trace_id}/spans",
            "fleet://incidents/{incident}",
            "runbook://{name}",
        }


async def test_a_change_reaches_who_listens(demo) -> None:
    new = {"name": "listened-to", "api_server_url": "https://127.0.0.1:1"}
    async with (
        mcp.Client(f"{demo.url}/mcp") as client,
        client.listen(resource_subscriptions=["fleet://clusters/listened-to"]) as heard,
        httpx2.AsyncClient(base_url=demo.url) as rest,
    ):
        registered = await rest.post("/api/v1/clusters", json=new)
        assert registered.status_code == 201, registered.text
        update = await asyncio.wait_for(anext(heard), 10)
        assert str(update.uri) == "fleet://clusters/listened-to"
        assert (await rest.delete("/api/v1/clusters/listened-to")).status_code == 200


async def test_a_writing_tool_takes_two_steps(demo) -> None:
    new = {"name": "two-steps", "api_server_url": "https://127.0.0.1:1"}
    async with fastmcp.Client(f"{demo.url}/mcp") as client:
        plan = (await client.call_tool("register_cluster", new)).structured_content
        assert plan["headline"].startswith("Would register two-steps")
        missing = await client.call_tool(
            "get_cluster_status", {"cluster": "two-steps"}, raise_on_error=False
        )
        assert missing.is_error
        handle = plan["more"].partition("apply=")[2].split()[0]
        other = await client.call_tool(
            "register_cluster", {**new, "region": "eu", "apply": handle}, raise_on_error=False
        )
        assert other.is_error
        done = await client.call_tool("register_cluster", {**new, "apply": handle})
        assert done.structured_content["headline"] == "Registered two-steps."
        again = await client.call_tool(
            "register_cluster", {**new, "apply": handle}, raise_on_error=False
        )
        assert again.is_error
    async with httpx2.AsyncClient(base_url=demo.url) as rest:
        assert (await rest.delete("/api/v1/clusters/two-steps")).status_code == 200


async def test_rest_over_a_socket(demo) -> None:
    async with httpx2.AsyncClient(base_url=demo.url, timeout=20) as rest:
        summary = (await rest.get("/api/v1/fleet/summary")).json()
        assert summary["total"] == 15
        alerts = (await rest.get("/api/v1/alerts")).json()
        assert alerts["total"] == len(alerts["alerts"]) >= 13
        nodes = (await rest.get("/api/v1/gpu/nodes?clusters=has=gpu")).json()["nodes"]
        assert {node["cluster_name"] for node in nodes} == {
            "ml-frankfurt",
            "ml-oregon",
            "ml-zurich",
        }
        wrong = await rest.post("/api/v1/metrics/query", json={"query": "sum(up"})
        assert wrong.status_code == 400
        assert wrong.json()["error"]["code"] == "INVALID_PROMQL"
        assert (await rest.get("/ready")).status_code == 200
        assert "gateway_backend_errors_total" in (await rest.get("/metrics")).text
        assert (await rest.get("/openapi.json")).json()["openapi"].startswith("3.1")
        page = (await rest.get("/docs")).text
        assert "<html" in page
        assert "https://" not in page.split("<body")[0], "the docs page reaches for the internet"


async def test_a_foreign_page_cannot_use_the_browser_to_get_in(demo) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    async with httpx2.AsyncClient(base_url=demo.url) as rest:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            answer = await rest.post("/mcp", json=body, headers=headers)
            assert answer.status_code in {403, 421}, headers


async def test_tokens_are_asked_for(serve, aiops, tmp_path: Path) -> None:
    command = [aiops, "serve", "--host", "0.0.0.0"]
    with serve(tmp_path, command, AIOPS_API_TOKENS=TOKENS) as server:
        async with httpx2.AsyncClient(base_url=server.url) as rest:
            for token in (None, "wrong", "an-admin-token-for-test"):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                for answer in (
                    await rest.get("/api/v1/clusters", headers=headers),
                    await rest.post("/mcp", json={}, headers=headers),
                ):
                    assert answer.status_code == 401
                    assert "Bearer" in answer.headers["www-authenticate"]
            known = {"Authorization": "Bearer a-viewer-token-for-tests"}
            assert (await rest.get("/api/v1/clusters", headers=known)).json()["items"] == []
            new = {"name": "not-allowed", "api_server_url": "https://x"}
            forbidden = await rest.post("/api/v1/clusters", json=new, headers=known)
            assert forbidden.status_code == 403
        with pytest.raises((MCPError, httpx2.HTTPError, RuntimeError, ExceptionGroup)):
            async with fastmcp.Client(f"{server.url}/mcp", auth="wrong"):
                pass
        async with fastmcp.Client(f"{server.url}/mcp", auth="a-viewer-token-for-tests") as client:
            assert {tool.name for tool in await client.list_tools()} == READING
        written = server.log.read_text()
    assert "token-for-test" not in written


@pytest.mark.parametrize("way", ["aiops serve", "aiops-mcp --http"])
def test_an_open_address_without_tokens_is_refused(
    way: str, aiops: str, aiops_mcp: str, environment_of: Any, tmp_path: Path
) -> None:
    command = [aiops, "serve"] if way == "aiops serve" else [aiops_mcp, "--http"]
    ended = refused([*command, "--host", "0.0.0.0"], environment_of(tmp_path))
    assert ended.returncode == 2
    assert "AIOPS_API_TOKENS" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("way", ["aiops serve", "aiops-mcp --http"])
def test_a_port_in_use_is_said(
    way: str, aiops: str, aiops_mcp: str, environment_of: Any, demo: Any, tmp_path: Path
) -> None:
    command = [aiops, "serve"] if way == "aiops serve" else [aiops_mcp, "--http"]
    port = demo.url.rpartition(":")[2]
    ended = refused([*command, "--port", port], environment_of(tmp_path))
    assert ended.returncode == 2
    assert f"127.0.0.1:{port} cannot be bound" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("way", "settings", "said"),
    [
        ("aiops", {"AIOPS_CACHE_BYTES": "many"}, "cache_bytes"),
        ("aiops-mcp", {"AIOPS_CACHE_BYTES": "many"}, "cache_bytes"),
        ("aiops", {"AIOPS_API_TOKENS": "boss=x"}, "Entry 1 of AIOPS_API_TOKENS"),
        ("aiops-mcp", {"AIOPS_TOOLSETS": "metrcs"}, "Did you mean metrics?"),
        ("aiops", {"AIOPS_DATABASE_URL": "mysql://x"}, "database"),
        ("aiops-mcp", {"AIOPS_DEMO": "1", "AIOPS_DEMO_INCIDENTS": "gpu-xid"}, "gpu-xid-79"),
    ],
)
def test_a_wrong_setting_is_said(
    way: str, settings, said: str, aiops, aiops_mcp, environment_of, tmp_path: Path
) -> None:
    command = [aiops, "serve"] if way == "aiops" else [aiops_mcp, "--http"]
    port = str(real_servers.free_port())
    ended = refused([*command, "--port", port], environment_of(tmp_path, **settings))
    assert ended.returncode in {1, 2}
    assert said.lower() in ended.stderr.lower()
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_when_told_though_a_client_listens(serve, aiops, tmp_path, how) -> None:
    with serve(tmp_path, [aiops, "serve"]) as server:
        async with (
            httpx2.AsyncClient(base_url=server.url, timeout=20) as rest,
            rest.stream(
                "POST",
                "/mcp",
                json={
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "subscriptions/listen",
                    "params": {
                        "notifications": {"resourceSubscriptions": ["fleet://clusters"]},
                        "_meta": {
                            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                            "io.modelcontextprotocol/clientCapabilities": {},
                        },
                    },
                },
                headers={
                    "Accept": "application/json, text/event-stream",
                    "MCP-Protocol-Version": "2026-07-28",
                    "Mcp-Method": "subscriptions/listen",
                },
            ) as stream,
        ):
            assert stream.status_code == 200, await stream.aread()
            server.process.send_signal(how)
            started = time.monotonic()
            code = await asyncio.to_thread(server.process.wait, 8)
            took = time.monotonic() - started
        assert code == 0, server.log.read_text()
        assert took < 5
        assert "Traceback" not in server.log.read_text()


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_it_ends_though_a_client_of_an_older_protocol_is_there(
    serve, aiops, tmp_path: Path
) -> None:
    with serve(tmp_path, [aiops, "serve"]) as server:
        client = mcp.Client(f"{server.url}/mcp", mode="legacy")
        async with client:
            await client.session.subscribe_resource("fleet://clusters")
            server.process.terminate()
            started = time.monotonic()
            code = await asyncio.to_thread(server.process.wait, 8)
            took = time.monotonic() - started
        assert code == 0
        assert took < 5
