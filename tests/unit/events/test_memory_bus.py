"""The bus in memory: in order, never waiting, nothing lost unnoticed."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.models.events import Event, EventType


def event(number=0):
    return Event(
        event_id=uuid4(),
        event_type=EventType.METRIC_UPDATE,
        source="test",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        payload={"n": number},
    )


@pytest.fixture
async def bus():
    bus = MemoryBus(queue_size=3)
    yield bus
    await bus.close()


def collect(bus):
    got = []

    async def listener(event):
        got.append(event.payload["n"])

    return got, bus.subscribe(listener)


async def test_every_listener_gets_every_event_in_order(bus):
    first, _ = collect(bus)
    second, _ = collect(bus)
    for number in range(3):
        await bus.publish(event(number))
    await bus.settle()
    assert first == second == [0, 1, 2]
    assert bus.dropped == 0


async def test_a_listener_gets_only_what_is_published_while_it_listens(bus):
    await bus.publish(event(0))
    got, unsubscribe = collect(bus)
    await bus.publish(event(1))
    await bus.settle()
    unsubscribe()
    unsubscribe()
    await bus.publish(event(2))
    await bus.settle()
    assert got == [1]


async def test_a_slow_listener_loses_its_oldest_and_holds_up_nobody(bus):
    go = asyncio.Event()
    slow = []

    async def listener(event):
        await go.wait()
        slow.append(event.payload["n"])

    unsubscribe = bus.subscribe(listener)
    quick = []
    arrived = asyncio.Event()

    async def attentive(event):
        quick.append(event.payload["n"])
        arrived.set()

    bus.subscribe(attentive)
    for number in range(10):
        arrived.clear()
        await bus.publish(event(number))
        await arrived.wait()
    go.set()
    await bus.settle()
    assert slow == [0, 7, 8, 9]  # 0 was being listened to
    assert quick == list(range(10))
    assert bus.dropped == 6
    unsubscribe()
    assert bus.dropped == 6


async def test_a_failing_listener_is_logged_and_goes_on(bus, caplog):
    got = []

    async def listener(event):
        if event.payload["n"] == 0:
            raise ValueError("boom")
        got.append(event.payload["n"])

    bus.subscribe(listener)
    other, _ = collect(bus)
    await bus.publish(event(0))
    await bus.publish(event(1))
    await bus.settle()
    assert got == [1]
    assert other == [0, 1]
    assert "a listener failed on METRIC_UPDATE" in caplog.text
    assert "boom" in caplog.text


async def test_a_listener_may_publish_and_unsubscribe_itself(bus):
    got = []

    async def listener(given):
        got.append(given.payload["n"])
        unsubscribe()
        await bus.publish(event(given.payload["n"] + 1))

    other = []
    both = asyncio.Event()

    async def attentive(given):
        other.append(given.payload["n"])
        if len(other) == 2:
            both.set()

    unsubscribe = bus.subscribe(listener)
    bus.subscribe(attentive)
    await bus.publish(event(1))
    await both.wait()
    assert got == [1]
    assert other == [1, 2]


async def test_close_ends_a_listener_in_the_middle():
    bus = MemoryBus()
    ended = []
    begun = asyncio.Event()

    async def listener(_event):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    bus.subscribe(listener)
    await bus.publish(event())
    await begun.wait()
    await bus.close()
    assert ended == [True]
    await bus.publish(event())


def test_subscribing_needs_no_running_loop():
    async def listener(_event):
        raise AssertionError("nothing was published")

    bus = MemoryBus()
    bus.subscribe(listener)()
    assert bus.dropped == 0
