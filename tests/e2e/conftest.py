"""Real processes: the commands as a person starts them, in a home of their own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import real_servers

READY_SECONDS = 25.0
DEMO_GPUS = 40
SCRIPTED_MODEL = Path(__file__).parents[1] / "agents" / "scripted_model.py"
FAST = {
    "AIOPS_CHECK_EVERY": '{"HUB":1,"SPOKE":1,"EDGE":1,"FAR_EDGE":1}',
    "AIOPS_ALERT_POLL_EVERY": "1",
    "AIOPS_RATE_QUERY_PER_MINUTE": "0",
    "AIOPS_RATE_USER_PER_MINUTE": "0",
}
"""Health checks and alerts as often as a test can wait for, and no limits in its way."""


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("AIOPS_")}
    return {**plain, "AIOPS_HOME": str(home), "KUBECONFIG": str(home / "none"), **settings}


@dataclass(frozen=True)
class Served:
    """A running HTTP server; what it wrote is in ``log``."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    home: Path

    def wait_ready(self) -> None:
        ends = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"{self.process.args!r} did not start:\n{self.log.read_text()[-3000:]}")


@contextmanager
def serving(
    home: Path, command: Sequence[str], *, port: int | None = None, **settings: str
) -> Iterator[Served]:
    """Start `aiops …` on a free port, wait until it answers, and end it."""
    port = port or real_servers.free_port()
    log = home / f"server-{port}.log"
    home.mkdir(exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    served = Served(f"http://127.0.0.1:{port}", process, log, home)
    try:
        served.wait_ready()
        yield served
    finally:
        process.terminate()
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


@pytest.fixture(scope="session")
def aiops() -> str:
    return program("aiops")


@pytest.fixture(scope="session")
def aiops_mcp() -> str:
    return program("aiops-mcp")


@pytest.fixture(scope="session")
def fast() -> dict[str, str]:
    return FAST


@pytest.fixture(scope="session")
def environment_of() -> Callable[..., dict[str, str]]:
    return environment


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo fleet, writing allowed, for every test that leaves it as it was."""
    home = tmp_path_factory.mktemp("demo")
    with serving(home, [program("aiops"), "demo", "--allow-write"], **FAST) as server:
        _wait_looked_at(server)
        yield server


def _wait_looked_at(server: Served) -> None:
    """Until every cluster was checked, and its GPUs were found."""
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends:
        with urllib.request.urlopen(
            f"{server.url}/api/v1/fleet/summary", timeout=READY_SECONDS
        ) as answer:
            summary = json.load(answer)
        if "UNKNOWN" not in summary["by_state"] and summary["gpu_count"] == DEMO_GPUS:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the demo fleet was not looked at: {summary['by_state']}")


@pytest.fixture(scope="session")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model that takes minutes for an answer."""
    script = tmp_path_factory.mktemp("model") / "turns.json"
    pieces = [f"word-{number} " for number in range(2000)]
    script.write_text(json.dumps([{"pieces": pieces, "delay": 0.05}]))
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTED_MODEL), "--script", str(script), "--by-turn"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(5)
    process.stdout.close()


@pytest.fixture
def run(aiops: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `aiops …` to its end, in the home ``tmp_path``."""

    def run_command(*arguments: str, home: Path = tmp_path, **settings: str):
        return subprocess.run(
            [aiops, *arguments],
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=25,
            check=False,
        )

    return run_command
