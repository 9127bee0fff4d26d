"""The speeds of the analysis: series judged, causes ranked, lines mined beside drain3.

Times are of the processor, on one core.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from figures import Figure, at_most, ratio

from aiops_mcp.analysis.anomaly import OnlineDetector, judge
from aiops_mcp.analysis.logpatterns import TemplateMiner
from aiops_mcp.analysis.rootcause import rank_causes
from aiops_mcp.analysis.rootcause_problem import Edge, Problem, Signal, SignalKind

SERIES, SAMPLES = 2_000, 1_440
MAX_WINDOW_SECONDS = 1.0
MAX_ONLINE_MICROSECONDS = 20.0
SERVICES, METRICS, POINTS = 500, 8, 60
MAX_RANKING_SECONDS = 2.0
TIMES_DRAIN3 = 3.0
DRAIN3 = "drain3==0.9.11"
_BEGAN = 1_772_000_000.0


def _took(work: Callable[[], object], rounds: int) -> float:
    """The least of some rounds, in seconds of processor time."""
    seconds: list[float] = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def _series(count: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """A day of minutes: a daily swing, noise, and an hour that is off in every tenth series."""
    random = np.random.default_rng(7)
    times = _BEGAN + 60.0 * np.arange(samples)
    swing = 20.0 * np.sin(2 * np.pi * times / 86_400.0)
    values = 100.0 + swing + random.normal(0.0, 2.0, (count, samples))
    values[::10, samples // 2 : samples // 2 + 60] += 40.0
    return times, values


def window_seconds(rounds: int) -> float:
    """A finished window over many series at once."""
    times, values = _series(SERIES, SAMPLES)
    found = judge(times, values)
    if not found[0].anomalies:
        raise RuntimeError("the window's anomalies were not found")
    return _took(lambda: judge(times, values), rounds)


def online_microseconds(series: int) -> float:
    """One point of one series, each judged from its past only."""
    times, values = _series(series, SAMPLES)
    points = [row.tolist() for row in values]
    stamps = times.tolist()

    def feed() -> None:
        for row in points:
            detector = OnlineDetector()
            for moment, value in zip(stamps, row, strict=True):
                detector.update(moment, value)

    return _took(feed, 1) / (series * SAMPLES) * 1e6


def ranking_seconds(rounds: int) -> float:
    """The causes of an hour in which one of many services took the others with it."""
    problem = _problem()
    causes = rank_causes(problem).causes
    if not causes or causes[0].component != "s7":
        raise RuntimeError("the cause was not found")
    return _took(lambda: rank_causes(problem), rounds)


def _problem() -> Problem:
    random = np.random.default_rng(11)
    times = _BEGAN + 60.0 * np.arange(POINTS, dtype=np.float64)
    kinds = (SignalKind.LATENCY, SignalKind.ERRORS, SignalKind.TRAFFIC, SignalKind.RESOURCE)
    signals: list[Signal] = []
    for service in range(SERVICES):
        for metric in range(METRICS):
            values = 50.0 + random.normal(0.0, 1.0, POINTS)
            if service in (7, 3, 1) and metric == 0:
                values[-15:] += {7: 60.0, 3: 50.0, 1: 40.0}[service]
            kind = kinds[metric % len(kinds)]
            signals.append(Signal(f"s{service}", f"m{metric}", kind, times, values))
    edges = [Edge(f"s{(callee - 1) // 2}", f"s{callee}") for callee in range(1, SERVICES)]
    return Problem(signals=signals, when=float(times[-14]), edges=edges, target=("s1", "m0"))


def log_lines(count: int) -> list[str]:
    """Lines of forty kinds, every one different by its values."""
    random = np.random.default_rng(3)
    kinds = [
        f"{level} {part} request id={{}} from 10.0.{{}}.{{}} to /api/v1/{what}/{{}} took {{}} ms"
        for level in ("INFO", "WARN")
        for part in ("gateway", "cart", "payment", "search")
        for what in ("items", "orders", "users", "stock", "prices")
    ]
    numbers = random.integers(1, 250, (count, 5)).tolist()
    return [kinds[at % len(kinds)].format(*own) for at, own in enumerate(numbers)]


def public_lines(data: Path) -> list[str]:
    """The messages of the public log systems below ``data``, without their headers, in turn."""
    lines: list[str] = []
    for path in sorted(data.glob("*/*_structured_corrected.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            lines += [" ".join(row["Content"].splitlines()) for row in csv.DictReader(file)]
    return lines


def with_other_numbers(lines: list[str]) -> list[str]:
    """The same lines with each digit from 1 to 9 turned: what goes on coming, never the same."""
    turned = str.maketrans("123456789", "234567891")
    return [line.translate(turned) for line in lines]


def mined_seconds(lines: list[str], rounds: int, known: int = 0) -> float:
    """The least of some rounds, in seconds of processor time, after ``known`` lines went in."""
    seconds: list[float] = []
    for _ in range(rounds):
        miner = TemplateMiner()
        for line in lines[:known]:
            miner.add(line)
        began = time.process_time()
        for line in lines[known:]:
            miner.add(line)
        seconds.append(time.process_time() - began)
    return min(seconds)


def drain3_seconds(lines: list[str], rounds: int, known: int = 0) -> float | None:
    """The same lines through drain3 without masks; None where it cannot be installed."""
    uv = Path(sys.executable).parent / "uv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        path.write_text("\n".join(lines), encoding="utf-8")
        command = [
            str(uv), "run", "--quiet", "--no-project", "--with", DRAIN3, "--python",
            f"{sys.version_info.major}.{sys.version_info.minor}",
            "python", str(Path(__file__).with_name("drain3_reference.py")), str(path), str(rounds),
            str(known),
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def _beside_drain3(name: str, lines: list[str], rounds: int, known: int = 0) -> Iterator[Figure]:
    count = len(lines) - known
    ours = count / mined_seconds(lines, rounds, known)
    reference = drain3_seconds(lines, rounds, known)
    if reference is None:
        yield Figure(f"{name} ({DRAIN3} cannot be installed)", ours, "/s")
        return
    theirs = count / reference
    beside = ratio(name, ours, theirs, "/s")
    met = ours >= TIMES_DRAIN3 * theirs
    yield Figure(name, ours, "/s", theirs, beside.ratio, f">= {TIMES_DRAIN3:g} x drain3", met)


def measure(*, quick: bool, data: Path | None = None) -> list[Figure]:
    """All figures; ``data`` is a folder of public logs, where there is one."""
    rounds = 1 if quick else 3
    figures = [
        at_most(
            f"{SERIES} series of {SAMPLES} samples judged",
            window_seconds(rounds), "s", MAX_WINDOW_SECONDS,
        ),
        at_most(
            "a point judged online", online_microseconds(5 if quick else 20), "us",
            MAX_ONLINE_MICROSECONDS,
        ),
        at_most(
            f"causes ranked over {SERVICES} services x {METRICS} metrics x {POINTS} points",
            ranking_seconds(rounds), "s", MAX_RANKING_SECONDS,
        ),
    ]  # fmt: skip
    lines = log_lines(10_000 if quick else 40_000)
    figures += _beside_drain3("log lines mined, all different", lines, rounds)
    repeated = lines[:500] * (len(lines) // 500)
    figures += _beside_drain3("log lines mined, 500 repeated", repeated, rounds)
    if data is not None and (public := public_lines(data)):
        figures += _beside_drain3("log lines mined, public logs, all kinds new", public, rounds)
        again = public + with_other_numbers(public)
        figures += _beside_drain3(
            "log lines mined, public logs, kinds known", again, rounds, len(public)
        )
    return figures


if __name__ == "__main__":
    for figure in measure(quick=False, data=Path(sys.argv[1]) if sys.argv[1:] else None):
        print(json.dumps({"name": figure.name, "ours": figure.ours, "ratio": figure.ratio}))
