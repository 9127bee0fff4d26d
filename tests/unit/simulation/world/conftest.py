from collections.abc import Callable

import pytest

from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import Incident, read_incidents, start_incidents
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0  # 2025-11-25T05:53:20Z


class MovingClock:
    def __init__(self, moment: float = NOW) -> None:
        self.moment = moment

    def __call__(self) -> float:
        return self.moment


@pytest.fixture(scope="session")
def incidents() -> dict[str, Incident]:
    return read_incidents()


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


FleetWith = Callable[..., SimulatedFleet]


@pytest.fixture
def fleet_with(incidents: dict[str, Incident], clock: MovingClock) -> FleetWith:
    def make(*started: str, seed: int = 1) -> SimulatedFleet:
        chosen = start_incidents(started, incidents, clock())
        return SimulatedFleet(World(seed, chosen, clock), watch_poll=0.01)

    return make
