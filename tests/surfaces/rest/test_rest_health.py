"""Alive, ready, each dependency, and the metrics; open and gated as the contract says."""

import asyncio

import pytest

from aiops_mcp.errors import StorageFailed
from aiops_mcp.surfaces.gateway_metrics import GatewayMetrics
from aiops_mcp.surfaces.health import Health, Probe, health_routes, overall


async def fine():
    return None


async def named():
    raise StorageFailed("The database is away.", "Start it.")


async def odd():
    raise RuntimeError("postgres://user:hunter2@db refused")


async def never():
    await asyncio.Event().wait()


class Clock:
    def __init__(self, step=0.0):
        self.now, self.step = 100.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def with_probes(serve):
    def build(*probes, clock=None, **changed):
        gate = serve(**changed).gate
        health = Health(probes, clock=clock or Clock())
        return serve(
            extra=health_routes(health, gate, GatewayMetrics(), version="1.2.3"), **changed
        ).client

    return build


async def test_alive_whatever_fails(with_probes):
    answer = await with_probes(Probe("database", named)).get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy", "version": "1.2.3"})


@pytest.mark.parametrize(
    ("probes", "status", "said"),
    [
        ((), 200, "healthy"),
        ((Probe("database", fine),), 200, "healthy"),
        ((Probe("database", fine), Probe("bus", named, required=False)), 200, "degraded"),
        ((Probe("database", named), Probe("bus", named, required=False)), 503, "unhealthy"),
    ],
)
async def test_ready_as_far_as_what_is_required_works(with_probes, probes, status, said):
    answer = await with_probes(*probes).get("/ready")
    assert answer.status_code == status
    assert answer.json() == {"ready": status == 200, "status": said}


async def test_each_dependency_has_status_latency_and_reason(with_probes):
    probes = [
        Probe("database", fine),
        Probe("bus", named, required=False),
        Probe("model", odd, required=False),
        Probe("slow", never, required=False, timeout=0.01),
    ]
    answer = await with_probes(*probes, clock=Clock(step=0.5)).get("/health/detailed")
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["version"]) == ("degraded", "1.2.3")
    assert body["uptime_seconds"] > 0
    found = body["dependencies"]
    assert found["database"]["status"] == "healthy"
    assert found["database"]["required"] is True
    assert "error" not in found["database"]
    assert found["database"]["latency_ms"] >= 500
    assert found["bus"]["error"] == "The database is away. Start it."
    assert found["model"]["error"] == "failed (RuntimeError)"
    assert found["slow"]["error"] == "no answer within 0.01 s"
    assert "hunter2" not in answer.text


async def test_detailed_is_503_where_a_required_one_fails(with_probes):
    assert (await with_probes(Probe("database", named)).get("/health/detailed")).status_code == 503


async def test_probes_run_once_a_second_however_often_one_asks():
    runs = []

    async def counted():
        runs.append(1)

    clock = Clock()
    health = Health([Probe("database", counted)], clock=clock)
    await asyncio.gather(*(health.findings() for _ in range(20)))
    assert len(runs) == 1
    clock.now += 0.9
    await health.findings()
    assert len(runs) == 1
    clock.now += 0.1
    assert overall(await health.findings()) == "healthy"
    assert len(runs) == 2


async def test_only_alive_and_ready_are_open(with_probes, problem):
    client = with_probes(Probe("database", fine), api_tokens="admin=x")
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/ready")).status_code == 200
    problem(await client.get("/health/detailed"), 401, "AUTH_FAILED")
    problem(await client.get("/metrics"), 401, "AUTH_FAILED")
    known = {"authorization": "Bearer x"}
    assert (await client.get("/health/detailed", headers=known)).status_code == 200


async def test_metrics_are_prometheus_text(with_probes):
    answer = await with_probes(rate_user_per_minute=300).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["x-ratelimit-limit"] == "300"
    for name in (
        "# TYPE gateway_requests_total counter",
        "# TYPE gateway_request_duration_seconds histogram",
        "# TYPE gateway_active_requests gauge",
        "# TYPE gateway_rate_limit_hits_total counter",
        "# TYPE gateway_auth_failures_total counter",
        "# TYPE gateway_backend_errors_total counter",
        "process_resident_memory_bytes",
    ):
        assert name in answer.text
