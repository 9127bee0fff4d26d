"""What the event stream says about itself."""

from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.events import Subscription


class StreamClientInfo(Entity):
    """One connection of this process."""

    client_id: str
    subject: str
    role: str
    connected_at: Timestamp
    subscriptions: tuple[Subscription, ...]
    delivered: int
    dropped: int
    waiting: int


class StreamStatus(Entity):
    """The stream as it is now, in the process that answers."""

    running: bool
    shared: bool
    """Whether events of other processes arrive; false also where there are none."""
    connections: int
    max_connections: int
    subscriptions: int
    events_kept: int
    newest_sequence: str | None
    dropped: int
