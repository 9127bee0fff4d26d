"""Lets the agent write what a root-cause answer says: the hook of ``POST /analysis/explain``.

Where no model answers, no text is given: the templates stand.
"""

from contextlib import aclosing

from agents.chat_sessions import PersonaSource
from agents.conversation import Answered, Answerer, Failed, Question
from aiops_mcp.context import ExplainCause
from aiops_mcp.models.chat import Answer, AnswerMode, TimeScope
from aiops_mcp.models.explanation import Prose
from aiops_mcp.models.persona import DEFAULT_PERSONA
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import RCAResult, TriggerKind

_TEMPLATES = "so this is made of templates."


def explain_cause_by(answerer: Answerer, personas: PersonaSource) -> ExplainCause:
    """The hook over an agent that has a model."""

    async def explain(found: RCAResult, principal: Principal) -> Prose:
        question = Question(
            text=question_about(found),
            persona=await personas.get(DEFAULT_PERSONA, principal),
            clusters=(found.cluster_name,),
            time_scope=TimeScope(start=found.start_time, end=found.end_time),
            principal=principal,
        )
        async with aclosing(answerer.answer(question)) as steps:
            async for step in steps:
                if isinstance(step, Answered):
                    return _prose(step.answer)
                if isinstance(step, Failed):
                    return Prose(notes=(f"The agent failed ({step.code}), {_TEMPLATES}",))
        return Prose(notes=(f"The agent gave no answer, {_TEMPLATES}",))

    return explain


def _prose(answer: Answer) -> Prose:
    if answer.mode is not AnswerMode.MODEL:
        return Prose(notes=(f"No model answered, {_TEMPLATES}", *answer.notices))
    unsupported = [f"No result supports {mark.text!r}: {mark.reason}" for mark in answer.marks]
    sure = f"Confidence {answer.confidence.value}: {answer.confidence_reason}"
    return Prose(
        text=answer.text,
        model=answer.model,
        notes=(sure, *unsupported, *answer.notices),
    )


def question_about(found: RCAResult) -> str:
    """What is asked: names only, as what clusters wrote is read by tools, fenced."""
    trigger = found.trigger
    about = {
        TriggerKind.ALERT: f"the alert {trigger.name}",
        TriggerKind.ANOMALY: f"the anomaly of {trigger.component or trigger.name}",
        TriggerKind.COMPONENT: f"the trouble of {trigger.component or trigger.name}",
        TriggerKind.TIME: "what is wrong",
    }[trigger.kind]
    ranked = ", ".join(one.component for one in found.causes[:3]) or "nothing"
    return (
        f"Explain {about} on {found.cluster_name}, from {found.start_time:%Y-%m-%d %H:%M} to "
        f"{found.end_time:%Y-%m-%d %H:%M} UTC. analyze_root_cause ranks: {ranked}. What happened, "
        "what caused it, what speaks for and against it, how far does it reach, what is to be done?"
    )
