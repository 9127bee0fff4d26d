"""Every kind of event that a signal gives, out of one running application, as an incident begins.

The clock stands before the incidents until the watchers have looked once, and then jumps past them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from aiops_mcp.app import open_app
from aiops_mcp.models.cluster import ClusterType
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.world import World

pytestmark = pytest.mark.timeout(150)

BEGIN = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
WANTED = frozenset(
    {
        EventType.METRIC_UPDATE,
        EventType.ALERT_FIRED,
        EventType.TRACE_RECEIVED,
        EventType.GPU_UPDATE,
    }
)

LOOKS = 40  # over the clusters, several rounds
LOOKS_AT_CARDS = 6  # several rounds of the clusters that have some


class Clock:
    """Runs with the real one, from another moment; ``ahead`` is how far it jumped."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return BEGIN + self.ahead + (datetime.now(UTC) - self._started)


def told(heard: dict[EventType, list[Event]], name: str) -> list[Event]:
    """The updates of one watched expression."""
    updates = heard[EventType.METRIC_UPDATE]
    return [each for each in updates if each.payload["metric_name"] == name]


class Watched(httpx2.AsyncBaseTransport):
    """Hands on to a simulated server, and counts the answers to the watcher of cards."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, answered: Callable[[], None]) -> None:
        self._inner = inner
        self._answered = answered

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if b"GET_GPU_RECOVERY_ACTION" in request.url.query + await request.aread():
            self._answered()
        return response


async def test_an_incident_reaches_the_bus_in_every_signal(tmp_path: Path) -> None:
    clock = Clock()
    begins = (BEGIN + timedelta(minutes=5)).isoformat()
    incidents = (f"gpu-xid-79@{begins}", f"config-change@{begins}")
    started = start_incidents(incidents, read_incidents(None), now=BEGIN.timestamp())
    fleet = SimulatedFleet(World(1, started, lambda: clock().timestamp()))
    settings = Settings(
        _env_file=None,
        home=tmp_path,
        check_timeout=dict.fromkeys(ClusterType, 60.0),
        check_every=dict.fromkeys(ClusterType, 1.0),
        watch=(
            "gpus=max by (Hostname, gpu) (DCGM_FI_DEV_XID_ERRORS);threshold=>=79",
            "seconds=vector(time());change=0.00000001",
        ),
        watch_every=1.0,
        gpu_poll_every=1.0,
        alert_poll_every=1.0,
        trace_poll_every=1.0,
    )
    heard: dict[EventType, list[Event]] = defaultdict(list)
    something = asyncio.Event()

    async def listen(event: Event) -> None:
        heard[event.event_type].append(event)
        something.set()

    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        something.set()

    def carry(url: str) -> httpx2.AsyncBaseTransport | None:
        inner = fleet.transport(url)
        return None if inner is None else Watched(inner, look)

    async with open_app(settings, watch=True, clock=clock, transport_for=carry) as opened:
        opened.bus.subscribe(listen)
        for new, credentials in fleet.registrations():
            await opened.context.registry.register(new, credentials)
        async with asyncio.timeout(60):  # whoever watches for edges has seen how it was before
            while len(told(heard, "seconds")) < LOOKS or looks < LOOKS_AT_CARDS:
                something.clear()
                await something.wait()
        assert not any(each.payload.get("xids") for each in heard[EventType.GPU_UPDATE])
        assert not told(heard, "gpus")
        heard.clear()
        clock.ahead = timedelta(minutes=15)
        try:
            async with asyncio.timeout(60):
                while not (heard.keys() >= WANTED and told(heard, "gpus")):
                    something.clear()
                    await something.wait()
        except TimeoutError:
            pytest.fail(f"not heard of within a minute: {WANTED - heard.keys() or 'gpus'}")

    [update, *_] = told(heard, "gpus")
    assert (
        update.payload.items()
        >= {
            "metric_name": "gpus",
            "value": 79.0,
            "previous_value": 0.0,
            "threshold_breached": True,
        }.items()
    )
    assert set(update.payload) >= {"labels", "change_percent"}
    assert update.cluster_name == "ml-oregon"
    assert {each.cluster_name for each in heard[EventType.GPU_UPDATE]} == {"ml-oregon"}
    assert all(each.payload["trace_id"] for each in heard[EventType.TRACE_RECEIVED])
