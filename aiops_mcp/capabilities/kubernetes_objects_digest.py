"""An object, its events and its log made small: what is wrong first, fields only as room allows.

Pure functions on answers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aiops_mcp.capabilities.digesting import (
    ResponseFormat,
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
)
from aiops_mcp.fleet.object_text import laid_out
from aiops_mcp.models.ages import age_of
from aiops_mcp.models.digest import Cell, Digest, fenced
from aiops_mcp.models.objects import (
    Condition,
    ContainerState,
    EventList,
    FoldedEvent,
    LogLine,
    PodLog,
    ResourceDetail,
)

if TYPE_CHECKING:
    from aiops_mcp.capabilities.kubernetes_objects import EventQuery, OneResource, PodLogQuery

ROOM = 2_200
ROOM_DETAILED = 14_000
MOST_EVENTS = 6
LOG_ROOM = 2_600
MOST_ERRORS = 8
MOST_MESSAGE = 160

_TOLD_ABOVE = ("conditions", "containerStatuses", "initContainerStatuses")
_STALE = ("creationTimestamp", "name", "namespace", "deletionTimestamp")


def digest_resource(request: "OneResource", answer: ResourceDetail) -> Digest:
    """Conditions that are bad, containers and events, then the fields, long ones folded."""
    detailed = request.response_format is ResponseFormat.DETAILED
    now = answer.as_of
    conditions = sorted(answer.conditions, key=lambda one: one.is_good is not False)
    rows: list[tuple[Cell, ...]] = [
        (f"condition {one.type}", _condition(one, age_of(one.since, now)))
        for one in conditions
        if detailed or one.is_good is False or len(conditions) <= 3
    ]
    rows += [(_container_name(one), _container(answer, one)) for one in answer.containers]
    rows += [(f"event {one.reason}", _event(answer, one)) for one in answer.events[:MOST_EVENTS]]
    fields = list(laid_out(_fields(answer)))
    room = ROOM_DETAILED if detailed else ROOM
    shown = fitting([*rows, *fields], room=room, least=len(rows) + 5)
    left = len(rows) + len(fields) - shown
    return Digest(
        headline=_resource_headline(answer),
        columns=("what", "value"),
        rows=tuple([*rows, *fields][:shown]),
        coverage="simulated cluster" if answer.simulated else None,
        as_of=now,
        notes=answer.notes,
        more=_more_fields(left, detailed=detailed),
    )


def _more_fields(left: int, *, detailed: bool) -> str | None:
    if left <= 0:
        return None
    way = "GET /kubernetes/resource gives all" if detailed else 'response_format="detailed"'
    return f"{left} more fields: {way}"


def _resource_headline(answer: ResourceDetail) -> str:
    place = f"{answer.namespace}/{answer.name}" if answer.namespace else answer.name
    parts = [f"{answer.kind} {place} on {answer.cluster_name}"]
    waiting = [one.reason for one in answer.containers if one.state != "running" and one.reason]
    restarts = sum(one.restarts for one in answer.containers)
    bad = [one.type for one in answer.conditions if one.is_good is False]
    if answer.deleted_at is not None:
        parts.append(f"being deleted since {age_of(answer.deleted_at, answer.as_of)}")
    if waiting:
        parts.append(", ".join(map(fenced, dict.fromkeys(waiting))))
    elif answer.status:
        parts.append(fenced(answer.status))
    if restarts:
        parts.append(f"{restarts} restarts")
    if bad and not waiting:
        parts.append(f"not well: {', '.join(map(fenced, bad))}")
    if answer.owners:
        parts.append(f"of {' < '.join(answer.owners)}")
    age = age_of(answer.created_at, answer.as_of)
    return "; ".join([*parts, *([f"{age} old"] if age else [])]) + "."


def _condition(one: Condition, age: str | None) -> str:
    said = ": ".join(part for part in (one.reason, one.message) if part)
    since = f" for {age}" if age else ""
    return f"{one.status}{since}" + (f", {said}" if said else "")


def _container_name(one: ContainerState) -> str:
    return f"init container {one.name}" if one.is_init else f"container {one.name}"


def _container(answer: ResourceDetail, one: ContainerState) -> str:
    parts = [" ".join(part for part in (one.state, one.reason) if part)]
    if one.exit_code is not None:
        parts.append(f"exit {one.exit_code}")
    if since := age_of(one.since, answer.as_of):
        parts.append(f"for {since}")
    if not one.ready and one.state == "running":
        parts.append("not ready")
    if one.restarts:
        parts.append(f"{one.restarts} restarts")
    if one.last_exit_code is not None:
        ended = age_of(one.last_ended_at, answer.as_of)
        ago = f" {ended} ago" if ended else ""
        parts.append(f"last exit {one.last_reason or 'Error'} {one.last_exit_code}{ago}")
    if said := one.last_message or one.message:
        parts.append(said)
    if one.image:
        parts.append(one.image)
    return "; ".join(parts)


def _event(answer: ResourceDetail, one: FoldedEvent) -> str:
    times = f"x{one.count}, " if one.count > 1 else ""
    last = age_of(one.last_at, answer.as_of)
    return f"{one.type} {times}{last} ago: {one.message}"


def _fields(answer: ResourceDetail) -> dict[str, object]:
    """What the headline and the rows above do not tell already."""
    shown: dict[str, object] = dict(answer.object)
    for part, told in (("status", _TOLD_ABOVE), ("metadata", _STALE)):
        if isinstance(found := shown.get(part), dict):
            fields = cast("dict[str, object]", found)
            shown[part] = {key: value for key, value in fields.items() if key not in told}
    return {key: value for key, value in shown.items() if value not in ({}, [], None)}


def digest_events(request: "EventQuery", answer: EventList) -> Digest:
    """One row a thing that was said, warnings first."""
    start = cursor_start(request.cursor)
    picked = answer.events[start : start + request.limit]
    clusters = {name for one in answer.events for name in one.cluster_names}
    with_cluster = len(clusters) > 1
    rows = [_event_row(one, answer, with_cluster=with_cluster) for one in picked]
    cluster = ("cluster",) if with_cluster else ()
    return Digest(
        headline=_events_headline(answer, clusters),
        columns=("type", "reason", *cluster, "object", "count", "last", "message"),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=answer.notes[:8],
        more=more_line(
            total=len(answer.events),
            start=start,
            shown=len(picked),
            what="kinds of event",
            call=call_of("list_events", request),
        ),
    )


def _event_row(one: FoldedEvent, answer: EventList, *, with_cluster: bool) -> tuple[Cell, ...]:
    names = one.cluster_names
    more = f",+{len(names) - 2}" if len(names) > 2 else ""
    cluster = (",".join(names[:2]) + more,) if with_cluster else ()
    others = f" +{one.object_count - 1}" if one.object_count > 1 else ""
    message = one.message
    return (
        one.type,
        one.reason,
        *cluster,
        f"{one.kind} {one.objects[0]}{others}",
        one.count,
        age_of(one.last_at, answer.as_of),
        message if len(message) <= MOST_MESSAGE else f"{message[: MOST_MESSAGE - 1]}…",
    )


def _events_headline(answer: EventList, clusters: set[str]) -> str:
    window = age_of(answer.since, answer.as_of)
    if not answer.events:
        if not answer.coverage.succeeded:
            return "No cluster answered."
        return f"No events in the last {window} in {answer.coverage.succeeded} clusters."
    where = f"on {next(iter(clusters))}" if len(clusters) == 1 else f"in {len(clusters)} clusters"
    first = answer.events[0]
    most = f" Newest warning: {fenced(first.reason)}." if first.type != "Normal" else ""
    return (
        f"{answer.total} events ({answer.warnings} warnings) of {len(answer.events)} kinds "
        f"{where} in the last {window}.{most}"
    )


def digest_log(request: "PodLogQuery", answer: PodLog) -> Digest:
    """Errors once each with how often, then the last lines; all lines where they are few."""
    rows = _log_rows(answer)
    return Digest(
        headline=_log_headline(answer),
        columns=("time", "times", "line"),
        rows=tuple(rows),
        coverage="simulated cluster" if answer.simulated else None,
        as_of=answer.as_of,
        notes=(*_log_notes(answer), *answer.notes),
        more=_more_lines(request, answer),
    )


def _log_rows(answer: PodLog) -> list[tuple[Cell, ...]]:
    every = [_log_row(line) for line in answer.lines]
    if fitting(every, room=LOG_ROOM, least=1) == len(every):
        return every
    errors = [_log_row(line) for line in _first_and_last_errors(answer.lines)]
    errors = errors[: fitting(errors, room=LOG_ROOM * 2 // 3, least=1)]
    seen = set(errors)
    newest = [row for row in reversed(every) if row not in seen]
    room = LOG_ROOM - sum(len(str(row)) for row in errors)
    kept = newest[: fitting(newest, room=room, least=3)]
    return [*errors, *reversed(kept)]


def _first_and_last_errors(lines: Sequence[LogLine]) -> list[LogLine]:
    """Each error once, with how often it came: the first ones and the last."""
    errors: dict[str, LogLine] = {}
    for line in lines:
        if line.is_error:
            key = "".join(char for char in line.message if char.isalpha())[:120]
            known = errors.get(key)
            count = line.count + (known.count if known else 0)
            errors[key] = (known or line).model_copy(update={"count": count})
    found = list(errors.values())
    half = MOST_ERRORS // 2
    return found if len(found) <= MOST_ERRORS else [*found[:half], *found[-half:]]


def _log_row(line: LogLine) -> tuple[Cell, ...]:
    return (line.at[11:19] if line.at else None, line.count, line.message)


def _log_headline(answer: PodLog) -> str:
    run = " of the run before its restart" if answer.previous else ""
    place = f"{answer.namespace}/{answer.pod}"
    which = f" container {answer.container}" if len(answer.containers) > 1 else ""
    if not answer.read:
        return f"{place}{which} on {answer.cluster_name} wrote nothing{run}."
    last = "last " if answer.truncated else ""
    errors = f"{answer.errors} of them errors" if answer.errors else "none an error"
    return (
        f"{last}{answer.read} lines{run} of {place}{which} on {answer.cluster_name}, {errors}."
    ).capitalize()


def _log_notes(answer: PodLog) -> tuple[str, ...]:
    return (f"chosen: {answer.why}",) if answer.why else ()


def _more_lines(request: "PodLogQuery", answer: PodLog) -> str | None:
    if answer.truncated and request.tail < 5000:
        return f"older lines: the same call with tail={min(5000, request.tail * 5)}"
    return None
