"""A running server as a session: the same operations over MCP, streamable HTTP."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from httpx2 import HTTPError
from mcp import MCPError

from aiops_mcp.errors import AiopsError, ClusterUnreachable, ToolExecutionFailed
from aiops_mcp.models.digest import Digest
from aiops_mcp.operation import Progress, no_progress


class RemoteSession:
    """Calls tools of a server and reads their structured answers."""

    def __init__(self, client: Client[StreamableHttpTransport]) -> None:
        self._client = client

    async def ask(
        self, operation: str, arguments: Mapping[str, Any], *, progress: Progress = no_progress
    ) -> Digest:
        """Ask one tool.

        Raises:
            ToolExecutionFailed: the server answered with an error; its text says which.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            await watch(progress, total, message or "")

        watch = progress
        try:
            result = await self._client.call_tool(
                operation, dict(arguments), progress_handler=report
            )
        except ToolError as error:
            raise ToolExecutionFailed(str(error)) from error
        except MCPError as error:
            raise ToolExecutionFailed(f"The server refused {operation}: {error}.") from error
        return Digest.model_validate(result.structured_content)


@asynccontextmanager
async def open_remote(server: str, token: str | None) -> AsyncGenerator[RemoteSession]:
    """Connect to the MCP endpoint of ``server`` (its root URL, or with /mcp).

    Raises:
        ClusterUnreachable: nothing answers there.
    """
    # Its tracebacks tell a person nothing that the error below does not.
    logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
    url = server.rstrip("/")
    url = url if url.endswith("/mcp") else f"{url}/mcp"
    client = Client(StreamableHttpTransport(url, auth=token))
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(client)
        except (HTTPError, MCPError, RuntimeError, OSError) as error:
            raise _no_server(url, error) from error
        yield RemoteSession(client)


def _no_server(url: str, error: Exception) -> AiopsError:
    return ClusterUnreachable(
        f"No MCP server answers at {url}: {error}.",
        "Start one with `aiops serve`, or leave --server away to ask from this process.",
    )
