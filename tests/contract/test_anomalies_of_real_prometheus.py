"""Incidents out of a real Prometheus, filled with what simulated clusters measure.

The expressions of the vital signs, evaluated by the real server, must show what is wrong, where and
since when; and nothing where nothing is.
"""

import importlib
import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def real() -> ModuleType:
    if shutil.which("prometheus") is None:
        if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
            pytest.fail("prometheus is not installed")
        pytest.skip("prometheus is not installed")
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("real_prometheus")


async def ask(real: ModuleType, incident: str, cluster: str):
    world, started = real.world_of(incident)
    with real.prometheus() as (url, _):
        real.write(url, list(real.samples_of(world, cluster)))
        told = await real.ask(world, cluster, url)
    return told, started


async def test_packets_lost_in_a_network_function(real: ModuleType) -> None:
    told, [started] = await ask(real, "upf-packet-loss", "edge-berlin")
    row = told.anomalies.rows[0]
    assert row[:3] == ("HIGH", "edge-berlin", "open5gs/upf")
    since = datetime.strptime(f"{real.NOW.year}-{row[4]}", "%Y-%m-%dT%H:%MZ").replace(
        tzinfo=real.NOW.tzinfo
    )
    onset = datetime.fromtimestamp(started.onset, real.NOW.tzinfo)
    assert abs(since - onset) <= timedelta(minutes=5)
    assert "of 1 clusters answered" in told.anomalies.coverage


async def test_a_healthy_cluster_is_quiet(real: ModuleType) -> None:
    told, _ = await ask(real, "", "edge-berlin")
    assert told.anomalies.rows == ()
    assert "Nothing unusual" in told.anomalies.headline
