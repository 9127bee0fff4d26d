"""Streamable HTTP in process: who may call, from where, and that nothing hidden runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aiops_mcp.errors import AuthExpired
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import ApiTokens, NoAuth
from aiops_mcp.surfaces.mcp import http_part

URL = "http://127.0.0.1:8080/mcp"
TOKENS = "admin=admin-secret-token,viewer@edge-7=viewer-secret-token"


@pytest.fixture(params=("auto", "legacy"))
def era(request) -> str:
    return request.param


@asynccontextmanager
async def served(server: Any, **options: Any) -> AsyncIterator[Starlette]:
    settings = options.pop("settings", Settings())
    part = http_part(server, settings, **options)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with part.running(app):
            yield

    async def other(request: Any) -> PlainTextResponse:
        return PlainTextResponse("not mcp")

    app = Starlette(routes=[*part.routes, Route("/", other)], lifespan=lifespan)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: Starlette, token: str | None = None, **options: Any) -> Client:
    def factory(**arguments: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), **arguments)

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client(
        StreamableHttpTransport(URL, headers=headers, httpx_client_factory=factory), **options
    )


async def post(app: Starlette, **headers: str) -> httpx2.Response:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    base = {"accept": "application/json, text/event-stream", "host": "127.0.0.1:8080"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        return await http.post(URL, json=body, headers=base | headers)


@pytest.mark.parametrize("sessions", [True, False])
async def test_both_eras_call_over_http_beside_other_routes(make_server, era, sessions) -> None:
    async with served(make_server(), sessions=sessions) as app:
        async with client_of(app, mode=era) as client:
            result = await client.call_tool("list_clusters", {})
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
            assert (await http.get("http://127.0.0.1/")).text == "not mcp"
    assert result.structured_content["rows"] == [["hub-1"], ["edge-7"]]


async def call_raw(app: Starlette, name: str) -> httpx2.Response:
    """One 2026-07-28 call and nothing else: clients list the tools on their own account."""
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": {"limit": 2}, "_meta": meta},
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
        "mcp-method": "tools/call",
        "mcp-name": name,
    }
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        return await http.post(URL, json=body, headers=headers)


async def test_a_call_does_not_list_the_tools_first(make_server) -> None:
    server, listed = make_server(), []
    original = server.list_tools

    async def counted(**options: Any) -> Any:
        listed.append(1)
        return await original(**options)

    server.list_tools = counted
    async with served(server) as app:
        answer = await call_raw(app, "list_clusters")
        assert listed == []
        async with client_of(app) as client:
            await client.list_tools()
    assert answer.json()["result"]["structuredContent"]["rows"] == [["hub-1"], ["edge-7"]]
    assert len(listed) >= 1


async def test_without_a_known_token_nobody_gets_in(make_server) -> None:
    async with served(make_server(authenticator=ApiTokens(TOKENS))) as app:
        without = await post(app)
        wrong = await post(app, authorization="Bearer nonsense")
        good = await post(app, authorization="Bearer admin-secret-token")
    assert (without.status_code, wrong.status_code, good.status_code) == (401, 401, 200)
    assert without.headers["www-authenticate"].startswith("Bearer")
    assert "nonsense" not in wrong.text


async def test_an_expired_token_is_refused(make_server) -> None:
    class Expired:
        required = True

        async def authenticate(self, token: str | None) -> Principal | None:
            raise AuthExpired("The token has expired.")

    async with served(make_server(authenticator=Expired())) as app:
        assert (await post(app, authorization="Bearer old")).status_code == 401


async def test_the_caller_is_the_one_behind_the_token(make_server, seen, era) -> None:
    async with served(make_server(authenticator=ApiTokens(TOKENS))) as app:
        async with client_of(app, "viewer-secret-token", mode=era) as client:
            names = {tool.name for tool in await client.list_tools()}
            await client.call_tool("list_clusters", {})
        async with client_of(app, "admin-secret-token", mode=era) as client:
            await client.call_tool("list_clusters", {})

    assert "remove_cluster" not in names
    viewer, admin = (call.principal for _, _, call in seen.calls)
    assert (viewer.role, viewer.clusters) == (Role.VIEWER, frozenset({"edge-7"}))
    assert (admin.role, admin.clusters) == (Role.ADMIN, None)


async def test_on_loopback_without_tokens_the_caller_is_local(make_server, seen) -> None:
    async with served(make_server(authenticator=NoAuth())) as app, client_of(app) as client:
        await client.call_tool("list_clusters", {})
    assert seen.calls[0][2].principal.subject == "local"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:9"}, 200),
        ({"host": "aiops.example.org"}, 200),
        ({"host": "evil.example.com"}, 421),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "https://console.example.org"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
    ],
)
async def test_host_and_origin_are_checked(make_server, headers, status) -> None:
    settings = Settings(
        allowed_hosts=("aiops.example.org",), allowed_origins=("https://console.example.org",)
    )
    async with served(make_server(), settings=settings) as app:
        assert (await post(app, **headers)).status_code == status


async def test_cancelling_over_http_reaches_the_operation(make_server, seen, era) -> None:
    async with served(make_server()) as app, client_of(app, mode=era) as client:
        call = asyncio.create_task(client.call_tool("wait_long", {}))
        await asyncio.wait_for(seen.started.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(seen.cancelled.wait(), 5)


async def test_a_question_that_cannot_be_asked_does_not_stop_an_apply(make_server, seen) -> None:
    """Stateless HTTP of the older era has no way back to the client; the handle is consent."""

    async def never(*arguments: Any) -> Any:
        raise AssertionError("asked over a channel that does not exist")

    async with (
        served(make_server(), sessions=False) as app,
        client_of(app, mode="legacy", elicitation_handler=never) as client,
    ):
        plan = await client.call_tool("remove_cluster", {"cluster": "a"})
        handle = plan.structured_content["more"].partition("apply=")[2].split()[0]
        await client.call_tool("remove_cluster", {"cluster": "a", "apply": handle})
    assert seen.removed == ["a"]
