"""What alerts, objects, GPUs, clocks and changes say of components, as evidence and dependencies.

Pure. What breaks says more than what is felt: a service whose calls fail rings for somebody else,
a node that is away for itself.
"""

import math
from collections.abc import Collection, Iterable, Iterator
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
LATE_SECONDS: Final = 900.0
"""A ``for`` and a check later than what it tells of."""

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
    changes: Iterable[Change], known: Collection[str], when: float
) -> Iterator[Evidence]:
    """Changes of components that are ``known`` (in trouble, or needed by what is).

    Configuration is its reader's: the one whose name it bears. Later ones are told as well, since
    that they came too late is worth knowing.
    """
    for one in changes:
        component = _changed(one, known)
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
