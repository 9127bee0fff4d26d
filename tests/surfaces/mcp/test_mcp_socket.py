"""Change notifications over a real loopback socket: streams that a buffered transport hides."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp
import mcp_types
import pytest
import uvicorn
from fastmcp import Client
from starlette.applications import Starlette

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.mcp import http_part

URI = "fleet://clusters/edge-7"


@asynccontextmanager
async def listening(server: Any) -> AsyncIterator[str]:
    part = http_part(server, Settings())
    app = Starlette(routes=list(part.routes), lifespan=part.lifespan)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=2))
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        while not running.started:  # noqa: ASYNC110 - uvicorn offers no event for it
            await asyncio.sleep(0)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            server.close_subscriptions()
            running.should_exit = True
            await serving


async def test_a_listen_stream_over_http(make_server) -> None:
    server = make_server()
    async with (
        listening(server) as url,
        mcp.Client(url) as client,
        client.listen(resource_subscriptions=[URI]) as heard,
    ):
        await server.resource_changed("fleet://clusters/other")
        await server.resource_changed(URI)
        assert (await asyncio.wait_for(anext(heard), 5)).uri == URI


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_client_hears_on_its_session(make_server) -> None:
    server = make_server()
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            heard.put_nowait(str(message.params.uri))

    async with (
        listening(server) as url,
        Client(url, mode="legacy", message_handler=on_message) as client,
    ):
        await client.session.subscribe_resource(URI)
        await server.resource_changed("fleet://clusters/other")
        # The client opens its event stream in the background; until then nothing can arrive.
        for _ in range(50):
            await server.resource_changed(URI)
            try:
                assert await asyncio.wait_for(heard.get(), 0.2) == URI
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("no notification arrived")
