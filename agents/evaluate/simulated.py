"""A fleet to ask: the simulated one, in given incidents, at a fixed time, over an application.

It must not know who asks or what is right.
"""

import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from agents.evaluate.remembered import SharedFleets
from aiops_mcp.app import App, open_app
from aiops_mcp.errors import InputError
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import Incident, read_incidents, start_incidents
from aiops_mcp.simulation.topology import FleetSpec, default_fleet
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
"""When everything is asked, unless a scenario says hours before."""
SEED = 1


@asynccontextmanager
async def fleet_in(
    incidents: Sequence[str],
    now: datetime = NOW,
    *,
    known: Mapping[str, Incident] | None = None,
    away: Sequence[str] = (),
    settings: Settings | None = None,
    shared: SharedFleets | None = None,
) -> AsyncGenerator[App]:
    """A running application over the simulated fleet in these incidents, at a fixed time.

    ``known`` are the incidents by name, those of the package by default; the backends of the
    clusters ``away`` do not answer. Of ``settings`` what is about storage is not heeded. ``shared``
    is what fleets that one process asks after another have in common.

    Raises:
        InputError: there is no such incident or cluster.
    """
    names = known if known is not None else read_incidents(None)
    started = start_incidents(incidents, names, now=now.timestamp())
    world = World(SEED, started, now.timestamp, fleet=_without(away) if away else None)
    simulated = SimulatedFleet(world)
    transport_for = (
        shared.transport_for(simulated, started, away) if shared else simulated.transport
    )
    with tempfile.TemporaryDirectory() as home:
        own = {"home": Path(home), "demo": False, "database_url": None, "redis_url": None}
        asked = (settings or Settings(cache_bytes=0)).model_copy(update=own)
        async with open_app(
            asked, watch=False, clock=lambda: now, transport_for=transport_for
        ) as app:
            for new, credentials in simulated.registrations():
                await app.context.registry.register(new, credentials)
            await app.check_stale_clusters()
            yield app


def _without(away: Sequence[str]) -> FleetSpec:
    """The fleet in which these clusters are out of reach all the time."""
    spec = default_fleet()
    unknown = set(away) - {one.name for one in spec.clusters}
    if unknown:
        raise InputError(
            f"The simulated fleet has no cluster {', '.join(sorted(unknown))}.",
            f"There are: {', '.join(one.name for one in spec.clusters)}.",
        )
    clusters = tuple(
        one.model_copy(update={"away": True}) if one.name in away else one for one in spec.clusters
    )
    return spec.model_copy(update={"clusters": clusters})
