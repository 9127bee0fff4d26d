"""One incident asked about through the tools, beside what the backends sent for the same answers.

The tools' answers must cost a fifth of the raw JSON at most, and still hold what matters.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2
import orjson
import pytest

from aiops_mcp.app import App, open_app
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.world import World
from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN, digest_payload, guard

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MOST_SHARE = 0.2

pytestmark = pytest.mark.timeout(120)


@dataclass
class Scale:
    """Weighs what the backends answer."""

    weighed: int = 0
    transports: dict[str, httpx2.AsyncBaseTransport] = field(default_factory=dict)


class Weighing(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, scale: Scale) -> None:
        self._inner = inner
        self._scale = scale

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        response.stream = _Weighed(response.stream, self._scale)
        return response


class _Weighed(httpx2.AsyncByteStream):
    def __init__(self, inner, scale: Scale) -> None:
        self._inner = inner
        self._scale = scale

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._scale.weighed += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class Bench:
    """A fleet in an incident, and the tokens of each question both ways."""

    def __init__(self, app: App, scale: Scale) -> None:
        self.app = app
        self._scale = scale
        self.answers: dict[str, str] = {}
        self.told = 0
        self.raw = 0

    async def ask(self, tool: str, **arguments) -> str:
        before = self._scale.weighed
        digest = guard(await self.app.ask(tool, arguments))
        text = orjson.dumps(digest_payload(digest)).decode()
        self.raw += self._scale.weighed - before
        self.told += len(text)
        self.answers[tool] = text
        return text


@pytest.fixture
async def bench_of(tmp_path):
    opened = []

    async def make(incident: str) -> Bench:
        scale = Scale()
        started = start_incidents((incident,), read_incidents(None), now=NOW.timestamp())
        simulated = SimulatedFleet(World(1, started, NOW.timestamp))

        def weighed(url: str) -> httpx2.AsyncBaseTransport | None:
            inner = simulated.transport(url)
            return None if inner is None else Weighing(inner, scale)

        settings = Settings(_env_file=None, home=tmp_path, cache_bytes=0)
        context = open_app(settings, watch=False, clock=lambda: NOW, transport_for=weighed)
        app = await context.__aenter__()
        opened.append(context)
        for new, credentials in simulated.registrations():
            await app.context.registry.register(new, credentials)
        await app.check_stale_clusters()
        return Bench(app, scale)

    yield make
    for context in opened:
        await context.__aexit__(None, None, None)


async def test_a_service_that_is_killed_for_want_of_memory(bench_of):
    bench = await bench_of("oom-loop")
    alerts = await bench.ask("list_alerts")
    assert "KubePodCrashLooping" in alerts
    unhealthy = await bench.ask("list_unhealthy")
    assert "recommendation" in unhealthy
    assert "OOMKilled" in unhealthy
    place = {"clusters": ["prod-frankfurt"], "namespace": "shop"}
    assert "BackOff" in await bench.ask("list_events", **place)
    memory = await bench.ask(
        "query_metrics",
        query='max by (pod) (container_memory_working_set_bytes{namespace="shop",container!=""})',
        clusters=["prod-frankfurt"],
        start_time="-1h",
    )
    assert "recommendation" in memory
    logs = await bench.ask(
        "query_logs",
        query='{namespace="shop",app="recommendation"}',
        clusters=["prod-frankfurt"],
    )
    assert "model cache grows" in logs
    failing = await bench.ask(
        "query_logs",
        query='sum(count_over_time({app="frontend"} |= "HTTP/1.1\\" 500" [5m]))',
        clusters=["prod-frankfurt"],
    )
    assert "app read off the beginning of kubernetes_pod_name" in failing
    traces = await bench.ask("search_traces", service_name="frontend", clusters=["prod-frankfurt"])
    assert "recommendation" in traces or "frontend" in traces
    changes = await bench.ask("get_changes", clusters=["prod-frankfurt"])
    assert changes
    assert bench.told / BYTES_PER_TOKEN < 6_000
    assert bench.told <= MOST_SHARE * bench.raw


async def test_a_card_that_fell_off_the_bus(bench_of):
    bench = await bench_of("gpu-xid-79")
    assert "GPUFallenOffBus" in await bench.ask("list_alerts", clusters=["ml-oregon"])
    health = await bench.ask("get_gpu_health", clusters=["ml-oregon"])
    assert "79" in health
    assert "ml-oregon-gpu-1" in health
    assert "finetune-worker-1" in await bench.ask("list_unhealthy", clusters=["ml-oregon"])
    events = await bench.ask("list_events", clusters=["ml-oregon"])
    assert "XidCriticalError" in events
    logs = await bench.ask(
        "query_logs", query='{namespace="training"} |= "error"', clusters=["ml-oregon"]
    )
    assert "NCCL" in logs
    assert bench.told <= MOST_SHARE * bench.raw
