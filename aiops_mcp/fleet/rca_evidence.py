"""What alerts, objects, GPUs, clocks and changes say of components, as evidence and dependencies.

Pure. What breaks says more than what is felt: a service whose calls fail rings for somebody else,
a node that is away for itself.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from aiops_mcp.analysis.rootcause_problem import Edge, Evidence, EvidenceKind, Relation
from aiops_mcp.fleet.components import ComponentKind
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_signals import Measured
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.triage import SymptomSource, Trouble

BREAKS: Final = {AlertSeverity.CRITICAL: 20.0, AlertSeverity.WARNING: 10.0}
"""In robust deviations: 10 is clear, and a critical one clearer."""
FELT: Final = 3.0
"""It may be chance, or another's doing."""
CHANGED: Final = 10.0
HALF_LIFE_SECONDS: Final = 1800.0
"""A change speaks half as loud for each half hour that lies between it and the begin."""
OLD_SECONDS: Final = 3600.0
"""What was so for longer before the begin did not make it."""
OLD: Final = 0.2
"""What is left of such evidence."""
LOUDEST_LOG: Final = 3.0
LOUDEST_CALL: Final = 4.0
"""Counted evidence says no more than this here: lines and traces are samples, and whoever suffers
writes as much as whoever is at fault. Calls are told apart by whose time it was, so they may say
more."""
EXPLAINED: Final = {EvidenceKind.ALERT: 1.0, EvidenceKind.EVENT: 1.0, EvidenceKind.LOG: 2.0}
"""What is left of what is felt where a dependency breaks: next to nothing."""
LATE_SECONDS: Final = 900.0
"""A ``for`` and a check later than what it tells of."""

DNS: Final = "coredns"
_SYMPTOMS: Final = frozenset({EvidenceKind.ALERT, EvidenceKind.EVENT})
_FELT: Final = frozenset(
    {
        *(Trouble.ERRORS, Trouble.LATENCY, Trouble.TARGET, Trouble.OTHER),
        *(Trouble.REPLICAS, Trouble.JOB, Trouble.BACKEND, Trouble.ALERTING_SILENT),
    }
)
_TURNED: Final = frozenset({ChangeKind.NODE, ChangeKind.OPERATOR})
"""That a condition turned is the symptom once more."""


def of_sightings(
    sightings: Iterable[Sighting], names: Names, cluster: str, when: float
) -> Iterator[Evidence]:
    """One item for each symptom of the cluster; a GPU's is its card's."""
    for one in sightings:
        symptom = one.symptom
        if one.component.cluster != cluster or symptom.severity is AlertSeverity.INFO:
            continue
        strength = FELT if symptom.trouble in _FELT else BREAKS[symptom.severity]
        began = symptom.since.timestamp() if symptom.since else None
        if began is not None and began < when - OLD_SECONDS:
            strength *= OLD
        is_alert = symptom.source is SymptomSource.ALERT
        for component in components_of(one, names):
            yield Evidence(
                component=component,
                kind=EvidenceKind.ALERT if is_alert else EvidenceKind.EVENT,
                strength=strength,
                began=began,
                text=f"{symptom.what}: {symptom.detail}" if symptom.detail else symptom.what,
                name=symptom.what,
            )


def components_of(one: Sighting, names: Names) -> list[str]:
    """The names of what a symptom is of: the cards of a node where it is of them."""
    name = names.of(one.component.name)
    if one.component.kind is ComponentKind.NODE and one.symptom.trouble is Trouble.GPU:
        cards = [part for part in (one.symptom.part or "").split(",") if part.isdigit()]
        return [f"{name}/{card}" for card in cards] or [name]
    return [name]


def edges_of_sightings(sightings: Iterable[Sighting], names: Names, cluster: str) -> Iterator[Edge]:
    """Dependencies that symptoms tell: what explains them, and what they stand on."""
    for one in sightings:
        if one.component.cluster != cluster:
            continue
        for component in components_of(one, names):
            if one.explained_by is not None:
                yield Edge(component, names.of(one.explained_by.name), Relation.USES)
            for node in one.symptom.runs_on:
                yield Edge(component, names.of(node), Relation.RUNS_ON)


def of_changes(
    changes: Iterable[Change],
    known: Collection[str],
    when: float,
    symptoms: Sequence[Evidence] = (),
) -> Iterator[Evidence]:
    """Changes of components that are ``known`` (in trouble, or needed by what is).

    Configuration is its reader's: the one whose name it bears. Anything else is of the component
    whose symptom names it: ``storageclass "standard" not found``. Later ones are told as well,
    since that they came too late is worth knowing.
    """
    for one in changes:
        component = _changed(one, known) or _named_by(one, symptoms)
        before = when - one.at.timestamp()
        if component is None or one.change in _TURNED or before < -LATE_SECONDS:
            continue
        strength = CHANGED * math.exp(-math.log(2) * max(0.0, before) / HALF_LIFE_SECONDS)
        by = f" by {one.by}" if one.by else ""
        yield Evidence(
            component=component,
            kind=EvidenceKind.CHANGE,
            strength=strength,
            began=one.at.timestamp(),
            text=f"{one.change.value} of {one.kind}/{one.name}{by}: {one.what}",
            name=one.change.value,
        )


def _changed(one: Change, known: Collection[str]) -> str | None:
    place = f"{one.namespace}/{one.name}" if one.namespace else one.name
    if place in known:
        return place
    readers = [name for name in known if place.startswith(f"{name}-")]
    return max(readers, key=len, default=None)


def _named_by(one: Change, symptoms: Sequence[Evidence]) -> str | None:
    quoted, kind = f'"{one.name}"', one.kind.lower()
    told = (each for each in symptoms if quoted in each.text and kind in each.text.lower())
    return next((each.component for each in told), None)


def of_limits(measured: Iterable[Measured]) -> Iterator[Evidence]:
    """What is beyond a limit and moves too slowly to deviate: certificates that run out."""
    for one in measured:
        if one.sign.by_limit_only and one.findings:
            worst = one.findings[0]
            yield Evidence(
                component=one.component,
                kind=EvidenceKind.EVENT,
                strength=BREAKS[AlertSeverity.WARNING],
                began=worst.started_at.timestamp(),
                text=worst.explanation,
                name=one.sign.name,
            )


def of_spoken(evidence: Iterable[Evidence], known: Collection[str]) -> Iterator[Evidence]:
    """What logs and traces say of components that are ``known``.

    Of sampled calls the begin is not known.
    """
    for one in evidence:
        if one.component not in known:
            continue
        if one.kind is EvidenceKind.LOG:
            yield replace(one, strength=min(one.strength, LOUDEST_LOG))
        else:
            yield replace(one, strength=min(one.strength, LOUDEST_CALL), began=None)


def felt_where_explained(evidence: Sequence[Evidence], edges: Sequence[Edge]) -> list[Evidence]:
    """The same, where what depends on something that breaks is said to feel it.

    A pod that fails on a node that is away, or for want of its volume, tells of these; and whoever
    calls what is broken rings and writes of it, which says nothing for himself.
    """
    breaking: dict[str, float] = {}
    for one in evidence:
        if _breaks(one):
            began = one.began if one.began is not None else -math.inf
            breaking[one.component] = min(began, breaking.get(one.component, math.inf))
    below: dict[str, set[str]] = {}
    stands_on: dict[str, set[str]] = {}
    for edge in edges:
        if edge.target in breaking and edge.source != edge.target:
            below.setdefault(edge.source, set()).add(edge.target)
            if edge.relation is not Relation.CALLS:
                stands_on.setdefault(edge.source, set()).add(edge.target)

    def weighed(one: Evidence) -> Evidence:
        is_broken = _breaks(one) and one.kind in _SYMPTOMS
        needed = (stands_on if is_broken else below).get(one.component, ())
        until = math.inf if one.began is None else one.began + LATE_SECONDS
        if not any(breaking[other] <= until for other in needed):
            return one
        if is_broken:
            return replace(one, strength=FELT)
        if one.kind in _SYMPTOMS or one.kind is EvidenceKind.LOG:
            return replace(one, strength=min(one.strength, EXPLAINED[one.kind]))
        return one

    return [weighed(one) for one in evidence]


def _breaks(one: Evidence) -> bool:
    if one.kind is EvidenceKind.CALL:
        return one.strength >= LOUDEST_CALL
    return one.kind in _SYMPTOMS and one.strength > FELT


def edges_to_names(edges: Iterable[Edge], components: Collection[str]) -> Iterator[Edge]:
    """Who calls others by name needs those that resolve names, where they are watched."""
    if DNS in components:
        for caller in {edge.source for edge in edges if edge.relation is Relation.CALLS}:
            yield Edge(caller, DNS, Relation.USES)
