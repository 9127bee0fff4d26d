"""What alerts, findings and series are of, by one name, so that all that tells of a thing meets.

Pure. Names are those of ``vital_signs``: ``shop/payment``, ``worker-3``, ``etcd``. Knows neither
how anything was read nor what it means.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiops_mcp.fleet.vital_signs import POD_OWNER
from aiops_mcp.models.alerts import SILENT_SWITCH, Alert
from aiops_mcp.models.findings import Finding


class ComponentKind(StrEnum):
    CLUSTER = "cluster"
    NODE = "node"
    WORKLOAD = "workload"
    VOLUME = "volume"
    CERTIFICATE = "certificate"
    OPERATOR = "operator"
    CONTROL_PLANE = "control-plane"
    TARGET = "target"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Component:
    """One thing of one cluster; a cluster itself is of itself."""

    cluster: str
    kind: ComponentKind
    name: str

    @property
    def namespace(self) -> str:
        """Empty where it has none."""
        return self.name.partition("/")[0] if "/" in self.name else ""


_POD = re.compile(POD_OWNER)
_JOB_RUN = re.compile(r"-[0-9]{8,10}$")
_PORT = re.compile(r":[0-9]{2,5}$")
_CONTROL_PLANE: Final = (
    ("etcd", "etcd"),
    ("coredns", "coredns"),
    ("kubedns", "coredns"),
    ("kubeapi", "apiserver"),
    ("kubeaggregatedapi", "apiserver"),
    ("kubescheduler", "kube-scheduler"),
    ("kubecontrollermanager", "kube-controller-manager"),
)
"""How the alerts of kubernetes-mixin, etcd-mixin and the CoreDNS mixin begin, and what they are
of: most of them carry no label that says it."""
_WORKLOAD_LABELS: Final = ("deployment", "statefulset", "daemonset", "cronjob", "replicaset")
_NODE_JOBS: Final = ("node-exporter", "node_exporter", "kubelet")


def workload_of_pod(pod: str) -> str:
    """The name of what a pod belongs to, as its own name tells: ``cart-7d9fz-x2k4p`` is of cart."""
    found = _POD.fullmatch(pod)
    return found.group(1) if found else pod


def workload_of_job(job: str) -> str:
    """The name of the CronJob, where a run of it is named."""
    return _JOB_RUN.sub("", job)


def component_of_alert(alert: Alert, clusters: Collection[str] = ()) -> Component | None:
    """What an alert is of; None where its labels do not tell. ``clusters`` are the known names."""
    labels, here = alert.labels, alert.cluster_name
    if alert.alertname == SILENT_SWITCH:
        return Component(here, ComponentKind.CLUSTER, here)
    managed = labels.get("managed_cluster_name", "")
    if managed in clusters:
        return Component(managed, ComponentKind.CLUSTER, managed)
    kind, name = _told(alert.alertname.lower(), labels)
    return Component(here, kind, name) if name else None


def _told(alertname: str, labels: Mapping[str, str]) -> tuple[ComponentKind, str]:
    """The first that fits: what is said outright before what must be concluded."""
    return (
        _of_node(labels)
        or _named(alertname, labels)
        or _in_namespace(labels)
        or (ComponentKind.TARGET, labels.get("job", ""))
    )


def _of_node(labels: Mapping[str, str]) -> tuple[ComponentKind, str] | None:
    node = labels.get("Hostname") or labels.get("node") or ""
    if not node and labels.get("job") in _NODE_JOBS:
        node = _PORT.sub("", labels.get("instance", ""))
    return (ComponentKind.NODE, node) if node else None


def _named(alertname: str, labels: Mapping[str, str]) -> tuple[ComponentKind, str] | None:
    name, of_others = labels.get("name", ""), labels.get("exported_namespace", "")
    if name and of_others:
        return ComponentKind.CERTIFICATE, f"{of_others}/{name}"
    if name and alertname.startswith("clusteroperator"):
        return ComponentKind.OPERATOR, name
    found = (part for beginning, part in _CONTROL_PLANE if alertname.startswith(beginning))
    part = next(found, "")
    return (ComponentKind.CONTROL_PLANE, part) if part else None


def _in_namespace(labels: Mapping[str, str]) -> tuple[ComponentKind, str] | None:
    namespace = labels.get("namespace", "")
    if claim := labels.get("persistentvolumeclaim"):
        return ComponentKind.VOLUME, f"{namespace}/{claim}"
    if namespace and (name := _workload(labels)):
        return ComponentKind.WORKLOAD, f"{namespace}/{name}"
    return None


def _workload(labels: Mapping[str, str]) -> str:
    for label in _WORKLOAD_LABELS:
        if name := labels.get(label):
            return name
    if job := labels.get("job_name"):
        return workload_of_job(job)
    if pod := labels.get("pod"):
        return workload_of_pod(pod)
    return labels.get("service", "")


_KINDS: Final = {
    "Node": ComponentKind.NODE,
    "PersistentVolumeClaim": ComponentKind.VOLUME,
    "PersistentVolume": ComponentKind.VOLUME,
    "Certificate": ComponentKind.CERTIFICATE,
    "ClusterOperator": ComponentKind.OPERATOR,
    "ManagedCluster": ComponentKind.CLUSTER,
}


def component_of_finding(one: Finding, clusters: Collection[str] = ()) -> Component:
    """What a finding is of: a pod's is its workload."""
    kind = _KINDS.get(one.kind)
    if kind is ComponentKind.CLUSTER and one.name in clusters:
        return Component(one.name, kind, one.name)
    place = f"{one.namespace}/" if one.namespace else ""
    if kind is not None and kind is not ComponentKind.CLUSTER:
        return Component(one.cluster_name, kind, f"{place}{one.name}")
    owner, _, name = (one.workload or "").partition("/")
    if name:
        bare = workload_of_job(name) if owner == "Job" else name
        return Component(one.cluster_name, ComponentKind.WORKLOAD, f"{place}{bare}")
    if one.kind == "Pod":
        name = workload_of_pod(one.name)
        return Component(one.cluster_name, ComponentKind.WORKLOAD, f"{place}{name}")
    return Component(one.cluster_name, ComponentKind.OTHER, f"{one.kind}/{place}{one.name}")


def explainer_of(one: Finding) -> Component | None:
    """The component whose trouble explains a finding's, where one that is no pod does."""
    kind, _, name = (one.explained_by or "").partition("/")
    if not name or kind not in _KINDS:
        return None
    return Component(one.cluster_name, _KINDS[kind], name)
