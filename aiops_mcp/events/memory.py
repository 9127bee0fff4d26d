"""The bus within one process: a bounded queue and one task per listener.

A slow listener loses its oldest events, counted; it never holds up a publisher or another
listener. A failing listener is logged and goes on with the next event.
"""

import asyncio
import logging

from aiops_mcp.events.bus import Listener, NoticeListener, Unsubscribe, without_secrets
from aiops_mcp.events.log import EventLog
from aiops_mcp.models.events import Event, Notice, NoticeKind

_log = logging.getLogger(__name__)


class MemoryBus:
    """A ``LiveBus`` in memory. ``queue_size`` is how many events wait for one listener."""

    connected = True
    """There is nobody else to be connected with."""

    def __init__(self, *, queue_size: int = 1000, log: EventLog | None = None) -> None:
        self.log = EventLog() if log is None else log
        self._queue_size = queue_size
        self._notice_listeners: list[NoticeListener] = []
        self._subscriptions: dict[int, _Subscription] = {}
        self._next_id = 0
        self._dropped_by_gone = 0

    @property
    def dropped(self) -> int:
        """Events lost because a listener was too slow."""
        living = sum(subscription.dropped for subscription in self._subscriptions.values())
        return self._dropped_by_gone + living

    async def publish(self, event: Event) -> None:
        self.deliver(without_secrets(event))

    def deliver(self, event: Event, sequence: str | None = None) -> None:
        """Keep an event in the log, by its number where it has one, and hand it out."""
        self.log.append(event, sequence)
        for subscription in self._subscriptions.values():
            subscription.put(event)

    def on_notice(self, listener: NoticeListener) -> Unsubscribe:
        self._notice_listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._notice_listeners:
                self._notice_listeners.remove(listener)

        return unsubscribe

    async def announce(self, notice: Notice) -> None:
        self.tell(notice)

    def tell(self, notice: Notice) -> None:
        """Tell the listeners of this process."""
        if notice.kind is NoticeKind.GAP:
            _log.warning("events were lost: %s", notice.text)
        for listener in tuple(self._notice_listeners):
            listener(notice)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        identity = self._next_id
        self._next_id += 1
        self._subscriptions[identity] = _Subscription(listener, self._queue_size)

        def unsubscribe() -> None:
            gone = self._subscriptions.pop(identity, None)
            if gone is not None:
                self._dropped_by_gone += gone.dropped
                gone.cancel()

        return unsubscribe

    async def settle(self) -> None:
        """Return when every listener has dealt with everything published so far."""
        for subscription in tuple(self._subscriptions.values()):
            await subscription.queue.join()

    async def close(self) -> None:
        """End every subscription and its task."""
        ended = tuple(self._subscriptions.values())
        self._subscriptions.clear()
        for subscription in ended:
            self._dropped_by_gone += subscription.dropped
            subscription.cancel()
        tasks = [subscription.task for subscription in ended if subscription.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)


class _Subscription:
    """One listener's queue. The task starts with the first event: subscribing needs no loop."""

    def __init__(self, listener: Listener, queue_size: int) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue(queue_size)
        self.task: asyncio.Task[None] | None = None
        self.dropped = 0
        self._listener = listener

    def put(self, event: Event) -> None:
        if self.queue.full():
            self.queue.get_nowait()
            self.queue.task_done()
            self.dropped += 1
        self.queue.put_nowait(event)
        if self.task is None:
            self.task = asyncio.create_task(self._deliver())

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def _deliver(self) -> None:
        while True:
            event = await self.queue.get()
            [outcome] = await asyncio.gather(self._call(event), return_exceptions=True)
            self.queue.task_done()
            if isinstance(outcome, Exception):
                _log.error("a listener failed on %s", event.event_type.value, exc_info=outcome)

    async def _call(self, event: Event) -> None:
        await self._listener(event)
