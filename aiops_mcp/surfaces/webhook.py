"""``POST /api/v1/alerts/webhook``: where the clusters' Alertmanagers tell what fires.

Knows a secret and a body, and hands both on; who may send and what it means is decided behind
``WebhookReceiver``. A wrong secret and an unknown cluster are answered alike.
"""

import base64
import binascii
import logging
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aiops_mcp.errors import AiopsError, AuthFailed, RateLimited
from aiops_mcp.surfaces.auth import bearer_token
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.problem import MethodNotAllowed, problem_response, to_json
from aiops_mcp.surfaces.ratelimit import Buckets, Demand, Rate, TooManyRequests
from aiops_mcp.surfaces.rest import PREFIX, ROUTE_KEY

_log = logging.getLogger(__name__)

SECRET_HEADER = "x-webhook-secret"  # noqa: S105 - the name of a header
WRONG_SECRETS = Rate("webhook", 30, 60, 10)
"""Wrong secrets of one address; right ones are not counted here."""


class SendAgain(TooManyRequests):
    """As the limit that is used up, with a status on which Alertmanager tries again.

    It drops what is answered with any 4xx, 429 included (``notify/util.go``).
    """

    status = 503

    def __init__(self, refused: TooManyRequests) -> None:
        RateLimited.__init__(self, refused.message, refused.hint, retry_after=refused.retry_after)
        self.limit = refused.limit
        self.headers = refused.headers


class WebhookReceiver(Protocol):
    """Takes messages of Alertmanager."""

    async def accept(self, secret: str | None, cluster: str | None, body: bytes) -> int:
        """Take a message for later; how many alerts it tells of.

        Raises:
            AuthFailed: the secret is not known, or not of this cluster.
            AiopsError: the message is malformed, or too many wait.
        """
        ...


def webhook_routes(receiver: WebhookReceiver, gate: Gate, buckets: Buckets) -> list[Route]:
    """With the cluster in the path, and without: the secret tells it then."""
    return [
        Route(PREFIX + path, WebhookEndpoint(receiver, gate, buckets, PREFIX + path))
        for path in ("/alerts/webhook", "/alerts/webhook/{cluster}")
    ]


class WebhookEndpoint:
    """Answers 202 when a message was taken."""

    def __init__(
        self, receiver: WebhookReceiver, gate: Gate, buckets: Buckets, template: str
    ) -> None:
        self._receiver = receiver
        self._gate = gate
        self._buckets = buckets
        self._template = template

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = self._template
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except AiopsError as error:
            response = problem_response(error)
        except Exception as error:  # noqa: BLE001  # the edge: whatever it is, the caller gets JSON
            response = problem_response(error)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method != "POST":
            raise MethodNotAllowed(request.method, self._template, ("POST",))
        try:
            headers = await self._gate.limits.admit(None)
        except TooManyRequests as refused:
            raise SendAgain(refused) from refused
        body = await request.body()
        cluster = request.path_params.get("cluster")
        try:
            count = await self._receiver.accept(secret_of(request), cluster, body)
        except AuthFailed:
            await self._count_wrong(request)
            raise
        return Response(
            to_json({"accepted": count}),
            status_code=202,
            media_type="application/json",
            headers={"cache-control": "no-store", **headers},
        )

    async def _count_wrong(self, request: Request) -> None:
        address = request.client.host if request.client else "unknown"
        _log.warning("a webhook with a wrong secret from %s", address)
        [level] = await self._buckets.take([Demand(f"webhook:{address}", WRONG_SECRETS)])
        if level.wait > 0:
            raise TooManyRequests(level)


def secret_of(request: Request) -> str | None:
    """From a bearer token, the password of basic authentication, or the header of our own.

    Never from the query string, which stands in access logs.
    """
    authorization = request.headers.get("authorization")
    if authorization is None:
        return request.headers.get(SECRET_HEADER, "").strip() or None
    return bearer_token(authorization) or _basic_password(authorization)


def _basic_password(authorization: str) -> str | None:
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[2] or None
