"""What a cluster is made of, as facts that can be laid beside another cluster's. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiops_mcp.fleet.object_fields import (
    Json,
    conditions,
    entries,
    name_of,
    namespace_of,
    number,
    section,
    text,
)
from aiops_mcp.fleet.object_fields import (
    field as field_of,
)

Facts = dict[tuple[str, str], str]
"""Values by area and item."""

_ROLE = "node-role.kubernetes.io/"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(slots=True)
class NodeFacts:
    """Nodes counted: of which versions, kernels, systems, and how large together."""

    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    nodes: Counter[str] = field(default_factory=Counter[str])
    cpus: float = 0.0
    memory_gib: float = 0.0
    pods: int = 0

    def take(self, node: Json) -> None:
        info = section(node, "status", "nodeInfo")
        for item, key in (
            ("kubelet", "kubeletVersion"),
            ("kernel", "kernelVersion"),
            ("os", "osImage"),
            ("runtime", "containerRuntimeVersion"),
            ("architecture", "architecture"),
        ):
            self.counts.setdefault(item, Counter())[text(info, key) or "unknown"] += 1
        labels = section(node, "metadata", "labels")
        is_control = f"{_ROLE}control-plane" in labels or f"{_ROLE}master" in labels
        self.nodes["control plane" if is_control else "worker"] += 1
        allocatable = section(node, "status", "allocatable")
        self.cpus += quantity(text(allocatable, "cpu"))
        self.memory_gib += quantity(text(allocatable, "memory")) / 2**30
        self.pods += int(quantity(text(allocatable, "pods")))

    def facts(self) -> Facts:
        facts: Facts = {("nodes", item): _most_first(count) for item, count in self.counts.items()}
        facts |= {("capacity", f"{role} nodes"): str(count) for role, count in self.nodes.items()}
        facts["capacity", "allocatable cpu"] = f"{self.cpus:g}"
        facts["capacity", "allocatable memory"] = f"{self.memory_gib:.0f} GiB"
        facts["capacity", "allocatable pods"] = str(self.pods)
        return facts


def _most_first(counts: Counter[str]) -> str:
    """One value alone, or each with how many nodes have it."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} x{count}" for value, count in counts.most_common())


_UNITS = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


def quantity(written: str) -> float:
    """A Kubernetes quantity as a number; 0 for what is none."""
    digits = written.rstrip("mkKMGTPi")
    try:
        return float(digits) * _UNITS.get(written[len(digits) :], 1.0)
    except ValueError:
        return 0.0


def operator_facts(thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """A ClusterOperator: its version, and whether it is well."""
    versions = {
        text(one, "name"): text(one, "version") for one in entries(thing, "status", "versions")
    }
    told = conditions(thing)
    version = versions.get("operator") or next(iter(versions.values()), "")
    bad = [
        word
        for kind, value, word in (
            ("Available", "False", "not available"),
            ("Degraded", "True", "degraded"),
            ("Progressing", "True", "progressing"),
        )
        if text(told.get(kind, {}), "status") == value
    ]
    yield ("operators", name_of(thing)), ", ".join(part for part in (version, *bad) if part)


def subscription_facts(thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """An operator that OLM installed, and its version."""
    installed = text(thing, "status", "installedCSV")
    if installed:
        yield ("operators", f"OLM {text(thing, 'spec', 'name') or name_of(thing)}"), installed


def version_facts(thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """OpenShift's ClusterVersion."""
    yield ("version", "OpenShift"), text(thing, "status", "desired", "version")
    yield ("version", "channel"), text(thing, "spec", "channel")


def pool_facts(thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """A machine config pool: the rendered name is each cluster's own, so only its state counts."""
    if field_of(thing, "spec", "paused") is True:
        yield ("settings", f"pool {name_of(thing)}"), "paused"
    degraded = number(thing, "status", "degradedMachineCount")
    if degraded:
        yield ("settings", f"pool {name_of(thing)}"), f"{degraded} degraded"


def storage_facts(thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """A storage class: who provisions, and how volumes are bound."""
    annotations = section(thing, "metadata", "annotations")
    parts = [
        text(thing, "provisioner"),
        text(thing, "volumeBindingMode"),
        text(thing, "reclaimPolicy"),
        "expandable" if field_of(thing, "allowVolumeExpansion") is True else "",
        "default" if text(annotations, _DEFAULT_CLASS) == "true" else "",
    ]
    yield ("storage", name_of(thing)), ", ".join(part for part in parts if part)


def setting_facts(kind: str, thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """OpenShift's network, proxy and feature gates."""
    if kind == "networks":
        yield (
            ("settings", "network plugin"),
            text(thing, "status", "networkType") or text(thing, "spec", "networkType"),
        )
        yield ("settings", "network MTU"), text(thing, "status", "clusterNetworkMTU")
    elif kind == "proxies":
        is_set = bool(text(thing, "spec", "httpsProxy") or text(thing, "spec", "httpProxy"))
        yield ("settings", "cluster proxy"), "set" if is_set else "none"
    elif kind == "featuregates":
        yield ("settings", "feature set"), text(thing, "spec", "featureSet") or "Default"
    elif kind == "infrastructures":
        yield ("settings", "infrastructure"), text(thing, "status", "platform")
        topology = text(thing, "status", "controlPlaneTopology")
        if topology:
            yield ("settings", "control plane topology"), topology


def workload_facts(kind: str, thing: Json) -> Iterable[tuple[tuple[str, str], str]]:
    """A workload: how many replicas it wants, and of which images."""
    place = f"{namespace_of(thing)}/{name_of(thing)}"
    containers = entries(thing, "spec", "template", "spec", "containers")
    images = sorted(text(one, "image") for one in containers)
    yield ("images", f"{kind} {place}"), ", ".join(images)
    if kind != "DaemonSet":
        yield ("replicas", f"{kind} {place}"), str(number(thing, "spec", "replicas", default=1))
    limits = [
        f"{text(one, 'name')} {key}={value}"
        for one in containers
        for key, value in sorted(section(one, "resources", "limits").items())
    ]
    if limits:
        yield ("limits", f"{kind} {place}"), ", ".join(limits)


def label_facts(labels: Mapping[str, str]) -> Facts:
    """The labels that the registry holds of a cluster."""
    return {("labels", key): value for key, value in labels.items()}
