"""Sessions of clients that did the handshake, as the protocol library's HTTP side keeps them.

The library offers no way to ask for them, so every use of its session manager's private parts
stands here, and a test pins each. Knows nothing of tools and what they answer.
"""

import asyncio
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.routing import Route

IsOpen = Callable[[str], bool]
Work = asyncio.Future[Any]


class Session:
    """One client's calls past the library; ``transport`` is ``None`` where there is no state."""

    def __init__(
        self,
        transport: StreamableHTTPServerTransport | None,
        working: dict[str, Work],
    ) -> None:
        self._transport = transport
        self._working = working

    @property
    def id(self) -> str | None:
        """What the client names it by, to be repeated in every answer."""
        return self._transport.mcp_session_id if self._transport else None

    @property
    def is_over(self) -> bool:
        """Whether the client ended it, or is about to be told that it expired."""
        if self._transport is None:
            return False
        idle = self._transport.idle_scope
        return self._transport.is_terminated or (idle is not None and idle.cancel_called)

    def is_working_on(self, request: int | str) -> bool:
        """Whether a request of this id is in flight, here or in the library."""
        waiting = self._transport._request_streams if self._transport else {}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
        return str(request) in self._working or str(request) in waiting

    @contextmanager
    def working_on(self, request: int | str, work: Work) -> Generator[None]:
        """Let ``work`` be cancelled by its request's id, and the session not expire meanwhile."""
        if self._transport is None:
            yield
            return
        self._working[str(request)] = work
        try:
            with _awake(self._transport):
                yield
        finally:
            del self._working[str(request)]

    def cancel(self, request: int | str) -> None:
        """End the work on a request, if there is any."""
        if work := self._working.get(str(request)):
            work.cancel()

    def cancel_all(self) -> None:
        """End the work on every request."""
        for work in self._working.values():
            work.cancel()


class Sessions:
    """Finds the session of a request; ``is_open`` tells whether its handshake is done."""

    def __init__(self, is_open: IsOpen) -> None:
        self._is_open = is_open
        self._endpoint: Any = None
        self._working: WeakKeyDictionary[StreamableHTTPServerTransport, dict[str, Work]] = (
            WeakKeyDictionary()
        )

    def attach(self, app: Starlette, path: str) -> None:
        """Look into the library's endpoint at ``path``; its sessions begin with its lifespan."""
        (route,) = (r for r in app.routes if isinstance(r, Route) and r.path == path)
        # With authentication a check of the token stands before it.
        self._endpoint = getattr(route.endpoint, "app", route.endpoint)

    def find(self, name: str | None, revision: str | None, user: object) -> Session | None:
        """The session of a request's headers, where the library would serve it to this user.

        ``None`` is for the library to answer: unknown or somebody else's sessions, and those
        whose handshake it has not been seen to accept. It may be over once a body has arrived.
        """
        sessions: StreamableHTTPSessionManager | None = self._endpoint.session_manager
        if sessions is None or (
            revision is not None and revision not in HANDSHAKE_PROTOCOL_VERSIONS
        ):
            return None
        if sessions.stateless:
            return None if name else Session(None, {})
        transport = sessions._server_instances.get(name or "")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
        if name is None or transport is None or not self._is_open(name):
            return None
        owner = sessions._session_owners.get(name)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
        asking = authorization_context(user) if isinstance(user, AuthenticatedUser) else None
        if owner != asking:
            return None
        return Session(transport, self._working.setdefault(transport, {}))


@contextmanager
def _awake(transport: StreamableHTTPServerTransport) -> Generator[None]:
    """Count a request in flight as the library counts its own, so that the session stays."""
    idle, timeout = transport.idle_scope, transport._idle_timeout  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
    if idle is None or timeout is None:
        yield
        return
    transport._requests_in_flight += 1  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
    idle.deadline = math.inf
    try:
        yield
    finally:
        transport._requests_in_flight -= 1  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
        if not transport._requests_in_flight:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see the module
            idle.deadline = anyio.current_time() + timeout
