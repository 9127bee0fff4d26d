"""The model client against a real llama.cpp server with a tiny model."""

import os

import llama_server
import pytest

from agents.conversation import Finish, ModelRequest, TextPiece, ToolSpec, Turn
from agents.model import open_models
from agents.model_selftest import TEST_TOOL, ToolSupport, self_test
from aiops_mcp.errors import ContextTooLarge, ModelNotAvailable
from aiops_mcp.settings import Settings

pytestmark = pytest.mark.real

QUESTION = Turn("user", "What is the status of the cluster edge-1?")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    if (reason := llama_server.missing()) is not None:
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail(f"{reason}, and AIOPS_REQUIRE_REAL is set")
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("llama")
    model = {"tool": TEST_TOOL.name, "arguments": '{"cluster": "edge-1"}'}
    with llama_server.llama_server(folder, context=4096, **model) as url:
        yield url


@pytest.fixture
async def pool(llama):
    opened = open_models(Settings(model_urls=(llama,)))
    assert opened is not None
    yield opened
    await opened.aclose()


async def turn(pool, request):
    *pieces, done = [piece async for piece in pool.stream(request)]
    return pieces, done


async def test_an_investigation(pool):
    """A question, a call, its result, an answer: all streamed."""
    pieces, first = await turn(pool, ModelRequest([QUESTION], tools=[TEST_TOOL]))
    assert pieces == []
    assert first.finish is Finish.TOOL_CALLS
    (call,) = first.tool_calls
    assert (call.name, call.arguments) == (TEST_TOOL.name, {"cluster": "edge-1"})
    assert first.prompt_tokens > 100
    assert first.completion_tokens > 5
    turns = [
        QUESTION,
        Turn("assistant", "", tool_calls=first.tool_calls),
        Turn("tool", "[1] edge-1 is ONLINE", tool_call_id=call.id),
    ]
    pieces, second = await turn(pool, ModelRequest(turns, tools=[TEST_TOOL]))
    assert len(pieces) > 5
    assert all(isinstance(piece, TextPiece) for piece in pieces)
    assert "".join(piece.text for piece in pieces) == llama_server.TEXT
    assert second.finish is Finish.STOP
    assert second.model == "table"


async def test_a_turn_that_is_cut(pool):
    _, done = await turn(pool, ModelRequest([QUESTION], max_tokens=3))
    assert done.finish is Finish.LENGTH
    assert done.completion_tokens == 3


async def test_what_it_offers(pool):
    (health,) = await pool.health()
    assert health.models == ("table",)
    assert health.context == 4096
    assert await pool.context_tokens() == 4096


async def test_a_conversation_that_does_not_fit(pool):
    with pytest.raises(ContextTooLarge) as caught:
        await turn(pool, ModelRequest([Turn("user", "x" * 5000)]))
    assert caught.value.details["context_tokens"] == 4096
    assert caught.value.details["prompt_tokens"] > 5000


async def test_leaving_in_the_middle_does_no_harm(pool):
    stream = pool.stream(ModelRequest([QUESTION]))
    assert await anext(stream) == TextPiece("The")
    await stream.aclose()
    _, done = await turn(pool, ModelRequest([QUESTION]))
    assert done.finish is Finish.STOP


async def test_a_required_call(pool):
    request = ModelRequest([QUESTION], tools=[TEST_TOOL], tool_choice="required")
    _, done = await turn(pool, request)
    assert done.finish is Finish.TOOL_CALLS
    assert done.tool_calls[0].name == TEST_TOOL.name


async def test_tools_it_may_not_call(pool):
    pieces, done = await turn(pool, ModelRequest([QUESTION], tools=[TEST_TOOL], tool_choice="none"))
    assert done.tool_calls == ()
    assert pieces


async def test_a_schema_it_cannot_read_is_told(pool):
    broken = ToolSpec("x", "y", {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}})
    with pytest.raises(ModelNotAvailable, match="answered [45]00"):
        await turn(pool, ModelRequest([QUESTION], tools=[broken], tool_choice="required"))


async def test_the_self_test_finds_it_good(pool):
    found = await self_test(pool.servers[0])
    assert found.tools is ToolSupport.BY_ITSELF
    assert found.streams
    assert found.is_good
    assert found.faults == ()
