"""Clusters laid side by side: what is different between the good one and the bad one."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.compare_facts import (
    Facts,
    NodeFacts,
    label_facts,
    operator_facts,
    pool_facts,
    setting_facts,
    storage_facts,
    subscription_facts,
    version_facts,
    workload_facts,
)
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.object_fields import Json, text
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader, refusal_notes
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.findings import Comparison, Difference
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

_AREAS = (
    *("version", "operators", "settings", "nodes", "storage", "images", "limits", "replicas"),
    *("capacity", "labels"),
)
"""Most telling first: sizes and labels differ between any two clusters."""

_PAIRS = Callable[[Json], Iterable[tuple[tuple[str, str], str]]]
_OPENSHIFT = "config.openshift.io"
_READ: tuple[tuple[str, _PAIRS], ...] = (
    (f"clusteroperators.{_OPENSHIFT}", operator_facts),
    ("subscriptions.operators.coreos.com", subscription_facts),
    (f"clusterversions.{_OPENSHIFT}", version_facts),
    ("machineconfigpools.machineconfiguration.openshift.io", pool_facts),
    ("storageclasses.storage.k8s.io", storage_facts),
    *(
        (f"{plural}.{_OPENSHIFT}", partial(setting_facts, plural))
        for plural in ("networks", "proxies", "featuregates", "infrastructures")
    ),
    *(
        (f"{kind.lower()}s.apps", partial(workload_facts, kind))
        for kind in ("Deployment", "StatefulSet", "DaemonSet")
    ),
)

_Read = tuple[Facts, tuple[str, ...]]


async def compare_clusters(
    fleet: Fleet,
    selection: Sequence[str],
    principal: Principal,
    *,
    seconds: float,
    ttl: float,
    progress: Progress = no_progress,
) -> Comparison:
    """What differs between the chosen clusters. Raises when no cluster answered."""

    async def ask(access: Access) -> _Read:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        facts = await _facts(reader, access.cluster)
        return facts, tuple(refusal.text for refusal in reader.refusals)

    answer = await fleet.ask(
        selection,
        ask,
        principal=principal,
        backend="kubernetes",
        deadline=seconds,
        cache=CacheRule(("facts",), ttl, lambda read: 1024 + 300 * len(read[0])),
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    read = {one.cluster.name: one.value for one in answer.succeeded() if one.value}
    differences, same = differ({name: facts for name, (facts, _) in read.items()})
    return Comparison(
        clusters=tuple(read),
        differences=differences,
        same=same,
        notes=refusal_notes((name, notes) for name, (_, notes) in read.items()),
        coverage=answer.coverage(),
        as_of=answer.asked_at,
    )


async def _facts(reader: ObjectReader, cluster: Cluster) -> Facts:
    nodes = NodeFacts()
    facts = label_facts(cluster.labels)
    facts["version", "platform"] = cluster.platform.value
    facts["labels", "region"] = cluster.region or ""
    facts["labels", "environment"] = cluster.environment.value

    def count(node: Json) -> Iterable[None]:
        nodes.take(node)
        return ()

    async def version() -> None:
        told = await KubernetesClient(reader.http).version()
        facts["version", "Kubernetes"] = text(told, "gitVersion")

    found = await asyncio.gather(*(reader.each(kind, judge) for kind, judge in _READ))
    await asyncio.gather(reader.attempt("version", version()), reader.each("nodes", count))
    reader.raise_if_nothing_read()
    facts |= {item: value for pairs in found for item, value in pairs if value}
    facts |= nodes.facts()
    return facts


def differ(read: Mapping[str, Facts]) -> tuple[tuple[Difference, ...], dict[str, int]]:
    """Where clusters disagree, most telling first, and how much agrees by area.

    A workload counts only where all the clusters have its namespace: others run other things.
    """
    items = sorted({item for facts in read.values() for item in facts})
    spaces = _shared_namespaces(read)
    same: Counter[str] = Counter()
    found: list[Difference] = []
    for area, item in items:
        if area in {"images", "limits", "replicas"} and not _is_shared(item, spaces):
            continue
        values = {name: facts.get((area, item)) for name, facts in read.items()}
        if len(set(values.values())) < 2:
            same[area] += 1
            continue
        found.append(Difference(area=area, item=item, values=values, odd=_odd(values)))
    found.sort(key=lambda one: (_AREAS.index(one.area), not one.odd, one.item))
    return tuple(found), dict(same)


def _shared_namespaces(read: Mapping[str, Facts]) -> set[str]:
    sets = [
        {_namespace(item) for area, item in facts if area == "images"} for facts in read.values()
    ]
    return {space for space in sets[0] if all(space in each for each in sets)} if sets else set()


def _namespace(item: str) -> str:
    return item.partition(" ")[2].partition("/")[0]


def _is_shared(item: str, spaces: set[str]) -> bool:
    return _namespace(item) in spaces


def _odd(values: Mapping[str, str | None]) -> tuple[str, ...]:
    """Of more than two clusters the one that stands alone against a majority that agrees."""
    if len(values) < 3:
        return ()
    counts = Counter(values.values())
    common, number = counts.most_common(1)[0]
    odd = tuple(name for name, value in values.items() if value != common)
    return odd if number > len(values) / 2 and len(odd) == 1 else ()
