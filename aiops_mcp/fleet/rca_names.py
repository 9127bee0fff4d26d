"""One name for each thing, whichever exporter tells of it. Pure.

Node exporters name a node by its address, kube-state-metrics by its name; a caller names a service
by a host name; etcd's members are pods of the control plane. Knows no series and no cause.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from aiops_mcp.fleet.components import workload_of_pod

_CONTROL_PLANE = {
    "etcd": "etcd",
    "kube-apiserver": "apiserver",
    "coredns": "coredns",
    "dns-default": "coredns",
    "kube-scheduler": "kube-scheduler",
    "kube-controller-manager": "kube-controller-manager",
}
"""Workloads of kubeadm and OpenShift, and the names that alerts and vital signs give them."""
_SYSTEM = ("kube-", "openshift-")


@dataclass(frozen=True, slots=True)
class Names:
    """``nodes`` are names by address; ``clusters`` those of the fleet."""

    nodes: Mapping[str, str] = field(default_factory=dict[str, str])
    clusters: Collection[str] = ()

    def of(self, component: str) -> str:
        """The name by which a component goes here: a node for its address."""
        first, slash, rest = component.partition("/")
        if first in self.nodes:
            return f"{self.nodes[first]}{slash}{rest}"
        if slash and first.startswith(_SYSTEM):
            return _CONTROL_PLANE.get(rest, component)
        return component

    def called(self, peer: str, namespace: str) -> str:
        """What a caller's ``peer`` means: ``payment``, ``payment.shop.svc``, or one elsewhere.

        A service of another cluster keeps the name of it: ``payment.prod-frankfurt``.
        """
        host = peer.partition(":")[0]
        name, dot, rest = host.partition(".")
        if dot and rest in self.clusters:
            return host
        if "/" in host or not namespace:
            return host
        parts = rest.split(".") if dot else []
        if not parts:
            return f"{namespace}/{name}"
        if len(parts) == 1 or parts[1] == "svc":
            return f"{parts[0]}/{name}"
        return host

    def workload(self, namespace: str, pod: str, node: str = "") -> str:
        """The workload of a pod; a static pod bears its node's name at its end."""
        if node and pod.endswith(f"-{node}"):
            return self.of(f"{namespace}/{pod[: -len(node) - 1]}")
        return self.of(f"{namespace}/{workload_of_pod(pod)}")
