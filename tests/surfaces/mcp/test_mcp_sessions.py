"""Calls within a session take the short way too, answer what the library answers, and can end."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastmcp.server.middleware import Middleware
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp_types import CallToolRequestParams, CallToolResult, TextContent
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import ApiTokens
from aiops_mcp.surfaces.mcp import http_part
from aiops_mcp.surfaces.mcp_direct import DirectCalls
from aiops_mcp.surfaces.mcp_sessions import Session

URL = "http://127.0.0.1:8080/mcp"
TOKENS = "admin=admin-secret-token,viewer@edge-7=viewer-secret-token"
BASE = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
LATEST = "2025-11-25"


def call(name: str = "list_clusters", *, number: Any = 1, **params: Any) -> dict[str, Any]:
    named = {"name": name, "arguments": {}} | params
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": named}


def cancellation(request: Any) -> dict[str, Any]:
    params = {"requestId": request, "reason": "enough"}
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}


def answer(response: httpx2.Response) -> Any:
    """The JSON-RPC answer, alone or as the only event of a stream."""
    if response.headers["content-type"].startswith("application/json"):
        return response.json()
    (data,) = (line[6:] for line in response.text.splitlines() if line.startswith("data: "))
    return json.loads(data)


def body_of(response: httpx2.Response) -> Any:
    """The answer, or what the library says where there is none."""
    return answer(response) if response.status_code == 200 else response.text


class Client:
    """A client of one session (or none), which posts what a test says."""

    def __init__(self, app: Starlette, *, token: str | None = None, revision: str = LATEST) -> None:
        self._app = app
        self.revision = revision
        self.headers = BASE | ({"authorization": f"Bearer {token}"} if token else {})

    async def send(self, content: Any, *, method: str = "POST", **more: str) -> httpx2.Response:
        headers = self.headers | {key.replace("_", "-"): value for key, value in more.items()}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self._app)) as http:
            return await http.request(method, URL, content=json.dumps(content), headers=headers)

    async def initialize(self, **changes: Any) -> "Client":
        params = {
            "protocolVersion": self.revision,
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        said = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params | changes}
        answered = await self.send(said)
        self.headers |= {"mcp-session-id": answered.headers["mcp-session-id"]}
        self.headers |= {"mcp-protocol-version": self.revision}
        return self

    async def established(self) -> "Client":
        """With the one call after which the library need not be asked about the session."""
        await self.initialize()
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert "result" in answer(await self.send(call("get_cluster_status", arguments=HUB)))
        return self


HUB = {"cluster": "hub-1"}


@asynccontextmanager
async def served(server: Any, *, sessions: bool = True) -> AsyncIterator[Starlette]:
    part = http_part(server, Settings(), sessions=sessions)
    app = Starlette(routes=list(part.routes), lifespan=part.lifespan)
    async with app.router.lifespan_context(app):
        yield app


def counted(server: Any) -> list[str]:
    """Names of the calls that went through the library."""
    names: list[str] = []
    original = server._mcp_server.get_request_handler("tools/call").handler

    async def count(ctx: Any, params: Any) -> Any:
        names.append(params.name)
        return await original(ctx, params)

    server._mcp_server.add_request_handler("tools/call", CallToolRequestParams, count)
    return names


PLAIN = {
    "no arguments": call(),
    "arguments": call(arguments={"clusters": ["a", "größe"], "limit": 3}),
    "text id": call(number="one"),
    "empty meta": call(_meta={}),
    "wrong arguments": call(arguments={"limt": 3}),
    "an error of the tool": call("get_cluster_status", arguments={"cluster": "away"}),
    "left out": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_clusters"},
    },
}


@pytest.mark.parametrize("revision", HANDSHAKE_PROTOCOL_VERSIONS)
@pytest.mark.parametrize("sessions", [True, False], ids=["session", "stateless"])
async def test_a_plain_call_is_answered_as_the_library_would(
    make_server, sessions, revision
) -> None:
    short, long = make_server(), make_server()
    long.add_middleware(Middleware())  # with any middleware, every call takes the long way
    async with served(short, sessions=sessions) as one, served(long, sessions=sessions) as other:
        ours, theirs = Client(one, revision=revision), Client(other, revision=revision)
        for client in (ours, theirs):
            client.headers |= {"mcp-protocol-version": revision}
            if sessions:
                await client.established()
        passed, all_passed = counted(short), counted(long)
        for case, content in PLAIN.items():
            our, their = await ours.send(content), await theirs.send(content)
            assert our.status_code == their.status_code == 200, case
            assert our.headers["content-type"] == "application/json"
            assert answer(our) == answer(their), case
            for client, response in ((ours, our), (theirs, their)):
                assert response.headers.get("mcp-session-id") == client.headers.get(
                    "mcp-session-id"
                )
    assert passed == []
    assert len(all_passed) == len(PLAIN)


OTHERS: dict[str, tuple[Any, dict[str, str], int, bool]] = {
    "progress token": (call("count_far", _meta={"progressToken": 7}), {}, 200, True),
    "null meta": (call(_meta=None), {}, 200, True),
    "null arguments": (call(arguments=None), {}, 200, True),
    "an unknown tool": (call("no_such"), {}, 200, True),
    "a task": (call(task={}), {}, 200, True),
    "a tool that writes": (call("remove_cluster", arguments=HUB), {}, 200, True),
    "another method": ({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {}, 200, False),
    "arguments of a wrong type": (call(arguments=[1]), {}, 200, False),
    "a fractional id": (call(number=1.5), {}, 202, False),
    "no json": ("{", {}, 400, False),
    "an unknown session": (call(), {"mcp_session_id": "f" * 32}, 404, False),
    "an unknown revision": (call(), {"mcp_protocol_version": "2027-01-01"}, 400, False),
    "accepting json only": (call(), {"accept": "application/json"}, 406, False),
    "no json by its header": (call(), {"content_type": "text/plain"}, 400, False),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_anything_else_is_left_to_the_library(make_server, case) -> None:
    content, headers, status, calls = OTHERS[case]
    short, long = make_server(), make_server()
    long.add_middleware(Middleware())
    async with served(short) as one, served(long) as other:
        ours, theirs = await Client(one).established(), await Client(other).established()
        passed = counted(short)
        our, their = await ours.send(content, **headers), await theirs.send(content, **headers)
    assert our.status_code == their.status_code == status
    assert len(passed) == calls
    if case not in ("a tool that writes", "progress token"):  # a random handle; several events
        assert body_of(our) == body_of(their)


async def test_without_a_session_id_the_library_refuses(make_server, seen) -> None:
    async with served(make_server()) as app:
        refused = await Client(app).send(call())
    assert refused.status_code == 400
    assert seen.calls == []


async def test_a_stateless_server_leaves_session_ids_to_the_library(make_server) -> None:
    server = make_server()
    passed = counted(server)
    async with served(server, sessions=False) as app:
        assert "result" in answer(await Client(app).send(call(), mcp_session_id="f" * 32))
        assert passed == ["list_clusters"]
        assert "result" in answer(await Client(app).send(call()))
    assert passed == ["list_clusters"]


async def test_the_first_call_of_a_session_has_the_library_check_the_handshake(make_server) -> None:
    server = make_server()
    passed = counted(server)
    async with served(server) as app:
        client = await Client(app).initialize()
        for _ in range(3):
            assert "result" in answer(await client.send(call()))
        refused = await Client(app).initialize(protocolVersion=7)
        for _ in range(2):
            assert answer(await refused.send(call()))["error"]["code"] == -32602
    assert passed == ["list_clusters"]


async def test_a_session_is_only_for_whom_it_began(make_server, seen) -> None:
    server = make_server(authenticator=ApiTokens(TOKENS))
    async with served(server) as app:
        admin = await Client(app, token="admin-secret-token").established()
        viewer = await Client(app, token="viewer-secret-token").established()
        passed = counted(server)
        del seen.calls[:]
        session = admin.headers["mcp-session-id"]
        assert (await viewer.send(call(), mcp_session_id=session)).status_code == 404
        assert (await viewer.send(call(), authorization="Bearer x")).status_code == 401
        assert seen.calls == []
        assert (await viewer.send(call())).status_code == 200
        assert (await admin.send(call())).status_code == 200
    assert passed == []
    assert [made.principal.clusters for _, _, made in seen.calls] == [frozenset({"edge-7"}), None]


# --- ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("long_way", [False, True], ids=["short way", "library"])
async def test_a_call_can_be_cancelled(make_server, seen, long_way) -> None:
    server = make_server()
    if long_way:
        server.add_middleware(Middleware())
    async with served(server) as app:
        client = await Client(app).established()
        passed = counted(server)
        waiting = asyncio.create_task(client.send(call("wait_long", number=5)))
        await asyncio.wait_for(seen.started.wait(), 5)
        for other in (cancellation(6), cancellation(None), {"jsonrpc": "2.0", "method": "x"}):
            assert (await client.send(other)).status_code == 202
        assert not seen.cancelled.is_set()
        assert (await client.send(cancellation(5))).status_code == 202
        response = await asyncio.wait_for(waiting, 5)
    assert seen.cancelled.is_set()
    assert answer(response) == {
        "jsonrpc": "2.0",
        "id": 5,
        "error": {"code": -32800, "message": "Request cancelled"},
    }
    assert passed == (["wait_long"] if long_way else [])


async def test_nobody_cancels_calls_of_another_session(make_server, seen) -> None:
    async with served(make_server()) as app:
        client, other = await Client(app).established(), await Client(app).established()
        waiting = asyncio.create_task(client.send(call("wait_long", number=5)))
        await asyncio.wait_for(seen.started.wait(), 5)
        assert (await other.send(cancellation(5))).status_code == 202
        assert not seen.cancelled.is_set()
        await client.send(cancellation(5))
        await asyncio.wait_for(waiting, 5)


async def test_an_id_that_is_in_use_is_for_the_library_to_judge(make_server, seen) -> None:
    server = make_server()
    async with served(server) as app:
        client = await Client(app).established()
        passed = counted(server)
        waiting = asyncio.create_task(client.send(call("wait_long", number=5)))
        await asyncio.wait_for(seen.started.wait(), 5)
        assert answer(await client.send(call(number="5")))["id"] == "5"
        assert passed == ["list_clusters"]
        assert answer(await client.send(call(number=6)))["id"] == 6
        assert passed == ["list_clusters"]
        await client.send(cancellation(5))
        await asyncio.wait_for(waiting, 5)


async def test_the_library_knows_ids_in_use_of_its_own(make_server, seen) -> None:
    server = make_server()
    async with served(server) as app:
        client = await Client(app).established()
        passed = counted(server)
        held = call("wait_long", number=5, _meta={"progressToken": 1})
        waiting = asyncio.create_task(client.send(held))
        await asyncio.wait_for(seen.started.wait(), 5)
        (transport,) = manager_of(app)._server_instances.values()
        assert Session(transport, {}).is_working_on(5)
        assert not Session(transport, {}).is_working_on(6)
        await client.send(cancellation(5))
        await asyncio.wait_for(waiting, 5)
    assert passed == ["wait_long"]


def manager_of(app: Starlette) -> Any:
    """The library's session manager, two applications deep."""
    (route,) = (route for route in app.routes if getattr(route, "path", "") == "/mcp")
    (inner,) = (inner for inner in route.endpoint.routes if inner.path == "/mcp")
    return inner.endpoint.session_manager


async def test_a_call_keeps_its_session_from_expiring(make_server, seen) -> None:
    async with served(make_server()) as app:
        client = await Client(app).established()
        (transport,) = manager_of(app)._server_instances.values()
        assert transport._requests_in_flight == 0
        assert transport.idle_scope.deadline < math.inf
        waiting = asyncio.create_task(client.send(call("wait_long", number=5)))
        await asyncio.wait_for(seen.started.wait(), 5)
        assert transport._requests_in_flight == 1
        assert transport.idle_scope.deadline == math.inf
        await client.send(call(number=6))
        assert transport.idle_scope.deadline == math.inf
        await client.send(cancellation(5))
        await asyncio.wait_for(waiting, 5)
        assert transport._requests_in_flight == 0
        left = transport.idle_scope.deadline - asyncio.get_running_loop().time()
        assert 0 < left <= transport._idle_timeout


async def test_an_expired_session_is_not_served(make_server) -> None:
    async with served(make_server()) as app:
        client = await Client(app).established()
        (transport,) = manager_of(app)._server_instances.values()
        transport.idle_scope.cancel()
        assert (await client.send(call())).status_code == 404


async def test_ending_a_session_ends_its_calls(make_server, seen) -> None:
    server = make_server()
    async with served(server) as app:
        client = await Client(app).established()
        session = client.headers["mcp-session-id"]
        assert server.is_open_session(session)
        waiting = asyncio.create_task(client.send(call("wait_long", number=5)))
        await asyncio.wait_for(seen.started.wait(), 5)
        assert (await client.send(None, method="DELETE", mcp_session_id="0")).status_code == 404
        assert not waiting.done()
        assert (await client.send(None, method="DELETE")).status_code == 200
        await asyncio.wait_for(waiting, 5)
        assert seen.cancelled.is_set()
        assert (await client.send(call())).status_code == 404
    assert not server.is_open_session(session)


# --- a long call -----------------------------------------------------------------------------


class HeldTool:
    """A tool that a test holds."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def call(self, arguments: Any, *, progress: Any) -> CallToolResult:
        await self.release.wait()
        return CallToolResult(
            content=[TextContent(type="text", text="done")], structured_content={"a": 1}
        )


class OneSession:
    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, *asked: Any) -> Session:
        return self._session


async def test_a_long_call_is_kept_alive_and_ends_as_an_event() -> None:
    tool: Any = HeldTool()
    session: Any = OneSession(Session(StreamableHTTPServerTransport("abc"), {}))
    sent: asyncio.Queue[Any] = asyncio.Queue()
    parts = [{"type": "http.request", "body": json.dumps(call()).encode(), "more_body": False}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def library(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not for the library")

    direct = DirectCalls(
        library,
        path="/mcp",
        tool_of=lambda name: tool,
        server_info={},
        sessions=session,
        guarded=False,
        stream_after=0.01,
    )
    headers = [(name.encode(), value.encode()) for name, value in BASE.items()]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
    exchange = asyncio.create_task(direct(scope, receive, sent.put))
    start = await asyncio.wait_for(sent.get(), 5)
    assert (b"content-type", b"text/event-stream") in start["headers"]
    assert (b"mcp-session-id", b"abc") in start["headers"]
    ping = await asyncio.wait_for(sent.get(), 5)
    assert ping == {"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True}
    tool.release.set()
    await asyncio.wait_for(exchange, 5)
    while not sent.empty():
        ping = sent.get_nowait()
    assert ping["more_body"] is False
    event = ping["body"].decode()
    assert event.startswith("event: message\r\ndata: {")
    assert json.loads(event.partition("data: ")[2])["result"] == {
        "content": [{"text": "done", "type": "text"}],
        "isError": False,
        "structuredContent": {"a": 1},
    }
