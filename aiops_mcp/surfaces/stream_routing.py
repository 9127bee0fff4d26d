"""Which clients an event goes to: an index over subscriptions, so that most are never looked at.

Pure. A client is any hashable thing; what it may see is asked of its principal, at every event.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aiops_mcp.errors import InvalidSubscription
from aiops_mcp.models.events import Event, EventType, Subscription
from aiops_mcp.models.principal import Principal
from aiops_mcp.surfaces.stream_frames import namespace_of

MAX_SUBSCRIPTIONS = 50

ClientT = TypeVar("ClientT")
_Namespaces = frozenset[str] | None
_NOBODY: dict[Any, _Namespaces] = {}


@dataclass(frozen=True, slots=True)
class Interest:
    """A subscription made ready; empty filters let everything pass."""

    types: frozenset[EventType]
    clusters: frozenset[str]
    namespaces: frozenset[str]

    @classmethod
    def of(cls, subscription: Subscription) -> "Interest":
        return cls(
            frozenset(subscription.event_types or EventType),
            frozenset(subscription.cluster_filter),
            frozenset(subscription.namespace_filter),
        )

    def as_subscription(self) -> Subscription:
        every = self.types == frozenset(EventType)
        return Subscription(
            event_types=() if every else tuple(sorted(self.types)),
            cluster_filter=tuple(sorted(self.clusters)),
            namespace_filter=tuple(sorted(self.namespaces)),
        )

    def takes(self, event: Event, namespace: str | None) -> bool:
        return (
            event.event_type in self.types
            and (not self.clusters or bool(self.clusters & _names(event)))
            and (not self.namespaces or namespace in self.namespaces)
        )


def _names(event: Event) -> set[str]:
    return {str(name) for name in (event.cluster_name, event.cluster_id) if name}


def may_hear(principal: Principal, event: Event) -> bool:
    """Whether a caller may know of an event; one of the whole fleet tells of other clusters.

    What is said in a chat is known to its user alone.
    """
    if event.event_type is EventType.CHAT_MESSAGE:
        return event.payload.get("user_id") == principal.subject
    if principal.clusters is None:
        return True
    return event.cluster_name is not None and principal.sees(event.cluster_name)


class Routing(Generic[ClientT]):
    """The subscriptions of all clients."""

    def __init__(self) -> None:
        self._interests: dict[ClientT, list[Interest]] = {}
        # By type and cluster, under None those who want all clusters: the namespaces a client
        # wants of these, None for all. What is looked up needs no further check.
        self._index: defaultdict[tuple[EventType, str | None], dict[ClientT, _Namespaces]]
        self._index = defaultdict(dict)

    def __len__(self) -> int:
        return sum(len(interests) for interests in self._interests.values())

    def of(self, client: ClientT) -> tuple[Interest, ...]:
        return tuple(self._interests.get(client, ()))

    def add(self, client: ClientT, interest: Interest) -> None:
        """One more subscription of a client; the same again changes nothing.

        Raises:
            InvalidSubscription: it has too many.
        """
        mine = self._interests.setdefault(client, [])
        if interest in mine:
            return
        if len(mine) >= MAX_SUBSCRIPTIONS:
            raise InvalidSubscription(
                f"A client has at most {MAX_SUBSCRIPTIONS} subscriptions.",
                "Unsubscribe from some, or name several types and clusters in one.",
            )
        mine.append(interest)
        for key in _keys(interest):
            wanted = self._index[key]
            before = wanted.get(client, frozenset[str]())
            if before is None or not interest.namespaces:
                wanted[client] = None
            else:
                wanted[client] = before | interest.namespaces

    def drop(self, client: ClientT, types: frozenset[EventType]) -> None:
        """Take types out of all of a client's subscriptions; what is empty then goes."""
        before = self._interests.pop(client, [])
        for interest in before:
            for key in _keys(interest):
                holders = self._index.get(key)
                if holders is not None:
                    holders.pop(client, None)
                    if not holders:
                        del self._index[key]
        for interest in before:
            left = interest.types - types
            if left:
                self.add(client, Interest(left, interest.clusters, interest.namespaces))

    def remove(self, client: ClientT) -> None:
        self.drop(client, frozenset(EventType))

    def takers(self, event: Event) -> Iterator[ClientT]:
        """The clients that asked for an event, each once."""
        namespace = namespace_of(event)
        seen: set[ClientT] = set()
        for name in (None, *_names(event)):
            for client, namespaces in self._index.get((event.event_type, name), _NOBODY).items():
                if (namespaces is None or namespace in namespaces) and client not in seen:
                    seen.add(client)
                    yield client

    def wants(self, client: ClientT, event: Event) -> bool:
        """Whether a client asked for an event."""
        namespace = namespace_of(event)
        return any(each.takes(event, namespace) for each in self._interests.get(client, ()))


def _keys(interest: Interest) -> list[tuple[EventType, str | None]]:
    names: list[str | None] = [*interest.clusters] or [None]
    return [(kind, name) for kind in interest.types for name in names]
