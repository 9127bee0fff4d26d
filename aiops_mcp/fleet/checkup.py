"""One look at one cluster: are its API server and its backends there, within its tier's time.

Every part is asked at once and has the whole time for itself, so that a slow one says nothing
about the others. Knows no schedule; breakers and caches are passed by on purpose.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiops_mcp.errors import (
    AiopsError,
    BackendMisbehaved,
    BackendRefused,
    BackendUnauthorized,
)
from aiops_mcp.fleet import health
from aiops_mcp.fleet.access import Clients
from aiops_mcp.fleet.health import Finding
from aiops_mcp.models.cluster import Cluster


async def look_at(cluster: Cluster, clients: Clients, timeout: float) -> dict[str, Finding]:
    """What each configured part of the cluster says of itself, in at most ``timeout`` seconds."""
    ends = cluster.endpoints
    looks: dict[str, Callable[[], Awaitable[None]]] = {
        health.API_SERVER: lambda: _api_server(cluster, clients)
    }
    if ends.prometheus_url is not None:
        looks[health.PROMETHEUS] = lambda: _prometheus(cluster, clients)
    if ends.tempo_url is not None:
        looks[health.TEMPO] = _readiness(cluster, clients, "tempo", ends.tempo_url)
    if ends.loki_url is not None:
        looks[health.LOKI] = _readiness(cluster, clients, "loki", ends.loki_url)
    found = await asyncio.gather(*(_finding(look, timeout) for look in looks.values()))
    return dict(zip(looks, found, strict=True))


async def _finding(look: Callable[[], Awaitable[None]], timeout: float) -> Finding:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(timeout):
            await look()
    except TimeoutError:
        error = f"no answer within {timeout:g} s"
        return Finding(healthy=False, reachable=False, error=error, timed_out=True)
    except AiopsError as failure:
        answered = isinstance(failure, (BackendRefused, BackendMisbehaved))
        latency = (loop.time() - began) * 1000 if answered else None
        return Finding(False, answered, str(failure), latency)
    return Finding(healthy=True, latency_ms=(loop.time() - began) * 1000)


async def _api_server(cluster: Cluster, clients: Clients) -> None:
    client = await clients.kubernetes(cluster)
    try:
        await client.ready()
    except BackendUnauthorized:
        # Without credentials a refusal is all that a healthy API server says.
        if await clients.has_credentials(cluster):
            raise


async def _prometheus(cluster: Cluster, clients: Clients) -> None:
    await (await clients.prometheus(cluster)).healthy()


def _readiness(
    cluster: Cluster, clients: Clients, backend: str, url: str
) -> Callable[[], Awaitable[None]]:
    async def look() -> None:
        await (await clients.readiness(cluster, backend, url)).healthy()

    return look
