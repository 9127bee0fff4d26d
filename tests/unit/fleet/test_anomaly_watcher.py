"""The watch over series: one event per anomaly, warmed from the past, bounded, shared."""

import asyncio
import math
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from aiops_mcp.errors import ClusterUnreachable, InputError, QueryTimeout
from aiops_mcp.fleet.anomaly_findings import LASTS, Place
from aiops_mcp.fleet.anomaly_tracking import GONE_SECONDS, Room, SignTracks
from aiops_mcp.fleet.anomaly_watched import read_watched
from aiops_mcp.fleet.anomaly_watcher import AnomalyWatcher, WatchRules
from aiops_mcp.fleet.series_grid import SeriesGrid
from aiops_mcp.fleet.shards import Shards
from aiops_mcp.fleet.vital_signs import Area, Bad, SignKind, VitalSign, sign_named, signs_of
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType
from aiops_mcp.models.events import EventType
from aiops_mcp.models.metrics import Series

START = 1_772_366_400.0
PLACE = Place(UUID(int=7), "prod-1", "the query", datetime(2026, 3, 1, tzinfo=UTC))
LABELS = {"namespace": "shop", "service": "cart"}
ERRORS = sign_named("service errors")


@pytest.fixture(autouse=True)
def virtual_time():
    """Threads judge, and they take real time."""


def noise(size, level=0.002, seed=3):
    return level * (1 + 0.05 * np.random.default_rng(seed).standard_normal(size))


class Feeding:
    """A sign's tracks, fed a stretch of samples at a time."""

    def __init__(self, sign=ERRORS, *, most=10, labels=LABELS):
        self.tracks = SignTracks(sign, PLACE, 2.5, Room(most))
        self.labels = labels
        self.at = START

    def feed(self, values, *, told_from=0.0, labels=None):
        rows = np.atleast_2d(np.asarray(values, dtype=float))
        times = self.at + 60 * np.arange(rows.shape[1])
        self.at = float(times[-1]) + 60
        names = labels or [self.labels] * len(rows)
        grid = SeriesGrid(tuple(names), times, rows)
        signs = [self.tracks.sign] * len(rows)
        return self.tracks.feed(grid, signs, told_from=told_from, step=60.0)


def test_one_event_is_told_once_with_since_when():
    feeding = Feeding()
    assert feeding.feed(noise(300)) == []
    began = feeding.at
    [one] = feeding.feed(noise(20, 0.2))
    assert one.component == "shop/cart"
    assert one.anomaly_type is not AnomalyType.THRESHOLD_BREACH
    assert one.severity is AnomalySeverity.HIGH
    assert abs(one.started_at.timestamp() - began) <= 120
    assert 0 <= one.detected_at.timestamp() - began <= 300
    assert one.actual_value == pytest.approx(0.2, rel=0.3)
    assert one.expected_value == pytest.approx(0.002, rel=0.3)
    assert one.ended_at is None
    assert feeding.feed(noise(30, 0.2)) == []


def test_it_is_judged_by_its_past_only():
    one, other = Feeding(), Feeding()
    values = np.concatenate([noise(300), noise(10, 0.2)])
    told = one.feed(values)
    told_too = [each for part in np.split(values, 31) for each in other.feed(part)]
    assert told == told_too
    assert len(told) == 1


def test_what_does_not_matter_is_not_told_until_it_does():
    feeding = Feeding()
    feeding.feed(noise(300))
    assert feeding.feed(noise(10, 0.008, seed=4)) == []
    [one] = feeding.feed(noise(10, 0.2, seed=5))
    assert one.actual_value == pytest.approx(0.2, rel=0.3)


def test_what_began_before_we_looked_is_known_and_not_told():
    feeding = Feeding()
    values = np.concatenate([noise(300), noise(60, 0.2)])
    assert feeding.feed(values, told_from=math.inf) == []
    assert feeding.feed(noise(10, 0.2)) == []


def test_after_it_is_over_the_next_one_is_told():
    feeding = Feeding()
    feeding.feed(noise(300))
    assert len(feeding.feed(noise(20, 0.2))) == 1
    assert feeding.feed(noise(200, seed=8)) == []
    assert len(feeding.feed(noise(20, 0.3, seed=9))) == 1


def test_a_limit_that_is_passed_slowly_is_told_once():
    sign = VitalSign(
        name="days left",
        expression="days",
        area=Area.PLATFORM,
        of="certificate",
        component=("name",),
        kind=SignKind.SATURATION,
        unit="days",
        bad=Bad.DOWN,
        limit=7,
        by_limit_only=True,
    )
    feeding = Feeding(sign, labels={"name": "tls"})
    assert feeding.feed([8.0] * 200) == []
    assert feeding.feed([6.9] * (LASTS - 1)) == []
    [one] = feeding.feed([6.9, 6.8])
    assert one.anomaly_type is AnomalyType.THRESHOLD_BREACH
    assert one.severity is AnomalySeverity.HIGH
    assert one.expected_value == 7
    assert feeding.feed([6.8] * 300) == []
    assert feeding.feed([30.0] * 10) == []
    assert len(feeding.feed([6.0] * LASTS)) == 1


def test_series_are_bounded_and_what_is_gone_makes_room():
    feeding = Feeding(most=2)
    names = [{"namespace": "n", "service": str(i)} for i in range(3)]
    feeding.feed(np.ones((3, 5)), labels=names)
    assert len(feeding.tracks.tracks) == 2
    assert feeding.tracks.left_out == 1
    feeding.at += GONE_SECONDS
    feeding.feed(np.ones((1, 5)), labels=names[2:])
    feeding.feed(np.ones((1, 5)), labels=names[2:])
    assert [dict(key)["service"] for key in feeding.tracks.tracks] == ["2"]
    assert feeding.tracks.left_out == 0


def test_samples_that_were_fed_are_not_fed_again_and_rubbish_is_skipped():
    feeding = Feeding()
    feeding.feed(noise(10))
    feeding.at -= 300
    feeding.feed([np.nan] * 5 + [0.002, np.inf])
    [track] = feeding.tracks.tracks.values()
    assert track.fed == 11


# --- what is watched ---------------------------------------------------------------------------


def test_what_is_watched_is_named_in_four_ways():
    watched = read_watched(
        ("gpu", "service errors", "queue = sum by (pod) (queue_length) ; limit=90; least=5;bad=up")
    )
    names = [one.sign.name for one in watched]
    assert names == [*(sign.name for sign in signs_of([Area.GPU])), "service errors", "queue"]
    queue = watched[-1]
    assert queue.own
    assert (queue.sign.limit, queue.sign.least, queue.sign.bad) == (90.0, 5.0, Bad.UP)
    assert queue.sign.expression == "sum by (pod) (queue_length)"
    assert queue.sign_of({"namespace": "n", "pod": "p"}).component_of(
        {"namespace": "n", "pod": "p"}
    ) == ("n/p")
    everything = read_watched(("all", "gpu"))
    assert [one.sign for one in everything] == list(signs_of())
    assert read_watched(()) == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing like that", "cannot be read"),
        ("a=sum(", "is no PromQL"),
        ("a=up[5m]", "no value at one time"),
        ("a=up;least=many", "is no number"),
        ("a=up;bad=sideways", "is no direction"),
        ("=up", "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_with_the_form(line, said):
    with pytest.raises(InputError, match=said) as caught:
        read_watched((line,))
    assert caught.value.hint


# --- the watcher ----------------------------------------------------------------------------------


class Prometheus:
    """One series per query: normal, and bad from ``bad_from`` on (unix seconds)."""

    def __init__(self, bad_from=math.inf):
        self.bad_from = bad_from
        self.spans = []
        self.failure = None

    async def label_values(self, name, *, match=(), limit=None):
        return ("http_requests_total",)

    async def query_range(self, promql, *, start, end, step, limit=None, timeout=None):
        self.spans.append((start, end, step))
        if self.failure is not None:
            raise self.failure
        times = np.arange(start, end + 1, step)
        values = [self.value(t) for t in times]
        points = tuple((float(t), str(v)) for t, v in zip(times, values, strict=True))

        class Answer:
            series = (Series(metric=LABELS, values=points),)

        return Answer()

    def value(self, moment):
        level = 0.2 if moment >= self.bad_from else 0.002
        return level * (1 + 0.05 * math.sin(moment / 60 * 2.39))

    async def aclose(self):
        pass


class Bus:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)


class Bench:
    def __init__(self, fakes, clock, names=("aaa", "bbb"), **rules):
        self.fakes, self.clock = fakes, clock
        self.clients = {name: Prometheus() for name in names}
        self.rules = WatchRules(**rules)
        self.bus = Bus()

    def watcher(self, ours=None, watched=("service errors",), is_told=lambda _: False):
        connect = self.fakes.FakeConnect({("prometheus", n): c for n, c in self.clients.items()})
        clusters = [self.fakes.cluster(name) for name in self.clients]
        return AnomalyWatcher(
            read_watched(watched),
            self.fakes.make_fleet(clusters, self.clock, connect),
            self.bus,
            self.clock.wall,
            rules=self.rules,
            ours=ours or Shards(None, purpose="a", holder="me", clock=self.clock.wall),
            is_told=is_told,
        )

    async def looks(self, watcher, count):
        for _ in range(count):
            self.clock.advance(60)
            await watcher.look_once()

    def told(self):
        return [(one.cluster_name, one.payload["component"]) for one in self.bus.events]


@pytest.fixture
def bench(fakes, clock):
    return Bench(fakes, clock)


async def test_an_anomaly_is_one_event_within_minutes(bench):
    watcher = bench.watcher()
    await watcher.look_once()
    assert watcher.series == 2
    bench.clients["aaa"].bad_from = bench.clock.now.timestamp() + 120
    await bench.looks(watcher, 15)
    assert bench.told() == [("aaa", "shop/cart")]
    [event] = bench.bus.events
    assert event.event_type is EventType.ANOMALY_DETECTED
    assert event.event_id == UUID(event.payload["id"])
    assert event.payload["severity"] == "HIGH"
    assert event.payload["metric_name"] == "service errors"
    assert event.timestamp <= bench.clock.now
    assert event.timestamp.timestamp() - bench.clients["aaa"].bad_from <= 300


async def test_the_first_look_reads_hours_and_the_next_what_is_new(bench):
    watcher = bench.watcher()
    await watcher.look_once()
    [(start, end, step)] = bench.clients["aaa"].spans
    assert (end - start, step) == (21_600.0, 60.0)
    assert bench.clock.now.timestamp() - end >= 30
    await bench.looks(watcher, 1)
    assert bench.clients["aaa"].spans[1] == (end + 60, end + 60, 60.0)
    await watcher.look_once()
    assert len(bench.clients["aaa"].spans) == 2


async def test_a_restart_goes_on_from_what_is_known(bench):
    bench.clients["aaa"].bad_from = bench.clock.now.timestamp() - 1800
    watcher = bench.watcher()
    await watcher.look_once()
    await bench.looks(watcher, 5)
    assert bench.told() == []
    bench.clients["bbb"].bad_from = bench.clock.now.timestamp() + 60
    again = bench.watcher()
    await again.look_once()
    await bench.looks(again, 12)
    assert bench.told() == [("bbb", "shop/cart")]


async def test_what_another_replica_told_a_moment_ago_is_not_told_again(bench):
    watcher = bench.watcher()
    await watcher.look_once()
    bench.clients["aaa"].bad_from = bench.clock.now.timestamp() + 60
    while not bench.bus.events:
        await bench.looks(watcher, 1)
    [told] = bench.bus.events
    again = bench.watcher()
    assert [one.id for one in await again.look_once()] == [told.event_id]
    bench.bus.events.clear()
    knowing = bench.watcher(is_told=lambda event_id: event_id == told.event_id)
    await knowing.look_once()
    await bench.looks(knowing, 5)
    assert bench.bus.events == []


async def test_a_cluster_that_was_away_is_caught_up_with(bench):
    watcher = bench.watcher()
    await watcher.look_once()
    last = bench.clients["bbb"].spans[0][1]
    bench.clients["bbb"].failure = ClusterUnreachable("away")
    await bench.looks(watcher, 3)
    bench.clients["bbb"].failure = None
    await bench.looks(watcher, 1)
    assert bench.clients["bbb"].spans[-1][:2] == (last + 60, last + 240)


async def test_what_takes_too_long_does_not_end_the_watch(bench, caplog):
    bench.clients["aaa"].failure = QueryTimeout("slow")
    watcher = bench.watcher()
    assert await watcher.look_once() == ()
    assert watcher.series == 1


async def test_replicas_share_the_clusters_and_forget_what_is_not_theirs(bench):
    class Half:
        mine = True

        def is_ours(self, cluster_id):
            return self.mine and cluster_id == bench.fakes.cluster("aaa").id

        async def renew(self):
            return False

        async def release(self):
            self.mine = False

    half = Half()
    watcher = bench.watcher(half)
    await watcher.look_once()
    assert bench.clients["bbb"].spans == []
    assert watcher.series == 1
    half.mine = False
    await bench.looks(watcher, 1)
    assert watcher.series == 0
    assert len(bench.clients["aaa"].spans) == 1


async def test_more_series_than_allowed_are_not_watched_and_that_is_said_once(bench, caplog):
    bench.rules = WatchRules(series=1)
    watcher = bench.watcher()
    await watcher.look_once()
    await bench.looks(watcher, 2)
    assert watcher.series == 1
    assert caplog.text.count("AIOPS_ANOMALY_WATCH_SERIES") == 1


async def test_own_expressions_are_asked_of_every_cluster(bench):
    watcher = bench.watcher(watched=("cart = some_metric_of_ours;least=0.1",))
    await watcher.look_once()
    bench.clients["bbb"].bad_from = bench.clock.now.timestamp() + 60
    await bench.looks(watcher, 12)
    assert bench.told() == [("bbb", "shop/cart")]
    assert bench.bus.events[0].payload["metric_name"] == "cart"


async def test_run_watches_until_cancelled_and_gives_its_shards_back(bench):
    released = asyncio.Event()
    looked = asyncio.Event()

    class Ours(Shards):
        async def release(self):
            released.set()

    class Watching(Prometheus):
        async def query_range(self, *arguments, **options):
            looked.set()
            return await super().query_range(*arguments, **options)

    bench.clients = {"aaa": Watching()}
    watcher = bench.watcher(Ours(None, purpose="a", holder="me", clock=bench.clock.wall))
    task = asyncio.create_task(watcher.run())
    await looked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert released.is_set()


async def test_without_expressions_there_is_nothing_to_run(bench):
    await bench.watcher(watched=()).run()
