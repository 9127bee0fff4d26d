"""Our clients against the simulated backends of a cluster: in process, and over a socket."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import uvicorn

from aiops_mcp.backends.alertmanager import AlertmanagerClient
from aiops_mcp.backends.alertmanager_answers import label_fingerprint
from aiops_mcp.backends.http import HttpClient, Target
from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.errors import BackendRefused, BackendUnauthorized
from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.world import World

CLUSTER = "ml-frankfurt"


@pytest.fixture(scope="module")
def fleet():
    return SimulatedFleet(World(1))


@pytest.fixture(scope="module")
def token(fleet):
    [found] = [c.token for new, c in fleet.registrations() if new.name == CLUSTER]
    return found.get_secret_value()


@asynccontextmanager
async def reached(fleet, backend, how, bearer):
    if how == "in process":
        url = f"https://{backend}.{CLUSTER}.sim.invalid"
        yield HttpClient(
            Target(url, backend, CLUSTER, bearer=bearer), transport=fleet.transport(url)
        )
        return
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        fleet.app(CLUSTER, backend), log_level="error", lifespan="off", ws="wsproto"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    http = HttpClient(
        Target(f"http://127.0.0.1:{listener.getsockname()[1]}", backend, CLUSTER, bearer=bearer)
    )
    try:
        yield http
    finally:
        await http.aclose()
        server.should_exit = True
        server.force_exit = True
        await task


@pytest.fixture(params=["in process", "socket"])
async def kubernetes(request, fleet, token):
    async with reached(fleet, "api", request.param, lambda: token) as http:
        yield KubernetesClient(http)


async def test_version_and_ready(kubernetes):
    assert (await kubernetes.version())["gitVersion"].startswith("v1.")
    await kubernetes.ready()


async def test_pages_are_put_together(kubernetes):
    one_page = await kubernetes.list("pods")
    paged = await kubernetes.list("pods", limit=7)
    assert len(paged) > 20
    assert [p["metadata"]["uid"] for p in paged] == [p["metadata"]["uid"] for p in one_page]


async def test_selectors(kubernetes):
    node = (await kubernetes.list("nodes"))[0]["metadata"]["name"]
    pods = await kubernetes.list("pods", field_selector=f"spec.nodeName={node}")
    assert pods
    assert {pod["spec"]["nodeName"] for pod in pods} == {node}
    gpus = await kubernetes.list("nodes", label_selector="nvidia.com/gpu.present=true")
    assert 0 < len(gpus) < len(await kubernetes.list("nodes"))


async def test_one_object_and_none(kubernetes):
    pod = (await kubernetes.list("pods"))[0]["metadata"]
    found = await kubernetes.get("pods", namespace=pod["namespace"], name=pod["name"])
    assert (found["kind"], found["metadata"]["uid"]) == ("Pod", pod["uid"])
    with pytest.raises(BackendRefused, match="not found") as caught:
        await kubernetes.get("pods", namespace=pod["namespace"], name="none")
    assert (caught.value.http_status, caught.value.details["reason"]) == (404, "NotFound")


async def test_logs(kubernetes):
    pod = (await kubernetes.list("pods", namespace="kube-system"))[0]["metadata"]
    text = await kubernetes.pod_logs(pod["namespace"], pod["name"], tail_lines=3)
    assert 0 < len(text.splitlines()) <= 3


async def test_exec(kubernetes):
    pods = await kubernetes.list("pods")
    drivers = [p for p in pods if "nvidia-driver" in p["metadata"]["name"]]
    place = drivers[0]["metadata"]
    container = drivers[0]["spec"]["containers"][0]["name"]
    result = await kubernetes.exec(
        place["namespace"], place["name"], container, ["nvidia-smi", "-L"]
    )
    assert result.exit_code == 0
    assert result.stdout.startswith(b"GPU 0: ")
    failed = await kubernetes.exec(
        place["namespace"], place["name"], container, ["nvidia-smi", "--nonsense"]
    )
    assert failed.exit_code != 0


async def test_reviews(kubernetes):
    assert (await kubernetes.access_review("list", "nodes")).allowed
    assert (await kubernetes.self_subject_review()).username.startswith("system:serviceaccount:")


async def test_watch_begins_with_what_is_there(kubernetes):
    names = {node["metadata"]["name"] for node in await kubernetes.list("nodes")}
    watch = kubernetes.watch("nodes")
    found = set()
    async for event in watch:
        assert event.type == "ADDED"
        found.add(event.object["metadata"]["name"])
        if found == names:
            break
    await watch.aclose()


async def test_a_wrong_token(fleet):
    async with reached(fleet, "api", "in process", lambda: "wrong") as http:
        with pytest.raises(BackendUnauthorized, match="HTTP 401"):
            await KubernetesClient(http).list("nodes")


@pytest.mark.parametrize("how", ["in process", "socket"])
async def test_prometheus(fleet, how):
    async with reached(fleet, "prometheus", how, None) as http:
        prometheus = PrometheusClient(http)
        await prometheus.healthy()
        up = await prometheus.query("count(up)")
        assert float(up.series[0].values[0][1]) > 0
        assert [group.name for group in await prometheus.rules()]
        assert {target.health for target in await prometheus.targets()} <= {"up", "down", "unknown"}
        assert "up" in await prometheus.label_values("__name__")
        assert (await prometheus.metadata("DCGM_FI_DEV_GPU_TEMP")).keys() == {
            "DCGM_FI_DEV_GPU_TEMP"
        }


async def test_prometheus_behind_the_api_server(fleet, token):
    async with reached(fleet, "api", "in process", lambda: token) as http:
        services = await KubernetesClient(http).list("services")
        [service] = [s for s in services if s["metadata"]["name"].startswith("prometheus-k8s")][:1]
    place = service["metadata"]
    url = (
        f"https://api.{CLUSTER}.sim.invalid/api/v1/namespaces/{place['namespace']}"
        f"/services/https:{place['name']}:9091/proxy"
    )
    http = HttpClient(
        Target(url, "prometheus", CLUSTER, bearer=lambda: token), transport=fleet.transport(url)
    )
    assert len((await PrometheusClient(http).query("up")).series) > 0


@pytest.mark.parametrize("how", ["in process", "socket"])
async def test_alertmanager(fleet, how):
    async with reached(fleet, "alertmanager", how, None) as http:
        alertmanager = AlertmanagerClient(http)
        await alertmanager.healthy()
        assert (await alertmanager.status()).version
        assert await alertmanager.silences() == []
        for alert in await alertmanager.alerts():
            assert alert.fingerprint == label_fingerprint(alert.labels)
            assert alert.state in {"active", "suppressed", "unprocessed"}
