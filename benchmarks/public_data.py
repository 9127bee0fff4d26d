"""Runs the shipped analysis, with its shipped defaults, over a folder of public data.

    python benchmarks/public_data.py anomaly|rca|logs|sessions DATADIR OUT

Writes predictions for a scorer to judge; reads no truth. ``anomaly`` writes two folders,
``OUT/alarm`` (one alarm per event) and ``OUT/score`` (a continuous score), because a detector that
is good at one is poor at the other; ``logs`` writes the folder OUT, ``rca`` and ``sessions`` the
file OUT. One configuration for all data of a kind: there is no option to tune.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[[Path, Path], None]


def _anomaly(data: Path, out: Path) -> None:
    from public_anomaly import run

    run(data, out)


def _rca(data: Path, out: Path) -> None:
    from public_rca import run

    run(data, out)


def _logs(data: Path, out: Path) -> None:
    from public_logs import run_logs

    run_logs(data, out)


def _sessions(data: Path, out: Path) -> None:
    from public_logs import run_sessions

    run_sessions(data, out)


KINDS: dict[str, Run] = {"anomaly": _anomaly, "rca": _rca, "logs": _logs, "sessions": _sessions}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("data", type=Path, metavar="DATADIR", help="a data set's folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="where the predictions go")
    asked = parser.parse_args()
    if not asked.data.is_dir():
        parser.error(f"{asked.data} is not a folder")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    KINDS[asked.kind](asked.data, asked.out)
    print(f"{asked.kind}: {asked.out} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
