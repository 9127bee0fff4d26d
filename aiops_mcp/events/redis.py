"""The bus between processes, over Redis: one order of events for all, kept in a stream.

An event goes to Redis first and comes back with its number, to whoever published it too, so that
all processes hand out the same events in the same order. While Redis is away each process hands
out its own at once, keeps them within bounds, and sends them when Redis is back; whoever missed
something catches up from the stream. What could not be kept is announced as a gap.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import ValidationError
from redis.exceptions import RedisError

from aiops_mcp.events.bus import Listener, NoticeListener, Unsubscribe, without_secrets
from aiops_mcp.events.log import EventLog, read_sequence
from aiops_mcp.events.memory import MemoryBus
from aiops_mcp.events.redis_wire import ALL, CONTROL, Entry, EventStore
from aiops_mcp.models.events import Event, Notice, NoticeKind

_log = logging.getLogger(__name__)

_BATCH = 100
_BEGINNING = "0-0"
_REMEMBERED = 5_000
_FLUSH_SECONDS = 2.0
_PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_LOST = (RedisError, OSError, TimeoutError)


@dataclass(slots=True)
class _Pending:
    """An event on its way to Redis; ``delivered`` where the listeners here have it already."""

    event: Event
    delivered: bool


class RedisBus:
    """A ``LiveBus`` over Redis. ``buffer`` is how many events are kept while it is away."""

    def __init__(
        self,
        store: EventStore,
        *,
        buffer: int = 10_000,
        queue_size: int = 1000,
        log: EventLog | None = None,
    ) -> None:
        self._store = store
        self._local = MemoryBus(queue_size=queue_size, log=log)
        self._buffer = buffer
        self._pending: deque[_Pending] = deque()
        self._lost_while_away = 0
        self._something_to_send = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._keeper: asyncio.Task[None] | None = None
        self._was_told_away = False
        self._last_seen: str | None = None
        self._ever_connected = False
        self.connected = False

    @property
    def log(self) -> EventLog:
        return self._local.log

    @property
    def dropped(self) -> int:
        """Events lost because a listener was too slow."""
        return self._local.dropped

    @property
    def waiting(self) -> int:
        """Events that Redis does not have yet."""
        return len(self._pending)

    async def publish(self, event: Event) -> None:
        event = without_secrets(event)
        self.start()
        at_once = not self.connected and self._ever_tried_in_vain
        if at_once:
            self._local.deliver(event)
        if len(self._pending) >= self._buffer:
            gone = self._pending.popleft()
            self._lost_while_away += 1
            if not gone.delivered:
                self._local.deliver(gone.event)
        self._pending.append(_Pending(event, at_once))
        self._all_sent.clear()
        self._something_to_send.set()

    @property
    def _ever_tried_in_vain(self) -> bool:
        """At the start one waits for the first connection, so that events get their numbers."""
        return self._ever_connected or self._was_told_away

    def subscribe(self, listener: Listener) -> Unsubscribe:
        self.start()
        return self._local.subscribe(listener)

    def on_notice(self, listener: NoticeListener) -> Unsubscribe:
        return self._local.on_notice(listener)

    async def announce(self, notice: Notice) -> None:
        """Tell all processes; only this one while Redis is away."""
        self.start()
        if self.connected:
            try:
                await self._store.announce(notice)
            except _LOST as error:
                _log.warning("an announcement reaches this process only: %s", _reason(error))
            else:
                return
        self._local.tell(notice)

    def start(self) -> None:
        """Begin to connect, where that has not been done; needs a running loop."""
        if self._keeper is None:
            with contextlib.suppress(RuntimeError):  # no loop yet: the first event starts it
                self._keeper = asyncio.get_running_loop().create_task(
                    self._keep_connected(), name="event bus"
                )

    async def settle(self) -> None:
        """Return when what was published was sent or handed out, and the listeners dealt with it.

        Meant for tests and for ends: another process's events may still be under way.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._all_sent.wait()
        await self._local.settle()

    async def close(self) -> None:
        """Send what is left, for a short while, and end every subscription."""
        if self._keeper is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await self._all_sent.wait()
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._local.close()
        await self._store.close()

    # --- the connection ---------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        """Connected for as long as Redis lets us; tried again with growing pauses."""
        failures = 0
        while True:
            try:
                async with self._store.listening() as messages:
                    await self._catch_up()
                    self._came()
                    failures = 0
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._receive(messages))
                        group.create_task(self._send())
            except* _LOST as group_error:
                self._went(group_error.exceptions[0])
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            failures += 1
            await asyncio.sleep(pause * (0.75 + random.random() / 2))

    def _came(self) -> None:
        self.connected = True
        self._ever_connected = True
        if self._was_told_away:
            _log.info("Redis is back: %s events are sent now", len(self._pending))
            self._was_told_away = False
        self._something_to_send.set()

    def _went(self, error: BaseException) -> None:
        """Redis is away: what waits for its number is handed out now, without."""
        self.connected = False
        if not self._was_told_away:
            _log.warning("events stay in this process until Redis is back: %s", _reason(error))
            self._was_told_away = True
        for pending in self._pending:
            if not pending.delivered:
                pending.delivered = True
                self._local.deliver(pending.event)

    async def _catch_up(self) -> None:
        """Hand out what the stream got while we were away, or say that it is not known."""
        if self._last_seen is None:
            for entry in await self._store.newest(_REMEMBERED):
                self._remember(entry)
            # From here on all is news, also the first event there ever is.
            self._last_seen = self._last_seen or _BEGINNING
            return
        if self._last_seen != _BEGINNING and await self._store.has_lost(self._last_seen):
            notice = Notice(
                kind=NoticeKind.GAP,
                text="Redis no longer has the events since we last heard from it.",
            )
            self._local.tell(notice)
        async for entry in self._store.since(self._last_seen):
            if entry.is_event:
                self._hear(entry.body, entry.sequence)
            else:
                self._hear_notice(entry.body, entry.sequence)

    def _remember(self, entry: Entry) -> None:
        """Into the log without handing it out: it was before our time."""
        self._last_seen = entry.sequence
        numbered = _numbered(entry.body) if entry.is_event else None
        if numbered is not None and numbered[0].event_id not in self.log:
            self.log.append(numbered[0], entry.sequence)

    async def _receive(self, messages: AsyncGenerator[tuple[str, bytes]]) -> None:
        async for channel, body in messages:
            if channel == CONTROL:
                self._hear_notice(body, None)
            else:
                self._hear(body, None)

    def _hear_notice(self, body: bytes, sequence: str | None) -> None:
        read = _read(body)
        try:
            notice = Notice.model_validate(read[0] if read else None)
        except ValidationError:
            _log.warning("a message on %s is no notice and was left out", CONTROL)
            return
        self._saw(sequence or (read[1] if read else None))
        self._local.tell(notice)

    def _saw(self, sequence: str | None) -> None:
        if sequence is not None:
            self._last_seen = max(self._last_seen or sequence, sequence, key=_order)

    def _hear(self, body: bytes, sequence: str | None) -> None:
        """Hand out an event of the stream, unless its listeners have it."""
        numbered = _numbered(body)
        if numbered is None:
            _log.warning("a message on %s is no event and was left out", ALL)
            return
        event, number = numbered[0], sequence or numbered[1]
        self._saw(number)
        if event.event_id not in self.log:
            self._local.deliver(event, number)
        elif number is not None:
            self.log.renumber(event.event_id, number)

    async def _send(self) -> None:
        while True:
            await self._something_to_send.wait()
            self._something_to_send.clear()
            while self._pending:
                batch = [self._pending[at] for at in range(min(_BATCH, len(self._pending)))]
                await self._store.add([each.event for each in batch])
                for each in batch:
                    # The oldest may have been pushed out meanwhile.
                    if self._pending and self._pending[0] is each:
                        self._pending.popleft()
            await self._tell_loss()
            self._all_sent.set()

    async def _tell_loss(self) -> None:
        lost, self._lost_while_away = self._lost_while_away, 0
        if not lost:
            return
        notice = Notice(
            kind=NoticeKind.GAP,
            text=f"{lost} events of one server were lost while Redis was away.",
            dropped=lost,
        )
        try:
            await self._store.announce(notice)
        except _LOST:
            self._lost_while_away += lost
            raise


def _read(body: bytes) -> tuple[dict[str, Any], str | None] | None:
    """The object in a message, and its number in the stream where it has one."""
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(decoded, dict):
        return None
    fields = cast("dict[str, Any]", decoded)
    number = fields.pop("sequence", None)
    is_number = isinstance(number, str) and read_sequence(number) is not None
    return fields, number if is_number else None


def _numbered(body: bytes) -> tuple[Event, str | None] | None:
    read = _read(body)
    try:
        return (Event.model_validate(read[0]), read[1]) if read else None
    except ValidationError:
        return None


def _order(sequence: str) -> tuple[int, int]:
    return read_sequence(sequence) or (0, 0)


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
