"""Notices when an investigation goes in circles: the same call, the same result, the same error.

Pure; it counts and words what to tell the model, and decides when enough is enough.
"""

from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from agents.conversation import ToolOutcome
from agents.loop_arguments import canonical
from aiops_mcp.models.chat import ToolStatus

_SAME_RESULTS = 3
_SAME_ERRORS = 2
_VAIN_ROUNDS = 3
"""Rounds in a row that brought nothing new, after which the answer is due."""


class CallWatch:
    """What was called in one answer, and what came of it."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int | None] = {}
        self._results: Counter[bytes] = Counter()
        self._errors: Counter[str] = Counter()
        self._vain = 0

    def blocked(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Why this call is not made again; empty when it is to be made, which it counts as."""
        key = canonical(name, arguments)
        if key not in self._numbers:
            self._numbers[key] = None
            return ""
        number = self._numbers[key]
        result = f"its result is [{number}]" if number else "it is under way or was refused"
        return (
            f"Not called again: {name} was called with these arguments before, {result}. "
            "Use that, change the arguments, or answer."
        )

    def took(
        self, name: str, arguments: Mapping[str, Any], outcome: ToolOutcome, number: int
    ) -> str:
        """Note what a call gave; a remark for the model where it looks like a circle."""
        key = canonical(name, arguments)
        self._numbers[key] = number
        if outcome.status is not ToolStatus.SUCCESS:
            if _may_retry(outcome) and not self._errors[f"{name}: retried"]:
                self._errors[f"{name}: retried"] += 1
                del self._numbers[key]  # once more may help
            return self._failed(name, outcome)
        result = blake2b(f"{name}\n{_without_query(outcome.text)}".encode(), digest_size=8).digest()
        self._results[result] += 1
        if self._results[result] >= _SAME_RESULTS:
            return (
                f"remark: {name} gave this same result {self._results[result]} times. Other "
                "arguments change nothing: look elsewhere or answer."
            )
        return ""

    def round_ended(self, *, brought_something: bool) -> None:
        """Note whether a round of calls brought anything new."""
        self._vain = 0 if brought_something else self._vain + 1

    @property
    def is_vain(self) -> bool:
        """Whether round after round brought nothing, so that the answer is due."""
        return self._vain >= _VAIN_ROUNDS

    def _failed(self, name: str, outcome: ToolOutcome) -> str:
        said = f"{name}: {outcome.text.split(chr(10), 1)[0][:200]}"
        self._errors[said] += 1
        if self._errors[said] >= _SAME_ERRORS:
            return (
                f"remark: the same error of {name} for the {_ordinal(self._errors[said])} time. "
                "Do not vary this call any more: use another tool, or say what could not be read."
            )
        return ""


def _may_retry(outcome: ToolOutcome) -> bool:
    error = outcome.payload.get("error")
    retryable = isinstance(error, Mapping) and error.get("retryable") is True  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType] - JSON of a server
    return retryable or outcome.status is ToolStatus.TIMEOUT


def _without_query(text: str) -> str:
    """The result without the lines that repeat what was asked and when."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if not line.startswith(("query: ", "more: ")))


def _ordinal(count: int) -> str:
    return {2: "second", 3: "third"}.get(count, f"{count}th")
