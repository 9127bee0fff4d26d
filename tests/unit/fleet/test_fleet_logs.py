"""The fleet's logs over fakes of Loki and of the Kubernetes API."""

import asyncio
from dataclasses import dataclass, field

import pytest

from aiops_mcp.backends.loki_answers import IndexStats, LogLine, LogStream, LokiAnswer
from aiops_mcp.backends.loki_tenants import tenancy
from aiops_mcp.errors import (
    BackendRefused,
    BackendUnauthorized,
    ClusterNotFound,
    ClusterUnreachable,
    InputError,
    InvalidLogql,
    LokiNotAvailable,
    QueryTooExpensive,
)
from aiops_mcp.fleet.logs import MAX_LIMIT, FleetLogs, LogRange
from aiops_mcp.models.cluster import ClusterEndpoints, ClusterState
from aiops_mcp.models.coverage import AnswerStatus
from aiops_mcp.models.logs import LogDirection, LogSource
from aiops_mcp.models.metrics import ResultType, Series
from aiops_mcp.models.principal import LOCAL_ADMIN, Principal, Role
from aiops_mcp.settings import Settings

SHOP = '{namespace="shop"}'
SECOND = 10**9
FORWARD = LogDirection.FORWARD


@dataclass
class FakeLoki:
    """Holds ``lines`` as (labels, ns, text) and answers as Loki does; ``faults`` by method."""

    lines: list = field(default_factory=list)
    series: tuple = ()
    covered: int = 0
    tenancy: object = field(default_factory=lambda: tenancy("http://loki"))
    names: tuple = ("app", "namespace", "pod")
    faults: dict = field(default_factory=dict)
    refused: tuple = ()
    calls: list = field(default_factory=list)

    def _asked(self, what, tenant, *more):
        self.calls.append((what, tenant, *more))
        if tenant in self.refused:
            raise BackendUnauthorized(f"{tenant} no", http_status=403)
        if what in self.faults:
            raise self.faults[what]

    async def query_range(self, query, *, start, end, limit=100, direction=None, step=None,
                          tenant=None, timeout=None):  # fmt: skip
        self._asked("range", tenant, query, start, end, limit, step)
        if step is not None:
            return LokiAnswer(series=self.series, result_type=ResultType.MATRIX)
        found = sorted((one for one in self.lines if start <= one[1] < end), key=lambda one: one[1])
        picked = found[:limit] if direction is FORWARD else found[::-1][:limit]
        return LokiAnswer(
            tuple(LogStream(labels, [LogLine(ns, text, {})]) for labels, ns, text in picked)
        )

    async def query(self, query, *, time, limit=100, tenant=None, timeout=None):
        self._asked("instant", tenant, query, time)
        return LokiAnswer(series=self.series, result_type=ResultType.VECTOR)

    async def labels(self, *, start=None, end=None, query=None, tenant=None):
        self._asked("labels", tenant, query)
        return self.names

    async def label_values(self, name, *, start=None, end=None, query=None, tenant=None):
        self._asked("values", tenant, name, query)
        return ("shop", f"of-{tenant}")

    async def index_stats(self, selector, *, start, end, tenant=None):
        self._asked("stats", tenant, selector)
        return IndexStats(self.covered)

    async def aclose(self):
        pass

    def of(self, what):
        return [call for call in self.calls if call[0] == what]


@dataclass
class FakeKubernetes:
    """``logs`` are texts by (pod, previous); an exception is raised in place of a text."""

    pods: list
    logs: dict = field(default_factory=dict)
    reads: list = field(default_factory=list)
    most_at_once: int = 0
    _open: int = 0

    async def list(self, path, *, namespace=None, **_):
        assert path == "pods"
        return [pod for pod in self.pods if namespace in (None, pod["metadata"]["namespace"])]

    async def pod_logs(self, namespace, pod, *, container, previous, **params):
        self.reads.append((namespace, pod, container, previous, params))
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        await asyncio.sleep(0)
        self._open -= 1
        found = self.logs.get((pod, previous), "")
        if isinstance(found, Exception):
            raise found
        return found

    async def aclose(self):
        pass


def pod(name, namespace="shop", app="cart", *, restarts=0, ready=True, waiting=False):
    state = {"waiting": {"reason": "ContainerCreating"}} if waiting else {"running": {}}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app}},
        "spec": {"containers": [{"name": app}], "nodeName": "node-1"},
        "status": {
            "containerStatuses": [
                {"name": app, "restartCount": restarts, "ready": ready, "state": state}
            ]
        },
    }


@pytest.fixture
def build(fakes, clock):
    """``build(loki_or_kubernetes_by_name)``: the logs of such a fleet, and its names."""

    @dataclass
    class Connect(fakes.FakeConnect):
        async def loki(self, cluster, credentials, url):
            return self._get("loki", cluster, credentials)

    def made(backends, state=ClusterState.ONLINE, **settings):
        clusters, connect = [], Connect()
        for name, backend in backends.items():
            has_loki = isinstance(backend, FakeLoki)
            ends = ClusterEndpoints(loki_url="http://loki" if has_loki else None)
            clusters.append(fakes.cluster(name, state=state, endpoints=ends))
            connect.clients["loki" if has_loki else "kubernetes", name] = backend
        fleet = fakes.make_fleet(clusters, clock, connect, **settings)
        return FleetLogs(fleet, Settings(_env_file=None, **settings), clock.wall)

    return made


@pytest.fixture
def now(clock):
    return int(clock.now.timestamp()) * SECOND


async def ask(logs, query=SHOP, principal=LOCAL_ADMIN, selection=(), **within):
    return await logs.query(
        query, principal=principal, selection=selection, within=LogRange(**within)
    )


def messages(answer):
    return [entry.message for entry in answer.entries]


async def test_lines_of_two_stores_merge_by_nanosecond(build, now):
    one = FakeLoki([({"app": "a"}, now - 3, "a3"), ({"app": "a"}, now - 1, "a1")])
    two = FakeLoki([({"app": "b"}, now - 2, "b2")])
    answer = await ask(build({"edge-1": one, "edge-2": two}))
    assert messages(answer) == ["a1", "b2", "a3"]
    assert [entry.timestamp for entry in answer.entries] == [now - 1, now - 2, now - 3]
    assert not answer.truncated
    assert [(each.cluster_name, each.source, each.lines) for each in answer.results] == [
        ("edge-1", LogSource.LOKI, 2),
        ("edge-2", LogSource.LOKI, 1),
    ]
    assert messages(await ask(build({"edge-1": one, "edge-2": two}), direction=FORWARD)) == [
        "a3",
        "b2",
        "a1",
    ]


@pytest.mark.parametrize("direction", list(LogDirection))
async def test_pages_meet_without_gap_or_repetition(build, now, direction):
    stores = {
        name: FakeLoki([({"pod": name}, now - 50 + number // 3, f"{name}-{number}")
                        for number in range(40)])
        for name in ("edge-1", "edge-2", "edge-3")
    }  # fmt: skip
    logs, seen, cursor = build(stores), [], None
    while True:
        answer = await ask(logs, limit=7, direction=direction, cursor=cursor)
        seen += messages(answer)
        cursor = answer.cursor
        if not answer.truncated:
            break
    assert cursor is None
    assert sorted(seen) == sorted(text for store in stores.values() for _, _, text in store.lines)
    assert len(seen) == len(set(seen)) == 120


async def test_one_line_more_than_the_limit_is_asked_and_never_more_than_loki_gives(build, now):
    store = FakeLoki([({"app": "a"}, now - 1 - number, str(number)) for number in range(3)])
    answer = await ask(build({"edge-1": store}), limit=2)
    assert store.of("range")[0][5] == 3
    assert (messages(answer), answer.truncated) == (["0", "1"], True)
    await ask(build({"edge-1": store}), limit=MAX_LIMIT)
    assert store.of("range")[-1][5] == MAX_LIMIT


async def test_copies_that_fill_an_answer_do_not_hide_that_there_is_more(build, now):
    store = FakeLoki([({"app": "a"}, now - 1, "same")] * 9)
    answer = await ask(build({"edge-1": store}), limit=2)
    assert (messages(answer), answer.duplicates_folded) == (["same"], 2)
    assert (answer.truncated, answer.cursor) == (True, f"{now - 1}.1")
    store.lines.append(({"app": "a"}, now - 2, "older"))
    logs, cursor, seen = build({"edge-1": store}), answer.cursor, []
    for _ in range(3):
        page = await ask(logs, limit=2, cursor=cursor)
        seen, cursor = seen + messages(page), page.cursor
        if not page.truncated:
            break
    assert (seen, cursor) == (["older"], None)


async def test_more_equal_times_than_can_be_asked_for_are_stepped_past(build, now):
    store = FakeLoki([({"app": "a"}, now - 10, "old")])
    logs = build({"edge-1": store})
    answer = await ask(logs, cursor=f"{now - 5}.{MAX_LIMIT}")
    assert store.of("range")[0][4] == now - 5
    assert messages(answer) == ["old"]
    await ask(logs, cursor=f"{now - 5}.1")
    assert store.of("range")[1][4] == now - 4


async def test_a_store_that_is_away_is_named_and_the_rest_answers(build, now):
    stores = {
        "edge-1": FakeLoki([({}, now - 1, "x")]),
        "edge-2": FakeLoki(faults={"range": ClusterUnreachable("gone")}),
    }
    answer = await ask(build(stores))
    assert messages(answer) == ["x"]
    assert answer.warnings[0] == "PARTIAL_RESULTS"
    assert [(each.cluster_name, each.code) for each in answer.coverage.failures] == [
        ("edge-2", "CLUSTER_UNREACHABLE")
    ]
    assert [each.status for each in answer.results] == [AnswerStatus.SUCCESS, AnswerStatus.ERROR]
    del stores["edge-1"]
    with pytest.raises(ClusterUnreachable, match="gone"):
        await ask(build(stores))


async def test_what_loki_says_of_a_query_is_the_callers_error(build):
    store = FakeLoki(faults={"range": InvalidLogql("parse error at line 1, col 3")})
    with pytest.raises(InvalidLogql, match="col 3"):
        await ask(build({"edge-1": store}))


async def test_a_caller_sees_its_own_clusters_only(build, now):
    stores = {name: FakeLoki([({}, now - 1, name)]) for name in ("edge-1", "edge-2")}
    confined = Principal(subject="v", role=Role.VIEWER, clusters=frozenset({"edge-2"}))
    answer = await ask(build(stores), principal=confined)
    assert messages(answer) == ["edge-2"]
    assert stores["edge-1"].calls == []
    with pytest.raises(ClusterNotFound):
        await ask(build(stores), principal=confined, selection=("edge-1",))


async def test_what_covers_too_many_bytes_is_refused_before_it_is_asked(build, now):
    store = FakeLoki([({}, now - 1, "x")], covered=3_000)
    with pytest.raises(QueryTooExpensive, match="about 3 kB") as refused:
        await ask(build({"edge-1": store}, log_max_bytes=1_000))
    assert 'start_time="-15m"' in refused.value.hint
    assert store.of("range") == []
    assert messages(await ask(build({"edge-1": store}, log_max_bytes=3_000))) == ["x"]


async def test_the_estimate_is_of_the_clusters_own_words(build):
    store = FakeLoki(covered=2_000, names=("kubernetes_namespace_name",))
    with pytest.raises(QueryTooExpensive):
        await ask(build({"edge-1": store}, log_max_bytes=1_000))
    assert store.of("stats")[0][2] == '{kubernetes_namespace_name="shop"}'


async def test_a_store_that_does_not_tell_its_size_is_asked_all_the_same(build, now):
    store = FakeLoki([({}, now - 1, "x")], faults={"stats": BackendRefused("no", http_status=500)})
    logs = build({"edge-1": store}, log_max_bytes=1, breaker_failures=1)
    for _ in range(4):  # nor does it pass for ill
        assert messages(await ask(logs)) == ["x"]


async def test_label_names_that_cannot_be_read_do_not_stop_a_query(build, now):
    store = FakeLoki([({}, now - 1, "x")], faults={"labels": BackendRefused("no", http_status=403)})
    assert messages(await ask(build({"edge-1": store}))) == ["x"]


@pytest.mark.parametrize(
    ("within", "says"),
    [
        ({"start": 2, "end": 1}, "not before"),
        ({"cursor": "soon"}, "not a cursor"),
        ({"cursor": "1.2.3"}, "not a cursor"),
    ],
)
async def test_ranges_and_cursors_that_cannot_be(build, within, says):
    with pytest.raises(InputError, match=says):
        await ask(build({"edge-1": FakeLoki()}), **within)


async def test_tenants_of_a_gateway_are_one_answer(build, now):
    gateway = tenancy("https://gw/api/logs/v1/application")
    store = FakeLoki([({"app": "a"}, now - 1, "x")], tenancy=gateway)
    answer = await ask(build({"edge-1": store}))
    assert {call[1] for call in store.of("range")} == {"application", "infrastructure"}
    assert (messages(answer), answer.duplicates_folded, answer.entries[0].copies) == (["x"], 1, 2)
    await ask(build({"edge-1": store}), tenant="audit")
    assert store.of("range")[-1][1] == "audit"
    with pytest.raises(InputError, match="no tenant 'other'"):
        await ask(build({"edge-1": store}), tenant="other")


async def test_a_tenant_that_may_not_be_read_is_said_where_another_answers(build, now):
    gateway = tenancy("https://gw/api/logs/v1/application")
    store = FakeLoki([({}, now - 1, "x")], tenancy=gateway, refused=("infrastructure",))
    answer = await ask(build({"edge-1": store}))
    assert messages(answer) == ["x"]
    assert any("infrastructure was not read" in text for text in answer.warnings)
    assert answer.results[0].status is AnswerStatus.PARTIAL
    store.refused = ("infrastructure", "application")
    with pytest.raises(BackendUnauthorized):
        await ask(build({"edge-1": store}))


RATE = f"sum by (app) (rate({SHOP}[5m]))"
POINTS = (Series(metric={"app": "cart"}, values=((1.0, "2"),)),)


async def test_a_metric_query_is_asked_at_one_moment_or_over_a_range(build, now):
    store = FakeLoki(series=POINTS)
    logs = build({"edge-1": store, "pods-1": FakeKubernetes([])})
    at_once = await ask(logs, RATE)
    assert store.of("instant")[0][2:] == (RATE, now)
    assert at_once.metric.results[0].data == POINTS
    assert at_once.metric.start_time is None
    assert at_once.coverage.skipped == ("pods-1 (no Loki for a metric query)",)
    assert at_once.warnings == ()
    ranged = await ask(logs, RATE, start=now - 3600 * SECOND)
    assert store.of("range")[0][6] == ranged.metric.step_seconds == 60
    assert ranged.metric.results[0].result_type is ResultType.MATRIX
    stepped = await ask(logs, RATE, step=300.0)
    assert stepped.metric.step_seconds == 300


async def test_a_metric_query_without_any_loki_is_refused_at_once(build):
    with pytest.raises(LokiNotAvailable, match="needs a Loki"):
        await ask(build({"pods-1": FakeKubernetes([pod("cart-1")])}), RATE)


async def test_series_of_two_tenants_are_told_apart(build):
    gateway = tenancy("https://gw/api/logs/v1")
    store = FakeLoki(series=POINTS, tenancy=gateway)
    answer = await ask(build({"edge-1": store}), RATE)
    assert [one.metric["tenant"] for one in answer.metric.results[0].data] == [
        "application",
        "infrastructure",
    ]


# --- clusters without Loki ------------------------------------------------------------------


def stamped(*pairs):
    return "".join(f"2026-03-01T11:59:{second:02d}.000000001Z {text}\n" for second, text in pairs)


async def test_pods_answer_where_there_is_no_loki(build, now):
    kubernetes = FakeKubernetes(
        [pod("cart-1"), pod("cart-2"), pod("web-1", app="web"), pod("x-1", namespace="other")],
        {
            ("cart-1", False): stamped((10, "an error"), (11, "fine")),
            ("cart-2", False): stamped((12, "level=error msg=boom")),
        },
    )
    logs = build({"pods-1": kubernetes})
    answer = await ask(logs, '{namespace="shop", app="cart"} |= "error"')
    assert messages(answer) == ["level=error msg=boom", "an error"]
    assert answer.entries[0].stream == {
        "namespace": "shop",
        "pod": "cart-2",
        "container": "cart",
        "app": "cart",
        "node": "node-1",
    }
    assert answer.entries[0].timestamp % SECOND == 1
    assert answer.results[0].source is LogSource.PODS
    assert [read[1] for read in kubernetes.reads] == ["cart-1", "cart-2"]
    assert kubernetes.reads[0][4]["timestamps"] is True
    assert kubernetes.reads[0][4]["limit_bytes"] == 4_000_000
    by_level = await ask(logs, '{namespace="shop", level="error"}')
    assert messages(by_level) == ["level=error msg=boom"]


async def test_only_so_many_pods_are_read_those_with_trouble_first(build):
    pods = [pod(f"cart-{number}") for number in range(30)]
    pods += [pod("cart-sick", restarts=7, ready=False)]
    kubernetes = FakeKubernetes(pods)
    answer = await ask(build({"pods-1": kubernetes}, log_max_pods=10), SHOP)
    read = [each[1] for each in kubernetes.reads if not each[3]]
    assert (len(read), read[0]) == (10, "cart-sick")
    assert kubernetes.most_at_once <= 8
    assert any("31 containers fit, 10 were read" in text for text in answer.warnings)


async def test_last_words_of_the_container_before_are_read_too(build):
    kubernetes = FakeKubernetes(
        [pod("cart-1", restarts=1)],
        {
            ("cart-1", True): stamped((5, "fatal: no memory")),
            ("cart-1", False): stamped((9, "started")),
        },
    )
    assert messages(await ask(build({"pods-1": kubernetes}))) == ["started", "fatal: no memory"]
    kubernetes.logs["cart-1", True] = BackendRefused("not found", http_status=400)
    assert messages(await ask(build({"pods-1": kubernetes}))) == ["started"]


async def test_a_pod_that_cannot_be_read_is_named_and_all_of_them_are_a_failure(build):
    refusal = BackendRefused("container is waiting", http_status=400)
    kubernetes = FakeKubernetes(
        [pod("cart-1"), pod("cart-2")],
        {("cart-1", False): stamped((1, "x")), ("cart-2", False): refusal},
    )
    answer = await ask(build({"pods-1": kubernetes}))
    assert messages(answer) == ["x"]
    assert any("shop/cart-2" in text and "waiting" in text for text in answer.warnings)
    kubernetes.logs["cart-1", False] = refusal
    with pytest.raises(BackendRefused, match="waiting"):
        await ask(build({"pods-1": kubernetes}))


async def test_of_more_lines_than_wanted_the_newest_or_the_oldest_are_kept(build):
    text = stamped(*((second, str(second)) for second in range(10)))
    logs = build({"pods-1": FakeKubernetes([pod("cart-1")], {("cart-1", False): text})})
    newest, oldest = await ask(logs, limit=2), await ask(logs, limit=2, direction=FORWARD)
    assert (messages(newest), newest.truncated) == (["9", "8"], True)
    assert (messages(oldest), oldest.truncated) == (["0", "1"], True)


async def test_what_has_never_run_is_not_asked(build):
    kubernetes = FakeKubernetes([pod("cart-1", waiting=True)])
    assert messages(await ask(build({"pods-1": kubernetes}))) == []
    assert kubernetes.reads == []


async def test_a_part_that_was_read_is_said_to_be_one(build):
    kubernetes = FakeKubernetes([pod("cart-1")], {("cart-1", False): stamped((1, "y" * 2000))})
    answer = await ask(build({"pods-1": kubernetes}, log_pod_bytes=1024))
    assert any("only a part was read" in text for text in answer.warnings)


async def test_pods_refuse_what_they_cannot_answer_and_others_answer(build, now):
    stores = {"edge-1": FakeLoki([({}, now - 1, "x")]), "pods-1": FakeKubernetes([pod("cart-1")])}
    answer = await ask(build(stores), SHOP + " | json")
    assert messages(answer) == ["x"]
    assert answer.coverage.failures == ()
    assert answer.coverage.skipped == ("pods-1 (no Loki for | json)",)
    assert [each.cluster_name for each in answer.results] == ["edge-1"]
    with pytest.raises(LokiNotAvailable, match="cannot be asked with | logfmt"):
        await ask(build({"pods-1": FakeKubernetes([])}), SHOP + " | logfmt")


async def test_an_end_in_the_past_reads_from_the_start(build, now):
    kubernetes = FakeKubernetes(
        [pod("cart-1")], {("cart-1", False): stamped((10, "early"), (50, "late"))}
    )
    logs = build({"pods-1": kubernetes})
    answer = await ask(logs, end=now - 30 * SECOND)
    assert messages(answer) == ["early"]
    assert kubernetes.reads[0][4]["tail_lines"] is None
    await ask(logs)
    assert kubernetes.reads[1][4]["tail_lines"] == 101


# --- names ----------------------------------------------------------------------------------


async def test_label_names_and_values_of_both_sources(build):
    stores = {"edge-1": FakeLoki(), "pods-1": FakeKubernetes([pod("cart-1"), pod("web-1", "web")])}
    logs = build(stores)
    names = await logs.labels(principal=LOCAL_ADMIN)
    assert names.clusters == {"app": 2, "container": 1, "namespace": 2, "node": 1, "pod": 2}
    values = await logs.labels("namespace", principal=LOCAL_ADMIN)
    assert values.clusters == {"of-None": 1, "shop": 2, "web": 1}
    await logs.labels("namespace", principal=LOCAL_ADMIN)
    assert len(stores["edge-1"].of("values")) == 1  # the second came from the cache
    only = await logs.labels("pod", principal=LOCAL_ADMIN, query='{namespace="web"}')
    assert "cart-1" not in only.names
    assert "web-1" in only.names


async def test_values_are_asked_under_the_clusters_own_name(build):
    store = FakeLoki(names=("k8s_namespace_name", "k8s_pod_name"))
    await build({"edge-1": store}).labels("namespace", principal=LOCAL_ADMIN, query='{pod="x"}')
    assert store.of("values")[0][2:] == ("k8s_namespace_name", '{k8s_pod_name="x"}')
