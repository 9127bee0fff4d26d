"""How much hangs on each number that the analysis is tuned by.

    python benchmarks/sensitivity.py DATADIR SCORERS OUT [--only KIND …] [--jobs 2]

DATADIR holds the public data sets (``nab``, ``kpi``, ``petshop``, …), SCORERS the scorers. Each
number of ``sensitivity_parameters`` is moved by -20 % and +20 %, one at a time and then all
together (with and without what a caller sets), and every data set that it has a part in is scored
again. ``OUT/figures.jsonl`` holds what
was found, so a run that was stopped goes on where it was; ``OUT/sensitivity.md`` the tables.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import sensitivity_parameters as parameters

ROOT = Path(__file__).resolve().parent.parent
TABLES: dict[str, tuple[str, ...]] = {
    "logs": parameters.LOGS,
    "sessions": parameters.SESSIONS,
    "evidence": parameters.EVIDENCE,
    "rca": parameters.ROOT_CAUSE,
    "anomaly": parameters.ANOMALY,
    "window": parameters.WINDOW,
}
FACTORS = (0.8, 1.2)
TOGETHER = "all of them"
BUT_DIALS = "all but what a caller sets"
WORST = 5
"""Parameters that a table shows of each figure."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """One kind of data with these numbers moved; ``name`` is what the table calls it."""

    kind: str
    name: str
    factor: float
    locations: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name} {self.factor:g}"


def runs(kinds: Sequence[str]) -> Iterator[Run]:
    for kind in kinds:
        locations = TABLES[kind]
        yield Run(kind, "as shipped", 1.0, ())
        for factor in FACTORS:
            yield Run(kind, TOGETHER, factor, locations)
            ours = tuple(each for each in locations if each not in parameters.DIALS)
            yield Run(kind, BUT_DIALS, factor, ours)
        for location in locations:
            for factor in FACTORS:
                yield Run(kind, location, factor, (location,))


def figures_of(run: Run, data: Path, scorers: Path) -> Figures:
    worker = Path(__file__).with_name("sensitivity_worker.py")
    command = [
        sys.executable, worker, run.kind, data, scorers, f"{run.factor:g}", *run.locations,
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=worker.parent)
    if done.returncode:
        raise RuntimeError(f"{run.key}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def source_digest() -> str:
    """Of the analysis as it is: figures of another one do not count."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "aiops_mcp" / "analysis").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def known_figures(path: Path, digest: str) -> dict[str, Figures]:
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["key"]: line["figures"] for line in lines if line["source"] == digest}


def measure(
    wanted: Sequence[Run], data: Path, scorers: Path, path: Path, jobs: int
) -> dict[str, Figures]:
    """The figures of all runs by key; those already in ``path`` are not made again."""
    digest = source_digest()
    found = known_figures(path, digest)
    left = [run for run in wanted if run.key not in found]
    with ThreadPoolExecutor(jobs) as pool, path.open("a", encoding="utf-8") as file:
        pending = {pool.submit(figures_of, run, data, scorers): run for run in left}
        for count, done in enumerate(as_completed(pending), 1):
            run = pending[done]
            found[run.key] = done.result()
            line = {"key": run.key, "source": digest, "figures": found[run.key]}
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(f"{count}/{len(left)} {run.key}", file=sys.stderr)
    return found


def tables(kinds: Sequence[str], found: dict[str, Figures]) -> Iterator[str]:
    """The spread of each figure, and what moves it farthest down."""
    yield (
        "| figure | as shipped | one moved: lowest | highest | all -20 % | all +20 % "
        "| and what a caller sets -20 % | +20 % |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for kind in kinds:
        base = found[f"{kind} as shipped 1"]
        together = [
            found[f"{kind} {name} {factor:g}"]
            for name in (BUT_DIALS, TOGETHER)
            for factor in FACTORS
        ]
        for figure, value in base.items():
            single = [moved for _, moved in _single(kind, figure, found)]
            cells = [value, min(single), max(single), *(each[figure] for each in together)]
            yield f"| {figure} | {' | '.join(map(_shown, cells))} |"
    yield ""
    yield f"The {WORST} numbers that each figure hangs on most:"
    yield ""
    yield "| figure | number moved | by | figure then | change |"
    yield "|---|---|---|---|---|"
    for kind in kinds:
        for figure, value in found[f"{kind} as shipped 1"].items():
            lowest = sorted(_single(kind, figure, found), key=lambda each: each[1])
            for (location, factor), moved in lowest[:WORST]:
                if moved < value:
                    yield (
                        f"| {figure} | `{location}` | {factor - 1:+.0%} | {_shown(moved)} "
                        f"| {_shown(moved - value, '+')} |"
                    )


def _single(
    kind: str, figure: str, found: dict[str, Figures]
) -> list[tuple[tuple[str, float], float]]:
    return [
        ((location, factor), found[f"{kind} {location} {factor:g}"][figure])
        for location in TABLES[kind]
        if location not in parameters.DIALS
        for factor in FACTORS
    ]


def _shown(figure: float, sign: str = "") -> str:
    return f"{figure:{sign}.1f}" if abs(figure) >= 2 else f"{figure:{sign}.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATADIR")
    parser.add_argument("scorers", type=Path, metavar="SCORERS")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--only", nargs="+", choices=sorted(TABLES), default=list(TABLES))
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    data, scorers = asked.data.resolve(), asked.scorers.resolve()
    wanted = list(runs(asked.only))
    found = measure(wanted, data, scorers, asked.out / "figures.jsonl", asked.jobs)
    text = "\n".join(tables(asked.only, found)) + "\n"
    (asked.out / "sensitivity.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
