"""The short way of a plain tool call over HTTP: one request, one JSON answer, no stream between.

The protocol library serves every call as if it might stream: three tasks, a memory channel and
some twenty validations, which cost several times what a cached answer costs. A 2026-07-28 call of
a reading tool that asks for no progress needs none of it. This recognises exactly such a request
and answers it in the same bytes; whatever is in any way different goes on to the library, unread.
Tests hold both ways against each other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp_types import CallToolResult, TextContent
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops_mcp.operation import no_progress
from aiops_mcp.surfaces.mcp_tools import OperationTool

_REVISION = b"2026-07-28"
_PREFIX = "io.modelcontextprotocol/"
_PLAIN_META = frozenset(
    _PREFIX + name for name in ("protocolVersion", "clientCapabilities", "clientInfo")
)
_NEEDED_META = _PLAIN_META - {_PREFIX + "clientInfo"}
_REQUEST_KEYS = {"jsonrpc", "id", "method", "params"}
_PARAM_KEYS = frozenset({"name", "arguments", "_meta"})
_ACCEPTED = (b"application/json", b"text/event-stream")

_LARGEST_BODY = 65_536

ToolOf = Callable[[str], OperationTool | None]


@dataclass(frozen=True, slots=True)
class PlainCall:
    """A request in which there is nothing but a tool, its arguments and who speaks."""

    id: int | str
    name: str
    arguments: dict[str, Any]


class DirectCalls:
    """ASGI middleware inside authentication; ``tool_of`` gives the caller's reading tools."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        tool_of: ToolOf,
        server_info: dict[str, str],
        guarded: bool,
        stream_after: float = 15.0,
    ) -> None:
        self._app = app
        self._path = path
        self._tool_of = tool_of
        self._meta = {_PREFIX + "serverInfo": server_info}
        self._guarded = guarded
        # As the library: from then on a comment now and then keeps proxies from giving up.
        self._stream_after = stream_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._named_tool(scope)
        if name is None:
            await self._app(scope, receive, send)
            return
        parts, body = await _read(receive)
        call = plain_call(body) if body is not None else None
        tool = self._tool_of(name) if call is not None and call.name == name else None
        if call is None or tool is None:
            await self._app(scope, _replayed(parts, receive), send)
            return
        await self._serve(call, tool, receive, send)

    def _named_tool(self, scope: Scope) -> str | None:
        """The tool named by the headers of a request that may take the short way."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            return None
        if self._guarded and not isinstance(scope.get("user"), AuthenticatedUser):
            return None
        found: dict[bytes, bytes] = {}
        for key, value in cast("list[tuple[bytes, bytes]]", scope["headers"]):
            if key[:4] == b"mcp-" and (key in found or key[:10] == b"mcp-param-"):
                return None
            found[key] = value
        accept = found.get(b"accept", b"")
        if (
            found.get(b"mcp-protocol-version") != _REVISION
            or found.get(b"mcp-method") != b"tools/call"
            or not all(kind in accept for kind in _ACCEPTED)
        ):
            return None
        return found.get(b"mcp-name", b"").decode("latin-1") or None

    async def _serve(
        self, call: PlainCall, tool: OperationTool, receive: Receive, send: Send
    ) -> None:
        work = asyncio.ensure_future(tool.call(call.arguments, progress=no_progress))
        gone = asyncio.ensure_future(_disconnected(receive))
        streaming = False
        try:
            while True:
                await asyncio.wait(
                    (work, gone), timeout=self._stream_after, return_when=asyncio.FIRST_COMPLETED
                )
                if work.done() or gone.done():
                    break
                if not streaming:
                    await send(_start(b"text/event-stream", b"cache-control", b"no-cache"))
                    streaming = True
                await send(_body(b": ping\r\n\r\n", more=True))
            if work.done():
                answer = self._encoded(call, cast("CallToolResult", work.result()))
                await _finish(send, answer, streaming=streaming)
        finally:
            gone.cancel()
            work.cancel()  # nothing where it is done; where the client left, it stops here
            await asyncio.gather(work, gone, return_exceptions=True)

    def _encoded(self, call: PlainCall, result: CallToolResult) -> bytes:
        content = [
            {"text": block.text, "type": "text"}
            for block in result.content
            if isinstance(block, TextContent)
        ]
        answer = {
            "content": content,
            "isError": result.is_error,
            "resultType": "complete",
            "structuredContent": result.structured_content,
            "_meta": self._meta,
        }
        return orjson.dumps({"jsonrpc": "2.0", "id": call.id, "result": answer})


def plain_call(body: bytes) -> PlainCall | None:
    """The call in a request's body, or ``None`` where anything in it asks for more."""
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(decoded, dict):
        return None
    request = cast("dict[str, Any]", decoded)
    params, identity = request.get("params"), request.get("id")
    if (
        request.keys() != _REQUEST_KEYS
        or request["jsonrpc"] != "2.0"
        or request["method"] != "tools/call"
        or not isinstance(params, dict)
        or not isinstance(identity, int | str)
        or isinstance(identity, bool)
    ):
        return None
    return _plain_params(identity, cast("dict[str, Any]", params))


def _plain_params(identity: int | str, params: dict[str, Any]) -> PlainCall | None:
    name, arguments, meta = params.get("name"), params.get("arguments", {}), params.get("_meta")
    if not isinstance(name, str) or not isinstance(arguments, dict) or not isinstance(meta, dict):
        return None
    keys = cast("dict[str, Any]", meta).keys()
    if not params.keys() <= _PARAM_KEYS or not _NEEDED_META <= keys <= _PLAIN_META:
        return None  # a progress token, trace context, answers to questions, or an older shape
    if meta[_PREFIX + "protocolVersion"] != _REVISION.decode():
        return None
    if not all(isinstance(meta[key], dict) for key in keys if not key.endswith("protocolVersion")):
        return None
    return PlainCall(identity, name, cast("dict[str, Any]", arguments))


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


def _start(content_type: bytes, name: bytes, value: bytes) -> Message:
    headers = [(b"content-type", content_type), (name, value)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _finish(
    send: Callable[[Message], Awaitable[None]], body: bytes, *, streaming: bool
) -> None:
    if streaming:
        await send(_body(b"event: message\r\ndata: " + body + b"\r\n\r\n"))
        return
    await send(_start(b"application/json", b"content-length", str(len(body)).encode()))
    await send(_body(body))
