"""The short way of a plain call answers what the library answers, and leaves it all the rest."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastmcp.server.middleware import Middleware
from mcp_types import CallToolResult, TextContent
from starlette.applications import Starlette

from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import ApiTokens
from aiops_mcp.surfaces.mcp import http_part
from aiops_mcp.surfaces.mcp_direct import DirectCalls
from aiops_mcp.surfaces.mcp_plain_call import plain_call

URL = "http://127.0.0.1:8080/mcp"
PREFIX = "io.modelcontextprotocol/"
META = {PREFIX + "protocolVersion": "2026-07-28", PREFIX + "clientCapabilities": {}}
HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "list_clusters",
}


def body(params: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    named = {"name": "list_clusters", "arguments": {}, "_meta": META} | (params or {})
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": named} | changes


def meta(**more: Any) -> dict[str, Any]:
    return {"_meta": META | more}


@asynccontextmanager
async def served(server: Any) -> AsyncIterator[Starlette]:
    part = http_part(server, Settings())
    app = Starlette(routes=list(part.routes), lifespan=part.lifespan)
    async with app.router.lifespan_context(app):
        yield app


async def post(app: Starlette, content: Any, headers: Any = HEADERS) -> httpx2.Response:
    text = content if isinstance(content, str) else json.dumps(content)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        return await http.post(URL, content=text, headers=headers)


def counted(server: Any) -> list[str]:
    """Names of the calls that went through the library."""
    names: list[str] = []
    original = server._mcp_server.get_request_handler("tools/call").handler

    async def count(ctx: Any, params: Any) -> Any:
        names.append(params.name)
        return await original(ctx, params)

    from mcp_types import CallToolRequestParams

    server._mcp_server.add_request_handler("tools/call", CallToolRequestParams, count)
    return names


PLAIN = {
    "no arguments": body(),
    "arguments": body({"arguments": {"clusters": ["a", "größe"], "limit": 3}}),
    "text id": body(id="one"),
    "client info": body(meta(**{PREFIX + "clientInfo": {"name": "t", "version": "1"}})),
    "wrong arguments": body({"arguments": {"limt": 3}}),
    "left out": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_clusters", "_meta": META},
    },
}


@pytest.mark.parametrize("case", PLAIN)
async def test_a_plain_call_is_answered_as_the_library_would(make_server, case) -> None:
    short, long = make_server(), make_server()
    long.add_middleware(Middleware())  # with any middleware, every call takes the long way
    passed, all_passed = counted(short), counted(long)
    async with served(short) as one, served(long) as other:
        ours = await post(one, PLAIN[case])
        theirs = await post(other, PLAIN[case])

    assert (passed, all_passed) == ([], ["list_clusters"])
    assert ours.status_code == theirs.status_code == 200
    assert ours.headers["content-type"] == theirs.headers["content-type"] == "application/json"
    assert ours.json() == theirs.json()
    assert ours.json()["result"]["_meta"][PREFIX + "serverInfo"] == {
        "name": "aiops",
        "version": "1.2.3",
    }


NAMED = HEADERS | {"mcp-name": "remove_cluster"}
OTHERS: dict[str, tuple[Any, Any, int]] = {
    "progress token": (body(meta(progressToken=7)), HEADERS, 200),
    "trace context": (
        body(meta(traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")),
        HEADERS,
        200,
    ),
    "answers": (body({"inputResponses": {}}), HEADERS, 200),
    "null arguments": (body({"arguments": None}), HEADERS, 200),
    "a tool that writes": (
        body({"name": "remove_cluster", "arguments": {"cluster": "a"}}),
        NAMED,
        200,
    ),
    "an unknown tool": (body({"name": "no_such"}), HEADERS | {"mcp-name": "no_such"}, 200),
    "another name in the header": (body(), NAMED, 400),
    "another method in the header": (body(), HEADERS | {"mcp-method": "tools/list"}, 400),
    "another revision": (
        body(meta(**{PREFIX + "protocolVersion": "2027-01-01"})),
        HEADERS | {"mcp-protocol-version": "2027-01-01"},
        400,
    ),
    "revisions that differ": (
        body(meta(**{PREFIX + "protocolVersion": "2025-11-25"})),
        HEADERS,
        400,
    ),
    "no capabilities": (body({"_meta": {PREFIX + "protocolVersion": "2026-07-28"}}), HEADERS, 400),
    "capabilities of a wrong type": (
        body(meta(**{PREFIX + "clientCapabilities": "all"})),
        HEADERS,
        400,
    ),
    "no meta": (body({"_meta": None}), HEADERS, 400),
    "a name header twice": (body(), [*HEADERS.items(), ("mcp-name", "list_clusters")], 400),
    "accepting json only": (body(), HEADERS | {"accept": "application/json"}, 406),
    "a fractional id": (body(id=1.5), HEADERS, 400),
    "a batch": ([body()], HEADERS, 400),
    "no json": ("{", HEADERS, 400),
    "half a request": ({"jsonrpc": "2.0", "method": "tools/call"}, HEADERS, None),
    "arguments of a wrong type": (body({"arguments": [1]}), HEADERS, None),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_anything_else_is_left_to_the_library(make_server, case) -> None:
    content, headers, status = OTHERS[case]
    short, long = make_server(), make_server()
    long.add_middleware(Middleware())
    passed = counted(short)
    async with served(short) as one, served(long) as other:
        ours, theirs = await post(one, content, headers), await post(other, content, headers)

    assert ours.status_code == theirs.status_code
    assert status is None or ours.status_code == status
    assert len(passed) == (1 if status == 200 else 0)
    if case != "a tool that writes":  # its handle is random
        assert ours.text == theirs.text


async def test_only_known_callers_take_the_short_way(make_server, seen) -> None:
    server = make_server(authenticator=ApiTokens("viewer@edge-7=viewer-secret-token"))
    passed = counted(server)
    async with served(server) as app:
        assert (await post(app, body())).status_code == 401
        assert (await post(app, body(), HEADERS | {"authorization": "Bearer x"})).status_code == 401
        known = HEADERS | {"authorization": "Bearer viewer-secret-token"}
        assert (await post(app, body(), known)).status_code == 200
    assert passed == []
    assert [call.principal.clusters for _, _, call in seen.calls] == [frozenset({"edge-7"})]


async def test_a_foreign_host_does_not_take_the_short_way(make_server, seen) -> None:
    async with served(make_server()) as app:
        assert (await post(app, body(), HEADERS | {"host": "evil.example"})).status_code == 421
    assert seen.calls == []


# --- on the wire ------------------------------------------------------------------------------


class SlowTool:
    """A tool that a test holds; it says whether it was cancelled."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.started = asyncio.Event()
        self.was_cancelled = False

    async def call(self, arguments: Any, *, progress: Any) -> CallToolResult:
        self.started.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return CallToolResult(content=[TextContent(type="text", text="done")])


class NoSessions:
    def find(self, *asked: Any) -> None:
        return None


class Wire:
    """One exchange: parts of the request in, messages of the answer out."""

    def __init__(
        self, tool: Any, *parts: bytes, stream_after: float = 15.0, sessions: Any = None
    ) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.left = asyncio.Event()
        self.passed_on: list[Any] = []
        self._parts = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, start=1)
        ]
        self._app = DirectCalls(
            self._library,
            path="/mcp",
            tool_of=lambda name: tool,
            server_info={"name": "aiops", "version": "1"},
            sessions=sessions or NoSessions(),
            guarded=False,
            stream_after=stream_after,
        )

    async def _library(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            self.passed_on.append(await receive())
            if not self.passed_on[-1].get("more_body"):
                return

    async def _receive(self) -> Any:
        if self._parts:
            return self._parts.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    def start(self) -> asyncio.Task[None]:
        headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
        return asyncio.create_task(self._app(scope, self._receive, self.sent.put))


CALL = json.dumps(body()).encode()


async def test_a_client_that_leaves_stops_the_operation() -> None:
    tool = SlowTool()
    wire = Wire(tool, CALL)
    exchange = wire.start()
    await asyncio.wait_for(tool.started.wait(), 5)
    wire.left.set()
    await asyncio.wait_for(exchange, 5)
    assert tool.was_cancelled
    assert wire.sent.empty()


async def test_a_server_that_stops_ends_the_operation() -> None:
    tool = SlowTool()
    exchange = Wire(tool, CALL).start()
    await asyncio.wait_for(tool.started.wait(), 5)
    exchange.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange
    assert tool.was_cancelled


async def test_a_long_call_is_kept_alive_and_ends_as_an_event() -> None:
    tool = SlowTool()
    wire = Wire(tool, CALL, stream_after=0.01)
    exchange = wire.start()
    start = await asyncio.wait_for(wire.sent.get(), 5)
    assert (b"content-type", b"text/event-stream") in start["headers"]
    for _ in range(2):
        ping = await asyncio.wait_for(wire.sent.get(), 5)
        assert ping == {"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True}
    tool.release.set()
    await asyncio.wait_for(exchange, 5)
    while not wire.sent.empty():
        last = wire.sent.get_nowait()
    assert last["more_body"] is False
    event = last["body"].decode()
    assert event.startswith("event: message\r\ndata: {")
    assert event.endswith("}\r\n\r\n")
    assert json.loads(event.partition("data: ")[2])["result"]["content"][0]["text"] == "done"


async def test_a_body_in_parts_is_one_call() -> None:
    tool = SlowTool()
    tool.release.set()
    wire = Wire(tool, CALL[:20], CALL[20:], b"")
    await asyncio.wait_for(wire.start(), 5)
    assert (await wire.sent.get())["status"] == 200
    assert wire.passed_on == []


@pytest.mark.parametrize(
    "parts",
    [
        [json.dumps(body({"arguments": {"clusters": ["x" * 70_000]}})).encode(), b"  "],
        [CALL[:20], b"not json"],
    ],
    ids=["large", "not json"],
)
async def test_what_is_passed_on_arrives_whole(parts) -> None:
    wire = Wire(SlowTool(), *parts)
    await asyncio.wait_for(wire.start(), 5)
    assert b"".join(part["body"] for part in wire.passed_on) == b"".join(parts)


async def test_a_client_that_leaves_before_its_body_is_passed_on() -> None:
    wire = Wire(SlowTool())
    wire.left.set()
    await asyncio.wait_for(wire.start(), 5)
    assert wire.passed_on == [{"type": "http.disconnect"}]


@pytest.mark.parametrize("text", ["[]", "7", '"text"', "{}", ""])
def test_what_is_no_request_is_no_call(text: str) -> None:
    assert plain_call(text.encode()) is None
