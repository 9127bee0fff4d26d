"""The last events with their sequence ids, so that who comes back gets what it missed.

A sequence id is ``milliseconds-number``, as a Redis stream numbers its entries: it grows, also
over a restart. Pure but for the clock that is passed in; knows neither Redis nor clients.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from aiops_mcp.models.events import Event

Sequence = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Logged:
    sequence: str
    event: Event


@dataclass(frozen=True, slots=True)
class Missed:
    """What came after an id; ``gap`` says that older events may be missing before the first."""

    entries: tuple[Logged, ...]
    gap: bool


class EventLog:
    """At most ``size`` events, the newest."""

    def __init__(
        self,
        size: int = 5_000,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._entries: deque[Logged] = deque()
        self._size = size
        self._clock = clock
        self._first = 0  # position of the oldest entry, counted from the beginning of time
        self._by_event: dict[UUID, int] = {}
        self._by_sequence: dict[str, int] = {}
        self._newest: Sequence = (0, 0)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, event_id: UUID) -> bool:
        return event_id in self._by_event

    @property
    def newest(self) -> str | None:
        """The sequence id of the last event."""
        return self._entries[-1].sequence if self._entries else None

    def append(self, event: Event, sequence: str | None = None) -> str:
        """Keep an event and return its sequence id: the one given, else the next one."""
        given = read_sequence(sequence) if sequence is not None else None
        number = given or self._next()
        self._newest = max(self._newest, number)
        text = f"{number[0]}-{number[1]}"
        position = self._first + len(self._entries)
        self._entries.append(Logged(text, event))
        self._by_event[event.event_id] = self._by_sequence[text] = position
        if len(self._entries) > self._size:
            self._forget_oldest()
        return text

    def sequence_of(self, event_id: UUID) -> str | None:
        position = self._by_event.get(event_id)
        return None if position is None else self._entries[position - self._first].sequence

    def renumber(self, event_id: UUID, sequence: str) -> None:
        """A second id of an event that was kept before the others' number for it was known."""
        position = self._by_event.get(event_id)
        if position is not None:
            self._by_sequence[sequence] = position

    def after(self, last: str) -> Missed:
        """What came after an event id or sequence id; everything, and a gap, where it is gone."""
        position = self._position(last)
        if position is None:
            return Missed(tuple(self._entries), gap=True)
        count = self._first + len(self._entries) - position - 1
        start = len(self._entries) - count
        return Missed(tuple(self._entries[at] for at in range(start, start + count)), gap=False)

    def _position(self, last: str) -> int | None:
        """Where the event with this id stands, or would: none where that is before the log."""
        known = self._by_sequence.get(last)
        if known is not None and known >= self._first:
            return known
        try:
            return self._by_event.get(UUID(last))
        except ValueError:
            pass
        wanted = read_sequence(last)
        if wanted is None or not self._entries or wanted > self._newest:
            return None
        numbers = [read_sequence(entry.sequence) or (0, 0) for entry in self._entries]
        if wanted < numbers[0]:
            return None
        later = (at for at, number in enumerate(numbers) if number > wanted)
        return self._first + next(later, len(numbers)) - 1

    def _next(self) -> Sequence:
        now = int(self._clock() * 1000)
        return (now, 0) if now > self._newest[0] else (self._newest[0], self._newest[1] + 1)

    def _forget_oldest(self) -> None:
        gone = self._entries.popleft()
        if self._by_sequence.get(gone.sequence) == self._first:
            del self._by_sequence[gone.sequence]
        if self._by_event.get(gone.event.event_id) == self._first:
            del self._by_event[gone.event.event_id]
        self._first += 1
        if len(self._by_sequence) > 2 * self._size:  # second ids of events that are gone
            kept = {key: at for key, at in self._by_sequence.items() if at >= self._first}
            self._by_sequence = kept


def read_sequence(text: str) -> Sequence | None:
    """The numbers of a sequence id; ``None`` where it is none."""
    milliseconds, separator, number = text.partition("-")
    if not separator or not (_is_number(milliseconds) and _is_number(number)):
        return None
    return int(milliseconds), int(number)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20
