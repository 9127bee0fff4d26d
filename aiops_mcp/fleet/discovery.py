"""What a cluster is and has, asked of its Kubernetes API.

GPUs from node labels and resources, monitoring from services, platform and meshes from API groups,
network functions from pods. What may not be listed is left out and named; only a cluster that
shows nothing at all is an error. Deciding what an object means is pure and lives in `services` and
`cnf_hints`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from aiops_mcp.backends.gpu_nodes import gpu_nodes
from aiops_mcp.errors import BackendError, BackendRefused, ClusterUnreachable, DiscoveryFailed
from aiops_mcp.fleet.cnf_hints import cnf_types
from aiops_mcp.fleet.services import (
    FoundServices,
    Instance,
    find_services,
    first_tenants,
    needs_tenant,
)
from aiops_mcp.models.cluster import Cluster, ClusterCapabilities, ClusterEndpoints, Platform

T = TypeVar("T")
Object = Mapping[str, Any]

_MESH_GROUPS = frozenset(
    {
        "networking.istio.io", "security.istio.io", "maistra.io", "sailoperator.io",
        "linkerd.io", "policy.linkerd.io", "consul.hashicorp.com", "kuma.io",
    }
)  # fmt: skip
_OPENSHIFT_GROUP = "config.openshift.io"
# MicroShift serves some of OpenShift's groups, but has no ClusterVersion.
_MICROSHIFT_GROUPS = frozenset({"route.openshift.io", "security.openshift.io"})
_GPU_RESOURCE = "nvidia.com/gpu"


class ClusterApi(Protocol):
    """The part of a Kubernetes client that is needed here."""

    async def list(self, path: str) -> Sequence[Object]: ...

    async def get(self, path: str) -> Object: ...

    async def version(self) -> Object: ...


@dataclass(frozen=True, slots=True)
class Discovered:
    """``endpoints`` are those found; ``left_out`` is what could not be looked at, and why."""

    capabilities: ClusterCapabilities
    endpoints: ClusterEndpoints
    platform: Platform
    platform_version: str | None
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Notes:
    """What was refused on the way."""

    refused: dict[str, BackendError] = field(default_factory=dict[str, BackendError])

    async def attempt(self, what: str, work: Awaitable[T], otherwise: T) -> T:
        try:
            return await work
        except ClusterUnreachable:
            raise
        except BackendError as error:
            self.refused[what] = error
            return otherwise


async def discover(kubernetes: ClusterApi, cluster: Cluster) -> Discovered:
    """Look at the cluster.

    Raises:
        ClusterUnreachable: it did not answer.
        DiscoveryFailed: it answered, and refused every question.
    """
    notes = _Notes()
    nothing: Sequence[Object] = ()
    nodes, services, pods, groups, version = await asyncio.gather(
        notes.attempt("nodes", kubernetes.list("nodes"), nothing),
        notes.attempt("services", kubernetes.list("services"), nothing),
        notes.attempt("pods", kubernetes.list("pods"), nothing),
        notes.attempt("API groups", _groups(kubernetes), frozenset[str]()),
        notes.attempt("version", kubernetes.version(), dict[str, Any]()),
    )
    if len(notes.refused) == 5:
        raise DiscoveryFailed(
            f"Cluster {cluster.name} answers, but lets nothing be looked at.",
            "Store credentials that may list nodes, services and pods.",
        ) from next(iter(notes.refused.values()))
    platform, platform_version = await _platform(kubernetes, cluster, groups, version)
    tenants = await _tenants(kubernetes) if needs_tenant(services) else {}
    found = find_services(services, cluster.api_server_url, tenants)
    return Discovered(
        capabilities=_capabilities(cluster, nodes, pods, groups, found),
        endpoints=found.endpoints,
        platform=platform,
        platform_version=platform_version,
        left_out=tuple(f"{what}: {error.message}" for what, error in notes.refused.items()),
    )


def _capabilities(
    cluster: Cluster,
    nodes: Sequence[Object],
    pods: Sequence[Object],
    groups: frozenset[str],
    found: FoundServices,
) -> ClusterCapabilities:
    count, kinds = _gpus(nodes)
    functions = cnf_types(pods)
    given = cluster.endpoints
    return ClusterCapabilities(
        has_gpu_nodes=bool(gpu_nodes(nodes)),
        gpu_count=count,
        gpu_types=kinds,
        has_prometheus=(given.prometheus_url or found.endpoints.prometheus_url) is not None,
        has_thanos=found.has_thanos,
        has_tempo=(given.tempo_url or found.endpoints.tempo_url) is not None,
        has_loki=(given.loki_url or found.endpoints.loki_url) is not None,
        has_service_mesh=bool(groups & _MESH_GROUPS),
        has_cnf_workloads=bool(functions),
        cnf_types=functions,
    )


def _gpus(nodes: Iterable[Object]) -> tuple[int, tuple[str, ...]]:
    """Cards and their models; the label counts cards also where MIG or sharing divides them."""
    total = 0
    kinds: set[str] = set()
    for node in nodes:
        for found in gpu_nodes((node,)):
            cards = found.card_count
            total += found.capacity.get(_GPU_RESOURCE, 0) if cards is None else cards
        metadata: Object = node.get("metadata") or {}
        labels: Mapping[str, str] = metadata.get("labels") or {}
        product = labels.get("nvidia.com/gpu.product")
        if product:
            # Time slicing and MIG write themselves into the product's name.
            kinds.add(product.removesuffix("-SHARED").partition("-MIG-")[0])
    return total, tuple(sorted(kinds))


async def _groups(kubernetes: ClusterApi) -> frozenset[str]:
    answer = await kubernetes.get("/apis")
    return frozenset(str(group.get("name")) for group in answer.get("groups") or ())


async def _tenants(kubernetes: ClusterApi) -> dict[Instance, str]:
    """The tenants of Tempo's gateways; nothing where that may not be read."""
    found: dict[Instance, str] = {}
    for kind in ("tempostacks", "tempomonolithics"):
        try:
            answer = await kubernetes.get(f"/apis/tempo.grafana.com/v1alpha1/{kind}")
        except BackendRefused:
            continue
        found.update(first_tenants(answer.get("items") or ()))
    return found


async def _platform(
    kubernetes: ClusterApi, cluster: Cluster, groups: frozenset[str], version: Object
) -> tuple[Platform, str | None]:
    plain = str(version["gitVersion"]) if version.get("gitVersion") else None
    if _OPENSHIFT_GROUP in groups:
        path = "/apis/config.openshift.io/v1/clusterversions/version"
        return Platform.OPENSHIFT, await _read(kubernetes, path, _openshift_version) or plain
    # Its groups are optional, so that their absence does not speak against what was registered.
    if groups & _MICROSHIFT_GROUPS or cluster.platform is Platform.MICROSHIFT:
        path = "/api/v1/namespaces/kube-public/configmaps/microshift-version"
        return Platform.MICROSHIFT, await _read(kubernetes, path, _microshift_version) or plain
    return Platform.KUBERNETES, plain


async def _read(
    kubernetes: ClusterApi, path: str, read: Callable[[Object], str | None]
) -> str | None:
    try:
        return read(await kubernetes.get(path))
    except BackendRefused:
        return None  # not allowed or not there: the version stays what Kubernetes says


def _openshift_version(answer: Object) -> str | None:
    status: Object = answer.get("status") or {}
    for update in status.get("history") or ():
        if update.get("state") == "Completed":
            return update.get("version")
    desired: Object = status.get("desired") or {}
    return desired.get("version")


def _microshift_version(answer: Object) -> str | None:
    data: Object = answer.get("data") or {}
    return data.get("version")
