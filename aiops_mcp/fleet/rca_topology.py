"""Who calls, runs on and uses whom in one cluster, at a moment, as its Prometheus tells.

Asked of series and not of the API server, since those also tell of an hour that is past: pods and
nodes of kube-state-metrics, volumes, GPUs of DCGM, calls of clients and meshes. What cannot be
had is named. Knows no cause.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aiops_mcp.analysis.rootcause_problem import Edge, Relation
from aiops_mcp.backends.prometheus import PrometheusClient
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.rca_names import Names

MOST_SERIES: Final = 20_000

_NODES: Final = "group by (node, internal_ip) (kube_node_info)"
_PODS: Final = "group by (namespace, pod, node) (kube_pod_info)"
_CLAIMS: Final = (
    "group by (namespace, pod, persistentvolumeclaim) "
    "(kube_pod_spec_volumes_persistentvolumeclaims_info)"
)
_GPUS: Final = (
    'group by (Hostname, gpu, exported_namespace, exported_pod) ({__name__=~"DCGM_FI_DEV_GPU_UTIL|'
    'DCGM_FI_PROF_GR_ENGINE_ACTIVE"})'
)
_CALLS: Final = (
    "group by (namespace, service, peer_service) (http_client_requests_total)",
    (
        "group by (source_workload_namespace, source_workload, destination_service_namespace, "
        "destination_service_name) (istio_requests_total)"
    ),
    "group by (client, server) (traces_service_graph_request_total)",
)
_PLATFORM: Final = (Edge("apiserver", "etcd", Relation.USES),)
"""What every Kubernetes cluster is built of."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topology:
    """``missing`` says which part is not known, and why."""

    edges: tuple[Edge, ...]
    names: Names
    missing: tuple[str, ...] = ()


async def read_topology(client: PrometheusClient, names: Names, at: float) -> Topology:
    """The edges at ``at`` (Unix seconds); what one question cannot tell is left out and named.

    Raises:
        AiopsError: none was answered.
    """
    missing: list[str] = []
    errors: list[AiopsError] = []

    async def ask(query: str, what: str) -> list[Labels]:
        try:
            answer = await client.query(query, time=at, limit=MOST_SERIES)
        except AiopsError as error:
            errors.append(error)
            missing.append(f"{what}: {error.message}")
            return []
        return [one.metric for one in answer.series]

    nodes, pods, claims, gpus, *calls = await asyncio.gather(
        ask(_NODES, "nodes"),
        ask(_PODS, "pods of nodes"),
        ask(_CLAIMS, "claims of pods"),
        ask(_GPUS, "GPUs of pods"),
        *(ask(query, "calls of services") for query in _CALLS),
    )
    if len(errors) == len(_CALLS) + 4:
        raise errors[0]
    known = {one["internal_ip"]: one["node"] for one in nodes if one.get("internal_ip")}
    names = replace(names, nodes=known)
    edges = edges_of(names, pods=pods, claims=claims, gpus=gpus, calls=calls)
    if not pods and not missing:
        missing.append("pods of nodes: kube_pod_info has no series")
    return Topology(tuple(edges), names, tuple(dict.fromkeys(missing)))


def edges_of(
    names: Names,
    *,
    pods: Iterable[Labels] = (),
    claims: Iterable[Labels] = (),
    gpus: Iterable[Labels] = (),
    calls: Iterable[Iterable[Labels]] = (),
) -> list[Edge]:
    """The edges that these label sets mean, each once."""
    found = dict.fromkeys(_PLATFORM)
    where = {(one.get("namespace", ""), one.get("pod", "")): one.get("node", "") for one in pods}

    def workload(labels: Labels, space: str = "namespace", pod: str = "pod") -> str:
        place = (labels.get(space, ""), labels.get(pod, ""))
        return names.workload(*place, where.get(place, "")) if place[1] else ""

    for (space, pod), node in where.items():
        if pod and node:
            found[Edge(names.workload(space, pod, node), node, Relation.RUNS_ON)] = None
    for one in claims:
        volume = f"{one.get('namespace', '')}/{one.get('persistentvolumeclaim', '')}"
        if user := workload(one):
            found[Edge(user, volume, Relation.USES)] = None
    found |= dict.fromkeys(_gpu_edges(gpus, workload))
    for kind, told in zip((_http, _istio, _spans), calls, strict=False):
        for one in told:
            caller, callee = kind(names, one)
            if caller and callee and caller != callee:
                found[Edge(caller, callee, Relation.CALLS)] = None
    return list(found)


def _gpu_edges(
    gpus: Iterable[Labels], workload: Callable[[Labels, str, str], str]
) -> Iterator[Edge]:
    for one in gpus:
        node = one.get("Hostname", "")
        if not node:
            continue
        card = f"{node}/{one.get('gpu', '')}"
        # A node is as well as its cards: what waits for the node waits for them.
        yield Edge(node, card, Relation.OWNS)
        if user := workload(one, "exported_namespace", "exported_pod"):
            yield Edge(user, card, Relation.USES)


def _http(names: Names, one: Labels) -> tuple[str, str]:
    space, peer = one.get("namespace", ""), one.get("peer_service", "")
    name = one.get("service", "")
    return (f"{space}/{name}", names.called(peer, space)) if name and peer else ("", "")


def _istio(names: Names, one: Labels) -> tuple[str, str]:
    del names
    caller = f"{one.get('source_workload_namespace', '')}/{one.get('source_workload', '')}"
    called = one.get("destination_service_name", "").partition(".")[0]
    return caller, f"{one.get('destination_service_namespace', '')}/{called}" if called else ""


def _spans(names: Names, one: Labels) -> tuple[str, str]:
    del names
    return one.get("client", ""), one.get("server", "")
