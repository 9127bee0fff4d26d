"""GPU nodes through a Kubernetes API in memory; the pods' nvidia-smi is the simulated one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from aiops_mcp.backends.gpu_collector import read_gpu_nodes
from aiops_mcp.errors import ClusterUnreachable, QueryTimeout
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.gpu import GPUNode, GpuSource, NvlinkState, PodRef
from aiops_mcp.simulation.nvidia_smi import (
    SimulatedDriver,
    SimulatedGpu,
    SimulatedMigDevice,
    SimulatedProcess,
    driver_failure,
    run_nvidia_smi,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CLUSTER = Cluster(
    id=UUID(int=7),
    name="gpu-west",
    api_server_url="https://api.gpu-west.example:6443",
    created_at=NOW,
    updated_at=NOW,
)
POD_UID = "11111111-2222-3333-4444-555555555555"
CONTAINER_ID = "c" * 64
CGROUP = f"0::/kubepods.slice/kubepods-pod{POD_UID.replace('-', '_')}.slice/cri-containerd-{CONTAINER_ID}.scope"


@dataclass(frozen=True)
class Output:
    stdout: bytes
    stderr: bytes = b""
    exit_code: int = 0


def node(
    name: str, *, gpus: int | None = 1, labels: dict[str, str] | None = None, **status: Any
) -> dict[str, Any]:
    capacity = {"cpu": "64"} | ({} if gpus is None else {"nvidia.com/gpu": str(gpus)})
    return {
        "metadata": {
            "name": name,
            "labels": {"nvidia.com/gpu.present": "true"} if labels is None else labels,
        },
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        | status,
    }


def pod(
    name: str,
    node_name: str,
    labels: dict[str, str],
    container: str,
    *,
    namespace: str = "gpu-operator",
    phase: str = "Running",
    limits: dict[str, str] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels} | metadata,
        "spec": {
            "nodeName": node_name,
            "hostPID": labels.get("app") == "nvidia-driver-daemonset",
            "containers": [{"name": container, "resources": {"limits": limits or {}}}],
        },
        "status": {
            "phase": phase,
            "containerStatuses": [
                {
                    "name": container,
                    "containerID": f"containerd://{CONTAINER_ID}",
                    "state": {"running": {"startedAt": "2026-03-01T00:00:00Z"}},
                }
            ],
        },
    }


def driver_pod(node_name: str, **changes: Any) -> dict[str, Any]:
    labels = {"app": "nvidia-driver-daemonset"}
    return pod(f"driver-{node_name}", node_name, labels, "nvidia-driver-ctr", **changes)


Answer = Callable[[str, tuple[str, ...]], Output | None]


@dataclass
class FakeCluster:
    """The Kubernetes API as far as the collector uses it; ``drivers`` by pod name."""

    nodes: list[dict[str, Any]]
    pods: list[dict[str, Any]]
    drivers: dict[str, SimulatedDriver] = field(default_factory=dict)
    special: Answer = lambda _pod, _command: None
    commands: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    async def list(
        self,
        path: str,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[dict[str, Any]]:
        assert namespace is None
        objects = {"nodes": self.nodes, "pods": self.pods}[path]
        if label_selector:
            key, value = label_selector.split("=")
            objects = [o for o in objects if o["metadata"]["labels"].get(key) == value]
        if field_selector:
            assert field_selector.startswith("spec.nodeName=")
            name = field_selector.removeprefix("spec.nodeName=")
            objects = [o for o in objects if o["spec"]["nodeName"] == name]
        return objects

    async def exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, timeout: float
    ) -> Output:
        assert timeout > 0
        words = tuple(command)
        self.commands.append((pod, container, words))
        return self.special(pod, words) or self.answer(pod, words)

    def answer(self, pod: str, words: tuple[str, ...]) -> Output:
        if words[0] == "grep":
            return Output(b"", b"grep: not here", 2)
        assert words[0] == "nvidia-smi"
        output = run_nvidia_smi(self.drivers[pod], words[1:], NOW)
        return Output(output.stdout.encode(), b"", output.exit_code)


def card(index: int = 0, **changes: Any) -> SimulatedGpu:
    base = SimulatedGpu(
        index=index,
        uuid=f"GPU-{index}",
        name="NVIDIA H100 80GB HBM3",
        pci_bus_id=f"00000000:{index + 10:02X}:00.0",
        memory_total_mb=81559,
        memory_used_mb=1000,
        utilization_gpu=33,
    )
    return replace(base, **changes)


async def read(cluster: FakeCluster, concurrency: int = 4) -> list[GPUNode]:
    return await read_gpu_nodes(cluster, CLUSTER, now=NOW, concurrency=concurrency)


async def test_a_node_with_processes_nvlink_and_the_pod_of_its_process() -> None:
    process = SimulatedProcess(4711, "python", 900)
    cards = (card(0, processes=(process,), nvlink_links=18, nvlink_crc_errors=3), card(1))
    worker = pod(
        "llm-0",
        "a",
        {"app": "llm"},
        "vllm",
        namespace="ml",
        uid=POD_UID,
        limits={"nvidia.com/gpu": "1"},
    )
    cluster = FakeCluster(
        nodes=[node("a", gpus=2)],
        pods=[driver_pod("a"), worker],
        drivers={"driver-a": SimulatedDriver(cards, "590.48.01", "13.1")},
        special=lambda _, words: (
            Output(f"/proc/4711/cgroup:{CGROUP}\n".encode()) if words[0] == "grep" else None
        ),
    )
    (found,) = await read(cluster)
    assert (found.cluster_id, found.cluster_name, found.node_name) == (CLUSTER.id, "gpu-west", "a")
    assert (found.source, found.last_updated) == (GpuSource.NVIDIA_SMI, NOW)
    assert found.warnings == ()
    first, second = found.gpus
    assert (first.uuid, first.utilization_gpu_percent, first.cuda_version) == ("GPU-0", 33, "13.1")
    assert first.nvlink == NvlinkState(
        active_links=18, inactive_links=0, crc_errors=3, replay_errors=0, recovery_errors=0
    )
    holder = PodRef(namespace="ml", pod="llm-0", container="vllm")
    assert first.processes[0].pod == holder
    assert (first.pod, second.pod) == (holder, None)
    assert second.nvlink is None
    assert {(p, c) for p, c, _ in cluster.commands} == {("driver-a", "nvidia-driver-ctr")}


async def test_mig_slices_get_their_names_and_their_pods() -> None:
    migs = (
        SimulatedMigDevice(2, "3g.40gb", "MIG-a", 40448, 7),
        SimulatedMigDevice(9, "1g.10gb", "MIG-b", 9984, 0),
        SimulatedMigDevice(10, "1g.10gb", "MIG-c", 9984, 0),
    )
    cluster = FakeCluster(
        nodes=[node("a", gpus=0)],
        pods=[
            driver_pod("a"),
            pod("one", "a", {}, "c", namespace="ml", limits={"nvidia.com/mig-3g.40gb": "1"}),
            pod("two", "a", {}, "c", namespace="ml", limits={"nvidia.com/mig-1g.10gb": "1"}),
        ],
        drivers={"driver-a": SimulatedDriver((card(mig_enabled=True, mig_devices=migs),))},
    )
    (found,) = await read(cluster)
    (gpu,) = found.gpus
    assert (gpu.mig_enabled, gpu.utilization_gpu_percent, gpu.pod) == (True, None, None)
    assert [
        (m.gpu_instance_id, m.profile, m.uuid, m.memory_used_mb) for m in gpu.mig_instances
    ] == [
        (2, "3g.40gb", "MIG-a", 7),
        (9, "1g.10gb", "MIG-b", 0),
        (10, "1g.10gb", "MIG-c", 0),
    ]
    # the one slice of its kind has a known holder; of two alike nobody can say which
    assert [m.pod and m.pod.pod for m in gpu.mig_instances] == ["one", None, None]


@pytest.mark.parametrize(
    ("version", "label", "queries"),
    [("590.48.01", None, 1), ("550.90.07", None, 2), ("470.223.02", None, 3)]
    + [("470.223.02", "470", 1), ("418.67", None, 4), ("590.48.01", "590", 1)],
)
async def test_old_drivers_are_asked_again(version: str, label: str | None, queries: int) -> None:
    labels = {"nvidia.com/gpu.present": "true"}
    if label:
        labels["nvidia.com/cuda.driver-version.major"] = label
    cluster = FakeCluster(
        nodes=[node("a", labels=labels)],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(throttle_reasons=4),), version)},
    )
    (found,) = await read(cluster)
    assert found.warnings == ()
    assert found.gpus[0].throttle_reasons == ("sw_power_cap",)
    asked = [words for _, _, words in cluster.commands if "--query-gpu" in words[1]]
    assert len(asked) == queries


async def test_a_field_that_no_plan_foresaw_is_dropped() -> None:
    def refuse(_: str, words: tuple[str, ...]) -> Output | None:
        if "--query-gpu" in words[1] and "retired_pages.pending" in words[1]:
            return Output(
                b'Field "retired_pages.pending" is not a valid field to query.\n\n', b"", 2
            )
        return None

    cluster = FakeCluster(
        nodes=[node("a")],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(),))},
        special=refuse,
    )
    (found,) = await read(cluster)
    assert (found.gpus[0].utilization_gpu_percent, found.warnings) == (33, ())


async def test_one_sick_node_is_a_warning_on_that_node() -> None:
    def fail(name: str, _: tuple[str, ...]) -> Output | None:
        if name == "driver-b":
            raise QueryTimeout("kubernetes of gpu-west did not answer in 15 s.", "Try again.")
        return None

    cluster = FakeCluster(
        nodes=[node("a"), node("b"), node("c")],
        pods=[driver_pod("a"), driver_pod("b"), driver_pod("c")],
        drivers={
            "driver-a": SimulatedDriver((card(),)),
            "driver-c": SimulatedDriver((card(),), failure=driver_failure()),
        },
        special=fail,
    )
    first, second, third = await read(cluster)
    assert (first.node_name, len(first.gpus), first.warnings) == ("a", 1, ())
    assert (second.node_name, second.gpus) == ("b", ())
    assert second.warnings == ("kubernetes of gpu-west did not answer in 15 s. Try again.",)
    assert (third.node_name, third.gpus) == ("c", ())
    assert len(third.warnings) == 1
    assert "couldn't communicate with the NVIDIA driver" in third.warnings[0]


async def test_a_lost_card_is_told_and_the_others_are_shown() -> None:
    labels = {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.count": "3"}
    cluster = FakeCluster(
        nodes=[node("a", gpus=3, labels=labels, allocatable={"nvidia.com/gpu": "2"})],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(0), card(1, lost=True), card(2)))},
    )
    (found,) = await read(cluster)
    assert [gpu.index for gpu in found.gpus] == [0, 2]
    lost, label, allocatable = found.warnings
    assert lost.startswith("GPU 1 at 0000:0B:00.0 is lost to the driver")
    assert label == "the node has 3 GPUs by its label, 2 answer"
    assert allocatable.startswith("nvidia.com/gpu: 2 of 3 can be scheduled")


@pytest.mark.parametrize("missing", ["xml", "log", "query"])
async def test_what_one_command_cannot_tell_another_does(missing: str) -> None:
    def fail(_: str, words: tuple[str, ...]) -> Output | None:
        arguments = " ".join(words[1:])
        broken = {"xml": "-q -x", "log": "-q", "query": "--query-gpu"}[missing]
        if arguments == broken or (arguments.startswith(broken) and missing != "xml"):
            return Output(b"", b"Segmentation fault\n", 139)
        return None

    process = SimulatedProcess(4711, "python", 900)
    cluster = FakeCluster(
        nodes=[node("a")],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(processes=(process,)),))},
        special=fail
        if missing != "log"
        else lambda p, w: None if "--query" in w[1] else fail(p, w),
    )
    (found,) = await read(cluster)
    (gpu,) = found.gpus
    assert (gpu.utilization_gpu_percent, gpu.memory_used_mb) == (33, 1000)
    assert [p.pid for p in gpu.processes] == [4711]
    assert (gpu.cuda_version is None) is (missing == "log")
    assert len(found.warnings) == (0 if missing == "xml" else 1)


async def test_sources_in_order_and_only_running_pods() -> None:
    plugin_labels = {"app": "nvidia-device-plugin-daemonset"}
    openshift = {"app": "x", "app.kubernetes.io/component": "nvidia-driver"}
    cluster = FakeCluster(
        nodes=[node("a"), node("b"), node("c"), node("d")],
        pods=[
            driver_pod("a", phase="Pending"),
            pod("plugin-a", "a", plugin_labels, "nvidia-device-plugin"),
            driver_pod("b"),
            pod("plugin-b", "b", plugin_labels, "nvidia-device-plugin"),
            pod("rhcos-c", "c", openshift, "nvidia-driver-ctr"),
            driver_pod("d", deletionTimestamp="2026-03-04T05:06:00Z"),
        ],
        drivers={name: SimulatedDriver((card(),)) for name in ("plugin-a", "driver-b", "rhcos-c")},
    )
    found = await read(cluster)
    assert [len(n.gpus) for n in found] == [1, 1, 1, 0]
    assert {(p, c) for p, c, _ in cluster.commands} == {
        ("plugin-a", "nvidia-device-plugin"),
        ("driver-b", "nvidia-driver-ctr"),
        ("rhcos-c", "nvidia-driver-ctr"),
    }
    assert found[3].warnings[0].startswith("no running NVIDIA driver, device-plugin")


async def test_nodes_without_labels_are_found_by_their_resource() -> None:
    cluster = FakeCluster(
        nodes=[node("plain", gpus=None, labels={}), node("a", labels={})],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(),))},
    )
    assert [n.node_name for n in await read(cluster)] == ["a"]
    assert await read(FakeCluster(nodes=[], pods=[])) == []


async def test_not_ready_and_without_resource_are_warnings() -> None:
    cluster = FakeCluster(
        nodes=[
            node("a", conditions=[{"type": "Ready", "status": "Unknown"}]),
            node("b", gpus=None),
        ],
        pods=[driver_pod("a"), driver_pod("b")],
        drivers={name: SimulatedDriver((card(),)) for name in ("driver-a", "driver-b")},
    )
    first, second = await read(cluster)
    assert first.warnings == ("the node is not Ready",)
    assert second.warnings == ("the node advertises no GPU resource: look at its device plugin",)


async def test_a_pod_with_all_cards_of_a_node_holds_each_unless_they_are_shared() -> None:
    labels = {"nvidia.com/gpu.present": "true", "nvidia.com/gpu.sharing-strategy": "time-slicing"}
    trainer = {"namespace": "ml", "limits": {"nvidia.com/gpu": "2"}}
    cluster = FakeCluster(
        nodes=[node("a", gpus=2), node("b", gpus=2, labels=labels), node("c", gpus=2)],
        pods=[
            *(driver_pod(name) for name in "abc"),
            pod("train-a", "a", {}, "t", **trainer),
            pod("done-a", "a", {}, "t", phase="Succeeded", **trainer),
            pod("train-b", "b", {}, "t", **trainer),
            pod("half-c", "c", {}, "t", namespace="ml", limits={"nvidia.com/gpu": "1"}),
        ],
        drivers={f"driver-{name}": SimulatedDriver((card(0), card(1))) for name in "abc"},
    )
    found = await read(cluster)
    held = [[gpu.pod.pod if gpu.pod else None for gpu in n.gpus] for n in found]
    assert held == [["train-a", "train-a"], [None, None], [None, None]]


async def test_at_most_so_many_nodes_at_a_time() -> None:
    names = [f"n{i}" for i in range(6)]
    open_pods: set[str] = set()
    peak = 0

    class Counting(FakeCluster):
        async def list(self, path: str, **selectors: Any) -> list[dict[str, Any]]:
            nonlocal peak
            on_node = selectors.get("field_selector")
            if on_node:
                open_pods.add(on_node)
                peak = max(peak, len(open_pods))
                for _ in range(20):
                    await asyncio.sleep(0)
                open_pods.discard(on_node)
            return await super().list(path, **selectors)

    cluster = Counting(
        nodes=[node(name) for name in names],
        pods=[driver_pod(name) for name in names],
        drivers={f"driver-{name}": SimulatedDriver((card(),)) for name in names},
    )
    assert len(await read(cluster, concurrency=2)) == 6
    assert peak == 2


async def test_a_cluster_that_cannot_be_listed_is_an_error() -> None:
    class Dead(FakeCluster):
        async def list(self, path: str, **selectors: Any) -> list[dict[str, Any]]:
            raise ClusterUnreachable("no route to gpu-west")

    with pytest.raises(ClusterUnreachable):
        await read(Dead(nodes=[], pods=[]))


async def test_pods_that_cannot_be_listed_are_a_warning() -> None:
    class Shy(FakeCluster):
        async def list(self, path: str, **selectors: Any) -> list[dict[str, Any]]:
            if selectors.get("field_selector"):
                raise ClusterUnreachable("pods of the node cannot be listed")
            return await super().list(path, **selectors)

    cluster = Shy(
        nodes=[node("a")],
        pods=[driver_pod("a")],
        drivers={"driver-a": SimulatedDriver((card(),))},
    )
    (found,) = await read(cluster)
    assert (len(found.gpus), found.warnings) == (1, ("pods of the node cannot be listed",))


async def test_process_ids_mean_nothing_outside_the_hosts_pid_namespace() -> None:
    process = SimulatedProcess(4711, "python", 900)
    cluster = FakeCluster(
        nodes=[node("a")],
        pods=[pod("plugin-a", "a", {"app": "nvidia-device-plugin-daemonset"}, "ctr", uid=POD_UID)],
        drivers={"plugin-a": SimulatedDriver((card(processes=(process,)),))},
    )
    (found,) = await read(cluster)
    assert found.gpus[0].processes[0].pod is None
    assert not any(words[0] == "grep" for _, _, words in cluster.commands)


async def test_the_plugins_own_container_is_chosen_among_several() -> None:
    plugin = pod("plugin-a", "a", {"app": "nvidia-device-plugin-daemonset"}, "nvidia-device-plugin")
    plugin["spec"]["containers"].insert(0, {"name": "config-manager"})
    cluster = FakeCluster(
        nodes=[node("a")],
        pods=[plugin],
        drivers={"plugin-a": SimulatedDriver((card(),))},
    )
    (found,) = await read(cluster)
    assert len(found.gpus) == 1
    assert {container for _, container, _ in cluster.commands} == {"nvidia-device-plugin"}


async def test_a_container_that_does_not_run_is_passed_over() -> None:
    waiting = driver_pod("a")
    waiting["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    (found,) = await read(FakeCluster(nodes=[node("a")], pods=[waiting]))
    assert found.gpus == ()
    assert found.warnings[0].startswith("no running NVIDIA driver")
