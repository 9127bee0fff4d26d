"""Anomalies, changes and forecasts over a fleet of fakes: partial, cut, folded, and why not."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_mcp.analysis.anomaly import Kind
from aiops_mcp.errors import (
    AnomalyDetectionFailed,
    BackendRejected,
    ClusterUnreachable,
    InvalidPromql,
)
from aiops_mcp.fleet.anomalies import AnomalySearch, FleetAnomalies, judged_grid, worst_first
from aiops_mcp.fleet.asked_series import sign_for
from aiops_mcp.fleet.forecasts import ForecastSearch, find_running_out, running_out_of
from aiops_mcp.fleet.metric_changes import LevelSearch, find_level_changes, onset_order
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.fleet.series_grid import SeriesGrid, Span
from aiops_mcp.fleet.vital_signs import Area, Bad, SignKind, VitalSign, sign_named
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType, Sensitivity
from aiops_mcp.models.metrics import ResultType, Series
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings

POINTS = 121
NAMES = (
    "http_requests_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "certmanager_certificate_expiration_timestamp_seconds",
)


def noisy(level, after=None, at=80, seed=1):
    """A level with a little noise, and another from ``at`` on."""
    values = level * (1 + 0.01 * np.random.default_rng(seed).standard_normal(POINTS))
    if after is not None:
        values[at:] += after - level
    return values


class Prometheus:
    """Answers range queries by the first part of a query that is known to it."""

    def __init__(self, replies, names=NAMES, error=None):
        self.replies = replies
        self.names = names
        self.error = error
        self.asked = []
        self.limits = []
        self.start = 0.0

    async def label_values(self, name, *, match=(), limit=None):
        if self.error is not None and name in self.error:
            raise self.error[name]
        return self.names

    async def query(self, promql, *, time=None, timeout=None, limit=None):
        return _answer([({}, [(time or 0.0, 1.0)])], ResultType.VECTOR)

    async def query_range(self, promql, *, start, end, step, timeout=None, limit=None):
        self.asked.append(promql)
        self.limits.append(limit)
        begin = start.timestamp() if isinstance(start, datetime) else start
        for part, reply in self.replies.items():
            if part in promql:
                if isinstance(reply, Exception):
                    raise reply
                rows = [
                    (labels, [(begin + step * i, v) for i, v in enumerate(values)])
                    for labels, values in reply
                ]
                return _answer(rows, ResultType.MATRIX)
        return _answer([], ResultType.MATRIX)

    async def aclose(self):
        pass


def _answer(rows, kind):
    series = tuple(
        Series(metric=labels, values=tuple((t, str(v)) for t, v in points))
        for labels, points in rows
    )

    class Answer:
        pass

    answer = Answer()
    answer.series, answer.result_type, answer.warnings, answer.infos = series, kind, (), ()
    return answer


class Bench:
    def __init__(self, fakes, clock, clients):
        self.clients = clients
        self.clock = clock
        connect = fakes.FakeConnect({("prometheus", n): c for n, c in clients.items()})
        self.fleet = fakes.make_fleet([fakes.cluster(n) for n in clients], clock, connect)
        self.metrics = FleetMetrics(self.fleet, Settings(_env_file=None), clock.wall)
        end = clock.now.timestamp()
        self.span = Span(end - 60 * (POINTS - 1), end, 60.0)

    async def find(self, **fields):
        finder = FleetAnomalies(self.fleet, self.metrics, self.clock.wall, ttl=60, seconds=60)
        search = AnomalySearch(self.span, **fields)
        return await finder.find(search, principal=LOCAL_ADMIN)

    async def changes(self, **fields):
        return await find_level_changes(
            self.fleet,
            self.metrics,
            LevelSearch(self.span, **fields),
            principal=LOCAL_ADMIN,
            ttl=60,
            seconds=60,
            now=self.clock.now,
        )

    async def running_out(self, horizon=7 * 86_400.0, **fields):
        return await find_running_out(
            self.fleet,
            self.metrics,
            ForecastSearch(self.span, horizon, **fields),
            principal=LOCAL_ADMIN,
            ttl=60,
            seconds=60,
            now=self.clock.now,
        )


@pytest.fixture(autouse=True)
def virtual_time():
    """Threads judge, and they take real time."""


@pytest.fixture
def bench(fakes, clock):
    return lambda **clients: Bench(fakes, clock, clients)


CART = {"namespace": "shop", "service": "cart"}
DISK = {"instance": "worker-1", "mountpoint": "/var"}
SIGNS = (sign_named("service errors"), sign_named("filesystem used"))


async def test_signs_are_judged_where_they_are_and_told_worst_first(bench):
    fleet = bench(
        aaa=Prometheus({'code=~"5.."': [(CART, noisy(0.002, 0.2))]}),
        bbb=Prometheus({"node_filesystem": [(DISK, noisy(0.4, 0.8)), (DISK, noisy(0.4))]}),
        ccc=Prometheus({}),
    )
    answer = await fleet.find(signs=SIGNS)
    told = [(one.cluster_name, one.component, one.severity) for one in answer.anomalies]
    assert told == [
        ("aaa", "shop/cart", AnomalySeverity.HIGH),
        ("bbb", "worker-1", AnomalySeverity.HIGH),
    ]
    began = fleet.span.start + 60 * 80
    for one in answer.anomalies:
        assert abs(one.started_at.timestamp() - began) <= 300
        assert one.ended_at is None
    assert answer.total == 2
    assert answer.by_severity == {"HIGH": 2}
    assert answer.series_judged == 3
    assert answer.expressions == 2
    assert answer.coverage.succeeded == 3
    assert answer.step_seconds == 60


async def test_what_a_cluster_has_no_metrics_for_is_not_asked(bench):
    prometheus = Prometheus({}, names=("http_requests_total",))
    await bench(aaa=prometheus).find(signs=SIGNS)
    assert [query.count("http_requests_total") for query in prometheus.asked] == [3]


async def test_a_dead_cluster_is_told_and_the_others_answer(bench):
    gone = Prometheus({}, error={"__name__": ClusterUnreachable("nobody there")})
    fleet = bench(aaa=Prometheus({'code=~"5.."': [(CART, noisy(0.002, 0.2))]}), bbb=gone)
    answer = await fleet.find(signs=SIGNS)
    assert [one.cluster_name for one in answer.anomalies] == ["aaa"]
    assert [one.cluster_name for one in answer.coverage.failures] == ["bbb"]
    with pytest.raises(ClusterUnreachable):
        await bench(bbb=gone).find(signs=SIGNS)


async def test_one_expression_that_fails_is_a_note_all_are_a_failure(bench):
    refused = BackendRejected("too many samples", http_status=422)
    half = Prometheus({'code=~"5.."': refused, "node_filesystem": [(DISK, noisy(0.4, 0.8))]})
    answer = await bench(aaa=half).find(signs=SIGNS)
    assert [one.component for one in answer.anomalies] == ["worker-1"]
    assert answer.notes == ("aaa: service errors could not be read: too many samples",)
    none = Prometheus({'code=~"5.."': refused, "node_filesystem": refused})
    with pytest.raises(BackendRejected):
        await bench(aaa=none).find(signs=SIGNS)


async def test_what_cannot_be_judged_is_remarked(bench):
    short = np.full(POINTS, np.nan)
    short[-4:] = 0.5
    answer = await bench(aaa=Prometheus({'code=~"5.."': [(CART, short)]})).find(signs=SIGNS)
    assert answer.anomalies == ()
    assert any(note.startswith("1 series: ") for note in answer.notes)


async def test_a_query_is_judged_over_the_fleet_and_named_by_its_labels(bench):
    fleet = bench(
        aaa=Prometheus({"queue_length": [({"pod": "x-1", "namespace": "n"}, noisy(10, 90))]}),
        bbb=Prometheus({"queue_length": [({"pod": "x-1", "namespace": "n"}, noisy(10, 2))]}),
    )
    answer = await fleet.find(query="queue_length", sensitivity=Sensitivity.LOW)
    assert {one.cluster_name for one in answer.anomalies} == {"aaa", "bbb"}
    assert {one.component for one in answer.anomalies} == {"n/x-1"}
    assert {one.metric_name for one in answer.anomalies} == {"queue_length"}
    assert {one.component_kind for one in answer.anomalies} == {"pod"}
    assert answer.query == "queue_length"
    assert answer.sensitivity is Sensitivity.LOW


async def test_a_query_that_cannot_be_read_or_finds_nothing(bench):
    fleet = bench(aaa=Prometheus({}))
    with pytest.raises(InvalidPromql):
        await fleet.find(query="sum(")
    answer = await fleet.find(query="nothing_here")
    assert (answer.total, answer.series_judged) == (0, 0)
    assert answer.coverage.succeeded == 1


async def test_progress_counts_clusters(bench):
    told = []

    async def progress(done, total, message):
        told.append(message)

    fleet = bench(aaa=Prometheus({}), bbb=Prometheus({}))
    finder = FleetAnomalies(fleet.fleet, fleet.metrics, fleet.clock.wall, ttl=60, seconds=60)
    search = AnomalySearch(fleet.span, signs=SIGNS)
    await finder.find(search, principal=LOCAL_ADMIN, progress=progress)
    assert told[-1] == "2 of 2 clusters"


async def test_it_can_be_cancelled(bench):
    class Hanging(Prometheus):
        entered = asyncio.Event()

        async def query_range(self, promql, **_):
            self.entered.set()
            await asyncio.Event().wait()

    hanging = Hanging({})
    work = asyncio.ensure_future(bench(aaa=hanging).find(signs=SIGNS))
    await hanging.entered.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


def test_numbers_that_cannot_be_worked_with_are_a_named_failure():
    broken = SeriesGrid(({},), np.arange(3.0), np.zeros((1, 5)))
    with pytest.raises(AnomalyDetectionFailed) as caught:
        judged_grid(broken, Sensitivity.MEDIUM, Kind.COUNTER)
    assert caught.value.code == "ANOMALY_DETECTION_FAILED"
    assert caught.value.hint


async def test_what_goes_on_stands_before_what_is_over(bench):
    over = noisy(0.002)
    over[60:75] = 0.5
    fleet = bench(aaa=Prometheus({'code=~"5.."': [(CART, over)]}))
    answer = await fleet.find(signs=SIGNS)
    [one] = answer.anomalies
    assert one.ended_at is not None
    assert one.severity is AnomalySeverity.MEDIUM
    later = one.model_copy(
        update={"ended_at": None, "started_at": one.started_at + timedelta(hours=1)}
    )
    assert worst_first([one, later]) == [later, one]


# --- what a query's series are of -----------------------------------------------------------


async def test_a_rise_of_traffic_over_hours_may_be_the_rhythm_of_the_day(bench):
    rising = 100.0 + np.concatenate([np.zeros(30), np.arange(POINTS - 30) * 3.0])
    rising += np.random.default_rng(2).standard_normal(POINTS)
    fleet = bench(aaa=Prometheus({"http_requests_total": [(CART, rising)]}))
    traffic = sign_named("service traffic")
    assert (await fleet.find(signs=(traffic,))).anomalies == ()
    [one] = (await fleet.find(signs=(traffic.model_copy(update={"kind": "saturation"}),))).anomalies
    assert one.anomaly_type is AnomalyType.TREND_CHANGE
    sudden = bench(aaa=Prometheus({"http_requests_total": [(CART, noisy(100, 20))]}))
    [one] = (await sudden.find(signs=(traffic,))).anomalies
    assert one.actual_value == pytest.approx(20, rel=0.2)


@pytest.mark.parametrize(
    ("labels", "component", "kind"),
    [
        ({"namespace": "n", "service": "s", "pod": "p"}, "n/s", "service"),
        ({"namespace": "n", "deployment": "d"}, "n/d", "workload"),
        ({"exported_namespace": "e", "name": "cert"}, "e/cert", "name"),
        ({"pod": "p"}, "p", "pod"),
        ({"node": "w-1", "device": "sda"}, "w-1", "node"),
        ({"instance": "w-1:9100"}, "w-1", "node"),
        ({"Hostname": "g-1", "gpu": "3"}, "g-1/3", "gpu"),
        ({"job": "etcd"}, "etcd", "target"),
        ({"zone": "bbb", "area": "aaa"}, "aaa/bbb", "series"),
        ({}, "", "cluster"),
    ],
)
def test_the_labels_name_the_component(labels, component, kind):
    sign = sign_for("sum(some_metric) by (x)", labels)
    assert (sign.component_of(labels), sign.of) == (component, kind)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("http_requests_total", "counter"),
        ('(http_requests_total{code="500"})', "counter"),
        ("rate(http_requests_total[5m])", "gauge"),
        ("node_load1", "gauge"),
        ("latency_seconds_bucket", "counter"),
    ],
)
def test_a_bare_counter_is_judged_by_its_growth(query, kind):
    assert sign_for(query, {}).type == kind
    assert sign_for(query, {}).bad is Bad.BOTH


# --- changes ----------------------------------------------------------------------------------


async def test_changes_stand_in_the_order_of_time_and_clusters_in_that_of_onset(bench):
    fleet = bench(
        aaa=Prometheus({"queue_length": [({"pod": "p"}, noisy(10, 90, at=70))]}),
        bbb=Prometheus({"queue_length": [({"pod": "p"}, noisy(10, 50, at=40))]}),
        ccc=Prometheus({"queue_length": [({"pod": "p"}, noisy(10))]}),
    )
    answer = await fleet.changes(query="queue_length")
    assert answer.onset == ("bbb", "aaa")
    assert [one.cluster_name for one in answer.changes] == ["bbb", "aaa"]
    first, last = answer.changes
    assert first.at.timestamp() == fleet.span.start + 60 * 40
    assert last.at.timestamp() == fleet.span.start + 60 * 70
    assert (round(first.before or 0), round(first.after or 0)) == (10, 50)
    assert 380 < (first.change_percent or 0) < 420
    assert first.goes_on
    assert answer.series_judged == 3


async def test_of_signs_only_changes_that_matter_are_told_in_both_directions(bench):
    better = noisy(0.3, 0.002, at=60)
    fleet = bench(
        aaa=Prometheus(
            {
                'code=~"5.."': [(CART, better)],
                "node_filesystem": [(DISK, noisy(0.4, 0.5, at=60))],
            }
        )
    )
    answer = await fleet.changes(signs=SIGNS)
    assert [(one.metric_name, one.component) for one in answer.changes] == [
        ("service errors", "shop/cart")
    ]
    assert answer.total == 1


def test_the_order_of_onset_is_that_of_the_first_change_of_each():
    assert onset_order([]) == ()


# --- what runs out ------------------------------------------------------------------------------


async def test_what_runs_out_stands_soonest_first_with_its_band(bench):
    filling = 0.5 + 0.3 * np.arange(POINTS) / (POINTS - 1)
    fleet = bench(
        aaa=Prometheus({"node_filesystem": [(DISK, filling), (DISK, noisy(0.4))]}),
        bbb=Prometheus(
            {"certmanager": [({"exported_namespace": "n", "name": "ccc"}, [1.5] * POINTS)]}
        ),
    )
    answer = await fleet.running_out()
    assert [(one.cluster_name, one.metric_name) for one in answer.running_out] == [
        ("aaa", "filesystem used"),
        ("bbb", "certificate days left"),
    ]
    disk, certificate = answer.running_out
    wait = (disk.at.timestamp() - fleet.span.end) / 3600
    assert wait == pytest.approx(0.2 / 0.3 * 2, rel=0.1)
    assert disk.per_day == pytest.approx(3.6, rel=0.1)
    assert disk.limit == 1
    assert certificate.at == datetime.fromtimestamp(fleet.span.end + 1.5 * 86_400, UTC)
    assert certificate.earliest == certificate.at == certificate.latest
    assert answer.total == 2


@pytest.mark.parametrize(
    ("start", "end", "told"), [(0.30, 0.32, 0), (0.78, 0.80, 1), (0.3, 0.9, 1)]
)
async def test_only_what_is_near_its_end_is_foretold_further_than_was_looked_back(
    bench, start, end, told
):
    slow = start + (end - start) * np.arange(POINTS) / (POINTS - 1)
    fleet = bench(aaa=Prometheus({"node_filesystem": [(DISK, slow)]}))
    assert len((await fleet.running_out()).running_out) == told


async def test_beyond_its_limit_it_is_told_although_it_stands_still(bench):
    full = noisy(0.97)
    fleet = bench(aaa=Prometheus({"node_filesystem": [(DISK, full)]}))
    [one] = (await fleet.running_out()).running_out
    assert one.reason == "beyond 0.95 already"
    assert one.now == pytest.approx(0.97, abs=0.02)


async def test_a_query_runs_towards_the_threshold_that_it_was_given(bench):
    falling = 100.0 - np.arange(POINTS) / 2
    labels = {"namespace": "n", "pod": "p"}
    fleet = bench(aaa=Prometheus({"left_bytes": [(labels, falling)]}))
    [one] = (await fleet.running_out(query="left_bytes", limit=0.0)).running_out
    assert one.component == "n/p"
    assert one.at.timestamp() == pytest.approx(fleet.span.end + 80 * 60, abs=300)
    soon = await fleet.running_out(query="left_bytes", limit=0.0, horizon=600.0)
    assert soon.running_out == ()
    assert soon.series_judged == 1


def test_unknown_and_later_ones_are_not_told():
    sign = VitalSign(
        name="days",
        expression="x",
        area=Area.PLATFORM,
        of="certificate",
        kind=SignKind.SATURATION,
        unit="days",
        runs_out=0,
        countdown=True,
    )
    times = np.arange(5) * 60.0
    values = np.array([[np.nan] * 5, [9.0] * 5, [3.0] * 5])
    grid = SeriesGrid(({"aaa": "1"}, {"aaa": "2"}, {"aaa": "3"}), times, values)
    found = running_out_of(grid, lambda _: sign, None, "all", 7 * 86_400.0)
    assert [one.labels for one in found.running_out] == [{"aaa": "3"}]
    assert (found.series, found.unknown) == (3, 1)
    endless = sign.model_copy(update={"runs_out": None, "countdown": False})
    assert running_out_of(grid, lambda _: endless, None, "all", 600.0).running_out == ()
