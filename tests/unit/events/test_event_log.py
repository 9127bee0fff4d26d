"""The log of events: ids that grow, what was missed, and the gap that is owned up to."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_mcp.events.log import EventLog, read_sequence
from aiops_mcp.models.events import Event, EventType


def event(number: int = 0) -> Event:
    return Event(
        event_id=uuid4(),
        event_type=EventType.METRIC_UPDATE,
        source="test",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        payload={"n": number},
    )


def filled(count: int, size: int = 100) -> tuple[EventLog, list[Event], list[str]]:
    log = EventLog(size, clock=lambda: 5.0)
    events = [event(number) for number in range(count)]
    return log, events, [log.append(each) for each in events]


def numbers(missed) -> list[int]:
    return [entry.event.payload["n"] for entry in missed.entries]


def test_ids_grow_even_while_the_clock_stands() -> None:
    log, _, ids = filled(3)
    assert ids == ["5000-0", "5000-1", "5000-2"]
    assert log.newest == "5000-2"


def test_a_clock_that_goes_back_does_not_take_ids_back() -> None:
    now = [9.0]
    log = EventLog(clock=lambda: now[0])
    first = log.append(event())
    now[0] = 1.0
    assert (first, log.append(event())) == ("9000-0", "9000-1")


def test_what_came_after_an_event_or_its_sequence() -> None:
    log, events, ids = filled(5)
    for last in (str(events[2].event_id), ids[2]):
        missed = log.after(last)
        assert (numbers(missed), missed.gap) == ([3, 4], False)
    assert numbers(log.after(ids[4])) == []
    assert log.after(ids[4]).gap is False


@pytest.mark.parametrize("last", ["", "nonsense", "1-1", "9999-0", "-", "1-x", str(UUID(int=7))])
def test_an_id_that_is_not_known_is_a_gap_with_all_there_is(last: str) -> None:
    log, _, _ = filled(3)
    missed = log.after(last)
    assert (numbers(missed), missed.gap) == ([0, 1, 2], True)


def test_an_empty_log_knows_nothing() -> None:
    assert EventLog().after("5000-0").gap is True
    assert EventLog().newest is None


def test_what_was_pushed_out_is_a_gap() -> None:
    log, events, ids = filled(10, size=3)
    assert len(log) == 3
    assert log.after(ids[6]).gap is True
    assert log.after(str(events[0].event_id)).gap is True
    assert (numbers(log.after(ids[7])), log.after(ids[7]).gap) == ([8, 9], False)
    assert log.sequence_of(events[0].event_id) is None
    assert log.sequence_of(events[9].event_id) == ids[9]


def test_numbers_of_others_and_a_second_number() -> None:
    log = EventLog(clock=lambda: 1.0)
    first, second, third = event(0), event(1), event(2)
    assert log.append(first, "7000-3") == "7000-3"
    assert log.append(second) == "7000-4"
    log.renumber(second.event_id, "8000-0")
    log.append(third, "9000-0")
    assert numbers(log.after("8000-0")) == [2]
    # An id between two that are there: what is larger.
    assert numbers(log.after("8500-0")) == [2]
    log.renumber(uuid4(), "9999-9")
    assert log.after("9999-9").gap is True


def test_second_numbers_do_not_pile_up() -> None:
    log = EventLog(10)
    for number in range(200):
        one = event(number)
        log.append(one)
        log.renumber(one.event_id, f"99999999999999-{number}")
    assert len(log._by_sequence) <= 21
    assert len(log._by_event) == 10


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    log, _, _ = filled(2)
    missed = log.after(text)
    assert missed.gap or len(missed.entries) <= 2
    sequence = read_sequence(text)
    assert sequence is None or sequence >= (0, 0)


@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_whoever_comes_back_gets_all_or_is_told(count: int, size: int, data) -> None:
    log, events, ids = filled(count, size)
    at = data.draw(st.integers(0, count - 1))
    missed = log.after(ids[at])
    if missed.gap:
        assert at < count - size
    else:
        assert [entry.event for entry in missed.entries] == events[at + 1 :]
