"""``/logs/tail`` at its edge: what it lets out, and that no frame or parameter brings it down."""

import asyncio
import contextlib
import threading
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from aiops_mcp.errors import InputError
from aiops_mcp.models.logs import (
    LogEntry,
    LogSource,
    TailDropped,
    TailLines,
    TailSource,
    TailStatus,
)
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import authenticator_from
from aiops_mcp.surfaces.gate import Gate
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.log_tail import PATH, frames_of, log_tail_route, read_question
from aiops_mcp.surfaces.ratelimit import MemoryBuckets, RateLimits
from aiops_mcp.surfaces.websocket_auth import MAX_FRAME_BYTES

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWhlcmU"
FUZZ = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def line(message: str, **changed) -> LogEntry:
    given = {
        "cluster_id": UUID(int=1),
        "cluster_name": "east",
        "timestamp": 1,
        "stream": {"app": "shop"},
        "message": message,
    }
    return LogEntry(**{**given, **changed})


def sent(*entries: LogEntry) -> list[dict]:
    return [orjson.loads(frame) for frame in frames_of(TailLines(entries=entries))]


def test_secrets_and_control_characters_do_not_leave():
    [frame] = sent(
        line(
            f"Authorization: Bearer {TOKEN} \x1b[31mred\u202e",
            stream={"app": "shop", "password": "hunter2-hunter2"},
            metadata={"note": f"Bearer {TOKEN}"},
        )
    )
    text = orjson.dumps(frame).decode()
    assert TOKEN not in text
    assert "hunter2" not in text
    assert "\\u001b" not in text
    assert "\u202e" not in text
    assert frame["entries"][0]["cluster_name"] == "east"
    failed = TailSource(
        cluster_id=UUID(int=1),
        cluster_name="east",
        source=LogSource.LOKI,
        status=TailStatus.FAILED,
        error=f"https://user:{TOKEN}@loki said no",
    )
    [told] = frames_of(failed)
    assert TOKEN not in told
    assert orjson.loads(told)["status"] == "FAILED"


def test_frames_stay_within_their_size_and_shortened_lines_say_so():
    found = sent(*(line("x" * 2_000 + str(at)) for at in range(100)), line("y" * 1_000_000))
    assert all(len(orjson.dumps(frame)) <= MAX_FRAME_BYTES for frame in found)
    entries = [entry for frame in found for entry in frame["entries"]]
    assert len(entries) == 101
    assert entries[-1]["shortened"] is True
    assert entries[-1]["message"].endswith("…")
    assert "shortened" not in entries[0]
    assert orjson.loads(next(frames_of(TailDropped(count=7)))) == {"type": "dropped", "count": 7}


@FUZZ
@given(st.text(max_size=200), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_lines_of_any_text_become_frames(message, labels):
    [frame] = sent(line(message, stream=labels))
    assert set(frame) == {"type", "entries"}


class Asked:
    def __init__(self, **params) -> None:
        from starlette.datastructures import QueryParams

        self.query_params = QueryParams(params)


@pytest.mark.parametrize("limit", ["1001", "0000000009999", "9" * 5_000, "-1", "1.5", "²", "", "x"])
def test_a_limit_that_is_none(limit):
    with pytest.raises(InputError) as error:
        read_question(Asked(query="{a='b'}", limit=limit))
    assert error.value.details == {"field": "limit"}


@FUZZ
@given(st.dictionaries(st.sampled_from(["query", "limit", "start", "clusters", "z"]), st.text()))
def test_parameters_of_any_text(params):
    with contextlib.suppress(InputError):
        question = read_question(Asked(**params))
        assert question.query
        assert 0 <= question.limit <= 1000


async def nothing_new(question, principal):
    await asyncio.Event().wait()
    yield TailDropped(count=1)


@pytest.fixture(scope="module")
def client():
    made = Settings(rate_all_per_second=0, rate_user_per_minute=0)
    gate = Gate(
        authenticator_from(made), RateLimits(MemoryBuckets(), made), GatewayMetrics(process=False)
    )
    inner = Starlette(routes=[log_tail_route(nothing_new, gate)])
    ended = threading.Event()

    async def app(scope, receive, send):
        try:
            await inner(scope, receive, send)
        finally:
            if scope["type"] == "websocket":
                ended.set()

    with TestClient(app) as client:
        client.ended = ended
        yield client


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
NESTED = "[" * 300 + "]" * 300
FRAMES = (
    st.text(max_size=100)
    | st.binary(max_size=100)
    | st.sampled_from(
        [
            '{"type":"ping","timestamp":' + NESTED + "}",
            "[" * 30_000,
            '{"type":"pi',
            '"\\ud800"',
            "x" * (MAX_FRAME_BYTES + 1),
            '{"type":"subscribe"}',
        ]
    )
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["ping", "auth", "subscribe"]) | JSON}, optional={"timestamp": JSON}
    ).map(lambda frame: orjson.dumps(frame, default=str).decode())
)  # fmt: skip


def test_no_frame_brings_it_down(client, caplog):
    with client.websocket_connect(PATH + "?query={a='b'}") as socket:

        @FUZZ
        @given(FRAMES)
        def send(frame):
            if isinstance(frame, bytes):
                socket.send_bytes(frame)
            else:
                socket.send_text(frame)
            answer = socket.receive_json()
            assert answer["type"] in {"error", "pong", "auth_response"}
            assert answer.get("code", "INVALID_MESSAGE") == "INVALID_MESSAGE"

        send()
        socket.send_text('{"type":"ping","timestamp":' + NESTED + "}")
        assert socket.receive_json() == {"type": "pong", "timestamp": None}
        socket.close()
        assert client.ended.wait(5)  # the test client would cut it off
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_wrong_parameter_is_told_and_ends_it(client):
    with client.websocket_connect(PATH + "?colour=red") as socket:
        assert socket.receive_json()["code"] == "VALIDATION_FAILED"
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1008
