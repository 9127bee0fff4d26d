"""A report as Markdown (CommonMark with tables), every text escaped. Pure."""

import re
from collections.abc import Iterator, Sequence

from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Block,
    Evidence,
    Facts,
    LineChart,
    Paragraph,
    ReportContent,
    Section,
    Table,
    Tone,
)
from aiops_mcp.reports.drawing import value_text
from aiops_mcp.reports.html import cell_text
from aiops_mcp.reports.wording import day_and_time

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&$])")
_LEVELS = "▁▂▃▄▅▆▇█"
_SPARKS = 48
_MOST_LINES = 5


def render_markdown(content: ReportContent) -> bytes:
    """The whole text, UTF-8."""
    return ("\n\n".join(_parts(content)) + "\n").encode()


def _parts(content: ReportContent) -> Iterator[str]:
    yield f"# {plain(content.title)}"
    if content.simulated:
        yield "**Simulated fleet.**"
    yield f"**{plain(content.headline)}**"
    period = content.time_range
    yield "\n".join(
        (
            f"- Period: {day_and_time(period.start)} to {day_and_time(period.end)}",
            f"- Made: {day_and_time(content.created_at)} by {plain(content.generated_by)}",
            f"- Clusters: {plain(', '.join(content.clusters) or 'none')}",
        )
    )
    for section in content.sections:
        yield from _section(section)
    if content.not_available:
        yield "## Not available"
        yield "What this report lacks. Silence about these is no sign that they are well."
        rows = [(one.what, one.why) for one in content.not_available]
        yield _grid(("What", "Why"), (Align.LEFT, Align.LEFT), rows)
    yield f"All times are UTC. Made by aiops {plain(content.version)}."


def plain(text: str) -> str:
    """One line in which nothing is taken for Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _section(section: Section) -> Iterator[str]:
    yield f"## {plain(section.title)}"
    yield plain(section.finding)
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        text = plain(block.text)
        yield f"_{text}_" if block.tone is Tone.MUTED and text else text
    elif isinstance(block, Facts):
        rows = [(fact.label, fact.value, fact.note) for fact in block.facts]
        yield _grid(("Figure", "Value", ""), (Align.LEFT, Align.RIGHT, Align.LEFT), rows)
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, LineChart):
        yield from _lines(block)
    elif isinstance(block, BarChart):
        yield from _bars(block)
    else:
        yield from _evidence(block)


def _table(table: Table) -> Iterator[str]:
    yield f"### {plain(table.title)}"
    if not table.rows:
        yield plain(table.empty)
        return
    titles = [column.title for column in table.columns]
    rows = [[cell_text(cell) for cell in row] for row in table.rows]
    yield _grid(titles, [column.align for column in table.columns], rows)
    if table.left_out > 0:
        yield f"{table.left_out:,} more, not shown."


def _grid(titles: Sequence[str], sides: Sequence[Align], rows: Sequence[Sequence[str]]) -> str:
    head = "| " + " | ".join(plain(title) or " " for title in titles) + " |"
    rule = "|" + "|".join("---:" if side is Align.RIGHT else "---" for side in sides) + "|"
    body = ["| " + " | ".join(plain(cell) or " " for cell in row) + " |" for row in rows]
    return "\n".join((head, rule, *body))


def _lines(chart: LineChart) -> Iterator[str]:
    """Each line as its lowest, highest and last value, and its shape in block letters."""
    yield f"### {plain(chart.title)}"
    yield plain(chart.finding)
    rows: list[tuple[str, ...]] = []
    for line in chart.lines[:_MOST_LINES]:
        known = [value for _, value in line.points if value is not None]
        if known:
            ends = (min(known), max(known), known[-1])
            told = (value_text(value, share=chart.share) for value in ends)
            rows.append((line.name, *told, sparkline(line.points, chart.start, chart.end)))
    sides = (Align.LEFT, Align.RIGHT, Align.RIGHT, Align.RIGHT, Align.LEFT)
    yield _grid(("Line", "Lowest", "Highest", "Last", "Shape"), sides, rows)
    if chart.note:
        yield f"_{plain(chart.note)}_"


def sparkline(points: Sequence[tuple[float, float | None]], start: float, end: float) -> str:
    """The shape of a line in 48 letters, the highest of each part; a gap is a blank."""
    tops: list[float | None] = [None] * _SPARKS
    width = max(end - start, 1.0)
    for at, value in points:
        slot = min(_SPARKS - 1, max(0, int((at - start) / width * _SPARKS)))
        there = tops[slot]
        if value is not None and (there is None or value > there):
            tops[slot] = value
    known = [top for top in tops if top is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    size = (high - low) or 1.0
    levels = len(_LEVELS) - 1
    letters = [
        "\u00a0" if top is None else _LEVELS[round((top - low) / size * levels)] for top in tops
    ]
    return "".join(letters)


def _bars(chart: BarChart) -> Iterator[str]:
    yield f"### {plain(chart.title)}"
    yield plain(chart.finding)
    rows = [
        (
            label,
            *(value_text(part.values[at], share=chart.share) for part in chart.parts),
        )
        for at, label in enumerate(chart.labels)
    ]
    titles = ("", *(part.name for part in chart.parts))
    yield _grid(titles, (Align.LEFT, *(Align.RIGHT for _ in chart.parts)), rows)
    if chart.note:
        yield f"_{plain(chart.note)}_"


def _evidence(block: Evidence) -> Iterator[str]:
    yield f"Evidence: {plain(block.claim)}" + (
        f" ({plain(block.coverage)})" if block.coverage else ""
    )
    text = "\n".join(part for part in (block.query, block.command) if part)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}\n{text}\n{fence}"
