"""Cells of digests as people read them: times, code spans, lists of evidence. Pure.

What a cluster wrote stands in code spans, so that it is nobody's markup and no sentence of ours.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from agents.fencing import orders_in

_MOMENT: Final = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::\d{2})?Z?")
_BETWEEN: Final = re.compile(
    r";\s+(?=(?:seen|alert|change|calls?|log|event|metric|trace): |it began|what (?:it|was) |"
    r"those that call|all clusters|none of |\d+ of its|[\w/ -]{3,60} (?:rose|fell|moves) |"
    r"\S+, on which it depends|(?:rollout|config|scale|deletion|creation|image)\w* of )"
)
"""Between two pieces of evidence; a semicolon within one is not."""
_WITHHELD: Final = "(text that tries to give orders: left out)"
LONGEST = 220


def plain(cell: object) -> str:
    """A cell without the fence around what a cluster wrote; nothing for what is not there."""
    return "" if cell is None else " ".join(str(cell).strip("«»").split())


def code(text: object, most: int = LONGEST) -> str:
    """A text in a code span: nothing of it is markup, and orders in it are left out."""
    told = plain(text).replace("`", "'")
    if " " in told and orders_in(told):
        return _WITHHELD
    told = told if len(told) <= most else f"{told[: most - 1]}…"
    return f"`{told}`" if told else ""


def parts(cell: object) -> list[str]:
    """The sentences of a cell of evidence, which stand between semicolons."""
    return [part.strip() for part in _BETWEEN.split(plain(cell)) if part.strip()]


def when(cell: object, now: datetime) -> str:
    """``11:16 UTC`` of today, ``2026-09-26 00:00 UTC`` of another day; nothing if it is no time."""
    at = moment(cell, now)
    if at is None:
        return ""
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%m-%d %H:%M} UTC"


def ago(cell: object, now: datetime) -> str:
    """How long before ``now`` that was: ``44 min``, ``3 h``, ``28 d``."""
    at = moment(cell, now)
    if at is None:
        return ""
    minutes = int((now - at).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"


def moment(cell: object, now: datetime) -> datetime | None:
    """The time in a cell; without a year it is the last such day."""
    match = _MOMENT.search(plain(cell))
    if match is None:
        return None
    year = int(match[1]) if match[1] else now.year
    month, day, hour, minute = (int(match[n]) for n in (2, 3, 4, 5))
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC)
        return at if match[1] or at <= now else at.replace(year=year - 1)
    except ValueError:
        return None


def bullets(items: Iterable[str]) -> list[str]:
    return [f"- {one}" for one in items if one]


def listed(names: Sequence[str], most: int = 5) -> str:
    """``a, b and 3 more``."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def row_line(row: Mapping[str, Any], *, lead: Sequence[str], skip: Sequence[str] = ()) -> str:
    """A row of any table in one line: the cells of ``lead`` first, the others with their names."""
    first = " ".join(code(row[name], 80) for name in lead if plain(row.get(name)))
    rest = [
        f"{name.replace('_', ' ')} {code(value, 120)}"
        for name, value in row.items()
        if name not in lead and name not in skip and plain(value)
    ]
    return f"{first}: {', '.join(rest)}" if rest and first else first or ", ".join(rest)
