"""Federation: what asking a hundred clusters costs over asking one.

Runs the real fleet and the real Prometheus client over an in-process transport that answers after
20 ms. Prints ratios; exits 1 when one is over its limit. `python benchmarks/federation.py`

Wall times are the best of all rounds, so that a busy machine does not decide. The garbage collector
runs as rarely as in a server that holds many answers, for both sides of each ratio: at Python's
default it takes longer over a large answer than parsing it does.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import httpx2
import orjson

from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.garbage import leave_what_is_loaded
from aiops_mcp.models.cluster import Cluster, ClusterEndpoints, ClusterState, ClusterStatus
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.metrics import MetricAnswer
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings

LATENCY = 0.020
CLUSTERS = 100
HANGING = 10
DEADLINE = 1.0
MAX_FLEET_RATIO = 1.5
MAX_CPU_RATIO = 3.0
NOW = datetime(2026, 3, 1, tzinfo=UTC)
_HEADERS = httpx2.Headers({"content-type": "application/json"})


def instant_body(series: int) -> bytes:
    """A vector as Prometheus writes it, with the labels of a container metric."""
    return orjson.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [
                    {"metric": labels(n), "value": [1772323200.123, str(n * 1234.5678)]}
                    for n in range(series)
                ],
            },
        }
    )


def range_body(series: int, points: int) -> bytes:
    return orjson.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": labels(n),
                        "values": [[1772323200 + 60 * p, str(n * 1.5 + p)] for p in range(points)],
                    }
                    for n in range(series)
                ],
            },
        }
    )


def labels(number: int) -> dict[str, str]:
    return {
        "__name__": "container_memory_working_set_bytes",
        "namespace": f"namespace-{number % 7}",
        "pod": f"checkout-{number}-7d9f8b6c5-x{number}",
        "container": "server",
        "instance": f"10.0.{number % 255}.1:10250",
        "job": "kubelet",
    }


class Simulated(httpx2.AsyncBaseTransport):
    """A Prometheus that answers the same body after a while, or never."""

    def __init__(self, body: bytes, latency: float | None) -> None:
        self._body = body
        self._latency = latency

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        if self._latency is None:
            await asyncio.Event().wait()
        elif self._latency:
            await asyncio.sleep(self._latency)
        return httpx2.Response(200, headers=_HEADERS, stream=httpx2.ByteStream(self._body))


class Registry:
    def __init__(self, clusters: Sequence[Cluster]) -> None:
        self._clusters = tuple(clusters)

    async def list(self, _principal):
        return self._clusters

    async def access_revision(self, _cluster_id):
        return 0

    async def credentials_info(self, _cluster_id):
        return None

    async def load_credentials(self, cluster_id):
        raise AssertionError(cluster_id)


def make(count: int, body: bytes, latency: float, hanging: int = 0) -> tuple[FleetMetrics, Fleet]:
    settings = Settings(_env_file=None)
    clusters = [
        Cluster(
            id=uuid4(),
            name=f"cluster-{n:03}",
            api_server_url=f"https://api.cluster-{n:03}.invalid",
            endpoints=ClusterEndpoints(prometheus_url=f"https://cluster-{n:03}.invalid"),
            status=ClusterStatus(state=ClusterState.ONLINE),
            created_at=NOW,
            updated_at=NOW,
        )
        for n in range(count)
    ]
    silent = {c.endpoints.prometheus_url for c in clusters[:hanging]}

    def transport_for(url: str) -> httpx2.AsyncBaseTransport:
        return Simulated(body, None if url in silent else latency)

    fleet = Fleet(
        Registry(clusters),
        NetworkConnect(settings, transport_for),
        settings,
        clock=lambda: NOW,
        monotonic=time.monotonic,
    )
    return FleetMetrics(fleet, settings, lambda: NOW), fleet


async def timed(metrics: FleetMetrics, number: int, **more) -> tuple[float, MetricAnswer]:
    """Every query is another, so that no answer comes from the cache."""
    began = time.perf_counter()
    answer = await metrics.query(f"up + {number}", principal=LOCAL_ADMIN, **more)
    return time.perf_counter() - began, answer


async def fleet_over_one(rounds: int) -> tuple[float, float]:
    """Seconds for a single cluster (all are equally slow), and for all of them together."""
    metrics, _ = make(CLUSTERS, instant_body(5), LATENCY)
    await timed(metrics, 0)  # builds the clients
    singles, together = [], []
    for number in range(1, rounds + 1):
        name = f"cluster-{number % CLUSTERS:03}"
        seconds, _ = await timed(metrics, number * 1000, selection=[name])
        singles.append(seconds)
        gc.collect()
        seconds, answer = await timed(metrics, number)
        assert answer.clusters_succeeded == CLUSTERS
        together.append(seconds)
    return min(singles), min(together)


async def with_hanging() -> tuple[float, int, int]:
    metrics, _ = make(CLUSTERS, instant_body(5), LATENCY, HANGING)
    seconds, answer = await timed(metrics, 1, timeout=DEADLINE)
    late = sum(result.status is AnswerStatus.TIMEOUT for result in answer.results)
    return seconds, answer.clusters_succeeded, late


async def cpu_per_answer(body: bytes, rounds: int, *, ranged: bool) -> float:
    """CPU seconds for one cluster's answer, everything from the question to the merged answer."""
    metrics, fleet = make(CLUSTERS, body, 0.0)
    await timed(metrics, 0)
    best = float("inf")
    for number in range(1, rounds + 1):
        fleet.cache.forget(None)
        gc.collect()
        began = time.process_time()
        if ranged:
            answer = await metrics.query_range(
                f"sum(up + {number})", principal=LOCAL_ADMIN, start=NOW.replace(year=2025), end=NOW
            )
        else:
            _, answer = await timed(metrics, number)
        best = min(best, time.process_time() - began)
        assert answer.clusters_succeeded == CLUSTERS
    return best / CLUSTERS


def cpu_of_parsing(body: bytes) -> float:
    best = float("inf")
    for _ in range(7):
        began = time.process_time()
        for _ in range(200):
            orjson.loads(body)
        best = min(best, (time.process_time() - began) / 200)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    failed = False
    leave_what_is_loaded()  # as a server does

    single, together = asyncio.run(fleet_over_one(rounds * 4))
    ratio = together / single
    failed |= ratio > MAX_FLEET_RATIO
    print(
        f"{CLUSTERS} clusters of {LATENCY * 1000:.0f} ms: {together * 1000:.1f} ms, one alone "
        f"{single * 1000:.1f} ms, ratio {ratio:.2f} (at most {MAX_FLEET_RATIO})"
    )

    seconds, succeeded, late = asyncio.run(with_hanging())
    failed |= seconds > DEADLINE * 1.1 or succeeded != CLUSTERS - HANGING or late != HANGING
    print(
        f"{HANGING} of them hanging, deadline {DEADLINE:.0f} s: {seconds:.3f} s, "
        f"{succeeded} answered, {late} timed out"
    )

    for name, body, ranged in (
        ("instant, 50 series", instant_body(50), False),
        ("range, 50 series x 60 points", range_body(50, 60), True),
    ):
        cpu = asyncio.run(cpu_per_answer(body, rounds, ranged=ranged))
        parsing = cpu_of_parsing(body)
        ratio = cpu / parsing
        failed |= ratio > MAX_CPU_RATIO
        print(
            f"CPU per cluster-answer ({name}, {len(body)} bytes): {cpu * 1e6:.0f} us, "
            f"orjson.loads {parsing * 1e6:.0f} us, ratio {ratio:.2f} (at most {MAX_CPU_RATIO})"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
