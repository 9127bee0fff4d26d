"""An answer while it is made: from the steps of the agent to a message, and to what clients see.

Pure but for the time, which is passed in.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from agents.chat_steps import COMPLETE, ERROR, PROGRESS, START, Steps
from agents.conversation import (
    AnswerDelta,
    Answered,
    CallBegun,
    CallDone,
    CallProgress,
    ConsentWanted,
    Failed,
    Noticed,
    PlanChanged,
    Step,
)
from aiops_mcp.models.chat import (
    Answer,
    ChatMessage,
    MessageState,
    Reference,
    ToolResult,
    ToolStatus,
    ToolUse,
)
from aiops_mcp.redaction import clean_json, clean_text

INTERRUPTED = Failed(
    "INTERNAL_ERROR", "The server went away while it answered. Ask for the answer again (retry)."
)


class Draft:
    """A running answer. ``message`` is what it is so far."""

    def __init__(self, message: ChatMessage, steps: Steps) -> None:
        self._begun = message
        self._steps = steps
        self._calls: list[ToolUse] = []
        self._results: list[ToolResult] = []
        self._end: Answered | Failed | None = None

    @property
    def is_whole(self) -> bool:
        return self._end is not None

    @property
    def calls(self) -> int:
        """Grows with every call and every result."""
        return len(self._calls) + len(self._results)

    def start(self, question: ChatMessage | None) -> None:
        """Tell that the answer begins."""
        begun = self._begun
        self._steps.tell(
            START,
            {
                "id": str(begun.id),
                "role": begun.role.value,
                "session_id": str(begun.session_id),
                "persona_id": begun.persona_id,
                "question_id": str(question.id) if question else None,
            },
        )

    def take(self, step: Step) -> None:
        """One step of the agent; after the last one none is taken."""
        if self._end is not None:
            return
        match step:
            case AnswerDelta():
                self._steps.say(step.text, replaces=step.replaces)
            case CallBegun():
                arguments = clean_json(dict(step.arguments))
                self._calls.append(ToolUse(id=step.call_id, name=step.name, arguments=arguments))
                self._steps.tell("tool_use", _call(step))
            case CallDone():
                self._results.append(result_of(step.call_id, step.status, step.reference))
                self._steps.tell("tool_result", _result(step))
            case CallProgress():
                self._steps.tell(PROGRESS, {"tool_call_id": step.call_id, "message": step.message})
            case PlanChanged():
                plan = [each.model_dump(mode="json") for each in step.plan]
                self._steps.tell("plan", {"plan": plan})
            case Noticed():
                self._steps.tell("notice", {"message": step.text})
            case ConsentWanted():
                self._steps.tell("consent_required", {**_call(step), "plan": step.plan})
            case Answered() | Failed():
                self._end = step
            case _:
                assert_never(step)

    def message(self, state: MessageState, *, latency_ms: float) -> ChatMessage:
        """What there is; ``state`` is how it ended where the agent did not end it itself."""
        end = self._end
        made: dict[str, Any] = {
            "content": self._steps.text,
            "state": state,
            "tool_calls": tuple(self._calls),
            "tool_results": tuple(self._results),
            "latency_ms": latency_ms,
        }
        if isinstance(end, Answered):
            answer = clean_answer(end.answer)
            made |= {
                "content": answer.text,
                "state": MessageState.COMPLETE,
                "answer": answer,
                "model": answer.model,
                "tokens_used": answer.tokens_used,
                "tool_results": self._with_references(answer),
            }
        elif isinstance(end, Failed):
            made |= {
                "content": f"{self._steps.text}\n\n{clean_text(end.message)}".strip(),
                "state": MessageState.FAILED,
                "error_code": end.code,
            }
        return self._begun.model_copy(update=made)

    def _with_references(self, answer: Answer) -> tuple[ToolResult, ...]:
        """The results, also those that only the answer's references tell of."""
        known = {each.tool_call_id for each in self._results}
        more = (
            result_of(each.tool_call_id, each.status, each)
            for each in answer.references
            if each.tool_call_id not in known
        )
        return (*self._results, *more)

    def finish(self, message: ChatMessage) -> None:
        """Tell the end, of a message as it is kept."""
        for kind, data in end_events(message, self._end):
            self._steps.tell(kind, data)


def result_of(call_id: str, status: ToolStatus, reference: Reference) -> ToolResult:
    text = clean_text(reference.text)
    is_good = status is ToolStatus.SUCCESS
    return ToolResult(
        tool_call_id=call_id,
        status=status,
        result=text if is_good else None,
        error=None if is_good else (text or clean_text(reference.headline)),
        number=reference.number,
    )


def clean_answer(answer: Answer) -> Answer:
    """The answer as it may be kept; a mark whose text had to go goes with it."""
    text = clean_text(answer.text)
    if text == answer.text:
        return answer
    marks = tuple(mark for mark in answer.marks if text[mark.start : mark.end] == mark.text)
    return answer.model_copy(update={"text": text, "marks": marks})


def end_events(
    message: ChatMessage, end: Answered | Failed | None = None
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """How the end of a message is told: complete, or why it is not."""
    if message.state is MessageState.FAILED:
        told = end.message if isinstance(end, Failed) else message.content
        return ((ERROR, {"code": message.error_code or "INTERNAL_ERROR", "message": told}),)
    if message.state is MessageState.INTERRUPTED:
        return ((ERROR, {"code": INTERRUPTED.code, "message": INTERRUPTED.message}),)
    data: dict[str, Any] = {
        "id": str(message.id),
        "tokens_used": message.tokens_used,
        "latency_ms": message.latency_ms,
        "state": message.state.value,
        "model": message.model,
        "content": message.content,
        "answer": answer_json(message.answer),
    }
    return ((COMPLETE, data),)


def answer_json(answer: Answer | None) -> dict[str, Any] | None:
    """An answer without its own text, and without those of its results, which may be large."""
    if answer is None:
        return None
    return answer.model_dump(
        mode="json", exclude={"text": True, "references": {"__all__": {"text"}}}
    )


def _call(step: CallBegun | ConsentWanted) -> dict[str, Any]:
    return {
        "tool_call_id": step.call_id,
        "name": step.name,
        "arguments": dict(step.arguments),
    }


def _result(step: CallDone) -> dict[str, Any]:
    return {
        "tool_call_id": step.call_id,
        "status": step.status.value,
        "seconds": round(step.seconds, 3),
        **reference_json(step.reference),
    }


def reference_json(reference: Reference) -> dict[str, Any]:
    """What a result is known by, without its text and what its call said already."""
    return reference.model_dump(
        mode="json", exclude={"text", "tool_call_id", "status", "arguments"}
    )
