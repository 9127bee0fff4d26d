"""Counts what comes over ``/mcp`` against the same limits as REST; stdio has none.

Whoever may not in at all passes on, for MCP has an answer of its own for that.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops_mcp.errors import AccessError
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.problem import problem_response
from aiops_mcp.surfaces.ratelimit import TooManyRequests


class McpLimit:
    """Answers 429 with ``Retry-After`` where a limit is used up, before MCP hears of it."""

    def __init__(self, app: ASGIApp, gate: Gate, path: str) -> None:
        self._app = app
        self._gate = gate
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/") != self._path:
            await self._app(scope, receive, send)
            return
        headers: Mapping[str, str] = {}
        try:
            headers = (await self._gate.admit(HTTPConnection(scope))).headers
        except TooManyRequests as error:
            await problem_response(error)(scope, receive, send)
            return
        except AccessError:
            pass  # the same token is refused again below, in MCP's own words

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, told if headers else send)
