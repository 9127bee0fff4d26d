"""One picture of a cluster's GPUs from two sources: nvidia-smi on the nodes, DCGM in Prometheus.

Pure. nvidia-smi's readings are a moment old and stand; DCGM adds what it alone knows: XIDs, the
pods that hold cards and slices, a slice's utilization, and nodes on which nothing could be run.
"""

from collections.abc import Sequence
from typing import TypeVar

from aiops_mcp.models.entity import Entity
from aiops_mcp.models.gpu import GPU, GPUNode, MigInstance

EntityT = TypeVar("EntityT", bound=Entity)


def join_sources(from_smi: Sequence[GPUNode], from_dcgm: Sequence[GPUNode]) -> tuple[GPUNode, ...]:
    """The nodes of both, by name; a node's ``source`` is the one that gave its cards.

    Cards are matched by UUID. DCGM's host name may differ from the node's name (a full domain
    name, a pod's name), so a node is also known by its cards.
    """
    left = list(from_dcgm)
    joined: list[GPUNode] = []
    for node in from_smi:
        twin = next((other for other in left if _same_node(node, other)), None)
        if twin is not None:
            left.remove(twin)
        joined.append(node if twin is None else _join(node, twin))
    return tuple(sorted((*joined, *left), key=lambda node: node.node_name))


def _same_node(node: GPUNode, other: GPUNode) -> bool:
    if node.cluster_id != other.cluster_id:
        return False
    names = {name.split(".", 1)[0] for name in (node.node_name, other.node_name)}
    return len(names) == 1 or bool(_uuids(node) & _uuids(other))


def _uuids(node: GPUNode) -> set[str]:
    return {gpu.uuid for gpu in node.gpus if gpu.uuid}


def _join(node: GPUNode, twin: GPUNode) -> GPUNode:
    warnings = tuple(dict.fromkeys((*node.warnings, *twin.warnings)))
    if not node.gpus:
        return twin.model_copy(update={"node_name": node.node_name, "warnings": warnings})
    by_uuid: dict[str | None, GPU] = {gpu.uuid: gpu for gpu in twin.gpus if gpu.uuid}
    gpus = tuple(_with_dcgm(gpu, by_uuid.get(gpu.uuid)) for gpu in node.gpus)
    return node.model_copy(update={"gpus": gpus, "warnings": warnings})


def _with_dcgm(gpu: GPU, twin: GPU | None) -> GPU:
    if twin is None:
        return gpu
    parts = {mig.gpu_instance_id: mig for mig in twin.mig_instances}
    instances = tuple(_with_part(mig, parts.get(mig.gpu_instance_id)) for mig in gpu.mig_instances)
    # no throttle reason is a reading too, which DCGM's older one must not replace
    older = twin.model_copy(update={"throttle_reasons": ()})
    return fill_gaps(gpu.model_copy(update={"mig_instances": instances}), older)


def _with_part(mig: MigInstance, twin: MigInstance | None) -> MigInstance:
    return mig if twin is None or mig.gpu_instance_id is None else fill_gaps(mig, twin)


def fill_gaps(entity: EntityT, twin: EntityT) -> EntityT:
    """The entity with its twin's values where its own are ``None`` or empty."""
    missing = {
        name: value
        for name, value in twin
        if getattr(entity, name) in (None, ()) and value not in (None, ())
    }
    return entity.model_copy(update=missing)


def bus_key(bus_id: str) -> str:
    """A PCI bus id for comparing: messages write its domain in 4 digits, queries in 8."""
    return bus_id.lower().lstrip("0")


def same_bus(one: str | None, other: str | None) -> bool:
    """Whether two bus ids are told and are the same."""
    return bool(one and other) and bus_key(str(one)) == bus_key(str(other))
