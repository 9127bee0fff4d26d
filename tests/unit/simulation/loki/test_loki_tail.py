"""The tail over a WebSocket: what was, what comes, what is pushed late, what is refused."""

from contextlib import ExitStack

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

NOW_NS = 1_764_050_000 * 10**9
TAIL = "/loki/api/v1/tail"


@pytest.fixture
def loki(fleet_with):
    with TestClient(fleet_with().app("dev-dublin", "loki")) as client:
        yield client


def push(client, *rows):
    values = [[str(ns), line] for ns, line in rows]
    body = {"streams": [{"stream": {"app": "mine"}, "values": values}]}
    assert client.post("/loki/api/v1/push", json=body).status_code == 204


def texts(frame):
    return [value[1] for stream in frame["streams"] for value in stream["values"]]


MINE = {"query": '{app="mine"} | logfmt'}


def test_what_was_then_what_is_pushed_even_late(loki):
    push(loki, *((NOW_NS - n * 10**9, f"old={n}") for n in (3, 2, 1)))
    with loki.websocket_connect(TAIL, params={**MINE, "limit": "2"}) as socket:
        frame = socket.receive_json()
        assert texts(frame) == ["old=2", "old=1"]
        assert frame["streams"][0]["stream"] == {"app": "mine", "old": "2"}
        push(loki, (NOW_NS - 60 * 10**9, "late=1"))
        assert texts(socket.receive_json()) == ["late=1"]


def test_what_is_written_comes_as_time_goes_on(loki, clock):
    with loki.websocket_connect(TAIL, params={"query": '{app="coredns"}', "limit": "1"}) as socket:
        assert len(texts(socket.receive_json())) == 1
        clock.moment += 30.0
        frame = socket.receive_json()
        stamps = [int(v[0]) for s in frame["streams"] for v in s["values"]]
        assert 5 <= len(stamps) <= 40
        assert all(NOW_NS <= at < NOW_NS + 30 * 10**9 for at in stamps)
        clock.moment += 30.0
        again = [int(v[0]) for s in socket.receive_json()["streams"] for v in s["values"]]
        assert min(again) >= NOW_NS + 30 * 10**9


def test_of_too_many_lines_the_newest_come_and_the_others_are_told(loki):
    with loki.websocket_connect(TAIL, params={"query": '{app="mine"}'}) as socket:
        push(loki, *((NOW_NS - 5000 + n, str(n)) for n in range(1200)))
        frame = socket.receive_json()
    assert len(texts(frame)) == 1000
    assert texts(frame)[0] == "200"
    assert len(frame["dropped_entries"]) == 200
    assert frame["dropped_entries"][0] == {
        "labels": {"app": "mine"},
        "timestamp": str(NOW_NS - 5000),
    }


def test_labels_kept_apart(loki):
    push(loki, (NOW_NS - 1, "n=1"))
    headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
    with loki.websocket_connect(TAIL, params=MINE, headers=headers) as socket:
        frame = socket.receive_json()
    assert frame["encodingFlags"] == ["categorize-labels"]
    assert frame["streams"] == [
        {"stream": {"app": "mine"}, "values": [[str(NOW_NS - 1), "n=1", {"parsed": {"n": "1"}}]]}
    ]


def test_it_ends_after_an_hour(loki, clock):
    with loki.websocket_connect(TAIL, params={"query": '{app="mine"}'}) as socket:
        clock.moment += 3600.0
        message = socket.receive()
    assert (message["type"], message["code"]) == ("websocket.close", 1011)
    assert message["reason"] == "reached tail max duration limit"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"query": "{"}, "parse error"),
        ({"query": 'rate({app="mine"}[1m])'}, "only log selectors"),
        ({"query": '{app="mine"} | line_format `{{`'}, "invalid template"),
        ({**MINE, "delay_for": "6"}, "delay_for can't be greater than 5"),
        ({**MINE, "limit": "5001"}, "max entries limit"),
        ({**MINE, "start": "soon"}, "could not parse 'start'"),
    ],
)
def test_what_cannot_be_is_refused_before_the_upgrade(loki, params, text):
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        loki.websocket_connect(TAIL, params=params),
    ):
        pass
    assert refused.value.status_code == 400
    assert text in refused.value.text


def test_ten_at_a_time(loki):
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(loki.websocket_connect(TAIL, params=MINE))
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            loki.websocket_connect(TAIL, params=MINE),
        ):
            pass
        assert "max concurrent tail requests limit exceeded" in refused.value.text
