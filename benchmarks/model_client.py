"""What our model client adds to an answer: beside raw SSE, and beside the openai package alone.

    python benchmarks/model_client.py [--quick]

A server in a process of its own streams chunks as vLLM does. Latency: each chunk holds the time at
which it was written, by the clock both processes share, and comes every 4 ms. CPU: chunks as fast
as they go, of this process alone. The three clients are asked in turn, in one run.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import httpx2
from figures import Figure, at_most, ratio

FIRST_PIECE_MS = 10.0
"""Of the whole agent; ours is a part of it."""

_SELF = Path(__file__).resolve()
_PACED, _FAST = 25, 2_000
Times = AsyncGenerator[float]


# --- the server, in a process of its own --------------------------------------------------------


def _chunk(content: str, finish: str | None = None) -> bytes:
    delta = {"content": content} if content else {}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    event = b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length:")[2].split("\r\n")[0].strip()
    body = json.loads(await reader.readexactly(int(length)))
    fast = body["messages"][-1]["content"] == "fast"
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    for _ in range(_FAST if fast else _PACED):
        if not fast:
            await asyncio.sleep(0.004)
        writer.write(_chunk(f"{time.perf_counter()} "))
        await writer.drain()
    done = b"data: [DONE]\n\n"
    writer.write(_chunk("", "stop") + f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n")
    await writer.drain()
    writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


# --- the clients: each gives what it received, as it comes --------------------------------------


async def _ours(url: str, kind: str) -> Times:
    from agents.conversation import ModelRequest, TextPiece, Turn
    from agents.model import open_models
    from aiops_mcp.settings import Settings

    pool = open_models(Settings(model_urls=(f"{url}#m",)))
    assert pool is not None
    async for piece in pool.stream(ModelRequest([Turn("user", kind)], max_tokens=100_000)):
        if isinstance(piece, TextPiece):
            yield float(piece.text)
    await pool.aclose()


def _request(kind: str) -> dict:
    return {"model": "m", "stream": True, "messages": [{"role": "user", "content": kind}]}


async def _raw(url: str, kind: str) -> Times:
    """Lines of the answer through httpx2 and json.loads: what one writes without a library."""
    client = httpx2.AsyncClient(trust_env=False, timeout=None)
    async with client, client.stream("POST", f"{url}/chat/completions", json=_request(kind)) as got:
        async for line in got.aiter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                content = json.loads(line[6:])["choices"][0]["delta"].get("content")
                if content:
                    yield float(content)


async def _package(url: str, kind: str) -> Times:
    """The openai package as its documentation shows it."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="none", base_url=url) as client:
        async for chunk in await client.chat.completions.create(**_request(kind)):
            if content := chunk.choices[0].delta.content:
                yield float(content)


CLIENTS: dict[str, Callable[[str, str], Times]] = {
    "ours": _ours,
    "raw": _raw,
    "package": _package,
}


async def _latencies(client: Callable[[str, str], Times], url: str) -> list[float]:
    """From writing to receipt of each piece, in ms; the first is the first."""
    return [(time.perf_counter() - written) * 1000 async for written in client(url, "paced")]


async def _cpu(client: Callable[[str, str], Times], url: str) -> float:
    """Microseconds of CPU for one piece."""
    began, pieces = time.process_time(), 0
    async for _ in client(url, "fast"):
        pieces += 1
    assert pieces == _FAST
    return (time.process_time() - began) / pieces * 1e6


async def _measured(url: str, rounds: int) -> tuple[dict[str, list[float]], ...]:
    firsts: dict[str, list[float]] = {name: [] for name in CLIENTS}
    others: dict[str, list[float]] = {name: [] for name in CLIENTS}
    costs: dict[str, list[float]] = {name: [] for name in CLIENTS}
    for number in range(rounds + 1):  # the first round imports and warms up
        for name, client in CLIENTS.items():
            first, *rest = await _latencies(client, url)
            cost = await _cpu(client, url)
            if number:
                firsts[name].append(first)
                others[name] += rest
                costs[name].append(cost)
    return firsts, others, costs


def measure(*, quick: bool) -> list[Figure]:
    command = [sys.executable, str(_SELF), "--serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        firsts, others, costs = asyncio.run(_measured(url, 5 if quick else 25))
    finally:
        server.kill()
        server.communicate()
    median = statistics.median
    first, raw_first = median(firsts["ours"]), median(firsts["raw"])
    worst = max(firsts["ours"])
    cost = {name: min(found) for name, found in costs.items()}  # what others take is no cost
    return [
        at_most(
            "model client: first token written to first piece, p50", first, "ms", FIRST_PIECE_MS
        ),
        Figure("model client: the same, the slowest", worst, "ms"),
        ratio("model client: first piece beside raw SSE", first, raw_first, "ms"),
        ratio(
            "model client: later pieces beside raw SSE, p50",
            median(others["ours"]),
            median(others["raw"]),
            "ms",
        ),
        ratio("model client: CPU of a piece beside raw SSE", cost["ours"], cost["raw"], "us"),
        ratio(
            "model client: CPU of a piece beside the openai package",
            cost["ours"],
            cost["package"],
            "us",
            1.0,
        ),
    ]


def main() -> int:
    from figures import table

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve())
        return 0
    print(table(measure(quick=options.quick)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
