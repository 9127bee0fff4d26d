"""A real Prometheus for comparison: start it, write samples into it, ask it.

Used by the benchmark, the recorder of test cases and the tests marked ``real``.
"""

import json
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np

STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, body):
    return bytes([number << 3 | 2]) + varint(len(body)) + body


def snappy_literals(data):
    out = bytearray(varint(len(data)))
    for start in range(0, len(data), 60_000):
        chunk = data[start : start + 60_000]
        out += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(out)


def write(url, samples, slice_ms=1_800_000):
    heads = [
        b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in one.labels)
        for one in samples
    ]
    first = int(samples[0].timestamps[0]) - 1
    last = max(int(one.timestamps[-1]) for one in samples)
    for start in range(first, last + 1, slice_ms):
        body = bytearray()
        for head, one in zip(heads, samples, strict=True):
            lo, hi = np.searchsorted(one.timestamps, [start, start + slice_ms])
            stale = np.zeros(hi - lo, bool) if one.stale is None else one.stale[lo:hi]
            rows = zip(
                one.timestamps[lo:hi].tolist(), one.values[lo:hi].tolist(), stale, strict=True
            )
            points = b"".join(
                field(
                    2, b"\x09" + (STALE_BITS if s else struct.pack("<d", v)) + b"\x10" + varint(t)
                )
                for t, v, s in rows
            )
            body += field(1, head + points)
        request = urllib.request.Request(
            url + "/api/v1/write",
            snappy_literals(bytes(body)),
            {
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def prometheus():
    """A fresh server; yields its URL and process id."""
    program = shutil.which("prometheus")
    if program is None:
        raise FileNotFoundError("prometheus is not installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "p.yml"
        config.write_text("global: {scrape_interval: 1h, evaluation_interval: 1m}\n")
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-remote-write-receiver",
                "--log.level=error",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _until_ready(url)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait()


def _until_ready(url):
    for _ in range(400):
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
                answer.read()
        except OSError:
            time.sleep(0.05)  # the program has no other sign of life
        else:
            return
    raise TimeoutError("prometheus did not become ready")


def ask(url, path, parameters):
    """HTTP status and JSON of an API call."""
    text = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{text}", timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
