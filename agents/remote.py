"""A running server as a session: the same operations over its REST routes.

The full answer comes back, and its digest is made here by the operation's own function, so that a
command prints the same whether it asked from its own process or a server. REST rather than MCP:
imports and credentials are no tools, as secrets never pass through a model.
"""

import ipaddress
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.message import Message
from functools import cache
from pathlib import PurePath
from types import new_class
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx2

from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    ClusterUnreachable,
    InputError,
    QueryTimeout,
    ToolExecutionFailed,
)
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Operation, Progress, no_progress, operation_named
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.surfaces.guard import clean

PREFIX = "/api/v1"
TIMEOUT_SECONDS = 130.0
"""A little longer than the server gives a request, so that its own answer comes first."""


class RemoteSession:
    """Calls routes of a server; ``client`` has its address and token."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    @property
    def base_url(self) -> str:
        return str(self._client.base_url)

    def stream(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """An answer that is read while it comes. Raises httpx2.TransportError."""
        return self._client.stream(method, path, json=json, headers=dict(headers))

    async def ask(
        self, operation: str, arguments: Mapping[str, Any], *, progress: Progress = no_progress
    ) -> Digest:
        """Ask one operation. A server does not report progress over REST.

        Raises:
            AiopsError: with the code, message and details the server gave.
            pydantic.ValidationError: the arguments do not fit.
        """
        del progress
        found = operation_named(OPERATIONS, operation)
        if found.digest is None:
            raise ToolExecutionFailed(f"The operation {operation!r} has no digest.")
        request = found.request_type.model_validate(dict(arguments))
        answer = await self._call(found, arguments)
        return clean(found.digest(request, found.answer_type.model_validate(answer)))

    async def read(self, operation: str, arguments: Mapping[str, Any]) -> Entity:
        """Ask one operation and return its whole answer. Raises as `ask`."""
        found = operation_named(OPERATIONS, operation)
        return found.answer_type.model_validate(await self._call(found, arguments))

    async def fetch(self, operation: str, arguments: Mapping[str, Any]) -> Download:
        """Ask an operation that answers with a file. Raises as `ask`."""
        found = operation_named(OPERATIONS, operation)
        if found.answer_type is not Download:
            raise ToolExecutionFailed(f"The operation {operation!r} gives no file.")
        return await self.download(found, arguments)

    async def download(self, operation: Operation, arguments: Mapping[str, Any]) -> Download:
        """The file that an operation answers with. Raises as `ask`."""
        response = await self._send(operation, arguments)
        if not response.is_success:
            content_of(response)
        told = Message()
        told["content-disposition"] = response.headers.get("content-disposition", "")
        return Download(
            file_name=PurePath(told.get_filename() or operation.name).name,
            media_type=response.headers.get("content-type", ""),
            content=response.content,
        )

    async def call(self, operation: Operation, arguments: Mapping[str, Any]) -> Entity:
        """The whole answer of an operation. Raises as `ask`."""
        return operation.answer_type.model_validate(await self._call(operation, arguments))

    async def _call(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        return content_of(await self._send(operation, arguments))

    async def _send(self, operation: Operation, arguments: Mapping[str, Any]) -> httpx2.Response:
        method, path, rest = _placed(operation.routes[0], arguments)
        with_body = method in ("POST", "PUT")
        try:
            return await self._client.request(
                method,
                PREFIX + path,
                json=rest if with_body else None,
                params=None if with_body else tuple(_query(rest)),
            )
        except httpx2.TimeoutException as error:
            raise QueryTimeout(
                f"{self._client.base_url} did not answer in {TIMEOUT_SECONDS:g} s."
            ) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise no_server(str(self._client.base_url), error) from error


def _placed(route: str, arguments: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Method, path with its parameters filled in, and the arguments that are left."""
    method, _, path = route.partition(" ")
    rest = dict(arguments)
    for name in list(rest):
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
    return method, path, rest


def _query(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Query parameters: lists are repeated keys, true and false as JSON writes them."""
    return [
        (name, str(each).lower() if isinstance(each, bool) else str(each))
        for name, value in arguments.items()
        for each in (
            cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else (value,)
        )
    ]


def content_of(response: httpx2.Response) -> Any:
    """The JSON of an answer; an error of the server is raised with its own code."""
    try:
        content: Any = response.json()
    except ValueError as error:
        raise BackendMisbehaved(
            f"{response.url} answers HTTP {response.status_code}, and no JSON.",
            "Is the URL the root of an aiops server?",
        ) from error
    if response.is_success:
        return content
    problem = content.get("error") if isinstance(content, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]  # JSON
    if not isinstance(problem, dict):
        raise BackendMisbehaved(
            f"{response.url} answers HTTP {response.status_code} in a form not known here.",
            "Is the URL the root of an aiops server?",
        )
    told = cast("dict[str, Any]", problem)
    kind = error_class(str(told.get("code")), response.status_code)
    raise kind(str(told.get("message")), details=told.get("details") or {})


@cache
def error_class(code: str, status: int) -> type[AiopsError]:
    """An error that carries the server's code; a bad input stays one, for the exit code."""
    base = InputError if status in (400, 413, 422) else AiopsError
    made = new_class(
        "RemoteError", (base,), exec_body=lambda body: body.update(code=code, status=status)
    )
    return cast("type[AiopsError]", made)


@asynccontextmanager
async def open_remote(server: str, token: str | None) -> AsyncGenerator[RemoteSession]:
    """A session with the server at a root URL such as http://127.0.0.1:8080."""
    base = server.rstrip("/").removesuffix("/mcp")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(
        base_url=base,
        headers=headers,
        timeout=TIMEOUT_SECONDS,
        trust_env=not _is_loopback(base),
    ) as client:
        yield RemoteSession(client)


def _is_loopback(url: str) -> bool:
    """A server on this machine is never asked through a proxy of the environment."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def no_server(url: str, error: Exception) -> AiopsError:
    """The error for a URL where nobody answers."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
    return ClusterUnreachable(
        f"No server answers at {url}: {reason}.",
        "Start one with `aiops serve`, or leave --server away to ask from this process.",
    )
