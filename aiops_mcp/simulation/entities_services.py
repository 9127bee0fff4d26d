"""What programs tell of themselves: services, GPUs, model servers, network functions."""

from collections import Counter
from collections.abc import Iterator

from aiops_mcp.simulation.entities import Entity, Scene, pod_sizes
from aiops_mcp.simulation.gpu_models import (
    busy_sm_clock_mhz,
    gpu_memory_mib,
    pcie_generation,
    power_limit_watts,
    slice_memory_mib,
)
from aiops_mcp.simulation.inventory import Node, Pod


def coredns(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods_of("kube-system/coredns"):
        yield Entity(pod.name, scene.on_pod(job, pod), {}, {"load": 1.0})


def http(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if pod.work.http:
            http = pod.work.http
            sizes = pod_sizes(pod.work) | {
                "rate": http.rate / max(1, pod.work.replicas),
                "errors": http.errors,
                "fine": 1 - http.errors,
                "latency": http.latency_ms / 1000.0,
            }
            yield scene.served(pod, job, {}, sizes)


def calls(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        http = pod.work.http
        if http is None:
            continue
        usual = {work.name: work.usual_ms for work in scene.cluster.inventory.workloads}
        peers = {callee: (1.0, usual[callee]) for callee in http.calls}
        for remote in scene.cluster.spec.remote_calls:
            if remote.caller == pod.work.name:
                peers[remote.peer] = (remote.share, remote.latency_ms)
        for callee, (share, latency_ms) in peers.items():
            rate = share * http.rate / max(1, pod.work.replicas)
            sizes = {"rate": rate, "errors": 0.0005, "fine": 0.9995, "latency": latency_ms / 1000}
            yield scene.served(pod, job, {"peer_service": callee}, sizes)


def gpus(scene: Scene, job: str) -> Iterator[Entity]:
    holders = {
        (gpu.uuid, place): pod for pod in scene.cluster.inventory.pods for gpu, place in pod.gpus
    }
    for node in scene.cluster.inventory.nodes:
        exporter = _exporter(scene, node)
        for gpu in node.gpus:
            pod = holders.get((gpu.uuid, None)) or holders.get((gpu.uuid, 0))
            labels = {
                "gpu": str(gpu.index),
                "UUID": gpu.uuid,
                "pci_bus_id": gpu.pci_bus_id,
                "device": f"nvidia{gpu.index}",
                "modelName": gpu.model,
                "Hostname": node.name,
            }
            # DCGM cannot tell which of several pods uses a shared card
            if pod and gpu.replicas == 1:
                labels |= {
                    "exported_namespace": pod.namespace,
                    "exported_pod": pod.name,
                    "exported_container": pod.work.container_name,
                }
            memory = gpu_memory_mib(gpu.model)
            busy = _load(pod)
            slices = [
                slice_memory_mib(profile)
                for place, profile in enumerate(gpu.mig)
                if (gpu.uuid, place) in holders
            ]
            held = 0.6 * sum(slices) if slices else 0.8 * memory if pod else 4.0
            sizes = {
                "memory": memory,
                "held": held,
                "free": memory - held,
                "clock": busy_sm_clock_mhz(gpu.model),
                "busy": busy,
                "heat": 30 + 32 * busy,
                "power": 75 + power_limit_watts(gpu.model) * 0.75 * busy,
                # an idle card lowers its link's generation
                "pcie_gen": pcie_generation(gpu.model) if busy else 1.0,
                "pcie_gen_max": pcie_generation(gpu.model),
            }
            target = scene.on_pod(job, exporter) if exporter else scene.central(job)
            lost = scene.cluster.gpu_present(gpu.uuid)
            yield Entity(gpu.uuid, target, labels, sizes, present=lost)


def _load(pod: Pod | None) -> float:
    """How busy a pod keeps its cards, 0 to 1."""
    if pod is None:
        return 0.0
    if pod.work.gpu_load is not None:
        return pod.work.gpu_load
    return 0.82 if pod.work.kind == "StatefulSet" else 0.6


def gpu_slices(scene: Scene, job: str) -> Iterator[Entity]:
    """The MIG slices that pods hold, as DCGM tells them apart."""
    for pod in scene.cluster.inventory.pods:
        exporter = _exporter(scene, pod.node)
        for gpu, place in pod.gpus:
            if place is None:
                continue
            labels = {
                "gpu": str(gpu.index),
                "UUID": gpu.uuid,
                "pci_bus_id": gpu.pci_bus_id,
                "device": f"nvidia{gpu.index}",
                "modelName": gpu.model,
                "Hostname": pod.node.name,
                "GPU_I_ID": str(place + 7),
                "GPU_I_PROFILE": gpu.mig[place],
                "exported_namespace": pod.namespace,
                "exported_pod": pod.name,
                "exported_container": pod.work.container_name,
            }
            target = scene.on_pod(job, exporter) if exporter else scene.central(job)
            yield Entity(f"{gpu.uuid}/{place}", target, labels, {"busy": _load(pod)})


def _exporter(scene: Scene, node: Node) -> Pod | None:
    pods = scene.cluster.inventory.pods_of("gpu-operator/nvidia-dcgm-exporter")
    return next((pod for pod in pods if pod.node.name == node.name), None)


def gpu_nodes(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        if node.gpus:
            sizes = {"gpus": float(len(node.gpus))}
            yield Entity(node.name, scene.central(job), {"node": node.name}, sizes)


def vllm(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if pod.work.model and pod.work.http:
            labels = {"model_name": pod.work.model, "engine": "0"}
            rate = pod.work.http.rate / pod.work.replicas
            yield scene.served(pod, job, labels, {"rate": rate})


def ptp(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if pod.work.ptp:
            for process, iface in (("ptp4l", "ens1fx"), ("phc2sys", "CLOCK_REALTIME")):
                labels = {"process": process, "node": pod.node.name, "iface": iface}
                yield scene.served(pod, job, {**labels, "from": "master"}, {})


def ptp_processes(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if pod.work.ptp:
            for process in ("ptp4l", "phc2sys"):
                labels = {"process": process, "node": pod.node.name, "config": "ptp4l.0.config"}
                yield scene.served(pod, job, labels, {})


def dpdk(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        for port in range(pod.work.dpdk_ports):
            yield scene.served(pod, job, {"port": str(port)}, {"rate": 250_000.0 * (port + 1)})


def vfs(scene: Scene, job: str) -> Iterator[Entity]:
    taken: Counter[str] = Counter()
    for pod in scene.cluster.inventory.pods:
        first = taken[pod.node.name]
        taken[pod.node.name] += pod.work.vfs
        for number in range(first, first + pod.work.vfs):
            labels = {
                "pf": "ens3f0",
                "vf": str(number),
                "pciAddr": f"0000:5e:02.{number}",
                "numa_node": "0",
            }
            target = scene.on_node(job, pod.node, 9808, node=pod.node.name)
            yield Entity(f"{pod.name}/{number}", target, labels, {"rate": 2e7})


def amfs(scene: Scene, job: str) -> Iterator[Entity]:
    return _functions(scene, job, "AMF")


def smfs(scene: Scene, job: str) -> Iterator[Entity]:
    return _functions(scene, job, "SMF")


def upfs(scene: Scene, job: str) -> Iterator[Entity]:
    return _functions(scene, job, "UPF")


def _functions(scene: Scene, job: str, cnf: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if pod.work.cnf == cnf:
            yield scene.served(pod, job, {}, {"rate": 2.0})
