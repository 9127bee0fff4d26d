"""`aiops-mcp` over stdio, as an IDE starts it: both eras, with a region lost while one listens."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastmcp
import mcp
import mcp_types
import pytest
from fastmcp.client.transports import StdioTransport
from mcp.client.stdio import StdioServerParameters

WRITING = {"register_cluster", "update_cluster", "remove_cluster"}
LOST = "fleet://clusters/edge-dallas"


@pytest.fixture
def started(
    aiops_mcp: str, tmp_path: Path, fast: dict[str, str], environment_of: Any
) -> Callable[..., StdioServerParameters]:
    def parameters(*arguments: str) -> StdioServerParameters:
        return StdioServerParameters(
            command=aiops_mcp, args=list(arguments), env=environment_of(tmp_path, **fast)
        )

    return parameters


async def _use(client: mcp.Client) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert "query_metrics" in names
    assert not names & WRITING
    told = (await client.call_tool("query_metrics", {"query": "count(up)"})).structured_content
    assert "of 15 clusters answered" in told["coverage"]
    assert "tower-18" in told["coverage"]
    page = json.loads((await client.read_resource("fleet://clusters")).contents[0].text)
    assert len(page["items"]) == 15


async def _wait_lost(client: mcp.Client, heard: Callable[[], Any]) -> None:
    """Read the resource anew at each update, as a client does, until the cluster is away."""
    states: list[str] = []
    try:
        async with asyncio.timeout(20):
            while not states or states[-1] != "OFFLINE":
                await heard()
                page = await client.read_resource(LOST)
                states.append(json.loads(page.contents[0].text)["state"])
    except TimeoutError:
        pytest.fail(f"after each update it was {states}")


async def test_the_newest_protocol_hears_of_an_incident(started) -> None:
    parameters = started("--demo", "--incident", "region-partition@+6s")
    async with (
        mcp.Client(parameters) as client,
        client.listen(resource_subscriptions=[LOST]) as updates,
    ):
        assert client.protocol_version == "2026-07-28"
        await _use(client)
        await _wait_lost(client, lambda: anext(updates))


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_protocol_hears_of_an_incident(started) -> None:
    updates: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            updates.put_nowait(str(message.params.uri))

    parameters = started("--demo", "--incident", "region-partition@+6s")
    async with mcp.Client(parameters, mode="legacy", message_handler=on_message) as client:
        assert client.protocol_version == "2025-11-25"
        await client.session.subscribe_resource(LOST)
        await _use(client)
        await _wait_lost(client, updates.get)


@pytest.mark.parametrize(
    ("arguments", "offered"),
    [((), set()), (("--read-only",), set()), (("--allow-write",), WRITING)],
)
async def test_what_writes_is_offered_where_allowed(started, arguments, offered) -> None:
    async with mcp.Client(started(*arguments)) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert names & WRITING == offered


async def test_a_registration_in_two_steps(started) -> None:
    parameters = started("--allow-write")
    transport = StdioTransport(
        parameters.command, parameters.args, env=parameters.env, keep_alive=False
    )
    new = {"name": "by-stdio", "api_server_url": "https://127.0.0.1:1"}
    async with fastmcp.Client(transport) as client:
        plan = (await client.call_tool("register_cluster", new)).structured_content
        listed = await client.call_tool("list_clusters", {})
        assert listed.structured_content.get("rows", []) == []
        handle = plan["more"].partition("apply=")[2].split()[0]
        await client.call_tool("register_cluster", {**new, "apply": handle})
        listed = await client.call_tool("list_clusters", {})
        assert [row[0] for row in listed.structured_content["rows"]] == ["by-stdio"]


def test_stdout_carries_the_protocol_alone_and_the_end_of_stdin_ends_it(
    aiops_mcp: str, environment_of: Any, tmp_path: Path
) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "by hand", "version": "1"},
        },
    }
    ended = subprocess.run(
        [aiops_mcp],
        input=json.dumps(hello) + "\n",
        env=environment_of(tmp_path),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["id"] for line in lines] == [1]
    assert lines[0]["result"]["serverInfo"]["name"] == "aiops"
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_signal_ends_it_cleanly(
    aiops_mcp: str, environment_of: Any, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        aiops_mcp,
        env=environment_of(tmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    hello = (
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        '"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}\n'
    )
    process.stdin.write(hello.encode())
    assert b'"serverInfo"' in await asyncio.wait_for(process.stdout.readline(), 20)
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 5) in {0, -signal.SIGTERM}
    assert b"Traceback" not in await process.stderr.read()
