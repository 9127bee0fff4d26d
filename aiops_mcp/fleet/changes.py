"""What changed in the fleet within some hours, newest first: asked of the objects themselves."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aiops_mcp.backends.kubernetes_lists import Form
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.change_platform import (
    condition_changes,
    event_changes,
    node_changes,
    upgrades,
    without_repeats,
)
from aiops_mcp.fleet.change_workloads import (
    Revision,
    Window,
    Writers,
    config_change,
    controller_revision,
    helm_release,
    job_start,
    last_write,
    revision_of_set,
    rollouts,
    scaling,
)
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.object_fields import Json, name_of, namespace_of
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader, refusal_notes
from aiops_mcp.models.findings import Change, ChangeList
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_CHANGES = 2_000
"""Of one cluster; the newest are kept."""

Judge = Callable[[Json], Iterator[Change]]
_WORKLOADS = (
    ("Deployment", "deployments.apps"),
    ("StatefulSet", "statefulsets.apps"),
    ("DaemonSet", "daemonsets.apps"),
)


@dataclass(frozen=True, slots=True)
class ChangeSearch:
    window: Window
    clusters: Sequence[str] = ()
    namespace: str | None = None
    jobs: bool = False


@dataclass(frozen=True, slots=True)
class _Seen:
    changes: tuple[Change, ...]
    notes: tuple[str, ...]


async def read_changes(
    fleet: Fleet,
    search: ChangeSearch,
    principal: Principal,
    *,
    seconds: float,
    ttl: float,
    progress: Progress = no_progress,
) -> ChangeList:
    """Every change in the window. Raises when no cluster answered."""
    window = search.window

    async def ask(access: Access) -> _Seen:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        return await _look(reader, search)

    # Moments relative to now differ by the second; within the time kept they mean the same.
    grain = max(ttl, 1.0)
    rounded = tuple(int(at.timestamp() // grain) for at in (window.since, window.until))
    answer = await fleet.ask(
        search.clusters,
        ask,
        principal=principal,
        backend="kubernetes",
        deadline=seconds,
        cache=CacheRule(("changes", search.namespace, search.jobs, *rounded), ttl, _size),
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    seen = [(one.cluster.name, one.value) for one in answer.succeeded() if one.value]
    changes = sorted(
        (change for _, one in seen for change in one.changes),
        key=lambda one: (-one.at.timestamp(), one.cluster_name, one.kind, one.name),
    )
    return ChangeList(
        changes=tuple(changes),
        total=len(changes),
        by_change=dict(Counter(one.change for one in changes).most_common()),
        since=window.since,
        until=window.until,
        notes=refusal_notes((name, one.notes) for name, one in seen),
        coverage=answer.coverage(),
        as_of=answer.asked_at,
    )


async def _look(reader: ObjectReader, search: ChangeSearch) -> _Seen:
    name, window, space = reader.cluster_name, search.window, search.namespace
    judged: list[tuple[str, Judge, Form]] = [
        ("configmaps", lambda it: config_change(name, "ConfigMap", it, window), Form.METADATA),
        ("secrets", lambda it: _secret(name, it, window), Form.METADATA),
        (
            "horizontalpodautoscalers.autoscaling",
            lambda it: scaling(name, it, window),
            Form.OBJECTS,
        ),
        ("events", lambda it: event_changes(name, it, window), Form.OBJECTS),
    ]
    if search.jobs:
        judged.append(("jobs.batch", lambda it: job_start(name, it, window), Form.OBJECTS))
    if space is None:
        judged += _cluster_wide(name, window)
    revisions, writers, found = await asyncio.gather(
        _revisions(reader, space),
        _writers(reader, space),
        asyncio.gather(
            *(reader.each(kind, judge, form=form, namespace=space) for kind, judge, form in judged)
        ),
    )
    reader.raise_if_nothing_read()
    changes = [
        *rollouts(name, revisions, window, writers),
        *(one for each in found for one in each),
    ]
    kept = sorted(without_repeats(changes), key=lambda one: one.at, reverse=True)
    notes = [refusal.text for refusal in reader.refusals]
    if len(kept) > MOST_CHANGES:
        notes.append(f"only the newest {MOST_CHANGES} of {len(kept)} changes")
    return _Seen(tuple(kept[:MOST_CHANGES]), tuple(notes))


def _secret(cluster_name: str, thing: Json, window: Window) -> Iterator[Change]:
    yield from helm_release(cluster_name, thing, window)
    yield from config_change(cluster_name, "Secret", thing, window)


def _cluster_wide(name: str, window: Window) -> list[tuple[str, Judge, Form]]:
    def turned(kind: str) -> Judge:
        return lambda it: condition_changes(name, kind, it, window)

    openshift = "config.openshift.io"
    return [
        ("nodes", lambda it: node_changes(name, it, window), Form.OBJECTS),
        (f"clusterversions.{openshift}", lambda it: upgrades(name, it, window), Form.OBJECTS),
        (f"clusteroperators.{openshift}", turned("ClusterOperator"), Form.OBJECTS),
        (
            "machineconfigpools.machineconfiguration.openshift.io",
            turned("MachineConfigPool"),
            Form.OBJECTS,
        ),
        (
            "managedclusters.cluster.open-cluster-management.io",
            turned("ManagedCluster"),
            Form.OBJECTS,
        ),
    ]


async def _revisions(reader: ObjectReader, namespace: str | None) -> list[Revision]:
    sets, others = await asyncio.gather(
        reader.each("replicasets.apps", revision_of_set, namespace=namespace),
        reader.each("controllerrevisions.apps", controller_revision, namespace=namespace),
    )
    return [*sets, *others]


async def _writers(reader: ObjectReader, namespace: str | None) -> Writers:
    found: dict[tuple[str, str | None, str], str] = {}

    def remember(kind: str) -> Callable[[Json], Iterator[None]]:
        def one(thing: Json) -> Iterator[None]:
            _, manager = last_write(thing)
            if manager:
                found[kind, namespace_of(thing), name_of(thing)] = manager
            yield from ()

        return one

    await asyncio.gather(
        *(
            reader.each(qualified, remember(kind), form=Form.METADATA, namespace=namespace)
            for kind, qualified in _WORKLOADS
        )
    )
    return found


def _size(seen: _Seen) -> int:
    return 1024 + 800 * len(seen.changes)
