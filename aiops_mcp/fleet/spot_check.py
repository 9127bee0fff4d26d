"""Checks of clusters that nobody has checked lately, for a process that does not watch.

A command that runs for a second reads statuses which a server may have written days ago. What is
older than twice its period is checked anew, all at once, and no longer than a moment.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet import health
from aiops_mcp.fleet.access import Clients
from aiops_mcp.fleet.checkup import look_at
from aiops_mcp.fleet.discovery import Discovered, discover
from aiops_mcp.fleet.status_writer import StatusUpdate
from aiops_mcp.models.cluster import Cluster, Connectivity
from aiops_mcp.settings import Settings

PATIENCE_SECONDS = 3.0
"""Longer nobody waits at a prompt; a cluster that is slower keeps the status it had."""

DISCOVERY_SECONDS = 10.0


def stale_clusters(
    clusters: Sequence[Cluster], settings: Settings, now: datetime
) -> tuple[Cluster, ...]:
    """Those never checked, or last checked more than two periods ago."""
    return tuple(
        cluster
        for cluster in clusters
        if cluster.status.checked_at is None
        or (now - cluster.status.checked_at).total_seconds()
        > 2 * settings.check_every[cluster.cluster_type]
    )


async def spot_check(
    clusters: Sequence[Cluster],
    clients: Clients,
    settings: Settings,
    clock: Callable[[], datetime],
) -> tuple[StatusUpdate, ...]:
    """The statuses of these clusters now; of those only that say something in our patience."""
    gate = asyncio.Semaphore(settings.concurrency)

    async def check(cluster: Cluster) -> StatusUpdate | None:
        full = settings.check_timeout[cluster.cluster_type]
        timeout = min(PATIENCE_SECONDS, full)
        async with gate:
            findings = await look_at(cluster, clients, timeout)
        api = findings[health.API_SERVER]
        if timeout < full and any(finding.timed_out for finding in findings.values()):
            return None
        connectivity = Connectivity.CONNECTED if api.reachable else Connectivity.DISCONNECTED
        status = health.status_of(findings, connectivity, clock())
        return StatusUpdate(cluster.id, status, api.latency_ms, api.reachable)

    found = await asyncio.gather(*(check(cluster) for cluster in clusters))
    return tuple(update for update in found if update is not None)


async def discover_unknown(
    clusters: Sequence[Cluster], clients: Clients
) -> tuple[tuple[Cluster, Discovered], ...]:
    """What the clusters are and have that nobody has looked at yet; failures are left out."""

    async def look(cluster: Cluster) -> tuple[Cluster, Discovered] | None:
        try:
            async with asyncio.timeout(DISCOVERY_SECONDS):
                return cluster, await discover(await clients.kubernetes(cluster), cluster)
        except (AiopsError, TimeoutError):
            return None  # its status says what is wrong with it

    unknown = [cluster for cluster in clusters if cluster.platform_version is None]
    found = await asyncio.gather(*(look(cluster) for cluster in unknown))
    return tuple(one for one in found if one is not None)
