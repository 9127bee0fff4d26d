"""The shipped detector over labelled public series, by their own scorer.

They lie outside the project (AIOPS_SHARED_DATA, or shared beside it); without them it is skipped.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.public_anomaly import THRESHOLD, run

SHARED = Path(os.environ.get("AIOPS_SHARED_DATA", Path(__file__).parents[4] / "shared"))
DATA = SHARED / "data"
SCORER = SHARED / "tools" / "score_anomaly.py"


def scored(predictions, data, out, *options):
    command = [sys.executable, SCORER, predictions, data, "--json", out, *options]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads(out.read_text(encoding="utf-8"))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_series_gets_its_alarms_and_its_scores(tmp_path):
    source = tmp_path / "data" / "series" / "group" / "one.csv"
    source.parent.mkdir(parents=True)
    values = np.random.default_rng(0).normal(10, 1, 500)
    values[400:420] += 20
    stamps = np.datetime64("2024-03-01T00:00:00") + np.arange(500) * np.timedelta64(5, "m")
    texts = [str(stamp).replace("T", " ") for stamp in stamps]
    lines = [f"{stamp},{value:.4f}" for stamp, value in zip(texts, values, strict=True)]
    lines[50] = f"{texts[50]},"
    source.write_text("timestamp,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    run(tmp_path / "data", tmp_path / "out")
    alarm = rows_of(tmp_path / "out" / "alarm" / "group" / "one.csv")
    score = rows_of(tmp_path / "out" / "score" / "group" / "one.csv")
    assert [row["timestamp"] for row in alarm] == texts
    raised = [at for at, row in enumerate(alarm) if float(row["anomaly_score"]) >= THRESHOLD]
    assert len([at for at in raised if at >= 400]) == 1
    assert 400 <= raised[-1] < 406
    continuous = [float(row["anomaly_score"]) for row in score]
    assert continuous[50] == 0
    assert max(continuous[400:410]) > 0.6
    assert all(0 <= one <= 1 for one in continuous)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not SCORER.exists(), reason="the public series are not here")
def test_the_public_series_are_judged_as_well_as_we_say(tmp_path):
    run(DATA / "nab", tmp_path / "nab")
    alarm = scored(
        tmp_path / "nab" / "alarm", DATA / "nab", tmp_path / "a", "--threshold", "0.5", "--no-vus"
    )
    assert alarm["nab"]["standard"]["at_threshold"] > 68
    assert alarm["alarms"]["f1"] > 0.48
    assert scored(tmp_path / "nab" / "score", DATA / "nab", tmp_path / "b")["vus_pr"] > 0.33
    run(DATA / "kpi", tmp_path / "kpi")
    assert scored(tmp_path / "kpi" / "score", DATA / "kpi", tmp_path / "c")["vus_pr"] > 0.22
