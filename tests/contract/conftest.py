"""Backends to put the same questions to: recorded, real, and simulated ones.

Every backend holds the same few series, written down in `dataset.py`.
"""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import dataset
from recording import Recorder, replay

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.prometheus import PrometheusClient

RECORDS = os.environ.get("AIOPS_RECORD") == "1"


@dataclass(frozen=True)
class Subject:
    """A client of one backend; the flags say in what backends are known to differ."""

    client: PrometheusClient
    name: str
    is_prometheus: bool = True
    has_rules: bool = True


@pytest.fixture(
    params=[
        "recorded",
        pytest.param("real", marks=pytest.mark.real),
        pytest.param("victoria-metrics", marks=pytest.mark.real),
        "simulated",
    ]
)
async def prometheus(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    kind: str = request.param
    if kind == "recorded":
        yield Subject(_client("http://recorded", replay("prometheus-2.42")), kind)
    elif kind == "simulated":
        transport = httpx2.ASGITransport(dataset.simulated_app())
        yield Subject(_client("http://simulated", transport), kind, has_rules=False)
    elif kind == "real":
        server = request.getfixturevalue("filled_prometheus")
        recorder = request.getfixturevalue("prometheus_recorder")
        transport = httpx2.AsyncHTTPTransport()
        async with transport:
            kept = Forward(recorder, transport) if RECORDS else transport
            yield Subject(_client(server.url, kept), kind)
    else:
        server = request.getfixturevalue("filled_victoria_metrics")
        subject = Subject(_client(server.url), kind, is_prometheus=False, has_rules=False)
        yield subject
        await subject.client.aclose()


@pytest.fixture(params=["recorded", pytest.param("real", marks=pytest.mark.real)])
async def alertmanager(request: pytest.FixtureRequest) -> AsyncIterator[AlertmanagerClient]:
    if request.param == "recorded":
        yield AlertmanagerClient(_http("http://recorded", replay("alertmanager-0.25")))
        return
    server = request.getfixturevalue("filled_alertmanager")
    recorder = request.getfixturevalue("alertmanager_recorder")
    transport = httpx2.AsyncHTTPTransport()
    async with transport:
        kept = Forward(recorder, transport) if RECORDS else transport
        yield AlertmanagerClient(_http(server.url, kept))


class Forward(httpx2.AsyncBaseTransport):
    """Lets one recorder outlive the transports of single tests (each has its own event loop)."""

    def __init__(self, recorder: Recorder, real: httpx2.AsyncBaseTransport) -> None:
        self._recorder = recorder
        self._real = real

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._recorder.pass_on(request, self._real)


@pytest.fixture(scope="session")
def prometheus_recorder():
    recorder = Recorder()
    yield recorder
    if RECORDS:
        recorder.save("prometheus-2.42", "2.42.0")


@pytest.fixture(scope="session")
def alertmanager_recorder():
    recorder = Recorder()
    yield recorder
    if RECORDS:
        recorder.save("alertmanager-0.25", "0.25.0")


@pytest.fixture(scope="session")
def filled_prometheus(real_prometheus):
    real_prometheus.write(dataset.SERIES)
    return real_prometheus


@pytest.fixture(scope="session")
def filled_victoria_metrics(victoria_metrics):
    victoria_metrics.write(dataset.SERIES)
    dataset.wait_searchable(victoria_metrics.url)
    return victoria_metrics


@pytest.fixture(scope="session")
def filled_alertmanager(real_alertmanager):
    dataset.fill_alertmanager(real_alertmanager.url)
    return real_alertmanager


def _client(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> PrometheusClient:
    return PrometheusClient(_http(url, transport))


def _http(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> HttpClient:
    return HttpClient(Target(url, "prometheus", "contract"), transport=transport, timeout=10.0)
