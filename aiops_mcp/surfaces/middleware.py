"""What every HTTP and WebSocket connection passes before any route: pure ASGI, no route by name.

observed (trace id, metrics, access log, last resort) > hosts and origins > CORS > body size
"""

import logging
import time
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops_mcp.errors import AiopsError, BodyTooLarge, PermissionDenied
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import is_loopback
from aiops_mcp.surfaces.gate import SUBJECT_KEY
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.problem import HostRefused, problem_response
from aiops_mcp.surfaces.rest import ROUTE_KEY
from aiops_mcp.telemetry import current_trace_id, trace_id_of
from aiops_mcp.tracing import request_span

_log = logging.getLogger("aiops_mcp.access")

_QUIET = frozenset({"/health", "/ready", "/metrics"})
_KNOWN_TOPS = frozenset(
    {"/", "/mcp", "/ws", "/docs", "/redoc", "/openapi.json", "/auth", "/oauth", "/assets"}
)
_HEADERS_IN = (
    "authorization", "content-type", "traceparent", "mcp-session-id", "mcp-protocol-version",
    "last-event-id",
)  # fmt: skip
_HEADERS_OUT = (
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after",
    "x-trace-id", "mcp-session-id",
)  # fmt: skip
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def gateway(
    app: ASGIApp, settings: Settings, metrics: GatewayMetrics, *, needs_token: bool
) -> ASGIApp:
    """The application as it is served: every connection observed, checked and bounded.

    ``needs_token`` says that nobody gets in without one. Then the Host header is only checked
    against ``settings.allowed_hosts`` where that is set, for a rebinding page knows no token.
    """
    bounded: ASGIApp = BodyLimit(app, settings.max_body_bytes)
    if settings.allowed_origins:
        bounded = CORSMiddleware(
            bounded,
            allow_origins=settings.allowed_origins,
            allow_methods=_METHODS,
            allow_headers=_HEADERS_IN,
            expose_headers=_HEADERS_OUT,
        )
    checked = HostsAndOrigins(
        bounded,
        hosts=(settings.host, *settings.allowed_hosts),
        origins=settings.allowed_origins,
        check_hosts=bool(settings.allowed_hosts) or not needs_token,
    )
    return Observed(checked, metrics)


class Observed:
    """Gives each request its trace id, counts and logs it, and answers what nobody else caught.

    The log line has neither the query string nor a header, for either may hold a secret.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: GatewayMetrics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        traceparent = Headers(scope=scope).get("traceparent")
        name = f"{scope.get('method', 'WS')} {route_label(scope)}"
        with request_span(name, traceparent, trace_id_of(traceparent)) as trace_id:
            token = current_trace_id.set(trace_id)
            try:
                if scope["type"] == "http":
                    await self._observe(scope, receive, send, trace_id)
                else:
                    await self._app(scope, receive, send)
            finally:
                current_trace_id.reset(token)

    async def _observe(self, scope: Scope, receive: Receive, send: Send, trace_id: str) -> None:
        status, started = 0, self._clock()

        async def traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-trace-id"] = trace_id
            await send(message)

        self._metrics.started()
        try:
            await self._app(scope, receive, traced)
        except Exception as error:
            if status:
                raise  # the answer has begun: the server can only cut the connection
            await problem_response(error)(scope, receive, traced)
        finally:
            seconds = self._clock() - started
            self._metrics.finished(route_label(scope), scope["method"], status or 499, seconds)
            self._log(scope, status or 499, seconds)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        client = scope.get("client")
        _log.log(
            logging.DEBUG if scope["path"] in _QUIET else logging.INFO,
            "%s %r %s in %.1f ms",
            scope["method"],
            scope["path"],
            status,
            seconds * 1000,
            extra={"client": client[0] if client else "", "subject": scope.get(SUBJECT_KEY, "")},
        )


def route_label(scope: Scope) -> str:
    """The template of the route that answered, else a word of a fixed list: labels stay few."""
    if template := scope.get(ROUTE_KEY):
        return str(template)
    path = str(scope["path"])
    if path in _QUIET or path == "/health/detailed":
        return path
    top = "/" + path.strip("/").partition("/")[0]
    return top if top in _KNOWN_TOPS else "(other)"


class HostsAndOrigins:
    """Turns away names that are not ours (DNS rebinding) and pages of other sites.

    A Host that is an address is never refused: a rebinding page needs a name. An Origin is good
    where it is the host asked for, or one of ``origins``. A ``host`` may begin with ``*.``; ``*``
    takes all.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        origins: Collection[str],
        check_hosts: bool = True,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().rstrip(".") for host in hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._check_hosts = check_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = HTTPConnection(scope).headers
        refusal = self._refusal(headers.get("host", ""), headers.get("origin"))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await problem_response(refusal)(scope, receive, send)
        else:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})

    def _refusal(self, host: str, origin: str | None) -> AiopsError | None:
        if self._check_hosts and not self._is_ours(host):
            return HostRefused(
                "The Host header names a host this server does not answer for.",
                "Ask for 127.0.0.1 or localhost, or add the name to AIOPS_ALLOWED_HOSTS.",
            )
        if origin is not None and not self._is_welcome(origin.lower(), host.lower()):
            return PermissionDenied(
                "Pages of this origin may not call this server.",
                "Add the origin to AIOPS_ALLOWED_ORIGINS.",
            )
        return None

    def _is_ours(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if not name:
            return False
        parents = {"*" + name[at:] for at, char in enumerate(name) if char == "."}
        return _is_address(name) or is_loopback(name) or bool(self._hosts & {name, *parents})

    def _is_welcome(self, origin: str, host: str) -> bool:
        scheme, _, netloc = origin.partition("://")
        if origin.rstrip("/") in self._origins:
            return True
        return scheme in ("http", "https") and bool(host) and netloc == host


def _is_address(name: str) -> bool:
    return ":" in name or (name.replace(".", "").isdigit() and name.count(".") == 3)


class BodyLimit:
    """Refuses a request body over ``most`` bytes: by its declared length, else while it comes."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > self._most:
            await problem_response(self._error())(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._most:
                    raise self._error()
            return message

        await self._app(scope, counted, send)

    def _error(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is over {self._most} bytes.",
            "Send less at once.",
            details={"max_bytes": self._most},
        )
