"""Label names and values where a cluster has no Loki: those that its pods' logs have."""

from typing import TYPE_CHECKING

from aiops_mcp.fleet.log_pod_choice import pod_logs_of
from aiops_mcp.logql import Selector, parse_selector
from aiops_mcp.models.cluster import Cluster

if TYPE_CHECKING:
    from aiops_mcp.backends.kubernetes import KubernetesClient

POD_LABELS = ("app", "container", "namespace", "node", "pod")


async def pod_label_values(
    client: "KubernetesClient", label: str, query: str | None, cluster: Cluster
) -> tuple[tuple[str, ...], list[str]]:
    """Values of a label over the pods that ``query`` (a selector) means, or all of them."""
    selector = parse_selector(query) if query else Selector(())
    logs = pod_logs_of(await client.list("pods"), selector, cluster.name)
    values = {log.stream[label] for log in logs if label in log.stream}
    return tuple(sorted(values)), []
