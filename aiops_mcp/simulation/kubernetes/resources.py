"""Which resources a simulated API server has: names, kinds, and how their objects come about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiops_mcp.models.cluster import Platform
from aiops_mcp.simulation.cluster import SimulatedCluster
from aiops_mcp.simulation.kubernetes import (
    happenings,
    nodes,
    platform,
    pods,
    policies,
    services,
    workloads,
)
from aiops_mcp.simulation.kubernetes.view import Json, View, condition, metadata

Render = Callable[[View], list[Json]]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource; ``render`` gives all its objects at a moment."""

    group: str
    version: str
    plural: str
    kind: str
    render: Render
    namespaced: bool = True
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("get", "list", "watch")
    subresources: tuple[str, ...] = ()
    custom: bool = False

    @property
    def group_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()


def _none(_view: View) -> list[Json]:
    return []


_CORE = (
    Resource("", "v1", "namespaces", "Namespace", nodes.namespace_objects, False, ("ns",)),
    Resource("", "v1", "nodes", "Node", nodes.node_objects, False, ("no",)),
    Resource(
        "", "v1", "pods", "Pod", pods.pod_objects, True, ("po",), subresources=("log", "exec")
    ),
    Resource(
        "",
        "v1",
        "services",
        "Service",
        services.service_objects,
        True,
        ("svc",),
        subresources=("proxy",),
    ),
    Resource("", "v1", "endpoints", "Endpoints", services.endpoints_objects, True, ("ep",)),
    Resource("", "v1", "events", "Event", happenings.event_objects, True, ("ev",)),
    Resource("", "v1", "configmaps", "ConfigMap", services.config_map_objects, True, ("cm",)),
    Resource(
        "",
        "v1",
        "secrets",
        "Secret",
        _none,
        verbs=("get", "list", "watch", "create", "update", "patch", "delete"),
    ),
    Resource(
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        nodes.claim_objects,
        True,
        ("pvc",),
    ),
    Resource(
        "apps", "v1", "deployments", "Deployment", workloads.deployment_objects, True, ("deploy",)
    ),
    Resource(
        "apps", "v1", "replicasets", "ReplicaSet", workloads.replicaset_objects, True, ("rs",)
    ),
    Resource(
        "apps", "v1", "statefulsets", "StatefulSet", workloads.statefulset_objects, True, ("sts",)
    ),
    Resource("apps", "v1", "daemonsets", "DaemonSet", workloads.daemonset_objects, True, ("ds",)),
    Resource("batch", "v1", "jobs", "Job", workloads.job_objects),
    Resource("batch", "v1", "cronjobs", "CronJob", workloads.cronjob_objects, True, ("cj",)),
    Resource(
        "discovery.k8s.io",
        "v1",
        "endpointslices",
        "EndpointSlice",
        services.endpoint_slice_objects,
    ),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", nodes.lease_objects),
    Resource(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        policies.autoscaler_objects,
        True,
        ("hpa",),
    ),
    Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        policies.disruption_budget_objects,
        True,
        ("pdb",),
    ),
    Resource(
        "certificates.k8s.io",
        "v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        policies.signing_request_objects,
        False,
        ("csr",),
    ),
)

_CERTIFICATES = (
    Resource(
        "cert-manager.io",
        "v1",
        "certificates",
        "Certificate",
        platform.certificate_objects,
        True,
        ("cert", "certs"),
        custom=True,
    ),
)

_OPENSHIFT = (
    Resource(
        "config.openshift.io",
        "v1",
        "clusterversions",
        "ClusterVersion",
        platform.cluster_version_objects,
        False,
        custom=True,
    ),
    Resource(
        "config.openshift.io",
        "v1",
        "clusteroperators",
        "ClusterOperator",
        platform.cluster_operator_objects,
        False,
        ("co",),
        custom=True,
    ),
    Resource(
        "machineconfiguration.openshift.io",
        "v1",
        "machineconfigpools",
        "MachineConfigPool",
        platform.machine_config_pool_objects,
        False,
        ("mcp",),
        custom=True,
    ),
    Resource("route.openshift.io", "v1", "routes", "Route", platform.route_objects),
)

_MICROSHIFT = (Resource("route.openshift.io", "v1", "routes", "Route", platform.route_objects),)

_BY_STACK: dict[str, tuple[Resource, ...]] = {
    "hub": (
        Resource(
            "cluster.open-cluster-management.io",
            "v1",
            "managedclusters",
            "ManagedCluster",
            platform.managed_cluster_objects,
            False,
            ("mcl",),
            custom=True,
        ),
    ),
    "mesh": (
        Resource(
            "security.istio.io",
            "v1",
            "peerauthentications",
            "PeerAuthentication",
            platform.peer_authentication_objects,
            True,
            ("pa",),
            custom=True,
        ),
    ),
    "cnf-ran": (
        Resource(
            "sriovnetwork.openshift.io",
            "v1",
            "sriovnetworknodestates",
            "SriovNetworkNodeState",
            platform.sriov_node_state_objects,
            custom=True,
        ),
    ),
    "gpu": (
        Resource(
            "nvidia.com",
            "v1",
            "clusterpolicies",
            "ClusterPolicy",
            platform.cluster_policy_objects,
            False,
            custom=True,
        ),
    ),
}


_TEMPO_STACK = Resource(
    "tempo.grafana.com",
    "v1alpha1",
    "tempostacks",
    "TempoStack",
    platform.tempo_stack_objects,
    custom=True,
)


def resources_of(cluster: SimulatedCluster) -> tuple[Resource, ...]:
    """Everything a cluster's API server has, by its platform and what is installed."""
    found = list(_CORE)
    if "certificates" in cluster.spec.stacks:
        found.extend(_CERTIFICATES)
    if cluster.spec.is_openshift:
        found.extend(_OPENSHIFT)
    if cluster.spec.platform is Platform.MICROSHIFT:
        found.extend(_MICROSHIFT)
    if cluster.spec.trace_store == "tempostack":
        found.append(_TEMPO_STACK)
    for stack in cluster.spec.stacks:
        found.extend(_BY_STACK.get(stack, ()))
    custom = [one for one in found if one.custom]
    found.append(
        Resource(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            lambda view: [_definition(view, one) for one in custom],
            False,
            ("crd", "crds"),
        )
    )
    return tuple(found)


def _definition(view: View, resource: Resource) -> Json:
    born = view.anchor - 60 * 86400
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata(
            view, "CustomResourceDefinition", f"{resource.plural}.{resource.group}", born
        ),
        "spec": {
            "group": resource.group,
            "names": {
                "plural": resource.plural,
                "singular": resource.singular,
                "kind": resource.kind,
                "shortNames": list(resource.short),
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [{"name": resource.version, "served": True, "storage": True}],
        },
        "status": {"conditions": [condition("Established", "True", born)]},
    }


def groups_of(resources: Sequence[Resource]) -> dict[str, list[Resource]]:
    """Resources by API group, the core group under the empty name."""
    groups: dict[str, list[Resource]] = {}
    for one in resources:
        groups.setdefault(one.group, []).append(one)
    for group in ("authorization.k8s.io", "authentication.k8s.io"):
        groups.setdefault(group, [])
    return groups
