"""The evaluator against a real Prometheus: processor time for seven range queries.

    python benchmarks/promql.py [--series 2000] [--hours 6] [--runs 3]

The same samples (15 s apart, 40 targets) are written to the server by remote write and held here
as arrays. Prometheus's time is its process's, with its JSON; ours is the evaluation and, in the
second column of figures, the JSON too. Prints one line a query: name, ours, ours with JSON,
reference (CPU seconds each) and the ratio of reference to ours with JSON.
"""

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np

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


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, body):
    return bytes([number << 3 | 2]) + varint(len(body)) + body


def snappy_literals(data):
    out = bytearray(varint(len(data)))
    for start in range(0, len(data), 60_000):
        chunk = data[start : start + 60_000]
        out += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(out)


def write(url, samples, slice_ms=1_800_000):
    heads = [
        b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in one.labels)
        for one in samples
    ]
    first = int(samples[0].timestamps[0]) - 1
    last = max(int(one.timestamps[-1]) for one in samples)
    for start in range(first, last + 1, slice_ms):
        body = bytearray()
        for head, one in zip(heads, samples, strict=True):
            lo, hi = np.searchsorted(one.timestamps, [start, start + slice_ms])
            rows = zip(one.timestamps[lo:hi].tolist(), one.values[lo:hi].tolist(), strict=True)
            points = b"".join(
                field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + varint(t)) for t, v in rows
            )
            body += field(1, head + points)
        request = urllib.request.Request(
            url + "/api/v1/write",
            snappy_literals(bytes(body)),
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        urllib.request.urlopen(request, timeout=120).read()


@contextmanager
def prometheus(port):
    program = shutil.which("prometheus")
    if program is None:
        sys.exit("prometheus is not installed")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "p.yml"
        config.write_text("global: {scrape_interval: 1h, evaluation_interval: 1m}\n")
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--log.level=error",
            ]
        )
        try:
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


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
    parser.add_argument("--port", type=int, default=19671)
    arguments = parser.parse_args()
    start = 1_740_700_800_000
    samples = world(arguments.series, arguments.hours, start)
    engine = Engine(ArrayStore(samples))
    first = start + 300_000
    last = start + arguments.hours * 3_600_000
    with prometheus(arguments.port) as (url, pid):
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
                text = urllib.parse.urlencode(parameters)
                with urllib.request.urlopen(f"{url}/api/v1/query_range?{text}", timeout=120) as r:
                    answer = json.loads(r.read())
                assert answer["status"] == "success"
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
