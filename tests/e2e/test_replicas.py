"""Two server processes over a real Redis and PostgreSQL: one fleet, one stream, work done once."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import mcp
import pytest
import real_stores
from websockets.asyncio.client import ClientConnection, connect

from aiops_mcp.fleet.shards import LEASE, SHARDS
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.leases import LeaseTable

pytestmark = [pytest.mark.real, pytest.mark.slow]

CHECK_SECONDS = 0.5
ADMIN = "admin-token-of-the-replicas"


@dataclass
class ApiServer:
    """A cluster's API server that counts how often its health is asked for."""

    port: int = 0
    asked: list[float] = field(default_factory=list)
    healthy: bool = True

    def since(self, moment: float) -> int:
        return sum(at >= moment for at in self.asked)


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    state = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/readyz"):
                state.asked.append(time.monotonic())
            body = b"ok" if self.path.startswith(("/readyz", "/livez")) else b'{"major":"1"}'
            self.send_response(200 if state.healthy else 500)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


@dataclass
class Replicas:
    servers: list[Any]
    redis: real_stores.RedisServer
    postgres: real_stores.PostgresServer

    def rest(self, number: int) -> httpx2.Client:
        return httpx2.Client(
            base_url=f"{self.servers[number].url}/api/v1",
            headers={"authorization": f"Bearer {ADMIN}"},
            timeout=10,
        )

    def stream(self, number: int):
        url = self.servers[number].url.replace("http", "ws") + "/ws"
        return connect(url, proxy=None, additional_headers={"authorization": f"Bearer {ADMIN}"})


@pytest.fixture
def replicas(serve, aiops, tmp_path: Path, require_program) -> Iterator[Replicas]:
    require_program("redis-server")
    if real_stores.postgres_programs() is None:
        require_program("postgres")
    with ExitStack() as stack:
        redis = stack.enter_context(real_stores.redis_server(keep=True))
        postgres = stack.enter_context(real_stores.postgres_server())
        settings = {
            "AIOPS_DATABASE_URL": postgres.url,
            "AIOPS_REDIS_URL": redis.url,
            "AIOPS_API_TOKENS": f"admin={ADMIN}",
            "AIOPS_CHECK_EVERY": json.dumps(
                dict.fromkeys(("HUB", "SPOKE", "EDGE", "FAR_EDGE"), CHECK_SECONDS)
            ),
            "AIOPS_VAULT_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "AIOPS_RATE_USER_PER_MINUTE": "0",
        }
        servers = [
            stack.enter_context(
                serve(tmp_path / f"home-{each}", [aiops, "serve", "--allow-write"], **settings)
            )
            for each in range(2)
        ]
        yield Replicas(servers, redis, postgres)


async def subscribed(
    socket: ClientConnection, last: str | None = None, **subscription: Any
) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "subscribe", "subscription": subscription}
    if last:
        frame["last_event_id"] = last
    await socket.send(json.dumps(frame))
    return json.loads(await socket.recv())


async def next_event(socket: ClientConnection, kind: str, seconds: float = 10) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            frame = json.loads(await socket.recv())
            if frame.get("event_type") == kind:
                return frame


def register(rest: httpx2.Client, name: str, port: int) -> UUID:
    new = {"name": name, "api_server_url": f"http://127.0.0.1:{port}"}
    answer = rest.post("/clusters", json=new)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def holder_of(replicas: Replicas, cluster: UUID) -> int:
    """Which of the replicas looks after a cluster."""
    from datetime import UTC, datetime

    database = Database(replicas.postgres.url)
    try:
        for _ in range(100):
            holder = await LeaseTable(database).holder(
                f"health:{cluster.int % SHARDS}", datetime.now(UTC)
            )
            if holder is not None:
                pids = [server.process.pid for server in replicas.servers]
                return pids.index(int(holder.split(":")[1]))
            await asyncio.sleep(0.1)
    finally:
        await database.close()
    raise AssertionError("nobody looks after it")


@pytest.mark.timeout(120)
async def test_two_processes_are_one_server(replicas: Replicas, api_server: ApiServer) -> None:
    async with replicas.stream(0) as zero, replicas.stream(1) as one:
        await subscribed(zero)
        await subscribed(one)

        # What one publishes, the client of the other gets: once each, by the same number.
        with replicas.rest(1) as rest:
            cluster = register(rest, "shared-one", api_server.port)
            assert rest.get("/streaming/status").json()["shared"] is True
        frames = [await next_event(each, "CLUSTER_REGISTERED") for each in (zero, one)]
        assert frames[0] == frames[1]
        assert frames[0]["cluster_id"] == str(cluster)
        states = [await next_event(each, "CLUSTER_STATUS_CHANGED") for each in (zero, one)]
        assert states[0]["event_id"] == states[1]["event_id"]
        assert states[0]["payload"]["new_state"] == "ONLINE"

        # Each poll is done once: as often as one process would.
        began = time.monotonic()
        await asyncio.sleep(4)
        polls = api_server.since(began)
        assert 4 / CHECK_SECONDS * 0.6 <= polls <= 4 / CHECK_SECONDS * 1.3, polls

        # The one that does it dies; the other takes over within a lease, and tells of it.
        dying = await holder_of(replicas, cluster)
        alive, living = (one, 1) if dying == 0 else (zero, 0)
        replicas.servers[dying].process.kill()
        replicas.servers[dying].process.wait()
        killed = time.monotonic()
        api_server.healthy = False
        limit = LEASE.total_seconds() + 5
        frame = await next_event(alive, "CLUSTER_STATUS_CHANGED", limit)
        assert frame["payload"]["new_state"] == "DEGRADED"  # it answers, and is not well
        assert time.monotonic() - killed <= limit
        assert await holder_of(replicas, cluster) == living

        # Whoever was with the dead one goes on with the other, and misses nothing.
        async with replicas.stream(living) as moved:
            answer = await subscribed(moved, states[0]["event_id"])
            assert answer["gap"] is False
            assert answer["replayed"] >= 1
            replayed = await next_event(moved, "CLUSTER_STATUS_CHANGED")
            assert replayed["event_id"] == frame["event_id"]


@pytest.mark.timeout(90)
async def test_redis_and_postgresql_are_started_again(replicas: Replicas) -> None:
    async with replicas.stream(0) as zero, replicas.stream(1) as one:
        await subscribed(zero)
        await subscribed(one)
        with replicas.rest(0) as rest:
            replicas.redis.stop()
            register(rest, "while-redis-is-away", 1)
            frame = await next_event(zero, "CLUSTER_REGISTERED")
            assert frame["cluster_name"] == "while-redis-is-away"  # at once, where it happened
            replicas.redis.start()
            late = await next_event(one, "CLUSTER_REGISTERED")
            assert late["event_id"] == frame["event_id"]

            replicas.postgres.stop()
            away = rest.post(
                "/clusters", json={"name": "not-kept", "api_server_url": "http://127.0.0.1:1"}
            )
            assert away.status_code == 500, away.text
            assert "Traceback" not in away.text
            replicas.postgres.start()
            for _ in range(100):
                answer = rest.post(
                    "/clusters",
                    json={"name": "after-it-all", "api_server_url": "http://127.0.0.1:1"},
                )
                if answer.status_code == 201:
                    break
                await asyncio.sleep(0.1)
            assert answer.status_code == 201, answer.text
        while (frame := await next_event(one, "CLUSTER_REGISTERED"))[
            "cluster_name"
        ] != "after-it-all":
            assert frame["cluster_name"] != "not-kept"
        with replicas.rest(1) as rest:
            records = rest.get("/audit?effect=write&operation=register_cluster").json()["items"]
            outcomes = [record["outcome"] for record in records]
            assert outcomes.count("OK") == 2
            assert "canary" not in json.dumps(records)


async def test_rate_limits_are_shared(serve, aiops, tmp_path: Path, require_program) -> None:
    require_program("redis-server")
    with ExitStack() as stack:
        redis = stack.enter_context(real_stores.redis_server())
        settings = {
            "AIOPS_REDIS_URL": redis.url,
            "AIOPS_RATE_USER_PER_MINUTE": "1",
            "AIOPS_RATE_USER_BURST": "6",
        }
        urls = [
            stack.enter_context(serve(tmp_path / f"home-{each}", [aiops, "serve"], **settings)).url
            for each in range(2)
        ]
        found = [
            httpx2.get(f"{urls[each % 2]}/api/v1/clusters", timeout=10).status_code
            for each in range(8)
        ]
        assert found == [200] * 6 + [429] * 2
        redis.stop()
        alone = [httpx2.get(f"{urls[0]}/api/v1/clusters", timeout=10).status_code for _ in range(8)]
        assert alone == [200] * 6 + [429] * 2  # each for itself, until Redis is back


async def test_an_mcp_client_of_one_hears_of_what_the_other_changed(
    serve, aiops, tmp_path: Path, require_program
) -> None:
    require_program("redis-server")
    with ExitStack() as stack:
        redis = stack.enter_context(real_stores.redis_server())
        command = [aiops, "serve", "--allow-write"]
        one, two = (
            stack.enter_context(serve(tmp_path, command, AIOPS_REDIS_URL=redis.url)).url
            for _ in range(2)
        )
        detailed = httpx2.get(f"{one}/health/detailed", timeout=10).json()
        assert "redis" in json.dumps(detailed)
        async with (
            mcp.Client(f"{one}/mcp") as client,
            client.listen(resource_subscriptions=["fleet://clusters"]) as heard,
        ):
            new = {"name": "from-the-other", "api_server_url": "https://127.0.0.1:1"}
            assert httpx2.post(f"{two}/api/v1/clusters", json=new, timeout=10).status_code == 201
            update = await asyncio.wait_for(anext(heard), 10)
            assert update.uri == "fleet://clusters"
            page = await client.read_resource("fleet://clusters")
            assert "from-the-other" in page.contents[0].text
