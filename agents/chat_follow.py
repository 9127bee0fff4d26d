"""The steps of an answer that this process does not make: read off the message as it is kept.

For answers that are over, and for those that another replica makes: there the text grows every
other second. Such steps have no numbers, as each process would count its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from agents.chat_draft import end_events, reference_json
from agents.chat_steps import DELTA, START, StreamEvent
from aiops_mcp.models.chat import ChatMessage, MessageState

LOOK_EVERY = 1.0


async def follow_kept(
    message: ChatMessage,
    again: Callable[[], Awaitable[ChatMessage | None]],
    *,
    every: float = LOOK_EVERY,
) -> AsyncGenerator[Sequence[StreamEvent]]:
    """Steps from the beginning to the end; ``again`` reads the message anew."""
    yield [_event(START, _start(message)), *_grown(None, message)]
    while message.state is MessageState.RUNNING:
        await asyncio.sleep(every)
        newer = await again()
        if newer is None:
            gone = {"code": "SESSION_NOT_FOUND", "message": "The session was deleted."}
            yield [_event("error", gone)]
            return
        if grown := _grown(message, newer):
            yield grown
        message = newer
    yield [_event(kind, dict(data)) for kind, data in end_events(message)]


def _grown(before: ChatMessage | None, now: ChatMessage) -> list[StreamEvent]:
    """What there is in a message that was not before."""
    calls = len(before.tool_calls) if before else 0
    results = len(before.tool_results) if before else 0
    text = before.content if before else ""
    events = [
        _event(
            "tool_use",
            {"tool_call_id": each.id, "name": each.name, "arguments": each.arguments},
        )
        for each in now.tool_calls[calls:]
    ]
    known = {each.tool_call_id: each for each in now.answer.references} if now.answer else {}
    for each in now.tool_results[results:]:
        reference = known.get(each.tool_call_id)
        told = reference_json(reference) if reference else {"number": each.number}
        told = {"tool_call_id": each.tool_call_id, "status": each.status.value, **told}
        events.append(_event("tool_result", told))
    if now.content.startswith(text):
        if more := now.content[len(text) :]:
            events.append(_event(DELTA, {"delta": more}))
    else:
        events.append(_event(DELTA, {"delta": now.content, "replaces": True}))
    return events


def _start(message: ChatMessage) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "role": message.role.value,
        "session_id": str(message.session_id),
        "persona_id": message.persona_id,
    }


def _event(kind: str, data: dict[str, Any]) -> StreamEvent:
    return StreamEvent(0, kind, data)
