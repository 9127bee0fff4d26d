"""The real kubectl against the simulated fleet on loopback sockets."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from aiops_mcp.simulation.fleet import SimulatedFleet
from aiops_mcp.simulation.incident import read_incidents, start_incidents
from aiops_mcp.simulation.serve import RunningFleet, serve_fleet
from aiops_mcp.simulation.world import World

pytestmark = pytest.mark.real

KUBECTL = shutil.which("kubectl")
if KUBECTL is None and os.environ.get("AIOPS_REQUIRE_REAL") != "1":
    pytest.skip("kubectl is not installed", allow_module_level=True)


class Kubectl:
    def __init__(self, running: RunningFleet, folder: Path) -> None:
        self.running = running
        self._config = folder / "kubeconfig"
        self._config.touch(mode=0o600)
        self._config.write_text(running.kubeconfig)
        self._cache = folder / "cache"

    async def start(self, context: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "kubectl",
            f"--kubeconfig={self._config}",
            f"--cache-dir={self._cache}",
            f"--context={context}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, context: str, *arguments: str, code: int = 0) -> str:
        process = await self.start(context, *arguments)
        out, err = await process.communicate()
        assert process.returncode == code, err.decode()
        return out.decode() + (err.decode() if code else "")


@pytest.fixture
async def kubectl(tmp_path: Path):
    started = start_incidents(
        ["oom-loop", "gpu-xid-79", "node-lost"], read_incidents(), time.time()
    )
    fleet = SimulatedFleet(World(1, started), watch_poll=0.2)
    running = await serve_fleet(fleet)
    yield Kubectl(running, tmp_path)
    await running.stop()


async def test_get_nodes_and_pods_wide(kubectl):
    nodes = (await kubectl("prod-virginia", "get", "nodes", "-o", "wide")).splitlines()
    assert nodes[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert "INTERNAL-IP" in nodes[0]
    status = {line.split()[0]: line.split()[1] for line in nodes[1:]}
    assert len(status) == 8
    assert status.pop("prod-virginia-worker-2") == "NotReady"
    assert set(status.values()) == {"Ready"}
    pods = await kubectl(
        "prod-frankfurt", "get", "pods", "-n", "shop", "-o", "wide", "--chunk-size=5"
    )
    broken = [line for line in pods.splitlines() if line.startswith("recommendation-")]
    assert len(broken) == 2
    assert all("0/1" in line for line in broken)
    assert all("prod-frankfurt-worker-" in line for line in broken)
    everything = await kubectl("prod-frankfurt", "get", "all", "-n", "shop")
    for kind in (
        "deployment.apps/cart",
        "service/cart",
        "statefulset.apps/catalogue-db",
        "cronjob.batch/nightly-report",
    ):
        assert kind in everything


async def test_describe_tells_state_and_events(kubectl):
    pod = await kubectl(
        "prod-frankfurt", "describe", "pod", "-n", "shop", "-l", "app=recommendation"
    )
    assert "OOMKilled" in pod
    assert "Exit Code:    137" in pod
    assert "Back-off restarting failed container recommendation" in pod
    node = await kubectl("prod-virginia", "describe", "node", "prod-virginia-worker-2")
    assert "NodeStatusUnknown" in node
    assert "NodeNotReady" in node
    assert "node.kubernetes.io/unreachable:NoExecute" in node


async def test_logs_of_now_and_of_the_life_before(kubectl):
    lines = await kubectl("prod-frankfurt", "logs", "-n", "shop", "deploy/cart", "--tail=3")
    assert len(lines.splitlines()) == 3
    previous = await kubectl(
        "prod-frankfurt", "logs", "-n", "shop", "deploy/recommendation", "--previous"
    )
    assert "model cache grows" in previous


async def test_exec_runs_nvidia_smi_and_brings_exit_codes(kubectl):
    pods = await kubectl(
        "ml-oregon",
        "get",
        "pods",
        "-n",
        "gpu-operator",
        "-l",
        "app=nvidia-driver-daemonset",
        "--field-selector=spec.nodeName=ml-oregon-gpu-1",
        "-o",
        "name",
    )
    smi = ["exec", "-n", "gpu-operator", pods.strip(), "--", "nvidia-smi"]
    table = await kubectl("ml-oregon", *smi)
    assert "NVIDIA A100-SXM4-80GB" in table
    listed = await kubectl("ml-oregon", *smi, "--query-gpu=index,name", "--format=csv,noheader")
    assert "Unable to determine the device handle" in listed
    missing = await kubectl(
        "prod-frankfurt", "exec", "-n", "shop", "deploy/cart", "--", "foo", code=127
    )
    assert "executable file not found" in missing
    name = await kubectl("prod-frankfurt", "exec", "-n", "shop", "deploy/cart", "--", "hostname")
    assert name.startswith("cart-")


async def test_watch_lists_first_and_goes_on(kubectl):
    process = await kubectl.start(
        "prod-frankfurt", "get", "pods", "-n", "shop", "-w", "-l", "app=cart"
    )
    assert process.stdout is not None
    lines = [(await asyncio.wait_for(process.stdout.readline(), 15)).decode() for _ in range(3)]
    process.terminate()
    await process.communicate()
    assert lines[0].startswith("NAME")
    assert all(line.startswith("cart-") for line in lines[1:])


async def test_reviews_secrets_and_platform_kinds(kubectl):
    assert (await kubectl("fleet-hub", "auth", "can-i", "create", "pods/exec")).strip() == "yes"
    assert "system:serviceaccount:aiops:admin" in await kubectl("fleet-hub", "auth", "whoami")
    await kubectl("fleet-hub", "create", "secret", "generic", "s", "--from-literal=a=b")
    assert await kubectl("fleet-hub", "get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    await kubectl("fleet-hub", "delete", "secret", "s")
    told = await kubectl("fleet-hub", "get", "managedclusters")
    assert "edge-munich" in told
    versions = await kubectl("fleet-hub", "get", "clusterversion,co")
    assert "image-registry" in versions
    proxied = await kubectl(
        "fleet-hub",
        "get",
        "--raw",
        "/api/v1/namespaces/monitoring/services/http:prometheus-k8s:9090/proxy/api/v1/query?query=vector(7)",
    )
    assert '"7"' in proxied


async def test_an_away_cluster_refuses_connections(kubectl):
    told = await kubectl("tower-18", "get", "nodes", code=1)
    assert "was refused" in told
