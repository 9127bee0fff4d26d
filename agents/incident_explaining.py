"""Lets the agent explain an incident that was looked into: a question made of what is known of it.

Where no model answers, nothing is given: the incident keeps the words of the templates.
"""

from contextlib import aclosing

from agents.chat_sessions import PersonaSource
from agents.conversation import Answered, Answerer, Failed, Question
from aiops_mcp.fleet.incidents import SYSTEM, Explain
from aiops_mcp.models.chat import Answer, AnswerMode, TimeScope
from aiops_mcp.models.incident import Incident
from aiops_mcp.models.persona import DEFAULT_PERSONA

_MOST_ALERTS = 10


def explain_by(answerer: Answerer, personas: PersonaSource) -> Explain:
    """The hook of incidents over an agent that has a model."""

    async def explain(incident: Incident) -> Answer | None:
        question = Question(
            text=question_about(incident),
            persona=await personas.get(DEFAULT_PERSONA, SYSTEM),
            clusters=incident.clusters,
            time_scope=TimeScope(end=incident.resolved_at),
            principal=SYSTEM,
        )
        async with aclosing(answerer.answer(question)) as steps:
            async for step in steps:
                if isinstance(step, Answered):
                    is_told = step.answer.mode is not AnswerMode.TRIAGE
                    return step.answer if is_told else None
                if isinstance(step, Failed):
                    return None
        return None

    return explain


def question_about(incident: Incident) -> str:
    """What is asked: names and times only, as what clusters wrote is read by tools, fenced."""
    alerts = [
        f"- {alert.alertname} on {alert.cluster_name}"
        + (f" of {alert.component}" if alert.component else "")
        + f" since {alert.starts_at:%Y-%m-%d %H:%M} UTC"
        for alert in incident.alerts[:_MOST_ALERTS]
    ]
    if len(incident.alerts) > _MOST_ALERTS:
        alerts.append(f"- and {len(incident.alerts) - _MOST_ALERTS} more")
    over = f", over since {incident.resolved_at:%H:%M} UTC" if incident.resolved_at else ""
    where, when = ", ".join(incident.clusters), f"{incident.started_at:%Y-%m-%d %H:%M} UTC"
    return "\n".join(
        [
            f"Explain the incident on {where} that began {when}{over}.",
            "These alerts belong to it:",
            *alerts,
            "What happened, what caused it, how far it reaches, and what is to be done?",
        ]
    )
