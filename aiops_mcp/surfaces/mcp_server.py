"""FastMCP with what the protocol asks for and the library does not do yet.

Every use of the library's private parts stands here or names this reason, and a test pins each:
the tool schema looked up before every call, change notifications in both eras, and errors of
reads that keep their code.
"""

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import fastmcp
from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import bind_request_context
from mcp.server import Server
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Lifespan

from aiops_mcp.models.events import Event
from aiops_mcp.surfaces.mcp_access import PrincipalOf
from aiops_mcp.surfaces.mcp_resources import FailedRead
from aiops_mcp.surfaces.mcp_subscriptions import (
    NO_CLUSTER,
    ClusterChanged,
    ConnectionSubscriptions,
    ScopedListen,
    changed_uris,
    connection_of,
)
from aiops_mcp.surfaces.mcp_tools import OperationTool

_READ_TTL_MS = 10_000  # as long as the contract lets active alerts stand in a cache


class FleetServer(FastMCP[Any]):
    """The MCP server of a fleet; ``resource_changed`` tells every subscriber."""

    def __init__(self, *arguments: Any, principal_of: PrincipalOf, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _hand_logs_to_the_application()
        self._operation_tools: dict[str, OperationTool] = {}
        self._open_sessions: set[str] = set()
        self._bus = InMemorySubscriptionBus()
        self._listen = ScopedListen(self._bus, principal_of)
        self._subscriptions = ConnectionSubscriptions(principal_of)
        low = self._mcp_server
        low.add_request_handler(
            "subscriptions/listen", SubscriptionsListenRequestParams, self._listen
        )
        low.add_request_handler(
            "resources/subscribe", SubscribeRequestParams, self._subscriptions.subscribe
        )
        low.add_request_handler(
            "resources/unsubscribe", UnsubscribeRequestParams, self._subscriptions.unsubscribe
        )
        # Without this every call over HTTP runs a whole tools/list first, to look for header
        # parameters that none of our schemas have.
        low.get_tool_input_schema = _no_header_parameters
        # Lists stay as long as the process; what a resource says does not.
        low.cache_hints["resources/read"] = CacheHint(ttl_ms=_READ_TTL_MS, scope="private")

    async def resource_changed(self, uri: str, cluster: str | None = None) -> None:
        """Tell clients of both eras that watch ``uri`` to read it again.

        Where it changed because of one ``cluster``, those who may not see that hear nothing.
        """
        await self._bus.publish(ClusterChanged(uri, cluster))
        await self._subscriptions.notify(uri, cluster)

    async def on_event(self, event: Event) -> None:
        """Tell clients of everything an event changed; made to listen on the event bus."""
        for uri in changed_uris(event):
            await self.resource_changed(uri, event.cluster_name or NO_CLUSTER)

    @property
    def in_process(self) -> Server[Any]:
        """What an MCP client within this process connects to; see ``mcp_access.acting_as``."""
        return self._mcp_server

    def close_subscriptions(self) -> None:
        """End open streams, before the server goes away."""
        self._listen.close()

    def add_operation_tool(self, tool: OperationTool) -> None:
        """Offer an operation; calls of it take the short way."""
        self.add_tool(tool)
        self._operation_tools[tool.name] = tool

    async def wire_tools(self) -> list[dict[str, Any]]:
        """``tools/list`` as clients get it; for golden files, budgets and schema checks."""
        tools = [tool.to_mcp_tool() for tool in await self.list_tools()]
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]

    def reading_tool(self, name: str) -> OperationTool | None:
        """The tool of this name, where the caller has it and its call needs no stream."""
        tool = self._operation_tools.get(name)
        if tool is None or self.middleware or not tool.only_reads or not tool.is_offered():
            return None
        return tool

    def is_open_session(self, session_id: str) -> bool:
        """Whether the library served a call of this session, which it does after a handshake."""
        return session_id in self._open_sessions

    def _remember(self, ctx: ServerRequestContext) -> None:
        connection = connection_of(ctx)
        session_id = connection.session_id
        if session_id is not None and session_id not in self._open_sessions:
            self._open_sessions.add(session_id)
            connection.exit_stack.callback(self._open_sessions.discard, session_id)

    async def _on_call_tool(
        self, ctx: ServerRequestContext, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult | BaseModel:
        """Calls of our own tools go straight to them, past lookups in every provider.

        What the library does on its way for tools in general (component versions, transforms,
        app payloads, a span each) ours have no use for, and it is most of what a call costs.
        """
        self._remember(ctx)
        tool = self._operation_tools.get(params.name)
        if tool is None or self.middleware or not tool.is_offered():
            return await super()._on_call_tool(ctx, params)
        with bind_request_context(ctx):
            async with Context(fastmcp=self):
                return await tool.call(params.arguments or {})

    async def _on_read_resource(
        self, ctx: ServerRequestContext, params: ReadResourceRequestParams
    ) -> ReadResourceResult | InputRequiredResult:
        try:
            return await super()._on_read_resource(ctx, params)
        except MCPError as error:
            if isinstance(error.__cause__, FailedRead):
                raise error.__cause__.failure from error
            raise


def _hand_logs_to_the_application() -> None:
    """The library draws its log records itself on import; ours decides how they look and where."""
    logger = logging.getLogger("fastmcp")
    logger.handlers.clear()
    logger.propagate = True
    # One span a request is the protocol library's; a second one tells nothing more.
    fastmcp.settings.telemetry_mode = "propagation_only"


def _no_header_parameters(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class HttpPart:
    """What the host application mounts: routes at its top level, and a lifespan to enter."""

    routes: tuple[Route, ...]
    lifespan: Lifespan[Starlette]

    def running(self, app: Starlette) -> AbstractAsyncContextManager[Any]:
        """The lifespan, to enter inside the host's own."""
        return self.lifespan(app)
