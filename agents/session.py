"""What a command talks to: the application in this process, or a running server over REST.

Both answer an operation by name with a digest. Imports the application only when one is opened,
so that ``aiops --help`` stays instant.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.reports import Download
from aiops_mcp.operation import Progress, no_progress

if TYPE_CHECKING:
    from aiops_mcp.settings import Settings


class Session(Protocol):
    """Asks one operation and returns its digest; raises AiopsError."""

    async def ask(
        self, operation: str, arguments: Mapping[str, Any], *, progress: Progress = no_progress
    ) -> Digest: ...

    async def read(self, operation: str, arguments: Mapping[str, Any]) -> Entity:
        """Ask one operation and return its whole answer, without secrets."""
        ...

    async def fetch(self, operation: str, arguments: Mapping[str, Any]) -> Download:
        """Ask an operation that answers with a file."""
        ...


@asynccontextmanager
async def open_session(
    settings: "Settings", *, server: str | None = None, token: str | None = None
) -> AsyncGenerator[Session]:
    """A session with the server at ``server``, or with the application in this process."""
    if server is not None:
        from agents.remote import open_remote

        async with open_remote(server, token) as remote:
            yield remote
        return
    from aiops_mcp.app import open_app

    async with open_app(settings, watch=False) as app:
        await app.check_stale_clusters()
        yield app
