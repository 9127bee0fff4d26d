"""Routes that only tell something: GET and HEAD, behind the gate or open to all."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.problem import MethodNotAllowed, problem_response
from aiops_mcp.surfaces.rest import ROUTE_KEY

_METHODS = ("GET", "HEAD", "OPTIONS")


def open_page(path: str, respond: Callable[[Request], Awaitable[Response]]) -> Route:
    """A route that everybody may read."""
    return Route(path, _Page(path, respond))


def gated_page(
    path: str, gate: Gate, respond: Callable[[Request, Principal], Awaitable[Response]]
) -> Route:
    """A route for those the gate lets in."""

    async def admitted(request: Request) -> Response:
        admission = await gate.admit(request)
        response = await respond(request, admission.principal)
        response.headers.update(admission.headers)
        return response

    return Route(path, _Page(path, admitted))


class _Page:
    def __init__(self, path: str, respond: Callable[[Request], Awaitable[Response]]) -> None:
        self._path = path
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = self._path
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it is, the caller gets JSON
            response = problem_response(error)
        if request.method == "HEAD":
            response.body = b""  # content-length stays that of the GET
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(_METHODS)})
        if request.method not in _METHODS:
            raise MethodNotAllowed(request.method, self._path, _METHODS)
        return await self._respond(request)
