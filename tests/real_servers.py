"""Real server programs on free loopback ports, for tests and for recording their answers."""

import contextlib
import itertools
import os
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 20.0

Samples = Sequence[tuple[int, float]]
"""Milliseconds and value, oldest first."""


@dataclass(frozen=True)
class RealServer:
    """A running program; ``url`` has no trailing slash."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def write(self, series: Sequence[tuple[dict[str, str], Samples]]) -> None:
        """Put samples in by Prometheus remote write (protobuf by hand, uncompressed snappy)."""
        body = _snappy(b"".join(_time_series(labels, samples) for labels, samples in series))
        request = urllib.request.Request(
            f"{self.url}/api/v1/write",
            body,
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        urllib.request.urlopen(request, timeout=10).read()


PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to connections and to whoever asks for any."""
_WORKERS = 8
_FIRST = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS
_OURS = PORTS[_FIRST::_WORKERS]
_unused = itertools.islice(itertools.cycle(_OURS), os.getpid() % len(_OURS), None)


def free_port() -> int:
    """One that nothing listens on; none is given twice, nor to two workers of one run."""
    for port in itertools.islice(_unused, len(_OURS)):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


@contextmanager
def running(
    command: Sequence[str], port: int, ready_path: str, folder: Path
) -> Iterator[RealServer]:
    """Start a program, wait until ``ready_path`` answers 200, and end it by its own process."""
    url = f"http://127.0.0.1:{port}"
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder
        )
    try:
        _wait_ready(process, f"{url}{ready_path}", log)
        yield RealServer(url, process, folder)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not become ready:\n{log.read_text()[-2000:]}")


@contextmanager
def alertmanager() -> Iterator[RealServer]:
    with tempfile.TemporaryDirectory(prefix="am-") as name:
        folder = Path(name)
        (folder / "am.yml").write_text(
            "route: {receiver: nobody, group_wait: 0s, group_interval: 1s}\n"
            "receivers: [{name: nobody}]\n"
            "inhibit_rules: [{source_matchers: [severity=critical], "
            "target_matchers: [severity=warning], equal: [rack]}]\n"
        )
        port = free_port()
        command = [
            "prometheus-alertmanager",
            f"--config.file={folder / 'am.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]
        with running(command, port, "/-/ready", folder) as server:
            yield server


@contextmanager
def node_exporter() -> Iterator[RealServer]:
    with tempfile.TemporaryDirectory(prefix="ne-") as name:
        port = free_port()
        command = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"]
        with running(command, port, "/", Path(name)) as server:
            yield server


@contextmanager
def prometheus(
    alertmanager_url: str | None = None, scrape: Sequence[str] = ()
) -> Iterator[RealServer]:
    """A Prometheus that takes remote writes of any age, and evaluates two rules every second.

    ``scrape`` are URLs of exporters, scraped as the job ``node`` every second.
    """
    with tempfile.TemporaryDirectory(prefix="prom-") as name:
        folder = Path(name)
        (folder / "rules.yml").write_text(_RULES)
        (folder / "p.yml").write_text(_prometheus_config(alertmanager_url, scrape))
        port = free_port()
        command = [
            "prometheus",
            f"--config.file={folder / 'p.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=3650d",
            # No compaction, in which a query may find nothing: old and new samples share the head.
            "--storage.tsdb.min-block-duration=20000h",
            "--storage.tsdb.max-block-duration=20000h",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            # The first firing comes before Alertmanager is discovered, and is told to nobody.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]
        with running(command, port, "/-/ready", folder) as server:
            yield server


@contextmanager
def victoria_metrics() -> Iterator[RealServer]:
    with tempfile.TemporaryDirectory(prefix="vm-") as name:
        folder = Path(name)
        port = free_port()
        command = [
            "victoria-metrics",
            f"-storageDataPath={folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=0s",
            "-loggerLevel=ERROR",
        ]
        with running(command, port, "/health", folder) as server:
            yield server


_RULES = """\
groups:
- name: contract
  interval: 1s
  rules:
  - record: contract:one
    expr: vector(1)
  - alert: ContractAlwaysFires
    expr: vector(1) > 0
    labels: {severity: critical, team: platform}
    annotations: {summary: fires from the first second on}
  - alert: ContractWaits
    expr: vector(1) > 0
    for: 1h
    labels: {severity: warning}
"""


def _prometheus_config(alertmanager_url: str | None, scrape: Sequence[str]) -> str:
    lines = [
        "global: {scrape_interval: 1s, evaluation_interval: 1s}",
        "storage: {tsdb: {out_of_order_time_window: 3650d}}",
        "rule_files: [rules.yml]",
    ]
    if alertmanager_url:
        place = alertmanager_url.removeprefix("http://")
        lines.append(
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{place}']}}]}}]}}"
        )
    if scrape:
        places = ", ".join(f"'{url.removeprefix('http://')}'" for url in scrape)
        lines.append(
            f"scrape_configs: [{{job_name: node, static_configs: [{{targets: [{places}]}}]}}]"
        )
    return "\n".join(lines) + "\n"


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _time_series(labels: dict[str, str], samples: Samples) -> bytes:
    pairs = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(labels.items())
    )
    points = b"".join(
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(stamp))
        for stamp, value in samples
    )
    return _field(1, pairs + points)


def _snappy(data: bytes) -> bytes:
    """Snappy's block format with literals only: valid, and not compressed."""
    out = bytearray(_varint(len(data)))
    for start in range(0, len(data), 60000):
        chunk = data[start : start + 60000]
        out += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(out)
