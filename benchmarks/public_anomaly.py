"""Anomalies over the public labelled series, by the shipped online detector: ``run(DATADIR, OUT)``.

Each row is judged from its past only, with the shipped defaults. ``OUT/alarm`` holds the alarms,
one per event, ``OUT/score`` the continuous score. Our own alarm threshold is 0.5: a row is in alarm
exactly where ``anomaly_score`` in ``OUT/alarm`` is at least that. Reads no truth.
"""

import csv
import math
from datetime import UTC, datetime
from pathlib import Path

from aiops_mcp.analysis.anomaly import OnlineDetector

THRESHOLD = 0.5


def run(data: Path, out: Path) -> None:
    folder = data / "series"
    for path in sorted(folder.rglob("*.csv")):
        rows = rows_of(path)
        detector = OnlineDetector()
        verdicts = [detector.update(seconds(stamp), _number(value)) for stamp, value in rows]
        alarms = [max(verdict.score, THRESHOLD) if verdict.alarm else 0.0 for verdict in verdicts]
        name = path.relative_to(folder)
        write(out / "alarm" / name, rows, alarms)
        write(out / "score" / name, rows, [verdict.score for verdict in verdicts])


def rows_of(path: Path) -> list[tuple[str, str]]:
    """Stamp and value of each row, as written."""
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["timestamp"], row["value"]) for row in csv.DictReader(file)]


def seconds(stamp: str) -> float:
    """Unix seconds of a stamp that is in UTC."""
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def _number(text: str) -> float:
    return float(text) if text.strip() else math.nan


def write(path: Path, rows: list[tuple[str, str]], scores: list[float]) -> None:
    """The rows with a score each, in the form that a scorer reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "value", "anomaly_score"))
        writer.writerows(
            (stamp, value, f"{score:.6f}")
            for (stamp, value), score in zip(rows, scores, strict=True)
        )
