"""The shipped ranking over the public data, scored by their scorer; and one of many."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aiops_mcp.analysis.rootcause import Edge, Problem, Signal, SignalKind, rank_causes

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("AIOPS_SHARED_DATA", ROOT.parent / "shared"))


def scored(name: str, folder: Path) -> dict:
    data, scorer = SHARED / "data" / name, SHARED / "tools" / "score_rca.py"
    if not data.is_dir() or not scorer.is_file():
        pytest.skip(f"no public data {name} at {SHARED}")
    predictions, result = folder / "predictions.json", folder / "result.json"
    run = ROOT / "benchmarks" / "public_data.py"
    for command in (
        [str(run), "rca", str(data), str(predictions)],
        [str(scorer), str(predictions), str(data), "--json", str(result)],
    ):
        subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=ROOT)
    return json.loads(result.read_text())


def test_petshop(tmp_path: Path) -> None:
    result = scored("petshop", tmp_path)
    every = result["groups"]["ALL"]
    assert every["AC@1"] >= 0.77
    assert every["AC@3"] >= 0.96
    assert result["quiet_correct"] >= 0.75


def test_sock_shop(tmp_path: Path) -> None:
    result = scored("sockshop", tmp_path)
    for group, figures in result["groups"].items():
        assert figures["AC@1"] >= 0.98, group
    assert result["metric"]["AC@1"] >= 0.88


def test_online_boutique(tmp_path: Path) -> None:
    every = scored("nezha_ob", tmp_path)["groups"]["ALL"]
    assert every["AC@1"] >= 0.70
    assert every["AC@3"] >= 0.85


def test_one_of_five_hundred_services_is_found() -> None:
    random = np.random.default_rng(1)
    times = np.arange(60) * 60.0
    kinds = list(SignalKind)
    signals = [
        Signal(f"s{i}", f"m{j}", kinds[j], times, random.normal(100.0, 3.0, 60))
        for i in range(500)
        for j in range(8)
    ]
    signals[24].values[45:] += 90.0  # the latency of s3
    calls = [Edge(f"s{i}", f"s{int(k)}") for i in range(500) for k in random.integers(0, 500, 4)]
    ranking = rank_causes(Problem(signals, 45 * 60.0, calls))
    assert ranking.causes[0].component == "s3"
