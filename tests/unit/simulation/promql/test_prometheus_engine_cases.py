"""Prometheus's own engine tests (v3.14, float samples), where the shared data is at hand."""

import json
import lzma
import math
import os
from pathlib import Path

import numpy as np
import pytest

from aiops_mcp.errors import InvalidPromql
from aiops_mcp.simulation.promql import (
    ArrayStore,
    Engine,
    QueryFailed,
    Samples,
    Scalar,
    Text,
    labels_from,
)

SHARED = Path(os.environ.get("AIOPS_SHARED_DATA") or Path(__file__).parents[5] / "shared")
CASES = SHARED / "data" / "promql" / "unit-3.14.json.xz"


def sections():
    if not CASES.is_file():
        return []
    with lzma.open(CASES, "rt") as file:
        return json.load(file)["sections"]


def store_of(series):
    samples = []
    for one in series:
        points = [(i * one["step"], p) for i, p in enumerate(one["points"]) if p is not None]
        times = np.array([t for t, _ in points], dtype=np.int64)
        stale = np.array([p == "stale" for _, p in points], dtype=bool)
        values = np.array([math.nan if p == "stale" else float(p) for _, p in points])
        samples.append(Samples(labels_from(one["labels"]), times, values, stale))
    return ArrayStore(samples)


def close(a, b):
    if a is None or b is None:
        return a is b
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)


def run(engine, case):
    if case["kind"] == "instant":
        return engine.instant(case["query"], case["time"])
    return engine.range(case["query"], case["start"], case["end"], case["step"])


def fault(engine, case):
    """None when the engine answers a case as Prometheus does, else what differs."""
    try:
        answer = run(engine, case)
    except (InvalidPromql, QueryFailed) as error:
        return None if case["fail"] else f"refused: {error}"
    if case["fail"]:
        return "answered, but should fail"
    value = answer.value
    if isinstance(value, Text):
        return None if value.value == case.get("string") else f"string {value.value!r}"
    if isinstance(value, Scalar):
        # On the wire a scalar over a range is a series without labels.
        got = {None if case["kind"] == "instant" else (): value.values.tolist()}
    elif hasattr(value, "series"):
        got = {s.labels: s.values.tolist() for s in value.series}
    else:
        got = {
            labels: [v if here else None for v, here in zip(vs, ps, strict=True)]
            for labels, vs, ps in zip(
                value.labels, value.values.tolist(), value.present.tolist(), strict=True
            )
        }
    want = {
        None if one["m"] is None else labels_from(one["m"]): [
            None if v is None else float(v) for v in one["v"]
        ]
        for one in case["expect"]
    }
    if set(got) != set(want):
        return f"series {set(got) ^ set(want)}"
    for key, values in want.items():
        if len(values) != len(got[key]) or not all(map(close, values, got[key])):
            return f"{key}: {got[key]}, expected {values}"
    if case.get("ordered") and list(got) != list(want):
        return f"order {list(got)}"
    return None


@pytest.mark.skipif(not CASES.is_file(), reason="the shared PromQL cases are not here")
@pytest.mark.parametrize("experimental", [False, True], ids=["stable", "experimental"])
def test_answers_as_prometheus_does(experimental):
    faults = []
    asked = 0
    for section in sections():
        engine = Engine(store_of(section["series"]))
        for case in section["cases"]:
            # Delayed name removal is a feature flag that changes other functions' answers.
            if bool(case.get("experimental")) != experimental or (
                experimental and section["file"] == "name_label_dropping.test"
            ):
                continue
            asked += 1
            wrong = fault(engine, case)
            if wrong:
                faults.append(f"{section['file']}:{case['line']} {case['query']}: {wrong}")
    assert not faults, f"{len(faults)} of {asked} differ:\n" + "\n".join(faults)
    assert asked > (400 if not experimental else 40)
