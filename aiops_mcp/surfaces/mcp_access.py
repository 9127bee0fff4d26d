"""Who is asking over MCP: the caller behind a bearer token, or whoever started the process."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

from fastmcp.server.auth import AccessToken, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import ConfigDict

from aiops_mcp.errors import AccessError
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.surfaces.auth import Authenticator

PrincipalOf = Callable[[], Principal]

_acting: ContextVar[Principal | None] = ContextVar("acting", default=None)


class PrincipalToken(AccessToken):
    """A verified token that carries its caller; the token itself is replaced by its hash."""

    model_config = ConfigDict(frozen=True)

    principal: Principal


class BearerVerifier(TokenVerifier):
    """Asks our own authenticator, the same that REST asks."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller of a token, or ``None``, which the library answers with 401."""
        try:
            principal = await self._authenticator.authenticate(token)
        except AccessError:
            return None
        if principal is None:
            return None
        return PrincipalToken(
            token=sha256(token.encode()).hexdigest(),
            client_id=principal.subject,
            scopes=[],
            subject=principal.subject,
            principal=principal,
        )


@contextmanager
def acting_as(principal: Principal) -> Generator[None]:
    """Let calls made in this process, in this task and those it starts, be of this caller.

    It stands before a token: who asks in process may itself serve a request of somebody else.
    """
    before = _acting.set(principal)
    try:
        yield
    finally:
        _acting.reset(before)


def current_principal() -> Principal:
    """The caller of the request in progress.

    That is whom a call in this process is made for, else of its bearer token, else the local
    administrator. Without an authenticator the server answers on stdio and loopback only, so a
    request without a token comes from whoever started the process.
    """
    if (acting := _acting.get()) is not None:
        return acting
    token = get_access_token()
    return token.principal if isinstance(token, PrincipalToken) else LOCAL_ADMIN
