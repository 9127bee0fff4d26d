"""Five hundred registered clusters: what `aiops serve` takes, and whether checks are on time.

    python benchmarks/scale.py [--clusters 500] [--seconds 140]

The clusters are one small process on loopback (``stub_clusters.py``), spoken to over TLS with a
token each; every twentieth hangs and every twentieth refuses. The times of the checks are those at
which the clusters were asked, not what the server says of itself.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from figures import Figure, at_most, table
from prometheus_reference import free_port
from pydantic import SecretStr

from aiops_mcp.app import open_app
from aiops_mcp.models.cluster import (
    AuthType,
    ClusterCredentials,
    ClusterEndpoints,
    ClusterType,
)
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.settings import Settings

MEMORY_MB = 300
LATE_SHARE = 0.1
"""On time: within a tenth of the tier's period."""
WARM_UP_SECONDS = 20
TIERS = (ClusterType.HUB, ClusterType.SPOKE, ClusterType.EDGE, ClusterType.FAR_EDGE)
_SELF = Path(__file__).resolve().parent
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Stubbed:
    """One cluster: its address, tier, and whether it hangs or refuses."""

    name: str
    address: str
    tier: ClusterType
    hangs: bool
    refuses: bool


def made_up(count: int) -> list[Stubbed]:
    return [
        Stubbed(
            f"cluster-{number:04}",
            f"127.0.{1 + number // 250}.{1 + number % 250}",
            # As fleets are: few hubs, many at the edge.
            TIERS[0 if number % 50 == 0 else 1 + number % 3],
            number % 20 == 7,
            number % 20 == 13,
        )
        for number in range(count)
    ]


async def register(clusters: list[Stubbed], home: Path, port: int, closed: int) -> None:
    async with open_app(Settings(home=home), watch=False) as app:
        for cluster in clusters:
            base = f"https://{cluster.address}:{closed if cluster.refuses else port}"
            new = NewCluster(
                name=cluster.name,
                api_server_url=base,
                cluster_type=cluster.tier,
                endpoints=ClusterEndpoints(prometheus_url=base, alertmanager_url=base),
            )
            token = SecretStr(f"token-of-{cluster.name}")
            credentials = ClusterCredentials(
                auth_type=AuthType.SERVICE_ACCOUNT,
                token=token,
                insecure_skip_tls_verify=True,
                created_at=datetime.now(UTC),
            )
            await app.context.registry.register(new, credentials)


@contextmanager
def process(command: list[str], ready: str, **environment: str):
    """A process that has said ``ready``; it is ended afterwards."""
    with tempfile.TemporaryFile("w+") as said:
        started = subprocess.Popen(
            command, stdout=said, stderr=said, env={**os.environ, **environment}
        )
        try:
            for _ in range(600):
                said.seek(0)
                text = said.read()
                if ready in text:
                    break
                if started.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended: {text}")
                time.sleep(0.05)
            else:
                raise TimeoutError(f"{command[0]} did not start")
            yield started.pid
        finally:
            started.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                started.wait(timeout=10)
            started.kill()
            started.wait()


def until_open(port: int) -> None:
    """Return when somebody listens there; the greeting comes a moment before."""
    for _ in range(400):
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmRSS")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lateness(
    clusters: list[Stubbed], noted: dict[str, list[float]]
) -> dict[ClusterType, tuple[int, float]]:
    """Per tier: how many intervals were seen, and the most that one was over its period."""
    every = Settings().check_every
    found: dict[ClusterType, tuple[int, float]] = {}
    for tier in TIERS:
        over = [
            later - earlier - every[tier]
            for cluster in clusters
            if cluster.tier is tier and not cluster.refuses
            for earlier, later in pairwise(noted.get(cluster.address, []))
        ]
        found[tier] = (len(over), max(over, default=0.0))
    return found


def measure(*, quick: bool = False, count: int = 500, seconds: float = 140) -> list[Figure]:
    if quick:
        seconds = 45
    clusters = made_up(count)
    port, closed, own = free_port(), free_port(), free_port()
    hanging = [cluster.address for cluster in clusters if cluster.hangs]
    stub = [sys.executable, str(_SELF / "stub_clusters.py"), str(port), *hanging]
    serve = [str(_BIN / "aiops"), "serve", "--port", str(own)]
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(register(clusters, Path(home), port, closed))
        with (
            process(stub, "listening"),
            process(serve, f"{count} clusters", AIOPS_HOME=home) as pid,
        ):
            time.sleep(WARM_UP_SECONDS)
            cpu, began, most = cpu_seconds(pid), time.monotonic(), 0.0
            while time.monotonic() - began < seconds - WARM_UP_SECONDS:
                time.sleep(1)
                most = max(most, memory_mb(pid))
            share = (cpu_seconds(pid) - cpu) / (time.monotonic() - began)
            trusting = ssl._create_unverified_context()
            with urllib.request.urlopen(
                f"https://127.0.0.1:{port}/noted", context=trusting
            ) as answer:
                noted = json.load(answer)
    answering = [cluster for cluster in clusters if not cluster.refuses]
    missed = sum(not noted.get(cluster.address) for cluster in answering)
    name = f"{count} clusters"
    return [
        at_most(f"{name}: memory of aiops serve, most", most, "MB", MEMORY_MB),
        Figure(f"{name}: processor share", 100 * share, "% of a core"),
        at_most(f"{name}: never checked", missed, "clusters", 0),
        *(
            at_most(
                f"{name}: {tier} checks, latest of {seen}",
                late,
                "s late",
                LATE_SHARE * Settings().check_every[tier],
            )
            for tier, (seen, late) in lateness(clusters, noted).items()
            if seen
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=140)
    options = parser.parse_args()
    print(table(measure(count=options.clusters, seconds=options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
