"""Lines laid out by hand, so that every answer can be worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from aiops_mcp.logql import parse
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.loki.engine import Engine, LogWindow
from aiops_mcp.simulation.loki.streams import Entry, Stream, fits
from aiops_mcp.simulation.world import World

NOW = 1_764_050_000.0
NS = 1_000_000_000


class Laid:
    """Streams as they are given: labels, and lines as (second, text) or with metadata."""

    def __init__(self, *streams):
        self.streams = [
            Stream(
                labels,
                [Entry(round(at * NS), text, more[0] if more else {}) for at, text, *more in rows],
            )
            for labels, rows in streams
        ]

    def select(self, matchers, start, end):
        found = []
        for stream in self.streams:
            entries = [one for one in stream.entries if start <= one.ns < end]
            if entries and fits(matchers, stream.labels):
                found.append(Stream(stream.labels, entries))
        return found


@pytest.fixture
def laid():
    return Laid


@pytest.fixture
def lines():
    def run(streams, query, *, start=0, end=1000, limit=1000, **more):
        window = LogWindow(start * NS, end * NS, limit, **more)
        return Engine(streams).lines(parse(query), window)

    return run


@pytest.fixture
def numbers():
    """{labels: [value or None at each step]}, or the number itself."""

    def run(streams, query, *seconds):
        steps = np.array([round(one * NS) for one in seconds], dtype=np.int64)
        found = Engine(streams).numbers(parse(query), steps)
        if not isinstance(found, list):
            return found
        return {
            tuple(f"{k}={v}" for k, v in one.labels): [
                None if np.isnan(value) else round(float(value), 9) for value in one.values
            ]
            for one in found
        }

    return run


class MovingClock:
    def __init__(self, moment=NOW):
        self.moment = moment

    def __call__(self):
        return self.moment


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture(scope="session")
def known_incidents():
    return read_incidents()


@pytest.fixture(scope="session")
def make_fleet(known_incidents) -> Callable[..., SimulatedFleet]:
    """Fleets whose clock stands still."""

    def make(*names):
        started = start_incidents(names, known_incidents, NOW)
        return SimulatedFleet(World(1, started, lambda: NOW), watch_poll=0.01)

    return make


@pytest.fixture
def fleet_with(known_incidents, clock) -> Callable[..., SimulatedFleet]:
    def make(*names):
        started = start_incidents(names, known_incidents, clock())
        return SimulatedFleet(World(1, started, clock), watch_poll=0.01)

    return make
