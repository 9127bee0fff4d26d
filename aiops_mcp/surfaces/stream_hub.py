"""The event stream of this process: its clients, and each event to those who asked for it.

Knows events, principals and frames; neither the bus (which calls ``on_event``) nor HTTP. Whatever
a client does, nobody waits for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
from prometheus_client import CollectorRegistry

from aiops_mcp.models.events import Event, EventType, Notice, Subscription
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.streaming import StreamClientInfo, StreamStatus
from aiops_mcp.surfaces.stream_client import StreamClient
from aiops_mcp.surfaces.stream_frames import event_frame, notice_frame
from aiops_mcp.surfaces.stream_metrics import StreamMetrics
from aiops_mcp.surfaces.stream_routing import Interest, Routing, may_hear

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1_000


Asked = Callable[[Principal, Mapping[str, Any], str], None]


class LoggedEvent(Protocol):
    @property
    def sequence(self) -> str: ...
    @property
    def event(self) -> Event: ...


class MissedEvents(Protocol):
    @property
    def entries(self) -> Sequence[LoggedEvent]: ...
    @property
    def gap(self) -> bool: ...


class Replay(Protocol):
    """The last events, as the bus keeps them."""

    def __len__(self) -> int: ...

    @property
    def newest(self) -> str | None: ...

    def sequence_of(self, event_id: UUID) -> str | None: ...

    def after(self, last: str) -> MissedEvents: ...


class StreamHub:
    """All clients of the stream; ``log`` answers who comes back.

    ``announce`` reaches all processes, ``shared`` says whether there is a way to them;
    ``asked`` is told who asked for what, and what became of it.
    """

    def __init__(
        self,
        log: Replay,
        clock: Callable[[], datetime],
        *,
        shared: Callable[[], bool] = lambda: False,
        announce: Callable[[Notice], Awaitable[None]] | None = None,
        asked: Asked | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._log = log
        self._clock = clock
        self._shared = shared
        self._announce = announce
        self._asked = asked
        self._max = max_connections
        self._clients: dict[str, StreamClient] = {}
        self._routing: Routing[StreamClient] = Routing()
        self._connections = 0
        self._dropped = 0
        self._newest_heard: str | None = None
        self.is_running = False
        self.is_closing = False
        self.metrics = StreamMetrics(CollectorRegistry())

    def serve(self, metrics: StreamMetrics) -> None:
        """Begin: count into these metrics from now on."""
        self.metrics = metrics
        metrics.watch(lambda: self._connections, lambda: len(self._routing))
        self.is_running = True

    # --- connections ------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Whether one more connection may come, let in or not yet; it is counted then."""
        if self.is_closing or self._connections >= self._max:
            return False
        self._connections += 1
        self.metrics.connected.inc()
        return True

    def left(self) -> None:
        """A connection that ``has_room`` counted is over."""
        self._connections -= 1

    def count_dropped(self, count: int) -> None:
        self._dropped += count
        self.metrics.dropped.inc(count)

    def add(self, client: StreamClient) -> None:
        self._clients[client.admitted.client_id] = client

    def remove(self, client: StreamClient) -> None:
        self._clients.pop(client.admitted.client_id, None)
        self._routing.remove(client)

    @property
    def clients(self) -> tuple[StreamClient, ...]:
        return tuple(self._clients.values())

    # --- what clients ask for ---------------------------------------------------------------

    def subscribe(
        self, client: StreamClient, subscription: Subscription, last_event_id: str | None
    ) -> None:
        """Answer ``subscribed``, then what the client missed since ``last_event_id``.

        All in one go: no event can come between what was missed and what comes live.

        Raises:
            InvalidSubscription: the client has too many.
        """
        interest = Interest.of(subscription)
        self._routing.add(client, interest)
        if self._asked is not None:
            wanted = subscription.model_dump(mode="json")
            self._asked(client.admitted.principal, wanted, "OK")
        answer: dict[str, object] = {
            "type": "subscribed",
            "subscription": interest.as_subscription().model_dump(mode="json"),
            "client_id": client.admitted.client_id,
            "sequence": self._log.newest,
        }
        missed: list[LoggedEvent] = []
        if last_event_id is not None:
            found = self._log.after(last_event_id)
            to_come = self._to_come()
            missed = [
                entry
                for entry in found.entries
                if entry.event.event_id not in to_come
                and may_hear(client.admitted.principal, entry.event)
                and self._routing.wants(client, entry.event)
            ]
            answer |= {"replayed": len(missed), "gap": found.gap}
        client.send(orjson.dumps(answer))
        if missed:
            client.replay(event_frame(entry.event, entry.sequence) for entry in missed)

    def refused(self, client: StreamClient, wanted: Mapping[str, Any], code: str) -> None:
        """A subscription that was asked for, as it came, and cannot be."""
        if self._asked is not None:
            self._asked(client.admitted.principal, wanted, code)

    def _to_come(self) -> set[UUID]:
        """Events that are in the log already, and that the bus has not brought here yet."""
        if self._newest_heard is None:
            return set()
        found = self._log.after(self._newest_heard)
        return set() if found.gap else {entry.event.event_id for entry in found.entries}

    def unsubscribe(self, client: StreamClient, types: frozenset[EventType]) -> None:
        self._routing.drop(client, types)
        left = [each.as_subscription().model_dump(mode="json") for each in self._routing.of(client)]
        client.send(orjson.dumps({"type": "unsubscribed", "subscriptions": left}))

    # --- what happens -----------------------------------------------------------------------

    async def on_event(self, event: Event) -> None:
        """Hand an event to everybody who asked for it and may see it; made to listen on the bus."""
        self._newest_heard = str(event.event_id)
        frame: bytes | None = None
        count = sent = 0
        for client in tuple(self._routing.takers(event)):
            if client.is_paused or not may_hear(client.admitted.principal, event):
                continue
            if frame is None:
                frame = event_frame(event, self._log.sequence_of(event.event_id))
            sent += client.write(frame)
            count += 1
            if count % 250 == 0:
                await asyncio.sleep(0)  # or a thousand clients hold everybody up
        if count:
            self.metrics.sent.inc(sent)
            self.metrics.routed.labels(event.event_type.value).inc(count)
            late = (self._clock() - event.timestamp).total_seconds()
            self.metrics.latency.observe(max(0.0, late))

    async def announce(self, notice: Notice) -> None:
        """Tell every client of every process."""
        if self._announce is not None:
            await self._announce(notice)
        else:
            self.on_notice(notice)

    def on_notice(self, notice: Notice) -> None:
        """Tell every client."""
        frame = notice_frame(notice)
        for client in self.clients:
            client.send(frame)

    def close(self, reason: str = "SERVER_SHUTDOWN") -> None:
        """Tell every client that the server goes away, and let its connection end."""
        self.is_closing = True
        for number, client in enumerate(self.clients):
            # Not all at once, or they come back as a herd.
            pause = 1_000 + number * 4_000 // max(1, len(self._clients))
            client.say_goodbye(reason, reconnect_after_ms=pause)

    # --- about itself -----------------------------------------------------------------------

    def status(self) -> StreamStatus:
        return StreamStatus(
            running=self.is_running,
            shared=self._shared(),
            connections=self._connections,
            max_connections=self._max,
            subscriptions=len(self._routing),
            events_kept=len(self._log),
            newest_sequence=self._log.newest,
            dropped=self._dropped,
        )

    def client_infos(self) -> tuple[StreamClientInfo, ...]:
        return tuple(
            StreamClientInfo(
                client_id=client.admitted.client_id,
                subject=client.admitted.principal.subject,
                role=client.admitted.principal.role.value,
                connected_at=client.connected_at,
                subscriptions=tuple(each.as_subscription() for each in self._routing.of(client)),
                delivered=client.delivered,
                dropped=client.dropped,
                waiting=client.waiting,
            )
            for client in self._clients.values()
        )
