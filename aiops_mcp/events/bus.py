"""What a bus of events is. Who publishes never waits for who listens."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiops_mcp.models.events import Event

Listener = Callable[[Event], Awaitable[None]]
Unsubscribe = Callable[[], None]


class EventBus(Protocol):
    """Carries events from those who see them to those who asked."""

    async def publish(self, event: Event) -> None:
        """Hand an event to every listener, without waiting for any."""
        ...

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call the listener with every later event, in order, until unsubscribed."""
        ...
