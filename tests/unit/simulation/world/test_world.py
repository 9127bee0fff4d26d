import json
from importlib.resources import files

import pytest

from aiops_mcp.models.cluster import SIMULATED_LABEL, ClusterType
from aiops_mcp.promql.tree import Matcher
from aiops_mcp.simulation.alerting import AlertBook
from aiops_mcp.simulation.promql import Engine
from aiops_mcp.simulation.store import RETENTION_MS
from aiops_mcp.simulation.world import World, fixed_clock

NOW = 1_764_050_000.0
NOW_MS = int(NOW * 1000)


def named(name: str) -> tuple[Matcher, ...]:
    return (Matcher("__name__", "=", name),)


@pytest.fixture(scope="module")
def world() -> World:
    return World(1, (), fixed_clock(NOW))


def ask(world: World, cluster: str, query: str, at: int = NOW_MS):
    vector = Engine(world.store(cluster)).instant(query, at).value
    return {
        tuple(sorted((k, v) for k, v in dict(labels).items())): float(row[0])
        for labels, row in zip(vector.labels, vector.values, strict=True)
    }


def test_the_fleet_is_as_large_and_varied_as_promised(world):
    specs = [cluster.spec for cluster in world.clusters.values()]
    assert len(specs) == 15
    assert {spec.type for spec in specs} == set(ClusterType)
    assert sum(spec.gpu_nodes > 0 for spec in specs) == 3
    assert sum(bool(spec.gpu and spec.gpu.mig) for spec in specs) == 1
    assert [spec.name for spec in specs if spec.away] == ["tower-18"]
    assert [spec.name for spec in specs if spec.flaps] == ["tower-42"]
    assert sum(len(cluster.inventory.nodes) for cluster in world.clusters.values()) == 63
    pods = [pod for cluster in world.clusters.values() for pod in cluster.pods_at(NOW)]
    assert 400 <= len(pods) <= 600
    assert len({pod.uid for pod in pods}) == len(pods)
    for cluster in world.clusters.values():
        names = {(pod.namespace, pod.name) for pod in cluster.inventory.pods}
        assert len(names) == len(cluster.inventory.pods)


def test_the_same_seed_makes_the_same_world_and_another_seed_another():
    def told(seed):
        world = World(seed, (), fixed_clock(NOW))
        blocks = world.store("prod-virginia").select(
            named("container_cpu_usage_seconds_total"), NOW_MS - 600_000, NOW_MS
        )
        return [(block.labels, block.values.tolist()) for block in blocks]

    assert told(5) == told(5)
    assert told(5) != told(6)


def test_every_cluster_has_some_four_hundred_metrics_with_type_and_help(world):
    for name in world.names:
        metadata = world.store(name).metadata()
        assert len(metadata) > 360
        assert all(
            one.help and one.type in ("counter", "gauge", "histogram") for one in metadata.values()
        )
    assert "DCGM_FI_DEV_GPU_TEMP" in world.store("ml-oregon").metadata()
    assert "DCGM_FI_DEV_GPU_TEMP" not in world.store("prod-virginia").metadata()


def test_a_day_of_history_is_there_at_once_and_nothing_of_the_future(world):
    store = world.store("tower-17")
    blocks = store.select(named("node_load1"), NOW_MS - 86_400_000, NOW_MS + 3_600_000)
    (block,) = blocks
    assert len(block.timestamps) == 86_400_000 // 15_000
    assert block.timestamps[-1] <= NOW_MS < block.timestamps[-1] + 15_000
    assert set((block.timestamps[1:] - block.timestamps[:-1]).tolist()) == {15_000}
    old = store.select(named("node_load1"), 0, NOW_MS - RETENTION_MS - 60_000)
    assert not old


def test_counters_never_fall_and_rate_agrees_with_what_the_pod_uses(world):
    store = world.store("prod-frankfurt")
    for block in store.select(
        named("container_cpu_usage_seconds_total"), NOW_MS - 7_200_000, NOW_MS
    ):
        assert block.missing is None or not block.missing.any()
        assert (block.values[:, 1:] >= block.values[:, :-1]).all()
    cores = ask(
        world,
        "prod-frankfurt",
        'sum(rate(container_cpu_usage_seconds_total{namespace="shop"}[1d]))',
    )
    used = sum(
        pod.work.cpu
        for pod in world.clusters["prod-frankfurt"].pods_at(NOW)
        if pod.namespace == "shop" and pod.work.kind != "CronJob"
    )
    assert cores[()] == pytest.approx(used, rel=0.1)


def test_histograms_add_up_and_their_median_is_the_services_latency(world):
    buckets = ask(
        world,
        "prod-frankfurt",
        'sum by (le) (rate(http_request_duration_seconds_bucket{service="cart"}[10m]))',
    )
    by_bound = sorted(buckets.items(), key=lambda item: float(dict(item[0])["le"]))
    rates = [value for _, value in by_bound]
    assert all(b >= a - 1e-6 for a, b in zip(rates, rates[1:], strict=False))
    assert rates[0] < rates[-1] / 4
    count = ask(
        world,
        "prod-frankfurt",
        'sum(rate(http_request_duration_seconds_count{service="cart"}[10m]))',
    )
    assert rates[-1] == pytest.approx(count[()], rel=1e-6)
    median = ask(
        world,
        "prod-frankfurt",
        'histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{service="cart"}[10m])))',
    )
    assert median[()] == pytest.approx(0.012, rel=0.25)


def test_all_targets_are_up_and_series_of_one_scrape_share_their_timestamps(world):
    up = ask(world, "prod-frankfurt", "up")
    assert set(up.values()) == {1.0}
    jobs = {dict(labels)["job"] for labels in up}
    assert {"kube-state-metrics", "kubelet", "node-exporter", "apiserver", "etcd", "cart"} <= jobs
    store = world.store("prod-frankfurt")
    seen = {}
    for name in ("node_load1", "node_memory_MemTotal_bytes"):
        for block in store.select(named(name), NOW_MS - 60_000, NOW_MS):
            for labels in block.labels:
                seen.setdefault(dict(labels)["instance"], set()).add(
                    tuple(block.timestamps.tolist())
                )
    assert all(len(stamps) == 1 for stamps in seen.values())


def test_series_lists_labels_without_generating_samples(world):
    store = world.store("dev-dublin")
    labels = list(store.series(named("kube_pod_info"), 0, 2**53))
    assert len(labels) == len(world.clusters["dev-dublin"].inventory.pods)
    by_regex = list(
        store.series((Matcher("__name__", "=~", "node_load.+"),), NOW_MS - 60_000, NOW_MS)
    )
    assert len(by_regex) == 3 * 4
    assert not list(store.series(named("no_such_metric"), 0, NOW_MS))


def test_recorded_series_are_what_their_rule_says(world):
    store = world.store("dev-dublin")
    store.add_computed(AlertBook(store, world.now))
    recorded = ask(world, "dev-dublin", "cluster:node_cpu:ratio_rate5m")
    by_hand = ask(
        world,
        "dev-dublin",
        'sum(rate(node_cpu_seconds_total{mode!="idle",mode!="iowait",mode!="steal"}[5m]))'
        " / count(sum by (instance, cpu) (node_cpu_seconds_total))",
    )
    assert list(recorded.values()) == pytest.approx(list(by_hand.values()), rel=0.05)


def test_names_of_data_files_are_unique_and_readable():
    root = files("aiops_mcp.simulation")
    assert json.dumps(
        sorted(one.name for one in root.iterdir() if one.name.endswith(".yaml"))
    ) == json.dumps(["catalogue.yaml", "fleet.yaml", "log_texts.yaml", "rules.yaml"])


def test_registrations_are_simulated_and_reachable_only_in_process(fleet_with):
    fleet = fleet_with()
    registrations = fleet.registrations()
    assert len(registrations) == 15
    for new, credentials in registrations:
        assert new.labels[SIMULATED_LABEL] == "true"
        assert credentials.token.get_secret_value().startswith("sim-admin-")
        assert fleet.transport(new.api_server_url) is not None
    assert len({credentials.token.get_secret_value() for _, credentials in registrations}) == 15
    assert fleet.transport("https://api.unknown.sim.invalid:6443") is None
    assert fleet.transport("https://api.example.com") is None
