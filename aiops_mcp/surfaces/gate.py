"""Lets a request in: says who asks, and counts it against the limits. Knows no route by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from aiops_mcp.errors import AccessError, AuthFailed
from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.auth import Authenticator, bearer_token
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.ratelimit import RateLimits, TooManyRequests

SUBJECT_KEY = "aiops.subject"
"""Key of the ASGI scope under which the access log finds who asked."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Who asks; ``headers`` go on the answer, whatever it is."""

    principal: Principal
    headers: Mapping[str, str]


class Gate:
    """The one way in for everything that is not open to all."""

    def __init__(
        self, authenticator: Authenticator, limits: RateLimits, metrics: GatewayMetrics
    ) -> None:
        self._authenticator = authenticator
        self.limits = limits
        self._metrics = metrics

    @property
    def needs_token(self) -> bool:
        return self._authenticator.required

    async def admit(self, connection: HTTPConnection, limit: str | None = None) -> Admission:
        """Let a request in.

        Raises:
            AuthFailed: no token, or one nobody knows.
            AuthExpired: a token that was good once.
            TooManyRequests: a limit is used up.
        """
        authorization = connection.headers.get("authorization")
        principal = await self._principal(bearer_token(authorization))
        if principal is None:
            await self._count_unknown()
            raise _refusal(authorization)
        connection.scope[SUBJECT_KEY] = principal.subject
        return Admission(principal, await self._count(principal.subject, limit))

    async def admit_token(self, connection: HTTPConnection, token: str | None) -> Admission:
        """Let in who presents a token otherwise than in a header. Raises as ``admit``."""
        principal = await self._principal(token)
        if principal is None:
            await self._count_unknown()
            raise AuthFailed("The token is not known here.", "Check AIOPS_API_TOKENS.")
        connection.scope[SUBJECT_KEY] = principal.subject
        return Admission(principal, await self._count(principal.subject, None))

    async def knows(self, token: str | None) -> bool:
        """Whether a token that was let in is good still; counts nothing.

        Raises:
            AuthExpired: it was good once.
        """
        return await self._authenticator.authenticate(token) is not None

    async def _principal(self, token: str | None) -> Principal | None:
        try:
            return await self._authenticator.authenticate(token)
        except AccessError:
            await self._count_unknown()
            raise

    async def _count_unknown(self) -> None:
        self._metrics.auth_failed()
        await self._count(None, None)

    async def _count(self, subject: str | None, limit: str | None) -> Mapping[str, str]:
        try:
            return await self.limits.admit(subject, limit)
        except TooManyRequests as error:
            self._metrics.rate_limited(error.limit)
            raise


def _refusal(authorization: str | None) -> AuthFailed:
    hint = "Send one in the Authorization header, as a bearer token."
    if authorization is None:
        return AuthFailed("A token is needed, and none was sent.", hint)
    if bearer_token(authorization) is None:
        return AuthFailed("The Authorization header holds no bearer token.", hint)
    return AuthFailed("The token is not known here.", "Check AIOPS_API_TOKENS of the server.")
