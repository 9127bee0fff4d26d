"""What a tool call over HTTP costs beside a plain Starlette echo in the same process.

    python benchmarks/mcp_calls.py [--calls 400] [--rounds 5] [--json]

One server process holds an echo route and two MCP servers, of 5 and of 60 tools. Rounds over
the three are interleaved, so that a busy machine slows all alike; the best round of each counts.
CPU is the server process's own, from /proc. A second figure: how long a process that imports
fastmcp alone takes, beside one that builds our server and answers ``tools/list``.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 6.0
FLAT = 1.25
START_LIMIT = 1.5
_SELF = Path(__file__).resolve()
_ARGUMENTS = {"query": "sum by (namespace) (rate(cpu[5m]))", "clusters": ["edge-7"], "limit": 5}
_ANSWER = {"names": [f"cluster-{number}" for number in range(10)]}


# --- the server, in a process of its own -------------------------------------------------------


def build_server(tools: int):
    from datetime import UTC, datetime
    from typing import Annotated, Any

    from pydantic import Field

    from aiops_mcp.models.digest import Digest
    from aiops_mcp.models.entity import Entity
    from aiops_mcp.operation import Capability, Clusters, Input
    from aiops_mcp.settings import Settings
    from aiops_mcp.surfaces.mcp import build_mcp_server
    from aiops_mcp.surfaces.mcp_plan import OneTimeHandles

    class Query(Input):
        query: Annotated[str, Field(description="A PromQL expression")]
        clusters: Clusters = ()
        limit: Annotated[int, Field(description="Most rows", ge=1, le=100)] = 20

    class Names(Entity):
        names: tuple[str, ...]

    class NoHandles:
        async def add(self, _: str, __: datetime) -> None: ...

        async def consume(self, _: str) -> bool:
            return False

    def digest(_: Query, answer: Names) -> Digest:
        return Digest(
            headline=f"{len(answer.names)} clusters",
            columns=("name", "value"),
            rows=tuple((name, 1.0) for name in answer.names),
            coverage="10 of 10 clusters answered",
        )

    async def invoke(operation: Any, request: Any, _: Any) -> Any:
        return await operation.run(None, request)

    capability = Capability("bench", "")
    for number in range(tools):

        async def run(_: Any, request: Query) -> Names:  # noqa: ARG001 - it is the schema
            """Ask many clusters one question and lay their answers side by side."""
            return Names(**_ANSWER)

        run.__annotations__.update(request=Query, **{"return": Names})
        capability.operation(f"ask_{number}", needs="metrics:read", digest=digest)(run)
    handles = OneTimeHandles(NoHandles(), lambda: datetime.now(UTC))
    return build_mcp_server(
        capability.operations, invoke, settings=Settings(), version="0", handles=handles
    )


def serve() -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from aiops_mcp.settings import Settings
    from aiops_mcp.surfaces.mcp import http_part

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse(await request.json())

    parts = [http_part(build_server(tools), Settings(), path=f"/mcp{tools}") for tools in (5, 60)]

    async def lifespan(app: Starlette):
        async with parts[0].running(app), parts[1].running(app):
            yield

    routes = [Route("/echo", echo, methods=["POST"]), *(r for p in parts for r in p.routes)]
    # With the protocol named: asyncio turns Nagle's delay off for such sockets only.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    import contextlib

    app = Starlette(routes=routes, lifespan=contextlib.asynccontextmanager(lifespan))
    config = uvicorn.Config(app, log_config=None, timeout_keep_alive=300)
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


# --- the client ------------------------------------------------------------------------------


def request_bytes(path: str) -> bytes:
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "ask_0", "arguments": _ARGUMENTS, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        "accept: application/json, text/event-stream\r\n"
        f"mcp-protocol-version: {version}\r\nmcp-method: tools/call\r\nmcp-name: ask_0\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body.encode()


def exchange(connection: socket.socket, message: bytes) -> bytes:
    connection.sendall(message)
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            raise RuntimeError("the server closed the connection")
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"{head.decode()}\n{body.decode()}")
    return body


def cpu_seconds(pid: int) -> float:
    """Time on a processor of the process's one thread, in nanosecond steps."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


@dataclass
class Measured:
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def best(self) -> dict[str, float]:
        return {
            "p50_ms": round(min(self.p50), 3),
            "p95_ms": round(min(self.p95), 3),
            "cpu_ms": round(min(self.cpu), 3),
        }


def measure(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    process = subprocess.Popen(
        [sys.executable, str(_SELF), "--serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(process.stdout.readline())
        targets = {name: request_bytes(f"/{name}") for name in ("echo", "mcp5", "mcp60")}
        results = {name: Measured() for name in targets}
        with connect(port) as connection:
            for message in targets.values():
                for _ in range(50):
                    answer = exchange(connection, message)
            assert b"10 clusters" in answer
            for _ in range(rounds):
                for name, message in targets.items():
                    run_round(connection, message, calls, process.pid, results[name])
        return {name: measured.best() for name, measured in results.items()}
    finally:
        process.terminate()
        process.wait()


def connect(port: int) -> socket.socket:
    for _ in range(200):
        try:
            connection = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise RuntimeError("the server did not start")


def run_round(
    connection: socket.socket, message: bytes, calls: int, pid: int, result: Measured
) -> None:
    times: list[float] = []
    before = cpu_seconds(pid)
    for _ in range(calls):
        start = time.perf_counter()
        exchange(connection, message)
        times.append((time.perf_counter() - start) * 1000)
    result.cpu.append((cpu_seconds(pid) - before) * 1000 / calls)
    times.sort()
    result.p50.append(statistics.median(times))
    result.p95.append(times[int(len(times) * 0.95)])


# --- starting ----------------------------------------------------------------------------------

_IMPORT = "import fastmcp; fastmcp.FastMCP"
_FIRST_LIST = (
    "import asyncio, importlib.util as u; s = u.spec_from_file_location('b', {path!r});"
    "m = u.module_from_spec(s); import sys; sys.modules['b'] = m; s.loader.exec_module(m);"
    "assert len(asyncio.run(m.build_server(14).list_tools())) == 14"
)


def start_seconds(code: str, repeats: int) -> float:
    """CPU seconds of a process, the least of several: wall time depends on who else is there."""
    spent = []
    for _ in range(repeats):
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True)
        after = os.times()
        spent.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    return min(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    figures = measure(options.calls, options.rounds)
    ratio = {
        name: round(figures["mcp60"][name] / figures["echo"][name], 2)
        for name in ("p50_ms", "cpu_ms")
    }
    flat = round(figures["mcp60"]["cpu_ms"] / figures["mcp5"]["cpu_ms"], 2)
    alone = start_seconds(_IMPORT, 3)
    ours = start_seconds(_FIRST_LIST.format(path=str(_SELF)), 3)
    report = {
        "calls": figures,
        "call_over_echo_p50": ratio["p50_ms"],
        "call_over_echo_cpu": ratio["cpu_ms"],
        "limit": LIMIT,
        "60_over_5_tools_cpu": flat,
        "import_fastmcp_cpu_s": round(alone, 2),
        "first_tools_list_cpu_s": round(ours, 2),
        "first_list_over_import": round(ours / alone, 2),
    }
    met = ratio["p50_ms"] <= LIMIT and flat <= FLAT and ours / alone <= START_LIMIT
    if options.json:
        print(json.dumps(report | {"met": met}))
    else:
        for name, measured in figures.items():
            print(f"{name:6} p50 {measured['p50_ms']:.2f} ms   p95 {measured['p95_ms']:.2f} ms"
                  f"   CPU {measured['cpu_ms']:.2f} ms")  # fmt: skip
        for name in list(report)[1:]:
            print(f"{name}: {report[name]}")
        print("met" if met else "MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
