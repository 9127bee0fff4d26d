"""The personas and runbooks that come with the toolkit: what they name is there, and fits."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastmcp import Client

from aiops_mcp.fleet.persona_files import builtin_personas
from aiops_mcp.fleet.runbook_calls import EXAMPLES, filled
from aiops_mcp.fleet.runbook_files import builtin_runbooks, read_runbook
from aiops_mcp.fleet.runbook_search import by_alert
from aiops_mcp.fleet.tool_names import tools_of, unknown_tools
from aiops_mcp.logql.parse import parse as parse_logql
from aiops_mcp.mcp_host import LateApp, mcp_server
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.runbook import Runbook
from aiops_mcp.operation import Effect
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.promql.inspect import metric_names
from aiops_mcp.promql.parse import parse as parse_promql
from aiops_mcp.settings import Settings

ROOT = Path(__file__).parents[2]
BYTES_PER_TOKEN = 3.6
BUDGET = 8_000
FOR_THE_LOOP = 700
"""What a loop says of itself beside a persona's prompt."""

AT_LEAST = {
    "default": "query_metrics search_traces query_logs list_alerts get_gpu_nodes list_clusters",
    "platform-ops": "query_metrics search_traces query_logs list_alerts list_clusters "
    "get_cluster_status",
    "gpu-expert": "get_gpu_nodes get_gpu_processes get_gpu_summary query_metrics list_clusters",
    "network-cnf": "get_cnf_workloads get_ptp_status get_dpdk_stats get_sriov_status "
    "query_metrics search_traces",
    "telco-5g": "get_cnf_workloads query_metrics search_traces query_logs list_alerts",
}
WITHOUT_A_MODEL = {"triage", "analyze_root_cause", "get_changes", "list_alerts", "detect_anomalies"}
KNOWN = tools_of(OPERATIONS)
METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*_[a-zA-Z0-9_:]+")

PERSONAS = builtin_personas()
RUNBOOKS = builtin_runbooks()


def persona_id(persona: Persona) -> str:
    return persona.id


def runbook_name(runbook: Runbook) -> str:
    return runbook.name


@pytest.fixture(scope="module")
def catalogue() -> set[str]:
    """Names of metrics that the simulated fleet has, with those its rules record."""
    folder = ROOT / "aiops_mcp" / "simulation"
    entries = yaml.safe_load((folder / "catalogue.yaml").read_text("utf-8"))
    rules = yaml.safe_load((folder / "rules.yaml").read_text("utf-8"))
    recorded = {rule["record"] for group in rules for rule in group["rules"] if "record" in rule}
    return {name for entry in entries for name in entry["metrics"]} | recorded


@pytest.fixture(scope="module")
def wire_tools() -> dict[str, dict[str, Any]]:
    """What `tools/list` answers, by name."""

    async def listed() -> list[Any]:
        settings = Settings(allow_write=True)
        async with Client(mcp_server(LateApp(settings), settings)) as client:
            return await client.list_tools()

    tools = asyncio.run(listed())
    wire = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return {tool["name"]: tool for tool in wire}


def test_the_five_of_the_contract_are_there_the_default_one_first() -> None:
    assert [persona.id for persona in PERSONAS][0] == "default"
    assert {persona.id for persona in PERSONAS} == set(AT_LEAST)
    assert all(persona.is_builtin for persona in PERSONAS)


@pytest.mark.parametrize("persona", PERSONAS, ids=persona_id)
def test_tools_and_prompt_fit_a_small_model(persona: Persona, wire_tools: Any) -> None:
    chosen = [wire_tools[name] for name in persona.capabilities]
    tools = len(json.dumps({"tools": chosen}, separators=(",", ":"), ensure_ascii=False).encode())
    prompt = len(persona.system_prompt.encode())
    assert (tools + prompt) / BYTES_PER_TOKEN <= BUDGET - FOR_THE_LOOP


@pytest.mark.parametrize("persona", PERSONAS, ids=persona_id)
def test_a_persona_has_its_tools_and_they_are_there(persona: Persona) -> None:
    tools = set(persona.capabilities)
    assert len(tools) == len(persona.capabilities)
    assert unknown_tools(persona.capabilities, KNOWN) == ()
    assert set(AT_LEAST[persona.id].split()) <= tools
    assert tools >= WITHOUT_A_MODEL, "it could not answer without a model"
    assert "find_runbook" in tools
    assert 10 <= len(tools) <= 18
    # One that changes something is for a person to choose.
    assert all(KNOWN[name].effect is Effect.READ for name in tools)
    assert persona.icon
    assert (persona.limits.steps is None) is (persona.id == "default")
    assert len(persona.questions) >= 2


@pytest.mark.parametrize("persona", PERSONAS, ids=persona_id)
def test_the_tools_it_speaks_of_are_its_own(persona: Persona) -> None:
    spoken = {word for word in re.findall(r"\b[a-z_]+\b", persona.system_prompt) if word in KNOWN}
    assert spoken <= set(persona.capabilities)


def queries_of(persona: Persona) -> list[str]:
    """The spans of code in its prompt that ask for a metric."""
    spans = re.findall(r"`([^`]+)`", persona.system_prompt)
    return [span for span in spans if METRIC.search(span) and span not in KNOWN]


@pytest.mark.parametrize("persona", PERSONAS, ids=persona_id)
def test_its_queries_are_promql_of_metrics_that_exist(persona: Persona, catalogue: Any) -> None:
    queries = queries_of(persona)
    assert len(queries) >= 8
    for query in queries:
        _refuse_unknown_metrics(query, catalogue)


def _refuse_unknown_metrics(query: str, catalogue: set[str]) -> None:
    names = metric_names(parse_promql(query))
    assert names, query
    for name in names:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        assert name in catalogue or base in catalogue, f"{name} in {query}"


# --- runbooks ------------------------------------------------------------------------------


def test_there_are_enough_and_each_is_whole() -> None:
    assert len(RUNBOOKS) >= 12
    for runbook in RUNBOOKS:
        assert runbook.is_builtin
        assert runbook.alerts, runbook.name
        assert len(runbook.keywords) >= 5, runbook.name
        assert 3 <= len(runbook.steps) <= 18, runbook.name
        assert runbook.steps[-1].title == "Mend it", runbook.name
        assert "Done when" in runbook.steps[-1].text or runbook.name in {
            "job-failed",
            "claim-pending",
        }


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=runbook_name)
def test_its_calls_are_taken_by_their_tools(runbook: Runbook) -> None:
    file = ROOT / "aiops_mcp" / "runbooks" / f"{runbook.name}.md"
    assert read_runbook(file.read_text("utf-8"), file.name, known=KNOWN).steps == runbook.steps
    for step in runbook.steps:
        for call in step.calls:
            assert KNOWN[call.tool].effect is Effect.READ
            assert filled(call.arguments, EXAMPLES)[1] == {}


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=runbook_name)
def test_its_queries_parse_and_name_metrics_that_exist(runbook: Runbook, catalogue: Any) -> None:
    for step in runbook.steps:
        for call in step.calls:
            arguments, _ = filled(call.arguments, EXAMPLES)
            query = str(arguments.get("query", ""))
            if call.tool in ("query_logs", "get_log_patterns"):
                parse_logql(query)
            elif query:
                _refuse_unknown_metrics(query, catalogue)


def simulated_alerts() -> list[str]:
    rules = yaml.safe_load((ROOT / "aiops_mcp" / "simulation" / "rules.yaml").read_text("utf-8"))
    alerts = [rule["alert"] for group in rules for rule in group["rules"] if "alert" in rule]
    return [alert for alert in alerts if alert != "Watchdog"]


USUAL = [
    *("KubePodCrashLooping", "KubePodNotReady", "KubeNodeNotReady", "NodeFilesystemFilesFillingUp"),
    *(
        "KubePersistentVolumeInodesFillingUp",
        "KubeClientCertificateExpiration",
        "KubeQuotaExceeded",
    ),
    *("GpuXidCritical", "GPURowRemapPending", "PtpClockStateNotLocked", "CoreDNSPanics"),
    *("MCDDrainError", "ClusterOperatorDown", "KubeAggregatedAPIErrors", "etcdInsufficientMembers"),
]


@pytest.mark.parametrize("alert", [*simulated_alerts(), *USUAL])
def test_every_alert_of_the_simulation_and_the_usual_ones_have_a_runbook(alert: str) -> None:
    assert by_alert(RUNBOOKS, alert), alert
