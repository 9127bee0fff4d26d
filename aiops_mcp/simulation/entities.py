"""The things that metrics are about: for each kind, its labels, sizes, states and scrape target.

The catalogue says what is measured; here stands of what. It must not know metric names.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiops_mcp.simulation.cluster import CONDITIONS, OPERATORS, SimulatedCluster, Window
from aiops_mcp.simulation.inventory import Node, Pod
from aiops_mcp.simulation.noise import unit
from aiops_mcp.simulation.signals import lifetime
from aiops_mcp.simulation.steps import Steps, changes, constant
from aiops_mcp.simulation.topology import GIB, MIB, WorkloadSpec

PROGRESS_DEADLINE = 600.0
"""How long a rollout may make no progress (seconds), Kubernetes' default."""


@dataclass(frozen=True, slots=True)
class Target:
    """One scrape target: the labels it adds, when it answers, and when it is known at all."""

    job: str
    instance: str
    labels: tuple[tuple[str, str], ...] = ()
    silent: tuple[Window, ...] = ()
    answers: Steps[bool] | None = None
    known: Steps[bool] | None = None

    @property
    def all_labels(self) -> dict[str, str]:
        return {"job": self.job, "instance": self.instance, **dict(self.labels)}


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing. ``sizes`` scale what is measured, ``info`` are labels for those who ask."""

    key: str
    target: Target
    labels: Mapping[str, str]
    sizes: Mapping[str, float] = field(default_factory=dict[str, float])
    states: Mapping[str, Steps[Any]] = field(default_factory=dict[str, Steps[Any]])
    info: Mapping[str, str] = field(default_factory=dict[str, str])
    present: Steps[bool] | None = None
    starts: tuple[float, ...] = (0.0,)


class EntitySource:
    """Finds a cluster's entities by kind; ``job`` is the exporter that sees them."""

    def __init__(self, cluster: SimulatedCluster, anchor: float) -> None:
        self._cluster = cluster
        self._anchor = anchor
        self._kinds: dict[str, Callable[[str], Iterator[Entity]]] = {
            "cluster": self._of_cluster,
            "node": self._of_nodes,
            "kube_node": self._of_kube_nodes,
            "cpu": self._of_cpus,
            "filesystem": self._of_filesystems,
            "disk": self._of_disks,
            "nic": self._of_nics,
            "kubelet": self._of_kubelets,
            "container": self._of_containers,
            "pod_network": self._of_pod_networks,
            "kube_pod": self._of_kube_pods,
            "kube_container": self._of_kube_containers,
            "deployment": self._of_deployments,
            "replicaset": self._of_replicasets,
            "statefulset": self._of_statefulsets,
            "daemonset": self._of_daemonsets,
            "job": self._of_jobs,
            "namespace": self._of_namespaces,
            "claim": self._of_claims,
            "volume": self._of_volumes,
            "control_plane": self._of_control_plane,
            "coredns": self._of_coredns,
            "http": self._of_http,
            "call": self._of_calls,
            "gpu": self._of_gpus,
            "gpu_node": self._of_gpu_nodes,
            "vllm": self._of_vllm,
            "ptp": self._of_ptp,
            "ptp_process": self._of_ptp_processes,
            "dpdk": self._of_dpdk,
            "vf": self._of_vfs,
            "cnf": self._of_cnf,
            "certificate": self._of_certificates,
            "operator": self._of_operators,
            "managed_cluster": self._of_managed_clusters,
            "prometheus": self._of_prometheus,
            "alertmanager": self._of_alertmanager,
            "target": self._of_targets,
        }

    def find(self, kind: str, job: str) -> list[Entity]:
        """All entities of a kind as a job sees them."""
        return list(self._kinds[kind](job))

    # --- targets ------------------------------------------------------------------------

    def _on_node(self, job: str, node: Node, port: int = 9100, /, **labels: str) -> Target:
        instance = node.name if job == "node-exporter" else f"{node.address}:{port}"
        silent = tuple(self._cluster.silent(node.name))
        return Target(job, instance, tuple(sorted(labels.items())), silent)

    def _on_pod(self, job: str, pod: Pod) -> Target:
        labels = {
            "namespace": pod.namespace,
            "pod": pod.name,
            "container": pod.work.container_name,
            "service": pod.work.service or pod.work.name,
        }
        return Target(
            job or pod.work.name,
            f"{pod.address}:{pod.work.port or 8080}",
            tuple(sorted(labels.items())),
            tuple(self._cluster.silent(pod.node.name)),
            pod.history.alive,
            pod.history.scraped,
        )

    def _central(self, job: str) -> Target:
        pods = self._cluster.inventory.pods_of(f"monitoring/{job}")
        return Target(job, f"{pods[0].address}:{pods[0].work.port}" if pods else job)

    # --- nodes --------------------------------------------------------------------------

    def _of_cluster(self, job: str) -> Iterator[Entity]:
        inventory = self._cluster.inventory
        sizes = {
            "nodes": float(len(inventory.nodes)),
            "pods": float(len(inventory.pods)),
            "cpus": float(sum(node.cpus for node in inventory.nodes)),
        }
        info = {
            "version": self._cluster.spec.version,
            "git_version": self._cluster.spec.kubernetes_version,
        }
        yield Entity(self._cluster.name, self._central(job), {}, sizes, info=info)

    def _node_sizes(self, node: Node) -> dict[str, float]:
        pods = self._cluster.pods_on(node)
        used = sum(pod.work.cpu for pod in pods) + 0.04 * node.cpus
        memory = sum(pod.work.memory * MIB for pod in pods) + 0.08 * node.memory_bytes
        return {
            "cpus": float(node.cpus),
            "memory_bytes": node.memory_bytes,
            "disk_bytes": node.disk_bytes,
            "used_cores": used,
            "busy": min(0.85, used / node.cpus),
            "memory_used": min(0.85 * node.memory_bytes, memory),
            "pods": float(len(pods)),
        }

    def _of_nodes(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            sizes = self._node_sizes(node)
            sizes["memory_free"] = node.memory_bytes - sizes["memory_used"]
            info = {"nodename": node.name, "release": "5.14.0-427.57.1.el9_4.x86_64"}
            yield Entity(node.name, self._on_node(job, node), {}, sizes, info=info)

    def _of_kube_nodes(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for node in self._cluster.inventory.nodes:
            states: dict[str, Steps[Any]] = {}
            for kind in CONDITIONS:
                steps = self._cluster.condition(node.name, kind)
                states[kind] = Steps(steps.times, tuple(one.status for one in steps.values))
            info = {
                "internal_ip": node.address,
                "kubelet_version": self._cluster.spec.kubernetes_version,
                "container_runtime_version": "cri-o://1.31.5",
                "os_image": "Red Hat Enterprise Linux CoreOS 418.94",
                "kernel_version": "5.14.0-427.57.1.el9_4.x86_64",
                "role": "control-plane" if node.role == "control-plane" else "worker",
            }
            sizes = self._node_sizes(node) | {
                "gpus": float(len(node.gpus)),
                "created": node.created,
            }
            yield Entity(node.name, target, {"node": node.name}, sizes, states, info)

    def _of_cpus(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            target, sizes = self._on_node(job, node), self._node_sizes(node)
            busy = sizes["busy"]
            shares = {"idle": 1 - busy, "user": busy * 0.7, "system": busy * 0.2}
            for number in range(node.cpus):
                labels = {"cpu": str(number)}
                yield Entity(f"{node.name}/{number}", target, labels, {"busy": busy, **shares})

    def _of_filesystems(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            target = self._on_node(job, node)
            for mount, device, share, typical in (
                ("/", "/dev/mapper/root", 0.25, 0.45),
                ("/boot", "/dev/nvme0n1p3", 0.002, 0.35),
                ("/var", "/dev/mapper/var", 0.7, 0.4),
            ):
                labels = {"device": device, "fstype": "xfs", "mountpoint": mount}
                size = node.disk_bytes * share
                used = typical + 0.2 * (unit(self._cluster.seed, node.name, mount) - 0.5)
                sizes = {"size": size, "free": size * (1 - used), "inodes": size / 16384}
                yield Entity(f"{node.name}{mount}", target, labels, sizes)

    def _of_disks(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            sizes = self._node_sizes(node)
            yield Entity(
                f"{node.name}/nvme0n1", self._on_node(job, node), {"device": "nvme0n1"}, sizes
            )

    def _of_nics(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            for device, share in (("ens1f0", 1.0), ("br-ex", 0.9), ("lo", 0.05)):
                sizes = {"share": share * (1.0 + self._node_sizes(node)["used_cores"])}
                target = self._on_node(job, node)
                yield Entity(f"{node.name}/{device}", target, {"device": device}, sizes)

    # --- kubelet ------------------------------------------------------------------------

    def _of_kubelets(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            target = self._on_node(job, node, 10250, metrics_path="/metrics", node=node.name)
            yield Entity(node.name, target, {}, self._node_sizes(node))

    def _cadvisor(self, pod: Pod) -> Target:
        labels = {"metrics_path": "/metrics/cadvisor", "node": pod.node.name}
        return self._on_node("kubelet", pod.node, 10250, **labels)

    def _of_containers(self, _job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            work = pod.work
            labels = {
                "namespace": pod.namespace,
                "pod": pod.name,
                "container": work.container_name,
                "image": pod.image,
            }
            yield Entity(
                f"{pod.namespace}/{pod.name}",
                self._cadvisor(pod),
                labels,
                _pod_sizes(work),
                info={"id": f"/kubepods.slice/pod{pod.uid}", "name": pod.container_id[8:20]},
                present=pod.history.alive,
                starts=pod.history.starts or (pod.history.created,),
            )

    def _of_pod_networks(self, _job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            labels = {"namespace": pod.namespace, "pod": pod.name, "interface": "eth0"}
            rate = pod.work.http.rate if pod.work.http else 0.5
            yield Entity(
                f"{pod.namespace}/{pod.name}",
                self._cadvisor(pod),
                labels,
                {"traffic": 2000.0 + 3000.0 * rate},
                present=lifetime(pod.history.created, pod.history.deleted),
                starts=(pod.history.created,),
            )

    def _of_volumes(self, _job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if not pod.work.volume_gib:
                continue
            labels = {"metrics_path": "/metrics", "node": pod.node.name}
            target = self._on_node("kubelet", pod.node, 10250, **labels)
            claim = {"namespace": pod.namespace, "persistentvolumeclaim": f"data-{pod.name}"}
            size = pod.work.volume_gib * GIB
            yield Entity(f"{pod.namespace}/{pod.name}", target, claim, {"size": size})

    # --- objects, as kube-state-metrics sees them ------------------------------------------

    def _of_kube_pods(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for pod in self._cluster.inventory.pods:
            yield _kube_pod(pod, target, {})

    def _of_kube_containers(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for pod in self._cluster.inventory.pods:
            yield _kube_pod(pod, target, {"container": pod.work.container_name})

    def _of_deployments(self, job: str) -> Iterator[Entity]:
        yield from self._of_workloads(job, "Deployment", "deployment")

    def _of_statefulsets(self, job: str) -> Iterator[Entity]:
        yield from self._of_workloads(job, "StatefulSet", "statefulset")

    def _of_daemonsets(self, job: str) -> Iterator[Entity]:
        yield from self._of_workloads(job, "DaemonSet", "daemonset")

    def _of_workloads(self, job: str, kind: str, label: str) -> Iterator[Entity]:
        target = self._central(job)
        for work in self._cluster.inventory.workloads:
            if work.kind != kind or (kind == "DaemonSet" and work.nodes == "control-plane"):
                continue
            counts = WorkloadCounts(self._cluster, work)
            labels = {"namespace": work.namespace, label: work.name}
            yield Entity(work.path, target, labels, states=counts.states())

    def _of_replicasets(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for revision in self._cluster.inventory.revisions:
            labels = {"namespace": revision.work.namespace, "replicaset": revision.name}
            info = {"owner_kind": "Deployment", "owner_name": revision.work.name}
            present = lifetime(revision.created)
            states: dict[str, Steps[Any]] = {"wanted": revision.replicas}
            yield Entity(revision.name, target, labels, {}, states, info, present)

    def _of_jobs(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for pod in self._cluster.inventory.pods:
            if pod.work.kind == "CronJob":
                labels = {"namespace": pod.namespace, "job_name": pod.owner_name}
                states: dict[str, Steps[Any]] = {
                    "succeeded": _as_numbers(pod.history.phase, "Succeeded"),
                    "active": _as_numbers(pod.history.phase, "Running"),
                }
                present = lifetime(pod.history.created, pod.history.deleted)
                yield Entity(pod.owner_name, target, labels, {}, states, present=present)

    def _of_namespaces(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        names = {work.namespace for work in self._cluster.inventory.workloads} | {"default"}
        for name in sorted(names):
            yield Entity(name, target, {"namespace": name})

    def _of_claims(self, job: str) -> Iterator[Entity]:
        target = self._central(job)
        for pod in self._cluster.inventory.pods:
            if pod.work.volume_gib:
                labels = {"namespace": pod.namespace, "persistentvolumeclaim": f"data-{pod.name}"}
                sizes = {"size": pod.work.volume_gib * GIB}
                info = {"storageclass": "standard", "volumename": f"pvc-{pod.uid}"}
                yield Entity(f"{pod.namespace}/{pod.name}", target, labels, sizes, info=info)

    # --- control plane --------------------------------------------------------------------

    def _of_control_plane(self, job: str) -> Iterator[Entity]:
        ports = {"apiserver": 6443, "etcd": 2379, "kube-scheduler": 10259}
        load = 0.4 + len(self._cluster.inventory.pods) / 60
        for node in self._cluster.inventory.nodes:
            if node.role == "control-plane":
                target = self._on_node(job, node, ports.get(job, 10257))
                leader = constant(1.0 if node.name.endswith("-0") else 0.0)
                yield Entity(node.name, target, {}, {"load": load}, {"leader": leader})

    def _of_coredns(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods_of("kube-system/coredns"):
            yield Entity(pod.name, self._on_pod(job, pod), {}, {"load": 1.0})

    # --- services -------------------------------------------------------------------------

    def _of_http(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if pod.work.http:
                http = pod.work.http
                sizes = _pod_sizes(pod.work) | {
                    "rate": http.rate / max(1, pod.work.replicas),
                    "errors": http.errors,
                    "fine": 1 - http.errors,
                    "latency": http.latency_ms / 1000.0,
                }
                yield self._served(pod, job, {}, sizes)

    def _served(
        self, pod: Pod, job: str, labels: dict[str, str], sizes: dict[str, float]
    ) -> Entity:
        starts = pod.history.starts or (pod.history.created,)
        key = f"{pod.namespace}/{pod.name}{''.join(labels.values())}"
        own = "" if job == "*" else job
        target = self._on_pod(own, pod)
        return Entity(key, target, labels, sizes, present=pod.history.alive, starts=starts)

    def _of_calls(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            for callee in pod.work.http.calls if pod.work.http else ():
                rate = pod.work.http.rate / max(1, pod.work.replicas) if pod.work.http else 0.0
                sizes = {"rate": rate, "errors": 0.0005, "fine": 0.9995, "latency": 0.02}
                yield self._served(pod, job, {"peer_service": callee}, sizes)

    # --- accelerators ---------------------------------------------------------------------

    def _of_gpus(self, job: str) -> Iterator[Entity]:
        holders = {
            (gpu.uuid, place): pod
            for pod in self._cluster.inventory.pods
            for gpu, place in pod.gpus
        }
        for node in self._cluster.inventory.nodes:
            exporter = self._exporter(node)
            for gpu in node.gpus:
                pod = holders.get((gpu.uuid, None)) or holders.get((gpu.uuid, 0))
                labels = {
                    "gpu": str(gpu.index),
                    "UUID": gpu.uuid,
                    "pci_bus_id": gpu.pci_bus_id,
                    "device": f"nvidia{gpu.index}",
                    "modelName": gpu.model,
                    "Hostname": node.name,
                }
                if pod:
                    labels |= {
                        "exported_namespace": pod.namespace,
                        "exported_pod": pod.name,
                        "exported_container": pod.work.container_name,
                    }
                memory = gpu_memory_mib(gpu.model)
                busy = (0.82 if pod.work.kind == "StatefulSet" else 0.6) if pod else 0.0
                sizes = {
                    "memory": memory,
                    "held": 0.9 * memory if pod else 4.0,
                    "free": 0.1 * memory if pod else memory - 4.0,
                    "busy": busy,
                    "heat": 30 + 32 * busy,
                    "power": 75 + power_limit_watts(gpu.model) * 0.75 * busy,
                }
                target = self._on_pod(job, exporter) if exporter else self._central(job)
                lost = self._cluster.gpu_present(gpu.uuid)
                yield Entity(gpu.uuid, target, labels, sizes, present=lost)

    def _exporter(self, node: Node) -> Pod | None:
        pods = self._cluster.inventory.pods_of("gpu-operator/nvidia-dcgm-exporter")
        return next((pod for pod in pods if pod.node.name == node.name), None)

    def _of_gpu_nodes(self, job: str) -> Iterator[Entity]:
        for node in self._cluster.inventory.nodes:
            if node.gpus:
                sizes = {"gpus": float(len(node.gpus))}
                yield Entity(node.name, self._central(job), {"node": node.name}, sizes)

    def _of_vllm(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if pod.work.model and pod.work.http:
                labels = {"model_name": pod.work.model, "engine": "0"}
                rate = pod.work.http.rate / pod.work.replicas
                yield self._served(pod, job, labels, {"rate": rate})

    # --- telco ----------------------------------------------------------------------------

    def _of_ptp(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if pod.work.ptp:
                for process, iface in (("ptp4l", "ens1fx"), ("phc2sys", "CLOCK_REALTIME")):
                    labels = {"process": process, "node": pod.node.name, "iface": iface}
                    yield self._served(pod, job, {**labels, "from": "master"}, {})

    def _of_ptp_processes(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if pod.work.ptp:
                for process in ("ptp4l", "phc2sys"):
                    labels = {"process": process, "node": pod.node.name, "config": "ptp4l.0.config"}
                    yield self._served(pod, job, labels, {})

    def _of_dpdk(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            for port in range(pod.work.dpdk_ports):
                yield self._served(pod, job, {"port": str(port)}, {"rate": 250_000.0 * (port + 1)})

    def _of_vfs(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            for number in range(pod.work.vfs):
                labels = {
                    "pf": "ens3f0",
                    "vf": str(number),
                    "pciAddr": f"0000:5e:02.{number}",
                    "numa_node": "0",
                }
                target = self._on_node(job, pod.node, 9808, node=pod.node.name)
                yield Entity(f"{pod.name}/{number}", target, labels, {"rate": 2e7})

    def _of_cnf(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods:
            if pod.work.cnf in ("AMF", "SMF", "UPF"):
                yield self._served(pod, job, {}, {"rate": 2.0})

    # --- platform -------------------------------------------------------------------------

    def _of_certificates(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods_of("cert-manager/cert-manager"):
            for namespace, name in certificates(self._cluster):
                days = 30 + 55 * unit(self._cluster.seed, self._cluster.name, name)
                sizes = {"expires": self._anchor + days * 86400.0}
                target = self._on_pod(job, pod)
                labels = {
                    "exported_namespace": namespace,
                    "name": name,
                    "issuer_name": "internal-ca",
                }
                yield Entity(f"{namespace}/{name}", target, labels, sizes)

    def _of_operators(self, _job: str) -> Iterator[Entity]:
        target = Target("cluster-version-operator", "10.0.0.1:9099")
        for name in OPERATORS if self._cluster.spec.is_openshift else ():
            for kind in ("Available", "Progressing", "Degraded", "Upgradeable"):
                steps = self._cluster.operator(name, kind)
                state = Steps(steps.times, tuple(float(c.status == "True") for c in steps.values))
                labels = {"name": name, "condition": kind}
                yield Entity(f"{name}/{kind}", target, labels, states={"true": state})

    def _of_managed_clusters(self, job: str) -> Iterator[Entity]:
        for member in self._cluster.members:
            labels = {"managed_cluster_name": member.name}
            state = availability(member, self._anchor)
            yield Entity(member.name, self._central(job), labels, states={"available": state})

    def _of_prometheus(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods_of("monitoring/prometheus-k8s"):
            sizes = {"series": 900.0 * len(self._cluster.inventory.nodes) + 4000.0}
            yield Entity(pod.name, self._on_pod(job, pod), {}, sizes)

    def _of_alertmanager(self, job: str) -> Iterator[Entity]:
        for pod in self._cluster.inventory.pods_of("monitoring/alertmanager-main"):
            yield Entity(pod.name, self._on_pod(job, pod), {})

    def _of_targets(self, _job: str) -> Iterator[Entity]:
        """Every target, as ``up`` sees it; the store fills these in."""
        yield from ()


def _pod_sizes(work: WorkloadSpec) -> dict[str, float]:
    return {
        "cpu": work.cpu,
        "memory": work.memory * MIB,
        "cpu_limit": work.cpu_limit or 0.0,
        "memory_limit": (work.memory_limit or 0.0) * MIB,
        "cpu_request": work.cpu_limit / 2 if work.cpu_limit else work.cpu,
        "memory_request": (work.memory_limit or work.memory) * MIB * 0.75,
    }


def _kube_pod(pod: Pod, target: Target, extra: dict[str, str]) -> Entity:
    history = pod.history
    created_by = {"created_by_kind": pod.owner_kind, "created_by_name": pod.owner_name}
    owner = {"owner_kind": pod.owner_kind, "owner_name": pod.owner_name}
    info = {
        "node": pod.node.name,
        "host_ip": pod.node.address,
        "pod_ip": pod.address,
        "image": pod.image,
        "image_spec": pod.image,
        "container_id": pod.container_id,
        **created_by,
        **owner,
    }
    return Entity(
        key=f"{pod.namespace}/{pod.name}",
        target=target,
        labels={"namespace": pod.namespace, "pod": pod.name, "uid": pod.uid, **extra},
        sizes=_pod_sizes(pod.work) | {"created": history.created, "gpus": float(pod.work.gpus)},
        states={
            "phase": history.phase,
            "ready": history.ready,
            "running": history.running,
            "restarts": history.restarts,
            "waiting": history.waiting,
            "terminated": history.terminated,
            "last_terminated": history.last_terminated,
            "exit_code": history.exit_code,
            "reason": history.reason,
        },
        info=info,
        present=lifetime(history.created, history.deleted),
    )


def _as_numbers(steps: Steps[Any], wanted: object) -> Steps[float]:
    return Steps(steps.times, tuple(float(value == wanted) for value in steps.values))


class WorkloadCounts:
    """How many pods a workload wants and has, over time."""

    def __init__(self, cluster: SimulatedCluster, work: WorkloadSpec) -> None:
        self._pods = cluster.inventory.pods_of(work.path)
        self._revisions = [one for one in cluster.inventory.revisions if one.work is work]
        self._wanted = len(self._pods) if work.kind == "DaemonSet" else work.replicas

    def states(self) -> dict[str, Steps[Any]]:
        """Named counts: wanted, existing, ready, missing, updated."""
        moments = sorted(
            {
                time
                for pod in self._pods
                for steps in (pod.history.ready, pod.history.running)
                for time in (*steps.times, pod.history.created, pod.history.deleted)
                if abs(time) < 1e18
            }
        )
        checks = [moments[0] - 1.0, *moments] if moments else [0.0]
        existing = [self._count(moment, ready=False) for moment in checks]
        ready = [self._count(moment, ready=True) for moment in checks]
        updated = [self._updated(moment) for moment in checks]
        times = tuple(moments)
        missing = tuple(float(max(0, self._wanted - one)) for one in ready)
        return {
            "wanted": constant(float(self._wanted)),
            "existing": Steps(times, tuple(map(float, existing))),
            "ready": Steps(times, tuple(map(float, ready))),
            "missing": Steps(times, missing),
            "updated": Steps(times, tuple(map(float, updated))),
            "progressing": self._progressing(),
        }

    def _progressing(self) -> Steps[bool]:
        """Whether the newest rollout makes progress; a stuck one is given ten minutes."""
        later: list[tuple[float, bool]] = []
        for one in self._revisions:
            if one.replicas.times:
                later += [(one.created + PROGRESS_DEADLINE, False), (one.replicas.times[-1], True)]
        return changes(True, later)

    def _count(self, moment: float, *, ready: bool) -> int:
        return sum(
            pod.history.exists(moment)
            and pod.history.phase.at(moment) != "Failed"
            and (pod.history.ready.at(moment) or not ready)
            for pod in self._pods
        )

    def _updated(self, moment: float) -> int:
        known = [one for one in self._revisions if one.created <= moment]
        if not known:
            return self._count(moment, ready=False)
        newest = max(known, key=lambda revision: revision.created)
        return sum(
            pod.history.exists(moment) and pod.template_hash == newest.template_hash
            for pod in self._pods
        )


def certificates(cluster: SimulatedCluster) -> list[tuple[str, str]]:
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


def gpu_memory_mib(model: str) -> float:
    """Frame buffer of a card by its product name."""
    return 40960.0 if "40GB" in model else 81559.0 if "H100" in model else 81920.0


def power_limit_watts(model: str) -> float:
    """The default power limit of a card by its product name."""
    return 700.0 if "H100" in model else 400.0
