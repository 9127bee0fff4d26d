"""Recordings: what a model and tools did, kept without secrets, and done again from the file."""

import gzip
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from agents import evaluate
from agents.conversation import (
    Finish,
    ModelRequest,
    ReasoningPiece,
    TextPiece,
    ToolCall,
    ToolOutcome,
    ToolSpec,
    Turn,
    TurnDone,
)
from agents.evaluate.recorded import RecordedModel, RecordedTools, WatchedModel, WatchedTools
from agents.evaluate.recording import (
    Recording,
    call_key,
    read_recordings,
    write_recordings,
)
from aiops_mcp.errors import InputError, ModelNotAvailable
from aiops_mcp.models.chat import ToolStatus
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PERSONA = Persona(id="default", name="Default", system_prompt="You help.")
SECRET = "AKIAIOSFODNN7EXAMPLE"
CALL = ToolCall("c1", "query_logs", {"query": "{app='a'}", "limit": 3}, '{"limit":3}')
DONE = TurnDone(Finish.TOOL_CALLS, (CALL,), 100, 20, "model-a")
SPEC = ToolSpec("query_logs", "Lines of logs.", {"type": "object"})


class _Model:
    async def stream(self, request):
        for piece in ("I ", "look."):
            yield TextPiece(piece)
        yield ReasoningPiece("hm")
        yield ReasoningPiece("m")
        yield DONE

    async def context_tokens(self, model=None):
        return 4096


class _Tools:
    def __init__(self, *outcomes):
        self._outcomes = list(outcomes)

    @asynccontextmanager
    async def open(self, persona, principal):
        yield self

    async def specs(self):
        return (SPEC,)

    async def call(self, name, arguments, *, progress=None):
        return self._outcomes.pop(0)


def _outcome(text="3 lines") -> ToolOutcome:
    return ToolOutcome(ToolStatus.SUCCESS, text, {"headline": text, "rows": [["a", 1]]})


async def _pieces(model):
    return [piece async for piece in model.stream(ModelRequest([Turn("user", "Why?")]))]


async def _recorded(*outcomes) -> Recording:
    recording = Recording("one", NOW, "model-a")
    model = WatchedModel(_Model(), recording)
    await model.context_tokens()
    await _pieces(model)
    await _pieces(model)
    tools = WatchedTools(_Tools(*outcomes), recording)
    async with tools.open(PERSONA, LOCAL_ADMIN) as opened:
        await opened.specs()
        for _ in outcomes:
            await opened.call("query_logs", {"limit": 3, "query": "x"})
    assert (model.turns, tools.called) == (2, ["query_logs"] * len(outcomes))
    return recording


async def test_a_recording_is_written_and_played(tmp_path):
    write_recordings(tmp_path, [await _recorded(_outcome("first"), _outcome("second"))])
    played = read_recordings(tmp_path)["one"]
    assert (played.now, played.model, played.context_tokens) == (NOW, "model-a", 4096)
    model = RecordedModel(played)
    expected = [TextPiece("I look."), ReasoningPiece("hmm"), DONE]
    assert await _pieces(model) == expected
    assert await _pieces(model) == expected
    assert await model.context_tokens() == 4096
    with pytest.raises(ModelNotAvailable, match="ends after 2 turns"):
        await _pieces(model)
    async with RecordedTools(played).open(PERSONA, LOCAL_ADMIN) as tools:
        assert await tools.specs() == (SPEC,)
        texts = [
            (await tools.call("query_logs", {"query": "x", "limit": 3})).text for _ in range(3)
        ]
        assert texts == ["first", "second", "second"]
        unknown = await tools.call("query_logs", {"query": "y"})
        assert unknown.status is ToolStatus.ERROR
        assert "never called so" in unknown.text


async def test_without_a_recording_it_is_only_counted():
    model, tools = WatchedModel(_Model()), WatchedTools(_Tools(_outcome()))
    assert len(await _pieces(model)) == 5
    assert await model.context_tokens() == 4096
    async with tools.open(PERSONA, LOCAL_ADMIN) as opened:
        assert await opened.specs() == (SPEC,)
        assert (await opened.call("query_logs", {})).text == "3 lines"
    assert (model.turns, tools.called) == (1, ["query_logs"])


async def test_secrets_stay_out_of_the_file(tmp_path):
    recording = await _recorded(_outcome(f"key {SECRET} password=hunter2-and-more"))
    recording.turns.append([TextPiece(f"It is {SECRET}.")])
    recording.calls.append(("query_logs", {"query": SECRET}, _outcome()))
    (path,) = write_recordings(tmp_path, [recording])
    text = gzip.decompress(path.read_bytes()).decode()
    assert SECRET not in text
    assert "hunter2" not in text
    assert "[redacted:aws-key:" in text
    played = RecordedTools(read_recordings(tmp_path)["one"])
    async with played.open(PERSONA, LOCAL_ADMIN) as tools:
        assert (await tools.call("query_logs", {"query": SECRET})).text == "3 lines"


def test_the_order_of_arguments_does_not_matter():
    assert call_key("a", {"x": 1, "y": [1, 2]}) == call_key("a", {"y": [1, 2], "x": 1})
    assert call_key("a", {"x": 1}) != call_key("a", {"x": "1"})
    assert call_key("a", {}) != call_key("b", {})


async def test_the_same_recording_is_the_same_file(tmp_path):
    recording = await _recorded(_outcome())
    first = write_recordings(tmp_path / "a", [recording])[0].read_bytes()
    assert write_recordings(tmp_path / "b", [recording])[0].read_bytes() == first


async def test_recordings_are_added_to_a_folder(tmp_path):
    one, two = await _recorded(_outcome()), Recording("two", NOW)
    write_recordings(tmp_path, [one])
    write_recordings(tmp_path, [two])
    found = read_recordings(tmp_path)
    assert sorted(found) == ["one", "two"]
    assert found["one"].specs == (SPEC,)
    assert found["two"].turns == []


def test_what_is_no_recording(tmp_path):
    with pytest.raises(InputError, match="holds no recordings"):
        read_recordings(tmp_path)
    path = tmp_path / "x.json.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="is no recording"):
        read_recordings(tmp_path)
    path.write_bytes(gzip.compress(orjson.dumps({"scenario": "x"})))
    with pytest.raises(InputError, match="no recording of this version"):
        read_recordings(tmp_path)


def test_recordings_hold_no_secret_that_a_pod_logged() -> None:
    planted = ("c2ltdWxhdGVkLXNpZ25hdHVyZS1ub3QtcmVhbA", "not-a-real-password", "AKIAIOSFODNN7EX")
    folders = [Path(evaluate.__file__).parent / "recordings", ROOT / "tests/data/recordings"]
    files = [each for folder in folders for each in folder.rglob("*") if each.is_file()]
    texts = [
        (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
        for raw in (file.read_bytes() for file in files)
    ]
    assert len(texts) >= 20
    assert any("hostile" in text or "ignore your instructions" in text for text in texts)
    assert [word for word in planted if any(word in text for text in texts)] == []
