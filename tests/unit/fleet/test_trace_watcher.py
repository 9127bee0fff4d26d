"""Failed traces are told of once, to those who may see where they began."""

import asyncio
from datetime import timedelta

import pytest

from aiops_mcp.analysis.traces_assembly import assemble
from aiops_mcp.analysis.traces_groups import UnitedHit
from aiops_mcp.errors import ClusterUnreachable, TempoNotAvailable, TraceNotFound
from aiops_mcp.fleet.trace_found import FleetTrace, FoundTraces
from aiops_mcp.fleet.trace_watcher import (
    MOST_A_CLUSTER,
    MOST_A_LOOK,
    REMEMBERED,
    FailedTraces,
    TraceWatcher,
)
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.events import EventType
from aiops_mcp.models.spans import FoundTrace, SpanKind, SpanRecord, SpanStatus

NOBODY = Coverage(queried=1, succeeded=1)


class Bus:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)


class Look:
    """Finds what stands in ``found``, an exception is raised; reads what is in ``traces``."""

    def __init__(self, fakes):
        self.found, self.times, self.unread, self._fakes = [], [], set(), fakes

    async def find(self, start, end):
        self.times.append((start, end))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    async def read(self, hit):
        if hit.hit.trace_id in self.unread:
            return None
        return whole(self._fakes, hit.hit.trace_id)


def failed(ident, name="hub"):
    trace = FoundTrace(ident.rjust(32, "0"), "web", "GET /", 1_772_366_400_000_000_000, 250_000_000)
    return UnitedHit(trace, name, (name, "edge-1"))


def whole(fakes, trace_id, parent="", **resource):
    """In the hub's store; its root ran where ``resource`` says."""
    root = SpanRecord(
        trace_id, "a1", parent, "GET /", "web", SpanKind.SERVER, 1_772_366_400_000_000_000,
        250_000_000, SpanStatus.ERROR, "", {}, resource, (),
    )  # fmt: skip
    hub, edge = fakes.cluster("hub"), fakes.cluster("edge-1")
    places = {"hub": hub, "edge-1": edge}
    return FleetTrace(assemble({"hub": [root]}), {"hub": hub}, places, NOBODY, fakes.NOW)


@pytest.fixture
def watched(clock, fakes):
    look, bus, holds = Look(fakes), Bus(), [True]

    async def ours():
        return holds[0]

    return TraceWatcher(look, bus, clock.wall, every=20.0, ours=ours), look, bus, holds


async def test_each_failed_trace_is_told_of_once_oldest_first(watched, fakes, clock):
    watcher, look, bus, _ = watched
    look.found = [failed("b"), failed("a")]
    assert len(await watcher.look_once()) == 2
    clock.advance(20)
    look.found = [failed("c"), *look.found]
    await watcher.look_once()
    assert [event.payload["trace_id"][-1] for event in bus.events] == ["a", "b", "c"]
    event = bus.events[0]
    assert (event.event_type, event.cluster_name) == (EventType.TRACE_RECEIVED, "hub")
    assert event.cluster_id == fakes.cluster("hub").id
    assert event.payload == {
        "trace_id": "a".rjust(32, "0"),
        "root_service": "web",
        "root_operation": "GET /",
        "start_time": "2026-03-01T12:00:00+00:00",
        "duration_ms": 250.0,
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
    look.found = [failed("a")]
    await watcher.look_once()
    assert look.times[-1][0] == began - timedelta(minutes=2)
    assert len(bus.events) == 1


async def test_one_replica_looks_and_the_next_reaches_back_when_it_takes_over(
    watched, fakes, clock
):
    watcher, look, bus, holds = watched
    holds[0] = False
    look.found = [failed("a")]
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


async def test_an_event_is_of_the_cluster_where_the_root_ran(watched, fakes):
    """The hub keeps traces of edge-1: who sees the hub alone is told nothing of these."""
    watcher, look, bus, _ = watched

    async def read(hit):
        return whole(fakes, hit.hit.trace_id, parent="gone", **{"k8s.cluster.name": "edge-1"})

    look.read = read
    look.found = [failed("a")]
    await watcher.look_once()
    [event] = bus.events
    assert (event.cluster_name, event.cluster_id) == ("edge-1", fakes.cluster("edge-1").id)
    assert (event.payload["root_service"], event.payload["root_operation"]) == (None, None)
    assert "hub" not in str(event.payload)


async def test_what_cannot_be_read_now_is_told_by_a_later_look(watched):
    watcher, look, bus, _ = watched
    look.found = [failed("a")]
    look.unread.add(look.found[0].hit.trace_id)
    assert await watcher.look_once() == []
    look.unread.clear()
    assert len(await watcher.look_once()) == len(bus.events) == 1


async def test_a_flood_is_told_in_portions(watched):
    watcher, look, bus, _ = watched
    look.found = [failed(f"{n:x}") for n in range(1, MOST_A_LOOK + 6)]
    assert len(await watcher.look_once()) == MOST_A_LOOK
    assert bus.events[-1].payload["trace_id"] == look.found[0].hit.trace_id
    assert len(await watcher.look_once()) == 5
    assert await watcher.look_once() == []


async def test_what_was_told_is_remembered_within_bounds(watched):
    watcher, look, _, _ = watched
    watcher._told.update(dict.fromkeys(map(str, range(REMEMBERED))))
    look.found = [failed("a")]
    await watcher.look_once()
    assert len(watcher._told) == REMEMBERED
    assert "0" not in watcher._told


async def test_the_fleet_is_asked_for_failures(fakes, clock):
    asked, one = [], failed("a")
    there = whole(fakes, one.hit.trace_id)

    class Traces:
        async def search(self, search, *, principal):
            asked.append(search)
            if len(asked) == 2:
                raise TempoNotAvailable("none")
            return FoundTraces((one,), {}, NOBODY, clock.now)

        async def trace(self, trace_id, *, selection, principal):
            if selection != ("hub", "edge-1"):
                raise TraceNotFound("gone")
            return there

    look = FailedTraces(Traces())
    start = clock.now - timedelta(minutes=1)
    assert await look.find(start, clock.now) == (one,)
    assert (asked[0].tags, asked[0].limit) == ((("status", "error"),), MOST_A_CLUSTER)
    assert (asked[0].start, asked[0].end) == (start, clock.now)
    assert await look.find(start, clock.now) == ()
    assert await look.read(one) is there
    assert await look.read(failed("a", "other")) is None
