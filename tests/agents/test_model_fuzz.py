"""Whatever a server sends, a turn ends, or fails with an error of ours."""

import asyncio
import json

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import Said, chunks_of

from agents.conversation import ModelRequest, Turn, TurnDone
from agents.model import ModelPool, open_models
from aiops_mcp.errors import AiopsError, ContextTooLarge, ModelNotAvailable
from aiops_mcp.settings import Settings

ASK = ModelRequest([Turn("user", "hi")])
SETTINGS = Settings(model_urls=("http://127.0.0.1:9/v1#m",))


class Cut(httpx2.AsyncByteStream):
    """Bytes in the given parts, and then perhaps a broken connection."""

    def __init__(self, parts, broken):
        self.parts, self.broken = parts, broken

    async def __aiter__(self):
        for part in self.parts:
            yield part
        if self.broken:
            raise httpx2.ReadError("gone")


class Sends(httpx2.AsyncBaseTransport):
    def __init__(self, answer):
        self.answer = answer

    async def handle_async_request(self, request):
        return self.answer()


def ended(answer):
    """All pieces of a turn, or the error it failed with."""

    async def ask():
        opened = open_models(SETTINGS, transport=Sends(answer))
        assert opened is not None

        async def no_pause(seconds):
            assert 0 < seconds < 10

        pool = ModelPool(opened.servers, sleep=no_pause)
        try:
            return [piece async for piece in pool.stream(ASK)]
        except AiopsError as error:
            return error
        finally:
            await pool.aclose()

    return asyncio.run(ask())


def is_sound(found):
    if isinstance(found, list):
        return isinstance(found[-1], TurnDone) and sum(isinstance(x, TurnDone) for x in found) == 1
    return isinstance(found, ModelNotAvailable | ContextTooLarge) and bool(found.hint)


kinds = st.sampled_from(
    ["text/event-stream", "application/json", "text/html", "text/plain", "", "a/b; charset=x"]
)
lines = st.one_of(
    st.binary(max_size=30),
    st.just(b"data: [DONE]\n\n"),
    st.just(b": ping\n\n"),
    st.just(b'data: {"error": "no"}\n\n'),
    st.just(b"event: error\ndata: {}\n\n"),
    st.sampled_from(chunks_of(Said("a b", calls=[("x", {})]), {"messages": []})).map(
        lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n"
    ),
)


@settings(max_examples=150)
@given(st.sampled_from([200, 201, 204, 206]), kinds, st.lists(lines, max_size=8), st.booleans())
def test_any_stream(status, kind, parts, broken):
    def answer():
        headers = {"content-type": kind} if kind else {}
        return httpx2.Response(status, headers=headers, stream=Cut(parts, broken))

    assert is_sound(ended(answer))


@settings(max_examples=100)
@given(
    st.sampled_from([100, 300, 302, 400, 401, 404, 408, 413, 418, 422, 429, 500, 503, 599]),
    kinds,
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.dictionaries(st.text(), x)
    ).map(lambda value: json.dumps({"error": value}).encode()),
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12),
    st.booleans(),
)
def test_any_error(status, kind, body, retry_after, broken):
    def answer():
        headers = {"content-type": kind, "retry-after": retry_after}
        return httpx2.Response(status, headers=headers, stream=Cut([body], broken))

    found = ended(answer)
    assert not isinstance(found, list)
    assert is_sound(found)


@settings(max_examples=60)
@given(st.binary(max_size=80), st.sampled_from([200, 404, 500]))
def test_any_list_of_models(body, status):
    async def ask():
        transport = Sends(lambda: httpx2.Response(status, stream=Cut([body], broken=False)))
        pool = open_models(Settings(model_urls=("http://127.0.0.1:9/v1",)), transport=transport)
        assert pool is not None
        health = await pool.health()
        assert await pool.context_tokens() == 8192
        await pool.aclose()
        return health

    (health,) = asyncio.run(ask())
    assert health.error
    assert not health.reachable
