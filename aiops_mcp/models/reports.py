"""Reports: what is kept of each, and what one says, as data that any format can be made of."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from aiops_mcp.models.entity import Entity, Timestamp


class ReportType(StrEnum):
    EXECUTIVE_SUMMARY = "EXECUTIVE_SUMMARY"
    DETAILED_ANALYSIS = "DETAILED_ANALYSIS"
    INCIDENT_REPORT = "INCIDENT_REPORT"
    CAPACITY_PLAN = "CAPACITY_PLAN"


class ReportFormat(StrEnum):
    HTML = "HTML"
    PDF = "PDF"
    MARKDOWN = "MARKDOWN"
    JSON = "JSON"


class TimeRange(Entity):
    start: Timestamp
    end: Timestamp


class Report(Entity):
    """A report that was made. ``cluster_scope`` are the names of all clusters it tells of.

    ``storage_path`` is its name below the place where reports are kept. ``not_available`` counts
    what could not be told.
    """

    id: UUID
    title: str
    report_type: ReportType
    format: ReportFormat
    headline: str
    cluster_scope: tuple[str, ...]
    time_range: TimeRange
    generated_by: str
    storage_path: str
    size_bytes: int
    not_available: int = 0
    created_at: Timestamp
    expires_at: Timestamp


class Download(Entity):
    """A file as it is sent: its own bytes instead of JSON."""

    file_name: str
    media_type: str
    content: bytes = Field(repr=False)


# --- what a report says -----------------------------------------------------------------------


class Tone(StrEnum):
    """How a value is to be taken. The word or glyph beside it says the same without colour."""

    PLAIN = "PLAIN"
    CRITICAL = "CRITICAL"
    WARNING = "WARNING"
    OK = "OK"
    MUTED = "MUTED"


class Paragraph(Entity):
    kind: Literal["paragraph"] = "paragraph"
    text: str
    tone: Tone = Tone.PLAIN


class Fact(Entity):
    """One figure with its name, and a few words below it."""

    label: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


class Facts(Entity):
    kind: Literal["facts"] = "facts"
    facts: tuple[Fact, ...]


class Align(StrEnum):
    LEFT = "LEFT"
    RIGHT = "RIGHT"


class Column(Entity):
    """``code``: a monospaced face; ``wide``: takes the room that is left; ``toned``: severities."""

    title: str
    align: Align = Align.LEFT
    code: bool = False
    wide: bool = False
    toned: bool = False


Cell = str | int | float | None


class Table(Entity):
    """``left_out`` counts rows that were cut off; the worst come first."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0
    empty: str = "Nothing."


class Line(Entity):
    """A series: ``[unix_seconds, value]``, oldest first; null values break the line."""

    name: str
    points: tuple[tuple[float, float | None], ...]


class Marker(Entity):
    """A moment on a chart, in unix seconds."""

    at: float
    text: str


class LineChart(Entity):
    """``title`` says measure and unit. ``share``: values are 0 to 1 and shown as per cent."""

    kind: Literal["line_chart"] = "line_chart"
    title: str
    finding: str
    start: float
    end: float
    lines: tuple[Line, ...]
    share: bool = False
    limit: float | None = None
    markers: tuple[Marker, ...] = ()
    note: str = ""


class Bars(Entity):
    """One part of every bar, such as the critical alerts of each day."""

    name: str
    values: tuple[float, ...]
    tone: Tone = Tone.PLAIN


class BarChart(Entity):
    """Bars of parts that lie on each other; ``across``: they lie on their side, one a line."""

    kind: Literal["bar_chart"] = "bar_chart"
    title: str
    finding: str
    labels: tuple[str, ...]
    parts: tuple[Bars, ...]
    across: bool = False
    share: bool = False
    limit: float | None = None
    note: str = ""


class Evidence(Entity):
    """What a claim stands on: the query as it was asked, and the command that asks it again."""

    kind: Literal["evidence"] = "evidence"
    claim: str
    query: str | None = None
    command: str
    coverage: str = ""


Block = Annotated[
    Paragraph | Facts | Table | LineChart | BarChart | Evidence, Field(discriminator="kind")
]


class Section(Entity):
    """``finding`` is what the section comes to, in a sentence."""

    title: str
    finding: str
    tone: Tone = Tone.PLAIN
    blocks: tuple[Block, ...] = ()


class NotAvailable(Entity):
    """What a report lacks, and why."""

    what: str
    why: str


class ReportContent(Entity):
    """A whole report, without any form."""

    title: str
    report_type: ReportType
    headline: str
    tone: Tone = Tone.PLAIN
    clusters: tuple[str, ...]
    simulated: bool = False
    time_range: TimeRange
    sections: tuple[Section, ...]
    not_available: tuple[NotAvailable, ...] = ()
    generated_by: str
    created_at: Timestamp
    version: str
