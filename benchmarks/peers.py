"""A PromQL tool call against one real Prometheus, sixteen at a time: calls a second.

    python benchmarks/peers.py [--seconds 4]

Our server is a process of its own, reached over HTTP in both protocol eras, with the answer cache
off (every call another query) and on. Beside it the same queries straight to that Prometheus with
the HTTP client that we use. On two cores the client, the server and Prometheus share them all.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
from figures import Figure, at_least, at_most, table
from prometheus_reference import free_port, prometheus, write
from scale import cpu_seconds, process, until_open

from aiops_mcp.app import open_app
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.registration import NewCluster
from aiops_mcp.settings import Settings
from aiops_mcp.simulation.promql import Samples, labels_from

CONCURRENCY = 16
GO_PEER, PYTHON_PEER = 216, 89
"""Calls a second of the best peers, measured on two cores: a Go server, a blocking Python one."""
QUERY = "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))"
ERAS = ("2026-07-28", "2025-11-25")
_BIN = Path(sys.executable).parent
_numbers = itertools.count(1)


def samples(now: float) -> list[Samples]:
    times = np.arange(int(now) - 1200, int(now), 15, dtype=np.int64) * 1000
    return [
        Samples(
            labels_from(
                {
                    "__name__": "container_cpu_usage_seconds_total",
                    "namespace": f"namespace-{number % 10}",
                    "pod": f"pod-{number}",
                }
            ),
            times,
            np.cumsum(np.full(len(times), 1.0 + number)),
        )
        for number in range(100)
    ]


async def register(home: Path, url: str) -> None:
    async with open_app(Settings(home=home), watch=False) as app:
        new = NewCluster(
            name="one",
            api_server_url=url,  # it answers, which is all that is asked of it here
            endpoints=ClusterEndpoints(prometheus_url=url),
        )
        await app.context.registry.register(new, None)


@contextmanager
def our_server(home: str, *, cached: bool):
    port = free_port()
    command = [str(_BIN / "aiops"), "serve", "--port", str(port)]
    more = {"AIOPS_RATE_USER_PER_MINUTE": "0", "AIOPS_RATE_ALL_PER_SECOND": "0"}
    if not cached:
        more["AIOPS_TTL_INSTANT_QUERY"] = "0"
    with process(command, "1 clusters", AIOPS_HOME=home, **more) as pid:
        until_open(port)
        yield f"http://127.0.0.1:{port}/mcp", pid


class Connection:
    """HTTP/1.1 on a bare socket, so that the client costs little beside the server."""

    def __init__(self, url: str) -> None:
        parsed = httpx2.URL(url)
        self._host, self._port, self._path = parsed.host, parsed.port, parsed.path

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    def close(self) -> None:
        self._writer.close()

    async def post(self, body: dict[str, object], **headers: str) -> tuple[dict[str, str], bytes]:
        content = json.dumps(body).encode()
        lines = [
            f"POST {self._path} HTTP/1.1",
            f"host: {self._host}:{self._port}",
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            f"content-length: {len(content)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        if not head[0].split(" ")[1].startswith("2"):
            raise RuntimeError(f"{head[0]} {await self._body(found)!r}")
        return found, await self._body(found)

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", 0)))
        parts: list[bytes] = []
        while size := int(await self._reader.readline(), 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readline()
        return b"".join(parts)


Ask = Callable[[str], Awaitable[bytes]]


@asynccontextmanager
async def modern(url: str) -> AsyncGenerator[Ask]:
    """The era without sessions: every request stands alone."""
    connection = Connection(url)
    await connection.open()

    async def ask(query: str) -> bytes:
        params = {
            **_call(query),
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": ERAS[0],
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }
        _, body = await connection.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            mcp_protocol_version=ERAS[0],
            mcp_method="tools/call",
            mcp_name="query_metrics",
        )
        return body

    yield ask
    connection.close()


@asynccontextmanager
async def handshake(url: str) -> AsyncGenerator[Ask]:
    """The era that begins with initialize."""
    connection = Connection(url)
    await connection.open()
    client = {"name": "benchmark", "version": "1"}
    params = {"protocolVersion": ERAS[1], "capabilities": {}, "clientInfo": client}
    headers, _ = await connection.post(
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    )
    named = {"mcp_protocol_version": ERAS[1]}
    if session := headers.get("mcp-session-id"):
        named["mcp_session_id"] = session
    await connection.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **named)

    async def ask(query: str) -> bytes:
        _, body = await connection.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": _call(query)}, **named
        )
        return body

    yield ask
    connection.close()


def _call(query: str) -> dict[str, object]:
    return {"name": "query_metrics", "arguments": {"query": query}}


async def calls_a_second(opened, url: str, seconds: float, *, other: bool) -> float:
    """Of ``CONCURRENCY`` clients that ask one after the other; ``other``: no query twice."""
    done = 0

    async def client(ends: float) -> None:
        nonlocal done
        async with opened(url) as ask:
            while time.perf_counter() < ends:
                body = await ask(f"{QUERY} + {next(_numbers)}" if other else QUERY)
                if b"namespace-9" not in body:
                    raise RuntimeError(body.decode())
                done += 1

    began = time.perf_counter()
    await asyncio.gather(*(client(began + seconds) for _ in range(CONCURRENCY)))
    return done / (time.perf_counter() - began)


async def straight(url: str, seconds: float) -> float:
    """The same queries with httpx2 alone, straight to Prometheus."""
    async with httpx2.AsyncClient(trust_env=False) as client:

        @asynccontextmanager
        async def opened(_: str) -> AsyncGenerator[Ask]:
            async def ask(query: str) -> bytes:
                answer = await client.post(f"{url}/api/v1/query", data={"query": query})
                return answer.content

            yield ask

        return await calls_a_second(opened, url, seconds, other=True)


def measure(*, quick: bool = False, seconds: float = 4.0, rounds: int = 2) -> list[Figure]:
    if quick:
        seconds, rounds = 1.5, 1
    figures: list[Figure] = []
    with prometheus() as (url, _), tempfile.TemporaryDirectory() as home:
        write(url, samples(time.time()))
        asyncio.run(register(Path(home), url))
        bare = max(asyncio.run(straight(url, seconds)) for _ in range(rounds))
        for cached in (False, True):
            with our_server(home, cached=cached) as (ours, pid):
                for era, opened in zip(ERAS, (modern, handshake), strict=True):
                    asyncio.run(calls_a_second(opened, ours, 0.5, other=not cached))
                    rates, spent = [], []
                    for _ in range(rounds):
                        before = cpu_seconds(pid)
                        rate = asyncio.run(calls_a_second(opened, ours, seconds, other=not cached))
                        rates.append(rate)
                        spent.append((cpu_seconds(pid) - before) / (rate * seconds) * 1000)
                    name = f"PromQL call, {CONCURRENCY} at once, {era}, "
                    name += "cached" if cached else "no cache"
                    figures.append(_beside(at_least(name, max(rates), "calls/s", GO_PEER), bare))
                    # What others on the machine cannot spoil: a core's time for one call.
                    limit = round(1000 / GO_PEER, 2)
                    figures.append(at_most("  server CPU a call", min(spent), "ms", limit))
    return figures


def _beside(figure: Figure, bare: float) -> Figure:
    return replace(figure, reference=bare, ratio=figure.ours / bare)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    print(table(measure(seconds=parser.parse_args().seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
