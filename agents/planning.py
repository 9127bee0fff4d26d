"""The plan of one answer: which steps there are, which are done. Pure.

A model makes one by the tool ``make_plan``; its steps move on as calls are made, or as the model
says. Nothing is called for a plan, and it is no evidence.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from agents.conversation import ToolSpec
from aiops_mcp.models.chat import PlanStep

_STEPS = 8
_STEP_LENGTH = 160

MAKE_PLAN = ToolSpec(
    name="make_plan",
    description=(
        "Show the user a plan of 2 to 8 short steps, for work that needs several calls. Call again "
        "with done=N when it changes. Not needed for simple questions."
    ),
    parameters={
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"type": "string"}, "description": "In order"},
            "done": {"type": "integer", "minimum": 0, "description": "How many are done"},
        },
        "required": ["steps"],
        "additionalProperties": False,
    },
)


class Plan:
    """The steps of one answer; none before ``make_plan`` is called."""

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()
        self._done = 0
        self._ended = ""

    @property
    def steps(self) -> tuple[PlanStep, ...]:
        return tuple(
            PlanStep(text=text, state=self._state(at)) for at, text in enumerate(self._texts)
        )

    def make(self, arguments: Mapping[str, Any]) -> str:
        """Take a plan of a model; what it is told. Steps that repeat or are empty are dropped."""
        given = cast("Sequence[object]", arguments.get("steps") or ())
        cleaned = (" ".join(str(step).split())[:_STEP_LENGTH] for step in given)
        texts = tuple(dict.fromkeys(text for text in cleaned if text))[:_STEPS]
        if not texts:
            return "A plan needs steps; go on without one."
        done = arguments.get("done")
        if isinstance(done, int):
            self._done = min(max(done, 0), len(texts))
        elif texts != self._texts:
            self._done = min(self._done, len(texts) - 1) if self._texts else 0
        self._texts = texts
        return f"The plan is shown. Now: {self._now()}"

    def advance(self) -> bool:
        """A round of calls was made: the next step is on. The last one is over with the answer."""
        if self._done >= len(self._texts) - 1:
            return False
        self._done += 1
        return True

    def end(self, *, is_whole: bool) -> bool:
        """The answer is there: its steps are done, or dropped when it came before them."""
        if not self._texts:
            return False
        self._ended = "done" if is_whole else "dropped"
        return True

    def _state(self, at: int) -> str:
        if at < self._done:
            return "done"
        if self._ended:
            return self._ended
        return "now" if at == self._done else "next"

    def _now(self) -> str:
        return self._texts[self._done] if self._done < len(self._texts) else "the answer"
