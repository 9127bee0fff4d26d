"""Runbooks made small: which there are, and the steps of one, each with its calls.

Steps stand in notes, for a cell would cut them. The text of a folder's file is somebody's: it
stands between « and », as text of a cluster does, and so is data for a model.
"""

from collections.abc import Mapping

from aiops_mcp.capabilities.digesting import call_text
from aiops_mcp.fleet.runbook_calls import PLACES, filled, is_name
from aiops_mcp.models.digest import Digest, fenced
from aiops_mcp.models.runbook import FoundRunbooks, Runbook, RunbookCall, RunbookStep

_STEPS_SHOWN = 18
_OTHERS_SHOWN = 5


def digest_found(answer: FoundRunbooks, *, alert: str, asked: str) -> Digest:
    """The best one with its steps and the names of others; or all names where none was asked."""
    if answer.best is None:
        if answer.items:
            return _listed(answer, f"{answer.total} runbooks.")
        return Digest(
            headline=f"No runbook speaks of {asked[:80]!r}.",
            more="find_runbook() lists all of them.",
        )
    digest = digest_runbook(answer.best, {"alert": alert} if is_name(alert) else {})
    others = answer.items[1 : 1 + _OTHERS_SHOWN]
    return digest.model_copy(
        update={
            "columns": ("also fits", "title", "by") if others else (),
            "rows": tuple((each.name, each.title, each.why) for each in others),
        }
    )


def _listed(answer: FoundRunbooks, headline: str) -> Digest:
    return Digest(
        headline=headline,
        columns=("name", "title", "for alerts", "steps", "of"),
        rows=tuple(
            (
                each.name,
                each.title,
                ", ".join(each.alerts[:3]) + (" …" if len(each.alerts) > 3 else ""),
                each.steps,
                "built-in" if each.is_builtin else "the folder",
            )
            for each in answer.items
        ),
        more='find_runbook(name="…") gives the steps of one.',
    )


def digest_runbook(runbook: Runbook, known: Mapping[str, str] | None = None) -> Digest:
    """Its steps; ``known`` is filled in for places in their calls."""
    shown = runbook.steps[:_STEPS_SHOWN]
    left = len(runbook.steps) - len(shown)
    of = "built-in" if runbook.is_builtin else "written by people here"
    notes = [
        _told(_step(number, step, known or {}), runbook) for number, step in enumerate(shown, 1)
    ]
    if any(step.calls for step in shown):
        notes.append("Fill in what stands in {{…}}; a call without it can be narrowed less.")
    title = _told(f"{runbook.title}.", runbook)
    return Digest(
        headline=f"Runbook {runbook.name} ({of}): {title} {len(runbook.steps)} steps.",
        notes=tuple(notes),
        more=f"{left} more steps: the resource runbook://{runbook.name}" if left else None,
    )


def _step(number: int, step: RunbookStep, known: Mapping[str, str]) -> str:
    said = " ".join(f"{step.title}. {step.text}".split())
    calls = "; ".join(_call(call, known) for call in step.calls)
    return f"step {number}: {said} → {calls}" if calls else f"step {number}: {said}"


def _call(call: RunbookCall, known: Mapping[str, str]) -> str:
    unknown = {place: f"{{{{{place}}}}}" for place in PLACES}
    arguments, _ = filled(call.arguments, {**unknown, **known})
    return f"{call_text(call.tool, arguments)})"


def _told(text: str, runbook: Runbook) -> str:
    return text if runbook.is_builtin else fenced(text)
