"""Nodes and what stands in them: CPUs, disks, interfaces, and their kubelets' pods."""

from collections.abc import Iterator
from typing import Any

from aiops_mcp.simulation.cluster import CONDITIONS
from aiops_mcp.simulation.entities import Entity, Scene, pod_sizes
from aiops_mcp.simulation.inventory import Node
from aiops_mcp.simulation.noise import unit
from aiops_mcp.simulation.signals import lifetime
from aiops_mcp.simulation.steps import Steps
from aiops_mcp.simulation.topology import GIB, MIB


def _node_sizes(scene: Scene, node: Node) -> dict[str, float]:
    pods = scene.cluster.pods_on(node)
    used = sum(pod.work.cpu for pod in pods) + 0.04 * node.cpus
    memory = sum(pod.work.memory * MIB for pod in pods) + 0.08 * node.memory_bytes
    return {
        "cpus": float(node.cpus),
        "memory_bytes": node.memory_bytes,
        "disk_bytes": node.disk_bytes,
        "used_cores": used,
        "busy": min(0.85, used / node.cpus),
        "memory_used": min(0.85 * node.memory_bytes, memory),
        "pods": float(len(pods)),
    }


def cluster(scene: Scene, job: str) -> Iterator[Entity]:
    inventory = scene.cluster.inventory
    sizes = {
        "nodes": float(len(inventory.nodes)),
        "pods": float(len(inventory.pods)),
        "cpus": float(sum(node.cpus for node in inventory.nodes)),
    }
    info = {
        "version": scene.cluster.spec.version,
        "git_version": scene.cluster.spec.kubernetes_version,
    }
    yield Entity(scene.cluster.name, scene.central(job), {}, sizes, info=info)


def nodes(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        sizes = _node_sizes(scene, node)
        sizes["memory_free"] = node.memory_bytes - sizes["memory_used"]
        info = {"nodename": node.name, "release": "5.14.0-427.57.1.el9_4.x86_64"}
        yield Entity(node.name, scene.on_node(job, node), {}, sizes, info=info)


def kube_nodes(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for node in scene.cluster.inventory.nodes:
        states: dict[str, Steps[Any]] = {}
        for kind in CONDITIONS:
            steps = scene.cluster.condition(node.name, kind)
            states[kind] = Steps(steps.times, tuple(one.status for one in steps.values))
        info = {
            "internal_ip": node.address,
            "kubelet_version": scene.cluster.spec.kubernetes_version,
            "container_runtime_version": "cri-o://1.31.5",
            "os_image": "Red Hat Enterprise Linux CoreOS 418.94",
            "kernel_version": "5.14.0-427.57.1.el9_4.x86_64",
            "role": "control-plane" if node.role == "control-plane" else "worker",
        }
        sizes = _node_sizes(scene, node) | {
            "gpus": float(len(node.gpus)),
            "created": node.created,
        }
        yield Entity(node.name, target, {"node": node.name}, sizes, states, info)


def cpus(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        target, sizes = scene.on_node(job, node), _node_sizes(scene, node)
        busy = sizes["busy"]
        shares = {"idle": 1 - busy, "user": busy * 0.7, "system": busy * 0.2}
        for number in range(node.cpus):
            labels = {"cpu": str(number)}
            yield Entity(f"{node.name}/{number}", target, labels, {"busy": busy, **shares})


def filesystems(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        target = scene.on_node(job, node)
        for mount, device, share, typical in (
            ("/", "/dev/mapper/root", 0.25, 0.45),
            ("/boot", "/dev/nvme0n1p3", 0.002, 0.35),
            ("/var", "/dev/mapper/var", 0.7, 0.4),
        ):
            labels = {"device": device, "fstype": "xfs", "mountpoint": mount}
            size = node.disk_bytes * share
            used = typical + 0.2 * (unit(scene.cluster.seed, node.name, mount) - 0.5)
            sizes = {"size": size, "free": size * (1 - used), "inodes": size / 16384}
            yield Entity(f"{node.name}{mount}", target, labels, sizes)


def disks(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        sizes = _node_sizes(scene, node)
        yield Entity(f"{node.name}/nvme0n1", scene.on_node(job, node), {"device": "nvme0n1"}, sizes)


def nics(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        for device, share in (("ens1f0", 1.0), ("br-ex", 0.9), ("lo", 0.05)):
            sizes = {"share": share * (1.0 + _node_sizes(scene, node)["used_cores"])}
            target = scene.on_node(job, node)
            yield Entity(f"{node.name}/{device}", target, {"device": device}, sizes)


def kubelets(scene: Scene, job: str) -> Iterator[Entity]:
    for node in scene.cluster.inventory.nodes:
        target = scene.on_node(job, node, 10250, metrics_path="/metrics", node=node.name)
        yield Entity(node.name, target, {}, _node_sizes(scene, node))


def containers(scene: Scene, _job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        work = pod.work
        labels = {
            "namespace": pod.namespace,
            "pod": pod.name,
            "container": work.container_name,
            "image": pod.image,
        }
        yield Entity(
            f"{pod.namespace}/{pod.name}",
            scene.cadvisor(pod),
            labels,
            pod_sizes(work),
            info={"id": f"/kubepods.slice/pod{pod.uid}", "name": pod.container_id[8:20]},
            present=pod.history.alive,
            starts=pod.history.starts or (pod.history.created,),
        )


def pod_networks(scene: Scene, _job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        labels = {"namespace": pod.namespace, "pod": pod.name, "interface": "eth0"}
        rate = pod.work.http.rate if pod.work.http else 0.5
        yield Entity(
            f"{pod.namespace}/{pod.name}",
            scene.cadvisor(pod),
            labels,
            {"traffic": 2000.0 + 3000.0 * rate},
            present=lifetime(pod.history.created, pod.history.deleted),
            starts=(pod.history.created,),
        )


def volumes(scene: Scene, _job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods:
        if not pod.work.volume_gib:
            continue
        labels = {"metrics_path": "/metrics", "node": pod.node.name}
        target = scene.on_node("kubelet", pod.node, 10250, **labels)
        claim = {"namespace": pod.namespace, "persistentvolumeclaim": f"data-{pod.name}"}
        size = pod.work.volume_gib * GIB
        yield Entity(f"{pod.namespace}/{pod.name}", target, claim, {"size": size})
