"""Operations as REST routes below ``/api/v1``, drawn from what an operation says of itself.

Knows operations in general and none by name; runs them through ``invoke`` alone. Answers leave
through the guard, failures in the contract's shape.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from aiops_mcp.errors import AiopsError, BackendError, QueryTimeout
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Call, Invoke, Operation
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.guard import guard_json
from aiops_mcp.surfaces.problem import MethodNotAllowed, not_found, problem_response, to_json
from aiops_mcp.surfaces.rest_input import InputReader

PREFIX = "/api/v1"
ROUTE_KEY = "aiops.route"
"""Key of the ASGI scope under which metrics find the template of the route that answers."""

_CLIENT_GONE = 499
_LARGE = 256 * 1024
_PARAMETER = re.compile(r"{(\w+)}")
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class OperationRoute:
    """One ``METHOD /path`` of an operation; ``path`` is below the prefix."""

    method: str
    path: str
    operation: Operation

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.path))

    @property
    def shape(self) -> str:
        """The path without the names of its parameters: what two routes collide on."""
        return _PARAMETER.sub("{}", self.path)


def operation_routes(operations: Sequence[Operation]) -> list[OperationRoute]:
    """All routes of all operations, in their order.

    Raises:
        ValueError: a route is malformed, taken twice, or has a parameter the input lacks.
    """
    found: dict[tuple[str, str], OperationRoute] = {}
    for operation in operations:
        for text in operation.routes:
            method, _, path = text.partition(" ")
            route = OperationRoute(method, path, operation)
            if not method.isupper() or not path.startswith("/"):
                raise ValueError(f"{operation.name}: {text!r} is no route; write GET /path")
            if missing := set(route.parameters) - set(operation.request_type.model_fields):
                raise ValueError(f"{operation.name}: {text!r} names {missing}, its input does not")
            if taken := found.get((method, route.shape)):
                raise ValueError(f"{operation.name}: {text!r} is taken by {taken.operation.name}")
            found[(method, route.shape)] = route
    return list(found.values())


def rest_routes(
    operations: Sequence[Operation],
    invoke: Invoke,
    gate: Gate,
    settings: Settings,
    metrics: GatewayMetrics,
) -> list[Route]:
    """Routes for every operation, and last one that answers 404 to the rest of ``/api/v1``.

    Raises:
        ValueError: as ``operation_routes``, or an operation names a limit nobody knows.
    """
    by_shape: dict[str, list[OperationRoute]] = {}
    for route in operation_routes(operations):
        limit = route.operation.limit
        if limit is not None and not gate.limits.knows(limit):
            raise ValueError(f"{route.operation.name} names the limit {limit!r}, which is not set")
        by_shape.setdefault(route.shape, []).append(route)
    # Fixed words before parameters: /clusters/by-name/{name} is not /clusters/{cluster}/status.
    shapes = sorted(by_shape, key=lambda shape: [step == "{}" for step in shape.split("/")])
    routes = [
        Route(
            PREFIX + by_shape[shape][0].path,
            OperationEndpoint(by_shape[shape], invoke, gate, settings, metrics),
        )
        for shape in shapes
    ]
    return [*routes, Route(PREFIX + "/{path:path}", Nowhere(gate))]


class OperationEndpoint:
    """Answers one path: the operation of the method, or 405 with the methods there are."""

    def __init__(
        self,
        routes: Sequence[OperationRoute],
        invoke: Invoke,
        gate: Gate,
        settings: Settings,
        metrics: GatewayMetrics,
    ) -> None:
        self._routes = {route.method: route for route in routes}
        self._readers = {
            route.method: InputReader(route.operation.request_type) for route in routes
        }
        self._template = PREFIX + routes[0].path
        self._invoke = invoke
        self._gate = gate
        self._timeout = settings.request_timeout
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = self._template
        request = Request(scope, receive)
        headers: dict[str, str] = {}
        try:
            response = await self._respond(request, headers)
        except AiopsError as error:
            if isinstance(error, BackendError):
                self._metrics.backend_errors((error.code,))
            response = problem_response(error, headers=headers)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it is, the caller gets JSON
            response = problem_response(error, headers=headers)
        if request.method == "HEAD":
            response.body = b""  # content-length stays that of the GET
        await response(scope, receive, send)

    async def _respond(self, request: Request, headers: dict[str, str]) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join(self._allowed())})
        method = "GET" if request.method == "HEAD" else request.method
        route = self._routes.get(method)
        if route is None:
            raise MethodNotAllowed(request.method, self._template, self._allowed())
        operation = route.operation
        admission = await self._gate.admit(request, operation.limit)
        headers.update(admission.headers)
        names = _PARAMETER.findall(self._template)
        path = {
            name: str(request.path_params[sent])
            for sent, name in zip(names, route.parameters, strict=True)
        }
        try:
            async with asyncio.timeout(self._timeout):
                given = await self._readers[method].read(request, path)
                call = Call(principal=admission.principal, surface="rest")
                answer = await _unless_gone(
                    request.receive, lambda: self._invoke(operation, given, call)
                )
        except TimeoutError as error:
            raise QueryTimeout(
                f"The request took longer than {self._timeout:g} s.",
                "Ask fewer clusters or a shorter time.",
            ) from error
        if answer is None:
            return Response(status_code=_CLIENT_GONE)
        return await self._answer(operation, answer, headers, call)

    async def _answer(
        self, operation: Operation, answer: Entity, headers: Mapping[str, str], call: Call
    ) -> Response:
        coverage = getattr(answer, "coverage", None)
        if isinstance(coverage, Coverage):
            self._metrics.backend_errors(failure.code for failure in coverage.failures)
        everywhere = {"cache-control": "no-store", **headers}
        if operation.status == 204:
            return Response(status_code=204, headers=everywhere)
        if isinstance(answer, Download):
            call.receipt.delivered(answer.content)
            return _file(answer, everywhere)
        body = await _render(answer)
        call.receipt.delivered(body)
        return Response(
            body,
            status_code=operation.status,
            media_type="application/json",
            headers=everywhere,
        )

    def _allowed(self) -> tuple[str, ...]:
        head = ["HEAD"] if "GET" in self._routes else []
        return (*sorted([*self._routes, *head]), "OPTIONS")


class Nowhere:
    """Answers paths of the API that are not there; to those who may ask at all."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = PREFIX + "/(unknown)"
        request = Request(scope, receive)
        try:
            admission = await self._gate.admit(request)
        except AiopsError as error:
            response = problem_response(error)
        else:
            response = problem_response(not_found(scope["path"]), headers=admission.headers)
        await response(scope, receive, send)


def _file(answer: Download, headers: Mapping[str, str]) -> Response:
    """A file to be saved. Should a browser open it after all, it may do nothing with it."""
    name = _NO_FILE_NAME.sub("_", answer.file_name)
    own = {
        "content-disposition": f'attachment; filename="{name}"',
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(answer.content, media_type=answer.media_type, headers={**headers, **own})


async def _render(answer: Entity) -> bytes:
    """The answer's JSON, guarded; of a large one in a thread, so that others are served too."""
    raw = answer.model_dump_json().encode()
    return _guarded(raw) if len(raw) < _LARGE else await asyncio.to_thread(_guarded, raw)


def _guarded(raw: bytes) -> bytes:
    return to_json(guard_json(orjson.loads(raw)))


async def _unless_gone(
    receive: Callable[[], Awaitable[Message]], work: Callable[[], Awaitable[ResultT]]
) -> ResultT | None:
    """The result of ``work``, or ``None`` after cancelling it where the client hangs up first."""

    async def run() -> ResultT:
        return await work()

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(run()), asyncio.create_task(hung_up())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)
