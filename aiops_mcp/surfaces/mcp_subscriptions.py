"""Which resources an event changes, and how clients of both protocol eras hear of it.

2026-07-28 clients hold a ``subscriptions/listen`` stream, older ones said
``resources/subscribe`` on a connection that stays open (stdio, or HTTP with sessions).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourceUpdated,
    ServerEvent,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import Principal

CLUSTERS_URI = "fleet://clusters"

INCIDENTS_URI = "fleet://incidents"
NO_CLUSTER = ""
"""Of several clusters: only who sees the whole fleet hears of it."""

_SEND_SECONDS = 2.0

_log = logging.getLogger(__name__)

# What changes for a cluster beside its own page, by kind of event.
_PAGES: dict[EventType, tuple[str, ...]] = {
    EventType.CLUSTER_REGISTERED: ("",),
    EventType.CLUSTER_UPDATED: ("",),
    EventType.CLUSTER_DELETED: ("", "/alerts", "/gpus"),
    EventType.CLUSTER_STATUS_CHANGED: ("",),
    EventType.CLUSTER_CAPABILITIES_CHANGED: ("", "/gpus"),
    EventType.ALERT_FIRED: ("/alerts",),
    EventType.ALERT_RESOLVED: ("/alerts",),
    EventType.GPU_UPDATE: ("/gpus",),
}
_LISTED = frozenset(kind for kind in _PAGES if kind.name.startswith("CLUSTER_"))

Sees = Callable[[], Principal]


def changed_uris(event: Event) -> tuple[str, ...]:
    """The resources whose content an event changed, by the cluster's name and by its id."""
    if event.event_type is EventType.INCIDENT_UPDATED:
        return (INCIDENTS_URI, f"{INCIDENTS_URI}/{event.payload.get('incident_id')}")
    pages = _PAGES.get(event.event_type, ())
    names = [str(name) for name in (event.cluster_name, event.cluster_id) if name]
    uris = [f"{CLUSTERS_URI}/{name}{page}" for name in names for page in pages]
    return (CLUSTERS_URI, *uris) if event.event_type in _LISTED else tuple(uris)


def cluster_in(uri: str) -> str | None:
    """The cluster a resource belongs to, or ``None`` where it spans the fleet."""
    if not uri.startswith(CLUSTERS_URI + "/"):
        return None
    return unquote(uri.removeprefix(CLUSTERS_URI + "/").partition("/")[0])


def may_watch(principal: Principal, uri: str) -> bool:
    """Whether the caller sees what the resource is about."""
    cluster = cluster_in(uri)
    return cluster is None or principal.sees(cluster)


@dataclass(frozen=True)
class ClusterChanged(ResourceUpdated):
    """A resource changed because of one cluster: only who sees that cluster hears of it."""

    cluster: str | None = None


class _InSight:
    """The bus as a confined caller hears it: what it may not see does not happen for it."""

    def __init__(self, bus: InMemorySubscriptionBus, principal: Principal) -> None:
        self._bus = bus
        self._principal = principal

    async def publish(self, event: ServerEvent) -> None:
        await self._bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        def hear(event: ServerEvent) -> None:
            cluster = event.cluster if isinstance(event, ClusterChanged) else None
            if cluster is None or self._principal.sees(cluster):
                listener(event)

        return self._bus.subscribe(hear)


class ScopedListen:
    """``subscriptions/listen`` that leaves out what the caller may not see."""

    def __init__(self, bus: InMemorySubscriptionBus, principal_of: Sees) -> None:
        self._bus = bus
        self._listen = ListenHandler(bus)
        self._confined: dict[frozenset[str], ListenHandler] = {}
        self._principal_of = principal_of

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        wanted = params.notifications
        principal = self._principal_of()
        uris = [uri for uri in wanted.resource_subscriptions or () if may_watch(principal, uri)]
        narrowed = wanted.model_copy(update={"resource_subscriptions": uris or None})
        listen = self._handler_of(principal)
        return await listen(ctx, params.model_copy(update={"notifications": narrowed}))

    def _handler_of(self, principal: Principal) -> ListenHandler:
        if principal.clusters is None:
            return self._listen
        known = self._confined.get(principal.clusters)
        if known is None:
            known = ListenHandler(_InSight(self._bus, principal))
            self._confined[principal.clusters] = known
        return known

    def close(self) -> None:
        """End every stream, telling each client that it was on purpose."""
        for handler in (self._listen, *self._confined.values()):
            handler.close()


class ConnectionSubscriptions:
    """``resources/subscribe`` and ``resources/unsubscribe``, kept while a connection lives."""

    def __init__(self, principal_of: Sees) -> None:
        self._principal_of = principal_of
        self._watched: dict[Connection, dict[str, Principal]] = {}

    async def subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        """Watch one resource.

        Raises:
            MCPError: the resource belongs to a cluster the caller may not see.
        """
        uri = str(params.uri)
        principal = self._principal_of()
        if not may_watch(principal, uri):
            raise MCPError(INVALID_PARAMS, f"Resource not found: {uri!r}", {"uri": uri})
        connection = connection_of(ctx)
        if connection not in self._watched:
            self._watched[connection] = {}
            connection.exit_stack.callback(self._watched.pop, connection, None)
        self._watched[connection][uri] = principal
        return EmptyResult()

    async def unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        self._watched.get(connection_of(ctx), {}).pop(str(params.uri), None)
        return EmptyResult()

    async def notify(self, uri: str, cluster: str | None = None) -> None:
        """Tell every connection that watches the resource, and sees the cluster it is about.

        One that does not read is skipped.
        """
        for connection, uris in list(self._watched.items()):
            watcher = uris.get(uri)
            if watcher is not None and (cluster is None or watcher.sees(cluster)):
                with anyio.move_on_after(_SEND_SECONDS) as patience:
                    await connection.send_resource_updated(uri)
                if patience.cancelled_caught:
                    _log.warning("a client does not read its notifications; one was dropped")


def connection_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """The connection, or session, a request came over."""
    # The library offers the connection to contexts it does not build yet; a test pins this.
    return ctx.session._connection  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
