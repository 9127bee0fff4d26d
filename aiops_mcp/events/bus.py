"""What a bus of events is. Who publishes never waits for who listens."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiops_mcp.events.log import EventLog
from aiops_mcp.models.events import Event, Notice
from aiops_mcp.redaction import clean_json

Listener = Callable[[Event], Awaitable[None]]
NoticeListener = Callable[[Notice], None]
Unsubscribe = Callable[[], None]


def without_secrets(event: Event) -> Event:
    """The event as it may be told, kept and passed on: a label or a message may hold a token."""
    return event.model_copy(update={"payload": clean_json(event.payload)})


class EventBus(Protocol):
    """Carries events from those who see them to those who asked."""

    async def publish(self, event: Event) -> None:
        """Hand an event to every listener, without waiting for any."""
        ...

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call the listener with every later event, in order, until unsubscribed."""
        ...


class LiveBus(EventBus, Protocol):
    """A bus as the application owns it: with a memory, and an end."""

    @property
    def log(self) -> EventLog:
        """The last events, in the order in which listeners get them."""
        ...

    @property
    def connected(self) -> bool:
        """Whether other processes hear what is published here, and the other way round."""
        ...

    def on_notice(self, listener: NoticeListener) -> Unsubscribe:
        """Call the listener with gaps and announcements; it must return at once."""
        ...

    async def announce(self, notice: Notice) -> None:
        """Tell all listeners of all processes."""
        ...

    async def settle(self) -> None:
        """Return when every listener has dealt with everything published so far."""
        ...

    async def close(self) -> None:
        """End every subscription, and what the bus stands on."""
        ...
