"""``/api/v1/chat/sessions/{session}/stream``: an answer as server-sent events, as it is made.

    POST  says something and streams the answer
    GET   streams the last answer: from its start, or from after ``Last-Event-ID``

In the contract's order: message_start, then any of tool_use, tool_result, content_delta (with
``replaces`` where the text begins anew), tool_progress, plan, notice, consent_required and consent,
at last message_complete or error. A message_start begins the message anew, also for a client that
comes back; one that is told from the middle gets none. A client that leaves ends nothing. What goes
wrong before the first event is an ordinary answer of HTTP.

Format: HTML Living Standard, section 9.2.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agents.chat import Chats
from agents.chat_answering import OPERATIONS
from agents.chat_steps import LAST, StreamEvent
from aiops_mcp.models.chat import ChatMessage
from aiops_mcp.operation import Call, Invoke, Operation
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.problem import MethodNotAllowed, problem_response
from aiops_mcp.surfaces.rest import PREFIX, ROUTE_KEY
from aiops_mcp.surfaces.rest_input import InputReader

PATH = "/chat/sessions/{session}/stream"
KEEP_ALIVE_SECONDS = 15.0
_KEEP_ALIVE = b": keep-alive\n\n"
_RETRY = b"retry: 2000\n\n"
_LONGEST_ID = 64
_END = "end"
_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # or nginx would gather events before it passes them on
}


def stream_route(chats: Chats, invoke: Invoke, gate: Gate) -> Route:
    """The route; made before those of the operations, the last of which takes every path."""
    return Route(PREFIX + PATH, ChatStream(chats, invoke, gate))


class ChatStream:
    """Serves each request by itself; holds nothing of any."""

    def __init__(
        self,
        chats: Chats,
        invoke: Invoke,
        gate: Gate,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._chats = chats
        self._invoke = invoke
        self._gate = gate
        self._keep_alive = keep_alive
        self._operations = {
            "POST": _operation("start_chat_answer"),
            "GET": _operation("follow_chat_answer"),
        }
        self._readers = {
            method: InputReader(operation.request_type)
            for method, operation in self._operations.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = PREFIX + PATH
        request = Request(scope, receive)
        headers: dict[str, str] = {}
        try:
            response = await self._respond(request, headers)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it is, the caller gets JSON
            response = problem_response(error, headers=headers)
        await response(scope, receive, send)

    async def _respond(self, request: Request, headers: dict[str, str]) -> Response:
        operation = self._operations.get(request.method)
        if operation is None:
            allowed = ("GET", "OPTIONS", "POST")
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"allow": ", ".join(allowed)})
            raise MethodNotAllowed(request.method, PREFIX + PATH, allowed)
        admission = await self._gate.admit(request, operation.limit)
        headers.update(admission.headers)
        path = {"session": str(request.path_params["session"])}
        given = await self._readers[request.method].read(request, path)
        call = Call(principal=admission.principal, surface="sse")
        answer = cast("ChatMessage", await self._invoke(operation, given, call))
        last = request.headers.get("last-event-id") if request.method == "GET" else None
        after = resumed_after(last, answer)
        if after is None:  # all of it was seen: a browser that hears this comes no more
            return Response(status_code=204, headers=headers)
        return StreamingResponse(
            self._events(answer, after),
            media_type="text/event-stream",
            headers={**_HEADERS, **headers},
        )

    async def _events(self, answer: ChatMessage, after: int) -> AsyncGenerator[bytes]:
        yield _RETRY
        async with aclosing(self._chats.follow(answer, after=after)) as batches:
            upcoming: asyncio.Task[Sequence[StreamEvent]] | None = None
            try:
                while True:
                    # A task, as a generator that is cancelled while it waits has ended.
                    upcoming = upcoming or asyncio.ensure_future(anext(batches))
                    done, _ = await asyncio.wait({upcoming}, timeout=self._keep_alive)
                    if not done:
                        yield _KEEP_ALIVE
                        continue
                    try:
                        batch = upcoming.result()
                    except StopAsyncIteration:
                        return
                    upcoming = None
                    yield b"".join(frame(answer, event) for event in batch)
            finally:
                if upcoming is not None:
                    upcoming.cancel()
                    await asyncio.gather(upcoming, return_exceptions=True)


def frame(answer: ChatMessage, event: StreamEvent) -> bytes:
    """One event as it stands on the wire, with an id to come back with where it has one."""
    data = orjson.dumps(event.data, default=str)
    lines = [b"event: " + event.type.encode(), b"data: " + data]
    if event.type in LAST:
        lines.insert(0, f"id: {_answer_id(answer)}.{_END}".encode())
    elif event.number:
        lines.insert(0, f"id: {_answer_id(answer)}.{event.number}".encode())
    return b"\n".join(lines) + b"\n\n"


def resumed_after(last: str | None, answer: ChatMessage) -> int | None:
    """The number of the event that a client has seen of an answer; None where that was its end.

    An id of no event of this answer begins from the start, as 0 does.
    """
    whose, _, number = (last or "")[:_LONGEST_ID].partition(".")
    if whose != _answer_id(answer):
        return 0
    if number == _END:
        return None
    return int(number) if number.isdecimal() else 0


def _answer_id(answer: ChatMessage) -> str:
    return answer.id.hex[:12]


def _operation(name: str) -> Operation:
    return next(each for each in OPERATIONS if each.name == name)
