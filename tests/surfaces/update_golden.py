"""Writes the golden file of the tool list anew: run it, then read the difference."""

import asyncio
import json
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "tools.json"


async def tool_list() -> str:
    """All tools in their wire form, as the golden file holds them."""
    from fastmcp import Client

    from aiops_mcp.mcp_host import LateApp, mcp_server
    from aiops_mcp.settings import Settings

    settings = Settings(allow_write=True)
    async with Client(mcp_server(LateApp(settings), settings)) as client:
        tools = await client.list_tools()
    wire = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return json.dumps(wire, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(asyncio.run(tool_list()), "utf-8")
    sys.stdout.write(f"written: {GOLDEN}\n")
