"""Incidents on a real Prometheus: filled with what simulated clusters measure, then asked.

Beside the truth stands what `detect_anomalies` and `analyze_root_cause` answer from the simulated
server and from the real one, from metrics alone: the registered cluster has no other backend.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from prometheus_reference import prometheus, write

from aiops_mcp.app import App, open_app
from aiops_mcp.fleet.vital_signs import names_pattern
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.digest import Digest
from aiops_mcp.promql import parse_selector
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import StartedIncident, read_incidents, start_incidents
from aiops_mcp.simulation.promql.store import Samples
from aiops_mcp.simulation.world import World

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LOOKED_BACK = 7 * 3600
EVERY = 2
"""One of so many scrapes is written: half a minute apart, as many a Prometheus scrapes."""

PLACES = "kube_node_info|kube_pod_info|kube_pod_spec_volumes_persistentvolumeclaims_info"
"""Beside the vital signs: what runs on what."""

INCIDENTS = (
    ("config-change", "stage-singapore"),
    ("slow-database", "prod-frankfurt"),
    ("gpu-xid-79", "ml-oregon"),
    ("upf-packet-loss", "edge-berlin"),
    ("etcd-slow-disk", "fleet-hub"),
    ("", "prod-virginia"),
)
"""An incident and where it is; the last is a healthy cluster."""


@dataclass(frozen=True)
class Told:
    anomalies: Digest
    causes: Digest


def samples_of(world: World, cluster: str) -> Iterator[Samples]:
    """The series that are asked for, over the hours before now."""
    matchers = parse_selector(f'{{__name__=~"{names_pattern()}|{PLACES}"}}').matchers
    until = int(world.now() * 1000)
    for block in world.store(cluster).select(matchers, until - LOOKED_BACK * 1000, until):
        times = block.timestamps[::EVERY]
        for row, labels in enumerate(block.labels):
            values = block.values[row, ::EVERY]
            there = np.ones(len(times), dtype=np.bool_)
            if block.missing is not None:
                there = ~block.missing[row, ::EVERY]
            if there.any():
                yield Samples(labels, times[there], values[there])


async def ask(world: World, cluster: str, url: str | None) -> Told:
    """What is said of the cluster with its simulated Prometheus, or with the one at ``url``."""
    simulated = SimulatedFleet(world)
    [(new, credentials)] = [one for one in simulated.registrations() if one[0].name == cluster]
    only = ClusterEndpoints(prometheus_url=url or new.endpoints.prometheus_url)
    new = new.model_copy(update={"endpoints": only})
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(_env_file=None, home=Path(home), cache_bytes=0)
        async with open_app(
            settings,
            watch=False,
            clock=lambda: datetime.fromtimestamp(world.now(), UTC),
            transport_for=simulated.transport,
        ) as app:
            await app.context.registry.register(new, credentials)
            await app.check_stale_clusters()
            return Told(
                await answer(app, "detect_anomalies", clusters=[cluster]),
                await answer(app, "analyze_root_cause", cluster=cluster),
            )


async def answer(app: App, tool: str, **arguments: object) -> Digest:
    return await app.ask(tool, arguments)


def world_of(incident: str) -> tuple[World, list[StartedIncident]]:
    started = start_incidents([incident] if incident else [], read_incidents(None), NOW.timestamp())
    return World(1, started, NOW.timestamp), started


def show(name: str, digest: Digest, most: int = 3) -> None:
    print(f"  {name}: {digest.headline}")
    for row in digest.rows[:most]:
        print("    " + " | ".join(str(cell) for cell in row)[:150])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("incidents", nargs="*", help="of those: " + ", ".join(dict(INCIDENTS)))
    wanted = parser.parse_args(arguments).incidents or list(dict(INCIDENTS))
    for incident, cluster in INCIDENTS:
        if incident not in wanted:
            continue
        world, started = world_of(incident)
        truth = "; ".join(
            f"{one.incident.truth.name}: {one.incident.truth.root_cause}" for one in started
        )
        print(f"{incident or 'healthy'} on {cluster}\n  truth: {truth or 'nothing is wrong'}")
        with prometheus() as (url, _):
            written = list(samples_of(world, cluster))
            write(url, written)
            print(f"  {len(written)} series, {sum(len(one.values) for one in written):,} samples")
            for place, told in (
                ("simulated", asyncio.run(ask(world, cluster, None))),
                ("real", asyncio.run(ask(world, cluster, url))),
            ):
                show(f"anomalies, {place}", told.anomalies)
                show(f"causes, {place}", told.causes)


if __name__ == "__main__":
    main(sys.argv[1:])
