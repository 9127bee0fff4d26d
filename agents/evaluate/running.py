"""Runs scenarios: fleet by fleet, pass by pass, with a model, without one, or from recordings.

Scenarios in the same fleet share one simulated fleet, and one fleet lives at a time. It must not
know how results are shown.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from agents.conversation import Model
from agents.evaluate.asking import Asked, Watch, ask
from agents.evaluate.recorded import (
    RecordedModel,
    RecordedTools,
    ToolSource,
    WatchedModel,
    WatchedTools,
)
from agents.evaluate.recording import Recording
from agents.evaluate.remembered import SharedFleets
from agents.evaluate.scenario import Scenario
from agents.evaluate.scoring import failed
from agents.evaluate.simulated import NOW, fleet_in
from agents.loop import Agent
from agents.model import open_models
from agents.toolbox import InMemoryTools
from aiops_mcp.errors import AiopsError
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.persona import Persona
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.incident import Incident

Group = tuple[Scenario, ...]
"""Scenarios that share one fleet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run needs beside its scenarios; plain data, so that it can go to other processes.

    ``settings`` name the models, or none. ``record`` keeps a recording of each first pass;
    ``recordings`` are played instead of asking a model and clusters.
    """

    settings: Settings
    incidents: Mapping[str, Incident]
    personas: Mapping[str, Persona]
    repeat: int = 1
    record: bool = False
    recordings: Mapping[str, Recording] = field(default_factory=dict[str, Recording])
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One pass over one scenario; passes count from 0."""

    number: int
    asked: Asked
    recording: Recording | None = None


Tell = Callable[[Row], None]


def grouped(scenarios: Sequence[Scenario]) -> list[Group]:
    """Those that share a fleet together, in the order in which fleets are first asked for."""
    groups: dict[object, list[Scenario]] = {}
    for one in scenarios:
        groups.setdefault(one.fleet, []).append(one)
    return [tuple(group) for group in groups.values()]


async def run_group(plan: Plan, group: Group, tell: Tell, shared: SharedFleets) -> None:
    """Ask all scenarios of one fleet as often as planned; each pass is told as it ends.

    ``shared`` is what the fleets of this process have in common.
    """
    sound = [one for one in group if not one.fault]
    for one in group:
        if one.fault:
            _tell_failed(plan, one, one.fault, tell)
    if not sound:
        return
    try:
        if plan.recordings:
            await _replay(plan, sound, tell)
        else:
            await _run_live(plan, sound, tell, shared)
    except AiopsError as error:
        for one in sound:
            _tell_failed(plan, one, str(error), tell)
    finally:
        # A world is one large cycle, and this program looks for cycles seldom.
        gc.collect()


def _tell_failed(plan: Plan, scenario: Scenario, error: str, tell: Tell) -> None:
    for number in range(plan.repeat):
        tell(Row(number, Asked(failed(scenario, error))))


async def _run_live(
    plan: Plan, group: Sequence[Scenario], tell: Tell, shared: SharedFleets
) -> None:
    incidents, away, hours = group[0].fleet
    now = NOW - timedelta(hours=hours)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            fleet_in(
                incidents,
                now,
                known=plan.incidents,
                away=away,
                settings=plan.settings,
                shared=shared,
            )
        )
        model = open_models(plan.settings)
        if model is not None:
            stack.push_async_callback(model.aclose)
        source = InMemoryTools(mcp_server(OpenApp(app), app.settings))
        for number in range(plan.repeat):
            for scenario in group:
                recording = Recording(scenario.name, now) if plan.record and not number else None
                asked = await _ask(plan, scenario, model, source, recording)
                if recording is not None and asked.answer is not None:
                    recording.model = asked.answer.model or ""
                tell(Row(number, asked, recording))


async def _replay(plan: Plan, group: Sequence[Scenario], tell: Tell) -> None:
    for number in range(plan.repeat):
        for scenario in group:
            recording = plan.recordings[scenario.name]
            model = RecordedModel(recording) if recording.turns else None
            tell(Row(number, await _ask(plan, scenario, model, RecordedTools(recording), None)))


async def _ask(
    plan: Plan,
    scenario: Scenario,
    model: Model | None,
    source: ToolSource,
    recording: Recording | None,
) -> Asked:
    persona = plan.personas.get(scenario.persona)
    if persona is None:
        known = ", ".join(plan.personas)
        return Asked(failed(scenario, f"there is no persona {scenario.persona}; {known} are"))
    watched = WatchedModel(model, recording) if model is not None else None
    tools = WatchedTools(source, recording)
    hours = scenario.hours_before
    agent = Agent(watched, tools, plan.settings, clock=lambda: NOW - timedelta(hours=hours))
    watch = Watch(lambda: tools.called, lambda: watched.turns if watched else 0)
    return await ask(scenario, agent, persona, watch)


def builtin_folder(name: str) -> Path:
    """A folder that comes with the evaluation: ``scenarios``, ``incidents``, ``recordings``."""
    return Path(__file__).parent / name
