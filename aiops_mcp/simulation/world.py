"""The simulated world: every cluster, what happens in it, and what time it is.

A world is fixed by its seed, its incidents and the moment it was made; asking it never changes
it. It must not know wire formats.
"""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property

from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.effects import EffectWriter
from aiops_mcp.simulation.incident import StartedIncident
from aiops_mcp.simulation.inventory import Builder
from aiops_mcp.simulation.noise import DAY
from aiops_mcp.simulation.store import WorldStore
from aiops_mcp.simulation.topology import FleetSpec, default_fleet

Clock = Callable[[], float]
"""Gives the time in unix seconds."""


class World:
    """Clusters with their truths; ``clock`` gives unix seconds and is all that moves."""

    def __init__(
        self,
        seed: int = 1,
        incidents: Iterable[StartedIncident] = (),
        clock: Clock = time.time,
        fleet: FleetSpec | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.incidents = tuple(incidents)
        self.fleet = fleet or default_fleet()
        started = clock()
        self.anchor = started - started % DAY
        """The midnight (UTC) that ages are counted from."""
        self._builders: dict[str, Builder] = {}
        self.clusters: dict[str, SimulatedCluster] = {}
        for number, spec in enumerate(self.fleet.clusters):
            builder = Builder(seed, number, spec, self.fleet.workloads(spec), self.anchor)
            self._builders[spec.name] = builder
            self.clusters[spec.name] = SimulatedCluster(spec, seed, builder.build())
        self._join_members()
        writer = EffectWriter(self.clusters, lambda cluster: self._builders[cluster.name])
        for incident in self.incidents:
            writer.apply(incident)
        self._stores: dict[str, WorldStore] = {}

    def _join_members(self) -> None:
        for hub in self.clusters.values():
            if "hub" in hub.spec.stacks:
                hub.members = list(self.clusters.values())

    def now(self) -> float:
        """The time in unix seconds."""
        return self.clock()

    def store(self, name: str) -> WorldStore:
        """The series of one cluster."""
        if name not in self._stores:
            self._stores[name] = WorldStore(self.clusters[name], self.anchor, self.clock)
        return self._stores[name]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The clusters' names in the order of the fleet."""
        return tuple(self.clusters)


def fixed_clock(moment: datetime | float) -> Clock:
    """A clock that stands still, for tests and replays."""
    seconds = moment.timestamp() if isinstance(moment, datetime) else float(moment)
    return lambda: seconds
