"""``/ws`` as a client meets it: its frames, filters, errors, replay and limits."""

import asyncio
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from aiops_mcp.models.events import EventType, Notice, NoticeKind
from aiops_mcp.surfaces import stream as stream_module

ADMIN, CONFINED = "admin-token-123456", "confined-token-123456"


@pytest.fixture(params=[True, False], ids=["direct", "by ASGI"])
def direct(request) -> bool:
    return request.param


async def test_a_session_from_auth_to_unsubscribe(streams, event, direct) -> None:
    stream = await streams(tokens=True, direct=direct)
    async with stream.client() as client:
        assert (await client.ask({"type": "auth", "token": ADMIN}))["status"] == "authenticated"
        answer = await client.ask(
            {"type": "subscribe", "subscription": {"event_types": ["GPU_UPDATE"]}}
        )
        assert answer["type"] == "subscribed"
        assert answer["subscription"]["event_types"] == ["GPU_UPDATE"]
        await stream.publish(event(1), event(2, kind=EventType.GPU_UPDATE))
        frame = await client.next()
        assert frame["type"] == "event"
        assert frame["event_id"] == str(UUID(int=3))
        assert frame["sequence"] == stream.bus.log.newest
        assert frame["event_type"] == "GPU_UPDATE"
        assert frame["cluster_name"] == "east"
        assert frame["payload"] == {"n": 2}
        pong = await client.ask({"type": "ping", "timestamp": 17})
        assert pong == {"type": "pong", "timestamp": 17, "server_time": "2026-03-01T00:00:00+00:00"}
        assert (await client.ask({"type": "unsubscribe"}))["subscriptions"] == []
        await stream.publish(event(4, kind=EventType.GPU_UPDATE))
        assert await client.numbers() == []


@pytest.mark.parametrize(
    ("subscription", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"event_types": ["GPU_UPDATE"]}, [3]),
        ({"cluster_filter": ["west"]}, [1]),
        ({"cluster_filter": ["2ce9e5ca-7bb6-5b2b-bf37-4ae6d1fa8f39", "west"]}, [1]),
        ({"namespace_filter": ["pay"]}, [0, 2]),
        ({"namespace_filter": ["pay"], "cluster_filter": ["east"]}, [0]),
        ({"event_types": ["ALERT_FIRED"], "cluster_filter": ["east", "west"]}, [0, 1]),
        ({"cluster_filter": ["nowhere"]}, []),
    ],
)
async def test_filters(streams, event, subscription, expected) -> None:
    stream = await streams()
    async with stream.client() as client:
        await client.ask({"type": "subscribe", "subscription": subscription})
        await stream.publish(
            event(0, namespace="pay"),
            event(1, cluster="west", labels={"namespace": "web"}),
            event(2, cluster="south", labels={"namespace": "pay"}),
            event(3, kind=EventType.GPU_UPDATE),
            event(4, cluster=None),
        )
        assert await client.numbers() == expected


async def test_a_cluster_is_found_by_its_id_too(streams, event) -> None:
    stream = await streams()
    one = event(1)
    async with stream.client(cluster_filter=[str(one.cluster_id)]) as client:
        await stream.publish(one, event(2, cluster="west"))
        assert await client.numbers() == [1]


async def test_two_subscriptions_that_overlap_bring_an_event_once(streams, event) -> None:
    stream = await streams()
    async with stream.client(cluster_filter=["east"]) as client:
        await client.ask({"type": "subscribe", "event_types": ["ALERT_FIRED"]})
        assert len(stream.hub._routing) == 2
        await stream.publish(event(1), event(2, cluster="west"))
        assert await client.numbers() == [1, 2]
        left = await client.ask({"type": "unsubscribe", "event_types": ["ALERT_FIRED"]})
        assert len(left["subscriptions"]) == 1
        assert "ALERT_FIRED" not in left["subscriptions"][0]["event_types"]
        await stream.publish(event(3), event(4, kind=EventType.GPU_UPDATE))
        assert await client.numbers() == [4]


async def test_what_one_may_not_see_does_not_happen(streams, event) -> None:
    stream = await streams(tokens=True)
    hidden = event(1, cluster="west")
    async with (
        stream.client(CONFINED, event_types=[]) as confined,
        stream.client(CONFINED, cluster_filter=["west", str(hidden.cluster_id)]) as asking,
        stream.client(ADMIN, event_types=[]) as admin,
    ):
        await stream.publish(hidden, event(2), event(3, cluster=None), event(4, cluster="south"))
        assert await confined.numbers() == [2, 4]
        assert await asking.numbers() == []
        assert await admin.numbers() == [1, 2, 3, 4]
    async with stream.client(CONFINED) as again:
        answer = await again.ask(
            {
                "type": "subscribe",
                "subscription": {},
                "last_event_id": stream.bus.log._entries[0].sequence,
            }
        )
        assert answer["replayed"] == 2


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "INVALID_MESSAGE"),
        ("[]", "INVALID_MESSAGE"),
        ('{"type":"dance"}', "INVALID_MESSAGE"),
        ("{}", "INVALID_MESSAGE"),
        (b"\x00\x01", "INVALID_MESSAGE"),
        ({"type": "subscribe", "subscription": 7}, "INVALID_SUBSCRIPTION"),
        ({"type": "subscribe", "subscription": {"event_types": ["NOPE"]}}, "INVALID_SUBSCRIPTION"),
        ({"type": "subscribe", "subscription": {"colour": "red"}}, "INVALID_SUBSCRIPTION"),
        ({"type": "subscribe", "subscription": {"cluster_filter": "east"}}, "INVALID_SUBSCRIPTION"),
        ({"type": "subscribe", "subscription": {"cluster_filter": ["c"] * 501}}, "INVALID_SUBSCRIPTION"),
        ({"type": "subscribe", "subscription": {}, "last_event_id": 7}, "INVALID_MESSAGE"),
        ({"type": "unsubscribe", "event_types": ["NOPE"]}, "INVALID_SUBSCRIPTION"),
        ({"type": "unsubscribe", "event_types": 5}, "INVALID_SUBSCRIPTION"),
    ],
)  # fmt: skip
async def test_a_bad_frame_is_told_and_ends_nothing(streams, frame, code) -> None:
    stream = await streams()
    async with stream.client() as client:
        error = await client.ask(frame)
        assert (error["type"], error["code"]) == ("error", code)
        assert error["message"]
        assert (await client.ask({"type": "ping"}))["type"] == "pong"


async def test_too_many_subscriptions(streams) -> None:
    stream = await streams()
    async with stream.client() as client:
        codes = []
        for number in range(52):
            answer = await client.ask(
                {"type": "subscribe", "subscription": {"cluster_filter": [f"c{number}"]}}
            )
            codes.append(answer.get("code"))
            if number % 10 == 9:
                await asyncio.sleep(0.55)  # there is a limit of frames as well
        assert codes == [None] * 50 + ["INVALID_SUBSCRIPTION"] * 2


async def test_frames_faster_than_allowed(streams) -> None:
    stream = await streams()
    async with stream.client() as client:
        for _ in range(60):
            await client.send({"type": "ping"})
        codes = [(await client.next()).get("code") for _ in range(55)]
        assert codes.index("RATE_LIMITED") >= 50


async def test_a_frame_that_is_too_large_ends_the_connection(streams) -> None:
    stream = await streams()
    async with stream.client() as client:
        await client.send('{"type":"' + "x" * 70_000 + '"}')
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    for _ in range(100):
        if not stream.hub.clients:
            break
        await asyncio.sleep(0.01)
    assert stream.hub.status().connections == 0


async def test_a_payload_that_is_too_large_is_shortened_and_says_so(streams, event) -> None:
    stream = await streams()
    async with stream.client(event_types=[]) as client:
        await stream.publish(event(1, text="x" * 200_000, rows=[{"a": "y" * 900}] * 500))
        text = await client.socket.recv()
        frame = orjson.loads(text)
        assert len(text) <= 64 * 1024
        assert frame["shortened"] is True
        assert frame["payload"]["n"] == 1
        assert frame["payload"]["text"] == "x" * 1000 + "…"
        assert len(frame["payload"]["rows"]) == 50
        await stream.publish(event(2, **{f"k{at}": "z" * 1000 for at in range(500)}))
        text = await client.socket.recv()
        assert len(text) <= 64 * 1024
        assert orjson.loads(text)["payload"]["n"] == 2


async def test_secrets_and_control_characters_do_not_leave(streams, event) -> None:
    stream = await streams()
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLWhlcmU"
    async with stream.client(event_types=[]) as client:
        labels = {
            "note": f"Bearer {token}",
            "password": "hunter2-hunter2",
            "name": "a\u202eb\x1b[31mc",
        }
        await stream.publish(event(1, labels=labels))
        text = await client.socket.recv()
        assert token not in text
        assert "hunter2" not in text
        assert orjson.loads(text)["payload"]["labels"]["name"] == "abc"


async def test_replay_of_what_was_missed(streams, event, direct) -> None:
    stream = await streams(direct=direct)
    async with stream.client(event_types=["ALERT_FIRED"]) as client:
        await stream.publish(event(0))
        last = (await client.next())["event_id"]
    await stream.publish(*(event(number) for number in range(1, 400)))
    await stream.publish(event(400, kind=EventType.GPU_UPDATE))
    async with stream.client() as client:
        answer = await client.ask(
            {
                "type": "subscribe",
                "subscription": {"event_types": ["ALERT_FIRED"]},
                "last_event_id": last,
            }
        )
        assert (answer["replayed"], answer["gap"]) == (399, False)
        await stream.publish(event(401))
        assert await client.numbers() == [*range(1, 400), 401]
    await stream.publish(*(event(number) for number in range(500, 1600)))
    async with stream.client() as client:
        answer = await client.ask({"type": "subscribe", "subscription": {}, "last_event_id": last})
        assert answer["gap"] is True
        assert answer["replayed"] == 1000


async def test_no_event_comes_twice_where_it_is_replayed_and_under_way(streams, event) -> None:
    stream = await streams()
    await stream.publish(event(0))
    async with stream.client() as client:
        await client.ask({"type": "ping"})
        await stream.bus.publish(event(1))  # in the log, not yet with the hub
        answer = await client.ask(
            {"type": "subscribe", "subscription": {}, "last_event_id": str(UUID(int=1))}
        )
        await stream.bus.settle()
        assert answer["replayed"] + len(found := await client.numbers()) in (1, 2)
        assert found == [1]


async def test_notices_and_gaps_reach_everybody(streams) -> None:
    stream = await streams()
    async with stream.client() as client:
        await client.ask({"type": "ping"})
        await stream.hub.announce(Notice(kind=NoticeKind.NOTICE, text="hello"))
        assert await client.next() == {"type": "notice", "message": "hello"}
        await stream.bus.announce(Notice(kind=NoticeKind.GAP, text="lost", dropped=7))
        assert await client.next() == {"type": "gap", "message": "lost", "dropped": 7}


async def test_one_connection_too_many_is_told_when_to_come_again(streams) -> None:
    stream = await streams(most=1)
    async with stream.client() as first:
        await first.ask({"type": "ping"})
        async with stream.client() as second:
            frame = await second.next()
            assert frame["type"] == "disconnect"
            assert frame["reason"] == "TOO_MANY_CONNECTIONS"
            assert frame["reconnect_after_ms"] > 0
            with pytest.raises(ConnectionClosed) as closed:
                await second.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
    for _ in range(100):
        if stream.hub.status().connections == 0:
            break
        await asyncio.sleep(0.01)
    async with stream.client() as third:
        assert (await third.ask({"type": "ping"}))["type"] == "pong"


async def test_the_server_says_goodbye(streams) -> None:
    stream = await streams()
    async with stream.client() as client:
        await client.ask({"type": "ping"})
        stream.hub.close()
        frame = await client.next()
        assert frame["type"] == "disconnect"
        assert frame["reason"] == "SERVER_SHUTDOWN"
        assert 1000 <= frame["reconnect_after_ms"] <= 5000
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        async with stream.client() as late:
            assert (await late.next())["reason"] == "SERVER_SHUTDOWN"


@pytest.mark.parametrize("renewed", [True, False])
async def test_a_token_that_expires(streams, event, monkeypatch, renewed) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(stream_module, "SILENCE_SECONDS", 0.3)
    stream = await streams(tokens=True)
    async with stream.client(ADMIN, event_types=[]) as client:
        stream.tokens_gone.add(ADMIN)
        error = await client.next()
        assert (error["type"], error["code"]) == ("error", "AUTH_EXPIRED")
        await stream.publish(event(1))
        if renewed:
            assert (await client.ask({"type": "auth", "token": CONFINED}))["role"] == "viewer"
            await stream.publish(event(2), event(3, cluster="west"))
            assert await client.numbers() == [2]
        else:
            with pytest.raises(ConnectionClosed) as closed:
                await client.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


async def test_a_wrong_token_later_on_ends_the_connection(streams) -> None:
    stream = await streams(tokens=True)
    async with stream.client(ADMIN) as client:
        assert (await client.ask({"type": "auth", "token": "wrong-wrong-wrong"}))[
            "code"
        ] == "AUTH_FAILED"
        with pytest.raises(ConnectionClosed):
            await client.next()


async def test_who_does_not_read_costs_nobody_anything(streams, event, direct) -> None:
    stream = await streams(direct=direct)
    async with stream.client(event_types=[]) as lazy, stream.client(event_types=[]) as eager:
        lazy.socket.transport.pause_reading()
        text = "x" * 30_000

        async def read() -> list[int]:
            return [(await eager.next())["payload"]["n"] for _ in range(400)]

        reading = asyncio.create_task(read())
        for number in range(400):
            await stream.publish(event(number, text=text))
            await asyncio.sleep(0.001)
        assert await reading == [*range(400)]
        [slow] = [client for client in stream.hub.clients if client.dropped]
        assert slow.waiting <= 101
        dropped = slow.dropped
        lazy.socket.transport.resume_reading()
        seen: list[int] = []
        told = 0
        while not seen or seen[-1] != 399:
            frame = await lazy.next()
            if frame["type"] == "error":
                assert frame["code"] == "QUEUE_FULL"
                told += frame["dropped"]
            else:
                seen.append(frame["payload"]["n"])
        assert told == dropped == 400 - len(seen)
        assert seen == sorted(seen)
        assert stream.hub.status().dropped == dropped
        assert f"ws_events_dropped_total {float(dropped)}" in stream.metrics.text().decode()


async def test_metrics_of_the_contract(streams, event) -> None:
    stream = await streams()
    async with stream.client(event_types=["ALERT_FIRED"]) as client:
        await stream.publish(event(1))
        await client.next()
        text = stream.metrics.text().decode()
    for line in (
        "ws_connections_total 1.0",
        "ws_connections_active 1.0",
        "ws_messages_sent_total 2.0",
        "ws_messages_received_total 1.0",
        'ws_events_routed_total{type="ALERT_FIRED"} 1.0',
        "ws_events_dropped_total 0.0",
        "ws_subscription_count 1.0",
        "ws_message_latency_seconds_count 1.0",
    ):
        assert line in text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
FRAMES = (
    st.text(max_size=200)
    | st.binary(max_size=100)
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["subscribe", "unsubscribe", "ping", "auth"]) | JSON},
        optional={
            "subscription": JSON,
            "event_types": JSON,
            "last_event_id": JSON,
            "timestamp": JSON,
            "token": JSON,
        },
    ).map(lambda frame: orjson.dumps(frame).decode())
)


async def test_no_frame_brings_it_down(streams) -> None:
    stream = await streams()
    found: list[bytes | str] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(FRAMES)
    def gather(frame: bytes | str) -> None:
        found.append(frame)

    gather()
    for start in range(0, len(found), 40):
        async with stream.client() as client:
            for frame in found[start : start + 40]:
                try:
                    answer = await client.ask(frame)
                except ConnectionClosed:
                    break  # an auth frame that is not one ends the connection
                assert answer["type"] in {
                    "error",
                    "pong",
                    "subscribed",
                    "unsubscribed",
                    "auth_response",
                    "event",
                }
                assert answer.get("code") != "INTERNAL_ERROR", (frame, answer)
