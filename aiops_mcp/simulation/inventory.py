"""A cluster's things, built from its specification: nodes, GPUs, workloads and healthy pods.

Names, addresses and ages are drawn by the seed. Incidents are laid over this afterwards; here
everything is well. It must not know metrics or wire formats.
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid5

from aiops_mcp.simulation.history import PodHistory, completed, healthy
from aiops_mcp.simulation.noise import DAY, key_of, unit
from aiops_mcp.simulation.steps import Steps
from aiops_mcp.simulation.topology import GIB, ClusterSpec, WorkloadSpec

_NAMESPACE = UUID("5f0d2d6e-3c1b-4e0a-9b60-7f2f6c3a9d10")
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MEMORY_GIB = {"control-plane": 32, "worker": 64, "gpu": 1024}
_CPUS = {"control-plane": 8, "worker": 16, "gpu": 64}


def uid_of(seed: int, *parts: object) -> str:
    """A UUID drawn by the seed and the parts."""
    return str(uuid5(_NAMESPACE, "\x1f".join(map(str, (seed, *parts)))))


def suffix(length: int, *parts: object) -> str:
    """A name suffix in Kubernetes' safe alphabet, drawn by the parts."""
    number = key_of("suffix", *parts)
    letters: list[str] = []
    for _ in range(length):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card as built in; what it does now stands in the metrics."""

    node: str
    index: int
    uuid: str
    model: str
    pci_bus_id: str
    mig: tuple[str, ...] = ()
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    role: str
    address: str
    cpus: int
    memory_bytes: float
    disk_bytes: float
    uid: str
    created: float
    gpus: tuple[Gpu, ...] = ()
    schedulable_roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod with one container, on one node, and what happens to it."""

    work: WorkloadSpec
    name: str
    node: Node
    address: str
    uid: str
    image: str
    owner_kind: str
    owner_name: str
    template_hash: str
    history: PodHistory
    gpus: tuple[tuple[Gpu, int | None], ...] = ()

    @property
    def namespace(self) -> str:
        return self.work.namespace

    @property
    def container_id(self) -> str:
        return f"cri-o://{self.uid.replace('-', '')}{self.uid.replace('-', '')}"


@dataclass(frozen=True, slots=True)
class Revision:
    """One ReplicaSet of a Deployment: how many pods it wants over time, and why it was made.

    One that ``stalls`` makes no progress while its pods are wanted.
    """

    work: WorkloadSpec
    name: str
    template_hash: str
    number: int
    image: str
    created: float
    replicas: Steps[int]
    cause: str = ""
    stalls: bool = True


@dataclass(slots=True)
class Inventory:
    """Everything in one cluster."""

    nodes: list[Node]
    workloads: list[WorkloadSpec]
    pods: list[Pod] = field(default_factory=list[Pod])
    revisions: list[Revision] = field(default_factory=list[Revision])

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def pods_of(self, path: str) -> list[Pod]:
        """The pods of a workload given as ``namespace/name``."""
        return [pod for pod in self.pods if pod.work.path == path]


def _fits(work: WorkloadSpec, offered: tuple[Gpu, int | None]) -> bool:
    """Whether a card (or the slice at a place of it) is of the kind that a workload asks for."""
    gpu, place = offered
    return (place is not None) == work.mig and (gpu.replicas > 1) == work.shares_gpu


class Builder:
    """Draws one cluster's inventory by the seed."""

    def __init__(
        self,
        seed: int,
        number: int,
        spec: ClusterSpec,
        workloads: tuple[WorkloadSpec, ...],
        anchor: float,
    ) -> None:
        self._seed = seed
        self._number = number
        self._spec = spec
        self._workloads = workloads
        self._anchor = anchor
        self._taken: dict[str, int] = {}
        self._free_gpus: list[tuple[Gpu, int | None]] = []
        self._addresses = 10

    def build(self) -> Inventory:
        """The healthy inventory."""
        inventory = Inventory(self._nodes(), list(self._workloads))
        for node in inventory.nodes:
            for gpu in node.gpus:
                slices = range(len(gpu.mig)) if gpu.mig else [None] * gpu.replicas
                self._free_gpus.extend((gpu, place) for place in slices)
        for work in self._workloads:
            inventory.pods.extend(self._pods(work, inventory.nodes))
            if work.kind == "Deployment":
                inventory.revisions.append(self._revision(work))
        return inventory

    def _nodes(self) -> list[Node]:
        spec = self._spec
        roles = ["control-plane"] * spec.control_plane + ["worker"] * spec.workers
        roles += ["gpu"] * spec.gpu_nodes
        counts: dict[str, int] = {}
        nodes: list[Node] = []
        for place, role in enumerate(roles):
            index = counts.setdefault(role, 0)
            counts[role] += 1
            short = {"control-plane": "cp"}.get(role, role)
            name = f"{spec.name}-{short}-{index}"
            nodes.append(self._node(name, role, place))
        return nodes

    def _node(self, name: str, role: str, place: int) -> Node:
        small = len(self._spec.stacks) < 5
        compact = not self._spec.workers and not self._spec.gpu_nodes
        memory = 16 if small else 128 if compact else _MEMORY_GIB[role]
        roles = {role, "any"} | (
            {"worker"} if compact or (role == "gpu" and not self._spec.workers) else set[str]()
        )
        return Node(
            name=name,
            role=role,
            address=f"10.{self._number + 20}.0.{place + 10}",
            cpus=8 if small else 32 if compact else _CPUS[role],
            memory_bytes=memory * GIB,
            disk_bytes=(120 if small else 480) * GIB,
            uid=uid_of(self._seed, self._spec.name, "node", name),
            created=self._anchor - DAY * (40 + 60 * unit(self._seed, name, "age")),
            gpus=self._gpus(name) if role == "gpu" else (),
            schedulable_roles=tuple(sorted(roles)),
        )

    def _gpus(self, node: str) -> tuple[Gpu, ...]:
        cards = self._spec.gpu
        if cards is None:
            return ()
        buses = (0x1B, 0x43, 0x52, 0x61, 0x9D, 0xC3, 0xD1, 0xDF)
        return tuple(
            Gpu(
                node=node,
                index=index,
                uuid=f"GPU-{uid_of(self._seed, node, 'gpu', index)}",
                model=cards.model,
                pci_bus_id=f"00000000:{buses[index]:02X}:00.0",
                mig=cards.mig if index in cards.mig_gpus else (),
                replicas=cards.replicas if node in cards.time_sliced else 1,
            )
            for index in range(cards.count)
        )

    def _pods(self, work: WorkloadSpec, nodes: list[Node]) -> list[Pod]:
        if work.kind == "DaemonSet":
            return [
                self.pod(work, place, node, healthy(self._age(work, node.name)))
                for place, node in enumerate(
                    node for node in nodes if work.nodes in node.schedulable_roles
                )
            ]
        if work.kind == "CronJob":
            return [self._job_pod(work, day, nodes) for day in (2, 1, 0)]
        return [
            self.pod(work, place, self._place(work, nodes), healthy(self._age(work, place)))
            for place in range(work.replicas)
        ]

    def _job_pod(self, work: WorkloadSpec, days_ago: int, nodes: list[Node]) -> Pod:
        started = self._anchor - days_ago * DAY
        return self.pod(
            work, int(started // 60), self._place(work, nodes), completed(started, 1500.0)
        )

    def _age(self, work: WorkloadSpec, place: object) -> float:
        return self._anchor - DAY * (2 + 28 * unit(self._seed, self._spec.name, work.path, place))

    def _place(self, work: WorkloadSpec, nodes: list[Node]) -> Node:
        """The fitting node with the fewest pods, as a spreading scheduler chooses."""
        role = "gpu" if work.nodes == "gpu" else "worker"
        fitting = [node for node in nodes if role in node.schedulable_roles]
        free = [one[0].node for one in self._free_gpus if _fits(work, one)]
        if work.gpus and free:
            most = max(free, key=free.count)
            fitting = [node for node in nodes if node.name == most]
        chosen = min(fitting or nodes, key=lambda node: self._taken.get(node.name, 0))
        self._taken[chosen.name] = self._taken.get(chosen.name, 0) + 1
        return chosen

    def pod(
        self,
        work: WorkloadSpec,
        place: int,
        node: Node,
        history: PodHistory,
        *,
        image: str = "",
        template_hash: str = "",
    ) -> Pod:
        """A pod of a workload; ``place`` numbers it within the workload."""
        template = template_hash or suffix(9, self._seed, self._spec.name, work.path, "template")
        mark = suffix(5, self._seed, self._spec.name, work.path, template, place)
        kind, owner, name = work.kind, work.name, f"{work.name}-{mark}"
        if work.kind == "Deployment":
            kind, owner = "ReplicaSet", f"{work.name}-{template}"
            name = f"{owner}-{mark}"
        elif work.kind == "StatefulSet":
            name = f"{work.name}-{place}"
        elif work.kind == "CronJob":
            kind, owner = "Job", f"{work.name}-{place}"
            name = f"{owner}-{mark}"
        elif work.nodes == "control-plane":
            kind, owner, name = "Node", node.name, f"{work.name}-{node.name}"
        self._addresses += 1
        third, fourth = divmod(self._addresses, 250)
        return Pod(
            work=work,
            name=name,
            node=node,
            address=f"10.{self._number + 128}.{third}.{fourth + 2}",
            uid=uid_of(self._seed, self._spec.name, work.namespace, name, history.created),
            image=image or work.image,
            owner_kind=kind,
            owner_name=owner,
            template_hash=template,
            history=history,
            gpus=self._take_gpus(work, node),
        )

    def _take_gpus(self, work: WorkloadSpec, node: Node) -> tuple[tuple[Gpu, int | None], ...]:
        fitting = [one for one in self._free_gpus if one[0].node == node.name and _fits(work, one)]
        mine = fitting[: work.gpus]
        for one in mine:  # of a card that is offered several times, once
            self._free_gpus.remove(one)
        return tuple(mine)

    def _revision(self, work: WorkloadSpec) -> Revision:
        template = suffix(9, self._seed, self._spec.name, work.path, "template")
        return Revision(
            work=work,
            name=f"{work.name}-{template}",
            template_hash=template,
            number=1 + int(9 * unit(self._seed, work.path, "revision")),
            image=work.image,
            created=self._anchor - 30 * DAY,
            replicas=Steps((), (work.replicas,)),
        )
