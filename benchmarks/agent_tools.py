"""What the agent's tools cost: opening them, and a call over MCP in memory beside the operation.

    python benchmarks/agent_tools.py [--calls 300] [--chats 50] [--json]

The simulated fleet in this process; calls are of operations whose answers are in the cache, so
that what is measured is the way there and back. Rounds are interleaved, the median counts. Memory
is what Python allocated for one more open toolbox, its tools listed.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.fencing import orders_in
from agents.results import Results
from agents.toolbox import InMemoryTools
from aiops_mcp.app import App, open_app
from aiops_mcp.mcp_host import OpenApp, mcp_server
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings

OPEN_LIMIT_MS = 15.0
OPEN_LIMIT_KB = 300.0
PERSONA = Persona(id="default", name="Default", system_prompt="x", capabilities=("*",))
VIEWER = Principal(subject="v", role=Role.VIEWER, clusters=frozenset({"prod-virginia"}))
OPERATIONS = ("get_fleet_summary", "list_clusters", "list_silences")


@dataclass(frozen=True)
class Figures:
    first_open_ms: float
    open_ms: float
    open_kb: float
    call_ms: dict[str, float]
    direct_ms: dict[str, float]
    overhead_ms: dict[str, float]
    chats: int
    chats_open_ms: float
    lag_ms: float
    take_ms: float


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1_000


async def measure(app: App, tools: InMemoryTools, calls: int, chats: int) -> Figures:
    async def opened() -> None:
        async with tools.open(PERSONA, LOCAL_ADMIN) as box:
            await box.specs()

    first = await timed(opened)
    opens = [await timed(opened) for _ in range(calls)]
    over_mcp: dict[str, list[float]] = {name: [] for name in OPERATIONS}
    direct: dict[str, list[float]] = {name: [] for name in OPERATIONS}
    async with tools.open(PERSONA, LOCAL_ADMIN) as box:
        for name in OPERATIONS:
            await box.call(name, {})
        for _ in range(calls):
            for name in OPERATIONS:
                over_mcp[name].append(await timed(lambda name=name: box.call(name, {})))
                direct[name].append(await timed(lambda name=name: app.ask(name, {})))
        outcome = await box.call("list_clusters", {})
    called = {name: statistics.median(times) for name, times in over_mcp.items()}
    asked = {name: statistics.median(times) for name, times in direct.items()}
    await many_chats(tools, 2)  # so that the answers are in the cache
    spent, lag = await many_chats(tools, chats)
    return Figures(
        first_open_ms=first,
        open_ms=statistics.median(opens),
        open_kb=await open_kilobytes(tools),
        call_ms=called,
        direct_ms=asked,
        overhead_ms={name: called[name] - asked[name] for name in OPERATIONS},
        chats=chats,
        chats_open_ms=spent,
        lag_ms=lag,
        take_ms=taking(outcome),
    )


async def open_kilobytes(tools: InMemoryTools, count: int = 40) -> float:
    """Of one more that is open, beside others."""
    async with AsyncExitStack() as stack:
        await (await stack.enter_async_context(tools.open(PERSONA, LOCAL_ADMIN))).specs()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            await (await stack.enter_async_context(tools.open(PERSONA, LOCAL_ADMIN))).specs()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / count / 1_000


async def many_chats(tools: InMemoryTools, chats: int) -> tuple[float, float]:
    """Milliseconds until all have opened and called once, and the worst lag of the loop."""
    worst, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal worst
        while not done.is_set():
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, (time.perf_counter() - began) * 1_000 - 1)

    async def chat(number: int) -> None:
        principal = LOCAL_ADMIN if number % 2 else VIEWER
        async with tools.open(PERSONA, principal) as box:
            await box.specs()
            await box.call("list_silences", {})

    watching = asyncio.create_task(watch())
    spent = await timed(lambda: asyncio.gather(*map(chat, range(chats))))
    done.set()
    await watching
    return spent, worst


def taking(outcome) -> float:
    """Milliseconds to number a result, cut it, look for orders in it and show it."""
    from agents.conversation import ToolCall

    orders_in("")
    results = Results(100_000)
    times: list[float] = []
    for number in range(20):
        began = time.perf_counter()
        results.shown(results.take(ToolCall(str(number), "list_clusters", {"n": number}), outcome))
        times.append((time.perf_counter() - began) * 1_000)
    return statistics.median(times)


async def run(calls: int, chats: int) -> Figures:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(_env_file=None, home=Path(home), demo=True)
        async with open_app(settings, watch=False) as app:
            await app.check_stale_clusters()
            tools = InMemoryTools(mcp_server(OpenApp(app), settings))
            try:
                return await measure(app, tools, calls, chats)
            finally:
                await tools.aclose()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--chats", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = asyncio.run(run(given.calls, given.chats))
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        print(f"open and list      {figures.open_ms:8.2f} ms (first {figures.first_open_ms:.0f})")
        print(f"                   {figures.open_kb:8.1f} kB each")
        for name in OPERATIONS:
            print(
                f"{name:18} {figures.call_ms[name]:8.2f} ms over MCP, "
                f"{figures.direct_ms[name]:.2f} direct, {figures.overhead_ms[name]:.2f} between"
            )
        print(
            f"{figures.chats} chats at once  {figures.chats_open_ms:8.1f} ms until all opened and "
            f"called, the loop late by {figures.lag_ms:.1f}"
        )
        print(f"take and show      {figures.take_ms:8.2f} ms a result")
    met = figures.open_ms < OPEN_LIMIT_MS and figures.open_kb < OPEN_LIMIT_KB
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
