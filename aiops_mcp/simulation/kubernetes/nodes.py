"""Nodes and namespaces as the API server shows them."""

from aiops_mcp.simulation.gpu_models import gpu_memory_mib
from aiops_mcp.simulation.inventory import Node
from aiops_mcp.simulation.kubernetes.view import Json, View, condition, metadata, quantity, stamp
from aiops_mcp.simulation.topology import GIB

HEARTBEAT = 300.0


def node_objects(view: View) -> list[Json]:
    """Every node."""
    return [node_object(view, node) for node in view.cluster.inventory.nodes]


def node_labels(view: View, node: Node) -> dict[str, str]:
    """Labels of a node: host, roles, zone, and what GPU feature discovery adds."""
    region = view.cluster.spec.region
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": f"{region}-{'abc'[int(node.name[-1]) % 3]}",
    }
    role = "control-plane" if node.role == "control-plane" else "worker"
    labels[f"node-role.kubernetes.io/{role}"] = ""
    if role == "control-plane" and "worker" in node.schedulable_roles:
        labels["node-role.kubernetes.io/worker"] = ""
    if view.cluster.spec.is_openshift:
        labels["node.openshift.io/os_id"] = "rhel"
    if node.gpus:
        partitioned = any(gpu.mig for gpu in node.gpus)
        labels |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.count": str(len(node.gpus)),
            "nvidia.com/gpu.product": node.gpus[0].model.replace(" ", "-"),
            "nvidia.com/gpu.memory": str(int(gpu_memory_mib(node.gpus[0].model))),
            "nvidia.com/mig.capable": "true",
            "nvidia.com/mig.config": "custom" if partitioned else "all-disabled",
            "nvidia.com/mig.config.state": "success",
            "nvidia.com/gpu-driver-upgrade-state": "upgrade-done",
            # two nodes fill a rack
            "topology.kubernetes.io/rack": f"B{7 + int(node.name.rsplit('-', 1)[1]) // 2:02}",
        }
        shared = max(gpu.replicas for gpu in node.gpus)
        if shared > 1:
            labels |= {
                "nvidia.com/gpu.sharing-strategy": "time-slicing",
                "nvidia.com/gpu.replicas": str(shared),
            }
    return labels


def _allocatable(view: View, node: Node) -> dict[str, str]:
    amounts = {
        "cpu": str(node.cpus),
        "memory": quantity(node.memory_bytes),
        "ephemeral-storage": quantity(node.disk_bytes),
        "pods": "250",
        "hugepages-1Gi": "0",
    }
    whole = sum(gpu.replicas for gpu in node.gpus if not gpu.mig)
    if node.gpus:
        amounts["nvidia.com/gpu"] = str(whole)
    for gpu in node.gpus:
        for profile in gpu.mig:
            name = f"nvidia.com/mig-{profile}"
            amounts[name] = str(int(amounts.get(name, "0")) + 1)
    if "cnf-ran" in view.cluster.spec.stacks:
        amounts |= {"openshift.io/fronthaul": "8", "hugepages-1Gi": "16Gi"}
    return amounts


def node_object(view: View, node: Node) -> Json:
    """One node."""
    spec, moment = view.cluster.spec, view.moment
    kinds: list[Json] = []
    changed = node.created
    heard = moment - moment % HEARTBEAT
    for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready"):
        steps = view.cluster.condition(node.name, kind)
        told = steps.at(moment)
        since = steps.since(moment) or node.created + 60
        changed = max(changed, since)
        one = condition(kind, told.status, since, told.reason, told.message)
        one["lastHeartbeatTime"] = stamp(since if told.status == "Unknown" else heard)
        kinds.append(one)
    made = metadata(
        view,
        "Node",
        node.name,
        node.created,
        labels=node_labels(view, node),
        annotations=_annotations(view),
        uid=node.uid,
        changed=max(changed, heard),
    )
    amounts = _allocatable(view, node)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": made,
        "spec": _spec(view, node),
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": kinds,
            "addresses": [
                {"type": "InternalIP", "address": node.address},
                {"type": "Hostname", "address": node.name},
            ],
            "nodeInfo": {
                "machineID": node.uid.replace("-", ""),
                "systemUUID": node.uid,
                "bootID": node.uid,
                "kernelVersion": "5.14.0-427.57.1.el9_4.x86_64",
                "osImage": "Red Hat Enterprise Linux CoreOS 418.94"
                if spec.is_openshift
                else "Red Hat Enterprise Linux 9.4 (Plow)",
                "containerRuntimeVersion": "cri-o://1.31.5",
                "kubeletVersion": spec.kubernetes_version,
                "kubeProxyVersion": spec.kubernetes_version,
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def _spec(view: View, node: Node) -> Json:
    spec: Json = {"podCIDR": "10.128.0.0/23", "providerID": f"sim:///{node.name}"}
    taints: list[Json] = []
    if node.role == "control-plane" and "worker" not in node.schedulable_roles:
        taints.append({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
    for start, end in view.cluster.cordoned.get(node.name, ()):
        if start <= view.moment < end:
            spec["unschedulable"] = True
            key = "node.kubernetes.io/unschedulable"
            taints.append({"key": key, "effect": "NoSchedule", "timeAdded": stamp(start)})
    status = view.cluster.condition(node.name, "Ready").at(view.moment).status
    if status != "True":
        key = "unreachable" if status == "Unknown" else "not-ready"
        taints.append({"key": f"node.kubernetes.io/{key}", "effect": "NoExecute"})
    if view.cluster.condition(node.name, "DiskPressure").at(view.moment).status == "True":
        taints.append({"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"})
    return spec | ({"taints": taints} if taints else {})


def _annotations(view: View) -> dict[str, str]:
    if not view.cluster.spec.is_openshift:
        return {}
    prefix = "machineconfiguration.openshift.io"
    return {f"{prefix}/state": "Done", f"{prefix}/currentConfig": "rendered-worker-1f0c"}


def namespace_names(view: View) -> list[str]:
    """The names of all namespaces."""
    used = {work.namespace for work in view.cluster.inventory.workloads}
    return sorted(used | {"default", "kube-system", "kube-public", "kube-node-lease"})


def namespace_objects(view: View) -> list[Json]:
    """Every namespace."""
    born = view.anchor - 60 * 86400
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": metadata(
                view, "Namespace", name, born, labels={"kubernetes.io/metadata.name": name}
            ),
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
        for name in namespace_names(view)
    ]


def lease_objects(view: View) -> list[Json]:
    """The nodes' leases; a node that went silent stops renewing."""
    leases: list[Json] = []
    for node in view.cluster.inventory.nodes:
        renewed = view.moment - view.moment % 10
        for start, end in view.cluster.silent(node.name):
            renewed = start if start <= view.moment < end else renewed
        made = metadata(
            view, "Lease", node.name, node.created, namespace="kube-node-lease", changed=renewed
        )
        spec = {
            "holderIdentity": node.name,
            "leaseDurationSeconds": 40,
            "renewTime": stamp(renewed).replace("Z", ".000000Z"),
        }
        leases.append(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": made,
                "spec": spec,
            }
        )
    return leases


def claim_objects(view: View) -> list[Json]:
    """Every PersistentVolumeClaim, those that wait for a volume last."""
    pending: list[Json] = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(
                view, "PersistentVolumeClaim", one.name, one.start, namespace=one.namespace
            ),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": quantity(one.size_gib * GIB)}},
                "storageClassName": one.storage_class,
            },
            "status": {"phase": "Pending"},
        }
        for one in view.cluster.pending_claims
        if one.start <= view.moment < one.end
    ]
    return _bound_claims(view) + pending


def _bound_claims(view: View) -> list[Json]:
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(
                view,
                "PersistentVolumeClaim",
                f"data-{pod.name}",
                pod.history.created,
                namespace=pod.namespace,
            ),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": quantity(pod.work.volume_gib * GIB)}},
                "storageClassName": "standard",
                "volumeName": f"pvc-{pod.uid}",
            },
            "status": {
                "phase": "Bound",
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": quantity(pod.work.volume_gib * GIB)},
            },
        }
        for pod in view.cluster.pods_at(view.moment)
        if pod.work.volume_gib
    ]
