"""`aiops models` in this process, against scripted servers in a thread of their own."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest
from scripted_model import Said, scripted_model

from agents.model_selftest import TEST_TOOL

COLUMNS = ["server", "model", "context", "tools", "first piece ms", "tokens/s", "state"]
CALL = Said(calls=[(TEST_TOOL.name, {"cluster": "edge-1"})], shape="vllm")
TEXT = Said("It spreads requests over several servers.")


@contextmanager
def served(script, **options):
    """The command has a loop of its own, so the server needs another thread."""
    started, stop, found = threading.Event(), asyncio.Event(), []

    async def serve():
        async with scripted_model(script, **options) as url:
            found.append((url, asyncio.get_running_loop()))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(10)
    url, loop = found[0]
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def row_of(answer, place=0):
    assert answer["columns"] == COLUMNS
    return dict(zip(COLUMNS, answer["rows"][place], strict=True))


def test_a_good_server(aiops):
    with served([TEXT, CALL], context=4096) as url:
        answer = aiops("models", AIOPS_MODEL_URLS=url).json()
    row = row_of(answer)
    assert (row["server"], row["model"], row["context"]) == (url, "scripted", 4096)
    assert (row["tools"], row["state"]) == ("yes", "good")
    assert 0 < row["first piece ms"] < 10_000
    assert row["tokens/s"] > 0
    assert answer["notes"] == []
    assert answer["headline"].startswith("1 of 1 model servers answer")
    texts, tools = (asked.body for asked in url.requests)
    assert "tools" not in texts
    assert tools["tool_choice"] == "auto"


def test_a_table_for_people(aiops):
    with served([TEXT, CALL]) as url:
        ended = aiops("models", "--table", AIOPS_MODEL_URLS=url)
    assert ended.code == 0
    assert "FIRST PIECE MS" in ended.out
    assert "good" in ended.out


def test_without_one_it_explains(aiops):
    answer = aiops("models", AIOPS_MODEL_URLS="").json()
    assert answer["headline"].startswith("No language model is set")
    assert "AIOPS_MODEL_URLS=http" in answer["notes"][0]


def test_beside_a_running_server_it_says_whose_these_are(aiops):
    answer = aiops("models", AIOPS_MODEL_URLS="", AIOPS_SERVER="http://127.0.0.1:9").json()
    assert "GET /api/v1/chat/models" in answer["notes"][-1]


def test_only_the_list(aiops):
    with served([], models=["a", "b"]) as url:
        answer = aiops("models", "--no-test", AIOPS_MODEL_URLS=url).json()
        assert url.requests == []
    row = row_of(answer)
    assert (row["model"], row["tools"], row["state"]) == ("a", None, "answers")
    assert answer["notes"] == ["offers a, b; URL#MODEL chooses one"]
    assert "--no-test" in answer["more"]


@pytest.mark.parametrize(
    ("script", "tools", "state", "note"),
    [
        ([TEXT, "I can't.", CALL], "only when required", "DEGRADED", "only when it must"),
        ([TEXT, "I can't.", "No."], "no", "DEGRADED", "made no tool call"),
        (
            [TEXT, Said(calls=[(TEST_TOOL.name, {"name": 7})])],
            "calls, with wrong arguments",
            "DEGRADED",
            "other arguments",
        ),
        (
            [TEXT, Said(calls=[("another", {"cluster": "x"})])],
            "calls, with wrong arguments",
            "DEGRADED",
            "other arguments",
        ),
        (
            [Said("One two.", reasoning="hm"), CALL],
            "yes",
            "good",
            "thinks aloud before it answers",
        ),
        (
            [Said("One two.", fault="not_streamed"), CALL],
            "yes",
            "FAILING",
            "all at once",
        ),
        (
            [TEXT, Said(status=400, body={"error": {"message": "--tool-call-parser is missing"}})],
            None,
            "DEGRADED",
            "--enable-auto-tool-choice",
        ),
    ],
)
def test_servers_with_a_weakness(aiops, script, tools, state, note):
    with served(script) as url:
        ended = aiops("models", AIOPS_MODEL_URLS=url)
    answer = json.loads(ended.out)
    row = row_of(answer)
    assert (row["tools"], row["state"]) == (tools, state)
    assert any(note in each for each in answer["notes"]), answer["notes"]
    assert ended.code == (1 if state == "FAILING" else 0)


def test_the_key_is_never_shown(aiops):
    key = "sk-planted-Xw9QeR72kdLm"
    with served([], api_key="another") as url:
        ended = aiops("models", AIOPS_MODEL_URLS=url, AIOPS_MODEL_API_KEY=key)
    assert ended.code == 1
    assert key not in ended.out + ended.err
    assert row_of(json.loads(ended.out))["state"] == "FAILING"
    assert "AIOPS_MODEL_API_KEY" in ended.out


def test_one_of_several_is_enough(aiops):
    with served([TEXT, CALL], context=None) as url:
        ended = aiops("models", AIOPS_MODEL_URLS=f"http://127.0.0.1:9/v1,{url}")
    answer = ended.json()
    assert [row_of(answer, place)["state"] for place in (0, 1)] == ["FAILING", "good"]
    assert "cannot be reached" in answer["notes"][0]
    assert "does not tell its context" in answer["notes"][1]


def test_a_url_that_is_none(aiops):
    ended = aiops("models", AIOPS_MODEL_URLS="localhost")
    assert ended.error()["code"] == "VALIDATION_FAILED"
    assert ended.code == 2
