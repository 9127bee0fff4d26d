"""Alerts of 500 clusters polled at their intervals, and 20,000 alerts deduplicated.

Real registry and history (SQLite), real watcher, real clients over an in-process transport. Each
cluster holds 40 alerts whose times are refreshed every minute, as an Alertmanager does; one in a
hundred looks finds an alert that comes or goes. `python benchmarks/alert_polling.py`
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import orjson
from figures import Figure, at_most, table

from aiops_mcp.app import open_app
from aiops_mcp.backends.connect import NetworkConnect
from aiops_mcp.fleet.alert_merge import merge_alerts, without_replicas
from aiops_mcp.fleet.alert_watcher import AlertWatcher
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.garbage import leave_what_is_loaded
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterType
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.settings import Settings

CLUSTERS = 500
ALERTS_EACH = 40
TIERS = (ClusterType.HUB,) + (ClusterType.SPOKE,) * 5 + (ClusterType.EDGE,) * 2
MAX_SHARE = 25.0  # per cent of a core: half of what alerts and GPUs have together
MAX_MERGE_MS = 300.0
MERGED = 20_000


class Alertmanager(httpx2.AsyncBaseTransport):
    """Answers ``GET /api/v2/alerts``."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.looks = 0
        self._minute, self._body = -1, b""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        del request
        self.looks += 1
        minute = int(time.time() // 60)
        changes = (self.looks + self._number) % 100 == 0
        if minute != self._minute or changes:
            self._minute = minute
            self._body = self._written(ALERTS_EACH + changes, minute)
        return httpx2.Response(200, content=self._body)

    def _written(self, count: int, minute: int) -> bytes:
        refreshed = datetime.fromtimestamp(minute * 60, UTC)
        return orjson.dumps(
            [
                {
                    "fingerprint": f"{self._number:08x}{n:08x}",
                    "labels": {
                        "alertname": "Watchdog" if n == 0 else f"Alert{n}",
                        "severity": "warning",
                        "namespace": f"namespace-{n % 7}",
                        "pod": f"checkout-7d9f8b6c5-{n}",
                    },
                    "annotations": {"summary": "Something of the usual length happens here."},
                    "startsAt": "2026-01-01T00:00:00.000Z",
                    "endsAt": (refreshed + timedelta(minutes=4)).isoformat(),
                    "updatedAt": refreshed.isoformat(),
                    "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
                    "receivers": [{"name": "default"}],
                }
                for n in range(count)
            ]
        )


async def polled(seconds: float) -> tuple[float, int]:
    """Per cent of a core over ``seconds``, and looks made."""
    transports: dict[str, Alertmanager] = {}

    def transport_for(url: str) -> httpx2.AsyncBaseTransport:
        name = url.split("//")[1].split(".")[1]
        return transports.setdefault(name, Alertmanager(int(name[-3:])))

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
                    endpoints=ClusterEndpoints(alertmanager_url=f"https://alerts.{name}.invalid"),
                )
            )
        clock = app.context.clock
        fleet = Fleet(
            registry,
            NetworkConnect(settings, transport_for),
            settings,
            clock=clock,
            monotonic=time.monotonic,
        )
        watcher = AlertWatcher(
            registry,
            fleet,
            app.context.alerts.history,
            settings,
            clock=clock,
            shards=Shards(None, purpose="alerts", holder="benchmark", clock=clock),
        )
        await watcher.look_once()  # the first look records everything: not what is measured
        before = sum(each.looks for each in transports.values())
        task = asyncio.create_task(watcher.run())
        began = time.process_time()
        await asyncio.sleep(seconds)
        busy = time.process_time() - began
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await fleet.aclose()
        return 100 * busy / seconds, sum(each.looks for each in transports.values()) - before


def merged_ms() -> float:
    """The least time that deduplicating takes, of a few runs."""
    alerts = [
        Alert(
            id=str(n),
            fingerprint=f"{n:016x}",
            cluster_id=UUID(int=n % 200),
            cluster_name=f"cluster-{n % 200}",
            alertname=f"Alert{n % 50}",
            severity=AlertSeverity.WARNING,
            state=AlertState.FIRING,
            labels={
                "alertname": f"Alert{n % 50}",
                "severity": "warning",
                "namespace": f"namespace-{n % 17}",
                "pod": f"pod-{n % 1000}",
                "cluster": f"cluster-{n % 200}",
                "prometheus_replica": f"prometheus-{n % 2}",
            },
            starts_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n),
        )
        for n in range(MERGED)
    ]
    ignored = Settings(_env_file=None).alert_replica_labels
    best = float("inf")
    for _ in range(5):
        gc.collect()
        began = time.process_time()
        merge_alerts(without_replicas(alerts, ignored), ignored)
        best = min(best, time.process_time() - began)
    return best * 1000


def measure(*, quick: bool) -> list[Figure]:
    leave_what_is_loaded()  # as a server does
    share, looks = asyncio.run(polled(20 if quick else 60))
    return [
        at_most("alerts of 500 clusters polled: processor share", share, "% of a core", MAX_SHARE),
        Figure("alerts of 500 clusters polled: looks", looks, "looks"),
        at_most("20,000 alerts deduplicated, CPU", merged_ms(), "ms", MAX_MERGE_MS),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    figures = measure(quick=parser.parse_args().quick)
    print(table(figures))
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
