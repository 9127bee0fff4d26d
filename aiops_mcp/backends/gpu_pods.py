"""Which pod holds which GPU, as far as it can be known. Pure: Kubernetes objects and text in.

Kubernetes says how many GPUs a container was given, not which. Two things tell more: a process's
control group names its pod, and a container that was given all of a node's GPUs has each of them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiops_mcp.models.gpu import GPU, GpuHolder, GpuProcess, MigInstance, PodRef

GPU_RESOURCE = "nvidia.com/gpu"
SHARED_RESOURCE = "nvidia.com/gpu.shared"
MIG_RESOURCE = "nvidia.com/mig-"

# systemd writes the pod's UID with underscores, cgroupfs with dashes
_POD_UID = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
_CONTAINER_ID = re.compile(r"([0-9a-f]{64})")
_CGROUP_LINE = re.compile(r"/proc/(\d+)/cgroup:(.*)")


def cgroup_command(pids: Iterable[int]) -> tuple[str, ...]:
    """A command that prints each process's control groups with the file's name before each line.

    It works where the container shares the host's process ids (``hostPID``).
    """
    return ("grep", "-H", "", *(f"/proc/{pid}/cgroup" for pid in pids))


def pods_of_processes(output: str, pods: Sequence[Mapping[str, Any]]) -> dict[int, PodRef]:
    """Pod by process id, from what ``cgroup_command`` printed and the node's pods."""
    by_uid = {_metadata(pod).get("uid"): pod for pod in pods}
    found: dict[int, PodRef] = {}
    for line in output.splitlines():
        match = _CGROUP_LINE.search(line)
        uid = _POD_UID.search(match.group(2)) if match else None
        pod = by_uid.get(uid.group(1).replace("_", "-")) if uid else None
        if match and pod is not None:
            container = _CONTAINER_ID.search(match.group(2))
            name = _container_name(pod, container.group(1)) if container else None
            found[int(match.group(1))] = _reference(pod, name)
    return found


def sole_holders(
    pods: Sequence[Mapping[str, Any]], available: Mapping[str, int]
) -> dict[str, PodRef]:
    """Pod by resource (``nvidia.com/gpu``, ``nvidia.com/mig-1g.10gb``) that has all there is.

    ``available`` counts what the node really has of each; where GPUs are shared between pods the
    numbers in the pods are no cards, so the caller leaves the resource out.
    """
    requests: dict[str, list[tuple[PodRef, int]]] = defaultdict(list)
    for pod in pods:
        if pod.get("status", {}).get("phase") in _ENDED:
            continue
        containers: Sequence[Mapping[str, Any]] = pod.get("spec", {}).get("containers") or ()
        for container in containers:
            for resource, amount in _gpu_limits(container).items():
                reference = _reference(pod, container.get("name"))
                requests[resource].append((reference, amount))
    return {
        resource: holders[0][0]
        for resource, holders in requests.items()
        if len(holders) == 1 and holders[0][1] == available.get(resource)
    }


def gpu_holders(pods: Sequence[Mapping[str, Any]]) -> tuple[GpuHolder, ...]:
    """The pods that ask for GPUs and have not ended, with who owns them, by name."""
    found = (_holder(pod) for pod in pods)
    return tuple(
        sorted((one for one in found if one is not None), key=lambda one: (one.namespace, one.pod))
    )


_ENDED = ("Succeeded", "Failed")
_JOB_LABELS = {
    "ray.io/cluster": "RayCluster",
    "training.kubeflow.org/job-name": "PyTorchJob",
    "jobset.sigs.k8s.io/jobset-name": "JobSet",
    "leaderworkerset.sigs.k8s.io/name": "LeaderWorkerSet",
    "serving.kserve.io/inferenceservice": "InferenceService",
    "job-name": "Job",
}
"""What many pods together are, where their own owner is only a part of it."""


def _holder(pod: Mapping[str, Any]) -> GpuHolder | None:
    spec, metadata = pod.get("spec", {}), _metadata(pod)
    phase = pod.get("status", {}).get("phase")
    if phase in _ENDED:
        return None
    resources: dict[str, int] = defaultdict(int)
    containers: list[str] = []
    for container in spec.get("containers") or ():
        amounts = _gpu_limits(container)
        if amounts:
            containers.append(str(container.get("name")))
        for resource, amount in amounts.items():
            resources[resource] += amount
    claims = tuple(
        str(claim.get("resourceClaimName") or claim.get("resourceClaimTemplateName") or "")
        for claim in spec.get("resourceClaims") or ()
    )
    if not resources and not claims:
        return None
    kind, name = _owner(metadata)
    return GpuHolder(
        namespace=metadata.get("namespace", "default"),
        pod=metadata.get("name", ""),
        containers=tuple(containers),
        resources=dict(resources),
        claims=claims,
        owner_kind=kind,
        owner_name=name,
        phase=phase,
    )


def _owner(metadata: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The job by its label, else the controller; a ReplicaSet stands for its Deployment."""
    labels: Mapping[str, str] = metadata.get("labels") or {}
    for label, kind in _JOB_LABELS.items():
        if labels.get(label):
            return kind, labels[label]
    owners: Sequence[Mapping[str, Any]] = metadata.get("ownerReferences") or ()
    owner = next((one for one in owners if one.get("controller")), None)
    if owner is None:
        return None, None
    kind, name = str(owner.get("kind")), str(owner.get("name"))
    template = labels.get("pod-template-hash")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return "Deployment", name.removesuffix(f"-{template}")
    return kind, name


def _gpu_limits(container: Mapping[str, Any]) -> dict[str, int]:
    limits: Mapping[str, Any] = container.get("resources", {}).get("limits") or {}
    return {
        resource: int(amount)
        for resource, amount in limits.items()
        if is_gpu_resource(resource) and str(amount).isdecimal() and int(amount) > 0
    }


def is_gpu_resource(resource: str) -> bool:
    """Whether a resource name counts GPUs or MIG slices."""
    return resource in (GPU_RESOURCE, SHARED_RESOURCE) or resource.startswith(MIG_RESOURCE)


def mig_resource(profile: str) -> str:
    """The resource name of a MIG profile: ``1g.10gb+me`` is ``nvidia.com/mig-1g.10gb.me``."""
    return MIG_RESOURCE + profile.replace("+", ".")


def with_pods(
    gpus: Sequence[GPU], by_pid: Mapping[int, PodRef], holders: Mapping[str, PodRef]
) -> tuple[GPU, ...]:
    """The cards with the pods of their processes, of their MIG slices and of themselves."""
    return tuple(_with_pods(gpu, by_pid, holders) for gpu in gpus)


def _with_pods(gpu: GPU, by_pid: Mapping[int, PodRef], holders: Mapping[str, PodRef]) -> GPU:
    processes = tuple(
        process.model_copy(update={"pod": by_pid.get(process.pid, process.pod)})
        for process in gpu.processes
    )
    instances = tuple(
        mig.model_copy(update={"pod": mig.pod or _mig_pod(mig, processes, holders)})
        for mig in gpu.mig_instances
    )
    pod = gpu.pod
    if pod is None and not gpu.mig_enabled:
        pod = _one_pod(processes) or holders.get(GPU_RESOURCE)
    return gpu.model_copy(update={"processes": processes, "mig_instances": instances, "pod": pod})


def _mig_pod(
    mig: MigInstance, processes: Sequence[GpuProcess], holders: Mapping[str, PodRef]
) -> PodRef | None:
    if mig.gpu_instance_id is not None:
        inside = [p for p in processes if p.gpu_instance_id == mig.gpu_instance_id]
        pod = _one_pod(inside)
        if pod is not None:
            return pod
    return holders.get(mig_resource(mig.profile)) if mig.profile else None


def _one_pod(processes: Iterable[GpuProcess]) -> PodRef | None:
    pods = {
        (process.pod.namespace, process.pod.pod): process.pod
        for process in processes
        if process.pod is not None
    }
    return next(iter(pods.values())) if len(pods) == 1 else None


def _metadata(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return pod.get("metadata", {})


def _reference(pod: Mapping[str, Any], container: str | None) -> PodRef:
    metadata = _metadata(pod)
    return PodRef(
        namespace=metadata.get("namespace", "default"),
        pod=metadata.get("name", ""),
        container=container,
    )


def _container_name(pod: Mapping[str, Any], container_id: str) -> str | None:
    statuses: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses") or ()
    names = (
        status.get("name")
        for status in statuses
        if str(status.get("containerID", "")).endswith(container_id)
    )
    return next(names, None)
