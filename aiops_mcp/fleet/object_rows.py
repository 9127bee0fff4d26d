"""Rows of kubectl's tables from many clusters: read, counted, sorted, owners named. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from aiops_mcp.models.ages import parsed_time
from aiops_mcp.models.objects import ObjectCell

Json = Mapping[str, Any]

STATUS_COLUMNS = ("Status", "Phase", "State", "Sync Status")
_WELL = frozenset(
    {
        *("Running", "Succeeded", "Completed", "Complete", "Active", "Bound", "Ready", "ready"),
        *("True", "Available", "Established", "Normal", "Healthy", "Synced", "deployed", "Done"),
    }
)
_OF = re.compile(r"^(\d+)/(\d+)$")
_LEADING = re.compile(r"^\d+")


class SortBy(StrEnum):
    """``trouble`` puts what is not well first, ``age`` the newest."""

    TROUBLE = "trouble"
    NAME = "name"
    AGE = "age"
    RESTARTS = "restarts"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row as a cluster gave it; ``cells`` are in the order of the table's columns."""

    namespace: str | None
    name: str
    cells: tuple[ObjectCell, ...]
    owner: tuple[str, str] | None
    """Kind and name of the controller."""
    created: datetime | None


@dataclass(slots=True)
class Table:
    """``wide`` are the columns that kubectl shows with ``-o wide`` only."""

    columns: tuple[str, ...] = ()
    wide: frozenset[str] = frozenset()
    rows: list[TableRow] = field(default_factory=list[TableRow])


def add_page(table: Table, items: Sequence[Json], columns: Sequence[Json]) -> None:
    """Add one page of a Table, or of plain objects where the server makes no tables."""
    if columns or not items:
        if not table.columns:
            table.columns = tuple(str(column.get("name") or "") for column in columns)
            table.wide = frozenset(
                str(column.get("name")) for column in columns if column.get("priority")
            )
        table.rows.extend(_table_row(item) for item in items)
        return
    table.columns = ("Name",)
    table.rows.extend(_row(item, (_text(item, "metadata", "name"),)) for item in items)


def _table_row(item: Json) -> TableRow:
    described: Json = item.get("object") or {}
    cells = tuple(_cell(cell) for cell in cast("Sequence[Any]", item.get("cells") or ()))
    return _row(described, cells)


def _row(described: Json, cells: tuple[ObjectCell, ...]) -> TableRow:
    metadata: Json = described.get("metadata") or {}
    return TableRow(
        namespace=metadata.get("namespace"),
        name=str(metadata.get("name") or (cells[0] if cells else "")),
        cells=cells,
        owner=owner_of(metadata),
        created=parsed_time(metadata.get("creationTimestamp")),
    )


def owner_of(metadata: Json) -> tuple[str, str] | None:
    """Kind and name of the controller, or of the only owner there is."""
    owners = cast("Sequence[Json]", metadata.get("ownerReferences") or ())
    chosen = next((owner for owner in owners if owner.get("controller")), None)
    if chosen is None and len(owners) == 1:
        chosen = owners[0]
    if chosen is None:
        return None
    return str(chosen.get("kind") or ""), str(chosen.get("name") or "")


def _text(item: Json, *steps: str) -> str:
    value: Any = item
    for step in steps:
        value = cast("Json", value).get(step) if isinstance(value, Mapping) else None
    return str(value or "")


def _cell(value: Any) -> ObjectCell:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row and the cluster and table it stands in."""

    cluster_name: str
    row: TableRow
    columns: tuple[str, ...]

    def cell(self, column: str) -> ObjectCell:
        try:
            return self.row.cells[self.columns.index(column)]
        except (ValueError, IndexError):
            return None

    def as_cells(self, leave_out: frozenset[str] = frozenset()) -> dict[str, ObjectCell]:
        return {
            column: cell
            for column, cell in zip(self.columns, self.row.cells, strict=False)
            if column not in leave_out and column != "Name"
        }


def status_of(placed: PlacedRow) -> str | None:
    """In a word how the object is, where its table has a column that tells."""
    for column in STATUS_COLUMNS:
        value = placed.cell(column)
        # A sentence is no status: cert-manager's column of this name tells a story.
        if value not in (None, "") and " " not in str(value):
            return str(value)
    return _by_readiness(placed.cell("Ready"), placed.cell("Desired")) or _by_conditions(placed)


def _by_readiness(ready: ObjectCell, desired: ObjectCell) -> str | None:
    if isinstance(ready, str) and (match := _OF.match(ready)):
        return "ready" if int(match[1]) >= int(match[2]) else "not ready"
    if ready in ("True", "False", "Unknown"):
        return "ready" if ready == "True" else "not ready"
    if isinstance(desired, int) and isinstance(ready, int):
        return "ready" if ready >= desired else "not ready"
    return None


def _by_conditions(placed: PlacedRow) -> str | None:
    if placed.cell("Degraded") == "True":
        return "degraded"
    available = placed.cell("Available")
    if available in ("True", "False", "Unknown"):
        return "available" if available == "True" else "not available"
    return None


def is_trouble(placed: PlacedRow) -> bool:
    """Whether the row itself says that not all is well."""
    status = status_of(placed)
    if status is not None and status not in _WELL and status not in {"ready", "available"}:
        return True
    ready = placed.cell("Ready")
    if isinstance(ready, str) and (match := _OF.match(ready)) and status != "Completed":
        return int(match[1]) < int(match[2])
    return False


def restarts_of(placed: PlacedRow) -> int:
    """The number at the front of the cell: ``5 (3m ago)`` is 5."""
    value = placed.cell("Restarts")
    if isinstance(value, bool) or value is None:
        return 0
    match = _LEADING.match(str(value))
    return int(match[0]) if match else 0


def sorted_rows(rows: Iterable[PlacedRow], sort: SortBy) -> list[PlacedRow]:
    """In the order asked for; equals by cluster, namespace and name."""
    named = sorted(
        rows, key=lambda placed: (placed.cluster_name, placed.row.namespace or "", placed.row.name)
    )
    if sort is SortBy.AGE:
        named.sort(key=lambda placed: -_seconds(placed.row.created))
    elif sort is SortBy.RESTARTS:
        named.sort(key=lambda placed: -restarts_of(placed))
    elif sort is SortBy.TROUBLE:
        named.sort(key=lambda placed: not is_trouble(placed))
    return named


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def count_statuses(rows: Iterable[PlacedRow]) -> dict[str, int]:
    """How many rows say what, most first."""
    counts = Counter(status for placed in rows if (status := status_of(placed)) is not None)
    return dict(counts.most_common())
