"""The evaluator against a real Prometheus: processor time for seven range queries.

    python benchmarks/promql.py [--series 2000] [--hours 6] [--runs 3]

The same samples (15 s apart, 40 targets) are written to the server by remote write and held here
as arrays. Prometheus's time is its process's, with its JSON; ours is the evaluation and, in the
second column of figures, the JSON too. Prints one line a query: name, ours, ours with JSON,
reference (CPU seconds each) and the ratio of reference to ours with JSON.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from prometheus_reference import ask, prometheus, write

from aiops_mcp.simulation import prometheus_json
from aiops_mcp.simulation.promql import ArrayStore, Engine, Samples, labels_from

METRIC = "container_cpu_usage_seconds_total"
QUERIES = {
    "sum_rate_5m": f"sum by (namespace) (rate({METRIC}[5m]))",
    "rate_5m": f"rate({METRIC}[5m])",
    "sum_instant": f"sum by (namespace) ({METRIC})",
    "max_over_time_5m": f"max_over_time({METRIC}[5m])",
    "sum_avg_over_time_1h": f"sum by (namespace) (avg_over_time({METRIC}[1h]))",
    "topk_sum_rate_5m": f"topk(5, sum by (pod) (rate({METRIC}[5m])))",
    "subquery_max_1h": f"max_over_time(sum by (namespace) (rate({METRIC}[5m]))[1h:1m])",
}
STEP_MS = 60_000
SCRAPE_MS = 15_000


def world(series, hours, start_ms):
    random = np.random.default_rng(7)
    targets = 40
    samples = []
    count = hours * 3_600_000 // SCRAPE_MS
    for number in range(series):
        target = number % targets
        times = start_ms + 137 * target + np.arange(count, dtype=np.int64) * SCRAPE_MS
        values = np.cumsum(random.random(count)) * (1 + number % 7)
        if number % 50 == 0:
            values[count // 2 :] -= values[count // 2]
        labels = {
            "__name__": METRIC,
            "namespace": f"ns-{number % 12}",
            "pod": f"pod-{number // 2}",
            "container": f"c{number % 2}",
            "instance": f"node-{target}",
        }
        samples.append(Samples(labels_from(labels), times, values))
    return samples


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def best(measure, runs):
    return min(measure() for _ in range(runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    start = 1_740_700_800_000
    samples = world(arguments.series, arguments.hours, start)
    engine = Engine(ArrayStore(samples))
    first = start + 300_000
    last = start + arguments.hours * 3_600_000
    with prometheus() as (url, pid):
        write(url, samples)
        print("name ours ours_with_json reference ratio")
        slower = 0
        for name, query in QUERIES.items():

            def ours(query=query):
                before = time.process_time()
                engine.range(query, first, last, STEP_MS)
                return time.process_time() - before

            def ours_json(query=query):
                before = time.process_time()
                prometheus_json.matrix(engine.range(query, first, last, STEP_MS), None)
                return time.process_time() - before

            def reference(query=query):
                parameters = {
                    "query": query,
                    "start": first / 1000,
                    "end": last / 1000,
                    "step": STEP_MS / 1000,
                }
                before = cpu_of(pid)
                status, _ = ask(url, "query_range", parameters)
                assert status == 200
                return cpu_of(pid) - before

            mine = best(ours, arguments.runs)
            mine_json = best(ours_json, arguments.runs)
            theirs = best(reference, arguments.runs)
            slower += theirs < mine_json
            ratio = theirs / mine_json
            print(f"{name} {mine:.3f} {mine_json:.3f} {theirs:.2f} {ratio:.1f}", flush=True)
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
