"""Failed traces are told of once."""

import asyncio
from datetime import timedelta

import pytest

from aiops_mcp.analysis.traces_groups import UnitedHit
from aiops_mcp.errors import ClusterUnreachable, TempoNotAvailable
from aiops_mcp.fleet.trace_watcher import MOST_A_CLUSTER, TraceWatcher, failed_traces
from aiops_mcp.fleet.traces import FoundTraces
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.events import EventType
from aiops_mcp.models.spans import FoundTrace


class Bus:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)


class Look:
    """Answers what stands in ``found``; an exception is raised."""

    def __init__(self):
        self.found, self.times = [], []

    async def __call__(self, start, end):
        self.times.append((start, end))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def failed(fakes, ident, name="hub"):
    trace = FoundTrace(ident * 32, "web", "GET /", 1_772_366_400_000_000_000, 250_000_000)
    return UnitedHit(trace, name, (name, "edge-1")), fakes.cluster(name)


@pytest.fixture
def watched(clock):
    look, bus, holds = Look(), Bus(), [True]

    async def ours():
        return holds[0]

    return TraceWatcher(look, bus, clock.wall, every=20.0, ours=ours), look, bus, holds


async def test_each_failed_trace_is_told_of_once_oldest_first(watched, fakes, clock):
    watcher, look, bus, _ = watched
    look.found = [failed(fakes, "b"), failed(fakes, "a")]
    assert len(await watcher.look_once()) == 2
    clock.advance(20)
    look.found = [failed(fakes, "c"), *look.found]
    await watcher.look_once()
    assert [event.payload["trace_id"][0] for event in bus.events] == ["a", "b", "c"]
    event = bus.events[0]
    assert (event.event_type, event.cluster_name) == (EventType.TRACE_RECEIVED, "hub")
    assert event.cluster_id == fakes.cluster("hub").id
    assert event.payload == {
        "trace_id": "a" * 32,
        "root_service": "web",
        "root_operation": "GET /",
        "start_time": "2026-03-01T12:00:00+00:00",
        "duration_ms": 250.0,
        "clusters": ["hub", "edge-1"],
        "has_errors": True,
    }


async def test_each_look_reaches_back(watched, clock):
    watcher, look, _, _ = watched
    began = clock.now
    await watcher.look_once()
    clock.advance(20)
    await watcher.look_once()
    assert look.times == [
        (began - timedelta(seconds=20), began),
        (began - timedelta(minutes=2), began + timedelta(seconds=20)),
    ]


async def test_a_look_that_failed_is_made_up_for(watched, fakes, clock):
    watcher, look, bus, _ = watched
    began = clock.now
    await watcher.look_once()
    clock.advance(600)
    look.found = ClusterUnreachable("all down")
    with pytest.raises(ClusterUnreachable):
        await watcher.look_once()
    clock.advance(20)
    look.found = [failed(fakes, "a")]
    await watcher.look_once()
    assert look.times[-1][0] == began - timedelta(minutes=2)
    assert len(bus.events) == 1


async def test_one_replica_looks_and_the_next_reaches_back_when_it_takes_over(
    watched, fakes, clock
):
    watcher, look, bus, holds = watched
    holds[0] = False
    look.found = [failed(fakes, "a")]
    assert await watcher.look_once() == ()
    assert (look.times, bus.events) == ([], [])
    before = clock.now
    clock.advance(20)
    holds[0] = True
    await watcher.look_once()
    assert look.times == [(before - timedelta(minutes=2), clock.now)]
    [told] = bus.events
    other = TraceWatcher(look, bus, clock.wall, every=20.0, ours=watcher._ours)
    await other.look_once()
    assert bus.events[1].event_id == told.event_id


async def test_the_loop_goes_on_after_a_failure(watched):
    watcher, look, _, _ = watched
    look.found = ClusterUnreachable("all down")
    task = asyncio.create_task(watcher.run())
    await asyncio.sleep(45)  # virtual
    task.cancel()
    assert len(look.times) == 3


async def test_the_fleet_is_asked_for_failures(fakes, clock):
    asked = []
    one, home = failed(fakes, "a")

    class Traces:
        async def search(self, search, *, principal):
            asked.append(search)
            if len(asked) == 2:
                raise TempoNotAvailable("none")
            nobody = Coverage(queried=1, succeeded=1)
            return FoundTraces((one,), {"hub": home}, nobody, clock.now)

    look = failed_traces(Traces())
    start = clock.now - timedelta(minutes=1)
    assert await look(start, clock.now) == [(one, home)]
    assert (asked[0].tags, asked[0].limit) == ((("status", "error"),), MOST_A_CLUSTER)
    assert (asked[0].start, asked[0].end) == (start, clock.now)
    assert await look(start, clock.now) == ()
