"""Asks one scenario's question of an answerer and scores what comes. One pass of `aiops eval`.

It must not know whether a model, a recording or triage answers, nor in which fleet.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from agents.conversation import (
    Answered,
    Answerer,
    Failed,
    Question,
    Step,
    Turn,
)
from agents.evaluate.scenario import Scenario
from agents.evaluate.scoring import Score, Spent, failed, score
from aiops_mcp.models.chat import Answer
from aiops_mcp.models.persona import Persona
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN

_SHORTENED: Final = "The conversation was shortened"
"""How the loop's notice begins that tells of it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What was counted beside an answer: tools called, in order, and turns of the model."""

    called: Callable[[], Sequence[str]]
    turns: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Asked:
    """One pass over one scenario: its score, and the answer where there is one."""

    score: Score
    answer: Answer | None = None


def question_of(scenario: Scenario, persona: Persona, model: str | None = None) -> Question:
    """What the answerer is asked."""
    return Question(
        text=scenario.question,
        persona=persona,
        clusters=scenario.clusters,
        time_scope=scenario.time_scope,
        history=tuple(Turn(said.role, said.text) for said in scenario.history),
        model=model,
    )


async def ask(scenario: Scenario, answerer: Answerer, persona: Persona, watch: Watch) -> Asked:
    """Ask and score. A defect of the answerer is a score with an error, never an exception."""
    wall, cpu = time.perf_counter(), time.process_time()
    end: Step | None = None
    error = "the answer has no end"
    try:
        async with aclosing(answerer.answer(question_of(scenario, persona))) as steps:
            async for step in steps:
                end = step
    except Exception as failure:  # noqa: BLE001 - the edge: a scenario that crashes is a row
        error, end = f"{type(failure).__name__}: {failure}", None
    spent = _spent(watch, end, time.perf_counter() - wall, time.process_time() - cpu)
    if isinstance(end, Answered):
        return Asked(score(scenario, end.answer, watch.called(), spent), end.answer)
    if isinstance(end, Failed):
        error = f"{end.code}: {end.message}"
    return Asked(failed(scenario, error, spent))


def _spent(watch: Watch, end: Step | None, seconds: float, cpu_seconds: float) -> Spent:
    answer = end.answer if isinstance(end, Answered) else None
    shown = sum(len(one.text) for one in answer.references) if answer else 0
    return Spent(
        calls=len(watch.called()),
        tokens=answer.tokens_used if answer else 0,
        steps=watch.turns(),
        result_tokens=round(shown / BYTES_PER_TOKEN),
        compacted=any(_SHORTENED in one for one in answer.notices) if answer else False,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
    )
