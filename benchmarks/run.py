"""Runs the benchmarks and prints one table of their figures: `make bench`.

    python benchmarks/run.py [--only NAME …] [--list] [--quick] [--strict] [--json FILE]

Each benchmark is a process of its own, one after the other, so that none changes what another
measures. Ratios are of one run. Ends with 0 whatever the figures say; with ``--strict`` with 1
where a target is missed.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import orjson
from figures import Figure, at_least, at_most, ratio, table

from aiops_mcp.garbage import leave_what_is_loaded

_HERE = Path(__file__).resolve().parent
_LIMIT_SECONDS = 400


def federation(*, quick: bool) -> list[Figure]:
    import federation as bench

    leave_what_is_loaded()  # as a server does, for both sides of each ratio
    rounds = 3 if quick else 9
    single, together = asyncio.run(bench.fleet_over_one(rounds * 4))
    seconds, succeeded, late = asyncio.run(bench.with_hanging())
    silent = f"{bench.HANGING} of them hanging, deadline {bench.DEADLINE:g} s"
    right = succeeded == bench.CLUSTERS - bench.HANGING and late == bench.HANGING
    found = [
        ratio(
            f"{bench.CLUSTERS} clusters of 20 ms, beside the slowest one",
            together * 1000,
            single * 1000,
            "ms",
            bench.MAX_FLEET_RATIO,
        ),
        at_most(f"{silent}: {succeeded} answered after", seconds, "s", bench.DEADLINE * 1.1),
        Figure(f"{silent}: partial, said so", succeeded, "answers", target="90 + 10", met=right),
    ]
    for name, body, ranged in (
        ("50 series", bench.instant_body(50), False),
        ("50 series x 60 points", bench.range_body(50, 60), True),
    ):
        cpu = asyncio.run(bench.cpu_per_answer(body, rounds, ranged=ranged)) * 1e6
        about = f"CPU a cluster-answer, {name}, beside"
        one, kept = _cpu_of_one(body) * 1e6, _cpu_of_kept(body, bench.CLUSTERS) * 1e6
        plain = asyncio.run(_cpu_of_plain_client(bench.Simulated(body, 0.0), bench.CLUSTERS))
        found += [
            ratio(f"{about} orjson.loads of it", cpu, one, "us", bench.MAX_CPU_RATIO),
            ratio(f"{about} orjson.loads of all, kept", cpu, kept, "us"),
            ratio(f"{about} httpx2 and orjson.loads", cpu, plain * 1e6, "us"),
        ]
    return found


def _cpu_of_one(body: bytes) -> float:
    """Parsing it again and again, each result freed before the next."""

    def parse() -> None:
        for _ in range(100):
            orjson.loads(body)

    return _least_cpu(parse) / 100


def _cpu_of_kept(body: bytes, count: int) -> float:
    """Parsing as many as an answer has clusters and keeping all, as one who answers must."""
    bodies = [bytes(bytearray(body)) for _ in range(count)]
    return _least_cpu(lambda: [orjson.loads(each) for each in bodies]) / count


def _least_cpu(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(9):
        gc.collect()
        began = time.process_time()
        done = work()
        best = min(best, time.process_time() - began)
        del done
    return best


async def _cpu_of_plain_client(transport: httpx2.AsyncBaseTransport, count: int) -> float:
    """The least that asking costs: the HTTP client that we stand on, and parsing."""
    best = float("inf")
    async with httpx2.AsyncClient(transport=transport) as client:

        async def ask() -> object:
            answer = await client.post("https://c.invalid/api/v1/query", data={"query": "up"})
            return orjson.loads(answer.content)

        for _ in range(9):
            gc.collect()
            began = time.process_time()
            await asyncio.gather(*(ask() for _ in range(count)))
            best = min(best, time.process_time() - began)
    return best / count


def mcp_calls(*, quick: bool) -> list[Figure]:
    import mcp_calls as bench

    measured = bench.measure(150 if quick else 400, 3 if quick else 5)
    echo, few, many = (measured[name] for name in ("echo", "mcp5", "mcp60"))
    return [
        ratio(
            "tool call over HTTP beside an echo, p50",
            many["p50_ms"],
            echo["p50_ms"],
            "ms",
            bench.LIMIT,
        ),
        ratio(
            "tool call over HTTP beside an echo, CPU",
            many["cpu_ms"],
            echo["cpu_ms"],
            "ms",
            bench.LIMIT,
        ),
        ratio(
            "tool call with 60 tools beside 5, CPU",
            many["cpu_ms"],
            few["cpu_ms"],
            "ms",
            bench.FLAT,
        ),
    ]


def promql(*, quick: bool) -> list[Figure]:
    command = [sys.executable, str(_HERE / "promql.py")]
    if quick:
        command += ["--series", "500", "--runs", "1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found: list[Figure] = []
    for line in done.stdout.splitlines()[1:]:
        name, _, with_json, reference, _ = line.split()
        about = f"PromQL evaluator with JSON beside Prometheus, CPU: {name}"
        # The reference's clock ticks in hundredths.
        reference_s = max(float(reference), 0.01)
        found.append(ratio(about, float(with_json), reference_s, "s", 1.0))
    if not found:
        last = done.stderr.strip().splitlines()[-1:] or ["promql.py printed nothing"]
        raise RuntimeError(last[0])
    return found


def questions(*, quick: bool) -> list[Figure]:
    import questions as bench

    return bench.measure(quick=quick)


def peers(*, quick: bool) -> list[Figure]:
    import peers as bench

    return bench.measure(quick=quick)


def trace_summary(*, quick: bool) -> list[Figure]:
    import trace_summary as bench

    return bench.measure(quick=quick)


def start(*, quick: bool) -> list[Figure]:
    import start as bench

    return bench.measure(quick=quick)


def scale(*, quick: bool) -> list[Figure]:
    import scale as bench

    return bench.measure(quick=quick)


def gpu_polling(*, quick: bool) -> list[Figure]:
    import gpu_polling as bench

    seconds, told = asyncio.run(bench.measure(4 if quick else 12))
    about = f"{bench.GPUS} GPUs of {bench.CLUSTERS} clusters watched every"
    return [
        *(
            at_most(f"{about} {period:g} s", 100 * seconds / period, "% of a core", share)
            for period, share in ((5.0, 100 * bench.MAX_SHARE), (30.0, 100 * bench.MAX_SHARE))
        ),
        Figure("GPU_UPDATE events told meanwhile", told, "events", met=told > 0),
    ]


def stream(*, quick: bool) -> list[Figure]:
    import stream as bench

    return bench.measure(quick=quick)


def alert_polling(*, quick: bool) -> list[Figure]:
    import alert_polling as bench

    return bench.measure(quick=quick)


def log_merge(*, quick: bool) -> list[Figure]:
    import log_merge as bench

    lines = 50_000 if quick else 200_000
    merged = max(bench.lines_per_second(lines) for _ in range(3))
    return [
        at_least("lines through merge and folding", merged, "/s", bench.MIN_LINES_PER_SECOND),
        Figure("lines sorted into patterns", bench.patterns_per_second(lines // 4), "/s"),
    ]


def analysis(*, quick: bool) -> list[Figure]:
    import analysis as bench

    shared = Path(os.environ.get("AIOPS_SHARED_DATA") or _HERE.parents[1] / "shared")
    return bench.measure(quick=quick, data=shared / "data" / "loghub")


def incidents(*, quick: bool) -> list[Figure]:
    import incidents as bench

    return bench.measure(quick=quick)


def model_client(*, quick: bool) -> list[Figure]:
    import model_client as bench

    return bench.measure(quick=quick)


def agent_tools(*, quick: bool) -> list[Figure]:
    import agent_tools as bench

    return bench.measure(quick=quick)


def chats(*, quick: bool) -> list[Figure]:
    import chats as bench

    return bench.measure(quick=quick)


def watch(*, quick: bool) -> list[Figure]:
    import watch as bench

    late, share, states, checks = asyncio.run(bench.watch(20 if quick else 60))
    return [
        at_most("watch in process: latest start of a check", late, "s", bench.MAX_LATE),
        Figure("watch in process: processor share", 100 * share, "% of a core"),
        Figure("watch in process: checks", checks, "checks"),
        Figure("watch in process: clusters online", states["ONLINE"], "clusters"),
    ]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A function that measures; ``always`` says whether it runs when none is named."""

    measure: Callable[..., list[Figure]]
    about: str
    always: bool = True


BENCHMARKS = {
    "federation": Benchmark(federation, "a hundred clusters over one, and CPU per answer"),
    "calls": Benchmark(mcp_calls, "a tool call over HTTP beside an echo"),
    "questions": Benchmark(questions, "five naive questions, in tokens"),
    "start": Benchmark(start, "first tools/list, and --help"),
    "traces": Benchmark(trace_summary, "a trace of 5,000 spans summed up"),
    "logs": Benchmark(log_merge, "log lines through merge, folding and patterns"),
    "analysis": Benchmark(analysis, "series judged, causes ranked, log lines mined"),
    "incidents": Benchmark(
        incidents, "every simulated incident by triage and root cause", always=False
    ),
    "peers": Benchmark(peers, "calls a second against a real Prometheus"),
    "promql": Benchmark(promql, "the evaluator beside a real Prometheus"),
    "scale": Benchmark(scale, "500 clusters: memory and health checks"),
    "gpu_polling": Benchmark(gpu_polling, "2,000 GPUs watched through DCGM: share of a core"),
    "stream": Benchmark(stream, "a thousand stream clients beside a plain loop"),
    "model_client": Benchmark(model_client, "what the model client adds to a stream"),
    "agent_tools": Benchmark(agent_tools, "tools of a chat in memory beside the operations"),
    "chats": Benchmark(chats, "fifty chats at once: first event, event loop, memory"),
    "alerts": Benchmark(alert_polling, "alerts of 500 clusters polled, 20,000 deduplicated"),
    "watch": Benchmark(watch, "the watcher alone, in process (scale has it all)", always=False),
}


def run_apart(name: str, *, quick: bool) -> tuple[list[Figure], str]:
    """The figures of a benchmark run in its own process, or why there are none."""
    command = [sys.executable, str(Path(__file__).resolve()), "--within", name]
    command += ["--quick"] if quick else []
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return [], f"no end within {_LIMIT_SECONDS} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it failed"]
        return [], lines[-1]
    return [Figure(**one) for one in json.loads(done.stdout.splitlines()[-1])], ""


def run_within(name: str, *, quick: bool) -> None:
    figures = BENCHMARKS[name].measure(quick=quick)
    print(json.dumps([asdict(figure) for figure in figures]))


def machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {load:.1f} at the start"
    )


def _chosen(only: Iterable[str] | None) -> list[str]:
    return list(only) if only else [name for name, one in BENCHMARKS.items() if one.always]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and end")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    parser.add_argument("--strict", action="store_true", help="end with 1 on a missed target")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--within", choices=BENCHMARKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        run_within(options.within, quick=options.quick)
        return 0
    if options.list:
        for name, one in BENCHMARKS.items():
            print(f"{name:11} {one.about}{'' if one.always else ' (only when named)'}")
        return 0
    print(machine())
    figures: list[Figure] = []
    failed: list[str] = []
    for name in _chosen(options.only):
        began = time.monotonic()
        found, why = run_apart(name, quick=options.quick)
        figures += found
        said = why and f"NOT MEASURED: {why}"
        print(f"  {name}: {said or len(found)} ({time.monotonic() - began:.0f} s)", flush=True)
        failed += [name] if why else []
    print(f"\n{table(figures)}")
    missed = [figure for figure in figures if figure.met is False]
    met = sum(figure.met is True for figure in figures)
    print(f"\n{met} met, {len(missed)} missed, {len(failed)} benchmarks not measured")
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    return int(options.strict and bool(missed or failed))


if __name__ == "__main__":
    sys.exit(main())
