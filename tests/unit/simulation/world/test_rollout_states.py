"""Rollouts that fail in other ways, partitioned GPUs, and what telco clusters add."""

import httpx2
import pytest

from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import StartedIncident, parse_incident
from aiops_mcp.simulation.kubernetes.access import token_of
from aiops_mcp.simulation.promql import Engine
from aiops_mcp.simulation.world import World, fixed_clock

NOW = 1_764_050_000.0
ROLLOUT = """
name: rollout
title: A rollout
where: {{clusters: [dev-dublin, prod-virginia]}}
effects:
  - {{effect: rollout, workload: shop/cart, image: "registry.example.com/shop/cart:9", state: {state}, message: "{message}", where: {{clusters: [prod-virginia]}}}}
truth: {{root_cause: x, component: workload}}
"""


def api_of(fleet: SimulatedFleet, cluster: str) -> KubernetesClient:
    url = f"https://api.{cluster}.sim.invalid:6443"
    token = token_of(1, cluster)
    target = Target(base_url=url, name="kubernetes", cluster=cluster, bearer=lambda: token)
    return KubernetesClient(HttpClient(target, transport=fleet.transport(url), retries=0))


@pytest.mark.parametrize(
    ("state", "message", "phase", "reason", "event"),
    [
        ("image_pull", "manifest unknown", "Pending", "ImagePullBackOff", "Failed"),
        ("not_ready", "HTTP 503", "Running", None, "Unhealthy"),
    ],
)
async def test_a_rollout_may_lack_its_image_or_never_be_ready(state, message, phase, reason, event):
    incident = parse_incident(ROLLOUT.format(state=state, message=message), "x.yaml")
    world = World(1, [StartedIncident(incident, NOW - 1800.0)], fixed_clock(NOW))
    api = api_of(SimulatedFleet(world), "prod-virginia")
    pods = await api.list("/api/v1/namespaces/shop/pods", label_selector="app=cart")
    (new,) = [pod for pod in pods if pod["spec"]["containers"][0]["image"].endswith(":9")]
    assert new["status"]["phase"] == phase
    (status,) = new["status"]["containerStatuses"]
    assert not status["ready"]
    assert status["state"].get("waiting", {}).get("reason") == reason
    events = await api.list(
        "/api/v1/namespaces/shop/events",
        field_selector=f"involvedObject.uid={new['metadata']['uid']}",
    )
    told = {one["reason"]: one["message"] for one in events}
    assert message in told[event]
    assert "Scheduled" in told
    waiting = Engine(world.store("prod-virginia")).instant(
        "kube_pod_container_status_waiting_reason", int(NOW * 1000)
    )
    assert [dict(labels)["reason"] for labels in waiting.value.labels] == (
        [reason] if reason else []
    )
    logs = await httpx2.AsyncClient(
        transport=api.http._transport,
        headers={"authorization": f"Bearer {token_of(1, 'prod-virginia')}"},
    ).get(
        f"https://api.prod-virginia.sim.invalid:6443/api/v1/namespaces/shop/pods/{new['metadata']['name']}/log"
    )
    assert logs.status_code == (400 if reason else 200)


async def test_partitioned_cards_show_their_slices_and_who_holds_them():
    world = World(1, (), fixed_clock(NOW))
    fleet = SimulatedFleet(world)
    api = api_of(fleet, "ml-zurich")
    nodes = {one["metadata"]["name"]: one for one in await api.list("/api/v1/nodes")}
    amounts = nodes["ml-zurich-gpu-0"]["status"]["allocatable"]
    assert amounts["nvidia.com/gpu"] == "1"
    assert amounts["nvidia.com/mig-1g.5gb"] == "2"
    pods = await api.list("/api/v1/pods", label_selector="app=nvidia-driver-daemonset")
    pod = next(p for p in pods if p["spec"]["nodeName"] == "ml-zurich-gpu-0")
    answer = await api.exec(
        "gpu-operator", pod["metadata"]["name"], None, ["nvidia-smi", "-L"], timeout=5
    )
    text = answer.stdout.decode()
    assert text.count("MIG ") == 4
    assert text.count("GPU 0:") == 1
    notebook = (await api.list("/api/v1/namespaces/notebooks/pods"))[0]
    requests = notebook["spec"]["containers"][0]["resources"]["requests"]
    assert any(name.startswith(("nvidia.com/mig-", "nvidia.com/gpu")) for name in requests)


async def test_telco_clusters_show_virtual_functions_and_isolated_pods():
    fleet = SimulatedFleet(World(1, (), fixed_clock(NOW)))
    api = api_of(fleet, "edge-munich")
    states = await api.list("/apis/sriovnetwork.openshift.io/v1/sriovnetworknodestates")
    assert {one["status"]["syncStatus"] for one in states} == {"Succeeded"}
    assert len(states) == 3
    (vdu,) = await api.list("/api/v1/namespaces/ran/pods", label_selector="app=vdu")
    assert vdu["status"]["qosClass"] == "Guaranteed"
    resources = vdu["spec"]["containers"][0]["resources"]
    assert resources["limits"] == resources["requests"]
    assert resources["limits"]["openshift.io/fronthaul"] == "4"
    assert "k8s.v1.cni.cncf.io/networks" in vdu["metadata"]["annotations"]
    locked = Engine(fleet.world.store("edge-munich")).instant(
        "count(openshift_ptp_clock_state == 1)", int(NOW * 1000)
    )
    assert locked.value.values[0, 0] == 6.0
