"""Every built-in runbook and every query of a persona, on the simulated fleet: nothing fails."""

import re
from typing import Any

import pytest

from agents.runbook_run import Following, Outcome, Shown
from aiops_mcp.fleet.persona_files import builtin_personas
from aiops_mcp.fleet.runbook_files import builtin_runbooks
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.operations import OPERATIONS

pytestmark = pytest.mark.timeout(120)

# What asks for everything at once is tried elsewhere, and would take most of the time here.
SLOW = {"triage", "analyze_root_cause", "detect_anomalies"}
TOOLS = {name: tool for name, tool in tools_of(OPERATIONS).items() if name not in SLOW}
CLUSTERS = ("fleet-hub", "ml-frankfurt", "edge-berlin", "stage-singapore")
EDGE = {
    "cluster": "edge-berlin",
    "namespace": "open5gs",
    "pod": "upf-0",
    "component": "open5gs/upf",
    "node": "edge-berlin-cp-0",
}
PLACES = {
    "gpu": {"cluster": "ml-frankfurt", "node": "ml-frankfurt-gpu-2"},
    "vllm": {"cluster": "ml-frankfurt", "namespace": "inference"},
    "cluster-operator": {"cluster": "stage-singapore"},
}


@pytest.fixture
async def app(fleet_in: Any) -> Any:
    return await fleet_in("upf-packet-loss", clusters=CLUSTERS)


def is_an_answer(shown: Shown) -> bool:
    """There is no such run of a pod, or no traces there: nothing is wrong with the call."""
    error = shown.error
    return error is not None and (
        error.status == 404
        or error.code == "TEMPO_NOT_AVAILABLE"
        or "previous terminated container" in shown.said
    )


async def test_each_runbook_can_be_followed(app: Any) -> None:
    failed: list[str] = []
    answered: dict[str, int] = {}
    for runbook in builtin_runbooks():
        places = next(
            (known for begin, known in PLACES.items() if runbook.name.startswith(begin)), EDGE
        )
        known = {**places, "alert": "KubePodCrashLooping"}
        async for event in Following(app, TOOLS, known).follow(runbook):
            if not isinstance(event, Shown):
                continue
            if event.outcome is Outcome.SHOWN:
                answered[runbook.name] = answered.get(runbook.name, 0) + 1
            elif not (event.outcome is Outcome.LEFT_OUT or is_an_answer(event)):
                failed.append(f"{runbook.name}: {event.tool}({event.arguments}): {event.said}")
    assert not failed, "\n".join(failed)
    assert set(answered) == {runbook.name for runbook in builtin_runbooks()}
    assert min(answered.values()) >= 2


async def test_each_query_of_a_persona_is_answered(app: Any) -> None:
    silent: list[str] = []
    for persona in builtin_personas():
        for query in re.findall(r"`([^`\n]*_[^`\n]*[({][^`\n]*)`", persona.system_prompt):
            digest = await app.ask("query_metrics", {"query": query})
            if digest.headline.startswith("No data") and not re.search(r"[<>=] *[0-9.]+$", query):
                silent.append(f"{persona.id}: {query}")
    assert silent == []
