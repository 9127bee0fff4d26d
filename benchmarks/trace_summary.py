"""What it takes to sum up a large trace: from a store's JSON to the critical path.

5,000 spans of three clusters, one of which has its clock wrong; 40 services, fan-out, an N+1 of 300
queries, failures. Times are the best of several rounds, of the processor. The reference is the
parsing of the same JSON into dictionaries, which anybody who reads a trace has to do.
`python benchmarks/trace_summary.py`
"""

import gc
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent))

from figures import Figure, at_most, table

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_compare import compare
from aiops_mcp.analysis.traces_summary import summarise
from aiops_mcp.backends.otlp import parse_resource_spans
from aiops_mcp.fleet.trace_answer import span_entities
from aiops_mcp.garbage import look_seldom

SPANS = 5_000
LIMIT_MS = 50.0
START = 1_772_366_400_000_000_000
CLUSTERS = ("hub", "edge-1", "edge-2")
SERVICES = 40
REPEATED = 300


def raw_trace(count: int, seed: int = 7) -> dict[str, list[dict]]:
    """``resourceSpans`` by cluster: a tree in which children lie within their parents."""
    chance = random.Random(seed)
    spans = [(0, -1, START, 20_000_000_000, 0)]
    while len(spans) < count - REPEATED:
        parent = min(int(chance.expovariate(1 / (len(spans) / 3 + 1))), len(spans) - 1)
        _, _, start, took, service = spans[parent]
        begin = start + int(took * chance.uniform(0, 0.7))
        length = max(1000, int((start + took - begin) * chance.uniform(0.1, 0.9)))
        spans.append((len(spans), parent, begin, length, chance.choice((service, service + 1))))
    step = spans[1][3] // REPEATED
    for n in range(REPEATED):
        spans.append((len(spans), 1, spans[1][2] + n * step, step - 10, 39))
    blocks: dict[tuple[str, int], list[dict]] = {}
    for number, parent, start, took, service in spans:
        kind = service % SERVICES
        cluster = CLUSTERS[kind % len(CLUSTERS)]
        wrong = 5_000_000_000 if cluster == "edge-2" else 0
        name = f"SELECT item WHERE id = {number}" if number >= count - REPEATED else f"op-{kind}"
        span = {
            "traceId": f"{seed:032x}",
            "spanId": f"{number + 1:016x}",
            "parentSpanId": f"{parent + 1:016x}" if parent >= 0 else "",
            "name": name,
            "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": str(start + wrong),
            "endTimeUnixNano": str(start + took + wrong),
            "attributes": [
                {"key": "http.route", "value": {"stringValue": f"/op/{kind}"}},
                {"key": "http.status_code", "value": {"intValue": "200"}},
                {"key": "net.peer.name", "value": {"stringValue": f"service-{kind}"}},
                {"key": "thread.name", "value": {"stringValue": "worker-1"}},
            ],
        }
        if number % 97 == 13:
            span["status"] = {"code": "STATUS_CODE_ERROR", "message": "deadline exceeded"}
        blocks.setdefault((cluster, kind), []).append(span)
    return {
        cluster: [
            {
                "resource": {
                    "attributes": [
                        {"key": "service.name", "value": {"stringValue": f"service-{kind}"}},
                        {"key": "k8s.pod.name", "value": {"stringValue": f"service-{kind}-0"}},
                    ]
                },
                "scopeSpans": [{"spans": found}],
            }
            for (place, kind), found in blocks.items()
            if place == cluster
        ]
        for cluster in CLUSTERS
    }


def best_ms(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        gc.collect()
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best * 1000


def measure(*, quick: bool) -> list[Figure]:
    look_seldom()  # as a server does
    rounds = 5 if quick else 15
    raw = raw_trace(SPANS)
    blob = orjson.dumps(raw)
    spans = {name: parse_resource_spans(blocks)[0] for name, blocks in raw.items()}
    trace = assemble(spans)
    summed = summarise(trace)
    assert len(trace.spans) == SPANS
    assert trace.skews
    assert any(one.count == REPEATED for one in summed.summary.repeated)
    others = [summarise(assemble({"hub": spans["hub"]})).profile] * 5

    def parse() -> None:
        for blocks in orjson.loads(blob).values():
            parse_resource_spans(blocks)

    both = best_ms(lambda: summarise(assemble(spans)), rounds)
    parsing, reading = best_ms(parse, rounds), best_ms(lambda: orjson.loads(blob), rounds)
    return [
        at_most(f"trace of {SPANS} spans: assembled and summed up", both, "ms", LIMIT_MS),
        Figure("… assembled alone", best_ms(lambda: assemble(spans), rounds), "ms"),
        Figure(
            "… compared with five others",
            best_ms(lambda: compare(summed.profile, others), rounds),
            "ms",
        ),
        Figure(
            f"… read from {len(blob) / 1e6:.1f} MB of JSON, beside the JSON parser alone",
            parsing,
            "ms",
            reading,
            parsing / reading,
        ),
        Figure(
            "… all spans as REST answers them", best_ms(lambda: span_entities(trace), rounds), "ms"
        ),
    ]


if __name__ == "__main__":
    print(table(measure(quick="--quick" in sys.argv)))
