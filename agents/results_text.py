"""A result made to fit its share of a context: the head of its table, and what was left out.

Pure. Knows the text of a digest (headline, columns, rows, then notes, query and coverage), and cuts
any other text by lines.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiops_mcp.surfaces.guard import BYTES_PER_TOKEN

_TAIL_SHARE = 0.3
"""Of a text that is no table, so much is kept of its end: errors are told last."""
_LINE_BYTES = 600


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of a result: what is above its rows, the rows, and what is below."""

    head: tuple[str, ...]
    rows: tuple[str, ...]
    foot: tuple[str, ...]
    is_table: bool


def layout(text: str, payload: Mapping[str, Any]) -> Layout:
    """The lines of a text; those of its table apart, where the payload says how many there are."""
    lines = text.split("\n")
    rows, columns = payload.get("rows"), payload.get("columns")
    count = len(cast("Sequence[Any]", rows)) if isinstance(rows, list | tuple) else 0
    named = cast("Sequence[Any]", columns) if isinstance(columns, list | tuple) else ()
    first = 2  # the headline, and the names of the columns
    if count and len(lines) >= first + count and lines[1] == " | ".join(map(str, named)):
        end = first + count
        return Layout(tuple(lines[:first]), tuple(lines[first:end]), tuple(lines[end:]), True)
    return Layout((), tuple(lines), (), False)


def fitted(text: str, payload: Mapping[str, Any], tokens: int, handle: str) -> tuple[str, bool]:
    """The text within ``tokens``, and whether that took cutting.

    What was cut is said, and how to look for it behind ``handle``.
    """
    room = math.floor(tokens * BYTES_PER_TOKEN)
    if _size(text) <= room:
        return text, False
    lines = layout(text, payload)
    if not lines.is_table:
        return _cut_text(lines.rows, room, handle), True
    return _cut_table(lines, room, handle), True


def _cut_table(lines: Layout, room: int, handle: str) -> str:
    head = [_short(line) for line in lines.head]
    said = _said(len(lines.rows), len(lines.rows), "rows", handle)
    room -= sum(_size(line) + 1 for line in (*head, said))
    foot: list[str] = []
    # From the end: coverage and the time matter more than the notes before them.
    for line in reversed(lines.foot):
        short = _short(line)
        if _size(short) + 1 <= room / 3:
            foot.insert(0, short)
            room -= _size(short) + 1
    rows = _taken(lines.rows, room)
    return "\n".join([*head, *rows, _said(len(rows), len(lines.rows), "rows", handle), *foot])


def _cut_text(lines: Sequence[str], room: int, handle: str) -> str:
    room -= _size(_said(len(lines), len(lines), "lines", handle)) + 1
    head = _taken(lines, room * (1 - _TAIL_SHARE))
    if not head and lines:
        head = [_bytes_of(lines[0], max(int(room * (1 - _TAIL_SHARE)), 24))]
    room -= sum(_size(line) + 1 for line in head)
    tail = _taken(lines[len(head) :][::-1], room)[::-1]
    said = _said(len(head) + len(tail), len(lines), "lines", handle)
    return "\n".join([*head, said, *tail])


def _taken(lines: Sequence[str], room: float) -> list[str]:
    """As many of the first lines as there is room for, each held to a length."""
    taken: list[str] = []
    for line in lines:
        short = _short(line)
        room -= _size(short) + 1
        if room < 0:
            break
        taken.append(short)
    return taken


def _said(shown: int, total: int, what: str, handle: str) -> str:
    return (
        f"({shown} of {total} {what} are shown; search the rest: "
        f'search_result {{"handle": "{handle}", "pattern": …}})'
    )


def _short(line: str) -> str:
    return line if _size(line) <= _LINE_BYTES else _bytes_of(line, _LINE_BYTES)


def _bytes_of(text: str, size: int) -> str:
    return text.encode()[: max(size - 3, 0)].decode(errors="ignore") + "…"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
