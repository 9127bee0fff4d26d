"""Kubernetes objects as kube-state-metrics sees them."""

from collections.abc import Iterator
from typing import Any

from aiops_mcp.simulation.entities import Entity, Scene, Target, pod_sizes
from aiops_mcp.simulation.inventory import Pod
from aiops_mcp.simulation.rollouts import WorkloadCounts
from aiops_mcp.simulation.signals import lifetime
from aiops_mcp.simulation.steps import Steps, changes
from aiops_mcp.simulation.topology import GIB


def kube_pods(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for pod in scene.cluster.inventory.pods:
        yield _kube_pod(pod, target, {})


def kube_containers(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for pod in scene.cluster.inventory.pods:
        yield _kube_pod(pod, target, {"container": pod.work.container_name})


def deployments(scene: Scene, job: str) -> Iterator[Entity]:
    yield from _workloads(scene, job, "Deployment", "deployment")


def statefulsets(scene: Scene, job: str) -> Iterator[Entity]:
    yield from _workloads(scene, job, "StatefulSet", "statefulset")


def daemonsets(scene: Scene, job: str) -> Iterator[Entity]:
    yield from _workloads(scene, job, "DaemonSet", "daemonset")


def _workloads(scene: Scene, job: str, kind: str, label: str) -> Iterator[Entity]:
    target = scene.central(job)
    for work in scene.cluster.inventory.workloads:
        if work.kind != kind or (kind == "DaemonSet" and work.nodes == "control-plane"):
            continue
        counts = WorkloadCounts(scene.cluster, work)
        labels = {"namespace": work.namespace, label: work.name}
        yield Entity(work.path, target, labels, states=counts.states())


def replicasets(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for revision in scene.cluster.inventory.revisions:
        labels = {"namespace": revision.work.namespace, "replicaset": revision.name}
        info = {"owner_kind": "Deployment", "owner_name": revision.work.name}
        present = lifetime(revision.created)
        states: dict[str, Steps[Any]] = {"wanted": revision.replicas}
        yield Entity(revision.name, target, labels, {}, states, info, present)


def jobs(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for pod in scene.cluster.inventory.pods:
        if pod.work.kind == "CronJob":
            labels = {"namespace": pod.namespace, "job_name": pod.owner_name}
            states: dict[str, Steps[Any]] = {
                "succeeded": _as_numbers(pod.history.phase, "Succeeded"),
                "active": _as_numbers(pod.history.phase, "Running"),
            }
            present = lifetime(pod.history.created, pod.history.deleted)
            yield Entity(pod.owner_name, target, labels, {}, states, present=present)


def namespaces(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    names = {work.namespace for work in scene.cluster.inventory.workloads} | {"default"}
    for name in sorted(names):
        yield Entity(name, target, {"namespace": name})


def claims(scene: Scene, job: str) -> Iterator[Entity]:
    target = scene.central(job)
    for pod in scene.cluster.inventory.pods:
        if pod.work.volume_gib:
            labels = {"namespace": pod.namespace, "persistentvolumeclaim": f"data-{pod.name}"}
            sizes = {"size": pod.work.volume_gib * GIB}
            info = {"storageclass": "standard", "volumename": f"pvc-{pod.uid}"}
            bound = {"phase": changes("Bound", [])}
            yield Entity(f"{pod.namespace}/{pod.name}", target, labels, sizes, bound, info)
    for claim in scene.cluster.pending_claims:
        yield Entity(
            f"{claim.namespace}/{claim.name}",
            target,
            {"namespace": claim.namespace, "persistentvolumeclaim": claim.name},
            {"size": claim.size_gib * GIB},
            {"phase": changes("Pending", [])},
            {"storageclass": claim.storage_class, "volumename": ""},
            lifetime(claim.start, claim.end),
        )


def _kube_pod(pod: Pod, target: Target, extra: dict[str, str]) -> Entity:
    history = pod.history
    created_by = {"created_by_kind": pod.owner_kind, "created_by_name": pod.owner_name}
    owner = {"owner_kind": pod.owner_kind, "owner_name": pod.owner_name}
    info = {
        "node": pod.node.name,
        "host_ip": pod.node.address,
        "pod_ip": pod.address,
        "image": pod.image,
        "image_spec": pod.image,
        "container_id": pod.container_id,
        **created_by,
        **owner,
    }
    return Entity(
        key=f"{pod.namespace}/{pod.name}",
        target=target,
        labels={"namespace": pod.namespace, "pod": pod.name, "uid": pod.uid, **extra},
        sizes=pod_sizes(pod.work) | {"created": history.created, "gpus": float(pod.work.gpus)},
        states={
            "phase": history.phase,
            "ready": history.ready,
            "running": history.running,
            "restarts": history.restarts,
            "waiting": history.waiting,
            "terminated": history.terminated,
            "last_terminated": history.last_terminated,
            "exit_code": history.exit_code,
            "reason": history.reason,
        },
        info=info,
        present=lifetime(history.created, history.deleted),
    )


def _as_numbers(steps: Steps[Any], wanted: object) -> Steps[float]:
    return Steps(steps.times, tuple(float(value == wanted) for value in steps.values))
