"""A cluster's SR-IOV interfaces: how many virtual functions there are, who holds them. Pure.

From SriovNetworkNodeState (sriovnetwork.openshift.io/v1), the pods' requests, and the metrics of
sriov-network-metrics-exporter.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiops_mcp.analysis.counters import points_of, rate
from aiops_mcp.fleet.object_fields import Json, entries, number, section, text, whole
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.cnf import SriovPool, SriovStatus
from aiops_mcp.models.metrics import Series

NODE_STATES = "/apis/sriovnetwork.openshift.io/v1/sriovnetworknodestates"
LOOK_BACK_SECONDS = 300.0
STEP_SECONDS = 30.0
QUERY = '{__name__=~"sriov_vf_(rx|tx)_dropped|sriov_kubepoddevice"}'
RESOURCE = "openshift.io/"

_ANNOTATION = "sriovnetwork.openshift.io/"
_DRAINED = ("", "Idle", "DrainComplete")
_SPEED = re.compile(r"-?\d+")


@dataclass
class VfMetrics:
    """What the exporter says of one node: drops by interface, holders by PCI address."""

    drops: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    holders: dict[str, str] = field(default_factory=dict[str, str])


def vf_metrics(series: Iterable[Series]) -> dict[str, VfMetrics]:
    """By node, from the range answer to ``QUERY``; drops are per second over all VFs."""
    nodes: dict[str, VfMetrics] = defaultdict(VfMetrics)
    for one in series:
        labels = one.metric
        name = labels.get("__name__", "")
        told = nodes[labels.get("node") or labels.get("instance", "")]
        if name == "sriov_kubepoddevice":
            prefix = "exported_" if labels.get("exported_pod") else ""
            pod = f"{labels.get(f'{prefix}namespace', '')}/{labels.get(f'{prefix}pod', '')}"
            told.holders[labels.get("pciAddr", "")] = pod
            continue
        direction = "rx" if "_rx_" in name else "tx"
        told.drops[labels.get("pf", ""), direction] += rate(points_of(one.values)) or 0.0
    return nodes


def sriov_statuses(
    states: Iterable[Json],
    pods: Iterable[Json],
    metrics: Mapping[str, VfMetrics],
    cluster: Cluster,
) -> tuple[SriovStatus, ...]:
    """One status an interface that can have VFs, by node and name.

    Holders are known by the exporter's pod devices; without them a node's requests are its only
    interface's, and those of a node with several cannot be told apart.
    """
    wanted = requests_by_node(pods)
    found: list[SriovStatus] = []
    for state in states:
        node = text(state, "metadata", "name")
        interfaces = [
            each for each in entries(state, "status", "interfaces") if each.get("totalvfs")
        ]
        used = [each for each in interfaces if each.get("numVfs")]
        requested = sum(wanted.get(node, Counter()).values())
        for interface in interfaces:
            only = len(used) == 1 and interface is used[0]
            told = metrics.get(node, VfMetrics())
            found.append(_status(cluster, state, interface, told, requested if only else None))
    return tuple(sorted(found, key=lambda one: (one.node, one.interface)))


def requests_by_node(pods: Iterable[Json]) -> dict[str, Counter[str]]:
    """VFs that running and starting pods ask for, by node and resource."""
    nodes: dict[str, Counter[str]] = defaultdict(Counter)
    for pod in pods:
        node = text(pod, "spec", "nodeName")
        if not node or text(pod, "status", "phase") in ("Succeeded", "Failed"):
            continue
        for container in entries(pod, "spec", "containers"):
            for name, wanted in section(container, "resources", "requests").items():
                if name.startswith(RESOURCE):
                    nodes[node][name] += whole(wanted) or 0
    return nodes


def sriov_pools(
    nodes: Iterable[Json], pods: Iterable[Json], cluster: Cluster
) -> tuple[SriovPool, ...]:
    """Every VF resource that a node offers, with how much of it is asked for."""
    wanted = requests_by_node(pods)
    found: list[SriovPool] = []
    for node in nodes:
        name = text(node, "metadata", "name")
        for resource, offered in sorted(section(node, "status", "allocatable").items()):
            if resource.startswith(RESOURCE):
                found.append(
                    SriovPool(
                        cluster_id=cluster.id,
                        cluster_name=cluster.name,
                        node=name,
                        resource=resource,
                        allocatable=whole(offered) or 0,
                        requested=wanted.get(name, Counter())[resource],
                    )
                )
    return tuple(found)


def _status(
    cluster: Cluster,
    state: Json,
    interface: Json,
    told: VfMetrics,
    requested: int | None,
) -> SriovStatus:
    annotations = section(state, "metadata", "annotations")
    status = section(state, "status")
    name = text(interface, "name")
    addresses = {text(vf, "pciAddress") for vf in entries(interface, "Vfs")}
    holders = sorted(told.holders[address] for address in addresses & told.holders.keys())
    speed = _SPEED.search(str(interface.get("linkSpeed") or ""))
    megabits = int(speed[0]) if speed else None
    made = SriovStatus(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        node=text(state, "metadata", "name"),
        interface=name,
        pci_address=interface.get("pciAddress"),
        driver=interface.get("driver"),
        link_up=_link_up(interface, megabits),
        link_speed_mbps=megabits if megabits and megabits > 0 else None,
        mtu=whole(interface.get("mtu")),
        vfs_total=number(interface, "numVfs"),
        vfs_possible=whole(interface.get("totalvfs")),
        vfs_allocated=len(holders) if told.holders else requested,
        rx_dropped_per_second=told.drops.get((name, "rx")),
        tx_dropped_per_second=told.drops.get((name, "tx")),
        sync_status=status.get("syncStatus"),
        sync_error=status.get("lastSyncError") or None,
        drain_state=annotations.get(f"{_ANNOTATION}current-state")
        or annotations.get(f"{_ANNOTATION}state"),
        holders=tuple(dict.fromkeys(holders)),
    )
    return made.model_copy(update={"troubles": _troubles(made)})


def _link_up(interface: Json, megabits: int | None) -> bool | None:
    """The operator writes -1 Mb/s for a link that is down, and nothing where it cannot tell."""
    if str(interface.get("linkAdminState") or "").lower() == "down":
        return False
    return None if megabits is None else megabits > 0


def _troubles(status: SriovStatus) -> tuple[str, ...]:
    found: list[str] = []
    if status.sync_status == "Failed":
        found.append(f"sync failed: {status.sync_error or 'no reason given'}")
    elif status.sync_status == "InProgress":
        found.append("sync in progress")
    if (status.drain_state or "") not in _DRAINED:
        found.append(f"node {status.drain_state}")
    if status.link_up is False:
        found.append("link down")
    if status.vfs_allocated is not None and status.vfs_total:
        if status.vfs_allocated > status.vfs_total:
            found.append(f"{status.vfs_allocated} VFs asked for, {status.vfs_total} made")
        elif status.vfs_allocated == status.vfs_total:
            found.append("no VF is free")
    for direction in ("rx", "tx"):
        dropped = getattr(status, f"{direction}_dropped_per_second")
        if dropped:
            found.append(f"{direction} drops {dropped:.4g}/s")
    return tuple(found)
