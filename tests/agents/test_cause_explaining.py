"""What the agent is asked of a root-cause answer, and what explain makes of what it says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from agents.cause_explaining import explain_cause_by, question_about
from agents.conversation import Answered, Consent, Failed, Question, Step, nobody_consents
from aiops_mcp.app import App, open_app
from aiops_mcp.capabilities.explaining import ExplainQuery, explain
from aiops_mcp.models.chat import Answer, AnswerMode, Confidence, Mark, MarkKind
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.explanation import Prose
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, RootCause, TriggerKind
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Personas:
    async def get(self, persona_id: str, principal: Principal) -> Persona:
        return Persona(id=persona_id, name=principal.subject, system_prompt="Help.")


class Agent:
    """An answerer that says what it is told to."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self.questions: list[Question] = []

    async def answer(
        self, question: Question, *, consent: Consent = nobody_consents
    ) -> AsyncGenerator[Step]:
        self.questions.append(question)
        for step in self._steps:
            yield step


def found(**fields: Any) -> RCAResult:
    given: dict[str, Any] = {
        "id": uuid4(),
        "trigger": RcaTrigger(kind=TriggerKind.ALERT, name="TargetDown"),
        "cluster_id": uuid4(),
        "cluster_name": "edge-1",
        "start_time": NOW - timedelta(hours=1),
        "end_time": NOW,
        "causes": (RootCause(component="shop/payment", score=0.7),),
        "coverage": Coverage(queried=1, succeeded=1),
        "as_of": NOW,
    }
    return RCAResult(**(given | fields))


def answer(mode: AnswerMode = AnswerMode.MODEL, **fields: Any) -> Answer:
    given: dict[str, Any] = {
        "text": "Payment broke at 9 %.",
        "model": "llama",
        "confidence": Confidence.LOW,
        "confidence_reason": "One claim stands alone.",
    }
    return Answer(mode=mode, **(given | fields))


async def test_a_models_text_comes_with_what_no_result_supports() -> None:
    mark = Mark(kind=MarkKind.NUMBER, start=17, end=20, text="9 %", reason="Not there.")
    agent = Agent(Answered(answer(marks=(mark,), notices=("Seen.",))))
    prose = await explain_cause_by(agent, Personas())(found(), LOCAL_ADMIN)
    assert prose == Prose(
        text="Payment broke at 9 %.",
        model="llama",
        notes=(
            "Confidence LOW: One claim stands alone.",
            "No result supports '9 %': Not there.",
            "Seen.",
        ),
    )
    asked = agent.questions[0]
    assert (asked.clusters, asked.principal, asked.persona.id) == (
        ("edge-1",),
        LOCAL_ADMIN,
        "default",
    )
    assert (asked.time_scope.start, asked.time_scope.end) == (NOW - timedelta(hours=1), NOW)


@pytest.mark.parametrize(
    ("steps", "note"),
    [
        ([Answered(answer(AnswerMode.TRIAGE))], "No model answered"),
        ([Answered(answer(AnswerMode.MIXED))], "No model answered"),
        ([Failed("MODEL_NOT_AVAILABLE", "gone")], "The agent failed (MODEL_NOT_AVAILABLE)"),
        ([], "The agent gave no answer"),
    ],
)
async def test_without_a_model_nothing_is_written(steps: list[Step], note: str) -> None:
    prose = await explain_cause_by(Agent(*steps), Personas())(found(), LOCAL_ADMIN)
    assert (prose.text, prose.model) == ("", None)
    assert prose.notes == (f"{note}, so this is made of templates.",)


@pytest.mark.parametrize(
    ("trigger", "about"),
    [
        (RcaTrigger(kind=TriggerKind.ALERT, name="TargetDown"), "Explain the alert TargetDown on"),
        (RcaTrigger(kind=TriggerKind.TIME), "Explain what is wrong on"),
        (
            RcaTrigger(kind=TriggerKind.COMPONENT, component="shop/cart"),
            "Explain the trouble of shop/cart on",
        ),
        (
            RcaTrigger(kind=TriggerKind.ANOMALY, id="a1", component="shop/cart"),
            "Explain the anomaly of shop/cart on",
        ),
    ],
)
def test_the_question_names_what_was_asked(trigger: RcaTrigger, about: str) -> None:
    question = question_about(found(trigger=trigger))
    assert question.startswith(f"{about} edge-1, from 2026-11-25 11:00 to 2026-11-25 12:00 UTC.")
    assert "ranks: shop/payment." in question
    assert "ranks: nothing." in question_about(found(causes=()))


@pytest_asyncio.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    started = start_incidents(["storage-gone"], read_incidents(None), now=NOW.timestamp())
    simulated = SimulatedFleet(World(1, started, NOW.timestamp))
    settings = Settings(_env_file=None, home=tmp_path, request_timeout=5)
    async with open_app(
        settings, watch=False, clock=lambda: NOW, transport_for=simulated.transport
    ) as opened:
        for new, credentials in simulated.registrations():
            if new.name == "dev-dublin":
                await opened.context.registry.register(new, credentials)
        await opened.check_stale_clusters()
        yield opened


async def test_the_operation_takes_the_models_text_or_the_templates(app: App) -> None:
    query = ExplainQuery(cluster="dev-dublin", model=True)

    async def writes(found: RCAResult, principal: Principal) -> Prose:
        return Prose(text=f"{found.cluster_name} for {principal.subject}", model="llama")

    async def hangs(found: RCAResult, principal: Principal) -> Prose:
        await asyncio.Event().wait()
        raise AssertionError

    told = await explain(replace(app.context, explainer=writes), query)
    assert (told.text, told.model, told.notes) == ("dev-dublin for local", "llama", ())
    unasked = await explain(
        replace(app.context, explainer=writes), ExplainQuery(cluster="dev-dublin")
    )
    assert (unasked.model, unasked.notes) == (None, ())
    assert unasked.text.startswith("# ")
    without = await explain(app.context, query)
    assert without.text == unasked.text
    assert without.notes == ("No model is set, so this is made of templates.",)
    late = await explain(replace(app.context, explainer=hangs), query)
    assert (late.text, late.model) == (unasked.text, None)
    assert late.notes == ("The model did not answer within 3 s, so this is made of templates.",)
