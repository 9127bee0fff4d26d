"""Which clusters a question goes to: names, ids, globs and selectors over a list of clusters.

Pure. Knows no registry: the caller passes the clusters that the principal may see.

    edge-1                          a name or an id
    edge-*                          a glob over names
    type=EDGE env=PRODUCTION        all of these conditions (blank = and)
    region=eu-west,eu-north         any of these values
    label.team!=ml                  not this value
    has=gpu                         a capability that discovery found

Several terms are alternatives. A cluster that is known to be offline is chosen only when it is
named, or when a term asks for its state; else it stands in ``Selection.offline``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from uuid import UUID

from aiops_mcp.errors import ClusterNotFound, InputError
from aiops_mcp.fleet.naming import no_such_cluster
from aiops_mcp.models.cluster import (
    Cluster,
    ClusterCapabilities,
    ClusterState,
    ClusterType,
    Environment,
    Platform,
)

Condition = Callable[[Cluster], bool]

_ALIASES = {"cluster_type": "type", "environment": "env"}
_ENUMS: dict[str, type[StrEnum]] = {
    "type": ClusterType,
    "env": Environment,
    "state": ClusterState,
    "platform": Platform,
}
_READ: dict[str, Callable[[Cluster], str | None]] = {
    "type": lambda cluster: cluster.cluster_type,
    "env": lambda cluster: cluster.environment,
    "state": lambda cluster: cluster.status.state,
    "platform": lambda cluster: cluster.platform,
    "region": lambda cluster: cluster.region,
    "name": lambda cluster: cluster.name,
}
_HAS: dict[str, Callable[[ClusterCapabilities], bool]] = {
    "gpu": lambda found: found.has_gpu_nodes,
    "cnf": lambda found: found.has_cnf_workloads,
    "prometheus": lambda found: found.has_prometheus,
    "thanos": lambda found: found.has_thanos,
    "tempo": lambda found: found.has_tempo,
    "loki": lambda found: found.has_loki,
    "mesh": lambda found: found.has_service_mesh,
}
KEYS = (*_READ, "has", "label.NAME")


@dataclass(frozen=True, slots=True)
class Selection:
    """``asked`` are to be asked, ``offline`` would have been but are known to be away."""

    asked: tuple[Cluster, ...]
    offline: tuple[Cluster, ...] = ()

    @property
    def all(self) -> tuple[Cluster, ...]:
        return (*self.asked, *self.offline)


def select(clusters: Sequence[Cluster], terms: Sequence[str]) -> tuple[Cluster, ...]:
    """Every cluster that a term chooses, offline ones too, in the order of ``clusters``.

    Raises:
        ClusterNotFound: a name nobody has (near names are given), or nothing matches.
        InputError: an unknown key or value of a selector.
    """
    chosen = choose(clusters, terms)
    ids = {cluster.id for cluster in chosen.all}
    return tuple(cluster for cluster in clusters if cluster.id in ids)


def choose(clusters: Sequence[Cluster], terms: Sequence[str]) -> Selection:
    """Split what the terms choose into clusters to ask and clusters known to be offline.

    No terms: the whole fleet. Errors as in `select`.
    """
    named: set[UUID] = set()
    matched: set[UUID] = set()
    for term in _split(terms):
        ids, keeps_offline = _resolve(clusters, term)
        (named if keeps_offline else matched).update(ids)
    if not named and not matched:
        matched = {cluster.id for cluster in clusters}
    asked: list[Cluster] = []
    offline: list[Cluster] = []
    for cluster in clusters:
        if cluster.id in named:
            asked.append(cluster)
        elif cluster.id in matched:
            (offline if is_away(cluster) else asked).append(cluster)
    return Selection(tuple(asked), tuple(offline))


def is_away(cluster: Cluster) -> bool:
    """Known to be unreachable. A Prometheus of its own address may answer all the same."""
    status = cluster.status
    return status.state is ClusterState.OFFLINE and not status.prometheus_healthy


def _split(terms: Sequence[str]) -> list[str]:
    """One term an item: ``a b`` and ``a,b`` are two names, a selector stays whole."""
    pieces: list[str] = []
    for term in terms:
        if "=" in term:
            pieces.append(term.strip())
        else:
            pieces.extend(term.replace(",", " ").split())
    return pieces


def _resolve(clusters: Sequence[Cluster], term: str) -> tuple[set[UUID], bool]:
    """The ids a term chooses, and whether it chooses offline clusters as well."""
    if "=" in term:
        conditions = [_condition(word) for word in term.split()]
        found = {c.id for c in clusters if all(condition(c) for condition in conditions)}
        if not found:
            raise ClusterNotFound(
                f"No cluster matches {term!r}.", "list_clusters shows their types and labels."
            )
        return found, any(word.startswith("state") for word in term.split())
    if "*" in term or "?" in term:
        found = {cluster.id for cluster in clusters if fnmatchcase(cluster.name, term)}
        if not found:
            raise ClusterNotFound(f"No cluster's name matches {term!r}.", _known(clusters))
        return found, False
    lowered = term.lower()
    for cluster in clusters:
        if cluster.name == lowered or str(cluster.id) == lowered:
            return {cluster.id}, True
    raise no_such_cluster(term, [cluster.name for cluster in clusters])


def _known(clusters: Sequence[Cluster]) -> str:
    if not clusters:
        return "No cluster is registered."
    names = sorted(cluster.name for cluster in clusters)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"Known clusters: {', '.join(names[:10])}{more}."


def _condition(word: str) -> Condition:
    key, separator, value = word.partition("=")
    if not separator:
        raise InputError(
            f"{word!r} is no condition of a selector.",
            f"Write key=value; keys: {', '.join(KEYS)}. A name stands in a term of its own.",
        )
    negated = key.endswith("!")
    raw_key = key.removesuffix("!")
    condition = _positive(_ALIASES.get(raw_key.lower(), raw_key), value.split(","))
    if negated:
        return lambda cluster: not condition(cluster)
    return condition


def _positive(key: str, values: list[str]) -> Condition:
    if key.lower().startswith("label."):
        label = key[len("label.") :]
        return lambda cluster: cluster.labels.get(label) in values
    key = key.lower()
    if key == "has":
        checks = [_has(value) for value in values]
        return lambda cluster: any(check(cluster.capabilities) for check in checks)
    if key not in _READ:
        raise InputError(f"Unknown selector key {key!r}.", f"Keys: {', '.join(KEYS)}.")
    read = _READ[key]
    wanted = {_enum_value(key, value) for value in values} if key in _ENUMS else set(values)
    return lambda cluster: read(cluster) in wanted


def _has(value: str) -> Callable[[ClusterCapabilities], bool]:
    if value.lower() not in _HAS:
        raise InputError(f"Unknown capability {value!r}.", f"has= takes {', '.join(_HAS)}.")
    return _HAS[value.lower()]


def _enum_value(key: str, value: str) -> str:
    upper = value.upper().replace("-", "_")
    members = [member.value for member in _ENUMS[key]]
    if upper not in members:
        raise InputError(f"{value!r} is no {key}.", f"{key}= takes {', '.join(members)}.")
    return upper
