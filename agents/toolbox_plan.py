"""What a writing tool gives before its user agreed: a plan, and a handle that only code can use.

A loop that called a writing tool asks ``plan_of(outcome)``, shows ``plan.text`` to the user, and
once they agree calls the same tool with ``plan.consented()``. A model cannot do the same: a handle
is an object, and what a model writes is JSON. Knows no MCP library.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.conversation import ToolOutcome

APPLY = "apply"
"""The argument that a handle is given as."""

WAITS = "Nothing was changed: it waits for the user's consent."
"""What a model is told in place of the handle."""


@dataclass(frozen=True, slots=True)
class PlanHandle:
    """Stands for the user's consent to one planned call; it works once, in the toolbox it is of."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done by calling ``name`` with ``arguments`` (clean of secrets)."""

    handle: PlanHandle
    name: str
    arguments: Mapping[str, Any]
    text: str

    def consented(self) -> dict[str, Any]:
        """The arguments of the call that does it, once the user agreed."""
        return {APPLY: self.handle}


@dataclass(frozen=True, slots=True)
class PlannedOutcome(ToolOutcome):
    """The outcome of a writing tool that was not applied."""

    plan: Plan | None = None


def plan_of(outcome: ToolOutcome) -> Plan | None:
    """The plan that an outcome is; ``None`` where the call is done or failed."""
    return outcome.plan if isinstance(outcome, PlannedOutcome) else None
