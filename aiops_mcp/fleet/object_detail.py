"""One object in full: found by name, its owners, its events, what its containers do."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from aiops_mcp.backends.kubernetes_kinds import ApiKind
from aiops_mcp.backends.kubernetes_lists import Form, list_pages
from aiops_mcp.backends.kubernetes_status import kubernetes_refusal
from aiops_mcp.errors import BackendRefused, InputError, ResourceNotFound
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.object_events import Happening, fold_events, happening
from aiops_mcp.fleet.object_fields import (
    Json,
    changed_at,
    conditions,
    controller_of,
    created_at,
    entries,
    field,
    is_good_when_true,
    moment,
    name_of,
    namespace_of,
    number,
    one_line,
    section,
    text,
)
from aiops_mcp.fleet.object_kinds import find_kind, list_path, near_objects
from aiops_mcp.fleet.object_owners import Owner, chain_of, read_chains
from aiops_mcp.fleet.object_reading import ObjectReader, open_reader
from aiops_mcp.fleet.object_text import pruned
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.objects import Condition, ContainerState, FoldedEvent, ResourceDetail

MOST_NAMES = 20_000
_EVENTS_KIND = "events"


@dataclass(frozen=True, slots=True)
class _Read:
    kind: ApiKind
    thing: dict[str, Any]
    owners: tuple[str, ...]
    events: tuple[FoldedEvent, ...]
    notes: tuple[str, ...]


async def read_object(
    fleet: Fleet,
    cluster: Cluster,
    wanted_kind: str,
    name: str,
    namespace: str | None,
    *,
    seconds: float,
    clock: Callable[[], datetime],
) -> ResourceDetail:
    """One object of one cluster; without a namespace it is looked for in all.

    Raises:
        KindUnknown, ResourceNotFound, InputError (in several namespaces), and whatever the
        cluster answers.
    """

    async def ask(access: Access) -> _Read:
        reader = await open_reader(access, fleet.cache, seconds=seconds)
        kind = find_kind(reader.kinds, wanted_kind)
        thing = await find_object(reader, kind, name, namespace)
        owners, events = await asyncio.gather(_owners(reader, thing), _events(reader, kind, thing))
        notes = tuple(refusal.text for refusal in reader.refusals)
        return _Read(kind, thing, owners, fold_events(events), notes)

    answer = await fleet.ask_one(cluster, ask, backend="kubernetes", deadline=seconds)
    if answer.error is not None:
        raise answer.error
    if answer.value is None:
        raise ResourceNotFound(f"{cluster.name} was not asked: {answer.skipped}.")
    return _detail(cluster, answer.value, clock())


async def find_object(
    reader: ObjectReader, kind: ApiKind, name: str, namespace: str | None
) -> dict[str, Any]:
    """The object of this name, wherever it is when no namespace is given. Raises as above."""
    if namespace or not kind.namespaced:
        place = namespace if kind.namespaced else None
        try:
            return await _get(reader, list_path(kind, place, name))
        except BackendRefused as error:
            if error.http_status != 404:
                raise
            raise await _not_found(reader, kind, name, place) from error
    list_path(kind, None, name)  # refuses what is no name
    places = await _places(reader, kind, f"metadata.name={name}")
    if not places:
        raise await _not_found(reader, kind, name, None)
    if len(places) > 1:
        spaces = sorted(place for place, _ in places)
        raise InputError(
            f"{kind.kind} {name} is in {len(spaces)} namespaces of {reader.cluster_name}.",
            f"Give one: {', '.join(spaces[:10])}.",
            details={"namespaces": spaces[:50]},
        )
    return await _get(reader, list_path(kind, places[0][0], name))


async def _get(reader: ObjectReader, path: str) -> dict[str, Any]:
    found: Any = await reader.http.get_json(path, read_error=kubernetes_refusal)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


async def _places(
    reader: ObjectReader, kind: ApiKind, field_selector: str | None, namespace: str | None = None
) -> list[tuple[str, str]]:
    """Namespaces and names, bounded; a list that cannot be read names nobody."""
    found: list[tuple[str, str]] = []
    pages = list_pages(
        reader.http,
        list_path(kind, namespace),
        form=Form.METADATA,
        field_selector=field_selector,
    )
    async with aclosing(pages):
        async for page in pages:
            found.extend((namespace_of(item) or "", name_of(item)) for item in page.items)
            if len(found) >= MOST_NAMES:
                break
    return found


async def _not_found(
    reader: ObjectReader, kind: ApiKind, name: str, namespace: str | None
) -> ResourceNotFound:
    names: list[tuple[str, str]] = []

    async def read() -> None:
        names.extend(await _places(reader, kind, None, namespace))

    await reader.attempt(kind.qualified, read())
    near = near_objects(name, [each for _, each in names])
    places = {each: place for place, each in names}
    shown = [f"{places[each]}/{each}" if places[each] else each for each in near]
    where = f" in {namespace}" if namespace else ""
    return ResourceNotFound(
        f"{reader.cluster_name} has no {kind.kind} {name[:80]!r}{where}.",
        f"Near names: {', '.join(shown)}." if shown else f"It has {len(names)} {kind.plural}.",
        details={"near": shown},
    )


async def _owners(reader: ObjectReader, thing: Json) -> tuple[str, ...]:
    above = controller_of(thing)
    if above is None:
        return ()
    owner = Owner(namespace_of(thing), *above)
    return chain_of(owner, await read_chains(reader, [owner]))


async def _events(reader: ObjectReader, kind: ApiKind, thing: Json) -> list[tuple[str, Happening]]:
    selector = f"involvedObject.kind={kind.kind},involvedObject.name={name_of(thing)}"
    return await reader.each(
        _EVENTS_KIND,
        lambda event: [(reader.cluster_name, happening(event))],
        namespace=namespace_of(thing),
        field_selector=selector,
    )


def _detail(cluster: Cluster, read: _Read, now: datetime) -> ResourceDetail:
    thing = read.thing
    shown = pruned(thing, read.kind.kind)
    shown.get("status", {}).pop("conditions", None) if isinstance(
        shown.get("status"), dict
    ) else None
    return ResourceDetail(
        cluster_name=cluster.name,
        kind=read.kind.kind,
        api_version=read.kind.api_version,
        namespace=namespace_of(thing),
        name=name_of(thing),
        owners=read.owners,
        created_at=created_at(thing),
        deleted_at=moment(thing, "metadata", "deletionTimestamp"),
        status=text(thing, "status", "phase") or text(thing, "status", "state") or None,
        conditions=tuple(_condition(read.kind.kind, one) for one in conditions(thing).values()),
        containers=tuple(container_states(thing)) if read.kind.qualified == "pods" else (),
        events=read.events,
        object=shown,
        notes=read.notes,
        simulated=cluster.is_simulated,
        as_of=now,
    )


def _condition(owner: str, one: Json) -> Condition:
    kind, status = text(one, "type"), text(one, "status")
    good = "True" if is_good_when_true(owner, kind) else "False"
    return Condition(
        type=kind,
        status=status,
        reason=text(one, "reason") or None,
        message=one_line(text(one, "message"), 300) or None,
        since=changed_at(one),
        is_good=status == good,
    )


def container_states(pod: Json) -> list[ContainerState]:
    """What every container does, init containers first, and how its run before this one ended."""
    images = {
        text(one, "name"): text(one, "image")
        for part in ("containers", "initContainers")
        for one in entries(pod, "spec", part)
    }
    return [
        _container(status, images, is_init=part == "initContainerStatuses")
        for part in ("initContainerStatuses", "containerStatuses")
        for status in entries(pod, "status", part)
    ]


def _container(status: Json, images: dict[str, str], *, is_init: bool) -> ContainerState:
    states = section(status, "state")
    kind = next(
        (name for name in ("running", "waiting", "terminated") if name in states), "waiting"
    )
    state, last = section(states, kind), section(status, "lastState", "terminated")
    name = text(status, "name")
    return ContainerState(
        name=name,
        is_init=is_init,
        state=kind,
        reason=text(state, "reason") or None,
        message=one_line(text(state, "message"), 300) or None,
        since=moment(state, "startedAt") if kind == "running" else moment(state, "finishedAt"),
        exit_code=number(state, "exitCode") if kind == "terminated" else None,
        ready=field(status, "ready") is True,
        restarts=number(status, "restartCount"),
        last_reason=text(last, "reason") or None,
        last_exit_code=number(last, "exitCode") if last else None,
        last_message=one_line(text(last, "message"), 300) or None,
        last_ended_at=moment(last, "finishedAt"),
        image=images.get(name) or text(status, "image") or None,
    )
