"""Why something waits, where only an event says it: volumes not mounted, claims without one."""

from collections.abc import Iterator, Sequence

from aiops_mcp.fleet.object_events import Happening, happening
from aiops_mcp.fleet.object_fields import Json, one_line
from aiops_mcp.fleet.object_reading import ObjectReader
from aiops_mcp.models.findings import Finding

_SILENT = {
    "Pod": frozenset({"ContainerCreating", "PodInitializing", "Pending", "NotReady"}),
    "PersistentVolumeClaim": frozenset({"Pending"}),
}
"""Causes whose object does not say why."""

Place = tuple[str, str | None, str]


async def with_reasons(
    reader: ObjectReader, findings: Sequence[Finding], namespace: str | None
) -> list[Finding]:
    """The findings, those that only wait with what the newest warning about them says."""
    silent = {(one.kind, one.namespace, one.name) for one in findings if _is_silent(one)}
    if not silent:
        return list(findings)
    newest: dict[Place, Happening] = {}

    def remember(event: Json) -> Iterator[None]:
        one = happening(event)
        place = (one.kind, one.namespace, one.name)
        known = newest.get(place)
        if place in silent and (known is None or _moment(one) >= _moment(known)):
            newest[place] = one
        yield from ()

    await reader.each("events", remember, namespace=namespace, field_selector="type=Warning")
    return [_told(one, newest.get((one.kind, one.namespace, one.name))) for one in findings]


def _is_silent(one: Finding) -> bool:
    return one.explained_by is None and one.cause in _SILENT.get(one.kind, ())


def _told(one: Finding, event: Happening | None) -> Finding:
    if event is None or not _is_silent(one):
        return one
    return one.model_copy(update={"detail": f"{event.reason}: {one_line(event.message, 150)}"})


def _moment(event: Happening) -> float:
    return event.last.timestamp() if event.last else 0.0
