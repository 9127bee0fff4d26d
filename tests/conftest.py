"""Fixtures for every test: real server programs, started once a session where they are asked for."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# importlib mode does not do it, and real_servers, scripted_model and llama_server are shared.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parent / "agents"))

import real_servers

# A busy machine is no failure: tests have a time limit, examples have none.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def _require(name: str) -> None:
    if shutil.which(name) is not None:
        return
    reason = f"the program {name} is not installed"
    if os.environ.get("AIOPS_REQUIRE_REAL") == "1":
        pytest.fail(f"{reason}, and AIOPS_REQUIRE_REAL is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], None]:
    """Skips the test when a program is missing; fails it when AIOPS_REQUIRE_REAL=1."""
    return _require


@pytest.fixture(scope="session")
def real_alertmanager() -> Iterator[real_servers.RealServer]:
    _require("prometheus-alertmanager")
    with real_servers.alertmanager() as server:
        yield server


@pytest.fixture(scope="session")
def real_node_exporter() -> Iterator[real_servers.RealServer]:
    _require("prometheus-node-exporter")
    with real_servers.node_exporter() as server:
        yield server


@pytest.fixture(scope="session")
def real_prometheus(
    real_alertmanager: real_servers.RealServer, real_node_exporter: real_servers.RealServer
) -> Iterator[real_servers.RealServer]:
    """Scrapes the node exporter, sends its alerts to the Alertmanager; see `real_servers`."""
    _require("prometheus")
    with real_servers.prometheus(real_alertmanager.url, [real_node_exporter.url]) as server:
        yield server


@pytest.fixture(scope="session")
def victoria_metrics() -> Iterator[real_servers.RealServer]:
    _require("victoria-metrics")
    with real_servers.victoria_metrics() as server:
        yield server
