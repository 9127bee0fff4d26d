"""Incidents of the simulated fleet, asked by the tools: found where and when they are, else quiet.

What is judged is what the simulated Prometheus answers; of the incident nothing is known but what
the truth says, which the answers are compared with.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiops_mcp.app import App, open_app
from aiops_mcp.models.digest import Digest
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import StartedIncident, read_incidents, start_incidents
from aiops_mcp.simulation.world import World
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, guard

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATE = timedelta(minutes=5)
MOST_TOKENS = 600

pytestmark = pytest.mark.timeout(120)


class Told:
    """An application over the fleet in an incident, and what it told."""

    def __init__(self, app: App, started: list[StartedIncident]) -> None:
        self.app = app
        self.onset = datetime.fromtimestamp(started[0].onset, UTC)

    async def ask(self, tool: str, **arguments: Any) -> Digest:
        digest = guard(await self.app.ask(tool, arguments))
        assert len(digest.text()) / BYTES_PER_TOKEN < MOST_TOKENS
        return digest


@pytest.fixture
async def fleet_in(tmp_path) -> AsyncIterator[Any]:
    opened = []

    async def make(*incidents: str, hour: int = 12) -> Told:
        now = NOW.replace(hour=hour)
        started = start_incidents(incidents, read_incidents(None), now=now.timestamp())
        simulated = SimulatedFleet(World(1, started, now.timestamp))
        settings = Settings(_env_file=None, home=tmp_path, cache_bytes=0)
        context = open_app(
            settings, watch=False, clock=lambda: now, transport_for=simulated.transport
        )
        app = await context.__aenter__()
        opened.append(context)
        for new, credentials in simulated.registrations():
            await app.context.registry.register(new, credentials)
        await app.check_stale_clusters()
        return Told(app, started)

    yield make
    for context in opened:
        await context.__aexit__(None, None, None)


def column(digest: Digest, name: str) -> list[Any]:
    place = digest.columns.index(name)
    return [row[place] for row in digest.rows]


def moment(cell: str) -> datetime:
    return datetime.strptime(cell[:11], "%m-%dT%H:%M").replace(year=2026, tzinfo=UTC)


@pytest.mark.parametrize(
    ("incident", "cluster", "component", "sign"),
    [
        ("slow-database", "prod-frankfurt", "shop/catalogue", "service latency"),
        ("oom-loop", "prod-frankfurt", "shop/recommendation", "replicas missing"),
        ("bad-rollout", "prod-virginia", "shop/payment", "targets down"),
        ("dns-outage", "prod-virginia", "coredns", "DNS failures"),
        ("config-change", "stage-singapore", "shop/catalogue", "database pool"),
        ("node-disk-full", "prod-frankfurt", "prod-frankfurt-worker-3", "filesystem used"),
        ("node-lost", "prod-virginia", "prod-virginia-worker-2", "node ready"),
        ("etcd-slow-disk", "fleet-hub", "10.20.0.10", "etcd fsync"),
        ("operator-degraded", "stage-singapore", "image-registry", "operator degraded"),
        ("gpu-xid-79", "ml-oregon", "ml-oregon-gpu-1/3", "GPU XID"),
        ("gpu-row-remap", "ml-frankfurt", "ml-frankfurt-gpu-2/1", "GPU XID"),
        ("gpu-straggler", "ml-oregon", "ml-oregon-gpu-0/1", "GPU clock under load"),
        ("vllm-overload", "ml-frankfurt", "inference/vllm-llama-3-70b", "time to first token"),
        ("ptp-lock-loss", "edge-munich", "edge-munich-cp-1", "PTP not locked"),
        ("upf-packet-loss", "edge-berlin", "open5gs/upf", "packets missed"),
        ("storage-gone", "dev-dublin", "batch/warehouse-scratch", "claim pending"),
        ("certificate-expiry", "stage-singapore", "shop/checkout-tls", "certificate days left"),
    ],
)
async def test_an_incident_is_found_where_and_when_it_is(
    fleet_in, incident, cluster, component, sign
):
    told = await fleet_in(incident)
    digest = await told.ask("detect_anomalies", clusters=[cluster])
    rows = [row for row in digest.rows if component in str(row[2])]
    assert rows, digest.text()
    row = rows[0]
    assert sign in f"{row[3]}, {row[-1]}"
    assert row[0] in ("HIGH", "MEDIUM")
    assert row[1] == cluster
    assert abs(moment(str(row[4])) - told.onset) <= timedelta(minutes=10)


@pytest.mark.parametrize(
    ("incident", "clusters"),
    [("healthy", []), ("batch-cpu-spike", ["dev-dublin"]), ("hostile-text", ["prod-virginia"])],
)
async def test_a_quiet_day_and_what_only_looks_alarming_stay_quiet(fleet_in, incident, clusters):
    told = await fleet_in(incident)
    digest = await told.ask("detect_anomalies", clusters=clusters)
    assert digest.headline.startswith("Nothing unusual in ")
    assert digest.rows == ()


async def test_other_clusters_stay_quiet_while_one_is_in_an_incident(fleet_in):
    told = await fleet_in("slow-database")
    digest = await told.ask("detect_anomalies", clusters=["prod-virginia", "stage-singapore"])
    assert digest.rows == ()


async def test_an_incident_that_crosses_clusters_is_seen_in_both(fleet_in):
    told = await fleet_in("cross-cluster-payment")
    digest = await told.ask("detect_anomalies", clusters=["prod-frankfurt", "prod-virginia"])
    assert "in 2 clusters" in digest.headline
    assert any("shop/payment" in str(cell) for cell in column(digest, "of"))


async def test_where_the_trouble_began_stands_first_in_the_order_of_time(fleet_in):
    told = await fleet_in("slow-database")
    digest = await told.ask("find_changes", clusters=["prod-frankfurt"])
    assert "first call latency of shop/catalogue to catalogue-db" in digest.headline
    times = [moment(str(cell)) for cell in column(digest, "at")]
    assert times == sorted(times)
    assert all(abs(at - told.onset) <= LATE for at in times)


async def test_since_when_a_query_is_as_it_is(fleet_in):
    told = await fleet_in("slow-database")
    query = (
        "histogram_quantile(0.95, sum by (le, service) "
        '(rate(http_request_duration_seconds_bucket{namespace="shop"}[2m])))'
    )
    digest = await told.ask("find_changes", query=query, window="2h")
    assert set(column(digest, "cluster")) == {"prod-frankfurt"}
    assert set(column(digest, "of")) == {"catalogue", "recommendation", "frontend"}
    assert all(abs(moment(str(at)) - told.onset) <= LATE for at in column(digest, "at"))
    assert digest.query == query


async def test_a_query_is_judged_over_the_fleet(fleet_in):
    told = await fleet_in("slow-database")
    query = 'sum by (service) (rate(http_requests_total{code="500"}[2m]))'
    digest = await told.ask("detect_anomalies", query=query, sensitivity="LOW")
    assert set(column(digest, "cluster")) == {"prod-frankfurt"}
    assert "catalogue" in str(column(digest, "of"))


async def test_what_runs_out_and_what_does_not(fleet_in):
    told = await fleet_in("certificate-expiry")
    digest = await told.ask("forecast", clusters=["stage-singapore"])
    assert column(digest, "of") == ["shop/checkout-tls"]
    assert column(digest, "in") == ["34h"]
    assert column(digest, "at") == ["11-26T22:00Z"]
    quiet = await told.ask("forecast", clusters=["prod-frankfurt"])
    assert quiet.headline.startswith("Nothing of ")


async def test_a_disk_that_is_full_is_told(fleet_in):
    told = await fleet_in("node-disk-full")
    digest = await told.ask("forecast", clusters=["prod-frankfurt"])
    assert column(digest, "of") == ["prod-frankfurt-worker-3 /var"]
    assert column(digest, "in") == ["beyond 0.95 already"]
