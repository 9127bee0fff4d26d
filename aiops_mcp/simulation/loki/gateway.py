"""The gateway of a LokiStack: tenants in the path, a bearer's rights, fewer endpoints.

Source: observatorium/api ``api/logs/v1/http.go`` and grafana/loki ``operator``. Errors are JSON.
"""

import re
from collections.abc import Callable, Mapping
from typing import cast

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import parse, parse_selector, selectors
from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.logs import LogBook
from aiops_mcp.simulation.loki.app import API, Clock, LokiServer
from aiops_mcp.simulation.loki.streams import ClusterStreams, Tenant

TENANTS: tuple[Tenant, ...] = ("application", "infrastructure", "audit")
OPEN = frozenset(
    {
        "/query",
        "/query_range",
        "/labels",
        "/label",
        "/label/{name}/values",
        "/series",
        "/index/volume",
        "/index/volume_range",
        "/patterns",
        "/detected_fields",
        "/detected_field/{name}/values",
        "/detected_labels",
    }
)
_PATH = re.compile(r"/api/logs/v1/(?P<tenant>[^/]+)(?P<rest>/.*)?")
_NAMESPACES = ("kubernetes_namespace_name", "k8s_namespace_name")
RoleOf = Callable[[str], str | None]
"""``admin`` or ``viewer`` of a bearer token; ``None``: not known."""


def gateway_app(
    cluster: SimulatedCluster,
    book: LogBook,
    now: Clock,
    role_of: RoleOf,
    *,
    trusted: bool = False,
    poll: float = 1.0,
) -> ASGIApp:
    """The gateway of a cluster's LokiStack.

    ``trusted`` admits everybody: behind the API server's service proxy, which has asked already
    and takes the token away.
    """
    tenants: dict[str, ASGIApp] = {}
    for tenant in TENANTS:
        streams = ClusterStreams(cluster, book, tenant)
        tenants[tenant] = Router(routes=LokiServer(streams, now, poll).routes(API, OPEN))
    return _Gateway(tenants, role_of, trusted=trusted)


class _Gateway:
    def __init__(self, tenants: Mapping[str, ASGIApp], role_of: RoleOf, *, trusted: bool) -> None:
        self._tenants = tenants
        self._role_of = role_of
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        path: str = scope["path"]
        if scope["type"] == "http" and path in ("/ready", "/healthz", "/live"):
            await PlainTextResponse("ok\n")(scope, receive, send)
            return
        place = _PATH.fullmatch(path)
        refused = self._refused(connection, place["tenant"] if place else "")
        if place is None:
            refused = PlainTextResponse("404 page not found\n", 404)
        if refused is not None:
            await _answer(refused, scope, receive, send)
            return
        inner = {**scope, "path": cast("re.Match[str]", place)["rest"] or "/", "root_path": ""}
        inner["raw_path"] = inner["path"].encode()
        await self._tenants[cast("re.Match[str]", place)["tenant"]](inner, receive, send)

    def _refused(self, connection: HTTPConnection, tenant: str) -> Response | None:
        if self._trusted:
            return None if tenant in self._tenants else _fault(401, "unknown tenant")
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if not token:
            return RedirectResponse(f"/openshift/{tenant}/login", 302)
        role = self._role_of(token.strip()) if scheme.lower() == "bearer" else None
        if role is None:
            return _fault(401, "invalid bearer token")
        if tenant not in self._tenants:
            return _fault(401, "unknown tenant")
        if role != "admin" and not (tenant == "application" and _names_namespaces(connection)):
            return _fault(403, "You don't have permission to access this tenant")
        return None


def _names_namespaces(connection: HTTPConnection) -> bool:
    """Whether every selector names a namespace, which the gateway then asks rights for."""
    texts = [
        value
        for key, value in connection.query_params.multi_items()
        if key in ("query", "match[]", "match")
    ]
    if not texts:
        return False
    try:
        for text in texts:
            bare = text.lstrip().startswith("{") and text.rstrip().endswith("}")
            found = (
                [parse_selector(text)] if bare else [use.selector for use in selectors(parse(text))]
            )
            if not all(
                any(one.name in _NAMESPACES and one.op == "=" for one in selector.matchers)
                for selector in found
            ):
                return False
    except InvalidLogql:
        return True  # Loki itself tells what is wrong
    return True


def _fault(status: int, text: str) -> Response:
    content = {"status": "error", "errorType": "observatorium-api", "error": text}
    return JSONResponse(content, status)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)
