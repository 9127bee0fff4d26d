"""The objects, the metrics and nvidia-smi of one incident tell the same story."""

import httpx2
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.promql import Engine


def client(fleet, cluster, role="admin") -> KubernetesClient:
    url = f"https://api.{cluster}.sim.invalid:6443"
    token = token_of(fleet.world.seed, cluster, role)
    target = Target(base_url=url, name="kubernetes", cluster=cluster, bearer=lambda: token)
    return KubernetesClient(HttpClient(target, transport=fleet.transport(url), retries=0))


def value(fleet, cluster, query):
    vector = Engine(fleet.world.store(cluster)).instant(query, int(fleet.world.now() * 1000)).value
    return [float(row[0]) for row in vector.values]


async def test_a_pod_killed_for_memory_looks_so_everywhere(fleet_with):
    fleet = fleet_with("oom-loop")
    api = client(fleet, "prod-frankfurt")
    pods = await api.list("/api/v1/namespaces/shop/pods", label_selector="app=recommendation")
    assert len(pods) == 2
    for pod in pods:
        (status,) = pod["status"]["containerStatuses"]
        ended = status["lastState"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
        name = pod["metadata"]["name"]
        restarts = value(
            fleet, "prod-frankfurt", f'kube_pod_container_status_restarts_total{{pod="{name}"}}'
        )
        assert restarts == [float(status["restartCount"])]
        assert status["restartCount"] > 3
        peak = value(
            fleet,
            "prod-frankfurt",
            f'max_over_time(container_memory_working_set_bytes{{pod="{name}"}}[30m])',
        )
        assert 0.7 * 2**30 < peak[0] <= 2**30
        events = await api.list(
            "/api/v1/namespaces/shop/events", field_selector=f"involvedObject.name={name}"
        )
        assert [event["reason"] for event in events] == ["BackOff"]
    deployments = await api.list("/apis/apps/v1/namespaces/shop/deployments")
    by_name = {one["metadata"]["name"]: one["status"] for one in deployments}
    assert by_name["recommendation"]["readyReplicas"] == 0
    assert by_name["cart"]["readyReplicas"] == 2
    logs = await api.pod_logs("shop", pods[0]["metadata"]["name"], previous=True, tail_lines=20)
    assert "model cache grows" in str(logs)


async def test_a_stuck_rollout_has_a_new_replica_set_and_a_deadline_passed(fleet_with):
    fleet = fleet_with("bad-rollout")
    api = client(fleet, "prod-virginia")
    (deployment,) = [
        one
        for one in await api.list("/apis/apps/v1/namespaces/shop/deployments")
        if one["metadata"]["name"] == "payment"
    ]
    conditions = {one["type"]: one for one in deployment["status"]["conditions"]}
    assert conditions["Progressing"]["reason"] == "ProgressDeadlineExceeded"
    assert conditions["Available"]["status"] == "True"
    assert deployment["status"]["readyReplicas"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1.20.0")
    pods = await api.list("/api/v1/namespaces/shop/pods", label_selector="app=payment")
    new = [pod for pod in pods if pod["spec"]["containers"][0]["image"].endswith(":1.20.0")]
    assert len(pods) == 3
    assert len(new) == 1
    owner = new[0]["metadata"]["ownerReferences"][0]["name"]
    sets = await api.list("/apis/apps/v1/namespaces/shop/replicasets")
    assert owner in {one["metadata"]["name"] for one in sets}
    logs = await api.pod_logs("shop", new[0]["metadata"]["name"], previous=True)
    assert "PAYMENT_PROVIDER_URL" in str(logs)


async def test_a_lost_node_is_not_ready_and_answers_nothing(fleet_with):
    fleet = fleet_with("node-lost")
    api = client(fleet, "prod-virginia")
    nodes = {one["metadata"]["name"]: one for one in await api.list("/api/v1/nodes")}
    lost = nodes["prod-virginia-worker-2"]
    conditions = {one["type"]: one["status"] for one in lost["status"]["conditions"]}
    assert conditions["Ready"] == "Unknown"
    assert lost["spec"]["taints"][0]["key"] == "node.kubernetes.io/unreachable"
    ready = value(
        fleet,
        "prod-virginia",
        'kube_node_status_condition{condition="Ready", status="unknown"} == 1',
    )
    assert ready == [1.0]
    assert value(fleet, "prod-virginia", 'up{instance="prod-virginia-worker-2"}') == [0.0]
    assert value(fleet, "prod-virginia", 'node_load1{instance="prod-virginia-worker-2"}') == []
    assert len(value(fleet, "prod-virginia", "node_load1")) == 7


async def test_a_full_disk_shows_as_pressure_and_evicted_pods(fleet_with):
    fleet = fleet_with("node-disk-full")
    api = client(fleet, "prod-frankfurt")
    pods = await api.list("/api/v1/pods")
    evicted = [pod for pod in pods if pod["status"].get("reason") == "Evicted"]
    assert len(evicted) == 2
    assert {pod["spec"]["nodeName"] for pod in evicted} == {"prod-frankfurt-worker-3"}
    phases = value(fleet, "prod-frankfurt", 'sum(kube_pod_status_phase{phase="Failed"})')
    assert phases == [2.0]
    for pod in evicted:
        app = pod["metadata"]["labels"]["app"]
        healthy = [
            one
            for one in pods
            if one["metadata"]["labels"]["app"] == app and one["status"]["phase"] == "Running"
        ]
        assert all(one["spec"]["nodeName"] != "" for one in healthy)
        assert healthy
    free = value(
        fleet,
        "prod-frankfurt",
        'node_filesystem_avail_bytes{instance="prod-frankfurt-worker-3", mountpoint="/var"}'
        ' / node_filesystem_size_bytes{instance="prod-frankfurt-worker-3", mountpoint="/var"}',
    )
    assert free[0] < 0.02


async def driver_pod(api, node):
    pods = await api.list("/api/v1/pods", field_selector=f"spec.nodeName={node}")
    return next(
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"]["app"] == "nvidia-driver-daemonset"
    )


async def smi(api, node, *arguments):
    pod = await driver_pod(api, node)
    return await api.exec("gpu-operator", pod, "nvidia-driver-ctr", ["nvidia-smi", *arguments])


async def test_a_lost_gpu_is_lost_in_nvidia_smi_and_in_the_metrics(fleet_with):
    fleet = fleet_with("gpu-xid-79")
    api = client(fleet, "ml-oregon")
    answer = await smi(api, "ml-oregon-gpu-1", "--query-gpu=index", "--format=csv,noheader")
    assert "Unable to determine the device handle" in answer.stdout.decode()
    healthy = await smi(api, "ml-oregon-gpu-0", "--query-gpu=index", "--format=csv,noheader")
    assert healthy.stdout.decode().split() == [str(index) for index in range(8)]
    count = value(fleet, "ml-oregon", 'count(DCGM_FI_DEV_GPU_TEMP{Hostname="ml-oregon-gpu-1"})')
    assert count == [7.0]
    xid = value(fleet, "ml-oregon", 'DCGM_FI_DEV_XID_ERRORS{Hostname="ml-oregon-gpu-1", gpu="3"}')
    assert xid == [79.0]


async def test_nvidia_smi_and_dcgm_agree_on_heat_and_throttling(fleet_with):
    fleet = fleet_with("gpu-rack-thermal")
    api = client(fleet, "ml-frankfurt")
    fields = "--query-gpu=temperature.gpu,clocks.sm,clocks_event_reasons.active"
    answer = await smi(api, "ml-frankfurt-gpu-0", fields, "--format=csv,noheader,nounits")
    rows = [line.split(", ") for line in answer.stdout.decode().strip().splitlines()]
    metric = value(fleet, "ml-frankfurt", 'DCGM_FI_DEV_GPU_TEMP{Hostname="ml-frankfurt-gpu-0"}')
    assert sorted(float(row[0]) for row in rows) == pytest.approx(sorted(metric), abs=1.0)
    assert {int(row[2], 16) for row in rows} == {0x60}
    assert max(int(row[1]) for row in rows) < 1000


async def test_the_certificate_object_expires_when_its_metric_says(fleet_with):
    fleet = fleet_with("certificate-expiry")
    api = client(fleet, "stage-singapore")
    found = {
        one["metadata"]["name"]: one["status"]["notAfter"]
        for one in await api.list("/apis/cert-manager.io/v1/namespaces/shop/certificates")
    }
    left = value(
        fleet,
        "stage-singapore",
        'certmanager_certificate_expiration_timestamp_seconds{name="checkout-tls"} - time()',
    )
    assert left == [pytest.approx(34 * 3600.0, abs=2)]
    assert found["checkout-tls"].startswith("2025-11-26T15:53")


async def test_a_partition_cuts_the_region_and_the_hub_sees_it(fleet_with, clock):
    fleet = fleet_with("region-partition@+1m")
    api = client(fleet, "edge-dallas")
    assert (await api.version())["gitVersion"] == "v1.29.8"
    clock.moment += 120.0
    transport = fleet.transport("https://prometheus.edge-dallas.sim.invalid")
    with pytest.raises(httpx2.ConnectError):
        await transport.handle_async_request(
            httpx2.Request("GET", "https://prometheus.edge-dallas.sim.invalid/-/ready")
        )
    hub = client(fleet, "fleet-hub")
    managed = await hub.list("/apis/cluster.open-cluster-management.io/v1/managedclusters")
    status = {
        one["metadata"]["name"]: {c["type"]: c["status"] for c in one["status"]["conditions"]}
        for one in managed
    }
    kind = "ManagedClusterConditionAvailable"
    assert {name for name, told in status.items() if told[kind] == "Unknown"} >= {
        "edge-dallas",
        "tower-42",
        "tower-18",
    }
    assert status["edge-munich"][kind] == "True"


async def test_a_degraded_operator_is_told_by_its_object_and_metric(fleet_with):
    fleet = fleet_with("operator-degraded")
    api = client(fleet, "stage-singapore")
    operators = await api.list("/apis/config.openshift.io/v1/clusteroperators")
    degraded = {
        one["metadata"]["name"]
        for one in operators
        for told in one["status"]["conditions"]
        if told["type"] == "Degraded" and told["status"] == "True"
    }
    assert degraded == {"image-registry"}
    metric = value(
        fleet, "stage-singapore", 'cluster_operator_conditions{condition="Degraded"} == 1'
    )
    assert metric == [1.0]
    (version,) = await api.list("/apis/config.openshift.io/v1/clusterversions")
    failing = {one["type"]: one["status"] for one in version["status"]["conditions"]}["Failing"]
    assert failing == "True"


async def test_the_flapping_cluster_comes_and_goes_by_the_clock(fleet_with, clock):
    cluster = fleet_with().world.clusters["tower-42"]
    seen = [cluster.reachable(clock() + second) for second in range(0, 3600, 10)]
    assert sum(not one for one in seen) == pytest.approx(360 * 0.3, abs=2)
    assert sum(a != b for a, b in zip(seen, seen[1:], strict=False)) in (11, 12)
