"""The pool of model servers against a scripted one, over real HTTP."""

import asyncio
import contextlib
import gc
import weakref
from collections import Counter
from contextlib import aclosing, asynccontextmanager

import httpx2
import pytest
from bad_servers import server_tls
from scripted_model import Said, by_turn, error, scripted_model

from agents.conversation import (
    Finish,
    ModelRequest,
    ReasoningPiece,
    TextPiece,
    ToolCall,
    ToolSpec,
    Turn,
    TurnDone,
)
from agents.model import ROUNDS, ModelPool, open_models
from aiops_mcp.errors import ContextTooLarge, InputError, ModelNotAvailable
from aiops_mcp.settings import Settings

KEY = "sk-planted-Xw9QeR72kdLm"
ALERTS = ToolSpec("get_alerts", "Alerts.", {"type": "object", "properties": {}})
ASK = ModelRequest([Turn("system", "Be short."), Turn("user", "How is it?")])
ASK_WITH_TOOLS = ModelRequest(ASK.turns, tools=[ALERTS])


@asynccontextmanager
async def pool_of(*urls, sleep=None, **settings):
    """The pool as it is opened for these URLs; pauses are recorded instead of slept."""
    opened = open_models(Settings(model_urls=tuple(map(str, urls)), **settings))
    assert opened is not None
    slept = []

    async def pause(seconds):
        slept.append(seconds)

    pool = ModelPool(
        opened.servers, context=opened._context, sleep=sleep or pause, jitter=lambda: 1.0
    )
    pool.slept = slept
    try:
        yield pool
    finally:
        await pool.aclose()


async def turn(pool, request=ASK):
    """All pieces of a turn, and its end."""
    pieces = [piece async for piece in pool.stream(request)]
    assert isinstance(pieces[-1], TurnDone)
    return pieces[:-1], pieces[-1]


async def failed(pool, request=ASK, kind=ModelNotAvailable):
    with pytest.raises(kind) as caught:
        await turn(pool, request)
    assert KEY not in f"{caught.value} {caught.value.details}"
    return caught.value


def text_of(pieces):
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


@asynccontextmanager
async def nothing_there():
    """A URL of a port where nobody listens."""
    async with scripted_model([]) as url:
        gone = str(url)
    yield gone


# --- what is asked and what comes -------------------------------------------------------------


async def test_a_turn_is_streamed_piece_by_piece():
    async with (
        scripted_model([Said("All is well. [1]", reasoning="Hm.")]) as url,
        pool_of(url) as pool,
    ):
        pieces, done = await turn(pool)
    assert pieces == [
        ReasoningPiece("Hm."),
        *map(TextPiece, ("All ", "is ", "well. ", "[1]")),
    ]
    assert done.finish is Finish.STOP
    assert done.model == "scripted"
    assert done.completion_tokens == 5
    assert done.prompt_tokens > 10


async def test_what_a_server_is_sent():
    call = ToolCall("abc123def", "get_alerts", {"severity": "CRITICAL"}, "…")
    broken = ToolCall("abc123deg", "get alerts!", None, '{"half')
    turns = [
        *ASK.turns,
        Turn("assistant", "", tool_calls=(call, broken)),
        Turn("tool", "[1] none", tool_call_id="abc123def"),
        Turn("tool", "lone \ud800 surrogate", tool_call_id="abc123deg"),
    ]
    request = ModelRequest(turns, tools=[ALERTS], tool_choice="required", max_tokens=77)
    async with scripted_model(["ok"]) as url, pool_of(url, model_temperature=0.5) as pool:
        await turn(pool, request)
        body, headers = url.requests[0].body, url.requests[0].headers
    assert body == {
        "model": "scripted",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "How is it?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "abc123def",
                        "type": "function",
                        "function": {
                            "name": "get_alerts",
                            "arguments": '{"severity":"CRITICAL"}',
                        },
                    },
                    {
                        "id": "abc123deg",
                        "type": "function",
                        "function": {"name": "get_alerts_", "arguments": "{}"},
                    },
                ],
            },
            {"role": "tool", "content": "[1] none", "tool_call_id": "abc123def"},
            {"role": "tool", "content": "lone ? surrogate", "tool_call_id": "abc123deg"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 77,
        "temperature": 0.5,
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_alerts",
                    "description": "Alerts.",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": True,
                },
            }
        ],
        "tool_choice": "required",
    }
    assert headers.keys() == {
        *("host", "accept", "connection", "content-type", "content-length"),
        *("user-agent", "accept-encoding"),
    }
    assert headers["user-agent"] == "aiops"


async def test_nothing_of_the_environment_is_sent(monkeypatch):
    """Not passed in: the package reads these variables by itself."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else-0123456789")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Extra: secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with scripted_model(["a", "b"]) as url:
        async with pool_of(url) as pool:
            await turn(pool)
        async with pool_of(url, model_api_key=KEY) as pool:
            await turn(pool)
        without, with_key = (asked.headers for asked in url.requests)
    assert "secret" not in str(without)
    assert "somebody" not in str(without)
    assert "authorization" not in without
    assert with_key["authorization"] == f"Bearer {KEY}"


async def test_a_redirect_is_not_followed():
    async with scripted_model([Said(fault="redirect")]) as url, pool_of(url) as pool:
        fault = await failed(pool)
    assert "307" in fault.message
    assert "AIOPS_MODEL_URLS" in fault.hint


@pytest.mark.parametrize("shape", ["openai", "vllm", "llama", "whole", "zero", "bare", "object"])
async def test_calls_in_every_shape(shape):
    calls = [("get_alerts", {"severity": "CRITICAL"}), ("get_alerts", {})]
    said = Said("Looking.", calls=calls, shape=shape, finish="stop")
    async with scripted_model([said]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool, ASK_WITH_TOOLS)
    assert text_of(pieces) == "Looking."
    assert done.finish is Finish.TOOL_CALLS
    assert [(call.name, call.arguments) for call in done.tool_calls] == calls


async def test_a_thought_in_tags_that_its_template_opens():
    """The first answer shows it, as nobody can know; from the second on it is kept apart."""
    said = Said(pieces=["Let me", " see.</th", "ink>\n\nYes."])
    call = Said(calls=[("get_alerts", {})])
    script = [said, call, said, "No thought.", "None either."]
    async with scripted_model(script) as url, pool_of(url) as pool:
        first, _ = await turn(pool)
        await turn(pool)
        second, _ = await turn(pool)
        third, _ = await turn(pool)
        fourth, _ = await turn(pool)
    assert text_of(first) == "Let me see.\n\nYes."
    assert text_of(second) == "Yes."
    assert [each.text for each in second if isinstance(each, ReasoningPiece)] == ["Let me", " see."]
    assert third[-1] == TextPiece("No thought.")
    assert fourth == [TextPiece("None "), TextPiece("either.")]


async def test_a_server_that_does_not_stream_answers_all_the_same():
    said = Said("All at once.", calls=[("get_alerts", {})], fault="not_streamed")
    async with scripted_model([said]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool)
    assert pieces == [TextPiece("All at once.")]
    assert [call.name for call in done.tool_calls] == ["get_alerts"]
    assert (done.prompt_tokens, done.completion_tokens) == (11, 7)


# --- fields that are refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "sent_then"),
    [
        ("stream_options", {"max_completion_tokens", "temperature", "tool_choice"}),
        ("max_completion_tokens", {"max_tokens", "stream_options", "temperature", "tool_choice"}),
        ("strict", {"max_completion_tokens", "stream_options", "temperature", "tool_choice"}),
        ("temperature", {"max_completion_tokens", "stream_options", "tool_choice"}),
        ("tool_choice", {"max_completion_tokens", "stream_options", "temperature"}),
    ],
)
async def test_a_field_that_is_refused_is_left_out_from_then_on(refused, sent_then):
    script = scripted_model(["one", "two"], refuses=[refused])
    async with script as url, pool_of(url) as pool:
        pieces, done = await turn(pool, ASK_WITH_TOOLS)
        await turn(pool, ASK_WITH_TOOLS)
        bodies = [asked.body for asked in url.requests]
    assert text_of(pieces) == "one"
    assert done.prompt_tokens > 0
    assert done.completion_tokens == 1
    assert len(bodies) == 3
    assert bodies[1].keys() == {"model", "messages", "stream", "tools", *sent_then}
    assert bodies[2] == bodies[1]
    assert ("strict" in str(bodies[1]["tools"])) == (refused != "strict")


async def test_several_refused_fields_are_found_one_by_one():
    refuses = ["stream_options", "strict", "max_completion_tokens"]
    async with scripted_model(["ok"], refuses=refuses) as url, pool_of(url) as pool:
        assert text_of((await turn(pool, ASK_WITH_TOOLS))[0]) == "ok"
        assert len(url.requests) == 4


async def test_a_refusal_that_names_nothing_is_tried_once_plainly():
    refusal = Said(status=422, body={"detail": [{"msg": "Extra inputs are not permitted"}]})
    async with scripted_model([refusal, "ok"]) as url, pool_of(url) as pool:
        assert text_of((await turn(pool, ASK_WITH_TOOLS))[0]) == "ok"
        body = url.requests[1].body
    assert body.keys() == {"model", "messages", "stream", "tools", "max_tokens"}


async def test_a_request_that_is_wrong_however_it_is_sent():
    first = Said(status=400, body=error("Conversation roles must alternate"))
    second = Said(status=400, body=error("something else"))
    async with scripted_model([first, second]) as url, pool_of(url) as pool:
        fault = await failed(pool)
        assert len(url.requests) == 2
        assert pool.servers[0].standing.is_fit
    assert "400: Conversation roles must alternate" in fault.message


async def test_a_server_that_was_not_started_for_tools():
    told = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    script = [Said(status=400, body=error(told))]
    async with scripted_model(script) as url, pool_of(url) as pool:
        fault = await failed(pool, ASK_WITH_TOOLS)
        assert len(url.requests) == 1
    assert "--tool-call-parser" in fault.hint


async def test_without_tools_no_choice_is_sent():
    async with scripted_model(["ok"]) as url, pool_of(url) as pool:
        await turn(pool, ModelRequest(ASK.turns, tool_choice="none"))
        assert not {"tools", "tool_choice"} & url.requests[0].body.keys()


# --- the context ------------------------------------------------------------------------------


async def test_the_context_is_what_the_server_says():
    async with scripted_model([], context=4096) as url, pool_of(url) as pool:
        assert await pool.context_tokens() == 4096
        assert await pool.context_tokens("scripted") == 4096
        assert url.listings == 1


async def test_the_context_that_is_set_goes_before_it():
    async with scripted_model([], context=4096) as url, pool_of(url, model_context=2048) as pool:
        assert await pool.context_tokens() == 2048
        assert url.listings == 0


async def test_a_context_that_nobody_tells_is_8192():
    async with scripted_model([], context=None) as url, pool_of(url) as pool:
        assert await pool.context_tokens() == 8192
    async with nothing_there() as url, pool_of(url) as pool:
        assert await pool.context_tokens() == 8192


async def test_the_context_is_that_of_the_server_which_would_be_asked():
    away = Said(status=503, body=error("loading"))
    first, second = scripted_model([away], context=4096), scripted_model(["ok"], context=2048)
    async with first as one, second as two, pool_of(one, two) as pool:
        assert await pool.context_tokens() == 4096
        await turn(pool)
        assert await pool.context_tokens() == 2048


async def test_a_conversation_that_does_not_fit():
    turns = [Turn("user", "x" * 20_000)]
    async with scripted_model([], context=4096) as url, pool_of(url) as pool:
        fault = await failed(pool, ModelRequest(turns), ContextTooLarge)
        assert len(url.requests) == 1
        assert pool.slept == []
    assert fault.details == {"context_tokens": 4096}
    assert "4096" in fault.message


@pytest.mark.parametrize(("length", "shorter"), [(11_000, 750), (13_000, 300)])
async def test_an_answer_that_does_not_fit_beside_the_prompt_is_asked_for_shorter(length, shorter):
    turns = [Turn("user", "x" * length)]
    async with scripted_model(["ok"], context=4096) as url, pool_of(url) as pool:
        _, done = await turn(pool, ModelRequest(turns))
        short = url.requests[1].body["max_completion_tokens"]
        assert len(url.requests) == 2
    assert done.finish is Finish.STOP
    assert short == pytest.approx(shorter, abs=4)
    assert done.prompt_tokens + short <= 4096


async def test_a_prompt_that_was_counted_leaves_just_so_much_room():
    told = {"error": {"message": "exceed_context_size", "n_prompt_tokens": 3000, "n_ctx": 4000}}
    async with scripted_model([Said(status=400, body=told), "ok"]) as url, pool_of(url) as pool:
        await turn(pool)
        assert url.requests[1].body["max_completion_tokens"] == 1000


async def test_an_answer_is_made_shorter_only_once():
    told = {"error": {"message": "exceed_context_size", "n_prompt_tokens": 3000, "n_ctx": 4000}}
    script = scripted_model([Said(status=400, body=told)] * 9)
    async with script as url, pool_of(url) as pool:
        await failed(pool, kind=ContextTooLarge)
        assert len(url.requests) == 2


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (error("This model's maximum context length is 100 tokens."), {"context_tokens": 100}),
        (error("max_tokens must be at least 1, got -3."), {}),
        ({"error": {"message": "Too long", "code": "context_length_exceeded"}}, {}),
        (
            {
                "error": {
                    "code": 400,
                    "message": "request (9000 tokens) exceeds the available context size "
                    "(8192 tokens), try increasing it",
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 9000,
                    "n_ctx": 8192,
                }
            },
            {"context_tokens": 8192, "prompt_tokens": 9000},
        ),
        (
            {"object": "error", "message": "maximum context length is 99 tokens", "code": 400},
            {"context_tokens": 99},
        ),
    ],
)
async def test_overflow_as_several_servers_tell_it(body, details):
    async with scripted_model([Said(status=400, body=body)]) as url, pool_of(url) as pool:
        fault = await failed(pool, kind=ContextTooLarge)
        if "context_tokens" in details:
            assert await pool.context_tokens() == details["context_tokens"]
    assert fault.details == details


async def test_overflow_told_in_the_stream():
    told = {"error": {"message": "context_length_exceeded", "code": 400}}
    async with scripted_model([Said(raw=[told])]) as url, pool_of(url) as pool:
        await failed(pool, kind=ContextTooLarge)


# --- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (Said(fault="html"), "web page", "/v1"),
        (Said(status=404, body="<html>nginx</html>"), "web page", "/v1"),
        (Said(status=404, body={"detail": "Not Found"}), "404", "/v1"),
        (Said(status=403, body=error("no")), "403", "AIOPS_MODEL_API_KEY"),
        (Said(fault="half_json", after=1), "half a JSON", "log"),
    ],
)
async def test_answers_that_are_none(said, message, hint):
    async with scripted_model([said] * ROUNDS) as url, pool_of(url) as pool:
        fault = await failed(pool)
    assert message in fault.message
    assert hint in fault.hint
    assert str(url) in fault.message


async def test_a_wrong_key_is_told_without_the_key():
    script = scripted_model([], api_key="right")
    async with script as url, pool_of(url, model_api_key=KEY) as pool:
        fault = await failed(pool)
        (health,) = await pool.health()
    assert "401" in fault.message
    assert "[key]" in fault.message
    assert "AIOPS_MODEL_API_KEY" in fault.hint
    assert not health.reachable
    assert KEY not in str(health)


async def test_an_error_does_not_hold_what_was_said():
    """Errors, their frames and these the errors: only the collector would find them."""

    class Said(str):
        __slots__ = ("__weakref__",)

    said = Said("a long conversation")
    there = weakref.ref(said)
    async with nothing_there() as one, nothing_there() as two, pool_of(one, two) as pool:
        gc.collect()
        gc.disable()
        try:
            request = ModelRequest([Turn("user", said)])
            del said
            with contextlib.suppress(ModelNotAvailable):
                await turn(pool, request)
            del request
            assert there() is None
        finally:
            gc.enable()


async def test_an_unknown_model_says_what_there_is():
    async with scripted_model([]) as url, pool_of(f"{url}#other") as pool:
        fault = await failed(pool)
        assert "'other'" in fault.message
        assert len(url.requests) == 1
        assert "scripted" in fault.hint
        (health,) = await pool.health()
    assert not health.reachable
    assert "scripted" in health.error


async def test_a_server_that_was_started_anew_with_another_model():
    async with scripted_model(["one", "two"]) as url, pool_of(url) as pool:
        server = pool.servers[0]
        await turn(pool)
        stale = await server.offered()
        server._offered = type(stale)(("gone",), {})
        _, done = await turn(pool)
    assert done.model == "scripted"


async def test_nobody_is_there():
    async with nothing_there() as url, pool_of(url) as pool:
        fault = await failed(pool)
        assert len(pool.slept) == ROUNDS - 1
        (health,) = await pool.health()
    assert "cannot be reached" in fault.message
    assert "runs" in fault.hint
    assert health.error is not None
    assert "cannot be reached" in health.error


async def test_a_server_that_hangs_up_is_asked_again():
    """At once, as a kept connection may be a closed one, and then after a pause."""
    hangs_up = Said(fault="refuse")
    script = scripted_model([hangs_up, "one", hangs_up, hangs_up, "two"])
    async with script as url, pool_of(url) as pool:
        assert text_of((await turn(pool))[0]) == "one"
        assert pool.slept == []
        assert text_of((await turn(pool))[0]) == "two"
        assert pool.slept == [0.4]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_in_trouble_is_asked_again_and_then_given_up(status):
    trouble = Said(status=status, body={"message": "starting"})
    async with scripted_model([trouble] * 9) as url, pool_of(url) as pool:
        fault = await failed(pool)
        assert len(url.requests) == ROUNDS
        assert pool.slept == [0.4, 0.8]
        assert not pool.servers[0].standing.is_fit
    assert f"{status}: starting" in fault.message


async def test_a_client_error_is_not_repeated():
    async with scripted_model([Said(status=401, body=error("no"))]) as url, pool_of(url) as pool:
        await failed(pool)
        assert len(url.requests) == 1
        assert pool.slept == []


async def test_too_many_requests_wait_as_long_as_is_asked():
    busy = Said(status=429, body=error("busy"), headers={"retry-after": "3"})
    clock = [0.0]

    async def sleep(seconds):
        clock[0] += seconds

    async with scripted_model([busy, "ok"]) as url, pool_of(url, sleep=sleep) as pool:
        pool.servers[0].standing._clock = lambda: clock[0]
        assert text_of((await turn(pool))[0]) == "ok"
    assert 3.0 < clock[0] < 4.0


async def test_a_server_that_asks_to_come_back_much_later_is_not_waited_for():
    busy = Said(status=429, body=error("busy"), headers={"retry-after": "600"})
    async with scripted_model([busy]) as url, pool_of(url) as pool:
        fault = await failed(pool)
        assert fault.details == {"retry_after_seconds": 600.0}
        assert "too many requests (429): busy" in fault.message
        later = await failed(pool)
        assert len(url.requests) == 1
    assert 590 < later.details["retry_after_seconds"] <= 600
    assert "busy. It is asked again in" in later.message


async def test_an_error_in_the_middle_leaves_what_came():
    for fault_name in ("error", "flat_error"):
        said = Said("one two three", fault=fault_name, after=3)
        async with scripted_model([said]) as url, pool_of(url) as pool:
            pieces = pool.stream(ASK)
            assert await anext(pieces) == TextPiece("one ")
            assert await anext(pieces) == TextPiece("two ")
            with pytest.raises(ModelNotAvailable, match="CUDA out of memory"):
                await anext(pieces)
            assert not pool.servers[0].standing.is_fit


async def test_a_connection_that_breaks_in_the_middle():
    said = Said("one two three", fault="disconnect", after=3)
    async with scripted_model([said]) as url, pool_of(url) as pool:
        fault = await failed(pool)
        assert len(url.requests) == 1
    assert "closed the connection" in fault.message


@pytest.mark.parametrize("fault", ["half_json", "no_finish"])
async def test_a_stream_that_ends_without_a_reason_is_broken(fault):
    async with scripted_model([Said("one two", fault=fault, after=3)]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool)
    assert text_of(pieces) == "one two"
    assert done.finish is Finish.BROKEN
    assert done.completion_tokens == 2


async def test_calls_that_were_whole_when_it_broke_are_told():
    said = Said(calls=[("get_alerts", {}), ("get_alerts", {"severity": "CRITICAL"})])
    said.fault, said.after = "half_json", 5
    async with scripted_model([said]) as url, pool_of(url) as pool:
        _, done = await turn(pool, ASK_WITH_TOOLS)
    assert done.finish is Finish.BROKEN
    assert [call.arguments for call in done.tool_calls] == [{}, None]


async def test_an_end_without_the_last_line_is_an_end():
    async with scripted_model([Said("ok", fault="no_done")]) as url, pool_of(url) as pool:
        assert (await turn(pool))[1].finish is Finish.STOP


async def test_a_stream_without_anything_is_asked_again():
    async with scripted_model([Said(fault="empty"), "ok"]) as url, pool_of(url) as pool:
        assert text_of((await turn(pool))[0]) == "ok"


async def test_an_empty_answer_is_an_answer():
    async with scripted_model([Said("")]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool)
    assert pieces == []
    assert done.finish is Finish.STOP


async def test_chunks_of_wrong_types_are_passed_over():
    async with scripted_model([Said("one", fault="garbage", after=2)]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool)
    assert text_of(pieces) == "one end"
    assert done.finish is Finish.STOP


async def test_a_model_that_never_stops_is_cut_off():
    said = Said(pieces=["again and again " * 20] * 50)
    request = ModelRequest(ASK.turns, max_tokens=64)
    async with scripted_model([said]) as url, pool_of(url) as pool:
        pieces, done = await turn(pool, request)
    assert done.finish is Finish.LENGTH
    assert 64 * 32 < len(text_of(pieces)) < 64 * 32 + 400


async def test_an_answer_of_too_many_bytes_ends():
    said = Said(pieces=["x" * 900] * 50)
    script = scripted_model([said])
    async with script as url, pool_of(url, max_response_bytes=4096) as pool:
        fault = await failed(pool)
    assert "more than 4096 bytes" in fault.message


# --- slow ones --------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [Said(fault="silent"), Said(fault="stall", after=1)])
async def test_a_model_that_does_not_begin(said):
    """A role without content is no beginning."""
    script = scripted_model([said] * 2)
    async with script as url, pool_of(url, model_first_token_timeout=0.2) as pool:
        fault = await failed(pool)
        await asyncio.wait_for(url.left.wait(), 5)
        assert len(url.requests) == 1
        again = await failed(pool)
        assert len(url.requests) == 1
    assert "did not begin to answer in 0.2 s" in fault.message
    assert "AIOPS_MODEL_FIRST_TOKEN_TIMEOUT" in fault.hint
    assert 14 < again.details["retry_after_seconds"] <= 15
    assert "did not begin to answer in 0.2 s. It is asked again in 15 s." in again.message


async def test_a_model_that_falls_silent():
    said = Said("one two", fault="stall", after=3)
    async with scripted_model([said]) as url, pool_of(url, model_stall_timeout=0.2) as pool:
        fault = await failed(pool)
        await asyncio.wait_for(url.left.wait(), 5)
    assert "fell silent for 0.2 s" in fault.message
    assert "AIOPS_MODEL_STALL_TIMEOUT" in fault.hint


async def test_slow_pieces_are_waited_for_one_by_one():
    """The whole takes longer than either timeout."""
    said = Said("a b c d e f", delay=0.08)
    timeouts = {"model_first_token_timeout": 0.4, "model_stall_timeout": 0.4}
    async with scripted_model([said]) as url, pool_of(url, **timeouts) as pool:
        pieces, done = await turn(pool)
    assert text_of(pieces) == "a b c d e f"
    assert done.finish is Finish.STOP


async def test_after_the_end_only_the_count_may_be_waited_for():
    said = Said("all said", fault="stall", after=4)
    async with scripted_model([said]) as url, pool_of(url, model_stall_timeout=0.2) as pool:
        pieces, done = await turn(pool)
    assert text_of(pieces) == "all said"
    assert done.finish is Finish.STOP


# --- leaving ----------------------------------------------------------------------------------


async def test_closing_the_turn_closes_the_connection_at_once():
    async with (
        scripted_model([Said("one two", fault="stall", after=3)]) as url,
        pool_of(url) as pool,
    ):
        async with aclosing(pool.stream(ASK)) as pieces:
            assert await anext(pieces) == TextPiece("one ")
            assert not url.left.is_set()
        await asyncio.wait_for(url.left.wait(), 5)
        assert pool.servers[0].standing.is_fit


@pytest.mark.parametrize("said", [Said(fault="silent"), Said("one", fault="stall", after=2)])
async def test_cancelling_closes_the_connection(said):
    async with scripted_model([said]) as url, pool_of(url) as pool:
        asking = asyncio.ensure_future(turn(pool))
        await asyncio.wait_for(url.asked.wait(), 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(url.left.wait(), 5)


# --- several servers --------------------------------------------------------------------------


async def test_the_first_that_is_fit_is_asked():
    async with scripted_model(["a", "b"]) as one, scripted_model(["c"]) as two:
        async with pool_of(one, two) as pool:
            await turn(pool)
            await turn(pool)
        assert (len(one.requests), len(two.requests)) == (2, 0)


async def test_the_next_takes_over_before_anything_came():
    trouble = Said(status=503, body=error("loading"))
    async with scripted_model([trouble]) as one, scripted_model(["ok", "ok"]) as two:
        async with pool_of(one, two) as pool:
            assert text_of((await turn(pool))[0]) == "ok"
            assert text_of((await turn(pool))[0]) == "ok"
            assert pool.slept == []
        assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_a_call_that_was_begun_and_not_told_is_taken_over_too():
    """Nothing of it was passed on."""
    broken = Said(calls=[("get_alerts", {})], fault="disconnect", after=2)
    first, second = scripted_model([broken]), scripted_model(["ok"])
    async with first as one, second as two, pool_of(one, two) as pool:
        pieces, done = await turn(pool)
    assert text_of(pieces) == "ok"
    assert done.tool_calls == ()


async def test_nobody_takes_over_once_something_came():
    broken = Said("one two", fault="disconnect", after=3)
    async with scripted_model([broken]) as one, scripted_model(["ok"]) as two:
        async with pool_of(one, two) as pool:
            fault = await failed(pool)
        assert two.requests == []
    assert str(one) in fault.message


async def test_all_of_them_are_told_of():
    first, second = nothing_there(), scripted_model([Said(fault="html")] * 9)
    async with first as one, second as two, pool_of(one, two) as pool:
        fault = await failed(pool)
    assert one in fault.message
    assert str(two) in fault.message
    assert "cannot be reached" in fault.message
    assert "web page" in fault.message


async def test_a_server_that_is_back_is_preferred_again():
    clock = [0.0]
    script = [Said(status=503, body=error("loading")), "back"]
    first, second = scripted_model(script), scripted_model(["two"] * 3)
    async with first as one, second as two, pool_of(one, two) as pool:
        pool.servers[0].standing._clock = lambda: clock[0]
        assert text_of((await turn(pool))[0]) == "two"
        clock[0] = 1.9
        assert text_of((await turn(pool))[0]) == "two"
        clock[0] = 2.1
        assert text_of((await turn(pool))[0]) == "back"


async def test_a_model_is_asked_for_by_name():
    async with (
        scripted_model(["no"], model="small") as one,
        scripted_model(["yes"], models=["large", "huge"]) as two,
        pool_of(one, two) as pool,
    ):
        pieces, done = await turn(pool, ModelRequest(ASK.turns, model="huge"))
        assert text_of(pieces) == "yes"
        assert two.requests[0].body["model"] == "huge"
        assert one.requests == []
        assert await pool.models() == ("small", "large", "huge")
        assert await pool.context_tokens("huge") == 32_768
        fault = await failed(pool, ModelRequest(ASK.turns, model="none"))
    assert "'none'" in fault.message
    assert "small, large, huge" in fault.hint
    assert done.model == "scripted"


async def test_another_model_answers_where_the_named_one_is_away():
    gone = Said(status=503, body=error("x"))
    async with (
        scripted_model(["ok"], model="small") as one,
        scripted_model([gone] * 3, model="large") as two,
        pool_of(one, two) as pool,
    ):
        pieces, _ = await turn(pool, ModelRequest(ASK.turns, model="large"))
        assert len(two.requests) == 1
    assert text_of(pieces) == "ok"


async def test_the_fragment_chooses_among_several_models():
    async with scripted_model(["ok"], models=["a", "b"]) as url, pool_of(f"{url}#b") as pool:
        await turn(pool)
        assert url.requests[0].body["model"] == "b"
        assert url.listings == 0
        assert await pool.models() == ("b",)


# --- how they are -----------------------------------------------------------------------------


async def test_health_of_all_at_once():
    script = scripted_model([], models=["a", "b"], context=4096)
    async with nothing_there() as gone, script as url, pool_of(url, gone) as pool:
        well, away = await pool.health()
    assert (well.url, well.model, well.models) == (str(url), "a", ("a", "b"))
    assert (well.context, well.reachable, well.error) == (4096, True, None)
    assert well.latency_ms is not None
    assert 0 < well.latency_ms < 5000
    assert (away.url, away.reachable, away.models, away.latency_ms) == (gone, False, (), None)


async def test_a_server_without_a_list_needs_a_name():
    async with scripted_model(["ok"], without_list=True) as url:
        async with pool_of(url) as pool:
            fault = await failed(pool)
            assert "404" in fault.message
        async with pool_of(f"{url}#scripted") as pool:
            assert text_of((await turn(pool))[0]) == "ok"
            assert await pool.context_tokens() == 8192


async def test_a_list_that_cannot_be_read_again_stands():
    clock = [0.0]
    async with scripted_model([], context=4096) as url, pool_of(url) as pool:
        pool.servers[0]._clock = lambda: clock[0]
        assert await pool.context_tokens() == 4096
        kept = pool
        clock[0] = 299.0
        assert await pool.context_tokens() == 4096
        assert url.listings == 1
        clock[0] = 301.0
        assert await pool.context_tokens() == 4096
        assert url.listings == 2
    clock[0] = 900.0
    assert kept.servers[0]._offered is not None


async def test_many_who_wait_for_the_list_share_it():
    async with scripted_model([], list_delay=0.05) as url, pool_of(url) as pool:
        assert await asyncio.gather(*(pool.context_tokens() for _ in range(20))) == [32_768] * 20
        assert url.listings == 1
    script = scripted_model([], without_list=True, list_delay=0.05)
    async with script as url, pool_of(url) as pool:
        pool.servers[0]._clock = lambda: 0.0
        assert await asyncio.gather(*(pool.context_tokens() for _ in range(20))) == [8192] * 20
        assert url.listings == 1


async def test_many_turns_at_once():
    def say(body):
        return Said(f"You said {body['messages'][-1]['content']}", delay=0.001)

    async with scripted_model(say) as url, pool_of(url) as pool:
        requests = [ModelRequest([Turn("user", f"n{number}")]) for number in range(50)]
        turns = await asyncio.gather(*(turn(pool, request) for request in requests))
    assert [text_of(pieces) for pieces, _ in turns] == [f"You said n{n}" for n in range(50)]


async def test_many_who_ask_at_once_leave_the_loop_to_others_between():
    """A request takes a millisecond or two to write; fifty in one go would be felt."""
    turns_of_the_loop, begun_at = [0], []

    class Notes(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request):
            begun_at.append(turns_of_the_loop[0])
            return httpx2.Response(500)

    async def count():
        while True:
            turns_of_the_loop[0] += 1
            await asyncio.sleep(0)

    pool = open_models(Settings(model_urls=("http://127.0.0.1:9/v1#m",)), transport=Notes())
    assert pool is not None
    await pool.warm()
    counting = asyncio.ensure_future(count())
    asking = [asyncio.ensure_future(anext(pool.stream(ASK))) for _ in range(20)]
    while len(begun_at) < 20:  # noqa: ASYNC110  # the turns of the loop are what is counted
        await asyncio.sleep(0)
    for task in (counting, *asking):
        task.cancel()
    await asyncio.gather(counting, *asking, return_exceptions=True)
    await pool.aclose()
    assert max(Counter(begun_at[:20]).values()) <= 2  # the counter may run before or after


async def test_a_whole_investigation_of_scripted_turns():
    script = by_turn([Said(calls=[("get_alerts", {})]), "None fire. [1]"])
    async with scripted_model(script) as url, pool_of(url) as pool:
        _, first = await turn(pool, ASK_WITH_TOOLS)
        turns = [
            *ASK.turns,
            Turn("assistant", "", tool_calls=first.tool_calls),
            Turn("tool", "[1] none", tool_call_id=first.tool_calls[0].id),
        ]
        pieces, second = await turn(pool, ModelRequest(turns, tools=[ALERTS]))
    assert text_of(pieces) == "None fire. [1]"
    assert (first.finish, second.finish) == (Finish.TOOL_CALLS, Finish.STOP)


# --- how they are set -------------------------------------------------------------------------


def test_without_urls_there_is_no_pool():
    assert open_models(Settings(model_urls=())) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", "no http or https URL"),
        ("ftp://host/v1", "no http or https URL"),
        ("http:///v1", "no http or https URL"),
        ("http://[::1/v1", "no URL"),
        ("http://host:99999/v1", "no URL"),
        (f"http://user:{KEY}@host/v1", "model URL of host holds credentials"),
    ],
)
def test_urls_that_cannot_be_used(url, said):
    with pytest.raises(InputError, match=said) as caught:
        open_models(Settings(model_urls=(url,)))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["two words", "schlüssel", "a\x00b", "a\nb"])
def test_a_key_that_no_header_can_carry(key):
    with pytest.raises(InputError, match="AIOPS_MODEL_API_KEY") as caught:
        open_models(Settings(model_urls=("http://host/v1",), model_api_key=key))
    assert key not in str(caught.value)


async def test_certificates_of_its_own(tmp_path):
    tls = server_tls(tmp_path)
    async with scripted_model(["ok"], tls=tls) as url:
        async with pool_of(url) as pool:
            fault = await failed(pool)
            assert pool.slept == []
        async with pool_of(url, model_ca_file=tmp_path / "self-signed.pem") as pool:
            assert text_of((await turn(pool))[0]) == "ok"
    assert "is not trusted" in fault.message
    assert "AIOPS_MODEL_CA_FILE" in fault.hint


def test_certificates_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.pem", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            open_models(Settings(model_urls=("https://host/v1",), model_ca_file=path))
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(InputError, match="AIOPS_MODEL_CA_FILE"):
        open_models(Settings(model_urls=("https://h/v1",), model_ca_file=tmp_path / "bad.pem"))
