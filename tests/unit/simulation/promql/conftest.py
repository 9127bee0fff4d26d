"""A small store of traps, and the means to reach a real Prometheus."""

import importlib.util
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from aiops_mcp.simulation.promql import ArrayStore, Samples, labels_from

ROOT = Path(__file__).parents[4]
DATA = Path(__file__).parent / "data"


def _document():
    return json.loads((DATA / "recorded.json").read_text())


def _samples(document):
    for one in document["series"]:
        points = [
            (one["first"] + number * document["interval"], float(value))
            for number, value in enumerate(one["values"])
            if value is not None
        ]
        times = np.array([time for time, _ in points], dtype=np.int64)
        yield Samples(labels_from(one["labels"]), times, np.array([v for _, v in points]))


@pytest.fixture(scope="session")
def recorded():
    return _document()


@pytest.fixture(scope="session")
def recorded_samples(recorded):
    return list(_samples(recorded))


@pytest.fixture(scope="session")
def recorded_store(recorded_samples):
    return ArrayStore(recorded_samples)


@pytest.fixture(scope="session")
def reference():
    """The module that starts and feeds a real Prometheus; skips where there is none."""
    if shutil.which("prometheus") is None:
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail("prometheus is not installed")
        pytest.skip("prometheus is not installed")
    path = ROOT / "benchmarks" / "prometheus_reference.py"
    spec = importlib.util.spec_from_file_location("prometheus_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def close():
    """Whether two numbers are the same but for rounding; NaN equals NaN."""

    def compare(a, b):
        if a is None or b is None:
            return a is b
        a, b = float(a), float(b)
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)

    return compare


@pytest.fixture
def make_store():
    """Build a store: ``{'name{a="b"}': "1 2 _ stale 5"}``, one sample each 15 s from time 0."""

    def build(series, interval_ms=15_000, first_ms=0, metadata=None):
        from aiops_mcp.promql import parse_selector

        samples = []
        for text, points in series.items():
            selector = parse_selector(text)
            labels = {m.name: m.value for m in selector.all_matchers}
            cells = [
                (first_ms + number * interval_ms, point)
                for number, point in enumerate(points.split())
                if point != "_"
            ]
            times = np.array([time for time, _ in cells], dtype=np.int64)
            stale = np.array([point == "stale" for _, point in cells], dtype=bool)
            values = np.array([math.nan if p == "stale" else float(p) for _, p in cells])
            samples.append(Samples(labels_from(labels), times, values, stale))
        return ArrayStore(samples, metadata)

    return build
