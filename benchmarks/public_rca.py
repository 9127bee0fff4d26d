"""Root causes over the public data sets, by the shipped ranking: ``run(DATADIR, OUT)``.

Each folder's form is known by the files it holds. Reads no truth.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from public_rca_traces import evidence_of

from aiops_mcp.analysis.rootcause import (
    Edge,
    Problem,
    Ranking,
    Relation,
    Signal,
    SignalKind,
    rank_causes,
)

Vector = NDArray[np.float64]

KIND_OF_WORD = {
    "clientlatency": SignalKind.WAITING,
    "latency": SignalKind.LATENCY,
    "lat": SignalKind.LATENCY,
    "availability": SignalKind.SUCCESS,
    "success": SignalKind.SUCCESS,
    "requests": SignalKind.TRAFFIC,
    "lod": SignalKind.TRAFFIC,
    "workload": SignalKind.TRAFFIC,
    "network": SignalKind.TRAFFIC,
    "mem": SignalKind.MEMORY,
}
"""A metric is of the first kind whose word is in its name; of a resource otherwise."""

SECONDS_AFTER = 180.0
"""How long after the notice an incident is looked at where the series go on."""


def run(data: Path, out: Path) -> None:
    """Writes ``{case: [causes, likeliest first]}``.

    Raises:
        ValueError: the folder has none of the known forms.
    """
    out.write_text(json.dumps(predictions(data), indent=1, sort_keys=True), encoding="utf-8")


def predictions(data: Path) -> dict[str, list[str]]:
    problems, named = _form(data)
    return {case: named(rank_causes(problem)) for case, problem in problems}


def _form(data: Path):
    if list(data.glob("*/cases/*/case.json")):
        return call_graph_cases(data), _components
    cases = data / "cases.json"
    if not cases.exists():
        raise ValueError(f"{data} holds neither */cases/*/case.json nor cases.json")
    first = next(iter(json.loads(cases.read_text(encoding="utf-8")).values()), {})
    if "file" in first:
        return resource_cases(data), _component_metrics
    if "metrics" in first:
        return day_cases(data), _components
    if "folder" in first:
        return folder_cases(data), _components
    raise ValueError(f"the cases of {data} have no known form: {sorted(first)}")


def _components(ranking: Ranking) -> list[str]:
    return [cause.component for cause in ranking.causes]


def _component_metrics(ranking: Ranking) -> list[str]:
    return [f"{cause.component}|{cause.metric}" for cause in ranking.causes]


def kind_of(metric: str) -> SignalKind:
    name = metric.lower()
    return next((kind for word, kind in KIND_OF_WORD.items() if word in name), SignalKind.RESOURCE)


# ---- a call graph, a long baseline in another file, five rows a case -----------------------------


def call_graph_cases(data: Path) -> Iterator[tuple[str, Problem]]:
    for folder in sorted(path.parent for path in data.glob("*/graph.csv")):
        edges = _adjacency(folder / "graph.csv")
        baseline = _three_headers(folder / "baseline_metrics.csv")
        for case in sorted((folder / "cases").iterdir()):
            asked = json.loads((case / "case.json").read_text(encoding="utf-8"))
            yield f"{folder.name}/{case.name}", _call_graph_case(case, asked, edges, baseline)


def _call_graph_case(case: Path, asked: dict[str, Any], edges: list[Edge], baseline: Any):
    headers, times, columns = baseline
    case_headers, case_times, case_columns = _three_headers(case / "metrics.csv")
    before = asked["baseline_before"]
    keep = times < (np.inf if before is None else before)
    # The baseline was recorded on another day: it is moved to end one step before the case.
    step = float(np.median(np.diff(times)))
    moved = times[keep] + (case_times[0] - step - times[keep][-1])
    normal = dict(zip(headers, columns, strict=True))
    signals = [
        Signal(
            component=header[0],
            metric=f"{header[1]} {header[2]}",
            kind=kind_of(header[1]),
            times=np.concatenate((moved, case_times)),
            values=np.concatenate(
                (normal[header][keep] if header in normal else np.full(len(moved), np.nan), values)
            ),
        )
        for header, values in zip(case_headers, case_columns, strict=True)
    ]
    target = asked["target"]
    named = (target["node"], f"{target['metric']} {target['agg']}")
    return Problem(signals, when=float(target["timestamp"]), edges=edges, target=named)


def _adjacency(path: Path) -> list[Edge]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    names = rows[0][1:]
    return [
        Edge(row[0], name)
        for row in rows[1:]
        for name, cell in zip(names, row[1:], strict=True)
        if cell and float(cell) > 0
    ]


def _three_headers(path: Path) -> tuple[list[tuple[str, str, str]], Vector, list[Vector]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    headers = [(rows[0][i], rows[1][i], rows[2][i]) for i in range(1, len(rows[0]))]
    body = np.array([[_number(cell) for cell in row] for row in rows[4:]])
    order = np.argsort(body[:, 0], kind="stable")
    body = body[order]
    return headers, body[:, 0], list(body[:, 1:].T)


# ---- one file a case, one column a service and metric --------------------------------------------


def resource_cases(data: Path) -> Iterator[tuple[str, Problem]]:
    for case, asked in _json(data / "cases.json").items():
        header, body = _table(_text(data / asked["file"]))
        signals = [
            _column_signal(name, body[:, 0], body[:, i]) for i, name in enumerate(header) if i
        ]
        yield case, Problem(signals, when=float(asked["incident_time"]))


def _column_signal(column: str, times: Vector, values: Vector) -> Signal:
    service, _, metric = column.partition("_")
    return Signal(service, metric, kind_of(metric), times, values)


# ---- a day's pods in one file, many cases in it --------------------------------------------------

_STAMP, _POD = "timestamp", "pod"


def day_cases(data: Path) -> Iterator[tuple[str, Problem]]:
    days: dict[str, tuple[list[Signal], list[Edge]]] = {}
    for case, asked in _json(data / "cases.json").items():
        path = data / asked["metrics"]
        if asked["metrics"] not in days:
            signals = same_clock(pod_signals(path)) + entry_signals(path.parent / "frontend.csv.gz")
            days[asked["metrics"]] = (signals, topology(path.parent / "topology.json"))
        signals, edges = days[asked["metrics"]]
        when = float(asked["incident_time"])
        yield case, Problem(until(signals, when + SECONDS_AFTER), when=when, edges=edges)


def until(signals: list[Signal], end: float) -> list[Signal]:
    return [
        Signal(
            each.component,
            each.metric,
            each.kind,
            each.times[each.times <= end],
            each.values[each.times <= end],
        )
        for each in signals
    ]


def pod_signals(path: Path) -> list[Signal]:
    """One signal a pod and metric; a pod's component is its name without the last two parts."""
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    pods: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        pods.setdefault(row[_POD], []).append(row)
    signals: list[Signal] = []
    for pod, own in pods.items():
        times = np.array([_number(row[_STAMP]) for row in own])
        order = np.argsort(times, kind="stable")
        for metric in own[0]:
            if metric in (_STAMP, _POD) or metric.startswith("Node"):
                continue
            values = np.array([_number(row[metric]) for row in own])
            signals.append(
                Signal(service_of(pod), metric, kind_of(metric), times[order], values[order])
            )
    return signals


def same_clock(signals: list[Signal]) -> list[Signal]:
    """A pod whose whole recording lies outside the others' is moved to begin with them.

    One pod's file is stamped years ahead; row by row it is of the same day.
    """
    begins = float(np.median([each.times[0] for each in signals]))
    ends = float(np.median([each.times[-1] for each in signals]))
    return [
        Signal(
            each.component,
            each.metric,
            each.kind,
            each.times + (begins - each.times[0])
            if each.times[0] > ends or each.times[-1] < begins
            else each.times,
            each.values,
        )
        for each in signals
    ]


def entry_signals(path: Path) -> list[Signal]:
    """What the users of the entry service see; the file has its name."""
    header, body = _table(_text(path))
    name = path.name.partition(".")[0]
    return [
        Signal(name, metric, kind_of(metric), body[:, 0], body[:, i])
        for i, metric in enumerate(header)
        if i
    ]


def service_of(pod: str) -> str:
    return pod.rsplit("-", 2)[0]


def topology(path: Path) -> list[Edge]:
    found = _json(path)
    calls = [Edge(caller, callee) for caller, callee in found.get("calls", [])]
    runs = found.get("runs_on", {}).items()
    return calls + [Edge(service, node, Relation.RUNS_ON) for service, node in runs]


# ---- a folder a case: pods' metrics, logs and calls, and a normal minute of each -----------------


def folder_cases(data: Path) -> Iterator[tuple[str, Problem]]:
    for case, asked in _json(data / "cases.json").items():
        folder = data / asked["folder"]
        when = float(asked["incident_time"])
        edges = topology(data / asked["topology"])
        signals = until(pod_signals(folder / "metrics.csv.gz"), when + SECONDS_AFTER)
        evidence = evidence_of(data, asked, when)
        yield case, Problem(signals, when=when, edges=edges, evidence=evidence)


# ---- files ---------------------------------------------------------------------------------------


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return file.read()
    return path.read_text(encoding="utf-8")


def _table(text: str) -> tuple[list[str], NDArray[np.float64]]:
    rows = list(csv.reader(io.StringIO(text)))
    return rows[0], np.array([[_number(cell) for cell in row] for row in rows[1:]])


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
