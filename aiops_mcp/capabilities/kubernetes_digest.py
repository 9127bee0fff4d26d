"""Lists of objects made small: what all rows share said once, what is not well first. Pure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import call_of, coverage_line, fitting, more_line
from aiops_mcp.models.digest import Cell, Digest, fenced
from aiops_mcp.models.objects import ObjectRow, ResourceList

if TYPE_CHECKING:
    from aiops_mcp.capabilities.kubernetes import ResourceSearch

ROOM = 1500
"""Bytes that the rows take at most, unless more of them were asked for."""

ROOM_FOR_RESTARTS = 800
LEAST = 5
DEFAULT_ROWS = 20
_WORTH_A_COLUMN = ("Node",)  # of kubectl's wide ones


def digest_resources(request: "ResourceSearch", answer: ResourceList) -> Digest:
    """One row an object; the headline counts by status and cluster."""
    by_restarts = request.sort.value == "restarts"
    items = _restarted(answer.items) if by_restarts else answer.items
    shape = _shape(answer, items)
    rows = [shape.row(item) for item in items]
    if request.limit <= DEFAULT_ROWS:
        room = ROOM_FOR_RESTARTS if by_restarts else ROOM
        rows = rows[: fitting(rows, room=room, least=LEAST)]
    total = answer.total
    if by_restarts and len(items) < len(answer.items):
        total = answer.start + len(items)  # the rest never restarted
    return Digest(
        headline=_headline(answer, items, by_restarts=by_restarts),
        columns=shape.columns,
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=(*shape.notes, *answer.notes),
        more=more_line(
            total=total,
            start=answer.start,
            shown=len(rows),
            what="objects",
            call=call_of("find_resources", request),
        ),
    )


class _Shape:
    """Which columns the rows differ in; the others are told once."""

    def __init__(
        self, columns: Sequence[str], shared: Mapping[str, str], *, cluster: bool, namespace: bool
    ) -> None:
        self._fields = tuple(columns)
        self._cluster = cluster
        self._namespace = namespace
        self.owner = True
        self.notes = tuple(
            [f"all: {', '.join(f'{key}={value}' for key, value in shared.items())}"]
            if shared
            else []
        )

    @property
    def columns(self) -> tuple[str, ...]:
        front = ("cluster",) if self._cluster else ()
        place = ("namespace",) if self._namespace else ()
        owner = ("owner",) if self.owner else ()
        return (*front, *place, "name", *(_heading(each) for each in self._fields), *owner)

    def row(self, item: ObjectRow) -> tuple[Cell, ...]:
        front = (item.cluster_name,) if self._cluster else ()
        place = (item.namespace,) if self._namespace else ()
        owner = ((item.owners[-1] if item.owners else None),) if self.owner else ()
        cells = (item.cells.get(column) for column in self._fields)
        return (*front, *place, item.name, *cells, *owner)


def _shape(answer: ResourceList, items: Sequence[ObjectRow]) -> _Shape:
    hidden = set(answer.wide_columns) - set(_WORTH_A_COLUMN)
    columns = [column for column in answer.columns if column not in hidden]
    shared: dict[str, str] = {}
    if len(items) > 1:
        for column in columns:
            values = {str(item.cells.get(column)) for item in items}
            if len(values) == 1 and column != "Age":
                value = values.pop()
                if value not in {"None", "", "<none>"}:
                    shared[column] = value
                columns = [each for each in columns if each != column]
    clusters = {item.cluster_name for item in items}
    namespaces = {item.namespace for item in items}
    if len(namespaces) == 1 and answer.namespaced and len(items) > 1:
        shared = {"namespace": str(next(iter(namespaces))), **shared}
    if len(clusters) == 1 and len(items) > 1:
        shared = {"cluster": next(iter(clusters)), **shared}
    shape = _Shape(
        columns,
        shared,
        cluster=len(clusters) > 1 or len(items) == 1,
        namespace=answer.namespaced and (len(namespaces) > 1 or len(items) == 1),
    )
    shape.owner = any(item.owners for item in items)
    return shape


def _heading(column: str) -> str:
    return column.lower().replace(" ", "_")


def _restarted(items: Sequence[ObjectRow]) -> tuple[ObjectRow, ...]:
    return tuple(
        item for item in items if not str(item.cells.get("Restarts") or "0").startswith("0")
    )


def _headline(
    answer: ResourceList,
    items: Sequence[ObjectRow],
    *,
    by_restarts: bool,
) -> str:
    if not answer.total:
        asked = "no cluster answered" if not answer.coverage.succeeded else "none matches"
        return f"{answer.plural}: {asked}."
    statuses = ", ".join(
        f"{count} {fenced(status)}" for status, count in list(answer.by_status.items())[:6]
    )
    places = len(answer.by_cluster)
    where = next(iter(answer.by_cluster)) if places == 1 else f"{places} clusters"
    text = f"{answer.total} {answer.plural} in {where}" + (f": {statuses}" if statuses else "")
    if by_restarts and not items and not answer.start:
        return f"{text}. None of them restarted."
    if by_restarts and items:
        first = items[0]
        place = f"{first.namespace}/{first.name}"
        return f"{text}. Most restarts: {place} on {first.cluster_name}, {first.cells['Restarts']}."
    return f"{text}."
