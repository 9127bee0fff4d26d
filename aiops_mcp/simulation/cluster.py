"""One simulated cluster: what is in it, and every truth about it as a function of time.

Effects of incidents write their truths here while the world is built; afterwards nothing
changes. Metrics, objects and nvidia-smi output all read from here. It must not know wire formats.
"""

import re
from dataclasses import dataclass, field

from aiops_mcp.simulation.inventory import Inventory, Node, Pod
from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.signals import Curve
from aiops_mcp.simulation.steps import Steps, changes, constant
from aiops_mcp.simulation.topology import ClusterSpec

Window = tuple[float, float]
"""From and until, in unix seconds."""

CONDITIONS = {
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
"""Each node condition's healthy status, reason and message."""

OPERATORS = (
    "authentication",
    "console",
    "dns",
    "etcd",
    "image-registry",
    "ingress",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "machine-config",
    "monitoring",
    "network",
    "node-tuning",
    "openshift-apiserver",
    "storage",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition's status with why and since when it may have changed."""

    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Bend:
    """A curve over every series whose name and labels match (both anchored)."""

    metric: re.Pattern[str]
    labels: tuple[tuple[str, re.Pattern[str]], ...]
    curve: Curve

    def touches(self, labels: dict[str, str]) -> bool:
        return all(pattern.fullmatch(labels.get(name, "")) for name, pattern in self.labels)


@dataclass(frozen=True, slots=True)
class EventStream:
    """A Kubernetes event that comes again every ``every`` seconds within its window."""

    kind: str
    namespace: str
    name: str
    type: str
    reason: str
    message: str
    start: float
    end: float
    every: float
    source: str = "kubelet"


@dataclass(frozen=True, slots=True)
class LogStream:
    """Lines that a workload's pods write, one after another, every ``every`` seconds.

    With ``fills`` they are templates; without a ``level`` each line tells its own. With a ``node``
    only pods there write them.
    """

    workload: str
    lines: tuple[str, ...]
    start: float
    end: float
    every: float
    level: str = ""
    stream: str = "stderr"
    fills: bool = False
    node: str = ""


@dataclass(frozen=True, slots=True)
class JournalStream:
    """Lines that ``unit`` (``kernel`` or a service) writes into a node's journal."""

    node: str
    unit: str
    lines: tuple[str, ...]
    start: float
    end: float
    every: float
    level: str = ""


@dataclass(frozen=True, slots=True)
class CallFault:
    """How a service's requests fail, or its calls of ``callee`` do; what metrics do not tell.

    It says what an exception looks like and how often a call is repeated, not how often it fails.
    """

    service: str
    callee: str | None
    exception: str
    message: str
    repeat: int
    statement: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A ConfigMap is edited: what its keys say from ``start`` until ``end``, and who did it."""

    namespace: str
    name: str
    data: tuple[tuple[str, str], ...]
    manager: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class PendingClaim:
    """A volume claim that is not bound from ``start`` until ``end``, when it is taken away."""

    namespace: str
    name: str
    size_gib: float
    storage_class: str
    start: float
    end: float


@dataclass(slots=True)
class SimulatedCluster:
    """The cluster's inventory and truths; ``away`` are windows in which nobody can reach it."""

    spec: ClusterSpec
    seed: int
    inventory: Inventory
    conditions: dict[tuple[str, str], Steps[Condition]] = field(
        default_factory=dict[tuple[str, str], Steps[Condition]]
    )
    operators: dict[tuple[str, str], Steps[Condition]] = field(
        default_factory=dict[tuple[str, str], Steps[Condition]]
    )
    silent_nodes: dict[str, list[Window]] = field(default_factory=dict[str, list[Window]])
    lost_gpus: dict[str, Window] = field(default_factory=dict[str, Window])
    bends: list[Bend] = field(default_factory=list[Bend])
    events: list[EventStream] = field(default_factory=list[EventStream])
    logs: list[LogStream] = field(default_factory=list[LogStream])
    journals: list[JournalStream] = field(default_factory=list[JournalStream])
    cordoned: dict[str, list[Window]] = field(default_factory=dict[str, list[Window]])
    pending_claims: list[PendingClaim] = field(default_factory=list[PendingClaim])
    config_changes: list[ConfigChange] = field(default_factory=list[ConfigChange])
    call_faults: list[CallFault] = field(default_factory=list[CallFault])
    away: list[Window] = field(default_factory=list[Window])
    members: list["SimulatedCluster"] = field(default_factory=list["SimulatedCluster"])
    """On a hub: the clusters it manages."""
    api_address: str | None = None
    """URL of its API server where that is served on a socket."""

    @property
    def name(self) -> str:
        return self.spec.name

    def reachable(self, moment: float) -> bool:
        """Whether anybody outside can reach the cluster."""
        if self.spec.away:
            return False
        flaps = self.spec.flaps
        if (
            flaps
            and (moment + key_of(self.seed, self.name) % flaps.every) % flaps.every < flaps.away
        ):
            return False
        return not any(start <= moment < end for start, end in self.away)

    def condition(self, node: str, kind: str) -> Steps[Condition]:
        """A node's condition over time."""
        return self.conditions.get((node, kind)) or constant(Condition(*CONDITIONS[kind]))

    def operator(self, name: str, kind: str) -> Steps[Condition]:
        """A ClusterOperator's condition over time."""
        healthy = "True" if kind in ("Available", "Upgradeable") else "False"
        return self.operators.get((name, kind)) or constant(Condition(healthy, "AsExpected", ""))

    def silent(self, node: str) -> list[Window]:
        """When a node answers no scrape."""
        return self.silent_nodes.get(node, [])

    def gpu_present(self, uuid: str) -> Steps[bool] | None:
        """When a card is on the bus; ``None``: always."""
        window = self.lost_gpus.get(uuid)
        return changes(True, [(window[0], False), (window[1], True)]) if window else None

    def pods_on(self, node: Node) -> list[Pod]:
        return [pod for pod in self.inventory.pods if pod.node.name == node.name]

    def pods_at(self, moment: float) -> list[Pod]:
        """The pods that the API server lists at a moment."""
        return [pod for pod in self.inventory.pods if pod.history.exists(moment)]
