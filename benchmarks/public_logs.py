"""Log templates and event sequences over the public data sets, by what ships.

``run_logs(DATADIR, OUT)`` writes a file for each system into the folder OUT,
``run_sessions(DATADIR, OUT)`` the file OUT. One configuration for all, one pass in order. Reads no
truth: of the structured files only the line number and the message.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from aiops_mcp.analysis.logpatterns import TemplateMiner
from aiops_mcp.analysis.logsequences import SequenceModel

_STRUCTURED = "*_2k.log_structured_corrected.csv"


def run_logs(data: Path, out: Path) -> None:
    """A template for each line, as the templates are when the last line is in.

    Raises:
        ValueError: no system's file is in the folder.
    """
    files = sorted(data.glob(f"*/{_STRUCTURED}")) or sorted(data.glob(_STRUCTURED))
    if not files:
        raise ValueError(f"{data} holds no */{_STRUCTURED}")
    out.mkdir(parents=True, exist_ok=True)
    for path in files:
        _write(out / f"{path.parent.name}.csv", ("line_id", "event_id", "template"), _lines(path))


def _lines(path: Path) -> Iterator[tuple[str, str, str]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [(row["LineId"], row["Content"]) for row in csv.DictReader(file)]
    miner = TemplateMiner()
    found = [(number, miner.add(content)) for number, content in rows]
    for number, template in found:
        now = template.now()
        yield number, now.id, now.text


def run_sessions(data: Path, out: Path) -> None:
    """How anomalous each session is, learnt from the normal ones alone."""
    normal = (data / "train_normal.txt").read_text(encoding="utf-8").splitlines()
    model = SequenceModel(line.split() for line in normal)
    with (data / "sessions.csv").open(encoding="utf-8", newline="") as file:
        sessions = [(row["session_id"], row["events"].split()) for row in csv.DictReader(file)]
    scores = ((name, repr(model.judge(events).score)) for name, events in sessions)
    _write(out, ("session_id", "anomaly_score"), scores)


def _write(path: Path, header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
