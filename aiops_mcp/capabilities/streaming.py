"""The event stream: how it is, who listens to what, and a word to all."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import Field, model_validator

from aiops_mcp.capabilities.server import server
from aiops_mcp.context import Context
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.events import Event, EventType, Notice, NoticeKind, Subscription
from aiops_mcp.models.principal import Role
from aiops_mcp.models.streaming import StreamClientInfo, StreamStatus
from aiops_mcp.operation import Input


class NothingInput(Input):
    pass


class StreamClients(Entity):
    clients: tuple[StreamClientInfo, ...]
    total: int


class ClientSubscriptions(Entity):
    client_id: str
    subject: str
    subscriptions: tuple[Subscription, ...]


class StreamSubscriptions(Entity):
    """Subscriptions by client; ``by_type`` counts them by what they ask for."""

    clients: tuple[ClientSubscriptions, ...]
    total: int
    by_type: dict[str, int]


class BroadcastInput(Input):
    message: str = Field(default="", max_length=4_000, description="Text to every client")
    event_type: EventType | None = Field(
        default=None, description="Publish an event of this type instead of a notice"
    )
    cluster: str | None = Field(default=None, description="Cluster the event is about")
    payload: dict[str, Any] = Field(default_factory=dict, description="Payload of the event")

    @model_validator(mode="after")
    def _says_something(self) -> "BroadcastInput":
        if not self.message and self.event_type is None:
            raise ValueError("send a message, or an event_type with its payload")
        return self


class Broadcast(Entity):
    """What was sent; ``connections`` counts the clients of the answering process."""

    sent: bool
    event_id: str | None
    connections: int


@server.operation(
    "get_stream_status", route="GET /streaming/status", needs="clusters:read", tool=False
)
async def get_stream_status(context: Context, request: NothingInput) -> StreamStatus:
    """Tell how the event stream of the answering process is: connections, events kept, drops."""
    del request
    return context.streams.status()


@server.operation(
    "list_stream_clients", route="GET /streaming/clients", needs="streaming:read", tool=False
)
async def list_stream_clients(context: Context, request: NothingInput) -> StreamClients:
    """List the clients of the event stream, with what was dropped for each."""
    del request
    found = context.streams.client_infos()
    return StreamClients(clients=found, total=len(found))


@server.operation(
    "list_stream_subscriptions",
    route="GET /streaming/subscriptions",
    needs="clusters:read",
    tool=False,
)
async def list_stream_subscriptions(context: Context, request: NothingInput) -> StreamSubscriptions:
    """List subscriptions of the event stream: one's own, for an administrator all."""
    del request
    caller = context.principal
    clients = [
        ClientSubscriptions(
            client_id=each.client_id, subject=each.subject, subscriptions=each.subscriptions
        )
        for each in context.streams.client_infos()
        if caller.role is Role.ADMIN or each.subject == caller.subject
    ]
    wanted = [each for client in clients for each in client.subscriptions]
    return StreamSubscriptions(clients=tuple(clients), total=len(wanted), by_type=_by_type(wanted))


def _by_type(subscriptions: Sequence[Subscription]) -> dict[str, int]:
    counts = {kind.value: 0 for kind in EventType}
    for subscription in subscriptions:
        for kind in subscription.event_types or tuple(EventType):
            counts[kind.value] += 1
    return {name: count for name, count in counts.items() if count}


@server.operation(
    "broadcast",
    route="POST /streaming/broadcast",
    needs="streaming:write",
    tool=False,
)
async def broadcast(context: Context, request: BroadcastInput) -> Broadcast:
    """Tell every client of the event stream something, on all replicas; changes nothing else."""
    connections = context.streams.status().connections
    if request.event_type is None:
        await context.streams.announce(Notice(kind=NoticeKind.NOTICE, text=request.message))
        return Broadcast(sent=True, event_id=None, connections=connections)
    payload = {**request.payload, **({"message": request.message} if request.message else {})}
    cluster = (
        await context.registry.resolve(request.cluster, context.principal)
        if request.cluster
        else None
    )
    event = Event(
        event_id=uuid4(),
        event_type=request.event_type,
        source="broadcast",
        cluster_id=cluster.id if cluster else None,
        cluster_name=cluster.name if cluster else None,
        timestamp=context.clock(),
        payload=payload,
    )
    await context.events.publish(event)
    return Broadcast(sent=True, event_id=str(event.event_id), connections=connections)
