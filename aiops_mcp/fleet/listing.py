"""Lists of clusters as REST gives them: filters and pages. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import Field

from aiops_mcp.errors import InputError
from aiops_mcp.models.cluster import Cluster, ClusterState, ClusterType, Environment
from aiops_mcp.models.entity import Entity, Page

ItemT = TypeVar("ItemT")


class ClusterFilter(Entity):
    """What a cluster must be like; what is left out does not matter (contract.md §2).

    ``name`` is a part of the name or display name, whatever the case; ``labels`` are ``key=value``
    terms which all hold.
    """

    name: str | None = None
    cluster_type: ClusterType | None = None
    environment: Environment | None = None
    region: str | None = None
    state: ClusterState | None = None
    has_gpu: bool | None = None
    has_cnf: bool | None = None
    labels: tuple[str, ...] = Field(default=())


def filter_clusters(clusters: Iterable[Cluster], criteria: ClusterFilter) -> tuple[Cluster, ...]:
    """The clusters that meet all criteria, in the order given.

    Raises:
        InputError: a label term is not ``key=value``.
    """
    labels = [_label(term) for term in criteria.labels]
    return tuple(
        cluster
        for cluster in clusters
        if _meets(cluster, criteria)
        and all(cluster.labels.get(key) == value for key, value in labels)
    )


def _label(term: str) -> tuple[str, str]:
    key, separator, value = term.partition("=")
    if not (key and separator):
        raise InputError(
            f"{term!r} is not a label filter.",
            "Write label=KEY=VALUE, such as label=team=ml.",
            details={"field": "label"},
        )
    return key, value


def _meets(cluster: Cluster, criteria: ClusterFilter) -> bool:
    wanted = criteria.name.lower() if criteria.name else ""
    facts = (
        (criteria.cluster_type, cluster.cluster_type),
        (criteria.environment, cluster.environment),
        (criteria.region, cluster.region),
        (criteria.state, cluster.status.state),
        (criteria.has_gpu, cluster.capabilities.has_gpu_nodes),
        (criteria.has_cnf, cluster.capabilities.has_cnf_workloads),
    )
    return (wanted in cluster.name or wanted in cluster.display_name.lower()) and all(
        asked is None or asked == fact for asked, fact in facts
    )


def page_of(items: Sequence[ItemT], page: int = 1, page_size: int = 20) -> Page[ItemT]:
    """One page of the items; a page beyond the last is empty.

    Raises:
        InputError: ``page`` below 1, or ``page_size`` not 1 to 100.
    """
    if page < 1:
        raise InputError("page counts from 1.", "Ask for page=1.", details={"field": "page"})
    if not 1 <= page_size <= 100:
        raise InputError(
            "page_size is 1 to 100.",
            "Ask for page_size=100 at most.",
            details={"field": "page_size"},
        )
    start = (page - 1) * page_size
    return Page[ItemT](
        items=tuple(items[start : start + page_size]),
        total=len(items),
        page=page,
        page_size=page_size,
        total_pages=-(-len(items) // page_size),
    )
