"""Record the answers of a real Prometheus to the queries of a case file, in place.

    python tests/record/record_promql.py

Reads the queries of ``tests/unit/simulation/promql/data/queries.txt``, makes the data set, asks
the installed server and writes ``recorded.json`` beside it. Queries whose answer differs between
Prometheus 2.x and 3.x by design do not belong in that file. Samples fall on no whole second and
queries ask at half ones, so that left-open and closed windows hold the same samples.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "unit" / "simulation" / "promql" / "data"
sys.path.insert(0, str(ROOT / "benchmarks"))

from prometheus_reference import ask, prometheus, write  # noqa: E402

from aiops_mcp.simulation.promql import Samples, labels_from  # noqa: E402

START = 1_740_700_800_000
TIME = START + 1_500_500
RANGE = {"start": TIME / 1000 - 240, "end": TIME / 1000, "step": 60}
BUCKETS = {"0.1": 0.2, "0.5": 0.5, "1": 0.7, "2.5": 0.9, "+Inf": 1.0}


def series():
    """Labels, milliseconds of the first sample and one value a scrape (null: none)."""
    draw = random.Random(11)
    for number in range(3):
        first = START + 137 + number * 111
        for mode in "abc":
            counter = [1000.0]
            for step in range(109):
                fell = mode == "b" and step == 60
                counter.append(500.0 if fell else round(counter[-1] + draw.random() * 10, 3))
            gauge = [round(draw.gauss(0, 50), 3) for _ in counter]
            steps = [float(draw.randrange(4)) for _ in counter]
            if mode == "c":
                gauge[90:93] = ["NaN"] * 3
                gauge[96] = "+Inf"
            if mode == "b":
                gauge = [None if draw.random() < 0.1 else value for value in gauge]
            for name, values in (("c_total", counter), ("g", gauge), ("steps", steps)):
                yield {"__name__": name, "instance": f"i{number}", "mode": mode}, first, values
        for bound, share in BUCKETS.items():
            values = [
                round(500 + 10 * share * step + draw.random() * share, 2) for step in range(110)
            ]
            yield {"__name__": "h_bucket", "instance": f"i{number}", "le": bound}, first, values
        labels = {"__name__": "info", "instance": f"i{number}", "version": f"v{number % 2}"}
        yield labels, first, [1.0] * 110


def samples_of(document):
    for one in document["series"]:
        points = [
            (one["first"] + number * document["interval"], float(value))
            for number, value in enumerate(one["values"])
            if value is not None
        ]
        times = np.array([time for time, _ in points], dtype=np.int64)
        values = np.array([value for _, value in points])
        yield Samples(labels_from(one["labels"]), times, values)


def compact(data, ranged):
    """The answer without times: one value a step, null where there is none."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return {"type": kind, "value": result[1]}
    rows = []
    for one in result:
        if kind == "vector":
            values = one["value"][1]
        elif not ranged:
            values = one["values"]
        else:
            by_time = dict(one["values"])
            steps = int((RANGE["end"] - RANGE["start"]) / RANGE["step"]) + 1
            times = [RANGE["start"] + number * RANGE["step"] for number in range(steps)]
            values = [by_time.get(time) for time in times]
        rows.append([one["metric"], values])
    return {"type": kind, "rows": rows}


def main():
    queries = [line for line in (DATA / "queries.txt").read_text().splitlines() if line.strip()]
    document = {
        "interval": 15_000,
        "time": TIME / 1000,
        "range": RANGE,
        "series": [{"labels": la, "first": f, "values": v} for la, f, v in series()],
        "cases": [],
    }
    with prometheus() as (url, _):
        document["version"] = ask(url, "status/buildinfo", {})[1]["data"]["version"]
        write(url, list(samples_of(document)))
        for query in queries:
            case = {"query": query}
            for kind, path, times in (
                ("instant", "query", {"time": TIME / 1000}),
                ("range", "query_range", RANGE),
            ):
                status, answer = ask(url, path, {"query": query, **times})
                case[kind] = (
                    compact(answer["data"], path == "query_range")
                    if status == 200
                    else [status, answer["errorType"]]
                )
            document["cases"].append(case)
    text = json.dumps(document, separators=(",", ":")).replace('{"query"', '\n{"query"')
    (DATA / "recorded.json").write_text(text.replace('{"labels"', '\n{"labels"') + "\n")


if __name__ == "__main__":
    main()
