"""A cluster's network functions as workloads: what type, how many ready, where, why not. Pure.

Workloads are judged by their pod templates (`cnf_hints`), so that one without any pod shows as
well; pods that no workload of ours owns are judged themselves.
"""

from collections.abc import Iterable, Mapping, Sequence

from aiops_mcp.fleet.cnf_hints import cnf_type, hints_of
from aiops_mcp.fleet.cnf_kpis import Figures, PodKey, kpis_of
from aiops_mcp.fleet.object_fields import Json, entries, number, section, text, whole
from aiops_mcp.models.cluster import Cluster, CnfType
from aiops_mcp.models.cnf import CnfPod, CnfWorkload

KINDS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
}


def as_pod(workload: Json) -> Json:
    """The pod that a workload's template would make, named as the workload."""
    metadata = section(workload, "metadata")
    template = section(workload, "spec", "template")
    named = {"name": metadata.get("name"), "namespace": metadata.get("namespace")}
    return {
        "metadata": {**section(template, "metadata"), **named},
        "spec": section(template, "spec"),
        "status": {"qosClass": _quality(section(template, "spec"))},
    }


def cnf_workloads(
    workloads: Mapping[str, Sequence[Json]],
    pods: Sequence[Json],
    kpis: Mapping[PodKey, Figures],
    cluster: Cluster,
) -> tuple[CnfWorkload, ...]:
    """The network functions among a cluster's workloads (by kind) and lone pods."""
    found: list[CnfWorkload] = []
    owned: set[int] = set()
    for kind, objects in workloads.items():
        for workload in objects:
            shape = as_pod(workload)
            own = [pod for pod in pods if _belongs(pod, workload)]
            # What admission webhooks inject (VFs, networks) stands in the pods alone.
            shape = next((each for each in (shape, *own[:1]) if cnf_type(each)), shape)
            type_ = cnf_type(shape)
            if type_ is None:
                continue
            owned.update(map(id, own))
            found.append(_workload(cluster, kind, type_, workload, shape, own, kpis))
    for pod in pods:
        lone = id(pod) not in owned and not _is_of(pod, KINDS)
        if lone and (type_ := cnf_type(pod)) is not None:
            found.append(_workload(cluster, "Pod", type_, pod, pod, [pod], kpis))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.name)))


def _workload(
    cluster: Cluster,
    kind: str,
    type_: CnfType,
    workload: Json,
    shape: Json,
    own: Sequence[Json],
    kpis: Mapping[PodKey, Figures],
) -> CnfWorkload:
    namespace, name = text(workload, "metadata", "namespace"), text(workload, "metadata", "name")
    pods = tuple(sorted(map(_pod, own), key=lambda pod: (pod.ready, pod.name)))
    wanted, ready = _replicas(kind, workload, pods)
    figures = kpis_of([kpis[namespace, pod.name] for pod in pods if (namespace, pod.name) in kpis])
    containers = entries(shape, "spec", "containers")
    troubles = [f"{ready} of {wanted} ready"] if ready < wanted else []
    troubles += [f"{pod.name}: {pod.reason}" for pod in pods if pod.reason]
    troubles += [kpi.trouble for kpi in figures if kpi.trouble]
    return CnfWorkload(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        type=type_,
        namespace=namespace,
        name=name,
        kind=kind,
        replicas_wanted=wanted,
        replicas_ready=ready,
        nodes=tuple(sorted({pod.node for pod in pods if pod.node})),
        image=containers[0].get("image") if containers else None,
        pods=pods,
        hints=hints_of(shape),
        kpis=figures,
        troubles=tuple(troubles),
    )


def _replicas(kind: str, workload: Json, pods: Sequence[CnfPod]) -> tuple[int, int]:
    """Wanted and ready."""
    status = section(workload, "status")
    if kind == "DaemonSet":
        return number(status, "desiredNumberScheduled"), number(status, "numberReady")
    if kind == "Pod":
        return 1, sum(pod.ready for pod in pods)
    replicas = whole(section(workload, "spec").get("replicas"))
    return 1 if replicas is None else replicas, number(status, "readyReplicas")


def _belongs(pod: Json, workload: Json) -> bool:
    """By namespace and the workload's selector, as its controller looks for them."""
    if text(pod, "metadata", "namespace") != text(workload, "metadata", "namespace"):
        return False
    labels = section(pod, "metadata", "labels")
    wanted = section(workload, "spec", "selector", "matchLabels")
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _is_of(pod: Json, kinds: Iterable[str]) -> bool:
    known = {*kinds, "ReplicaSet"}
    return any(
        text(owner, "kind") in known for owner in entries(pod, "metadata", "ownerReferences")
    )


def _pod(pod: Json) -> CnfPod:
    status = section(pod, "status")
    containers = entries(status, "containerStatuses")
    conditions = entries(status, "conditions")
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return CnfPod(
        name=text(pod, "metadata", "name"),
        node=text(pod, "spec", "nodeName") or None,
        ready=ready,
        reason=None if ready else _reason(status, containers, conditions),
        restarts=sum(number(one, "restartCount") for one in containers),
    )


def _reason(status: Json, containers: Iterable[Json], conditions: Iterable[Json]) -> str | None:
    """Why it is not ready: a container's state says it best; its phase may be Running."""
    for container in containers:
        for kind in ("waiting", "terminated"):
            if reason := text(container, "state", kind, "reason"):
                return reason
    for one in conditions:
        reason, message = text(one, "reason"), text(one, "message")
        if one.get("status") == "False" and reason:
            return f"{reason}: {message}" if message else reason
    return text(status, "reason") or text(status, "phase") or None


def _quality(spec: Json) -> str | None:
    """``Guaranteed`` where every container's limits are its requests, as the kubelet decides."""
    containers = entries(spec, "containers")
    for container in containers:
        limits = section(container, "resources", "limits")
        requests = section(container, "resources", "requests") or limits
        if not {"cpu", "memory"} <= set(limits):
            return None
        if any(requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")):
            return None
    return "Guaranteed" if containers else None
