"""The platform's own parts: control plane, certificates, operators, managed clusters."""

from collections.abc import Iterator

from aiops_mcp.simulation.cluster import OPERATORS, SimulatedCluster
from aiops_mcp.simulation.entities import Entity, Scene, Target
from aiops_mcp.simulation.noise import unit
from aiops_mcp.simulation.steps import Steps, constant


def control_plane(scene: Scene, job: str) -> Iterator[Entity]:
    ports = {"apiserver": 6443, "etcd": 2379, "kube-scheduler": 10259}
    load = 0.4 + len(scene.cluster.inventory.pods) / 60
    for node in scene.cluster.inventory.nodes:
        if node.role == "control-plane":
            target = scene.on_node(job, node, ports.get(job, 10257))
            leader = constant(1.0 if node.name.endswith("-0") else 0.0)
            yield Entity(node.name, target, {}, {"load": load}, {"leader": leader})


def certificates(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods_of("cert-manager/cert-manager"):
        for namespace, name in certificate_names(scene.cluster):
            days = 30 + 55 * unit(scene.cluster.seed, scene.cluster.name, name)
            if name == "metrics-server-tls":  # it was renewed the other day, for 90 days
                days = 89.6
            sizes = {"expires": scene.anchor + days * 86400.0}
            target = scene.on_pod(job, pod)
            labels = {
                "exported_namespace": namespace,
                "name": name,
                "issuer_name": "internal-ca",
            }
            yield Entity(f"{namespace}/{name}", target, labels, sizes)


def operators(scene: Scene, _job: str) -> Iterator[Entity]:
    target = Target("cluster-version-operator", "10.0.0.1:9099")
    for name in OPERATORS if scene.cluster.spec.is_openshift else ():
        for kind in ("Available", "Progressing", "Degraded", "Upgradeable"):
            steps = scene.cluster.operator(name, kind)
            state = Steps(steps.times, tuple(float(c.status == "True") for c in steps.values))
            labels = {"name": name, "condition": kind}
            yield Entity(f"{name}/{kind}", target, labels, states={"true": state})


def managed_clusters(scene: Scene, job: str) -> Iterator[Entity]:
    for member in scene.cluster.members:
        labels = {"managed_cluster_name": member.name}
        state = availability(member, scene.anchor)
        yield Entity(member.name, scene.central(job), labels, states={"available": state})


def prometheus(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods_of("monitoring/prometheus-k8s"):
        sizes = {"series": 900.0 * len(scene.cluster.inventory.nodes) + 4000.0}
        yield Entity(pod.name, scene.on_pod(job, pod), {}, sizes)


def alertmanager(scene: Scene, job: str) -> Iterator[Entity]:
    for pod in scene.cluster.inventory.pods_of("monitoring/alertmanager-main"):
        yield Entity(pod.name, scene.on_pod(job, pod), {})


def certificate_names(cluster: SimulatedCluster) -> list[tuple[str, str]]:
    """(namespace, name) of the certificates that cert-manager renews in a cluster."""
    services = [
        (work.namespace, f"{work.service}-tls")
        for work in cluster.inventory.workloads
        if work.http and work.service
    ]
    return [("cert-manager", "internal-ca"), ("kube-system", "metrics-server-tls"), *services]


def availability(member: SimulatedCluster, anchor: float) -> Steps[float]:
    """Whether the hub hears from a managed cluster: 1 heard, 0 lost."""
    if member.spec.away:
        return constant(0.0)
    changes_at = sorted({moment for window in member.away for moment in window})
    first = [float(member.reachable(anchor - 1.0))] if not member.spec.flaps else [1.0]
    values = [float(not any(s <= moment < e for s, e in member.away)) for moment in changes_at]
    return Steps(tuple(changes_at), (*first, *values))
