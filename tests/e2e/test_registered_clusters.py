"""Clusters a person registers with the commands: real servers, and a kubeconfig of many."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import real_servers

Run = Callable[..., subprocess.CompletedProcess[str]]


def answer(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.real
def test_a_real_prometheus_and_alertmanager(
    run: Run, real_prometheus: Any, real_alertmanager: Any
) -> None:
    added = run(
        *("clusters", "add", "real-one", "https://127.0.0.1:1"),
        *("--prometheus", real_prometheus.url, "--alertmanager", real_alertmanager.url),
        *("--label", "team=sre"),
    )
    assert added.returncode == 0, added.stderr
    assert "Registered real-one." in added.stdout

    # No API server is there, so the cluster counts as offline: it is asked when it is named.
    ends = time.monotonic() + 20
    query: dict[str, Any] = {}
    while not query.get("rows") and time.monotonic() < ends:  # nothing until the first scrape
        query = answer(run("query", "count(node_cpu_seconds_total) > bool 0", "-c", "real-one"))
    assert query["rows"][0][-1] == 1
    assert query["coverage"].startswith("1 of 1 clusters answered")

    while True:
        alerts = answer(run("alerts", "-c", "label.team=sre"))
        names = [row[1] for row in alerts["rows"]]
        if "ContractAlwaysFires" in names or time.monotonic() > ends:
            break
    assert "ContractAlwaysFires" in names
    assert alerts["rows"][names.index("ContractAlwaysFires")][0] == "CRITICAL"

    found = answer(run("metrics", "filesystem", "avail", "bytes", "-c", "real-one"))
    assert found["rows"][0][0] == "node_filesystem_avail_bytes"


@pytest.fixture
def simulated(aiops: str, environment_of: Any, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a simulated fleet on sockets."""
    kubeconfig = tmp_path / "fleet.kubeconfig"
    process = subprocess.Popen(
        [aiops, "simulate", "--kubeconfig", str(kubeconfig)],
        env=environment_of(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line, "aiops simulate ended"
            text += line
        assert json.loads(text)["kubeconfig"] == str(kubeconfig)
        yield kubeconfig
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.timeout(60)
def test_a_kubeconfig_of_a_whole_fleet(run: Run, simulated: Path, tmp_path: Path) -> None:
    assert simulated.stat().st_mode & 0o077 == 0
    planned = answer(run("clusters", "import", str(simulated), "--dry-run"))
    assert len(planned["rows"]) == 15
    assert answer(run("clusters", "list")).get("rows", []) == []

    only = ("--context", "fleet-hub", "--context", "edge-berlin", "--context", "tower-18")
    imported = answer(run("clusters", "import", str(simulated), *only, "--label", "from=test"))
    assert [row[3] for row in imported["rows"]] == ["ADDED"] * 3
    again = answer(run("clusters", "import", str(simulated), "--context", "fleet-hub"))
    assert again["rows"][0][3] != "ADDED"

    listed = answer(run("clusters", "list", "--label", "from=test"))
    states = {row[0]: row[1] for row in listed["rows"]}
    assert states == {"fleet-hub": "ONLINE", "edge-berlin": "ONLINE", "tower-18": "OFFLINE"}
    # Prometheus was found in the clusters, and is asked through their API servers.
    query = answer(run("query", "count(up)"))
    assert {row[0] for row in query["rows"]} == {"fleet-hub", "edge-berlin"}
    assert "tower-18" in query["coverage"]

    secret = real_token(simulated)
    kept = [path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".sqlite"]
    assert kept
    assert all(secret not in content for content in kept)


def real_token(kubeconfig: Path) -> bytes:
    line = next(line for line in kubeconfig.read_text().splitlines() if "token:" in line)
    return line.partition("token:")[2].strip().encode()


def test_a_port_taken_is_said(run: Run, simulated: Path) -> None:
    del simulated
    with real_servers.socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run("simulate", "--port-base", str(taken.getsockname()[1]))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
