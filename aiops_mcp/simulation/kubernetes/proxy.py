"""The service proxy: requests to a Service's backend, passed through the API server."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aiops_mcp.simulation.kubernetes import faults

_HOP_BY_HOP = frozenset({b"authorization", b"connection", b"host", b"upgrade"})


def backend_of(backend: Callable[[str, str], ASGIApp | None], namespace: str, name: str) -> ASGIApp:
    """What answers behind ``[SCHEME:]NAME[:PORT]``.

    Raises:
        Refused: 503, no such Service or nothing behind it.
    """
    app = backend(namespace, _service(name))
    if app is None:
        message = f'no endpoints available for service "{name}"'
        raise faults.Refused(503, "ServiceUnavailable", message)
    return app


def _service(name: str) -> str:
    parts = name.split(":")
    return parts[1] if len(parts) > 2 else parts[0]


async def forward(
    backend: Callable[[str, str], ASGIApp | None],
    namespace: str,
    name: str,
    path: str,
    request: Request,
) -> Response:
    """Pass a request to the backend of ``[SCHEME:]NAME[:PORT]`` and bring its answer.

    Raises:
        Refused: 503, no such Service or nothing behind it.
    """
    app = backend_of(backend, namespace, name)
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": request.scope["query_string"],
        "root_path": "",
        "headers": [
            (key, value) for key, value in request.scope["headers"] if key not in _HOP_BY_HOP
        ],
        "client": None,
        "server": (_service(name), 80),
    }
    body = await request.body()
    sent = False
    done = asyncio.Event()
    status, headers, chunks = 500, list[tuple[bytes, bytes]](), list[bytes]()

    async def receive() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            await done.wait()
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                done.set()

    await app(scope, receive, send)
    answer = Response(b"".join(chunks), status)
    answer.raw_headers = [
        *((key, value) for key, value in headers if key != b"content-length"),
        (b"content-length", str(sum(map(len, chunks))).encode()),
    ]
    return answer
