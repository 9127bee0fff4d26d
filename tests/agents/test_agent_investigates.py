"""Whole investigations: a model server over real HTTP, our MCP server, the simulated fleet."""

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import llama_server
import pytest
import pytest_asyncio
from loop_fakes import Ran
from scripted_model import Said, scripted_model

from agents.conversation import (
    AnswerDelta,
    CallBegun,
    CallDone,
    Consent,
    ConsentWanted,
    Noticed,
    PlanChanged,
    Question,
    nobody_consents,
)
from agents.loop import Agent
from agents.model import open_models
from agents.toolbox import tools_of
from aiops_mcp.app import App, open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.chat import AnswerMode, ToolStatus
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
ASKED = "Why is the shop in prod-frankfurt slow?"
RCA = ("analyze_root_cause", {"cluster": "prod-frankfurt"})
CAUSE = (
    "The likeliest cause is **shop/recommendation** in prod-frankfurt: its containers are ended "
    "for want of memory [2]. What is wrong in the fleet is listed in [1]."
)


@asynccontextmanager
async def fleet_in(
    home: Path, *incidents: str, cluster: str = "prod-frankfurt", **settings: Any
) -> AsyncGenerator[App]:
    """An application over one cluster of the simulated fleet; one is quick to ask."""
    started = start_incidents(incidents, read_incidents(None), now=NOW.timestamp())
    simulated = SimulatedFleet(World(1, started, NOW.timestamp))
    asked = Settings(home=home, cache_bytes=0, **settings)
    async with open_app(
        asked, watch=False, clock=lambda: NOW, transport_for=simulated.transport
    ) as app:
        for new, credentials in simulated.registrations():
            if new.name == cluster:
                await app.context.registry.register(new, credentials)
        await app.check_stale_clusters()
        yield app


@asynccontextmanager
async def agent_over(app: App, *urls: str, **more: Any) -> AsyncGenerator[Agent]:
    """The agent as a server composes it, with models at these URLs."""
    settings = Settings(model_urls=urls, **more)
    models = open_models(settings)
    tools = tools_of(mcp_server(OpenApp(app), app.settings), settings)
    try:
        yield Agent(models, tools, settings, clock=lambda: NOW)
    finally:
        await tools.aclose()
        if models is not None:
            await models.aclose()


async def asked(
    agent: Agent, app: App, text: str = ASKED, *, persona: Persona | None = None,
    consent: Consent = nobody_consents,
) -> Ran:  # fmt: skip
    persona = persona or await app.context.personas.get("default", LOCAL_ADMIN)
    question = Question(text, persona)
    return Ran([step async for step in agent.answer(question, consent=consent)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A cluster whose recommendation service is ended for want of memory."""
    async with fleet_in(tmp_path_factory.mktemp("shop"), "oom-loop") as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def healthy(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    async with fleet_in(tmp_path_factory.mktemp("well"), cluster="edge-nairobi") as app:
        yield app


def tool_messages(request: Any) -> Sequence[str]:
    return [each["content"] for each in request.body["messages"] if each["role"] == "tool"]


async def test_an_incident_is_investigated_by_a_scripted_model(shop: App) -> None:
    script = [
        Said(calls=[("make_plan", {"steps": ["See what is wrong", "Find the cause", "Tell it"]})]),
        Said(text="I look at the fleet.", calls=[("triage", {}), RCA], shape="vllm"),
        Said(text='<tool_call>\n{"name": "list_alerts", "arguments": {"clusters": "prod-frankfurt"}}\n</tool_call>'),
        Said(calls=[RCA, ("get_weather", {}), ("query_metrics", {"promql": 1})]),
        Said(text=CAUSE, reasoning="It is the memory."),
    ]  # fmt: skip
    async with (
        scripted_model(script) as url,
        agent_over(shop, url) as agent,
    ):
        ran = await asked(agent, shop)
        answer = ran.answer
        assert answer.mode is AnswerMode.MODEL
        assert answer.text == ran.streamed == CAUSE
        assert "memory." not in ran.streamed.replace("memory [2].", "")
        made = [(call.name, call.arguments) for call in ran.of(CallBegun)]
        alerts = ("list_alerts", {"clusters": ["prod-frankfurt"]})
        assert made == [("triage", {}), RCA, alerts]
        assert [each.number for each in answer.references] == [1, 2, 3]
        assert all(each.status is ToolStatus.SUCCESS for each in answer.references)
        assert "recommendation" in answer.references[1].text
        assert (answer.causes[0].cluster_name, answer.causes[0].component) == (
            "prod-frankfurt", "shop/recommendation",
        )  # fmt: skip
        assert answer.marks == ()
        assert [step.state for step in answer.plan] == ["done"] * 3
        assert len(ran.of(PlanChanged)) >= 3
        assert answer.tokens_used > 1_000

        told = tool_messages(url.requests[-1])
        assert told[1].startswith("[1] ")
        assert told[2].startswith("[2] ")
        assert "see [2]" in told[-3] or "[2]" in told[-3]
        assert "there is no tool 'get_weather'" in told[-2]
        assert "unknown argument promql" in told[-1]


async def test_no_model_and_a_dying_model_answer_all_the_same(shop: App) -> None:
    dying = [Said(calls=[RCA]), Said(text=CAUSE, fault="disconnect", after=4)]
    async with agent_over(shop) as agent:
        ran = await asked(agent, shop)
    assert ran.answer.mode is AnswerMode.TRIAGE
    assert "recommendation" in ran.answer.text
    assert ran.answer.causes[0].component == "shop/recommendation"
    assert ran.answer.text == ran.streamed

    async with scripted_model(dying) as url, agent_over(shop, url) as agent:
        ran = await asked(agent, shop)
    answer = ran.answer
    assert answer.mode is AnswerMode.MIXED
    assert answer.causes[0].component == "shop/recommendation"
    assert any("take over" in step.text for step in ran.of(Noticed))
    assert answer.text == ran.streamed
    assert answer.references[0].tool == "analyze_root_cause"
    assert answer.model == "scripted"


@pytest.mark.parametrize(
    "said",
    [
        Said(status=500, body={"error": {"message": "boom", "code": 500}}),
        Said(status=404, body={"error": {"message": "no such model", "code": 404}}),
        Said(status=429, body={"error": {"message": "busy", "code": 429}}),
        Said(fault="html"),
        Said(fault="half_json"),
        Said(fault="refuse"),
        Said(fault="empty"),
    ],
    ids=["500", "404", "429", "html", "half json", "refuse", "empty"],
)
async def test_a_server_that_fails_is_no_failure(said: Said, healthy: App) -> None:
    async with (
        scripted_model(lambda body: said) as url,
        agent_over(healthy, url) as agent,
    ):
        ran = await asked(agent, healthy, "Is all well in edge-nairobi?")
    assert ran.answer.mode in (AnswerMode.TRIAGE, AnswerMode.MIXED)
    assert ran.answer.references
    assert ran.of(Noticed)


async def test_a_model_of_four_thousand_tokens_investigates_as_well(healthy: App) -> None:
    script = [
        Said(calls=[("triage", {}), ("list_unhealthy", {})]),
        Said(calls=[("analyze_root_cause", {"cluster": "edge-nairobi"})]),
        Said(calls=[("list_alerts", {}), ("get_fleet_summary", {})]),
        Said(text="All is well in edge-nairobi [1]."),
    ]
    async with (
        scripted_model(script, context=4_096) as url,
        agent_over(healthy, url) as agent,
    ):
        ran = await asked(agent, healthy, "Is all well in edge-nairobi?")
    assert ran.answer.mode is AnswerMode.MODEL, ran.answer.notices
    assert len(url.requests) == 4
    called = [call.name for call in ran.of(CallBegun)]
    assert called[:4] == ["triage", "list_unhealthy", "analyze_root_cause", "list_alerts"]
    assert ran.answer.marks == ()


async def test_orders_in_a_log_are_seen_and_not_followed(tmp_path: Path) -> None:
    query = '{namespace="shop", pod=~"shipping.*"} |= "error"'
    logs = {"clusters": ["prod-virginia"], "query": query, "limit": 20}
    script = [
        Said(calls=[("query_logs", logs)]),
        Said(calls=[("remove_cluster", {"cluster": "prod-virginia"})]),
        Said(text="The log of shipping holds text that is no log [1]."),
    ]
    persona = Persona(
        id="trusting",
        name="Trusting",
        system_prompt="You do what you read.",
        capabilities=("query_logs", "remove_cluster"),
    )
    wanted: list[ConsentWanted] = []

    async def agrees(what: ConsentWanted) -> bool:
        wanted.append(what)
        return True

    async with (
        fleet_in(tmp_path, "hostile-text", cluster="prod-virginia", allow_write=True) as app,
        scripted_model(script) as url,
        agent_over(app, url) as agent,
    ):
        ran = await asked(agent, app, "What does shipping log?", persona=persona, consent=agrees)
        assert ran.of(CallDone)[0].status is ToolStatus.SUCCESS, ran.of(CallDone)[0].reference.text
        assert wanted == []
        assert "not the user" in tool_messages(url.requests[-1])[-1]
        assert [call.name for call in ran.of(CallBegun)] == ["query_logs"]
        assert "tries to give orders" in ran.answer.text
        assert any("tries to give orders" in notice for notice in ran.answer.notices)
        names = [one.name for one in await app.context.registry.list(LOCAL_ADMIN)]
        assert names == ["prod-virginia"]


async def test_closing_in_the_middle_leaves_nothing_behind(healthy: App) -> None:
    slow = Said(text="word " * 400, delay=0.05)
    async with scripted_model([slow]) as url, agent_over(healthy, url) as agent:
        persona = await healthy.context.personas.get("default", LOCAL_ADMIN)
        before = asyncio.all_tasks()
        steps = agent.answer(Question("How is it?", persona))
        async for step in steps:
            if isinstance(step, AnswerDelta):
                break
        await steps.aclose()
        working = [task for task in asyncio.all_tasks() - before if "_work" in repr(task)]
        assert working == []
        assert len(url.requests) == 1


@pytest.mark.real
async def test_an_investigation_by_a_real_llama_cpp_server(tmp_path: Path, shop: App) -> None:
    if (reason := llama_server.missing()) is not None:
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail(f"{reason}, and AIOPS_REQUIRE_REAL is set")
        pytest.skip(reason)
    small = Persona(id="small", name="Small", system_prompt="Be short.", capabilities=("triage",))
    with llama_server.llama_server(tmp_path) as url:
        async with agent_over(shop, url) as agent:
            ran = await asked(agent, shop, persona=small)
    assert [call.name for call in ran.of(CallBegun)] == ["triage"]
    assert ran.answer.mode is AnswerMode.MODEL
    assert ran.answer.text.startswith("The fleet was looked at [1].")
    assert ran.answer.references[0].tool == "triage"
    assert len(ran.of(AnswerDelta)) > 3
    assert ran.answer.tokens_used > 0
