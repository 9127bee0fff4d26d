"""`aiops serve` over backends that misbehave: each is named, the others answer, nothing grows."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bad_servers as bad
import httpx2
import pytest
import real_servers

TIMEOUT = 1.0
LIMIT = 16_000_000
SETTINGS = {
    "AIOPS_MAX_RESPONSE_BYTES": str(LIMIT),
    "AIOPS_RATE_QUERY_PER_MINUTE": "0",
    "AIOPS_RATE_USER_PER_MINUTE": "0",
    "AIOPS_RATE_ALL_PER_SECOND": "0",
    "AIOPS_TTL_INSTANT_QUERY": "0",
    "AIOPS_BREAKER_FAILURES": "1000",
    "AIOPS_CHECK_EVERY": '{"HUB":1,"SPOKE":1,"EDGE":60,"FAR_EDGE":60}',
    "AIOPS_CHECK_TIMEOUT": '{"HUB":2,"SPOKE":2,"EDGE":15,"FAR_EDGE":15}',
}


@dataclass(frozen=True)
class Storm:
    """A server over good and bad clusters, and the servers it asks."""

    url: str
    pid: int
    bad: bad.BadServers
    good_url: str
    proxy_seen: bad.BadServers

    def rest(self, **options: object) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=25, trust_env=False, **options)

    def peak_mb(self) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    async def register(self, rest: httpx2.AsyncClient, name: str, prometheus: str, **more) -> dict:
        new = {
            "name": name,
            "api_server_url": self.good_url,
            "endpoints": {"prometheus_url": prometheus},
            **more,
        }
        made = await rest.post("/api/v1/clusters", json=new)
        assert made.status_code == 201, made.text
        return made.json()


BAD = {
    # name: (HTTP status and code when it is asked alone, what was wrong, what to do)
    "html": (503, "CLUSTER_UNREACHABLE", "an HTML page instead of JSON", "login page"),
    "half": (503, "CLUSTER_UNREACHABLE", "breaks off", "proxy"),
    "deep": (503, "CLUSTER_UNREACHABLE", "malformed", "proxy"),
    "empty": (503, "CLUSTER_UNREACHABLE", "an empty answer", "Check that the URL"),
    "flood": (503, "CLUSTER_UNREACHABLE", "larger than 16,000,000 bytes", "Ask for less"),
    "drip": (504, "QUERY_TIMEOUT", "within 1 s", "longer timeout"),
    "silent": (504, "QUERY_TIMEOUT", "within 1 s", "longer timeout"),
    "hangup": (503, "CLUSTER_UNREACHABLE", "closed the connection", "https://"),
    "tls-to-plain": (503, "CLUSTER_UNREACHABLE", "does not speak TLS", "http://"),
    "plain-to-tls": (503, "CLUSTER_UNREACHABLE", "nothing that is HTTP", "https://"),
    "self-signed": (503, "CLUSTER_UNREACHABLE", "is self-signed", "ca_bundle"),
    "wrong-token": (400, "CREDENTIALS_INVALID", "not accepted (HTTP 401)", "store new"),
    "dns": (503, "CLUSTER_UNREACHABLE", "cannot be resolved", "Check the spelling"),
    "refused": (503, "CLUSTER_UNREACHABLE", "refuses the connection", "check the port"),
    "error-500": (503, "CLUSTER_UNREACHABLE", "HTTP 500", "reason is the backend's own"),
}


def bad_urls(servers: bad.BadServers) -> dict[str, str]:
    def at(act: bad.Act, **options: bool) -> str:
        return f"http://127.0.0.1:{servers.start(act, **options)}"

    tls = servers.start(bad.healthy, tls=True)
    return {
        "html": at(bad.answers(b"<html>Log in</html>", kind="text/html")),
        "half": at(bad.answers(bad.vector(({}, "1"))[:40])),
        "deep": at(bad.answers(b"[" * 1_000_000)),
        "empty": at(bad.answers(b"")),
        "flood": at(bad.floods),
        "drip": at(bad.drips),
        "silent": at(bad.silent),
        "hangup": at(bad.hangs_up),
        "tls-to-plain": f"https://127.0.0.1:{servers.start_plain()}",
        "plain-to-tls": f"http://127.0.0.1:{tls}",
        "self-signed": f"https://127.0.0.1:{tls}",
        "wrong-token": at(bad.bearer("the-right-token")),
        "dns": "http://no-such-host.invalid:9090",
        "refused": f"http://127.0.0.1:{real_servers.free_port()}",
        "error-500": at(bad.answers(b"oops", status="500 Oops", kind="text/plain")),
    }


@pytest.fixture(scope="module")
def storm(serve, aiops, tmp_path_factory) -> Iterator[Storm]:
    home = tmp_path_factory.mktemp("storm")
    with bad.bad_servers(home) as servers, bad.bad_servers(home) as proxies:
        good = f"http://127.0.0.1:{servers.start(bad.healthy)}"
        proxy = f"http://127.0.0.1:{proxies.start(bad.healthy)}"
        environment = {
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "ALL_PROXY": proxy,
            "NO_PROXY": "",
        }
        with serve(home, [aiops, "serve", "--allow-write"], **SETTINGS, **environment) as server:
            made = Storm(server.url, server.process.pid, servers, good, proxies)

            async def register() -> None:
                async with made.rest() as rest:
                    for name, url in bad_urls(servers).items():
                        await made.register(rest, f"bad-{name}", url)
                    six = servers.start(bad.healthy, host="::1")
                    await made.register(rest, "good-six", f"http://[::1]:{six}")
                    await made.register(rest, "good-one", good)

            asyncio.run(register())
            yield made


def query(**more: object) -> dict[str, object]:
    return {"query": "up", "timeout": TIMEOUT, **more}


@pytest.mark.parametrize("name", BAD)
async def test_each_bad_backend_is_told_by_name(storm: Storm, name: str) -> None:
    status, code, wrong, advice = BAD[name]
    async with storm.rest() as rest:
        answer = await rest.post("/api/v1/metrics/query", json=query(clusters=[f"bad-{name}"]))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert f"bad-{name}" in error["message"]
    assert wrong in error["message"]
    assert advice in error["message"]


async def test_the_rest_of_the_fleet_answers_in_time_and_memory(storm: Storm) -> None:
    before = storm.peak_mb()
    async with storm.rest() as rest:
        began = time.monotonic()
        answer = (await rest.post("/api/v1/metrics/query", json=query())).json()
        took = time.monotonic() - began
        aggregated = (
            await rest.post("/api/v1/metrics/query", json=query(query="sum(up)", aggregation="SUM"))
        ).json()
    told = {each["cluster_name"]: each for each in answer["results"]}
    assert {name for name, each in told.items() if each["status"] == "SUCCESS"} == {
        "good-one",
        "good-six",
    }
    assert told["good-six"]["data"][0]["values"][0][1] == "7"
    assert told["bad-drip"]["status"] == told["bad-silent"]["status"] == "TIMEOUT"
    failed = {each["cluster_name"]: each["code"] for each in answer["coverage"]["failures"]}
    assert failed == {f"bad-{name}": BAD[name][1] for name in BAD}
    assert answer["warnings"] == ["PARTIAL_RESULTS"]
    assert took < 10 * TIMEOUT  # the flood of 500 MB alone would take longer
    assert float(aggregated["results"][0]["data"][0]["values"][0][1]) == 14.0
    assert aggregated["clusters_succeeded"] == 2
    assert storm.peak_mb() - before < 20 * LIMIT / 1e6


async def test_health_checks_see_what_is_behind_a_page_that_says_200(storm: Storm) -> None:
    """A login page answers 200 to everything, and is no Prometheus."""
    async with storm.rest() as rest:
        for name in ("html", "empty", "half", "silent", "self-signed", "wrong-token"):
            async with asyncio.timeout(15):
                while True:
                    found = (await rest.get(f"/api/v1/clusters/bad-{name}/status")).json()
                    status = found.get("status", found)
                    if status["checked_at"]:
                        break
                    await asyncio.sleep(0.1)
            assert status["prometheus_healthy"] is False, name
            assert status["state"] == "DEGRADED", name
            assert status["health_score"] == 80, name
            assert "Prometheus" in status["last_error"], name
        good = (await rest.get("/api/v1/clusters/good-one/status")).json()
    assert good.get("status", good)["state"] == "ONLINE"


async def test_proxies_of_the_environment_carry_nothing(storm: Storm) -> None:
    async with storm.rest() as rest:
        answer = await rest.post("/api/v1/metrics/query", json=query(clusters=["good-one"]))
    assert answer.status_code == 200
    assert storm.proxy_seen.requests == []


async def test_a_client_that_hangs_up_ends_the_call_of_the_backend(storm: Storm) -> None:
    with bad.bad_servers(storm.bad.folder) as own:
        url = f"http://127.0.0.1:{own.start(bad.silent)}"
        async with storm.rest() as rest:
            new = await storm.register(rest, "hung-up", url, cluster_type="EDGE")
            asking = asyncio.ensure_future(
                rest.post(
                    "/api/v1/metrics/query",
                    json={"query": "up", "timeout": 300, "clusters": ["hung-up"]},
                )
            )
            async with asyncio.timeout(10):
                while "/api/v1/query" not in own.seen:  # noqa: ASYNC110 - counted in a thread
                    await asyncio.sleep(0.02)
            own.abandoned.clear()
            asking.cancel()
            assert await asyncio.to_thread(own.abandoned.wait, 10)
            await rest.delete(f"/api/v1/clusters/{new['id']}")


async def test_a_cluster_removed_while_it_is_asked(storm: Storm) -> None:
    async with storm.rest() as rest:
        url = f"http://127.0.0.1:{storm.bad.start(bad.silent)}"
        await storm.register(rest, "leaving", url, cluster_type="EDGE")
        asking = asyncio.ensure_future(
            rest.post("/api/v1/metrics/query", json=query(clusters=["leaving", "good-one"]))
        )
        await asyncio.sleep(0.2)
        assert (await rest.delete("/api/v1/clusters/leaving")).status_code == 200
        answer = await asking
        assert answer.status_code == 200
        told = {each["cluster_name"]: each["status"] for each in answer.json()["results"]}
        assert told["good-one"] == "SUCCESS"
        assert told["leaving"] in {"TIMEOUT", "ERROR"}
        gone = await rest.post("/api/v1/metrics/query", json=query(clusters=["leaving"]))
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "CLUSTER_NOT_FOUND")


async def test_credentials_change_while_queries_run(storm: Storm) -> None:
    """Every query carries the old token or the new one, none neither; afterwards the new one."""
    with bad.bad_servers(storm.bad.folder) as own:
        url = f"http://127.0.0.1:{own.start(bad.healthy)}"
        async with storm.rest() as rest:
            await storm.register(rest, "rotating", url, cluster_type="EDGE")
            path = "/api/v1/clusters/rotating/credentials"

            async def store(token: str) -> None:
                sent = {"auth_type": "SERVICE_ACCOUNT", "prometheus_token": token}
                assert (await rest.post(path, json=sent)).status_code == 201

            async def ask() -> int:
                answer = await rest.post("/api/v1/metrics/query", json=query(clusters=["rotating"]))
                return answer.status_code

            await store("token-number-0")
            own.requests.clear()
            statuses: list[int] = []
            for number in range(1, 6):
                asked = [ask() for _ in range(8)]
                statuses += (await asyncio.gather(store(f"token-number-{number}"), *asked))[1:]
            assert set(statuses) == {200}
            assert await ask() == 200
            await rest.delete("/api/v1/clusters/rotating")
        sent = [each for each in own.requests if each.path == "/api/v1/query"]
        assert all(
            each.headers["authorization"].startswith("Bearer token-number-") for each in sent
        )
        assert sent[-1].headers["authorization"] == "Bearer token-number-5"


async def test_a_thousand_requests_at_once_are_all_answered(storm: Storm) -> None:
    limits = httpx2.Limits(max_connections=200)
    async with storm.rest(limits=limits) as rest:
        answers = await asyncio.gather(
            *(rest.get(f"/api/v1/clusters?page_size={1 + number % 100}") for number in range(1000))
        )
    assert {answer.status_code for answer in answers} == {200}
    assert storm.peak_mb() < 500


def alerts(count: int) -> bytes:
    one = {
        "annotations": {"summary": "the disk of this node is nearly full, look at it"},
        "startsAt": "2026-11-25T01:00:00Z",
        "endsAt": "2036-11-25T01:00:00Z",
        "updatedAt": "2026-11-25T01:00:00Z",
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
        "receivers": [{"name": "x"}],
        "generatorURL": "http://p/graph",
    }
    return json.dumps(
        [
            {
                **one,
                "fingerprint": f"{number:016x}",
                "labels": {"alertname": "DiskFull", "severity": "warning", "node": f"n{number}"},
            }
            for number in range(count)
        ]
    ).encode()


async def test_twenty_thousand_alerts_and_as_many_nodes(storm: Storm) -> None:
    """What one cluster has too much of is read in pages, in bounded time and memory."""
    body = alerts(20_000)
    nodes = 20_000
    with bad.bad_servers(storm.bad.folder) as own:
        url = f"http://127.0.0.1:{own.start(bad.many(body, nodes))}"
        async with storm.rest() as rest:
            before = storm.peak_mb()
            new = {"name": "crowded", "cluster_type": "EDGE", "api_server_url": url,
                   "endpoints": {"alertmanager_url": url}}  # fmt: skip
            assert (await rest.post("/api/v1/clusters", json=new)).status_code == 201
            found = await rest.get("/api/v1/alerts?clusters=crowded&severity=WARNING")
            assert found.status_code == 200, found.text[:300]
            assert found.json()["total"] == 20_000
            refreshed = await rest.post("/api/v1/clusters/crowded/refresh")
            assert refreshed.status_code == 200, refreshed.text[:300]
            await rest.delete("/api/v1/clusters/crowded")
            grown = storm.peak_mb() - before
        pages = [each for each in own.requests if each.path == "/api/v1/nodes"]
    assert len(pages) > 10
    assert all("limit=" in each.target for each in pages)
    assert grown < 400
