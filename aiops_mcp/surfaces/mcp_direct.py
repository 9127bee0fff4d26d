"""The short way of a plain tool call over HTTP: one request, one JSON answer, no stream between.

The protocol library serves every call as if it might stream: three tasks, a memory channel and
some twenty validations, which cost several times what a cached answer costs. A call of a reading
tool that asks for no progress needs none of it, be it of 2026-07-28 or of a session that began
with a handshake. This recognises exactly such a request and answers the same result; whatever is
in any way different goes on to the library as it came. Tests hold both ways against each other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.streamable_http import REQUEST_CANCELLED
from mcp_types import CallToolResult, TextContent
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops_mcp.operation import no_progress
from aiops_mcp.surfaces.mcp_plain_call import (
    PREFIX,
    REVISION,
    PlainCall,
    cancelled_request,
    plain_call,
)
from aiops_mcp.surfaces.mcp_sessions import Session, Sessions
from aiops_mcp.surfaces.mcp_tools import OperationTool

_ACCEPTED = (b"application/json", b"text/event-stream")

_LARGEST_BODY = 65_536

Headers = dict[bytes, bytes]
ToolOf = Callable[[str], OperationTool | None]


@dataclass(frozen=True, slots=True)
class Form:
    """What an era writes beside the content of an answer, and for which session."""

    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    session: Session | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers beside those that say what the body is."""
        name = self.session.id if self.session else None
        return [(b"mcp-session-id", name.encode())] if name else []

    def encoded(self, call: PlainCall, work: "asyncio.Future[Any]") -> bytes:
        """The answer to a call whose work is done, or was cancelled by the client."""
        if self.session is not None and work.cancelled():
            # A request of this era ends with an answer in any case; this is the library's.
            error = {"code": REQUEST_CANCELLED, "message": "Request cancelled"}
            return orjson.dumps({"jsonrpc": "2.0", "id": call.id, "error": error})
        result = cast("CallToolResult", work.result())
        content = [
            {"text": block.text, "type": "text"}
            for block in result.content
            if isinstance(block, TextContent)
        ]
        answer = {
            "content": content,
            "isError": result.is_error,
            "structuredContent": result.structured_content,
            **self.fields,
        }
        return orjson.dumps({"jsonrpc": "2.0", "id": call.id, "result": answer})


class DirectCalls:
    """ASGI middleware inside authentication; ``tool_of`` gives the caller's reading tools."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        tool_of: ToolOf,
        server_info: dict[str, str],
        sessions: Sessions,
        guarded: bool,
        stream_after: float = 15.0,
    ) -> None:
        self._app = app
        self._path = path
        self._tool_of = tool_of
        meta = {PREFIX + "serverInfo": server_info}
        self._modern = Form({"resultType": "complete", "_meta": meta})
        self._sessions = sessions
        self._guarded = guarded
        # As the library: from then on a comment now and then keeps proxies from giving up.
        self._stream_after = stream_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = self._headers(scope)
        if headers is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "DELETE":
            await self._end(scope, headers, receive, send)
        elif not _may_be_plain(headers):
            await self._app(scope, receive, send)
        elif headers.get(b"mcp-protocol-version") == REVISION.encode():
            await self._answer_modern(scope, headers, receive, send)
        else:
            await self._answer_session(scope, headers, receive, send)

    def _headers(self, scope: Scope) -> Headers | None:
        """The headers of a request that may be one for here."""
        if scope["type"] != "http" or scope["path"] != self._path:
            return None
        if scope["method"] not in ("POST", "DELETE"):
            return None
        if self._guarded and not isinstance(scope.get("user"), AuthenticatedUser):
            return None
        found: Headers = {}
        for key, value in cast("list[tuple[bytes, bytes]]", scope["headers"]):
            if key[:4] == b"mcp-" and (key in found or key[:10] == b"mcp-param-"):
                return None
            found[key] = value
        return found

    def _session(self, scope: Scope, headers: Headers) -> Session | None:
        name, revision = headers.get(b"mcp-session-id"), headers.get(b"mcp-protocol-version")
        return self._sessions.find(
            name.decode("latin-1") if name is not None else None,
            revision.decode("latin-1") if revision is not None else None,
            scope.get("user"),
        )

    async def _answer_modern(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        name = headers.get(b"mcp-name", b"").decode("latin-1")
        if headers.get(b"mcp-method") != b"tools/call" or not name:
            await self._app(scope, receive, send)
            return
        parts, body = await _read(receive)
        call = plain_call(body) if body is not None else None
        tool = self._tool_of(name) if call is not None and call.name == name else None
        if call is None or tool is None:
            await self._app(scope, _replayed(parts, receive), send)
            return
        await self._serve(call, tool, self._modern, receive, send)

    async def _answer_session(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        session = self._session(scope, headers)
        if session is None:
            await self._app(scope, receive, send)
            return
        parts, body = await _read(receive)
        call = plain_call(body, in_session=True) if body is not None else None
        tool = self._tool_of(call.name) if call is not None else None
        if call is None or tool is None or session.is_over or session.is_working_on(call.id):
            cancelled = cancelled_request(body) if call is None and body is not None else None
            if cancelled is not None:
                session.cancel(cancelled)
            await self._app(scope, _replayed(parts, receive), send)
            return
        await self._serve(call, tool, Form(session=session), receive, send)

    async def _end(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Where a client ends its session, its calls here end as those in the library do."""
        session = self._session(scope, headers)
        await self._app(scope, receive, send)
        if session is not None and session.is_over:
            session.cancel_all()

    async def _serve(
        self, call: PlainCall, tool: OperationTool, form: Form, receive: Receive, send: Send
    ) -> None:
        work = asyncio.ensure_future(tool.call(call.arguments, progress=no_progress))
        gone = asyncio.ensure_future(_disconnected(receive))
        session, streaming = form.session, False
        try:
            with session.working_on(call.id, work) if session else nullcontext():
                while True:
                    await asyncio.wait(
                        (work, gone),
                        timeout=self._stream_after,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                    if work.done() or gone.done():
                        break
                    if not streaming:
                        await send(_start_of_stream(form))
                        streaming = True
                    await send(_body(b": ping\r\n\r\n", more=True))
                if work.done():
                    await _finish(send, form, form.encoded(call, work), streaming=streaming)
        finally:
            gone.cancel()
            work.cancel()  # nothing where it is done; where the client left, it stops here
            await asyncio.gather(work, gone, return_exceptions=True)


def _may_be_plain(headers: Headers) -> bool:
    accept = headers.get(b"accept", b"")
    return all(kind in accept for kind in _ACCEPTED) and headers.get(
        b"content-type", b""
    ).startswith(b"application/json")


async def _read(receive: Receive) -> tuple[list[Message], bytes | None]:
    """What arrived, and the whole body unless it is large or the client left."""
    parts: list[Message] = []
    body = b""
    while len(body) <= _LARGEST_BODY:
        part = await receive()
        parts.append(part)
        if part["type"] != "http.request":
            return parts, None
        body += part.get("body", b"")
        if not part.get("more_body", False):
            return parts, body
    return parts, None


def _replayed(parts: list[Message], receive: Receive) -> Receive:
    """A ``receive`` that gives back what was read already, in order."""
    waiting = iter(parts)

    async def replay() -> Message:
        return next(waiting, None) or await receive()

    return replay


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(form: Form, *headers: tuple[bytes, bytes]) -> Message:
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [*headers, *form.headers()],
    }


def _start_of_stream(form: Form) -> Message:
    return _start(form, (b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"))


def _body(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _finish(
    send: Callable[[Message], Awaitable[None]], form: Form, body: bytes, *, streaming: bool
) -> None:
    if streaming:
        await send(_body(b"event: message\r\ndata: " + body + b"\r\n\r\n"))
        return
    length = str(len(body)).encode()
    await send(_start(form, (b"content-type", b"application/json"), (b"content-length", length)))
    await send(_body(body))
