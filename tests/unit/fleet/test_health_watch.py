import asyncio
from datetime import timedelta

import pytest

from aiops_mcp.errors import (
    BackendRefused,
    BackendUnauthorized,
    ClusterNotFound,
    ClusterUnreachable,
    DiscoveryFailed,
    StorageFailed,
)
from aiops_mcp.fleet import health
from aiops_mcp.fleet.access import Clients
from aiops_mcp.fleet.checkup import look_at
from aiops_mcp.fleet.health import Finding, Reachability
from aiops_mcp.fleet.shards import SHARDS, Shards
from aiops_mcp.fleet.watcher import Watcher
from aiops_mcp.models.cluster import (
    ClusterEndpoints,
    ClusterState,
    ClusterType,
    Connectivity,
    Platform,
)
from aiops_mcp.settings import Settings

OK, DOWN = Finding(healthy=True), Finding(False, False, "refused")


@pytest.mark.parametrize(
    ("findings", "state", "score"),
    [
        ({"API server": OK}, ClusterState.ONLINE, 100),
        ({"API server": OK, "Prometheus": OK, "Loki": OK}, ClusterState.ONLINE, 100),
        ({"API server": OK, "Prometheus": DOWN}, ClusterState.DEGRADED, 80),
        ({"API server": OK, "Tempo": DOWN}, ClusterState.DEGRADED, 85),
        ({"API server": OK, "Loki": DOWN}, ClusterState.DEGRADED, 85),
        ({"API server": DOWN}, ClusterState.OFFLINE, 50),
        ({"API server": DOWN, "Prometheus": OK}, ClusterState.OFFLINE, 50),
        (dict.fromkeys(health.WEIGHTS, DOWN), ClusterState.OFFLINE, 0),
        ({"API server": Finding(False, True, "401")}, ClusterState.DEGRADED, 50),
    ],
)
def test_score_and_state(fakes, findings, state, score):
    status = health.status_of(findings, Connectivity.CONNECTED, fakes.NOW)
    assert (status.state, status.health_score) == (state, score)
    assert status.checked_at == fakes.NOW
    assert status.api_server_healthy is findings["API server"].healthy
    assert status.tempo_healthy is (findings["Tempo"].healthy if "Tempo" in findings else None)


def test_what_fails_is_told(fakes):
    findings = {"API server": OK, "Prometheus": DOWN, "Loki": Finding(healthy=False)}
    status = health.status_of(findings, Connectivity.CONNECTED, fakes.NOW)
    assert status.last_error == "Prometheus: refused; Loki: not healthy"
    assert (
        health.status_of({"API server": OK}, Connectivity.CONNECTED, fakes.NOW).last_error is None
    )


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ("1", Connectivity.CONNECTED),
        ("0", Connectivity.DISCONNECTED),
        ("1110", Connectivity.DISCONNECTED),
        ("0111", Connectivity.CONNECTED),
        ("1011", Connectivity.CONNECTED),
        ("1010", Connectivity.INTERMITTENT),
        ("0101", Connectivity.INTERMITTENT),
        ("10101111111", Connectivity.INTERMITTENT),
        ("101011111111", Connectivity.CONNECTED),
    ],
)
def test_connectivity(checks, expected):
    reachability = Reachability()
    for check in checks[:-1]:
        reachability.saw(check == "1")
    assert reachability.saw(checks[-1] == "1") is expected


class Kubernetes:
    """An API server that does what ``ready`` says, and has nothing in it."""

    def __init__(self, ready=None, delay=0.0):
        self.result = ready
        self.delay = delay
        self.checks = []
        self.lists = 0
        self.refuse_lists = False

    async def ready(self):
        self.checks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.delay)
        if self.result:
            raise self.result

    async def list(self, path):
        self.lists += 1
        if self.refuse_lists:
            raise BackendRefused("no", http_status=403)
        return []

    async def get(self, path):
        raise BackendRefused("no", http_status=403)

    async def version(self):
        if self.refuse_lists:
            raise BackendRefused("no", http_status=403)
        return {"gitVersion": "v1.33.1"}

    async def aclose(self):
        pass


class Registry:
    def __init__(self, clusters):
        self.clusters = list(clusters)
        self.statuses = []
        self.capabilities = []
        self.revisions = {}
        self.credentials = {}
        self.fail = None
        self.changed = asyncio.Event()

    async def list(self, principal):
        assert principal.clusters is None
        return tuple(self.clusters)

    async def access_revision(self, cluster_id):
        return self.revisions.get(cluster_id, 0)

    async def credentials_info(self, cluster_id):
        return self.credentials.get(cluster_id)

    async def load_credentials(self, cluster_id):
        return self.credentials[cluster_id]

    async def set_status(self, cluster_id, status, latency_ms=None, seen=False):
        if self.fail:
            raise self.fail
        name = next(c.name for c in self.clusters if c.id == cluster_id)
        self.statuses.append((asyncio.get_running_loop().time(), name, status, latency_ms, seen))

    async def set_capabilities(self, cluster_id, capabilities, **found):
        self.capabilities.append((cluster_id, capabilities, found))
        return self.clusters[0]


class Bench:
    def __init__(self, fakes, clock, clusters, kubernetes, *, leases=None, holder="me", **settings):
        self.registry = Registry(clusters)
        clients = {("kubernetes", c.name): kubernetes[c.name] for c in clusters}
        self.clients = Clients(self.registry, fakes.FakeConnect(clients), clock.monotonic)
        shards = Shards(leases, purpose="health", holder=holder, clock=clock.wall)
        self.watcher = Watcher(
            self.registry,
            self.clients,
            Settings(_env_file=None, **settings),
            clock=clock.wall,
            shards=shards,
            chance=lambda: 0.5,
        )

    async def run_for(self, seconds):
        task = asyncio.create_task(self.watcher.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def of(self, name):
        return [entry for entry in self.registry.statuses if entry[1] == name]


def bare(fakes, name, kind=ClusterType.SPOKE, **more):
    return fakes.cluster(name, kind, ClusterState.UNKNOWN, endpoints=ClusterEndpoints(**more))


async def test_every_tier_is_checked_at_its_own_pace_without_drift(fakes, clock):
    kinds = {
        "hub-1": (ClusterType.HUB, 15),
        "spoke-1": (ClusterType.SPOKE, 30),
        "edge-1": (ClusterType.EDGE, 60),
        "far-1": (ClusterType.FAR_EDGE, 120),
    }
    clusters = [bare(fakes, name, kind) for name, (kind, _) in kinds.items()]
    kubernetes = {name: Kubernetes(delay=0.7) for name in kinds}
    bench = Bench(fakes, clock, clusters, kubernetes)
    await bench.run_for(600)
    for name, (_, period) in kinds.items():
        times = kubernetes[name].checks
        assert len(times) == pytest.approx(600 / period, abs=1)
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        assert all(gap == pytest.approx(period, abs=0.01) for gap in gaps)
    assert bench.watcher.late_seconds < 0.01


async def test_a_hanging_cluster_delays_nobody(fakes, clock):
    clusters = [bare(fakes, "hang", ClusterType.FAR_EDGE), bare(fakes, "good", ClusterType.HUB)]
    kubernetes = {"hang": Kubernetes(delay=1e9), "good": Kubernetes()}
    bench = Bench(fakes, clock, clusters, kubernetes)
    await bench.run_for(120)
    assert len(kubernetes["good"].checks) == 8
    (moment, _, status, latency, seen), *_ = bench.of("hang")
    assert status.state is ClusterState.OFFLINE
    assert status.last_error == "API server: no answer within 30 s"
    assert moment - kubernetes["hang"].checks[0] == pytest.approx(30, abs=0.01)
    assert (latency, seen) == (None, False)


async def test_five_hundred_clusters_are_on_time_and_spread_at_the_start(fakes, clock):
    clusters = [bare(fakes, f"cluster-{n}") for n in range(500)]
    kubernetes = {c.name: Kubernetes(delay=0.02) for c in clusters}
    bench = Bench(fakes, clock, clusters, kubernetes)
    draws = iter(range(500))
    bench.watcher._chance = lambda: next(draws) / 500
    await bench.run_for(95)
    assert len(bench.registry.statuses) in range(1495, 1505 + 500)
    assert bench.watcher.late_seconds < 0.01
    first = sorted(k.checks[0] for k in kubernetes.values())
    assert first[-1] - first[0] == pytest.approx(10, abs=0.1)


async def test_newcomers_are_seen_within_a_second_and_the_gone_are_let_go(fakes, clock):
    clusters = [bare(fakes, "old"), bare(fakes, "new")]
    kubernetes = {c.name: Kubernetes() for c in clusters}
    bench = Bench(fakes, clock, clusters, kubernetes)
    old, new = clusters
    bench.registry.clusters = [old]
    task = asyncio.create_task(bench.watcher.run())
    await asyncio.sleep(5)
    bench.registry.clusters = [new]
    await asyncio.sleep(1.1)
    assert len(kubernetes["new"].checks) == 1
    await asyncio.sleep(100)
    assert len(kubernetes["old"].checks) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_state_follows_the_cluster(fakes, clock):
    cluster = bare(fakes, "spoke-1")
    kubernetes = Kubernetes(ClusterUnreachable("no route"))
    bench = Bench(fakes, clock, [cluster], {"spoke-1": kubernetes})
    task = asyncio.create_task(bench.watcher.run())
    await asyncio.sleep(1)
    kubernetes.result = None
    await asyncio.sleep(30)
    task.cancel()
    states = [(s.state, s.connectivity, seen) for _, _, s, _, seen in bench.registry.statuses]
    assert states == [
        (ClusterState.OFFLINE, Connectivity.DISCONNECTED, False),
        (ClusterState.ONLINE, Connectivity.CONNECTED, True),
    ]
    assert bench.registry.statuses[0][2].checked_at == clock.now


@pytest.mark.parametrize(
    "error", [StorageFailed("full"), ClusterNotFound("gone"), ZeroDivisionError()]
)
async def test_a_check_that_cannot_be_stored_does_not_end_the_watch(fakes, clock, error, caplog):
    cluster = bare(fakes, "spoke-1")
    kubernetes = Kubernetes()
    bench = Bench(fakes, clock, [cluster], {"spoke-1": kubernetes})
    bench.registry.fail = error
    await bench.run_for(65)
    assert len(kubernetes.checks) == 3


async def test_discovery_runs_when_first_reached_once_a_day_and_on_new_access(fakes, clock):
    cluster = bare(fakes, "spoke-1")
    kubernetes = Kubernetes(ClusterUnreachable("x"))
    bench = Bench(fakes, clock, [cluster], {"spoke-1": kubernetes}, discovery_every=3600)
    task = asyncio.create_task(bench.watcher.run())
    await asyncio.sleep(40)
    assert bench.registry.capabilities == []
    kubernetes.result = None
    await asyncio.sleep(60)
    assert len(bench.registry.capabilities) == 1
    _, _, found = bench.registry.capabilities[0]
    assert found["platform"] is Platform.KUBERNETES
    assert found["platform_version"] == "v1.33.1"
    await asyncio.sleep(3600)
    assert len(bench.registry.capabilities) == 2
    bench.registry.revisions[cluster.id] = 1
    await asyncio.sleep(31)
    assert len(bench.registry.capabilities) == 3
    task.cancel()


async def test_a_refused_discovery_is_tried_again_in_ten_minutes(fakes, clock):
    cluster = bare(fakes, "spoke-1")
    kubernetes = Kubernetes()
    kubernetes.refuse_lists = True
    bench = Bench(fakes, clock, [cluster], {"spoke-1": kubernetes})
    task = asyncio.create_task(bench.watcher.run())
    await asyncio.sleep(500)
    assert kubernetes.lists == 3
    await asyncio.sleep(200)
    assert kubernetes.lists == 6
    task.cancel()


async def test_refresh_checks_and_discovers_at_once(fakes, clock):
    cluster = bare(fakes, "spoke-1")
    kubernetes = Kubernetes()
    bench = Bench(fakes, clock, [cluster], {"spoke-1": kubernetes})
    status = await bench.watcher.refresh(cluster)
    assert status.state is ClusterState.ONLINE
    assert len(bench.registry.statuses) == len(bench.registry.capabilities) == 1
    kubernetes.result = ClusterUnreachable("x")
    assert (await bench.watcher.refresh(cluster)).state is ClusterState.OFFLINE
    assert len(bench.registry.capabilities) == 1
    kubernetes.result, kubernetes.refuse_lists = None, True
    with pytest.raises(DiscoveryFailed, match="spoke-1"):
        await bench.watcher.refresh(cluster)


class LeaseBook:
    def __init__(self, clock):
        self.clock = clock
        self.rows = {}
        self.fail = False

    async def acquire(self, name, holder, *, now, ttl):
        if self.fail:
            raise StorageFailed("away")
        row = self.rows.get(name)
        if row and row[0] != holder and row[1] > now:
            return False
        self.rows[name] = (holder, now + ttl)
        return True

    async def release(self, name, holder):
        if self.fail:
            raise StorageFailed("away")
        return self.rows.pop(name, None) is not None


def shards(clock, book, holder):
    return Shards(book, purpose="health", holder=holder, clock=clock.wall)


async def test_replicas_share_the_shards_and_take_over_from_the_dead(clock):
    book = LeaseBook(clock)
    one, other = shards(clock, book, "one"), shards(clock, book, "other")
    assert one.held == set()
    while await one.renew() | await other.renew():
        pass
    assert (len(one.held), len(other.held)) == (8, 8)
    assert one.held | other.held == set(range(SHARDS))
    clock.now += timedelta(seconds=29)
    await other.renew()
    assert len(other.held) == 8
    clock.now += timedelta(seconds=2)
    for _ in range(4):
        await other.renew()
    assert len(other.held) == 16
    await one.renew()
    assert one.held == set()
    await other.release()
    await one.renew()
    assert len(one.held) == 2


async def test_a_clock_set_back_does_not_put_the_renewal_off(clock):
    book = LeaseBook(clock)
    one = shards(clock, book, "one")
    while await one.renew():
        pass
    clock.now -= timedelta(hours=1)
    book.rows.clear()  # as after another replica's clock let them run out
    await one.renew()
    assert book.rows


async def test_without_storage_nothing_is_held(clock):
    book = LeaseBook(clock)
    one = shards(clock, book, "one")
    await one.renew()
    book.fail = True
    assert await one.renew() is False
    assert one.held == set()
    one.held = {1}
    await one.release()
    assert one.held == set()


async def test_two_watchers_check_every_cluster_once(fakes, clock):
    book = LeaseBook(clock)
    clusters = [bare(fakes, f"cluster-{n}") for n in range(40)]
    kubernetes = {c.name: Kubernetes() for c in clusters}
    benches = [Bench(fakes, clock, clusters, kubernetes, leases=book, holder=name) for name in "ab"]
    await asyncio.gather(*(bench.run_for(29) for bench in benches))
    assert sorted(len(k.checks) for k in kubernetes.values()) == [1] * 40
    assert all(bench.registry.statuses for bench in benches)
    assert book.rows == {}


async def test_one_look_at_all_parts_at_once(fakes, clock):
    cluster = bare(
        fakes,
        "spoke-1",
        prometheus_url="https://p",
        loki_url="https://l",
        tempo_url="https://t",
    )

    class Part:
        def __init__(self, error=None, delay=3.0):
            self.error, self.delay = error, delay

        async def healthy(self):
            await asyncio.sleep(self.delay)
            if self.error:
                raise self.error

    connect = fakes.FakeConnect(
        {
            ("kubernetes", "spoke-1"): Kubernetes(delay=3.0),
            ("prometheus", "spoke-1"): Part(ClusterUnreachable("refused")),
            ("loki", "spoke-1"): Part(BackendRefused("503", http_status=503)),
            ("tempo", "spoke-1"): Part(delay=100),
        }
    )
    began = asyncio.get_running_loop().time()
    found = await look_at(cluster, Clients(Registry([cluster]), connect, clock.monotonic), 10.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(10, abs=0.01)
    assert list(found) == ["API server", "Prometheus", "Tempo", "Loki"]
    assert found["API server"].healthy
    assert found["API server"].latency_ms == pytest.approx(3000, abs=1)
    assert found["Prometheus"] == Finding(False, False, "refused")
    assert found["Tempo"] == Finding(False, False, "no answer within 10 s", timed_out=True)
    assert (found["Loki"].healthy, found["Loki"].reachable) == (False, True)


@pytest.mark.parametrize(("stored", "healthy"), [(None, True), ("creds", False)])
async def test_a_refusal_is_well_only_for_who_has_no_credentials(fakes, clock, stored, healthy):
    cluster = bare(fakes, "spoke-1")
    registry = Registry([cluster])
    if stored:
        registry.credentials[cluster.id] = stored
    refusal = BackendUnauthorized("401", http_status=401)
    connect = fakes.FakeConnect({("kubernetes", "spoke-1"): Kubernetes(refusal)})
    found = await look_at(cluster, Clients(registry, connect, clock.monotonic), 10.0)
    assert found["API server"].healthy is healthy
    assert found["API server"].reachable
