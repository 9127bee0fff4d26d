"""An application over some clusters of the simulated fleet, in incidents, at a fixed time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aiops_mcp.app import App, open_app
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

Carry = Callable[[str], httpx2.AsyncBaseTransport | None]


@pytest.fixture
async def fleet_in(tmp_path: Path) -> AsyncIterator[Any]:
    """``fleet_in(*incidents, clusters=…)``: a running application that has those clusters.

    ``through`` may wrap what carries its requests.
    """
    async with AsyncExitStack() as opened:

        async def make(
            *incidents: str,
            clusters: tuple[str, ...],
            through: Callable[[Carry], Carry] = lambda carry: carry,
        ) -> App:
            started = start_incidents(incidents, read_incidents(None), now=NOW.timestamp())
            simulated = SimulatedFleet(World(1, started, NOW.timestamp))
            settings = Settings(_env_file=None, home=tmp_path, cache_bytes=0)
            app = await opened.enter_async_context(
                open_app(
                    settings,
                    watch=False,
                    clock=lambda: NOW,
                    transport_for=through(simulated.transport),
                )
            )
            for new, credentials in simulated.registrations():
                if new.name in clusters:
                    await app.context.registry.register(new, credentials)
            await app.check_stale_clusters()
            return app

        yield make
