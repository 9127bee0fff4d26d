"""Watched expressions: how they are written, and when they are worth an event."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.errors import ClusterUnreachable, InputError
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.fleet.metric_watcher import (
    MOST_SERIES,
    MetricWatcher,
    Sample,
    Watch,
    compare,
    read_watch,
)
from aiops_mcp.models.events import EventType

EAST = UUID(int=1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def sample(value: float, **labels: str) -> Sample:
    return Sample(EAST, "east", labels, value)


@pytest.mark.parametrize(
    ("text", "watch"),
    [
        ("cpu=sum(rate(x[5m])) by (pod);threshold=>0.9", Watch("cpu", "sum(rate(x[5m])) by (pod)", 0.9)),
        ('free = node_free{a="b;c=d"} ;threshold=<5e3; change=20%', Watch("free", 'node_free{a="b;c=d"}', 5000.0, True, 20.0)),
        ("up=up==0;change=0.5", Watch("up", "up==0", change=0.5)),
        ("q=x;threshold=90", Watch("q", "x", 90.0)),
        ("q=x;threshold=<=-1", Watch("q", "x", -1.0, True, inclusive=True)),
    ],
)  # fmt: skip
def test_how_one_is_written(text: str, watch: Watch) -> None:
    assert read_watch(text) == watch


@pytest.mark.parametrize(
    "text",
    ["", "cpu", "=x;change=1%", "a=;change=1%", "a=x", "a=x;threshold=high", "a=x;change=-5%",
     "a=x;change=0%", "a b=x;change=5%", "a=x;threshold=>>5", "a=x;threshold=>1.2.3"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InputError) as refused:
        read_watch(text)
    assert "AIOPS_WATCH" in refused.value.message
    assert "name=PromQL" in refused.value.hint


def steps(watch: Watch, *values: float) -> list[tuple[float, float, bool]]:
    told, found = {}, []
    for value in values:
        told, updates = compare(watch, told, [sample(value)])
        found += [(each.previous, each.sample.value, each.breached) for each in updates]
    return found


def test_at_an_inclusive_threshold_is_over_it() -> None:
    assert steps(read_watch("w=x;threshold=>=90"), 80, 90) == [(80, 90, True)]
    assert steps(read_watch("w=x;threshold=<=10"), 11, 10) == [(11, 10, True)]
    assert steps(read_watch("w=x;threshold=>90"), 80, 90) == []


def test_series_that_are_gone_make_room_for_new_ones() -> None:
    watch = Watch("w", "x", threshold=90.0)
    old = [sample(1, pod=f"old-{number}") for number in range(MOST_SERIES)]
    told, _ = compare(watch, {}, old)
    told, _ = compare(watch, told, [sample(1, pod="new")])
    told, updates = compare(watch, told, [sample(91, pod="new")])
    assert [update.previous for update in updates] == [1]
    assert len(told) == 1


def test_a_threshold_is_told_when_it_is_crossed_either_way() -> None:
    watch = Watch("w", "x", threshold=90.0)
    assert steps(watch, 80, 85, 91, 95, 89, 90, 90.5) == [
        (85, 91, True), (95, 89, False), (90, 90.5, True),
    ]  # fmt: skip
    low = Watch("w", "x", threshold=10.0, falling=True)
    assert steps(low, 20, 5, 20) == [(20, 5, True), (5, 20, False)]


def test_a_change_is_measured_from_what_was_told_last() -> None:
    watch = Watch("w", "x", change=10.0)
    assert steps(watch, 100, 105, 109, 110, 112, 99) == [(100, 110, False), (110, 99, False)]


def test_from_zero_any_value_is_a_change_without_a_percentage() -> None:
    watch = Watch("w", "x", change=10.0)
    told, _ = compare(watch, {}, [sample(0)])
    _, [update] = compare(watch, told, [sample(3)])
    assert update.change_percent is None
    assert steps(watch, 0, 0) == []
    assert steps(watch, -100, -80) == [(-100, -80, False)]


def test_what_is_no_number_or_not_there_says_nothing() -> None:
    watch = Watch("w", "x", threshold=1.0)
    told, _ = compare(watch, {}, [sample(0), sample(5, pod="b")])
    told, updates = compare(watch, told, [sample(float("nan")), sample(float("inf"), pod="b")])
    assert updates == []
    told, updates = compare(watch, told, [])
    _, updates = compare(watch, told, [sample(2), sample(5, pod="b")])
    assert [dict(each.sample.labels) for each in updates] == [{}]


def test_too_many_series_are_not_all_remembered() -> None:
    watch = Watch("w", "x", threshold=1.0)
    told, _ = compare(watch, {}, [sample(0, n=str(number)) for number in range(6000)])
    assert len(told) == 5000


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=20), st.floats(0.1, 500))
def test_every_update_is_a_real_change(values: list[float], change: float) -> None:
    for before, after, _ in steps(Watch("w", "x", change=change), *values):
        assert before != after


async def test_events_are_those_of_the_contract() -> None:
    values = {"a": [80.0], "b": [1.0]}
    bus, heard = MemoryBus(), []

    async def listen(event) -> None:
        heard.append(event)

    async def look(watch: Watch) -> list[Sample]:
        if watch.name == "broken":
            raise ClusterUnreachable("away")
        return [sample(values[watch.name][-1], pod="p")]

    async def ours() -> bool:
        return True

    bus.subscribe(listen)
    watches = [Watch("broken", "z", 1.0), Watch("a", "x", 90.0), Watch("b", "y", change=50.0)]
    watcher = MetricWatcher(watches, look, bus, lambda: NOW, every=1, ours=ours)
    assert await watcher.look_once() == 0
    values["a"].append(96.0)
    values["b"].append(2.0)
    assert await watcher.look_once() == 2
    await bus.settle()
    [first, second] = heard
    assert first.event_type is EventType.METRIC_UPDATE
    assert (first.cluster_id, first.cluster_name, first.timestamp) == (EAST, "east", NOW)
    assert first.payload == {
        "metric_name": "a", "query": "x", "labels": {"pod": "p"}, "value": 96.0,
        "previous_value": 80.0, "change_percent": 20.0, "threshold": 90.0,
        "threshold_breached": True,
    }  # fmt: skip
    assert (second.payload["change_percent"], second.payload["threshold_breached"]) == (
        100.0,
        False,
    )
    await bus.close()


async def test_without_expressions_it_ends() -> None:
    async def never(*_) -> bool:
        raise AssertionError

    watcher = MetricWatcher([], never, MemoryBus(), lambda: NOW, every=1, ours=never)
    await watcher.run()
