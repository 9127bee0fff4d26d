"""Tools of a server elsewhere: over HTTP with a token, servers that are away, die or talk rubbish."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route
from toolbox_fakes import TOKENS, VIEWER, Seen, fleet_server, listening, mcp_app, persona

from agents.toolbox import RemoteTools, notices_of, plan_of
from agents.toolbox_connection import Connection
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.surfaces.auth import ApiTokens


@pytest.fixture
async def seen():
    return Seen()


@asynccontextmanager
async def remote(url, token=None, *, timeout=20.0):
    source = RemoteTools(url, token, timeout=timeout)
    try:
        async with source.open(persona(), LOCAL_ADMIN) as box:
            yield box
    finally:
        await source.aclose()


async def test_the_token_says_who_asks(seen):
    server = fleet_server(seen, ApiTokens(TOKENS))
    async with listening(mcp_app(server)) as (url, _):
        async with remote(url, "viewer-secret-token") as box:
            names = [each.name for each in await box.specs()]
            outcome = await box.call("list_clusters", {})
        async with remote(f"{url}/mcp", "admin-secret-token") as box:
            everything = await box.call("list_clusters", {})
            plan = plan_of(await box.call("remove_cluster", {"cluster": "edge-8"}))
            done = await box.call("remove_cluster", plan.consented())
    assert "remove_cluster" not in names
    assert [row[0] for row in outcome.payload["rows"]] == ["edge-7"]
    assert {caller.clusters for _, caller in seen.callers} == {VIEWER.clusters, None}
    assert len(everything.payload["rows"]) == 3
    assert done.status is ToolStatus.SUCCESS
    assert seen.removed == ["edge-8"]


async def test_a_wrong_token_is_a_notice_and_an_error(seen):
    async with (
        listening(mcp_app(fleet_server(seen, ApiTokens(TOKENS)))) as (url, _),
        remote(url, "no-such-token-at-all") as box,
    ):
        assert await box.specs() == ()
        (notice,) = notices_of(box)
        outcome = await box.call("list_clusters", {})
    assert "its tools are not there" in notice
    assert "no-such-token" not in notice
    assert outcome.status is ToolStatus.ERROR


async def test_a_hanging_call_is_cancelled_on_the_server(seen):
    async with (
        listening(mcp_app(fleet_server(seen))) as (url, _),
        remote(url, timeout=2) as box,
    ):
        await box.specs()
        outcome = await box.call("wait_long", {})
        await asyncio.wait_for(seen.cancelled.wait(), 5)
        again = await box.call("list_clusters", {})
    assert outcome.status is ToolStatus.TIMEOUT
    assert again.status is ToolStatus.SUCCESS


async def test_cancelling_the_caller_cancels_it_on_the_server(seen):
    told = asyncio.Event()

    async def progress(done, total, message):
        told.set()

    async with listening(mcp_app(fleet_server(seen))) as (url, _), remote(url) as box:
        call = asyncio.create_task(box.call("wait_long", {}, progress=progress))
        await asyncio.wait_for(told.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(seen.cancelled.wait(), 5)


async def test_a_server_that_is_away_and_comes_back(seen):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with remote(f"http://127.0.0.1:{port}") as box:
        assert await box.specs() == ()
        assert "ConnectError" in notices_of(box)[0]
        outcome = await box.call("list_clusters", {})
        assert outcome.status is ToolStatus.ERROR
    async with listening(mcp_app(fleet_server(seen)), port) as (url, _), remote(url) as box:
        assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS


async def test_a_server_that_dies_between_calls(seen):
    app = mcp_app(fleet_server(seen))
    async with listening(app) as (url, running):
        port = int(url.rpartition(":")[2])
        source = RemoteTools(url, timeout=10)
        async with source.open(persona(), LOCAL_ADMIN) as box:
            assert (await box.call("list_clusters", {})).status is ToolStatus.SUCCESS
            running.should_exit = True
            while True:
                gone = await box.call("list_clusters", {})
                if gone.status is ToolStatus.ERROR:
                    break
                await asyncio.sleep(0.02)
            assert "its server is away" in gone.text
            assert "Go on without it" in gone.text
            async with listening(mcp_app(fleet_server(seen)), port):
                back = await box.call("list_clusters", {})
                assert back.status is ToolStatus.SUCCESS
                await source.aclose()


RUBBISH = [
    HTMLResponse("<html>login</html>"),
    PlainTextResponse("no", status_code=500),
    JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {"tools": "none"}}),
    PlainTextResponse("{half", media_type="application/json"),
    PlainTextResponse("data: {half\n\n", media_type="text/event-stream"),
]


@pytest.mark.parametrize("answer", RUBBISH, ids=["html", "500", "result", "json", "stream"])
async def test_rubbish_is_told_as_such(answer):
    async def respond(request):
        return answer

    app = Starlette(routes=[Route("/mcp", respond, methods=["POST", "GET", "DELETE"])])
    async with listening(app) as (url, _), remote(url, timeout=2) as box:
        assert await box.specs() == ()
        assert len(notices_of(box)) == 1
        assert notices_of(box)[0].startswith("The MCP server is away")
        outcome = await box.call("list_clusters", {})
    assert outcome.status is ToolStatus.ERROR


async def test_a_server_that_never_connects_is_given_up():
    async def never():
        await asyncio.Event().wait()

    class Stuck:
        async def __aenter__(self):
            await never()

        async def __aexit__(self, *_):
            pass

    connection = Connection(Stuck, open_timeout=0.05)
    async with connection.used():
        with pytest.raises(Exception, match="did not connect within 0.05 s"):
            await connection.listed()
    await connection.aclose()
