"""A chat with a running server: events read, connections that break, errors that keep their code."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest

from agents.chat_client import RemoteChat
from agents.remote import RemoteSession
from agents.sse import SentEvents
from aiops_mcp.errors import AiopsError, ClusterUnreachable

SESSION = uuid4()


def event(kind: str, data: str = "{}", event_id: str = "") -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()


class Body(httpx2.AsyncByteStream):
    """Pieces of a stream; an exception among them breaks it."""

    def __init__(self, *pieces) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Server:
    """Answers requests by a script, and remembers them."""

    def __init__(self, *answers) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Body):
            return httpx2.Response(200, stream=answer)
        return answer


async def steps(server: Server, text: str | None = "Why?") -> list[tuple[str, dict]]:
    transport = httpx2.MockTransport(server)
    async with httpx2.AsyncClient(transport=transport, base_url="http://server") as client:
        chat = RemoteChat(RemoteSession(client), come_back=(0, 0))
        told = chat.ask(SESSION, text) if text else chat.follow(SESSION)
        return [(each.type, dict(each.data)) async for each in told]


async def test_events_are_read_to_the_last() -> None:
    server = Server(
        Body(
            b"retry: 2000\n\n: keep-alive\n\n",
            event("message_start", '{"id": "m"}', "a.1")[:20],
            event("message_start", '{"id": "m"}', "a.1")[20:],
            event("content_delta", '{"delta": "ä"}', "a.2")
            + event("message_complete", "{}", "a.end"),
            event("never", "{}"),
        )
    )
    assert await steps(server) == [
        ("message_start", {"id": "m"}),
        ("content_delta", {"delta": "ä"}),
        ("message_complete", {}),
    ]
    assert server.requests[0].url.path == f"/api/v1/chat/sessions/{SESSION}/stream"
    assert (server.requests[0].method, server.requests[0].content) == (
        "POST",
        b'{"content":"Why?"}',
    )


@pytest.mark.parametrize("broken", [httpx2.ReadError("reset"), None])
async def test_a_connection_that_breaks_is_taken_up_again(broken) -> None:
    pieces = [event("message_start", "{}", "a.1"), event("content_delta", '{"delta":"x"}', "a.2")]
    server = Server(
        Body(*pieces, *([broken] if broken else [])),
        httpx2.ConnectError("the server is being restarted"),
        Body(event("content_delta", '{"delta":"y"}', "a.3"), event("error", "{}", "a.end")),
    )
    told = await steps(server)
    assert [data.get("delta") for kind, data in told if kind == "content_delta"] == ["x", "y"]
    assert told[-1][0] == "error"
    assert [each.method for each in server.requests] == ["POST", "GET", "GET"]
    assert server.requests[2].headers["last-event-id"] == "a.2"


async def test_a_server_that_does_not_come_back_is_given_up() -> None:
    gone = httpx2.ConnectError("refused")
    server = Server(Body(event("message_start", "{}", "a.1")), gone, gone)
    with pytest.raises(ClusterUnreachable, match="http://server"):
        await steps(server)


async def test_a_question_that_never_arrived_is_not_sent_twice() -> None:
    server = Server(httpx2.ConnectError("refused"))
    with pytest.raises(ClusterUnreachable, match="refused"):
        await steps(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["Why?", None])
async def test_a_refusal_keeps_its_code(text) -> None:
    body = {"error": {"code": "SESSION_EXPIRED", "message": "It expired.", "details": {}}}
    with pytest.raises(AiopsError, match="It expired") as raised:
        await steps(Server(httpx2.Response(410, json=body)), text)
    assert raised.value.code == "SESSION_EXPIRED"


async def test_nothing_left_to_stream_is_an_error_that_says_so() -> None:
    with pytest.raises(AiopsError):
        await steps(Server(httpx2.Response(204)), None)


def test_server_sent_events_as_the_standard_says() -> None:
    events = SentEvents()
    lines = [
        *("data: first", "data: second", ""),
        *(": a comment", "event:kind", "id: 7", "data:tight", "nothing: known", "retry: 5", ""),
        *("event: without data", ""),
        *("id: bad\0id", "data", ""),
    ]
    found = [told for line in lines if (told := events.take(line)) is not None]
    assert [(each.type, each.data, each.id) for each in found] == [
        ("message", "first\nsecond", ""),
        ("kind", "tight", "7"),
        ("message", "", "7"),
    ]
