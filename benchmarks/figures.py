"""One figure of a benchmark: what we need, what the thing beside it needs, and what was promised.

Shared by all benchmarks; knows none of them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """``ours`` and ``reference`` in ``unit``; ``target`` says in words what ``met`` was judged by.

    ``ratio`` is ours over the reference, measured in the same run. ``met`` is None where a figure
    is only told.
    """

    name: str
    ours: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def at_most(name: str, ours: float, unit: str, limit: float) -> Figure:
    """A figure with an absolute limit."""
    return Figure(name, ours, unit, target=f"<= {limit:g} {unit}".strip(), met=ours <= limit)


def at_least(name: str, ours: float, unit: str, limit: float) -> Figure:
    """A figure that should be over a limit."""
    return Figure(name, ours, unit, target=f"> {limit:g} {unit}".strip(), met=ours > limit)


def ratio(
    name: str, ours: float, reference: float, unit: str, limit: float | None = None
) -> Figure:
    """A figure beside its reference; at most ``limit`` times as much, where one was promised."""
    share = ours / reference
    return Figure(
        name,
        ours,
        unit,
        reference,
        share,
        "" if limit is None else f"<= {limit:g} x",
        None if limit is None else share <= limit,
    )


HEADINGS = ("figure", "ours", "reference", "ratio", "target", "met")


def row(figure: Figure) -> tuple[str, ...]:
    """The cells of one line of the table."""
    return (
        figure.name,
        _amount(figure.ours, figure.unit),
        "" if figure.reference is None else _amount(figure.reference, figure.unit),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.target,
        "" if figure.met is None else "yes" if figure.met else "NO",
    )


def table(figures: Sequence[Figure]) -> str:
    """All figures as one aligned table, which is Markdown too."""
    rows = [HEADINGS, *(row(figure) for figure in figures)]
    widths = [max(_width(line[column]) for line in rows) for column in range(len(HEADINGS))]
    lines = [_line(cells, widths) for cells in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return "| " + " | ".join(padded) + " |"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _amount(value: float, unit: str) -> str:
    text = f"{value:.0f}" if abs(value) >= 100 or float(value).is_integer() else f"{value:.3g}"
    return f"{text} {unit}".strip()
