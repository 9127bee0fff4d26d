"""An answer made small for a model: a headline, a table, who answered, what was cut.

Every tool answers in this one shape, so that a model learns it once and ``tools/list`` stays
small. The full answer stays behind REST and the resources.
"""

from aiops_mcp.models.entity import Entity, Timestamp

Cell = str | float | int | bool | None


_FENCE = str.maketrans({"«": "‹", "»": "›"})  # noqa: RUF001 - quotes that cannot close ours


def fenced(text: str) -> str:
    """Text that a cluster wrote: prose stands between « and », which it cannot contain itself.

    Prose is at least four words, or longer than any name is; a name stays as it is.
    """
    text = text.translate(_FENCE)
    is_prose = text.count(" ") >= 3 or (len(text) > 120 and " " in text)
    return f"«{text}»" if is_prose else text


class Digest(Entity):
    """``rows`` are ordered by what matters most; units stand in the column names.

    ``more`` names what was left out and the exact call that brings it. ``query`` is what was
    asked of the backends, to copy.
    """

    headline: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    coverage: str | None = None
    as_of: Timestamp | None = None
    query: str | None = None
    notes: tuple[str, ...] = ()
    more: str | None = None

    def text(self) -> str:
        """The whole digest as plain text: as complete as the structured form, and smaller."""
        lines = [self.headline]
        if self.rows:
            lines.append(" | ".join(self.columns))
            lines.extend(" | ".join(_cell_text(cell) for cell in row) for row in self.rows)
        lines.extend(f"note: {note}" for note in self.notes)
        if self.more:
            lines.append(f"more: {self.more}")
        if self.query:
            lines.append(f"query: {self.query}")
        footer = [part for part in (self.coverage, _moment(self.as_of)) if part]
        if footer:
            lines.append("; ".join(footer))
        return "\n".join(lines)


def _moment(moment: Timestamp | None) -> str | None:
    return f"as of {moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        short = f"{cell:.4g}"
        # 84150 reads better than 8.415e+04, and costs no more.
        return f"{float(short):.0f}" if 1e4 <= abs(float(short)) < 1e15 else short
    return str(cell)
