"""How much each figure hangs on one series, system or kind of fault: it is left out in turn.

    python benchmarks/leave_one_out.py DATADIR SCORERS OUT

DATADIR holds the public data sets, SCORERS the scorers; OUT keeps the predictions. Nothing is
fitted to the data, so leaving one out changes what is scored and not what is predicted: the spread
says how far another choice of data would have moved the figure (the jackknife; Tukey 1958).
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from public_anomaly import run as run_anomaly
from public_logs import run_logs
from public_rca import run as run_rca

RANKED = ("petshop", "sockshop", "nezha_ob", "nezha_tt")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all parts, and what it is without each."""

    figure: str
    parts: str
    whole: float
    without: dict[str, float]

    @property
    def error(self) -> float:
        """The jackknife's standard error."""
        values = list(self.without.values())
        mean = math.fsum(values) / len(values)
        squares = math.fsum((value - mean) ** 2 for value in values)
        return math.sqrt((len(values) - 1) / len(values) * squares)


def scored(scorer: Path, *arguments: str | Path) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [sys.executable, scorer, *arguments, "--json", out.name]
        subprocess.run(command, check=True, capture_output=True)
        return json.loads(Path(out.name).read_text(encoding="utf-8"))


def spread_of_means(figure: str, parts: str, weighted: dict[str, tuple[float, float]]) -> Spread:
    """Of a figure that is the mean of its parts', each ``(figure, weight)``."""

    def mean(names: list[str]) -> float:
        total = math.fsum(weighted[name][1] for name in names)
        return math.fsum(weighted[name][0] * weighted[name][1] for name in names) / total

    names = list(weighted)
    without = {name: mean([other for other in names if other != name]) for name in names}
    return Spread(figure, parts, mean(names), without)


def alarms(data: Path, scorer: Path, out: Path) -> Spread:
    """The NAB score at our own threshold, without each series."""

    def score(folder: Path) -> float:
        found = scored(scorer, folder, data, "--no-vus", "--allow-missing")
        return found["nab"]["standard"]["at_threshold"]

    without: dict[str, float] = {}
    for path in sorted((out / "alarm").rglob("*.csv")):
        name = path.relative_to(out / "alarm")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(out / "alarm", folder, dirs_exist_ok=True)
            (Path(folder) / name).unlink()
            without[name.as_posix()] = score(Path(folder))
    return Spread("nab own threshold", "series", score(out / "alarm"), without)


def continuous(data: Path, scorer: Path, out: Path) -> Spread:
    each = scored(scorer, out / "score", data)["per_series_vus_pr"]
    return spread_of_means("nab VUS-PR", "series", {name: (of, 1.0) for name, of in each.items()})


def ranked(name: str, data: Path, scorer: Path, out: Path) -> Iterator[Spread]:
    """AC@1 and AC@3 without each kind of fault."""
    run_rca(data, out)
    groups = scored(scorer, out, data)["groups"]
    groups.pop("ALL")
    for figure in ("AC@1", "AC@3"):
        weighted = {group: (of[figure], float(of["n"])) for group, of in groups.items()}
        yield spread_of_means(f"{name} {figure}", "kinds of fault", weighted)


def systems(data: Path, scorer: Path, out: Path) -> Iterator[Spread]:
    run_logs(data, out)
    each = scored(scorer, out, data)["systems"]
    for figure in ("GA", "FGA", "PA"):
        weighted = {system: (of[figure], 1.0) for system, of in each.items()}
        yield spread_of_means(f"loghub {figure}", "systems", weighted)


def spreads(data: Path, scorers: Path, out: Path) -> Iterator[Spread]:
    for name in RANKED:
        yield from ranked(name, data / name, scorers / "score_rca.py", out / f"{name}.json")
    yield from systems(data / "loghub", scorers / "score_logs.py", out / "loghub")
    run_anomaly(data / "nab", out / "nab")
    judges: tuple[Callable[[Path, Path, Path], Spread], ...] = (alarms, continuous)
    for judge in judges:
        yield judge(data / "nab", scorers / "score_anomaly.py", out / "nab")


def table(found: list[Spread]) -> Iterator[str]:
    yield "| figure | all | without one: lowest | highest | standard error |"
    yield "|---|---|---|---|---|"
    for each in found:
        least, most = (pick(each.without, key=each.without.__getitem__) for pick in (min, max))
        digits = 1 if abs(each.whole) >= 2 else 3
        shown = [
            f"{each.whole:.{digits}f}",
            f"{each.without[least]:.{digits}f} (`{least}`)",
            f"{each.without[most]:.{digits}f} (`{most}`)",
            f"{each.error:.{digits}f} over {len(each.without)} {each.parts}",
        ]
        yield f"| {each.figure} | {' | '.join(shown)} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATADIR")
    parser.add_argument("scorers", type=Path, metavar="SCORERS")
    parser.add_argument("out", type=Path, metavar="OUT")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    print("\n".join(table(list(spreads(asked.data, asked.scorers, asked.out)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
