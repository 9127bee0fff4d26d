"""Chat sessions and messages to rows of the database, and back. Pure.

What a tool gave is kept once, with the tool's result; the references of an answer get it back when
they are read.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from aiops_mcp.models.chat import (
    Answer,
    ChatMessage,
    ChatRole,
    ChatSession,
    MessageState,
    TimeScope,
    ToolResult,
    ToolUse,
)

_SESSION_FIELDS = (
    *("id", "user_id", "title", "persona_id", "model", "message_count", "tokens_used"),
    *("parent_session_id", "parent_message_id", "created_at", "updated_at", "expires_at"),
)
_MESSAGE_FIELDS = (
    *("id", "session_id", "content", "persona_id", "error_code", "model", "tokens_used"),
    *("latency_ms", "created_at"),
)


def session_row(session: ChatSession, *, is_titled: bool) -> dict[str, Any]:
    """The row of a session; whether an answer is being made is seen in its messages."""
    row = {name: getattr(session, name) for name in _SESSION_FIELDS}
    return row | {
        "is_titled": is_titled,
        "cluster_context": list(session.cluster_context),
        "time_scope": time_scope_json(session.time_scope),
    }


def time_scope_json(scope: TimeScope) -> dict[str, Any]:
    return scope.model_dump(mode="json", exclude_none=True)


def session_of(row: RowMapping, *, is_working: bool) -> ChatSession:
    return ChatSession(
        **{name: row[name] for name in _SESSION_FIELDS},
        cluster_context=tuple(row["cluster_context"]),
        time_scope=TimeScope.model_validate(row["time_scope"]),
        is_working=is_working,
    )


def message_row(message: ChatMessage) -> dict[str, Any]:
    """The row of a message, but for its position and for who makes it."""
    row = {name: getattr(message, name) for name in _MESSAGE_FIELDS}
    return row | {
        "role": message.role.value,
        "state": message.state.value,
        **calls_row(message),
        "answer": _answer_json(message.answer),
    }


def calls_row(message: ChatMessage) -> dict[str, Any]:
    """The part of a row that grows with every call of a tool."""
    return {
        "tool_calls": [each.model_dump(mode="json") for each in message.tool_calls],
        "tool_results": [each.model_dump(mode="json") for each in message.tool_results],
    }


def _answer_json(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return answer.model_dump(mode="json", exclude={"references": {"__all__": {"text"}}})


def message_of(row: RowMapping, *, now: datetime) -> ChatMessage:
    """The message; one that nobody makes any more was interrupted, whatever the row says."""
    results = tuple(ToolResult.model_validate(each) for each in row["tool_results"])
    state = MessageState(row["state"])
    if state is MessageState.RUNNING and not _is_held(row, now):
        state = MessageState.INTERRUPTED
    return ChatMessage(
        **{name: row[name] for name in _MESSAGE_FIELDS},
        role=ChatRole(row["role"]),
        state=state,
        tool_calls=tuple(ToolUse.model_validate(each) for each in row["tool_calls"]),
        tool_results=results,
        answer=_answer_of(row["answer"], results),
    )


def _is_held(row: RowMapping, now: datetime) -> bool:
    return row["held_until"] is not None and row["held_until"] > now


def _answer_of(kept: Mapping[str, Any] | None, results: tuple[ToolResult, ...]) -> Answer | None:
    if kept is None:
        return None
    texts = {result.tool_call_id: result.result or result.error or "" for result in results}
    answer = Answer.model_validate(kept)
    references = tuple(
        each.model_copy(update={"text": texts.get(each.tool_call_id, "")})
        for each in answer.references
    )
    return answer.model_copy(update={"references": references})
