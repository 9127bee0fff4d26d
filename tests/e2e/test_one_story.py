"""Incidents asked signal by signal of a real server: names and times agree, over MCP and REST."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastmcp import Client

AGE = timedelta(minutes=40)
PENDING = timedelta(minutes=15)
"""The longest `for` of the rules that fire."""
SLACK = timedelta(minutes=5)


@pytest.fixture(scope="module")
def url(
    serve: Callable[..., AbstractContextManager[Any]],
    aiops: str,
    fast: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    command = [aiops, "demo", "--incident", "oom-loop", "--incident", "gpu-xid-79"]
    with serve(tmp_path_factory.mktemp("story"), command, **fast) as server:
        yield server.url


def rest(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        f"{url}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


async def told(url: str, tool: str, **arguments: Any) -> str:
    async with Client(f"{url}/mcp") as client:
        answer = await client.call_tool(tool, arguments)
    return "".join(getattr(block, "text", "") for block in answer.content)


def looping(url: str, cluster: str) -> dict[str, datetime]:
    alerts = rest(url, f"/alerts?clusters={cluster}")["alerts"]
    return {
        alert["labels"]["pod"]: datetime.fromisoformat(alert["starts_at"])
        for alert in alerts
        if alert["alertname"] == "KubePodCrashLooping"
    }


async def test_the_pods_of_the_alert_are_those_that_objects_and_events_name(url: str) -> None:
    pods = looping(url, "prod-frankfurt")
    assert len(pods) == 2
    now = datetime.now().astimezone()
    for since in pods.values():
        assert AGE - PENDING - 2 * SLACK <= now - since <= AGE + SLACK
    unhealthy = json.dumps(rest(url, "/kubernetes/unhealthy?clusters=prod-frankfurt"))
    assert all(pod in unhealthy for pod in pods)
    digest = await told(url, "list_unhealthy", clusters=["prod-frankfurt"])
    assert "shop/recommendation 2 pods | CrashLoopBackOff" in digest
    assert "OOMKilled 137" in digest
    events = await told(url, "list_events", clusters=["prod-frankfurt"])
    assert any(pod in events for pod in pods)


async def test_a_trace_id_of_a_log_line_opens_and_names_the_same_service(url: str) -> None:
    query = '{namespace="shop"} |= "upstream failed peer=recommendation" |= "trace_id="'
    lines = rest(url, "/logs/query", {"query": query, "clusters": ["prod-frankfurt"], "limit": 5})
    found = re.search(r"trace_id=([0-9a-f]{32})", lines["entries"][0]["message"])
    assert found is not None
    digest = await told(url, "get_trace", trace_id=found[1])
    assert "recommendation" in digest
    assert found[1] in json.dumps(rest(url, f"/traces/{found[1]}"))


async def test_a_lost_gpu_is_the_same_one_for_the_alert_the_event_and_the_card(url: str) -> None:
    alerts = rest(url, "/alerts?clusters=ml-oregon")["alerts"]
    [xid] = [alert for alert in alerts if alert["alertname"] == "GPUXidError"]
    node = xid["labels"]["Hostname"]
    assert (node, xid["labels"]["gpu"]) == ("ml-oregon-gpu-1", "3")
    health = await told(url, "get_gpu_health", clusters=["ml-oregon"])
    assert node in health.splitlines()[0]
    assert "79" in health
    events = await told(url, "list_events", clusters=["ml-oregon"])
    assert "XidCriticalError" in events
    assert list(looping(url, "ml-oregon")) == ["finetune-worker-1"]
    assert "finetune-worker-1" in await told(url, "list_unhealthy", clusters=["ml-oregon"])
