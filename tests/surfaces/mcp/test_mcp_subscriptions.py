"""What an event changes, and that clients of both eras hear of it."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import mcp
import mcp_types
import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.surfaces.mcp_subscriptions import changed_uris, cluster_in, may_watch

ID = UUID("00000000-0000-0000-0000-000000000007")
CONFINED = Principal(subject="viewer-1", role=Role.VIEWER, clusters=frozenset({"edge-7"}))


def event(kind: EventType, cluster: str | None = "edge-7") -> Event:
    return Event(
        event_id=UUID(int=1),
        event_type=kind,
        source="test",
        cluster_id=ID if cluster else None,
        cluster_name=cluster,
        timestamp=datetime(2026, 11, 25, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (EventType.CLUSTER_STATUS_CHANGED, {"", "edge-7", str(ID)}),
        (EventType.CLUSTER_REGISTERED, {"", "edge-7", str(ID)}),
        (EventType.ALERT_FIRED, {"edge-7/alerts", f"{ID}/alerts"}),
        (EventType.ALERT_RESOLVED, {"edge-7/alerts", f"{ID}/alerts"}),
        (EventType.GPU_UPDATE, {"edge-7/gpus", f"{ID}/gpus"}),
        (
            EventType.CLUSTER_DELETED,
            {
                "",
                *(f"{name}{page}" for name in ("edge-7", ID) for page in ("", "/alerts", "/gpus")),
            },
        ),
        (EventType.CHAT_MESSAGE, set()),
        (EventType.METRIC_UPDATE, set()),
    ],
)
def test_an_event_changes_these_resources(kind, expected) -> None:
    uris = changed_uris(event(kind))
    assert set(uris) == {f"fleet://clusters/{page}".rstrip("/") for page in expected}
    assert len(uris) == len(set(uris))


def test_an_event_of_no_cluster_changes_the_list_at_most() -> None:
    assert changed_uris(event(EventType.CLUSTER_UPDATED, None)) == ("fleet://clusters",)
    assert changed_uris(event(EventType.ALERT_FIRED, None)) == ()


def test_an_incident_changes_its_page_and_the_list() -> None:
    changed = event(EventType.INCIDENT_UPDATED).model_copy(update={"payload": {"incident_id": "a"}})
    assert changed_uris(changed) == ("fleet://incidents", "fleet://incidents/a")


@pytest.mark.parametrize(("principal", "first"), [(None, "a"), (CONFINED, "b")])
async def test_what_is_of_several_clusters_is_for_who_sees_them_all(
    make_server, principal, first
) -> None:
    server = make_server(**({"principal_of": lambda: principal} if principal else {}))
    async with (
        mcp.Client(server._mcp_server) as client,
        client.listen(
            resource_subscriptions=["fleet://incidents/a", "fleet://incidents/b"]
        ) as heard,
    ):
        for cluster, name in ((None, "a"), ("edge-7", "b")):
            told = event(EventType.INCIDENT_UPDATED, cluster)
            await server.on_event(told.model_copy(update={"payload": {"incident_id": name}}))
        assert (await asyncio.wait_for(anext(heard), 5)).uri == f"fleet://incidents/{first}"


def test_whose_resource_it_is() -> None:
    assert cluster_in("fleet://clusters") is None
    assert cluster_in("fleet://clusters/edge-7/alerts") == "edge-7"
    assert cluster_in("fleet://clusters/edge%2D7") == "edge-7"
    assert may_watch(CONFINED, "fleet://clusters")
    assert may_watch(CONFINED, "fleet://clusters/edge-7/gpus")
    assert not may_watch(CONFINED, "fleet://clusters/hub-1")


async def test_listening_clients_hear_of_what_they_asked_for(make_server) -> None:
    server = make_server()
    uris = ["fleet://clusters", "fleet://clusters/edge-7/alerts"]
    async with (
        mcp.Client(server._mcp_server) as client,
        client.listen(resource_subscriptions=uris) as heard,
    ):
        await server.on_event(event(EventType.GPU_UPDATE))
        await server.on_event(event(EventType.ALERT_FIRED))
        first = await asyncio.wait_for(anext(heard), 5)
        await server.on_event(event(EventType.CLUSTER_STATUS_CHANGED))
        second = await asyncio.wait_for(anext(heard), 5)
    assert (first.uri, second.uri) == ("fleet://clusters/edge-7/alerts", "fleet://clusters")


async def test_a_confined_listener_hears_of_its_clusters_only(make_server) -> None:
    server = make_server(principal_of=lambda: CONFINED)
    uris = ["fleet://clusters/hub-1", "fleet://clusters/edge-7"]
    async with (
        mcp.Client(server._mcp_server) as client,
        client.listen(resource_subscriptions=uris) as heard,
    ):
        assert heard.honored.resource_subscriptions == ["fleet://clusters/edge-7"]
        await server.resource_changed("fleet://clusters/hub-1")
        await server.resource_changed("fleet://clusters/edge-7")
        assert (await asyncio.wait_for(anext(heard), 5)).uri == "fleet://clusters/edge-7"


async def test_a_confined_listener_of_the_list_hears_of_its_clusters_only(make_server) -> None:
    server = make_server(principal_of=lambda: CONFINED)
    async with (
        mcp.Client(server._mcp_server) as client,
        client.listen(resource_subscriptions=["fleet://clusters"]) as heard,
    ):
        await server.on_event(event(EventType.CLUSTER_UPDATED, "hub-1"))
        nothing = asyncio.ensure_future(anext(heard))
        await asyncio.wait([nothing], timeout=0.2)
        assert not nothing.done()
        await server.on_event(event(EventType.CLUSTER_UPDATED))
        assert (await asyncio.wait_for(nothing, 5)).uri == "fleet://clusters"
        server.close_subscriptions()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(heard), 5)


async def test_closing_ends_streams_on_purpose(make_server) -> None:
    server = make_server()
    async with (
        mcp.Client(server._mcp_server) as client,
        client.listen(resource_subscriptions=["fleet://clusters"]) as heard,
    ):
        server.close_subscriptions()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(heard), 5)


class Updates:
    """Collects ``notifications/resources/updated`` of an older client."""

    def __init__(self) -> None:
        self.uris: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            self.uris.put_nowait(str(message.params.uri))

    async def next(self) -> str:
        return await asyncio.wait_for(self.uris.get(), 5)


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_older_clients_subscribe_and_unsubscribe(make_server) -> None:
    server, updates = make_server(), Updates()
    async with Client(server, mode="legacy", message_handler=updates) as client:
        await client.session.subscribe_resource("fleet://clusters")
        await client.session.subscribe_resource("fleet://clusters/edge-7/alerts")
        await server.on_event(event(EventType.ALERT_FIRED))
        assert await updates.next() == "fleet://clusters/edge-7/alerts"

        await client.session.unsubscribe_resource("fleet://clusters/edge-7/alerts")
        await server.on_event(event(EventType.ALERT_RESOLVED))
        await server.on_event(event(EventType.CLUSTER_STATUS_CHANGED))
        assert await updates.next() == "fleet://clusters"
        assert len(server._subscriptions._watched) == 1
    assert len(server._subscriptions._watched) == 0
    await server.resource_changed("fleet://clusters")  # nobody is left, and nothing fails
    assert MCPDeprecationWarning is not None


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_client_cannot_watch_what_it_may_not_see(make_server) -> None:
    server = make_server(principal_of=lambda: CONFINED)
    async with Client(server, mode="legacy") as client:
        with pytest.raises(MCPError, match="Resource not found"):
            await client.session.subscribe_resource("fleet://clusters/hub-1")
        await client.session.subscribe_resource("fleet://clusters/edge-7")
        await client.session.unsubscribe_resource("fleet://clusters/never")


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_confined_client_hears_of_its_clusters_only(make_server) -> None:
    server, updates = make_server(principal_of=lambda: CONFINED), Updates()
    async with Client(server, mode="legacy", message_handler=updates) as client:
        await client.session.subscribe_resource("fleet://clusters")
        await client.session.subscribe_resource("fleet://clusters/edge-7")
        await server.on_event(event(EventType.CLUSTER_UPDATED, "hub-1"))
        await server.resource_changed("fleet://clusters/edge-7")
        assert await updates.next() == "fleet://clusters/edge-7"
        await server.on_event(event(EventType.CLUSTER_UPDATED))
        assert await updates.next() == "fleet://clusters"
