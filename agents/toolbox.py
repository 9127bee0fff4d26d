"""Where a run gets its tools: an MCP client to our server, and to others beside it.

``InMemoryTools`` asks the MCP server of this process, with the caller's own role and clusters;
``RemoteTools`` asks one elsewhere, where the token says who is asking. Knows no model and nothing
of what the tools are for.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, cast

from mcp.client.client import Client
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from agents.conversation import Tools
from agents.mcp_servers import ExtraServers, http_client, read_servers
from agents.toolbox_calls import Source, Toolbox, consented
from agents.toolbox_connection import Connection
from agents.toolbox_plan import Plan, PlanHandle, plan_of
from agents.toolbox_server import ServedTools
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.mcp_server import FleetServer

__all__ = [
    "InMemoryTools",
    "Plan",
    "PlanHandle",
    "RemoteTools",
    "ToolSource",
    "Toolbox",
    "notices_of",
    "plan_of",
    "tools_of",
]

PROTOCOL = "2026-07-28"
"""The protocol our own server speaks: no handshake, and a call is one function call in process."""

CALL_TIMEOUT = 60.0


class ToolSource(Protocol):
    """Gives the tools of a persona to a caller."""

    def open(self, persona: Persona, principal: Principal) -> AbstractAsyncContextManager[Tools]:
        """The tools, as long as the context lasts. Nothing is asked before the first use."""
        ...


class _OneServer:
    """Tools of our server behind one connection, shared by all who have it open."""

    def __init__(self, served: ServedTools, extra: ExtraServers | None, timeout: float) -> None:
        self._served = served
        self._extra = extra
        self._timeout = timeout

    @asynccontextmanager
    async def open(self, persona: Persona, principal: Principal) -> AsyncGenerator[Toolbox]:
        """The tools of ``persona`` for ``principal``; one role and scope for every call within."""
        sources = [Source(self._served, (persona.capabilities,))]
        if self._extra is not None:
            sources.extend(self._extra.sources(persona, principal))
        async with AsyncExitStack() as stack:
            for source in sources:
                await stack.enter_async_context(source.server.connection.used())
            yield Toolbox(sources, principal, timeout=self._timeout)

    async def prepare(self) -> None:
        """Do what only the first answer would wait for: list the tools, load what checks results.

        Takes some 0.4 s, half of them in a thread.
        """
        await asyncio.to_thread(importlib.import_module, "jsonschema.validators")
        async with self._served.connection.used():
            await self._served.offered(LOCAL_ADMIN)

    async def aclose(self) -> None:
        """Close the clients now; they close by themselves a while after their last use."""
        await self._served.connection.aclose()
        if self._extra is not None:
            await self._extra.aclose()


class InMemoryTools(_OneServer):
    """Tools of the MCP server in this process: ``timeout`` is of one call, in seconds.

    A call runs in the caller's task as the principal it was opened for, whoever else has it open.
    """

    def __init__(
        self,
        server: FleetServer,
        *,
        extra: ExtraServers | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> None:
        def connect() -> Client:
            return Client(
                server.in_process, mode=PROTOCOL, cache=None, elicitation_callback=_answer
            )

        super().__init__(ServedTools(Connection(connect), keeps_listing=True), extra, timeout)


class RemoteTools(_OneServer):
    """Tools of a server of ours elsewhere, over streamable HTTP.

    ``url`` is that of the server or of its ``/mcp``; ``token`` says who is asking, whatever the
    principal it is opened for.

    Raises:
        InputError: this is no URL of a server.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        extra: ExtraServers | None = None,
        timeout: float = CALL_TIMEOUT,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connect = http_client(
            _endpoint(url), headers, timeout=timeout, mode=PROTOCOL, answer=_answer
        )
        super().__init__(ServedTools(Connection(connect)), extra, timeout)


def tools_of(server: FleetServer, settings: Settings) -> InMemoryTools:
    """The tools of an application in this process, with the other servers that are set.

    Raises:
        InputError: the file of more MCP servers cannot be read, or says what cannot be.
    """
    path = settings.mcp_servers_file
    extra = ExtraServers(read_servers(path), timeout=settings.agent_tool_timeout) if path else None
    return InMemoryTools(server, extra=extra, timeout=settings.agent_tool_timeout)


def notices_of(tools: Tools) -> tuple[str, ...]:
    """What a person should know of these tools, once they were listed: servers that are away."""
    return tools.notices if isinstance(tools, Toolbox) else ()


def _endpoint(url: str) -> str:
    stripped = url.rstrip("/")
    return stripped if stripped.endswith("/mcp") else f"{stripped}/mcp"


async def _answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """The user's consent, where a server asks for it again; nothing else can be asked here."""
    del context
    if not consented.get() or not isinstance(params, ElicitRequestFormParams):
        return ElicitResult(action="decline")
    fields = cast("dict[str, dict[str, Any]]", params.requested_schema.get("properties") or {})
    if any(field.get("type") != "boolean" for field in fields.values()):
        return ElicitResult(action="decline")
    return ElicitResult(action="accept", content=dict.fromkeys(fields, True))
