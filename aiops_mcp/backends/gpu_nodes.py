"""Finding GPU nodes, and the pods on them in which nvidia-smi runs. Pure: Kubernetes objects in.

Source of labels and names: NVIDIA gpu-operator (assets/), k8s-device-plugin, gpu-feature-discovery.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiops_mcp.backends.gpu_pods import GPU_RESOURCE, is_gpu_resource
from aiops_mcp.models.gpu import GpuHolder, GpuNodeFacts

GPU_NODE_SELECTOR = "nvidia.com/gpu.present=true"

_COUNT_LABEL = "nvidia.com/gpu.count"
_SHARING_LABEL = "nvidia.com/gpu.sharing-strategy"
_REPLICAS_LABEL = "nvidia.com/gpu.replicas"
_RACK_LABELS = (
    "topology.kubernetes.io/rack",
    "topology.rack",
    "node.kubernetes.io/rack",
    "rack",
    "nvidia.com/gpu.clique",
)
"""No label for the rack is standard; the last is NVIDIA's for an NVLink domain, which is a rack."""
# gpu-feature-discovery renamed the label in 0.16
_DRIVER_LABELS = ("nvidia.com/cuda.driver-version.major", "nvidia.com/cuda.driver.major")


@dataclass(frozen=True)
class SmiSource:
    """A kind of pod that has nvidia-smi: how to find it, and in which container it lies."""

    label_selector: str
    containers: tuple[str, ...]


SMI_SOURCES = (
    SmiSource("app=nvidia-driver-daemonset", ("nvidia-driver-ctr",)),
    SmiSource("app.kubernetes.io/component=nvidia-driver", ("nvidia-driver-ctr",)),
    SmiSource("app=nvidia-device-plugin-daemonset", ("nvidia-device-plugin",)),
    SmiSource("app.kubernetes.io/name=nvidia-device-plugin", ("nvidia-device-plugin-ctr",)),
    SmiSource("name=nvidia-device-plugin-ds", ("nvidia-device-plugin-ctr",)),
    SmiSource("app=nvidia-dcgm-exporter", ("nvidia-dcgm-exporter",)),
)
"""In order of preference: the driver's own pods first, where the host's process ids are seen."""


@dataclass(frozen=True)
class SmiPod:
    """Where nvidia-smi can be run on a node."""

    namespace: str
    name: str
    container: str
    host_pid: bool


@dataclass(frozen=True)
class GpuNode:
    """A node that has, or should have, GPUs. Counts are ``None`` where nothing tells them."""

    name: str
    ready: bool
    card_count: int | None
    driver_branch: int | None
    capacity: Mapping[str, int]
    allocatable: Mapping[str, int]
    shared: bool
    sharing: str | None = None
    rack: str | None = None

    def facts(self, holders: Sequence[GpuHolder] | None) -> GpuNodeFacts:
        """The same for a reader; ``holders`` is null where the pods could not be listed."""
        return GpuNodeFacts(
            ready=self.ready,
            capacity=dict(self.capacity),
            allocatable=dict(self.allocatable),
            card_count=self.card_count,
            sharing=self.sharing,
            rack=self.rack,
            holders=tuple(holders or ()),
            holders_known=holders is not None,
        )

    def warnings(self) -> tuple[str, ...]:
        """What the Kubernetes objects alone say is wrong."""
        found = [
            f"{resource}: {self.allocatable.get(resource, 0)} of {count} can be scheduled; "
            "the device plugin holds the others to be unhealthy"
            for resource, count in self.capacity.items()
            if self.allocatable.get(resource, 0) < count
        ]
        if not self.ready:
            found.insert(0, "the node is not Ready")
        elif not any(self.capacity.values()):
            found.append("the node advertises no GPU resource: look at its device plugin")
        return tuple(found)


def gpu_nodes(nodes: Iterable[Mapping[str, Any]]) -> tuple[GpuNode, ...]:
    """The nodes labelled as GPU nodes or with a GPU resource, by name."""
    found = [_gpu_node(node) for node in nodes if _has_gpu(node)]
    return tuple(sorted(found, key=lambda node: node.name))


def _has_gpu(node: Mapping[str, Any]) -> bool:
    labels = _labels(node)
    capacity: Mapping[str, Any] = node.get("status", {}).get("capacity") or {}
    return labels.get("nvidia.com/gpu.present") == "true" or any(map(is_gpu_resource, capacity))


def _gpu_node(node: Mapping[str, Any]) -> GpuNode:
    metadata, status = node.get("metadata", {}), node.get("status", {})
    labels = _labels(node)
    branch = next((labels[name] for name in _DRIVER_LABELS if name in labels), None)
    conditions: Sequence[Mapping[str, Any]] = status.get("conditions") or ()
    return GpuNode(
        name=metadata.get("name", ""),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
        card_count=_whole(labels.get(_COUNT_LABEL)),
        driver_branch=_whole(branch),
        capacity=_gpu_counts(status.get("capacity")),
        allocatable=_gpu_counts(status.get("allocatable")),
        shared=_sharing(labels) is not None,
        sharing=_sharing(labels),
        rack=next((labels[name] for name in _RACK_LABELS if labels.get(name)), None),
    )


def _sharing(labels: Mapping[str, str]) -> str | None:
    """How pods share a card; an older feature discovery tells only into how many it is made."""
    strategy = labels.get(_SHARING_LABEL, "none")
    if strategy != "none":
        return strategy
    return "time-slicing" if (_whole(labels.get(_REPLICAS_LABEL)) or 1) > 1 else None


def _labels(node: Mapping[str, Any]) -> Mapping[str, str]:
    return node.get("metadata", {}).get("labels") or {}


def _gpu_counts(resources: Mapping[str, Any] | None) -> dict[str, int]:
    counts = {name: _whole(value) for name, value in (resources or {}).items()}
    return {
        name: count
        for name, count in counts.items()
        # with MIG the whole-card resource stays in the list with a zero
        if is_gpu_resource(name) and count is not None and (count or name == GPU_RESOURCE)
    }


def _whole(text: object) -> int | None:
    word = str(text)
    return int(word) if word.isdecimal() else None


def smi_pods(pods: Iterable[Mapping[str, Any]], source: SmiSource) -> dict[str, SmiPod]:
    """By node name, the running pods of a source."""
    found: dict[str, SmiPod] = {}
    for pod in pods:
        spec, metadata = pod.get("spec", {}), pod.get("metadata", {})
        node = spec.get("nodeName")
        running = pod.get("status", {}).get("phase") == "Running"
        container = _container(pod, source.containers)
        if node and running and container and not metadata.get("deletionTimestamp"):
            found[node] = SmiPod(
                metadata.get("namespace", "default"),
                metadata.get("name", ""),
                container,
                bool(spec.get("hostPID")),
            )
    return found


def _container(pod: Mapping[str, Any], preferred: Sequence[str]) -> str | None:
    containers: Sequence[Mapping[str, Any]] = pod.get("spec", {}).get("containers") or ()
    names = [str(container.get("name")) for container in containers]
    chosen = next((name for name in preferred if name in names), names[0] if names else None)
    statuses: Sequence[Mapping[str, Any]] = pod.get("status", {}).get("containerStatuses") or ()
    states: dict[Any, Mapping[str, Any]] = {s.get("name"): s.get("state") or {} for s in statuses}
    state = states.get(chosen) or {}
    stopped = bool(state) and "running" not in state
    return None if stopped else chosen
