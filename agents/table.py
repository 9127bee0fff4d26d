"""A digest's rows as a table that fits the terminal, or else is as wide as it must be.

What all rows share is said once instead of in a column; long text is broken between words; a name
is never broken, for it could neither be read nor copied. Knows nothing of what was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from aiops_mcp.models.digest import Cell, Digest

GAP: Final = 2
NARROWEST: Final = 24
"""Long text is not broken into lines shorter than this."""

_COLOURS = {
    "ONLINE": "green",
    "healthy": "green",
    "DEGRADED": "yellow",
    "WARNING": "yellow",
    "UNKNOWN": "yellow",
    "OFFLINE": "red",
    "FAILING": "red",
    "CRITICAL": "red",
}


@dataclass(slots=True)
class Column:
    """One column as text; ``width`` is what it takes, or what it was cut down to."""

    name: str
    cells: list[str]
    is_numeric: bool
    width: int

    @property
    def can_shrink(self) -> bool:
        return self.width > NARROWEST and any(" " in cell for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Fitted:
    """The table, the width it needs, and what all of its rows share."""

    table: Table
    width: int
    shared: str


def fitted(digest: Digest, width: int | None) -> Fitted:
    """The rows in ``width`` columns of text where that can be done; ``None``: no limit."""
    columns = [
        _column(name, [row[index] for row in digest.rows])
        for index, name in enumerate(digest.columns)
    ]
    shared: list[Column] = []
    if width is not None and _width(columns) > width and len(digest.rows) > 1:
        shared = [each for each in columns[1:] if len(set(each.cells)) == 1]
        columns = [each for each in columns if each not in shared]
    if width is not None:
        _shrink(columns, width)
    said = ", ".join(f"{each.name} {each.cells[0]}" for each in shared if each.cells[0] != "-")
    return Fitted(_table(columns), _width(columns), said)


def _column(name: str, cells: Sequence[Cell]) -> Column:
    texts = [_text(cell) for cell in cells]
    given = [cell for cell in cells if cell is not None]
    numeric = bool(given) and all(isinstance(cell, (int, float)) for cell in given)
    return Column(name, texts, numeric, max(len(text) for text in (name, *texts)))


def _width(columns: Sequence[Column]) -> int:
    return sum(each.width for each in columns) + GAP * (len(columns) - 1)


def _shrink(columns: Sequence[Column], width: int) -> None:
    """Take what is too much from the longest texts, the longest first."""
    for column in sorted(columns[1:], key=lambda each: -each.width):
        too_much = _width(columns) - width
        if too_much > 0 and column.can_shrink:
            column.width = max(NARROWEST, column.width - too_much)


def _table(columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(
            column.name.upper(),
            justify="right" if column.is_numeric else "left",
            width=column.width,
            overflow="fold",
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(_styled(cell) for cell in cells))
    return table


def _number(value: float) -> str:
    """Six digits; a large number stays a plain one, without an exponent."""
    short = f"{value:g}"
    return f"{float(short):.0f}" if 1e6 <= abs(float(short)) < 1e15 else short


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return _number(cell) if isinstance(cell, float) else str(cell)


def _styled(text: str) -> Text:
    """Plain text: what comes from a cluster is never read as markup."""
    return Text(text, style="dim" if text == "-" else _COLOURS.get(text, ""))
