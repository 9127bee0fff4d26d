"""Kubernetes events of the whole fleet, folded by what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import CacheRule, Fleet
from aiops_mcp.fleet.object_events import Happening, fold_events, happening
from aiops_mcp.fleet.object_kinds import KindUnknown, find_kind
from aiops_mcp.fleet.object_reading import open_reader, refusal_notes
from aiops_mcp.models.objects import EventList
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_EVENTS = 20_000
"""Of one cluster; API servers keep an hour of them."""


@dataclass(frozen=True, slots=True)
class EventSearch:
    """``name`` is a part of the object's name, ``kind`` in any spelling."""

    since: datetime
    clusters: Sequence[str] = ()
    namespace: str | None = None
    kind: str | None = None
    name: str | None = None
    warnings_only: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    events: tuple[Happening, ...]
    notes: tuple[str, ...]
    near: tuple[str, ...] | None = None
    """Set where the cluster has no such kind as was asked for."""


async def read_events(
    fleet: Fleet,
    search: EventSearch,
    principal: Principal,
    *,
    seconds: float,
    ttl: float,
    progress: Progress = no_progress,
) -> EventList:
    """Warnings first, newest first within. Raises when no cluster answered.

    Raises:
        KindUnknown: no cluster that answered has such a kind.
    """

    async def ask(access: Access) -> _Told:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        kind: str | None = None
        if search.kind:
            try:
                kind = find_kind(reader.kinds, search.kind).kind
            except KindUnknown as unknown:
                return _Told((), (), unknown.near)
        selectors = [
            *([f"involvedObject.kind={kind}"] if kind else []),
            *(["type=Warning"] if search.warnings_only else []),
        ]
        found = await reader.each(
            "events",
            lambda event: [happening(event)],
            namespace=search.namespace,
            field_selector=",".join(selectors) or None,
        )
        reader.raise_if_nothing_read()
        notes = [refusal.text for refusal in reader.refusals]
        if len(found) > MOST_EVENTS:
            found.sort(key=_newest, reverse=True)
            notes.append(f"only the newest {MOST_EVENTS} of {len(found)} events")
        return _Told(tuple(found[:MOST_EVENTS]), tuple(notes))

    asked = (search.namespace, (search.kind or "").lower(), search.warnings_only)
    answer = await fleet.ask(
        search.clusters,
        ask,
        principal=principal,
        backend="kubernetes",
        deadline=seconds,
        cache=CacheRule(("events", *asked), ttl, _size),
        progress=progress,
    )
    answer.raise_if_nobody_answered()
    told = [(one.cluster.name, one.value) for one in answer.succeeded() if one.value]
    if told and all(one.near is not None for _, one in told):
        near = dict.fromkeys(name for _, one in told for name in one.near or ())
        raise KindUnknown(search.kind or "", tuple(near)[:5])
    kept = [(name, event) for name, one in told for event in one.events if _matches(event, search)]
    return EventList(
        events=fold_events(kept),
        total=sum(event.count for _, event in kept),
        warnings=sum(event.count for _, event in kept if event.type != "Normal"),
        since=search.since,
        notes=refusal_notes((name, one.notes) for name, one in told),
        coverage=answer.coverage(),
        as_of=answer.asked_at,
    )


def _matches(event: Happening, search: EventSearch) -> bool:
    if event.last is not None and event.last < search.since:
        return False
    return search.name is None or search.name.lower() in event.name.lower()


def _newest(event: Happening) -> float:
    return event.last.timestamp() if event.last else 0.0


def _size(told: _Told) -> int:
    return 1024 + sum(500 + len(event.message) for event in told.events)
