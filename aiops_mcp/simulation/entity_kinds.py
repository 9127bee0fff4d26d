"""Finds a cluster's entities by kind. It must not know metric names."""

from collections.abc import Callable, Iterator, Mapping

from aiops_mcp.simulation import entities_nodes as nodes
from aiops_mcp.simulation import entities_objects as objects
from aiops_mcp.simulation import entities_platform as platform
from aiops_mcp.simulation import entities_services as services
from aiops_mcp.simulation.entities import Entity, Scene

KINDS: Mapping[str, Callable[[Scene, str], Iterator[Entity]]] = {
    "cluster": nodes.cluster,
    "node": nodes.nodes,
    "kube_node": nodes.kube_nodes,
    "cpu": nodes.cpus,
    "filesystem": nodes.filesystems,
    "disk": nodes.disks,
    "nic": nodes.nics,
    "kubelet": nodes.kubelets,
    "container": nodes.containers,
    "pod_network": nodes.pod_networks,
    "kube_pod": objects.kube_pods,
    "kube_container": objects.kube_containers,
    "deployment": objects.deployments,
    "replicaset": objects.replicasets,
    "statefulset": objects.statefulsets,
    "daemonset": objects.daemonsets,
    "job": objects.jobs,
    "namespace": objects.namespaces,
    "claim": objects.claims,
    "volume": nodes.volumes,
    "control_plane": platform.control_plane,
    "coredns": services.coredns,
    "http": services.http,
    "call": services.calls,
    "gpu": services.gpus,
    "gpu_slice": services.gpu_slices,
    "gpu_node": services.gpu_nodes,
    "vllm": services.vllm,
    "ptp": services.ptp,
    "ptp_process": services.ptp_processes,
    "dpdk": services.dpdk,
    "vf": services.vfs,
    "amf": services.amfs,
    "smf": services.smfs,
    "upf": services.upfs,
    "certificate": platform.certificates,
    "operator": platform.operators,
    "managed_cluster": platform.managed_clusters,
    "prometheus": platform.prometheus,
    "alertmanager": platform.alertmanager,
}
"""Each kind of entity, and how it is found for the job that measures it."""
