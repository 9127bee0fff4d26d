"""Logs and calls of a public data set as the shipped analysis takes them: files in, evidence out.

Rows are ``timestamp,pod,log`` and ``timestamp,caller,callee,calls,callee_ms_mean,…``; a component
is a pod's name without its last two parts. Reads no truth.
"""

import csv
import gzip
from datetime import datetime
from pathlib import Path

from aiops_mcp.analysis.evidence_calls import CallSample, evidence_of_calls
from aiops_mcp.analysis.evidence_logs import LogLine, evidence_of_logs
from aiops_mcp.analysis.rootcause_problem import Evidence


def evidence_of(data: Path, asked: dict[str, str], when: float) -> list[Evidence]:
    """What the logs and the calls of a case say, against the normal minute of its day."""
    folder = data / asked["folder"]
    lines, calls = folder / "logs.csv.gz", folder / "calls.csv.gz"
    return [
        *evidence_of_logs(log_lines(lines), when, normal=log_lines(data / asked["normal_logs"])),
        *evidence_of_calls(
            call_samples(calls), when, normal=call_samples(data / asked["normal_calls"])
        ),
    ]


def log_lines(path: Path) -> list[LogLine]:
    return [
        LogLine(_seconds(row["timestamp"]), row["pod"].rsplit("-", 2)[0], row["log"])
        for row in _rows(path)
    ]


def call_samples(path: Path) -> list[CallSample]:
    return [
        CallSample(
            float(row["timestamp"]),
            row["caller"],
            row["callee"],
            int(row["calls"]),
            float(row["callee_ms_mean"]),
            float(row["wait_ms_mean"]),
        )
        for row in _rows(path)
    ]


def _seconds(stamp: str) -> float:
    """Unix seconds of RFC 3339 in UTC with nanoseconds."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")


def _rows(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(16 * 1024 * 1024)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
