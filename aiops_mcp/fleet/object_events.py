"""Kubernetes events folded by what they say, whichever of the two forms they have. Pure.

Old form: ``count``, ``firstTimestamp``, ``lastTimestamp``; new one: ``eventTime`` and ``series``.
The latest time that is not null counts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from aiops_mcp.fleet.object_fields import Json, moment, number, section, text
from aiops_mcp.models.objects import FoldedEvent

MOST_OBJECTS = 5
MOST_MESSAGE = 300

_VARIABLE = (
    (re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\bsha256:[0-9a-f]{6,}"), "<digest>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\b(?=[0-9a-z]*\d)[0-9a-z]{5,10}-[0-9a-z]{5}\b"), "<pod>"),
    (re.compile(r"\d+(?:\.\d+)?"), "N"),
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event as far as it is of interest."""

    type: str
    reason: str
    kind: str
    namespace: str | None
    name: str
    message: str
    count: int
    first: datetime | None
    last: datetime | None
    source: str | None


def happening(event: Json) -> Happening:
    """One event of ``v1`` or of ``events.k8s.io/v1``, read leniently."""
    about = section(event, "involvedObject") or section(event, "regarding")
    times = [
        found
        for steps in (
            ("series", "lastObservedTime"),
            ("lastTimestamp",),
            ("deprecatedLastTimestamp",),
            ("eventTime",),
        )
        if (found := moment(event, *steps)) is not None
    ]
    born = moment(event, "metadata", "creationTimestamp")
    first = (
        moment(event, "firstTimestamp")
        or moment(event, "deprecatedFirstTimestamp")
        or moment(event, "eventTime")
        or born
    )
    return Happening(
        type=text(event, "type") or "Normal",
        reason=text(event, "reason"),
        kind=text(about, "kind"),
        namespace=text(about, "namespace") or None,
        name=text(about, "name"),
        message=text(event, "message") or text(event, "note"),
        count=max(
            number(event, "series", "count"),
            number(event, "count"),
            number(event, "deprecatedCount"),
            1,
        ),
        first=first,
        last=max(times, default=None) or first,
        source=text(event, "reportingComponent")
        or text(event, "source", "component")
        or text(event, "reportingController")
        or None,
    )


def message_template(message: str, name: str) -> str:
    """The message without what tells one object from another."""
    template = message[:MOST_MESSAGE].replace(name, "<name>") if len(name) > 2 else message
    for pattern, stand_in in _VARIABLE:
        template = pattern.sub(stand_in, template)
    return " ".join(template.split())


@dataclass(slots=True)
class _Fold:
    newest: Happening
    clusters: dict[str, None]
    objects: dict[str, None] = field(default_factory=dict[str, None])
    count: int = 0
    first: datetime | None = None

    def take(self, cluster_name: str, one: Happening) -> None:
        self.clusters[cluster_name] = None
        self.objects[f"{one.namespace}/{one.name}" if one.namespace else one.name] = None
        self.count += one.count
        if one.first is not None and (self.first is None or one.first < self.first):
            self.first = one.first
        if _later(one.last, self.newest.last):
            self.newest = one


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)


def fold_events(told: Iterable[tuple[str, Happening]]) -> tuple[FoldedEvent, ...]:
    """Events by cluster as groups that say the same; warnings first, newest first within."""
    folds: dict[tuple[str, str, str, str], _Fold] = {}
    for cluster_name, one in told:
        key = (one.type, one.reason, one.kind, message_template(one.message, one.name))
        fold = folds.get(key)
        if fold is None:
            fold = folds[key] = _Fold(one, {})
        fold.take(cluster_name, one)
    events = [_entity(fold) for fold in folds.values()]
    events.sort(key=lambda one: -(one.last_at.timestamp() if one.last_at else 0.0))
    events.sort(key=lambda one: one.type == "Normal")
    return tuple(events)


def _entity(fold: _Fold) -> FoldedEvent:
    newest = fold.newest
    message = " ".join(newest.message.split())
    return FoldedEvent(
        cluster_names=tuple(fold.clusters),
        type=newest.type,
        reason=newest.reason,
        kind=newest.kind,
        objects=tuple(fold.objects)[:MOST_OBJECTS],
        object_count=len(fold.objects),
        message=message if len(message) <= MOST_MESSAGE else f"{message[: MOST_MESSAGE - 1]}…",
        count=fold.count,
        first_at=fold.first,
        last_at=newest.last,
        source=newest.source,
    )
