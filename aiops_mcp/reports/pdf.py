"""A report as PDF: A4, page numbers, tables that go on over pages, charts as vectors. Offline."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
)
from reportlab.platypus import Table as Grid

from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Block,
    Column,
    Evidence,
    Facts,
    LineChart,
    ReportContent,
    Section,
    Table,
    Tone,
)
from aiops_mcp.models.reports import Paragraph as Words
from aiops_mcp.reports.drawing import draw
from aiops_mcp.reports.html import cell_text
from aiops_mcp.reports.pdf_chart import COLOURS, Chart
from aiops_mcp.reports.pdf_fonts import BODY, BOLD, Typeface
from aiops_mcp.reports.wording import TONES, day_and_time

_MARGIN = 16 * mm
_WIDE = A4[0] - 2 * _MARGIN
_LONGEST = 600
"""A cell holds no more letters: one must fit a page."""
_FACT = 60
"""Letters of a figure, its name or its note."""
_FIRST_ROWS = 90.0
"""A table begins on a page that has so many points left."""
_CELL = 7.0
_MOST_WORD = 104.0
"""No column but the wide one gets more points than that."""
_SHORT = 64.0
"""A column of no longer texts than that, such as moments, is not made narrower."""

_TEXT, _SOFT, _FAINT = (HexColor(COLOURS[role]) for role in ("text", "text-2", "axis"))
_RULE, _STRONG = HexColor(COLOURS["grid"]), HexColor(COLOURS["border-strong"])
_TONES = {
    Tone.CRITICAL: "#B3241A",
    Tone.WARNING: "#875100",
    Tone.OK: "#0A6B53",
    Tone.MUTED: "#515D6E",
}


def _style(name: str, size: float, leading: float, **more: Any) -> ParagraphStyle:
    given: dict[str, Any] = {"textColor": _TEXT, "fontName": BODY, "splitLongWords": 1, **more}
    return ParagraphStyle(name, fontSize=size, leading=leading, **given)


class _Styles:
    """The paragraphs that there are."""

    kicker = _style("kicker", 8, 11, textColor=_FAINT)
    title = _style("title", 18, 23, fontName=BOLD, spaceAfter=4)
    lead = _style("lead", 9.5, 14, leftIndent=8, borderPadding=(0, 0, 0, 0), spaceAfter=6)
    about = _style("about", 7.5, 11, textColor=_SOFT)
    heading = _style("heading", 12.5, 17, fontName=BOLD, spaceBefore=14, spaceAfter=2)
    finding = _style("finding", 8.5, 12.5, textColor=_SOFT, spaceAfter=4)
    small = _style("small", 8.5, 12, fontName=BOLD, spaceBefore=8, spaceAfter=3)
    text = _style("text", 8.5, 12)
    quiet = _style("quiet", 7.5, 10.5, textColor=_FAINT)
    cell = _style("cell", _CELL, 9.5)
    right = _style("right", _CELL, 9.5, alignment=TA_RIGHT)
    head = _style("head", 6.8, 9, textColor=_FAINT)
    head_right = _style("head-right", 6.8, 9, textColor=_FAINT, alignment=TA_RIGHT)
    figure = _style("figure", 14, 18, fontName=BOLD)
    code = _style("code", 7, 9.5, backColor=HexColor("#F3F5F8"), borderPadding=4, leftIndent=4)


def render_pdf(content: ReportContent, fonts: Sequence[Path] = ()) -> bytes:
    """The whole document; ``fonts`` are TrueType files with the letters of further scripts."""
    return _Document(content, Typeface(fonts)).render()


class _Document:
    def __init__(self, content: ReportContent, face: Typeface) -> None:
        self._content = content
        self._face = face

    def render(self) -> bytes:
        out = BytesIO()
        content = self._content
        document = BaseDocTemplate(
            out,
            pagesize=A4,
            leftMargin=_MARGIN,
            rightMargin=_MARGIN,
            topMargin=_MARGIN,
            bottomMargin=_MARGIN + 4 * mm,
            title=content.title,
            author=content.generated_by,
            subject=content.headline,
            creator=f"aiops {content.version}",
            lang="en",
            invariant=1,
        )
        frame = Frame(
            _MARGIN,
            _MARGIN + 4 * mm,
            _WIDE,
            A4[1] - 2 * _MARGIN - 4 * mm,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        document.addPageTemplates([PageTemplate(frames=[frame], onPage=self._foot)])
        document.build(list(self._story()))
        return out.getvalue()

    def _foot(self, canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFillColor(_FAINT)
        x = _MARGIN
        title = " ".join(self._content.title.split())[:90]
        for face, run in self._face.pieces(title):
            canvas.setFont(face, 7)
            canvas.drawString(x, 9 * mm, run)
            x += canvas.stringWidth(run, face, 7)
        canvas.setFont(BODY, 7)
        canvas.drawRightString(A4[0] - _MARGIN, 9 * mm, f"{document.page}")
        canvas.restoreState()

    def _words(
        self, text: str, style: ParagraphStyle, *, bold: bool = False, most: int = 4 * _LONGEST
    ) -> Paragraph:
        fits = self._fitting(text, most)
        return Paragraph(self._face.markup(fits, bold=bold), style)

    def _fitting(self, text: str, most: int) -> str:
        """The text, cut where it takes more letters; one that no font has takes six."""
        written = sum(len(run) for _, run in self._face.pieces(text[:most]))
        most = most * min(len(text), most) // max(written, 1)
        return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"

    def _line(
        self, text: str, style: ParagraphStyle, *, bold: bool = False, most: int = _LONGEST
    ) -> Paragraph:
        """Words in a cell, which must fit a page: no breaks, and at most so many letters."""
        return self._words(" ".join(text.split()), style, bold=bold, most=most)

    def _story(self) -> Iterator[Flowable]:
        content, styles = self._content, _Styles
        kicker = content.report_type.value.replace("_", " ").capitalize()
        if content.simulated:
            kicker += " · Simulated fleet"
        yield self._words(kicker, styles.kicker)
        yield self._line(content.title, styles.title, bold=True)
        yield self._lead()
        period = content.time_range
        for name, text in (
            ("Period", f"{day_and_time(period.start)} to {day_and_time(period.end)}"),
            ("Made", f"{day_and_time(content.created_at)} by {content.generated_by}"),
            ("Clusters", ", ".join(content.clusters) or "none"),
        ):
            yield self._words(f"{name}: {text}", styles.about)
        for section in content.sections:
            yield from self._section(section)
        yield from self._missing()
        yield Spacer(1, 14)
        yield self._words(self._last_words(), styles.quiet)

    def _lead(self) -> Flowable:
        colour = _TONES.get(self._content.tone, COLOURS["mute"])
        text = self._line(self._content.headline, _Styles.lead)
        bar = [("LINEBEFORE", (0, 0), (0, -1), 2.5, HexColor(colour)), *_PADDING]
        return Grid([[text]], colWidths=[_WIDE], style=bar)

    def _last_words(self) -> str:
        said = f"All times are UTC. Made by aiops {self._content.version}."
        if self._face.unwritten:
            said += (
                " Letters for which no font was at hand are written as their code points; the"
                " HTML form has them."
            )
        return said

    def _section(self, section: Section) -> Iterator[Flowable]:
        top: list[Flowable] = [
            self._line(section.title, _Styles.heading, bold=True),
            self._line(section.finding, _Styles.finding),
        ]
        blocks = [self._block(block) for block in section.blocks]
        if blocks and isinstance(section.blocks[0], Table):
            yield CondPageBreak(_FIRST_ROWS + 60)
        elif blocks:
            top += blocks.pop(0)
        yield KeepTogether(top)
        for block, flowables in zip(section.blocks[-len(blocks) :], blocks, strict=False):
            if isinstance(block, Table):
                yield from flowables
            else:
                yield KeepTogether(flowables)

    def _block(self, block: Block) -> list[Flowable]:
        if isinstance(block, Words):
            style = _Styles.quiet if block.tone is Tone.MUTED else _Styles.text
            return [self._words(block.text, style)]
        if isinstance(block, Facts):
            return [self._facts(block)]
        if isinstance(block, Table):
            return self._table(block)
        if isinstance(block, (LineChart, BarChart)):
            return self._figure(block)
        return self._evidence(block)

    def _facts(self, block: Facts) -> Flowable:
        cells: list[list[Flowable]] = []
        for fact in block.facts:
            colour = _TONES.get(fact.tone) if fact.tone in _GRAVE else None
            style = (
                _Styles.figure.clone("figure-toned", textColor=HexColor(colour))
                if colour
                else _Styles.figure
            )
            cells.append(
                [
                    self._line(fact.label, _Styles.quiet, most=_FACT),
                    self._line(fact.value, style, bold=True, most=_FACT),
                    self._line(fact.note, _Styles.quiet, most=_FACT),
                ]
            )
        row = 5
        lines = [cells[at : at + row] for at in range(0, len(cells), row)]
        lines = [[*line, *([""] * (row - len(line)))] for line in lines]
        return Grid(lines, colWidths=[_WIDE / row] * row, style=[*_PADDING, *_TOP])

    def _table(self, table: Table) -> list[Flowable]:
        title = self._line(table.title, _Styles.small, bold=True)
        if not table.rows:
            return [title, self._words(table.empty, _Styles.quiet)]
        head = [
            self._line(one.title, _Styles.head_right if one.align is Align.RIGHT else _Styles.head)
            for one in table.columns
        ]
        rows: list[list[Flowable]] = [
            [
                self._cell(cell_text(cell), column)
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ]
        grid = Grid(
            [head, *rows],
            colWidths=_widths(table, self._face),
            repeatRows=1,
            style=[
                ("LINEBELOW", (0, 0), (-1, 0), 0.7, _STRONG),
                ("LINEBELOW", (0, 1), (-1, -1), 0.4, _RULE),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 6),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ],
        )
        # Not kept with the whole of the table, which may go on over pages, but with its first rows.
        parts: list[Flowable] = [CondPageBreak(_FIRST_ROWS), title, grid]
        if table.left_out > 0:
            parts.append(self._words(f"{table.left_out:,} more, not shown.", _Styles.quiet))
        return parts

    def _cell(self, text: str, column: Column) -> Flowable:
        tone = TONES.get(text) if column.toned else None
        if tone is not None:
            style = _Styles.cell.clone("toned", textColor=HexColor(_TONES[tone]))
            return self._line(text, style, bold=True)
        return self._line(text, _Styles.right if column.align is Align.RIGHT else _Styles.cell)

    def _figure(self, chart: LineChart | BarChart) -> list[Flowable]:
        parts: list[Flowable] = [
            self._line(chart.title, _Styles.small, bold=True),
            self._line(chart.finding, _Styles.finding),
            Chart(draw(chart), _WIDE, self._face),
        ]
        if chart.note:
            parts.append(self._line(chart.note, _Styles.quiet))
        return parts

    def _evidence(self, block: Evidence) -> list[Flowable]:
        said = f"Evidence: {block.claim}" + (f" ({block.coverage})" if block.coverage else "")
        holds_query = block.query is None or shlex.quote(block.query) in block.command
        text = block.command if holds_query else f"{block.query}\n{block.command}"
        return [
            Spacer(1, 6),
            self._line(said, _Styles.quiet),
            Spacer(1, 4),
            self._words(text, _Styles.code),
            Spacer(1, 4),
        ]

    def _missing(self) -> Iterator[Flowable]:
        missing = self._content.not_available
        if not missing:
            return
        yield self._words("Not available", _Styles.heading, bold=True)
        said = "What this report lacks. Silence about these is no sign that they are well."
        yield self._words(said, _Styles.finding)
        columns = (Column(title="What"), Column(title="Why", wide=True))
        rows = tuple((one.what, one.why) for one in missing)
        yield from self._table(Table(title="What is lacking", columns=columns, rows=rows))


_GRAVE = (Tone.CRITICAL, Tone.WARNING)
_PADDING: list[Any] = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
]
_TOP: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP")]


def _widths(table: Table, face: Typeface) -> list[float]:
    """As wide as the words need, the rest to the column that takes it; never over the page."""
    measured = [_need(table, at, face) for at in range(len(table.columns))]
    least = [
        _least(word, want, column)
        for (word, want), column in zip(measured, table.columns, strict=True)
    ]
    wants = [
        max(low, min(want, 210.0 if column.wide else _MOST_WORD))
        for low, (_, want), column in zip(least, measured, table.columns, strict=True)
    ]
    total = sum(wants)
    if total > _WIDE:
        spare, over = total - sum(least), total - _WIDE
        cut = min(1.0, over / spare) if spare > 0 else 0.0
        wants = [want - (want - low) * cut for want, low in zip(wants, least, strict=True)]
        scale = min(1.0, _WIDE / sum(wants))
        return [want * scale for want in wants]
    wide = [at for at, column in enumerate(table.columns) if column.wide] or [len(wants) - 1]
    for at in wide:
        wants[at] += (_WIDE - total) / len(wide)
    return wants


def _least(word: float, want: float, column: Column) -> float:
    """What a column needs at least: short texts, severities and most words are not divided."""
    if column.toned or want <= _SHORT:
        return min(want, _MOST_WORD)
    return min(word, 150.0 if column.wide else _MOST_WORD)


def _need(table: Table, at: int, face: Typeface) -> tuple[float, float]:
    """Points of the longest word and of the longest text of a column, with its padding."""
    bold = table.columns[at].toned
    texts = [table.columns[at].title, *(cell_text(row[at])[:_LONGEST] for row in table.rows)]
    words = {word for text in texts for word in text.split()}

    def longest(parts: Iterable[str]) -> float:
        return max((face.width(part, _CELL, bold=bold) for part in parts), default=12.0) + 7

    return longest(words), longest(set(texts))
