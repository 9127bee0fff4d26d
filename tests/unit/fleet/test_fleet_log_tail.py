"""Lines followed over fakes of Loki and of the Kubernetes API; no time passes but in the loop."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from aiops_mcp.backends.loki_answers import LogLine, LogStream, TailFrame
from aiops_mcp.backends.loki_tail import OPENED
from aiops_mcp.backends.loki_tenants import tenancy
from aiops_mcp.errors import (
    BackendRefused,
    BackendUnauthorized,
    ClusterUnreachable,
    InputError,
    QueryTimeout,
    QueryTooExpensive,
)
from aiops_mcp.fleet.log_tail import MISSED_LINES
from aiops_mcp.fleet.log_tail_queue import BATCH, TailLine, TailQueue
from aiops_mcp.fleet.logs import BACKLOG_SECONDS, FleetLogs
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.logs import TailDropped, TailLines, TailSource, TailStatus
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings

SHOP = '{namespace="shop"}'
SECOND = 10**9


def frame(*lines, dropped=0, labels=None):
    held = [LogLine(ns, text, {}) for ns, text in lines]
    return TailFrame((LogStream(labels or {"app": "a"}, held),) if held else (), dropped)


@dataclass
class TailedLoki:
    """Plays one script after the other: a frame is sent, an error raised, ``ever`` waits."""

    scripts: list
    tenancy: object = field(default_factory=lambda: tenancy("http://loki"))
    asked: list = field(default_factory=list)

    def tail(self, query, *, start=None, limit=100, delay_for=0, tenant=None):
        self.asked.append((tenant, query, start, limit))
        found = self.scripts
        if isinstance(found, dict):
            found = found[tenant]
        return self._play(found.pop(0) if found else ["ever"])

    async def _play(self, script):
        yield OPENED
        for step in script:
            if step == "ever":
                await asyncio.Event().wait()
            elif isinstance(step, Exception):
                raise step
            else:
                yield step

    async def labels(self, **_):
        return ("app", "namespace")

    async def aclose(self):
        pass


@dataclass
class FollowedKubernetes:
    """``looks`` are the pods at one look after the other; ``logs`` by pod are scripts of bytes."""

    looks: list
    logs: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def __post_init__(self):
        self.http = SimpleNamespace(stream_lines=self._stream)

    async def list(self, path, **_):
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        return [
            {
                "metadata": {"name": name, "namespace": "shop", "labels": {"app": "cart"}},
                "spec": {"containers": [{"name": "cart"}]},
            }
            for name in found
        ]

    async def _stream(self, path, params, **_):
        name = path.split("/")[-2]
        self.asked.append((name, dict(params)))
        scripts = self.logs.get(name) or []
        for step in scripts.pop(0) if scripts else ["ever"]:
            if step == "ever":
                await asyncio.Event().wait()
            elif isinstance(step, Exception):
                raise step
            else:
                yield step

    async def aclose(self):
        pass


@pytest.fixture
def now(clock):
    return int(clock.now.timestamp()) * SECOND


@pytest.fixture
def follow(fakes, clock):
    """``follow(backends, enough)``: the items until ``enough`` of them have come."""

    @dataclass
    class Connect(fakes.FakeConnect):
        async def loki(self, cluster, credentials, url):
            return self._get("loki", cluster, credentials)

    async def run(
        backends, enough: Callable = lambda _: False, query=SHOP, principal=LOCAL_ADMIN, **asked
    ):
        clusters, connect = [], Connect()
        for name, backend in backends.items():
            has_loki = isinstance(backend, TailedLoki)
            ends = ClusterEndpoints(loki_url="http://loki" if has_loki else None)
            clusters.append(fakes.cluster(name, endpoints=ends))
            connect.clients["loki" if has_loki else "kubernetes", name] = backend
        fleet = fakes.make_fleet(clusters, clock, connect)
        settings = Settings(_env_file=None, log_tail_queue=asked.pop("queue", 100))
        logs = FleetLogs(fleet, settings, clock.wall)
        items = []
        async with aclosing(logs.tail(query, principal=principal, **asked)) as found:
            async for item in found:
                items.append(item)
                if enough(items):
                    break
        return items

    return run


def lines_of(items):
    return [each.message for item in items if isinstance(item, TailLines) for each in item.entries]


def sources_of(items):
    return [(item.cluster_name, item.status) for item in items if isinstance(item, TailSource)]


def has_lines(count):
    return lambda items: len(lines_of(items)) >= count


async def test_lines_of_lokis_and_pods_come_together(follow, now):
    loki = TailedLoki([[frame((now + 1, "from loki")), "ever"]])
    pods = FollowedKubernetes([["cart-1"]], {"cart-1": [[b"2026-03-01T12:00:01Z a pod", "ever"]]})
    items = await follow({"edge-1": loki, "pods-1": pods}, has_lines(2))
    assert sorted(lines_of(items)) == ["a pod", "from loki"]
    assert set(sources_of(items)) == {
        ("edge-1", TailStatus.FOLLOWING),
        ("pods-1", TailStatus.FOLLOWING),
    }


async def test_a_lost_loki_is_named_and_goes_on_behind_its_last_line(follow, now):
    loki = TailedLoki(
        [
            [frame((now + 5, "one")), ClusterUnreachable("gone")],
            [frame((now + 9, "two")), "ever"],
        ]
    )
    items = await follow({"edge-1": loki}, has_lines(2), backlog=3)
    assert lines_of(items) == ["one", "two"]
    assert [status for _, status in sources_of(items)] == [
        TailStatus.FOLLOWING,
        TailStatus.RETRYING,
        TailStatus.FOLLOWING,
    ]
    began = now - int(BACKLOG_SECONDS) * SECOND
    assert [each[2:] for each in loki.asked] == [(began, 3), (now + 6, MISSED_LINES)]


async def test_without_lines_of_before_it_begins_now(follow, now):
    loki = TailedLoki([[frame((now, "x")), "ever"]])
    await follow({"edge-1": loki}, has_lines(1), backlog=0)
    assert loki.asked[0][2:] == (now, 1)


async def test_a_refusal_ends_its_cluster_and_the_others_go_on(follow, now):
    stores = {
        "edge-1": TailedLoki([[BackendRefused("not you", http_status=400)]]),
        "edge-2": TailedLoki([[frame((now, "x")), "ever"]]),
    }
    items = await follow(stores, lambda items: len(items) >= 4)
    assert ("edge-1", TailStatus.FAILED) in sources_of(items)
    assert "not you" in next(i.error for i in items if getattr(i, "error", None))
    assert lines_of(items) == ["x"]


async def test_it_ends_when_every_cluster_has_refused(follow):
    stores = {
        "edge-1": TailedLoki([[BackendRefused("no", http_status=400)]]),
        "pods-1": FollowedKubernetes([["cart-1"]]),
    }
    items = await follow(stores, query=SHOP + " | json")
    assert sources_of(items)[-1][1] is TailStatus.FAILED
    assert {name for name, status in sources_of(items) if status is TailStatus.FAILED} == {
        "edge-1",
        "pods-1",
    }


async def test_a_tenant_that_may_not_be_read_does_not_end_the_other(follow, now):
    loki = TailedLoki(
        {
            "application": [[frame((now, "x")), "ever"]],
            "infrastructure": [[BackendUnauthorized("no", http_status=403)]],
        },
        tenancy=tenancy("https://gw/api/logs/v1/application"),
    )
    items = await follow(
        {"edge-1": loki}, lambda items: lines_of(items) and len(sources_of(items)) == 2
    )
    told = [item.error for item in items if isinstance(item, TailSource)]
    assert told[0] is None
    assert told[1].startswith("its tenant infrastructure may not be read")
    assert lines_of(items) == ["x"]


async def test_no_tenant_that_may_be_read_is_a_refusal(follow):
    refusals = {
        name: [[BackendUnauthorized("no", http_status=403)]]
        for name in ("application", "infrastructure")
    }
    loki = TailedLoki(refusals, tenancy=tenancy("https://gw/api/logs/v1"))
    items = await follow({"edge-1": loki})
    assert sources_of(items)[-1] == ("edge-1", TailStatus.FAILED)


async def test_tenants_go_on_each_from_its_own_last_line(follow, now):
    loki = TailedLoki(
        {
            "application": [[frame((now + 100, "fast")), "ever"], ["ever"]],
            "infrastructure": [
                [frame((now + 1, "slow")), ClusterUnreachable("gone")],
                [frame((now + 2, "missed")), "ever"],
            ],
        },
        tenancy=tenancy("https://gw/api/logs/v1"),
    )
    items = await follow({"edge-1": loki}, has_lines(3))
    assert sorted(lines_of(items)) == ["fast", "missed", "slow"]
    again = {tenant: start for tenant, _, start, _ in loki.asked[2:]}
    assert again == {"application": now + 101, "infrastructure": now + 2}


async def test_what_loki_dropped_is_told(follow, now):
    loki = TailedLoki([[frame((now, "x"), dropped=7), "ever"]])
    items = await follow({"edge-1": loki}, has_lines(1))
    assert [item.count for item in items if isinstance(item, TailDropped)] == [7]


async def test_pods_that_start_later_are_followed_whole(follow):
    pods = FollowedKubernetes(
        [["cart-1"], ["cart-1", "cart-2"]],
        {
            "cart-1": [["ever"]],
            "cart-2": [[b"2026-03-01T12:00:20Z first words", "ever"]],
        },
    )
    items = await follow({"pods-1": pods}, has_lines(1), backlog=10)
    assert lines_of(items) == ["first words"]
    asked = {name: params.get("tailLines") for name, params in pods.asked}
    assert asked == {"cart-1": "10", "cart-2": None}


async def test_a_pod_whose_log_ends_or_is_silent_goes_on_where_it_was(follow):
    silent = QueryTimeout("nothing for long")
    pods = FollowedKubernetes(
        [["cart-1"]],
        {
            "cart-1": [
                [b"2026-03-01T12:00:01.000000005Z one", silent],
                [
                    b"2026-03-01T12:00:01.000000005Z one",
                    b"2026-03-01T12:00:02Z two",
                    BackendRefused("no such pod", http_status=404),
                ],
                [b"2026-03-01T12:00:03Z three", "ever"],
            ]
        },
    )
    items = await follow({"pods-1": pods}, has_lines(3))
    assert lines_of(items) == ["one", "two", "three"]
    assert [status for _, status in sources_of(items)] == [TailStatus.FOLLOWING]


async def test_an_api_server_that_goes_is_named_and_no_line_comes_twice(follow):
    pods = FollowedKubernetes(
        [["cart-1"], ClusterUnreachable("gone"), ["cart-1"]],
        {
            "cart-1": [
                [b"2026-03-01T12:00:01Z one", "ever"],
                [b"2026-03-01T12:00:01Z one", b"2026-03-01T12:00:02Z two", "ever"],
            ]
        },
    )
    items = await follow({"pods-1": pods}, has_lines(2))
    assert lines_of(items) == ["one", "two"]
    assert [status for _, status in sources_of(items)] == [
        TailStatus.FOLLOWING,
        TailStatus.RETRYING,
        TailStatus.FOLLOWING,
    ]


async def test_lines_that_the_query_does_not_want_do_not_come(follow):
    pods = FollowedKubernetes(
        [["cart-1"]],
        {"cart-1": [[b"2026-03-01T12:00:01Z fine", b"2026-03-01T12:00:02Z an error", "ever"]]},
    )
    items = await follow({"pods-1": pods}, has_lines(1), query=SHOP + ' |= "error"')
    assert lines_of(items) == ["an error"]


async def test_a_caller_follows_its_own_clusters_only(follow, now):
    stores = {name: TailedLoki([[frame((now, name)), "ever"]]) for name in ("edge-1", "edge-2")}
    confined = Principal(subject="v", role=Role.VIEWER, clusters=frozenset({"edge-2"}))
    items = await follow(stores, has_lines(1), principal=confined)
    assert lines_of(items) == ["edge-2"]
    assert stores["edge-1"].asked == []


@pytest.mark.parametrize(
    ("query", "error"),
    [(f"rate({SHOP}[5m])", InputError), ('{namespace=~".+"}', QueryTooExpensive)],
)
async def test_what_cannot_be_followed_is_refused_at_once(follow, query, error):
    loki = TailedLoki([])
    with pytest.raises(error):
        await follow({"edge-1": loki}, query=query)
    assert loki.asked == []


# --- the queue ------------------------------------------------------------------------------


@pytest.fixture
def line(fakes):
    own = fakes.cluster("edge-1")
    return lambda ns, text="x", **labels: TailLine(own, labels, ns, text, {})


async def test_the_oldest_lines_make_room_and_are_counted(line):
    queue = TailQueue(3)
    for number in range(5):
        queue.put(line(number, str(number)))
    dropped, lines = await queue.take()
    assert dropped == TailDropped(count=2)
    assert [entry.message for entry in lines.entries] == ["2", "3", "4"]
    queue.put(line(9, "9"))
    [lines] = await queue.take()
    assert [entry.message for entry in lines.entries] == ["9"]


async def test_a_batch_is_in_order_and_without_copies(line):
    queue = TailQueue(100)
    for one in (line(5, "b"), line(3, "a"), line(5, "b"), line(5, "b", replica="2")):
        queue.put(one)
    [lines] = await queue.take()
    assert [(entry.timestamp, entry.message, entry.copies) for entry in lines.entries] == [
        (3, "a", 1),
        (5, "b", 3),
    ]


async def test_what_waits_comes_in_batches_and_then_the_end(line):
    queue = TailQueue(10 * BATCH)
    for number in range(BATCH + 1):
        queue.put(line(number, str(number)))
    queue.end()
    sizes = []
    while (items := await queue.take()) is not None:
        sizes += [len(item.entries) for item in items]
    assert sizes == [BATCH, 1]
    assert await queue.take() is None


async def test_a_reader_waits_until_something_comes(line):
    queue = TailQueue(10)
    reading = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not reading.done()
    queue.lost(0)
    await asyncio.sleep(0)
    assert not reading.done()
    queue.lost(2)
    assert await reading == [TailDropped(count=2)]


def test_the_clock_of_these_tests_is_that_of_the_lines(clock):
    assert clock.now == datetime(2026, 3, 1, 12, tzinfo=UTC)
