"""What korrel8r finds near to what was asked about, where a cluster has one; its classes in ours.

A cluster without is not asked; one that fails is named. Knows neither series nor how observations
are joined.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from aiops_mcp.backends.korrel8r import Domain, Graph, GraphNode, query_text
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.models.correlation import Neighbour

if TYPE_CHECKING:
    from aiops_mcp.backends.korrel8r import Korrel8rClient

SECONDS: Final = 15.0
DEPTH: Final = 2
MOST: Final = 40
WORKLOADS: Final = ("Deployment.apps", "StatefulSet.apps", "DaemonSet.apps")
"""What a component of a namespace may be, tried in this order."""
KINDS: Final[Mapping[str, str]] = {
    Domain.K8S: "object",
    Domain.ALERT: "alert",
    Domain.METRIC: "metric",
    Domain.LOG: "log",
    Domain.TRACE: "trace",
    Domain.NETFLOW: "network flow",
    Domain.INCIDENT: "incident",
}
"""Our words for korrel8r's domains; its events are a class of ``k8s``."""


@dataclass(frozen=True, slots=True)
class Near:
    """What to look around: an alert by its name, or a component; and when."""

    since: datetime
    until: datetime
    component: str | None = None
    alertname: str | None = None


async def neighbours(
    fleet: Fleet, chosen: Selection, near: Near
) -> tuple[list[Neighbour], list[str]]:
    """What was found, most objects first, and which clusters could not tell."""
    having = Selection(tuple(one for one in chosen.asked if one.endpoints.korrel8r_url))
    if not having.asked or not starts_of(near):
        return [], []

    async def ask(access: Access) -> Graph:
        return await _graph(await access.korrel8r(), near)

    answer = await fleet.ask_chosen(having, ask, backend="korrel8r", deadline=SECONDS)
    found = [
        each
        for one in answer.succeeded()
        if one.value is not None
        for each in told(one.cluster.name, one.value)
    ]
    found.sort(key=lambda each: (-each.count, each.cluster_name, each.class_name))
    notes = [
        f"korrel8r of {one.cluster.name}: {one.error.message}"
        for one in answer.failed()
        if one.error is not None
    ]
    return found[:MOST], notes


def starts_of(near: Near) -> list[str]:
    """The queries to begin at, each a try of its own: all of one must be of one class."""
    if near.alertname:
        return [query_text(Domain.ALERT, "alert", {"alertname": near.alertname})]
    if not near.component:
        return []
    space, slash, name = near.component.partition("/")
    if not slash:
        return [query_text(Domain.K8S, "Node", {"name": space})]
    selector = {"namespace": space, "name": name}
    return [query_text(Domain.K8S, kind, selector) for kind in WORKLOADS]


async def _graph(client: "Korrel8rClient", near: Near) -> Graph:
    for start in starts_of(near):
        found = await client.neighbours([start], start=near.since, end=near.until, depth=DEPTH)
        if any(node.count for node in found.nodes):
            return found
    return Graph()


def told(cluster: str, graph: Graph) -> Iterable[Neighbour]:
    """One of each class that has objects, in our words."""
    led_from = {edge.goal: edge.start for edge in reversed(graph.edges)}
    for node in graph.nodes:
        if node.count:
            yield Neighbour(
                cluster_name=cluster,
                domain=node.domain,
                kind=kind_of(node),
                class_name=node.class_name,
                count=node.count,
                query=node.queries[0][0] if node.queries else "",
                from_class=led_from.get(node.class_name, ""),
            )


def kind_of(node: GraphNode) -> str:
    """Our word for a class; a domain that is not known keeps its own name."""
    if node.class_name.startswith("k8s:Event"):
        return "event"
    return KINDS.get(node.domain, node.domain)
