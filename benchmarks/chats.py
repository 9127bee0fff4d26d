"""Fifty chats at once on one server: what the agent's own work costs beside the model's.

    python benchmarks/chats.py [--quick]

A scripted model in this process streams over HTTP to a server in a process of its own, which the
chats of this process ask over HTTP. They begin within a few seconds, and then all go on at the same
time; each asks for two tools and streams an answer at 25 pieces a second. Told are:
from the model's first token on the wire to the first event of the answer's text at the client (two
hops of loopback included), how late the server's event loop was, and what an idle session holds.
"""

import argparse
import asyncio
import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from figures import Figure, at_most

_TESTS = Path(__file__).resolve().parents[1] / "tests" / "agents"
CHATS = 50
PIECES = 120
PIECE_SECONDS = 0.04
"""So fast does one model of a busy server write to each of fifty."""
BEGIN_SECONDS = 3.0
PROBE_SECONDS = 0.005
MAX_FIRST_MS, MAX_LAG_MS, MAX_IDLE_KB = 10.0, 50.0, 50.0


def _scripted() -> Any:
    """The scripted model server of the tests."""
    spec = importlib.util.spec_from_file_location("scripted_model", _TESTS / "scripted_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- the server, in a process of its own ------------------------------------------------------


class LoopProbe:
    """How late the event loop is, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        while True:
            due = time.perf_counter() + PROBE_SECONDS
            await asyncio.sleep(PROBE_SECONDS)
            self.late.append((time.perf_counter() - due) * 1000)


def _resident_kb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def _give_back_free_memory() -> None:
    """What the allocator keeps of a busy moment is no session's."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


async def _serve(model_url: str) -> None:
    import uvicorn

    from agents.host import open_agent_app
    from aiops_mcp.garbage import leave_what_is_loaded
    from aiops_mcp.serving import http_application
    from aiops_mcp.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            home=Path(home),
            demo=True,
            model_urls=(model_url,),
            rate_all_per_second=0,
            rate_user_per_minute=0,
            rate_chat_per_minute=0,
            chat_sessions_per_user=100_000,
            investigate="off",
        )
        async with open_agent_app(settings, watch=False) as opened:
            served = http_application(opened.app, opened.additions)
            config = uvicorn.Config(served.asgi, port=0, log_config=None, access_log=False)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            probe = LoopProbe()
            probing = asyncio.create_task(probe.run())
            leave_what_is_loaded()
            print(server.servers[0].sockets[0].getsockname()[1], flush=True)
            await _told_when_asked(probe)
            probing.cancel()
            server.should_exit = True
            await serving


async def _told_when_asked(probe: LoopProbe) -> None:
    """For each line of stdin: how late the loop was since the last one, and what is held."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        late = sorted(probe.late)
        gc.collect()
        _give_back_free_memory()
        told = {
            "worst": late[-1] if late else 0.0,
            "p99": late[int(len(late) * 0.99)] if late else 0.0,
            "resident_kb": _resident_kb(),
            "cpu": time.process_time(),
        }
        await asyncio.sleep(10 * PROBE_SECONDS)  # the look itself made the loop late
        probe.late.clear()
        print(json.dumps(told), flush=True)


# --- the chats --------------------------------------------------------------------------------


class Server:
    """The server's process, as this one asks it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    async def since_last(self) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def server_with(model_url: str) -> AsyncGenerator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        model_url,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(process, int(await process.stdout.readline()))
    finally:
        process.stdin.close()
        await process.wait()


def _script(scripted: Any) -> Any:
    pieces = ["All is well [1], ", *(f"as {number} says, " for number in range(PIECES - 1))]
    return scripted.by_turn(
        [
            scripted.Said(calls=[("list_clusters", {}), ("get_fleet_summary", {})]),
            scripted.Said("".join(pieces), pieces=pieces, delay=PIECE_SECONDS),
        ]
    )


async def one_chat(client: httpx2.AsyncClient, number: int, wait: float) -> float:
    """Ask one question in a session of its own; when the first text came (``perf_counter``)."""
    await asyncio.sleep(wait)
    made = await client.post("/api/v1/chat/sessions", json={"title": f"chat {number}"})
    path = f"/api/v1/chat/sessions/{made.raise_for_status().json()['id']}/stream"
    first, ended = 0.0, ""
    async with client.stream("POST", path, json={"content": f"question {number}"}) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line == "event: content_delta" and not first:
                first = time.perf_counter()
            elif line.startswith("event: "):
                ended = line
    if ended != "event: message_complete":
        raise RuntimeError(f"a chat ended with {ended!r}")
    return first


def _first_written(url: Any) -> dict[int, float]:
    """By number of the question, when the model wrote the first text of its answer."""
    found: dict[int, float] = {}
    for asked in url.requests:
        messages = asked.body["messages"]
        if messages[-1]["role"] == "tool" and asked.first_delta_at is not None:
            question = next(one for one in reversed(messages) if one["role"] == "user")
            found[int(str(question["content"]).rsplit(" ", 1)[-1])] = asked.first_delta_at
    return found


async def _round(url: Any, client: httpx2.AsyncClient, numbers: range) -> list[float]:
    """Those chats at once; milliseconds from first token to first event of each."""
    url.requests.clear()
    apart = BEGIN_SECONDS / CHATS
    came = await asyncio.gather(
        *(one_chat(client, number, apart * place) for place, number in enumerate(numbers))
    )
    wrote = _first_written(url)
    return [(first - wrote[number]) * 1000 for number, first in zip(numbers, came, strict=True)]


async def measured(*, quick: bool) -> list[Figure]:
    scripted = _scripted()
    rounds = 2 if quick else 5
    async with scripted.scripted_model(_script(scripted)) as url, server_with(url) as server:
        limits = httpx2.Limits(max_connections=CHATS * 2)
        async with httpx2.AsyncClient(
            base_url=server.url, timeout=60, limits=limits, trust_env=False
        ) as client:
            for _ in range(3):  # all is loaded, and memory has found its size
                await _round(url, client, range(CHATS))
            alone = [
                (await _round(url, client, range(1000 + n, 1001 + n)))[0] for n in range(rounds * 2)
            ]
            before = await server.since_last()
            many: list[float] = []
            for count in range(rounds):
                many += await _round(url, client, range(count * CHATS, (count + 1) * CHATS))
            after = await server.since_last()
    held = (after["resident_kb"] - before["resident_kb"]) / (rounds * CHATS)
    events = rounds * CHATS * PIECES
    together = f"{CHATS} chats at once:"
    same = f"{together} the same"
    late = f"{together} event loop late"
    piece = (after["cpu"] - before["cpu"]) / events * 1e6
    first = "one chat: model's first token to first event, median"
    return [
        at_most(first, statistics.median(alone), "ms", MAX_FIRST_MS),
        at_most(f"{same}, median", statistics.median(many), "ms", MAX_FIRST_MS),
        Figure(f"{same}, p95", sorted(many)[int(len(many) * 0.95)], "ms"),
        at_most(f"{late}, worst", after["worst"], "ms", MAX_LAG_MS),
        Figure(f"{late}, p99", after["p99"], "ms"),
        at_most("memory an idle session leaves behind", held, "KB", MAX_IDLE_KB),
        Figure("processor time a piece of text", piece, "us"),
    ]


def measure(*, quick: bool) -> list[Figure]:
    return asyncio.run(measured(quick=quick))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.serve))
        return 0
    from figures import table

    figures = measure(quick=options.quick)
    print(table(figures))
    return 0 if all(one.met is not False for one in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
