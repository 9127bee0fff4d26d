"""The watch over 500 clusters: are checks of all tiers on time, and what do they cost.

Real registry (SQLite), real watcher, real clients over an in-process transport; one cluster in
fifty hangs. Prints the latest start of a check, CPU share and memory; exits 1 when a check starts
more than a second late. `python benchmarks/watch.py --seconds 60`
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from aiops_mcp.app import open_app
from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.fleet.access import Clients
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.watcher import Watcher
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterType
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.settings import Settings

CLUSTERS = 500
TIERS = (ClusterType.HUB,) + (ClusterType.SPOKE,) * 5 + (ClusterType.EDGE,) * 2
MAX_LATE = 1.0


class Cluster(httpx2.AsyncBaseTransport):
    """Answers readiness and empty lists after 20 ms, or never."""

    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs
        self.checks = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._hangs:
            await asyncio.Event().wait()
        await asyncio.sleep(0.02)
        path = request.url.path
        self.checks += path == "/readyz"
        body = {"gitVersion": "v1.33.1"} if path == "/version" else {"items": [], "groups": []}
        return httpx2.Response(200, json=body)


async def watch(seconds: float) -> tuple[float, float, Counter[str], int]:
    transports: dict[str, Cluster] = {}

    def transport_for(url: str) -> httpx2.AsyncBaseTransport:
        name = url.split("//")[1].split(".")[1]
        return transports.setdefault(name, Cluster(hangs=int(name[-3:]) % 50 == 7))

    settings = Settings(_env_file=None, home=Path(tempfile.mkdtemp()))
    async with open_app(settings, watch=False) as app:
        registry = app.context.registry
        for number in range(CLUSTERS):
            name = f"cluster-{number:03}"
            await registry.register(
                NewCluster(
                    name=name,
                    api_server_url=f"https://api.{name}.invalid",
                    cluster_type=TIERS[number % len(TIERS)],
                    endpoints=ClusterEndpoints(prometheus_url=f"https://prometheus.{name}.invalid"),
                )
            )
        clock = lambda: datetime.now(UTC)  # noqa: E731
        clients = Clients(registry, NetworkConnect(settings, transport_for), time.monotonic)
        shards = Shards(None, purpose="health", holder="benchmark", clock=clock)
        watcher = Watcher(registry, clients, settings, clock=clock, shards=shards)
        task = asyncio.create_task(watcher.run())
        began = time.process_time()
        await asyncio.sleep(seconds)
        busy = time.process_time() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        states = Counter(cluster.status.state.value for cluster in await registry.list(LOCAL_ADMIN))
        checks = sum(transport.checks for transport in transports.values())
        return watcher.late_seconds, busy / seconds, states, checks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    late, share, states, checks = asyncio.run(watch(seconds))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{CLUSTERS} clusters for {seconds:.0f} s: {checks} checks, "
        f"the latest {late * 1000:.0f} ms late (at most {MAX_LATE * 1000:.0f}), "
        f"{share:.0%} of a core, {memory:.0f} MB at most, "
        f"states {dict(states)}"
    )
    return 1 if late > MAX_LATE else 0


if __name__ == "__main__":
    sys.exit(main())
