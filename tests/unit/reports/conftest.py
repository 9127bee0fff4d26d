"""Reports as data: one that says everything a report can, and one whose every text is an attack."""

from datetime import UTC, datetime, timedelta

import pytest

from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Bars,
    Column,
    Evidence,
    Fact,
    Facts,
    Line,
    LineChart,
    Marker,
    NotAvailable,
    Paragraph,
    ReportContent,
    ReportType,
    Section,
    Table,
    TimeRange,
    Tone,
)

END = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
START = END - timedelta(hours=6)


def content_of(text: str, *, rows: int = 2, simulated: bool = False) -> ReportContent:
    """A report with every kind of block, in which everything that can be a text is ``text``."""
    start = START.timestamp()
    columns = (
        Column(title=text, toned=True),
        Column(title=text, align=Align.RIGHT),
        Column(title=text, code=True),
        Column(title=text, wide=True),
    )
    line = Line(name=text, points=tuple((start + at * 60, at % 7 / 10) for at in range(360)))
    blocks = (
        Paragraph(text=text, tone=Tone.MUTED),
        Facts(facts=(Fact(label=text, value=text, note=text, tone=Tone.CRITICAL),)),
        Table(
            title=text,
            columns=columns,
            rows=tuple(("CRITICAL", at, text, text) for at in range(rows)),
            left_out=3,
        ),
        LineChart(
            title=text,
            finding=text,
            start=start,
            end=END.timestamp(),
            lines=(line,),
            share=True,
            limit=0.5,
            markers=(Marker(at=start + 3600, text=text),),
            note=text,
        ),
        BarChart(
            title=text,
            finding=text,
            labels=(text, "b"),
            parts=(Bars(name=text, values=(1.0, 2.0)), Bars(name="two", values=(0.0, 1.0))),
            note=text,
        ),
        BarChart(
            title=text,
            finding=text,
            labels=(text,),
            parts=(Bars(name=text, values=(0.7,)),),
            across=True,
            share=True,
            limit=0.9,
        ),
        Evidence(claim=text, query=text, command=text, coverage=text),
    )
    return ReportContent(
        title=text,
        report_type=ReportType.DETAILED_ANALYSIS,
        headline=text,
        tone=Tone.CRITICAL,
        clusters=(text, "b"),
        simulated=simulated,
        time_range=TimeRange(start=START, end=END),
        sections=(Section(title=text, finding=text, tone=Tone.CRITICAL, blocks=blocks),),
        not_available=(NotAvailable(what=text, why=text),),
        generated_by=text,
        created_at=END,
        version="1.2.3",
    )


@pytest.fixture
def content():
    return content_of
