import asyncio
from datetime import timedelta

import pytest

from aiops_mcp.errors import (
    BackendRefused,
    ClusterUnreachable,
    InputError,
    InvalidPromql,
    QueryTooExpensive,
)
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.models.cluster import ClusterState, ClusterType
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.metrics import Aggregation, ResultType, Series
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings


class Bench:
    """A fleet of fakes whose Prometheus answers ``replies[name](query)``."""

    def __init__(self, fakes, clock, replies, *, last_seen=None, **settings):
        self.clock = clock
        self.clients = {name: fakes.FakePrometheus(reply) for name, reply in replies.items()}
        clusters = [self.make(fakes, name) for name in replies]
        connect = fakes.FakeConnect({("prometheus", n): c for n, c in self.clients.items()})
        self.fleet = fakes.make_fleet(clusters, clock, connect, last_seen, **settings)
        self.metrics = FleetMetrics(self.fleet, Settings(_env_file=None, **settings), clock.wall)

    def make(self, fakes, name):
        kind = ClusterType.FAR_EDGE if name.startswith("far") else ClusterType.SPOKE
        state = ClusterState.OFFLINE if name.endswith("off") else ClusterState.ONLINE
        return fakes.cluster(name, kind, state)

    async def query(self, text, **more):
        return await self.metrics.query(text, principal=LOCAL_ADMIN, **more)

    async def query_range(self, text, **more):
        return await self.metrics.query_range(text, principal=LOCAL_ADMIN, **more)

    def texts(self, name):
        return [call[1] for call in self.clients[name].calls]


def raising(error):
    def reply(_):
        raise error

    return reply


def values(result):
    return [(series.metric, series.values[-1][1]) for series in result.data]


async def test_merge_lays_clusters_side_by_side(fakes, clock):
    bench = Bench(
        fakes,
        clock,
        {
            "aaa": lambda _: fakes.vector(({"job": "x"}, 1)),
            "bbb": raising(ClusterUnreachable("bbb is down.")),
        },
    )
    answer = await bench.query(" up ")
    good, bad = answer.results
    assert (good.cluster_name, good.status) == ("aaa", AnswerStatus.SUCCESS)
    assert good.result_type is ResultType.VECTOR
    assert values(good) == [({"job": "x"}, "1")]
    assert (bad.status, bad.error, bad.data) == (AnswerStatus.ERROR, "bbb is down.", ())
    assert (answer.clusters_queried, answer.clusters_succeeded) == (2, 1)
    assert answer.warnings[0] == "PARTIAL_RESULTS"
    assert answer.coverage.failures[0].code == "CLUSTER_UNREACHABLE"
    assert answer.query == " up "
    assert bench.texts("aaa") == ["up"]
    assert answer.end_time == clock.now


async def test_a_complete_answer_has_no_warnings(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    assert (await bench.query("up")).warnings == ()


async def test_sum_over_clusters(fakes, clock):
    bench = Bench(
        fakes,
        clock,
        {
            "aaa": lambda _: fakes.vector(({"ns": "x"}, 1), ({"ns": "y"}, 5)),
            "bbb": lambda _: fakes.vector(({"ns": "x"}, 2)),
            "ccc": raising(ClusterUnreachable("down")),
        },
    )
    answer = await bench.query("sum by (ns) (m)", aggregation=Aggregation.SUM)
    combined, failed = answer.results
    assert combined.cluster_id is None
    assert combined.cluster_name == "fleet"
    assert combined.status is AnswerStatus.PARTIAL
    assert values(combined) == [({"ns": "x"}, "3"), ({"ns": "y"}, "5")]
    assert combined.data[0].values[0][0] == clock.now.timestamp()
    assert failed.cluster_name == "ccc"


async def test_average_pushes_sum_and_count_down(fakes, clock):
    def reply(total, count):
        return lambda query: fakes.vector(({}, total if query.startswith("sum") else count))

    bench = Bench(fakes, clock, {"aaa": reply(10, 10), "bbb": reply(100, 2)})
    answer = await bench.query("avg(m)", aggregation=Aggregation.AVG)
    assert values(answer.results[0]) == [({}, number(110 / 12))]
    assert bench.texts("aaa") == ["sum(m)", "count(m)"]
    assert any("count(m)" in warning for warning in answer.warnings)


def number(value):
    return repr(value)


async def test_bad_promql_is_refused_before_anybody_is_asked(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    with pytest.raises(InvalidPromql) as caught:
        await bench.query("sum(rate(x[5m])")
    assert caught.value.position == 15
    assert bench.clients["aaa"].calls == []


async def test_wrong_aggregations_are_refused_before_anybody_is_asked(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    with pytest.raises(InputError, match="topk"):
        await bench.query("topk(3, x)", aggregation=Aggregation.SUM)
    assert bench.clients["aaa"].calls == []


async def test_every_cluster_failing_is_an_error(fakes, clock):
    refused = BackendRefused("execution: many-to-many matching", http_status=422)
    bench = Bench(fakes, clock, {"aaa": raising(refused), "bbb": raising(refused)})
    with pytest.raises(BackendRefused, match="many-to-many"):
        await bench.query("up")


async def test_instants_of_now_share_an_answer_for_the_ttl(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector(({}, 1))})
    await bench.query("up")
    clock.advance(29)
    await bench.query("up")
    assert len(bench.clients["aaa"].calls) == 1
    clock.advance(1)
    await bench.query("up")
    assert len(bench.clients["aaa"].calls) == 2
    await bench.query("up", time=clock.now - timedelta(hours=1))
    assert len(bench.clients["aaa"].calls) == 3


@pytest.mark.parametrize(("hours", "ttl"), [(1, 60), (2, 300)])
async def test_ranges_are_kept_by_their_length(fakes, clock, hours, ttl):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    end = clock.now
    window = {"start": end - timedelta(hours=hours), "end": end, "step": "1m"}
    await bench.query_range("sum(up)", **window)
    clock.advance(ttl - 1)
    await bench.query_range("sum(up)", **window)
    assert len(bench.clients["aaa"].calls) == 1
    clock.advance(1)
    await bench.query_range("sum(up)", **window)
    assert len(bench.clients["aaa"].calls) == 2


async def test_the_default_range_is_an_hour_on_whole_minutes(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    clock.advance(17)
    answer = await bench.query_range("sum(up)")
    end = fakes.NOW.timestamp()
    assert bench.clients["aaa"].calls == [("range", "sum(up)", end - 3600, end, 60.0)]
    assert answer.step_seconds == 60
    assert answer.start_time == fakes.NOW - timedelta(hours=1)
    assert answer.end_time == fakes.NOW


async def test_thanos_warnings_make_an_answer_partial_and_remarks_do_not(fakes, clock):
    def with_warnings(*warnings):
        def reply(_):
            answer = fakes.vector(({}, 1))
            answer.warnings = warnings
            return answer

        return reply

    bench = Bench(
        fakes,
        clock,
        {
            "aaa": with_warnings("receive store: connection refused"),
            "bbb": with_warnings("PromQL warning: metric might not be a counter"),
        },
    )
    answer = await bench.query("up")
    assert [r.status for r in answer.results] == [AnswerStatus.PARTIAL, AnswerStatus.SUCCESS]
    assert answer.warnings == (
        "PARTIAL_RESULTS",
        "aaa: receive store: connection refused",
        "bbb: PromQL warning: metric might not be a counter",
    )


async def test_an_absent_far_edge_answers_from_what_was_seen(fakes, clock):
    store = fakes.MemoryLastSeen()
    up = Bench(fakes, clock, {"far-1": lambda _: fakes.vector(({"a": "b"}, 7))}, last_seen=store)
    await up.query("up")
    await up.fleet.aclose()
    clock.advance(600)
    down = Bench(fakes, clock, {"far-1": raising(ClusterUnreachable("x"))}, last_seen=store)
    answer = await down.query("up")
    assert values(answer.results[0]) == [({"a": "b"}, "7")]
    assert answer.results[0].result_type is ResultType.VECTOR
    assert answer.coverage.stale[0].age_seconds == 600
    assert "far-1 is away" in answer.warnings[0]


async def test_a_sum_never_mixes_in_what_was_seen(fakes, clock):
    store = fakes.MemoryLastSeen()
    replies = {"far-1": lambda _: fakes.vector(({}, 7)), "aaa": lambda _: fakes.vector(({}, 1))}
    up = Bench(fakes, clock, replies, last_seen=store)
    await up.query("sum(up)")
    await up.query("sum(up)", aggregation=Aggregation.SUM)
    await up.fleet.aclose()
    replies["far-1"] = raising(ClusterUnreachable("x"))
    down = Bench(fakes, clock, replies, last_seen=store)
    answer = await down.query("sum(up)", aggregation=Aggregation.SUM)
    assert values(answer.results[0]) == [({}, "1")]
    assert answer.results[0].status is AnswerStatus.PARTIAL


def counting(fakes, series):
    def reply(query):
        return fakes.vector(({}, series)) if query.startswith("count(") else fakes.vector(({}, 1))

    return reply


async def test_a_flood_is_refused_with_a_hint(fakes, clock):
    replies = {name: counting(fakes, 200_000) for name in ("aaa", "bbb")}
    bench = Bench(fakes, clock, replies, max_points=1_000_000)
    with pytest.raises(QueryTooExpensive) as caught:
        await bench.query_range("container_memory_usage_bytes")
    assert "400000 series" in caught.value.message
    assert "sum by" in caught.value.hint
    assert bench.texts("aaa") == ["count(container_memory_usage_bytes)"]


async def test_a_large_answer_is_coarsened_with_a_note(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": counting(fakes, 20_000)}, max_points=1_000_000 - 20_000)
    answer = await bench.query_range("m", step="30s")
    assert answer.step_seconds == 120
    assert "step raised from 30s to 2m" in answer.warnings[0]
    assert bench.clients["aaa"].calls[-1][4] == 120


async def test_the_count_is_asked_once_for_many_ranges(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": counting(fakes, 10)}, max_points=1000)
    await bench.query_range("m")
    clock.advance(61)
    await bench.query_range("m")
    assert [text for text in bench.texts("aaa") if "count" in text] == ["count(m)"]


@pytest.mark.parametrize("text", ["m", "{job='a'}"])
async def test_counting_does_not_lengthen_the_wait_for_a_hanging_cluster(fakes, clock, text):
    loop = asyncio.get_running_loop()
    asked = []

    def reply(query):
        asked.append((query, loop.time() - began))
        return fakes.vector(({}, 1))

    bench = Bench(fakes, clock, {"aaa": reply, "bbb": reply}, max_points=1000)
    bench.clients["bbb"].delay = 1000
    began = loop.time()
    answer = await (bench.query_range(text) if text == "m" else bench.query(text))
    assert loop.time() - began == pytest.approx(10, abs=0.01)
    assert answer.coverage.failures[0].cluster_name == "bbb"
    (count, _), (query, at) = asked
    assert (count, query) == (f"count({text})", text)
    assert at == pytest.approx(5 * 0.25, abs=0.01)  # a quarter of the shortest tier's time


@pytest.mark.parametrize("timeout", [0, -1, 301])
async def test_a_timeout_that_cannot_be(fakes, clock, timeout):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    with pytest.raises(InputError, match="timeout"):
        await bench.query("up", timeout=timeout)


async def test_a_range_of_a_range_vector_is_refused(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    with pytest.raises(InputError, match="one value at a time"):
        await bench.query_range("up[5m]")


async def test_time_in_the_future_is_refused(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    with pytest.raises(InputError, match="future"):
        await bench.query("up", time=clock.now + timedelta(hours=1))


async def test_a_time_without_a_zone_is_utc_and_one_before_1970_is_refused(fakes, clock):
    bench = Bench(fakes, clock, {"aaa": lambda _: fakes.vector()})
    naive = (clock.now - timedelta(hours=1)).replace(tzinfo=None)
    await bench.query("up", time=naive)
    assert bench.clients["aaa"].calls == [("query", "up", clock.now.timestamp() - 3600)]
    with pytest.raises(InputError, match="before 1970"):
        await bench.query("up", time=naive.replace(year=1900))
    await bench.query_range("sum(up)", start=naive, end=clock.now)
    assert bench.clients["aaa"].calls[-1][2] == clock.now.timestamp() - 3600


async def test_scalars_combine_too(fakes, clock):
    def scalar(value):
        series = (Series(metric={}, values=((0.0, value),)),)
        return lambda _: fakes.FakeAnswer(series, ResultType.SCALAR)

    bench = Bench(fakes, clock, {"aaa": scalar("2"), "bbb": scalar("5")})
    answer = await bench.query("scalar(sum(x))", aggregation=Aggregation.MAX)
    assert values(answer.results[0]) == [({}, "5")]
