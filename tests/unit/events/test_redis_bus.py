"""The bus over a real Redis: one order for all, and what happens while it is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import orjson
import pytest
import real_stores
from redis.asyncio import Redis

from aiops_mcp.errors import InputError
from aiops_mcp.events.redis import RedisBus
from aiops_mcp.events.redis_wire import EventStore, channels_of
from aiops_mcp.models.events import Event, EventType, Notice, NoticeKind

pytestmark = pytest.mark.real


def event(number: int, kind: EventType = EventType.METRIC_UPDATE) -> Event:
    return Event(
        event_id=uuid4(),
        event_type=kind,
        source="test",
        timestamp=datetime.now(UTC),
        payload={"n": number},
    )


class Ear:
    """What one process's listener heard."""

    def __init__(self, bus: RedisBus) -> None:
        self.bus = bus
        self.heard: list[int] = []
        self.notices: list[Notice] = []
        bus.subscribe(self._listen)
        bus.on_notice(self.notices.append)

    async def _listen(self, event: Event) -> None:
        self.heard.append(event.payload["n"])


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # another process's doing
            await asyncio.sleep(0.01)


@pytest.fixture
def redis(require_program) -> Iterator[real_stores.RedisServer]:
    require_program("redis-server")
    with real_stores.redis_server() as server:
        yield server


Join = Callable[..., Awaitable[Ear]]


@pytest.fixture
async def join(redis) -> AsyncIterator[Join]:
    buses: list[RedisBus] = []

    async def one(**options) -> Ear:
        bus = RedisBus(EventStore(redis.url, timeout=0.5), **options)
        buses.append(bus)
        ear = Ear(bus)
        await until(lambda: bus.connected)
        return ear

    yield one
    for bus in buses:
        await bus.close()


async def test_all_processes_hear_the_same_in_the_same_order_once(join: Join) -> None:
    one, two = await join(), await join()
    for number in range(50):
        await one.bus.publish(event(number))
        await two.bus.publish(event(100 + number))
    await until(lambda: len(one.heard) == len(two.heard) == 100)
    assert one.heard == two.heard
    assert sorted(one.heard) == [*range(50), *range(100, 150)]
    assert one.bus.log.newest == two.bus.log.newest
    assert one.bus.waiting == 0


async def test_who_comes_later_knows_what_was_and_hears_only_what_is(join: Join) -> None:
    one = await join()
    first = event(1)
    await one.bus.publish(first)
    await until(lambda: one.heard == [1])
    two = await join()
    await one.bus.publish(event(2))
    await until(lambda: two.heard == [2])
    missed = two.bus.log.after(str(first.event_id))
    assert [entry.event.payload["n"] for entry in missed.entries] == [2]
    assert missed.gap is False
    assert two.bus.log.sequence_of(first.event_id) == one.bus.log.sequence_of(first.event_id)


async def test_channels_are_those_of_the_contract(join: Join, redis) -> None:
    one = await join()
    alert = event(1, EventType.ALERT_FIRED).model_copy(update={"cluster_id": uuid4()})
    assert channels_of(alert) == (
        "aiops:events:all",
        f"aiops:events:cluster:{alert.cluster_id}",
        "aiops:events:alerts",
    )
    assert channels_of(event(1, EventType.GPU_UPDATE))[1:] == ("aiops:events:gpu",)
    assert channels_of(event(1, EventType.ANOMALY_DETECTED))[1:] == ("aiops:events:anomaly",)
    client = Redis.from_url(redis.url)
    channel = client.pubsub(ignore_subscribe_messages=True)
    await channel.subscribe("aiops:events:alerts")
    await channel.get_message(timeout=1)
    await one.bus.publish(alert)
    message = None
    for _ in range(20):
        message = message or await channel.get_message(timeout=0.5)
    body = orjson.loads(message["data"])
    assert body["event_id"] == str(alert.event_id)
    await until(lambda: body["sequence"] == one.bus.log.newest)
    await channel.aclose()
    await client.aclose()


async def test_what_others_put_on_the_channel_is_heard_and_rubbish_left_out(
    join: Join, redis, caplog: pytest.LogCaptureFixture
) -> None:
    one = await join()
    client = Redis.from_url(redis.url)
    for text in ("no json", "[1]", "{}", '{"event_type":"NO_SUCH"}', b"\xff\x00"):
        await client.publish("aiops:events:all", text)
        await client.publish("aiops:control:streaming", text)
    await client.publish("aiops:events:all", event(7).model_dump_json())
    await until(lambda: one.heard == [7])
    assert one.notices == []
    assert "is no event and was left out" in caplog.text
    assert one.bus.connected
    await client.aclose()


async def test_an_announcement_reaches_everybody_once(join: Join) -> None:
    one, two = await join(), await join()
    said = Notice(kind=NoticeKind.NOTICE, text="maintenance at noon")
    await one.bus.announce(said)
    await until(lambda: two.notices and one.notices)
    assert one.notices == two.notices == [said]


async def test_while_redis_is_away_events_stay_and_are_sent_later(join: Join, redis) -> None:
    one, two = await join(), await join()
    await one.bus.publish(event(0))
    await until(lambda: two.heard == [0] and one.heard == [0])
    redis.stop()
    await until(lambda: not one.bus.connected and not two.bus.connected)
    for number in (1, 2, 3):
        await one.bus.publish(event(number))
    await one.bus._local.settle()
    assert one.heard == [0, 1, 2, 3]  # at once, where it happened
    assert two.heard == [0]
    assert one.bus.waiting == 3
    redis.start()
    await until(lambda: two.heard == [0, 1, 2, 3])
    await until(lambda: one.bus.waiting == 0)
    await two.bus.publish(event(4))
    await until(lambda: one.heard == [0, 1, 2, 3, 4])  # its own not a second time
    # This Redis forgot everything: nobody can know whether something is missing.
    await until(lambda: one.notices and two.notices)
    assert {notice.kind for notice in (*one.notices, *two.notices)} == {NoticeKind.GAP}


async def test_what_does_not_fit_the_buffer_is_announced_with_its_count(join: Join, redis) -> None:
    one, two = await join(buffer=5), await join()
    redis.stop()
    await until(lambda: not one.bus.connected and not two.bus.connected)
    for number in range(12):
        await one.bus.publish(event(number))
    assert one.bus.waiting == 5
    redis.start()
    await until(lambda: two.heard == [7, 8, 9, 10, 11])
    await until(lambda: any(notice.dropped == 7 for notice in two.notices))
    assert one.heard == list(range(12))


async def test_the_first_event_of_all_is_caught_up_too(join: Join, redis) -> None:
    one, two = await join(), await join()
    redis.stop()
    await until(lambda: not one.bus.connected and not two.bus.connected)
    await one.bus.publish(event(1))
    waiting = two.bus._keeper
    assert waiting is not None
    waiting.cancel()  # it is away for longer than the other
    await asyncio.gather(waiting, return_exceptions=True)
    redis.start()
    await until(lambda: one.bus.waiting == 0)
    two.bus._keeper = None
    two.bus.start()
    await until(lambda: two.heard == [1])
    assert two.notices == []


async def test_nothing_is_lost_where_redis_keeps_its_stream(require_program) -> None:
    require_program("redis-server")
    with real_stores.redis_server(keep=True) as redis:
        one = Ear(RedisBus(EventStore(redis.url, timeout=0.5)))
        two = Ear(RedisBus(EventStore(redis.url, timeout=0.5)))
        await until(lambda: one.bus.connected and two.bus.connected)
        for number in range(5):
            await one.bus.publish(event(number))
        await until(lambda: len(two.heard) == 5)
        redis.stop()
        await until(lambda: not one.bus.connected and not two.bus.connected)
        await one.bus.publish(event(5))
        await two.bus.publish(event(6))
        redis.start()
        await until(lambda: sorted(one.heard) == sorted(two.heard) == [*range(7)])
        assert one.notices == two.notices == []
        await one.bus.close()
        await two.bus.close()


async def test_a_process_that_starts_without_redis_works_and_joins_later(redis) -> None:
    redis.stop()
    one = Ear(RedisBus(EventStore(redis.url, timeout=0.5)))
    await one.bus.publish(event(1))
    await until(lambda: one.heard == [1])
    redis.start()
    await until(lambda: one.bus.connected and one.bus.waiting == 0)
    await one.bus.close()
    assert one.heard == [1]


async def test_closing_sends_what_is_left(join: Join, redis) -> None:
    one = await join()
    short = RedisBus(EventStore(redis.url))
    for number in range(300):
        await short.publish(event(number))
    await short.close()
    await until(lambda: len(one.heard) == 300)
    assert one.heard == list(range(300))


@pytest.mark.parametrize("url", ["http://x", "redis://host:port", "nonsense"])
def test_a_url_that_is_none_is_refused_without_its_text(url: str) -> None:
    with pytest.raises(InputError) as refused:
        EventStore(url)
    assert url not in str(refused.value)
