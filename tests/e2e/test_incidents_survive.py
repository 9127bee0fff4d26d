"""A server that is killed while it looks into an incident: the next one takes it up again."""

import json
import time
import urllib.request

import pytest

pytestmark = pytest.mark.timeout(240)

PATIENCE = 90.0


def incidents(url: str) -> list[dict]:
    with urllib.request.urlopen(f"{url}/api/v1/incidents", timeout=30) as answer:
        return json.load(answer)["items"]


def incident_of(url: str, *states: str) -> dict:
    """The first incident that stands so."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for one in incidents(url):
            if one["investigation"] in states:
                return one
        time.sleep(0.05)
    raise AssertionError(f"no incident is {states}: {incidents(url)}")


def test_a_killed_investigation_is_taken_up_again(serve, aiops, fast, tmp_path) -> None:
    settings = {**fast, "AIOPS_DEMO_INCIDENTS": "storage-gone", "AIOPS_INVESTIGATE_SETTLE": "0"}
    with serve(tmp_path, [aiops, "demo"], **settings) as server:
        begun = incident_of(server.url, "WAITING", "RUNNING", "DONE")
        server.process.kill()
        server.process.wait()
    with serve(tmp_path, [aiops, "demo"], **settings) as server:
        done = incident_of(server.url, "DONE")
        assert done["id"] == begun["id"]
        assert done["cause"].startswith("batch/warehouse-")
        assert len(incidents(server.url)) == 1
