"""What every operation must have, and what all tools together may cost a conversation."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from aiops_mcp.mcp_host import LateApp, mcp_server
from aiops_mcp.operation import Effect, Operation
from aiops_mcp.operations import CAPABILITIES, OPERATIONS
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.mcp_schema import input_schema, tool_problems

ROOT = Path(__file__).parents[2]
BYTES_PER_TOKEN = 3.6
ROLES = {"read", "write"}


def each(operation: Operation) -> str:
    return operation.name


async def listed(**settings: Any) -> list[dict[str, Any]]:
    """The tools in their wire form, without opening any database."""
    chosen = Settings(**settings)
    async with Client(mcp_server(LateApp(chosen), chosen)) as client:
        tools = await client.list_tools()
    return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]


@pytest.mark.parametrize("operation", OPERATIONS, ids=each)
def test_an_operation_is_described_guarded_and_reachable(operation: Operation) -> None:
    doc = inspect.getdoc(operation.run) or ""
    assert 1 <= len([line for line in doc.splitlines() if line]) <= 3
    assert doc.rstrip().endswith((".", "…", ")"))
    capability, _, right = operation.needs.partition(":")
    assert capability
    assert right in ROLES
    assert operation.routes
    assert all(route.split()[0] in {"GET", "POST", "PUT", "DELETE"} for route in operation.routes)
    if operation.effect is not Effect.READ:
        assert operation.needs.endswith(":write")
    arguments = input_schema(operation)["properties"]
    assert [name for name, part in arguments.items() if not part.get("description")] == []


def test_names_and_routes_are_told_apart() -> None:
    names = [operation.name for operation in OPERATIONS]
    routes = [route for operation in OPERATIONS for route in operation.routes]
    assert len(names) == len(set(names))
    assert len(routes) == len(set(routes))


def test_the_tools_promised_are_offered() -> None:
    assert {operation.name for operation in OPERATIONS if operation.tool} == {
        *("list_clusters", "get_cluster_status", "get_fleet_summary"),
        *("register_cluster", "update_cluster", "remove_cluster", "refresh_cluster"),
        *("query_metrics", "find_metrics", "get_metric_labels", "list_alerts"),
        *("check_alert_rules", "list_silences", "create_silence", "expire_silence"),
        *("query_logs", "get_log_labels", "get_log_patterns", "search_traces", "get_trace"),
        *("find_resources", "get_resource", "list_events", "get_pod_logs"),
        *("list_unhealthy", "get_changes", "compare_clusters"),
        *("get_gpu_nodes", "get_gpu_processes", "get_gpu_summary"),
        *("get_gpu_health", "get_gpu_waste", "get_model_servers"),
        *("get_cnf_workloads", "get_ptp_status", "get_dpdk_stats", "get_sriov_status"),
        *("triage", "analyze_root_cause", "detect_anomalies", "find_changes", "forecast"),
        "correlate",
        "create_report",
        "find_runbook",
    }


async def test_the_tool_list_costs_little() -> None:
    # Eight of analysis and reports came upon 36, then runbooks; who wants fewer chooses toolsets.
    tools = await listed(allow_write=True)
    size = len(json.dumps({"tools": tools}, separators=(",", ":"), ensure_ascii=False).encode())
    assert size / BYTES_PER_TOKEN < 12_700
    assert len(tools) <= 45
    reading = [tool for tool in tools if tool["annotations"]["readOnlyHint"]]
    size = len(json.dumps({"tools": reading}, separators=(",", ":"), ensure_ascii=False).encode())
    assert size / BYTES_PER_TOKEN < 10_900
    assert size / BYTES_PER_TOKEN / len(reading) < 275


async def test_strict_servers_take_every_tool() -> None:
    tools = await listed(allow_write=True)
    assert len(tools) == len([operation for operation in OPERATIONS if operation.tool])
    assert [problem for tool in tools for problem in tool_problems(tool)] == []


async def test_a_reading_server_offers_nothing_that_writes() -> None:
    tools = await listed()
    assert {tool["name"] for tool in tools} == {
        operation.name
        for operation in OPERATIONS
        if operation.tool and operation.effect is Effect.READ
    }
    assert all(tool["annotations"]["readOnlyHint"] for tool in tools)
    assert not any("apply" in tool["inputSchema"]["properties"] for tool in tools)


async def test_a_writing_tool_says_so_and_takes_a_handle() -> None:
    tools = {tool["name"]: tool for tool in await listed(allow_write=True)}
    for operation in OPERATIONS:
        if operation.tool and operation.effect is not Effect.READ:
            tool = tools[operation.name]
            assert tool["annotations"]["readOnlyHint"] is False
            assert tool["annotations"]["destructiveHint"] is (operation.effect is Effect.DESTROY)
            assert "apply" in tool["inputSchema"]["properties"]


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda capability: capability.name)
async def test_a_toolset_alone(capability) -> None:
    tools = await listed(toolsets=(capability.name,), allow_write=True)
    expected = {operation.name for operation in capability.operations if operation.tool}
    assert {tool["name"] for tool in tools} == expected


def test_no_operation_that_takes_a_secret_is_a_tool() -> None:
    for operation in OPERATIONS:
        secret = {
            name
            for name, field in operation.request_type.model_fields.items()
            if "Secret" in str(field.annotation) or name in {"kubeconfig", "token"}
        }
        assert not (operation.tool and secret), f"{operation.name} takes {secret}"


def test_every_setting_and_operation_is_in_the_docs() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}run `make docs`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_documented(name: str) -> None:
    assert Settings.model_fields[name].description
    assert f"| `AIOPS_{name.upper()}` |" in (ROOT / "docs" / "settings.md").read_text("utf-8")
