"""Secrets planted everywhere, everything asked, and no secret found in anything that came out.

What came out: answers of REST, MCP and the streams, the server's log at DEBUG, its database, all
that Redis holds, its own metrics, and the spans it exports.
"""

import asyncio
import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastmcp
import httpx2
import pytest
import real_stores
import redis.asyncio
from cryptography.fernet import Fernet
from websockets.asyncio.client import connect

from aiops_mcp.operation import Effect
from aiops_mcp.operations import OPERATIONS

pytestmark = [pytest.mark.real, pytest.mark.timeout(150)]

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.cGxhbnRlZC1zaWduYXR1cmUtb2YtYS10b2tlbg"
PLANTED = {
    "API token of an administrator": "planted-admin-token-7f3a91c2",
    "API token of a viewer": "planted-viewer-token-55d0e2b8",
    "password of Redis": "planted-redis-password-0b9d",
    "key of the vault": Fernet.generate_key().decode(),
    "token of a cluster": "planted-cluster-token-91be7d44",
    "token of its Prometheus": "planted-prometheus-token-3c20",
    "a token nobody knows": "planted-wrong-token-6be1f0",
    "a webhook's wrong secret": "planted-wrong-webhook-a61d",
    "a token in a question": f"ghp_{'Pl4nt3d' * 6}",
    "a token that a pod logs": "c2ltdWxhdGVkLXNpZ25hdHVyZS1ub3QtcmVhbA",
    "a password that a pod logs": "not-a-real-password-8841",
    "a cloud key that a pod logs": "AKIAIOSFODNN7EXAMPLE",
    "a token in an alert's label": JWT,
    "a password in an annotation": "planted-annotation-password-4e",
}


class Echo(BaseHTTPRequestHandler):
    """A cluster's API server that repeats in its errors what it was sent, as some proxies do."""

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        if self.path == "/v1/traces":  # elsewhere it is a cluster, which may well see a question
            self.server.seen += sent
        body = f"refused: {self.path} {dict(self.headers)}".encode()
        self.send_response(500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.seen = b""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def store() -> Iterator[real_stores.RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with real_stores.redis_server(password=PLANTED["password of Redis"]) as server:
        yield server


class Haystack:
    """All that came out, by where."""

    def __init__(self) -> None:
        self.parts: dict[str, list[str]] = {}

    def add(self, where: str, text: str | bytes) -> None:
        self.parts.setdefault(where, []).append(
            text if isinstance(text, str) else text.decode("latin-1")
        )

    def found(self, needle: str) -> list[str]:
        return [
            where for where, texts in self.parts.items() if any(needle in text for text in texts)
        ]


ARGUMENTS: dict[str, dict[str, Any]] = {
    "query_metrics": {"query": f'up{{token="{PLANTED["a token in a question"]}"}}'},
    "query_metrics_range": {"query": "sum(up)"},
    "query_logs": {"query": '{app="shipping"}', "clusters": ["prod-virginia"], "limit": 100},
    "query_logs_range": {"query": '{app="shipping"}', "clusters": ["prod-virginia"]},
    "find_resources": {"kind": "secrets", "clusters": ["prod-virginia"]},
    "get_resource": {"cluster": "planted", "kind": "pods", "name": "x", "namespace": "shop"},
    "get_pod_logs": {"cluster": "prod-virginia", "pod": "shipping", "namespace": "shop"},
    "compare_clusters": {"clusters": ["prod-virginia", "planted"]},
    "find_metrics": {"search": f"token {PLANTED['a token in a question']}"},
    "get_metric_labels": {"label_name": "namespace"},
    "get_dpdk_stats": {"cluster": "edge-berlin", "pod_name": "upf-0"},
    "get_trace": {"trace_id": "0" * 31 + "1"},
    "get_alert": {"fingerprint": "0" * 16},
    "get_log_patterns": {"query": '{app="shipping"}', "clusters": ["prod-virginia"]},
    "analyze_root_cause": {"cluster": "prod-virginia", "component": "shop/shipping"},
    "explain": {"cluster": "prod-virginia", "component": "shop/shipping"},
    "create_report": {"report_type": "INCIDENT_REPORT", "clusters": ["prod-virginia", "planted"]},
    **dict.fromkeys(
        ("triage", "correlate", "detect_anomalies", "find_changes", "forecast"),
        {"clusters": ["prod-virginia", "planted"]},
    ),
}


def arguments_of(operation: Any) -> dict[str, Any]:
    if operation.name in ARGUMENTS:
        return ARGUMENTS[operation.name]
    fields = operation.request_type.model_fields
    guesses = {"cluster": "planted", "cluster_id": "planted", "node_name": "x", "trace_id": "1"}
    return {name: guesses[name] for name in guesses if name in fields}


async def ask_over_rest(client: httpx2.AsyncClient, hay: Haystack) -> None:
    for operation in OPERATIONS:
        if operation.effect is not Effect.READ:
            continue
        method, _, path = operation.routes[0].partition(" ")
        left = dict(arguments_of(operation))
        for name in list(left):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(left.pop(name)))
        path = path.replace("{label_name}", "namespace").replace("{name}", "namespace")
        sent = {"json": left} if method == "POST" else {"params": left}
        answer = await client.request(method, f"/api/v1{path}", **sent, timeout=60)
        hay.add("REST", answer.text)
    kept = (await client.get("/api/v1/reports")).json()["items"]
    assert kept
    for report in kept:
        answer = await client.get(f"/api/v1/reports/{report['id']}/download", timeout=60)
        hay.add("reports", answer.text)
    for page in ("/metrics", "/openapi.json", "/health/detailed", "/auth/validate"):
        hay.add("REST", (await client.get(page)).text)


async def ask_over_mcp(url: str, hay: Haystack) -> None:
    token = PLANTED["API token of an administrator"]
    async with fastmcp.Client(f"{url}/mcp", auth=token) as client:
        for operation in OPERATIONS:
            if operation.tool and operation.effect is Effect.READ:
                result = await client.call_tool(
                    operation.name, arguments_of(operation), raise_on_error=False
                )
                hay.add("MCP", f"{result.content} {json.dumps(result.structured_content)}")
        for uri in ("fleet://clusters", "fleet://clusters/planted"):
            hay.add("MCP", str(await client.read_resource(uri)))
    with contextlib.suppress(Exception):
        async with fastmcp.Client(f"{url}/mcp", auth=PLANTED["a token nobody knows"]):
            pass


async def listen(url: str, hay: Haystack, ready: asyncio.Event) -> None:
    socket = url.replace("http", "ws", 1)
    token = PLANTED["API token of an administrator"]
    async with connect(f"{socket}/ws") as stream:
        await stream.send(json.dumps({"type": "auth", "token": token}))
        await stream.send(json.dumps({"type": "subscribe", "subscription": {}}))
        ready.set()
        while True:
            hay.add("stream", await stream.recv())


async def tail(url: str, hay: Haystack) -> None:
    socket = url.replace("http", "ws", 1)
    query = "query=%7Bapp%3D%22shipping%22%7D&clusters=prod-virginia"
    headers = {"Authorization": f"Bearer {PLANTED['API token of an administrator']}"}
    address = f"{socket}/api/v1/logs/tail?{query}"
    async with connect(address, additional_headers=headers) as stream:
        while True:
            hay.add("tail", await stream.recv())


async def tell_webhook(client: httpx2.AsyncClient, hay: Haystack) -> str:
    """Fire an alert whose texts hold secrets; the webhook's own secret, which is told once."""
    made = await client.post("/api/v1/clusters/planted/webhook-secret")
    assert made.status_code in (200, 201), made.text
    secret = made.json()["secret"]
    alert = {
        "status": "firing",
        "labels": {"alertname": "Planted", "severity": "critical", "session": JWT},
        "annotations": {"summary": f"password={PLANTED['a password in an annotation']}"},
        "startsAt": "2026-11-25T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "00112233445566aa",
    }
    body = {"version": "4", "status": "firing", "receiver": "r", "alerts": [alert]}
    for word, status in ((PLANTED["a webhook's wrong secret"], 401), (secret, 202)):
        answer = await client.post(
            "/api/v1/alerts/webhook/planted",
            json=body,
            headers={"Authorization": f"Bearer {word}"},
        )
        assert answer.status_code == status, answer.text
        hay.add("REST", answer.text)
    return secret


async def plant(client: httpx2.AsyncClient, echo: ThreadingHTTPServer) -> None:
    url = f"http://127.0.0.1:{echo.server_address[1]}"
    new = {
        "name": "planted",
        "api_server_url": url,
        "endpoints": {
            "prometheus_url": url,
            "alertmanager_url": url,
            "loki_url": url,
            "tempo_url": url,
        },
    }
    assert (await client.post("/api/v1/clusters", json=new)).status_code == 201
    credentials = {
        "auth_type": "SERVICE_ACCOUNT",
        "token": PLANTED["token of a cluster"],
        "prometheus_token": PLANTED["token of its Prometheus"],
    }
    stored = await client.post("/api/v1/clusters/planted/credentials", json=credentials)
    assert stored.status_code in (200, 201), stored.text


async def redis_content(url: str) -> str:
    """Every key of every database, with its value."""
    told: list[str] = []
    for database in range(4):
        client = redis.asyncio.from_url(f"{url}/{database}", decode_responses=True)
        async for key in client.scan_iter("*"):
            kind = await client.type(key)
            if kind == "stream":
                told.append(str(await client.xrange(key)))
            elif kind == "hash":
                told.append(str(await client.hgetall(key)))
            elif kind == "string":
                told.append(str(await client.get(key)))
            told.append(key)
        await client.aclose()
    return "\n".join(told)


async def test_no_planted_secret_comes_out(serve, aiops, fast, tmp_path, echo, store) -> None:
    hay = Haystack()
    settings = {
        **fast,
        "AIOPS_API_TOKENS": f"admin={PLANTED['API token of an administrator']},"
        f"viewer={PLANTED['API token of a viewer']}",
        "AIOPS_REDIS_URL": store.url,
        "AIOPS_VAULT_KEYS": PLANTED["key of the vault"],
        "AIOPS_LOG_LEVEL": "DEBUG",
        "AIOPS_LOG_FORMAT": "json",
        "AIOPS_OTLP_ENDPOINT": f"http://127.0.0.1:{echo.server_address[1]}/v1/traces",
        "AIOPS_RATE_ALL_PER_SECOND": "0",
    }
    command = [aiops, "demo", "--allow-write", "--incident", "hostile-text"]
    with serve(tmp_path / "home", command, **settings) as server:
        headers = {"Authorization": f"Bearer {PLANTED['API token of an administrator']}"}
        async with (
            httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client,
            asyncio.TaskGroup() as group,
        ):
            ready = asyncio.Event()
            listening = [
                group.create_task(listen(server.url, hay, ready)),
                group.create_task(tail(server.url, hay)),
            ]
            await ready.wait()
            await plant(client, echo)
            secret = await tell_webhook(client, hay)
            await ask_over_mcp(server.url, hay)
            await ask_over_rest(client, hay)
            wrong = {"Authorization": f"Bearer {PLANTED['a token nobody knows']}"}
            hay.add("REST", (await client.get("/api/v1/clusters", headers=wrong)).text)
            audited = await client.get("/api/v1/audit", params={"page_size": 100})
            hay.add("audit", audited.text)
            for task in listening:
                task.cancel()
        hay.add("Redis", await redis_content(store.url))
    hay.add("log", server.log.read_bytes())
    for file in (tmp_path / "home").rglob("*.sqlite*"):
        hay.add("database", file.read_bytes())
    hay.add("spans", echo.seen)

    # The needles were really there, and the search finds what did come out.
    assert hay.found("[redacted:")
    assert "Planted" in "".join(hay.parts["stream"])
    assert "audit" in hay.found("list_unhealthy")
    assert set(hay.parts) == {
        *("REST", "MCP", "stream", "tail", "reports", "audit", "Redis", "log", "database"),
        "spans",
    }
    assert all("".join(texts) for texts in hay.parts.values())

    leaks = {
        name: where
        for name, needle in {**PLANTED, "secret of a webhook": secret}.items()
        if (where := hay.found(needle))
    }
    assert leaks == {}
