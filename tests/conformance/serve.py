"""Serves the real MCP surface with the conformance fixture on a free loopback port.

Prints the endpoint's address as its first line; ends when its standard input closes.
"""

import asyncio
import contextlib
import importlib.util
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.mcp import build_mcp_server, http_part
from aiops_mcp.surfaces.mcp_plan import OneTimeHandles
from aiops_mcp.surfaces.prompts import load_prompts

_HERE = Path(__file__).parent


class NoHandles:
    """The suite plans nothing."""

    async def add(self, handle_hash: str, expires_at: datetime) -> None: ...

    async def consume(self, handle_hash: str) -> bool:
        return False


async def invoke(operation: Any, request: Any, call: Any) -> Any:
    raise AssertionError("the suite calls its own tools only")


def build_app() -> Starlette:
    spec = importlib.util.spec_from_file_location("conformance_fixture", _HERE / "fixture.py")
    assert spec is not None
    assert spec.loader is not None
    fixture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixture)
    settings = Settings()
    server = build_mcp_server(
        [],
        invoke,
        settings=settings,
        version="0.0.0",
        handles=OneTimeHandles(NoHandles(), lambda: datetime.now(UTC)),
        prompts=load_prompts(),
        extra=fixture.add_fixture,
    )
    part = http_part(server, settings)
    return Starlette(routes=list(part.routes), lifespan=part.lifespan)


async def serve() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_app(), log_level="error", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(serve())
