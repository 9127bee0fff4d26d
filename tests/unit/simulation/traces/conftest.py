from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0  # 2025-11-25T05:53:20Z

FleetWith = Callable[..., SimulatedFleet]
AskOf = Callable[[SimulatedFleet, str, str], httpx2.AsyncClient]


@pytest.fixture(scope="session")
def fleet_with() -> FleetWith:
    made: dict[tuple[str, ...], SimulatedFleet] = {}

    def make(*incidents: str) -> SimulatedFleet:
        if incidents not in made:
            started = start_incidents(incidents, read_incidents(), NOW)
            made[incidents] = SimulatedFleet(World(1, started, lambda: NOW))
        return made[incidents]

    return make


@pytest.fixture
async def client_of() -> AsyncIterator[AskOf]:
    """A client of one backend of a simulated cluster, with the cluster's token."""
    clients: list[httpx2.AsyncClient] = []

    def make(fleet: SimulatedFleet, cluster: str, backend: str) -> httpx2.AsyncClient:
        url = f"https://{backend}.{cluster}.sim.invalid"
        transport = fleet.transport(url)
        assert transport is not None
        token = token_of(fleet.world.seed, cluster)
        client = httpx2.AsyncClient(
            transport=transport, base_url=url, headers={"authorization": f"Bearer {token}"}
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
