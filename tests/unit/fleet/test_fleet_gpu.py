import asyncio

import pytest

from aiops_mcp.errors import BackendUnauthorized, ClusterUnreachable, QueryTimeout
from aiops_mcp.fleet.gpu import FleetGpu
from aiops_mcp.models.cluster import ClusterEndpoints
from aiops_mcp.models.gpu import GpuSource
from aiops_mcp.models.metrics import Series
from aiops_mcp.models.principal import LOCAL_ADMIN
from aiops_mcp.settings import Settings


class Kubernetes:
    """A cluster with one GPU node whose pods may not be entered."""

    def __init__(self, nodes=("gpu-1",), error=None, delay=0.0):
        self.nodes, self.error, self.delay = nodes, error, delay

    async def list(self, path, *, namespace=None, label_selector=None, field_selector=None):
        await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        if path != "nodes":
            return []
        labels = {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.count": "1"}
        return [{"metadata": {"name": name, "labels": labels}} for name in self.nodes]

    async def aclose(self):
        pass


def dcgm(fakes, *hosts, error=None):
    def reply(query):
        assert "DCGM_FI_DEV_GPU_UTIL" in query
        if error:
            raise error
        return fakes.FakeAnswer(
            tuple(
                Series(
                    metric={
                        "__name__": "DCGM_FI_DEV_GPU_UTIL",
                        "Hostname": host,
                        "gpu": "0",
                        "UUID": f"GPU-{host}",
                        "modelName": "NVIDIA H100",
                    },
                    values=((fakes.NOW.timestamp(), "42"),),
                )
                for host in hosts
            )
        )

    return fakes.FakePrometheus(reply)


async def ask(fakes, clock, kubernetes, prometheus):
    ends = ClusterEndpoints(prometheus_url="https://p" if prometheus else None)
    connect = fakes.FakeConnect(
        {("kubernetes", "aaa"): kubernetes, ("prometheus", "aaa"): prometheus}
    )
    fleet = fakes.make_fleet([fakes.cluster("aaa", endpoints=ends)], clock, connect)
    gpu = FleetGpu(fleet, Settings(_env_file=None), clock.wall)
    return await gpu.nodes(principal=LOCAL_ADMIN)


async def test_a_node_that_cannot_be_entered_is_taken_from_dcgm(fakes, clock):
    answer = await ask(fakes, clock, Kubernetes(), dcgm(fakes, "gpu-1.example.com"))
    [node] = answer.nodes
    assert node.node_name == "gpu-1"
    assert node.source is GpuSource.DCGM
    assert node.gpus[0].utilization_gpu_percent == 42
    assert any("nvidia-smi cannot be run" in warning for warning in node.warnings)


async def test_without_dcgm_the_node_says_why_it_is_empty(fakes, clock):
    answer = await ask(fakes, clock, Kubernetes(), None)
    [node] = answer.nodes
    assert node.gpus == ()
    assert node.source is GpuSource.NVIDIA_SMI
    assert node.warnings


async def test_a_failing_dcgm_changes_nothing(fakes, clock):
    down = dcgm(fakes, error=ClusterUnreachable("down"))
    answer = await ask(fakes, clock, Kubernetes(), down)
    assert [node.gpus for node in answer.nodes] == [()]


async def test_dcgm_stands_in_where_kubernetes_refuses_and_the_reason_is_told(fakes, clock):
    refused = Kubernetes(error=BackendUnauthorized("nodes: forbidden", http_status=403))
    answer = await ask(fakes, clock, refused, dcgm(fakes, "gpu-2", "gpu-1"))
    assert [node.node_name for node in answer.nodes] == ["gpu-1", "gpu-2"]
    assert answer.nodes[0].warnings[-1] == "nvidia-smi could not be run: nodes: forbidden"


@pytest.mark.parametrize("with_prometheus", [True, False])
async def test_when_neither_tells_the_failure_stands(fakes, clock, with_prometheus):
    refused = Kubernetes(error=BackendUnauthorized("nodes: forbidden", http_status=403))
    with pytest.raises(BackendUnauthorized, match="nodes: forbidden"):
        await ask(fakes, clock, refused, dcgm(fakes) if with_prometheus else None)


async def test_a_hanging_api_server_is_waited_for_no_longer_than_said(fakes, clock):
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await ask(fakes, clock, Kubernetes(delay=1e6), dcgm(fakes, "gpu-1"))
    assert loop.time() - began == pytest.approx(20, abs=0.1)
    assert "within 20 s" in answer.nodes[0].warnings[-1]
    with pytest.raises(QueryTimeout, match="within 20 s"):
        await ask(fakes, clock, Kubernetes(delay=1e6), None)


async def test_a_cluster_without_gpus_answers_with_none(fakes, clock):
    answer = await ask(fakes, clock, Kubernetes(nodes=()), dcgm(fakes))
    assert answer.nodes == ()
    assert answer.coverage.succeeded == 1
