"""Which symptoms are one problem, what is at its root, and what to ask next. Pure.

Symptoms of one component are one problem. Beyond that they are joined where one explains another:
pods of a node, model servers on a GPU, services that call each other, everything that needs a
cluster's control plane, one component of several clusters, clusters of one region; and only where
they began together.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from aiops_mcp.fleet.components import Component, ComponentKind
from aiops_mcp.fleet.triage_next import next_call
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.triage import FleetProblem, Symptom, SymptomSource, Trouble

TOGETHER: Final = timedelta(minutes=15)
"""The longest ``for`` of kubernetes-mixin: alerts of one trouble begin so far apart."""
CHANGED_BEFORE: Final = timedelta(minutes=60)
"""A change so long before the first symptom may have caused it: leaks and caches take a while."""
MOST_CHANGES: Final = 3

_RANK: Final = {AlertSeverity.CRITICAL: 0, AlertSeverity.WARNING: 1, AlertSeverity.INFO: 2}
_ORDER: Final = {trouble: place for place, trouble in enumerate(Trouble)}
_SERVICE: Final = frozenset({Trouble.ERRORS, Trouble.LATENCY, Trouble.TARGET, Trouble.OTHER})
"""What is felt rather than what breaks."""
_PLATFORM: Final = frozenset({ComponentKind.CONTROL_PLANE})
_ITS_OWN: Final = frozenset({ComponentKind.NODE, ComponentKind.CLUSTER, ComponentKind.OTHER})
"""Names that mean another thing in another cluster."""


class Joined:
    """Components that are of one problem (union-find), each with its symptoms."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        self.of: dict[Component, list[Sighting]] = defaultdict(list)
        for one in sightings:
            self.of[one.component].append(one)
        self._head = {component: component for component in self.of}
        self._since = {name: _began(each.symptom for each in own) for name, own in self.of.items()}

    def find(self, component: Component) -> Component:
        while (above := self._head[component]) != component:
            self._head[component] = self._head[above]  # halves the way for whoever comes next
            component = above
        return component

    def join(self, one: Component, other: Component) -> None:
        if one in self._head and other in self._head:
            self._head[self.find(one)] = self.find(other)

    def together(self, one: Component, other: Component) -> bool:
        """Whether both began within so long; of what has no beginning nobody can say."""
        first, second = self._since[one], self._since[other]
        return first is not None and second is not None and abs(first - second) <= TOGETHER

    def apart(self, one: Component, other: Component) -> float:
        """Seconds between the beginnings of two that have one."""
        first, second = self._since[one], self._since[other]
        return abs((first - second).total_seconds()) if first and second else 0.0

    def after(self, one: Component, other: Component) -> bool:
        """Whether ``one`` did not begin before ``other``, as far as is known."""
        first, second = self._since[one], self._since[other]
        return first is None or second is None or first >= second - TOGETHER

    def groups(self) -> list[list[Sighting]]:
        found: dict[Component, list[Sighting]] = defaultdict(list)
        for component, own in self.of.items():
            found[self.find(component)].extend(own)
        return list(found.values())

    def alike(self, key: Callable[[Component], object | None]) -> Iterable[list[Component]]:
        """Components that have the same key, in the order in which they began; None has none."""
        same: dict[object, list[Component]] = defaultdict(list)
        for component in self.of:
            if (told := key(component)) is not None:
                same[told].append(component)
        return (sorted(members, key=self._order) for members in same.values())

    def chain(self, members: Sequence[Component]) -> None:
        """Join each with the one that began just before, where that was together."""
        for one, other in pairwise(members):
            if self.together(one, other):
                self.join(one, other)

    def _order(self, component: Component) -> tuple[float, str, str]:
        since = self._since[component]
        return (since.timestamp() if since else 0.0, component.cluster, component.name)


def problems_of(
    sightings: Sequence[Sighting],
    changes: Sequence[Change],
    *,
    regions: Mapping[str, str | None],
) -> list[FleetProblem]:
    """The problems, worst first; ``regions`` are those of the clusters by name."""
    joined = Joined(sightings)
    _join_explained(joined, sightings)
    _join_nodes(joined)
    _join_services(joined)
    _join_clusters(joined, regions)
    made = [_problem(group, changes) for group in joined.groups()]
    kept = [one for one in made if one.severity is not AlertSeverity.INFO]
    return sorted(kept, key=_urgency)


def _urgency(one: FleetProblem) -> tuple[int, int, int, float, str]:
    return (
        _RANK[one.severity],
        -len(one.clusters),
        _ORDER[one.trouble],
        -(one.since.timestamp() if one.since else 0.0),
        one.component,
    )


def _began(symptoms: Iterable[Symptom]) -> datetime | None:
    return min((one.since for one in symptoms if one.since is not None), default=None)


def _join_explained(joined: Joined, sightings: Sequence[Sighting]) -> None:
    for one in sightings:
        if one.explained_by is not None:
            joined.join(one.component, one.explained_by)


def _join_nodes(joined: Joined) -> None:
    """What runs on a node that is in trouble, and the scrapes that fail while one is away."""
    for other, own in list(joined.of.items()):
        for name in {name for one in own for name in one.symptom.runs_on}:
            node = Component(other.cluster, ComponentKind.NODE, name)
            if node in joined.of and joined.after(other, node):
                joined.join(other, node)
    away = {
        one.component.cluster: one.component
        for own in joined.of.values()
        for one in own
        if one.symptom.trouble is Trouble.NODE_AWAY
    }
    for other in list(joined.of):
        if other.kind is ComponentKind.TARGET and other.cluster in away:
            joined.join(other, away[other.cluster])


def _join_services(joined: Joined) -> None:
    """Services that fail together, in a namespace, over clusters, and for want of the platform."""
    felt = {
        component
        for component, own in joined.of.items()
        if all(one.symptom.trouble in _SERVICE for one in own)
    }

    def namespace(component: Component) -> object | None:
        if component.kind is not ComponentKind.WORKLOAD:
            return None
        return (component.cluster, component.namespace)

    def same_elsewhere(component: Component) -> object | None:
        return None if component.kind in _ITS_OWN else (component.kind, component.name)

    for members in joined.alike(namespace):
        breaking = [each for each in members if each not in felt]
        joined.chain([each for each in members if each in felt])
        for one in members:
            near = [each for each in breaking if joined.together(one, each)] if one in felt else []
            if near:
                # Only with one of them: two that break are two problems, whoever feels both.
                joined.join(one, min(near, key=lambda each: joined.apart(one, each)))
    for members in joined.alike(same_elsewhere):
        joined.chain(members)
    platform = [each for each in joined.of if each.kind in _PLATFORM]
    for one in platform:
        for other in joined.of:
            fits = other in felt or other.kind in _PLATFORM
            if other.cluster == one.cluster and fits and joined.together(one, other):
                joined.join(other, one)


def _join_clusters(joined: Joined, regions: Mapping[str, str | None]) -> None:
    """Clusters of a region that went away together, and nodes of one rack that are hot."""

    def region(component: Component) -> object | None:
        return regions.get(component.cluster) if component.kind is ComponentKind.CLUSTER else None

    def hot(component: Component) -> object | None:
        racks = [
            one.symptom.what
            for one in joined.of[component]
            if one.symptom.source is SymptomSource.GPU and one.symptom.what.startswith("rack ")
        ]
        return (component.cluster, racks[0]) if racks else None

    for members in joined.alike(region):
        joined.chain(members)
    for members in joined.alike(hot):
        for one, other in pairwise(members):
            joined.join(one, other)


def _problem(group: Sequence[Sighting], changes: Sequence[Change]) -> FleetProblem:
    since = _began(one.symptom for one in group)
    clusters = tuple(sorted({one.component.cluster for one in group}))
    near = _changes_before(group, since, clusters, changes)
    ordered = sorted(group, key=lambda one: _rootness(one, near))
    head = ordered[0]
    names = dict.fromkeys(one.component.name for one in ordered[1:])
    names.pop(head.component.name, None)
    severity = min((one.symptom.severity for one in group), key=_RANK.__getitem__)
    return FleetProblem(
        severity=severity,
        trouble=head.symptom.trouble,
        cluster_name=head.component.cluster,
        clusters=(head.component.cluster, *(n for n in clusters if n != head.component.cluster)),
        component_kind=head.component.kind.value,
        component=head.component.name,
        since=since,
        symptoms=tuple(one.symptom for one in ordered),
        also=tuple(names),
        changes=near,
        next_call=next_call(head),
    )


def _rootness(
    one: Sighting, changes: Sequence[Change]
) -> tuple[int, bool, bool, int, bool, float, str]:
    """Sorts what is most likely at the root first.

    What breaks comes before what is felt; of those alike what was changed, then the gravest, then
    what says most and began first.
    """
    symptom = one.symptom
    name = one.component.name.rpartition("/")[2]
    changed = any(
        each.cluster_name == one.component.cluster and each.name.startswith(name)
        for each in changes
    )
    return (
        _ORDER[symptom.trouble],
        # A ClusterVersion sums up its operators.
        one.component.kind is ComponentKind.OTHER,
        not changed,
        _RANK[symptom.severity],
        symptom.source is SymptomSource.ALERT,
        symptom.since.timestamp() if symptom.since else 0.0,
        one.component.name,
    )


def _changes_before(
    group: Sequence[Sighting],
    since: datetime | None,
    clusters: Sequence[str],
    changes: Sequence[Change],
) -> tuple[Change, ...]:
    """What was changed there shortly before, what is of the same component or namespace first."""
    if since is None:
        return ()
    names = {one.component.name for one in group}
    spaces = {one.component.namespace for one in group} - {""}

    def kinship(one: Change) -> int | None:
        if one.cluster_name not in clusters or one.at > since or since - one.at > CHANGED_BEFORE:
            return None
        place = f"{one.namespace}/{one.name}" if one.namespace else one.name
        if one.change in (ChangeKind.NODE, ChangeKind.OPERATOR):
            # that a condition turned is the symptom once more
            return None
        if place in names:
            return 0
        if one.namespace is None:
            return 2
        return 1 if one.namespace in spaces else None

    near = [(told, one) for one in changes if (told := kinship(one)) is not None]
    near.sort(key=lambda pair: (pair[0], -pair[1].at.timestamp()))
    return tuple(one for _, one in near[:MOST_CHANGES])
