"""A runbook: what to look at and do about a kind of trouble, step by step."""

from typing import Any

from pydantic import Field

from aiops_mcp.models.entity import Entity


class RunbookCall(Entity):
    """A tool call that a step makes; ``{{alert}}``, ``{{cluster}}`` … stand for what is known."""

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class RunbookStep(Entity):
    """One step: what to do, and the calls that show it, if any."""

    title: str
    text: str = ""
    calls: tuple[RunbookCall, ...] = ()


class Runbook(Entity):
    """``alerts`` are names (or globs) of alerts it is for, ``keywords`` words it is found by."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")
    title: str
    description: str = ""
    alerts: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    steps: tuple[RunbookStep, ...] = ()
    text: str
    is_builtin: bool = False


class RunbookHit(Entity):
    """A runbook in a list; ``why`` says what it was found by."""

    name: str
    title: str
    description: str = ""
    alerts: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    steps: int
    is_builtin: bool
    why: str = ""

    @classmethod
    def of(cls, runbook: Runbook, why: str = "") -> "RunbookHit":
        return cls(
            name=runbook.name,
            title=runbook.title,
            description=runbook.description,
            alerts=runbook.alerts,
            keywords=runbook.keywords,
            steps=len(runbook.steps),
            is_builtin=runbook.is_builtin,
            why=why,
        )


class FoundRunbooks(Entity):
    """Runbooks that fit, best first; ``best`` is the first of them as a whole."""

    items: tuple[RunbookHit, ...]
    total: int
    best: Runbook | None = None
