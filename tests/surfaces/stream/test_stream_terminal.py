"""`aiops watch --server`: against the real stream, and a server that goes away."""

import asyncio

import pytest

from agents.cli_watch import summary
from agents.stream_client import stream as watch
from agents.stream_client import websocket_url
from aiops_mcp.errors import AuthFailed, ClusterUnreachable, InputError

ADMIN = "admin-token-123456"


async def collect(events, count: int) -> list[int]:
    found = []
    async with asyncio.timeout(5):
        async for event in events:
            found.append(event["payload"]["n"])
            if len(found) == count:
                return found
    return found


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the other side's doing
            await asyncio.sleep(0.005)


async def test_it_comes_back_and_gets_what_it_missed(streams, event) -> None:
    stream = await streams(tokens=True)
    said: list[str] = []
    pauses: list[float] = []
    away = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        away.set()
        await back.wait()

    back = asyncio.Event()
    events = watch(stream.url.removesuffix("/ws"), ADMIN, {"event_types": ["ALERT_FIRED"]},
                   told=said.append, sleep=sleep)  # fmt: skip
    first = asyncio.create_task(anext(events))
    await until(lambda: len(stream.hub._routing) == 1)
    await stream.publish(event(0))
    assert (await first)["payload"]["n"] == 0
    rest = asyncio.create_task(collect(events, 3))
    for client in stream.hub.clients:
        client.say_goodbye("SERVER_SHUTDOWN", reconnect_after_ms=1500)
    await away.wait()
    await stream.publish(event(1), event(2))
    back.set()
    await until(lambda: len(stream.hub._routing) == 1)
    await stream.publish(event(3))
    assert await rest == [1, 2, 3]
    assert pauses == [1.5]
    assert said == [
        "the server says SERVER_SHUTDOWN",
        "the connection is gone; trying again in 1.5 s",
    ]
    await events.aclose()


async def test_pauses_grow_as_the_contract_says(streams, event) -> None:
    stream = await streams()
    pauses: list[float] = []

    class Enough(Exception): ...

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            raise Enough
        if len(pauses) == 1:  # gone for good, without a word
            stream.server.should_exit = True
            stream.server.servers[0].close()

    events = watch(stream.url.removesuffix("/ws"), None, {}, told=lambda _: None, sleep=sleep)
    first = asyncio.create_task(anext(events))
    await until(lambda: len(stream.hub._routing) == 1)
    await stream.publish(event(0))
    await first
    for client in stream.hub.clients:
        await client.websocket.close(1011)
    with pytest.raises(Enough):
        await anext(events)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


async def test_what_cannot_work_ends_at_once(streams) -> None:
    stream = await streams(tokens=True)
    url = stream.url.removesuffix("/ws")
    with pytest.raises(AuthFailed):
        await anext(watch(url, "wrong-wrong-wrong", {}, told=lambda _: None))
    with pytest.raises(InputError):
        await anext(watch(url, ADMIN, {"event_types": ["NOPE"]}, told=lambda _: None))
    with pytest.raises(ClusterUnreachable):
        await anext(watch("http://127.0.0.1:1", None, {}, told=lambda _: None))
    with pytest.raises(InputError):
        await anext(watch("ws://", None, {}, told=lambda _: None))


async def test_a_gap_and_a_notice_are_told(streams, event) -> None:
    stream = await streams(log=2)
    said: list[str] = []
    events = watch(stream.url.removesuffix("/ws"), None, {}, told=said.append)
    first = asyncio.create_task(anext(events))
    await until(lambda: len(stream.hub._routing) == 1)
    from aiops_mcp.models.events import Notice, NoticeKind

    await stream.bus.announce(Notice(kind=NoticeKind.NOTICE, text="maintenance"))
    await stream.publish(event(0))
    await first
    assert said == ["maintenance"]
    await events.aclose()


def test_addresses() -> None:
    assert websocket_url("http://h:1/") == "ws://h:1/ws"
    assert websocket_url("https://h/mcp") == "wss://h/ws"


def test_a_payload_in_one_line() -> None:
    payload = {"metric_name": "cpu", "value": 1.5, "nothing": None, "labels": {"b": 1, "a": "x"}}
    assert summary(payload) == "metric_name=cpu value=1.5 {a=x,b=1}"
    assert summary({"labels": {}}) == ""
