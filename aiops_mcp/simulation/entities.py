"""The things that metrics are about: for each kind, its labels, sizes, states and scrape target.

The catalogue says what is measured; here stands of what. It must not know metric names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiops_mcp.simulation.cluster import SimulatedCluster, Window
from aiops_mcp.simulation.inventory import Node, Pod
from aiops_mcp.simulation.steps import Steps
from aiops_mcp.simulation.topology import MIB, WorkloadSpec


@dataclass(frozen=True, slots=True)
class Target:
    """One scrape target: the labels it adds, when it answers, and when it is known at all."""

    job: str
    instance: str
    labels: tuple[tuple[str, str], ...] = ()
    silent: tuple[Window, ...] = ()
    answers: Steps[bool] | None = None
    known: Steps[bool] | None = None

    @property
    def all_labels(self) -> dict[str, str]:
        return {"job": self.job, "instance": self.instance, **dict(self.labels)}


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing. ``sizes`` scale what is measured, ``info`` are labels for those who ask."""

    key: str
    target: Target
    labels: Mapping[str, str]
    sizes: Mapping[str, float] = field(default_factory=dict[str, float])
    states: Mapping[str, Steps[Any]] = field(default_factory=dict[str, Steps[Any]])
    info: Mapping[str, str] = field(default_factory=dict[str, str])
    present: Steps[bool] | None = None
    starts: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True)
class Scene:
    """The cluster that entities are found in; ``anchor`` is the midnight that ages count from."""

    cluster: SimulatedCluster
    anchor: float

    def on_node(self, job: str, node: Node, port: int = 9100, /, **labels: str) -> Target:
        instance = node.name if job == "node-exporter" else f"{node.address}:{port}"
        silent = tuple(self.cluster.silent(node.name))
        return Target(job, instance, tuple(sorted(labels.items())), silent)

    def on_pod(self, job: str, pod: Pod) -> Target:
        labels = {
            "namespace": pod.namespace,
            "pod": pod.name,
            "container": pod.work.container_name,
            "service": pod.work.service or pod.work.name,
        }
        return Target(
            job or pod.work.name,
            f"{pod.address}:{pod.work.port or 8080}",
            tuple(sorted(labels.items())),
            tuple(self.cluster.silent(pod.node.name)),
            pod.history.alive,
            pod.history.scraped,
        )

    def central(self, job: str) -> Target:
        pods = self.cluster.inventory.pods_of(f"monitoring/{job}")
        return Target(job, f"{pods[0].address}:{pods[0].work.port}" if pods else job)

    def cadvisor(self, pod: Pod) -> Target:
        labels = {"metrics_path": "/metrics/cadvisor", "node": pod.node.name}
        return self.on_node("kubelet", pod.node, 10250, **labels)

    def served(self, pod: Pod, job: str, labels: dict[str, str], sizes: dict[str, float]) -> Entity:
        starts = pod.history.starts or (pod.history.created,)
        key = f"{pod.namespace}/{pod.name}{''.join(labels.values())}"
        own = "" if job == "*" else job
        target = self.on_pod(own, pod)
        return Entity(key, target, labels, sizes, present=pod.history.alive, starts=starts)


def pod_sizes(work: WorkloadSpec) -> dict[str, float]:
    """Sizes of a pod: cores and bytes, used, requested and allowed."""
    return {
        "cpu": work.cpu,
        "memory": work.memory * MIB,
        "cpu_limit": work.cpu_limit or 0.0,
        "memory_limit": (work.memory_limit or 0.0) * MIB,
        "cpu_request": work.cpu_limit / 2 if work.cpu_limit else work.cpu,
        "memory_request": (work.memory_limit or work.memory) * MIB * 0.75,
    }
