"""Logs and calls of public incidents, one of each kind of fault, against a normal minute."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("AIOPS_SHARED_DATA", ROOT.parent / "shared")) / "data" / "nezha_tt"


def reader():
    path = ROOT / "benchmarks" / "public_rca_traces.py"
    spec = importlib.util.spec_from_file_location("public_rca_traces_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("case", "kind", "name"),
    [
        ("2023-01-29/0921", "log", "new error"),
        ("2023-01-29/1119", "log", "broken sequence"),
        ("2023-01-29/1331", "call", "slow itself"),
        ("2023-01-30/1306", "call", "slow caller"),
        ("2023-01-30/1408", "call", "slow to reach"),
    ],
)
def test_the_strongest_evidence_is_of_the_root_cause(case, kind, name):
    if not DATA.is_dir():
        pytest.skip(f"no public data at {DATA}")
    asked = json.loads((DATA / "cases.json").read_text())[case]
    truth = json.loads((DATA / "truth.json").read_text())["cases"][case]["root_cause"]
    found = reader().evidence_of(DATA, asked, float(asked["incident_time"]))
    strongest = max(found, key=lambda each: each.strength)
    assert [strongest.component] == truth
    assert (strongest.kind.value, strongest.name) == (kind, name)
    second = max(each.strength for each in found if each.component not in truth)
    assert strongest.strength > 1.1 * second
