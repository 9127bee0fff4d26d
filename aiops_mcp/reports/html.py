"""A report as one HTML file: no script, nothing fetched, every text escaped. Pure."""

from collections.abc import Sequence

from aiops_mcp.models.reports import (
    Align,
    BarChart,
    Block,
    Cell,
    Column,
    Evidence,
    Facts,
    LineChart,
    NotAvailable,
    Paragraph,
    ReportContent,
    Section,
    Table,
    Tone,
)
from aiops_mcp.reports.drawing import draw
from aiops_mcp.reports.html_style import stylesheet
from aiops_mcp.reports.markup import Markup, element, joined, raw
from aiops_mcp.reports.svg import svg
from aiops_mcp.reports.wording import TONES, day_and_time, number

_SHORT = 28
"""A cell of so few letters, such as a moment or a cluster's name, stays on one line."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What the page may do: show itself, and nothing else."""


def render_html(content: ReportContent) -> bytes:
    """The whole page, UTF-8."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", content.title),
        element("style", raw(stylesheet())),
    )
    body = element(
        "body",
        element(
            "main",
            _header(content),
            (_section(section, at) for at, section in enumerate(content.sections, 1)),
            _missing(content.not_available),
            element("footer", _foot(content)),
        ),
    )
    page = element("html", head, "\n", body, lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _header(content: ReportContent) -> Markup:
    period = content.time_range
    about = [
        ("Period", f"{day_and_time(period.start)} to {day_and_time(period.end)}"),
        ("Made", f"{day_and_time(content.created_at)} by {content.generated_by}"),
        ("Clusters", ", ".join(content.clusters) or "none"),
    ]
    kicker = [element("span", content.report_type.value.replace("_", " ").capitalize())]
    if content.simulated:
        kicker.append(joined(" ", element("span", "Simulated fleet", class_="simulated")))
    contents = [
        element("li", element("a", section.title, href=f"#s{at}"))
        for at, section in enumerate(content.sections, 1)
    ]
    if content.not_available:
        contents.append(element("li", element("a", "Not available", href="#missing")))
    return element(
        "header",
        element("p", kicker, class_="kicker"),
        element("h1", content.title),
        element("p", content.headline, class_=f"lead {content.tone.value.lower()}"),
        element(
            "dl",
            (element("div", element("dt", name), element("dd", text)) for name, text in about),
            class_="about",
        ),
        element("nav", element("ol", contents), aria_label="Contents"),
    )


def _section(section: Section, at: int) -> Markup:
    return element(
        "section",
        element("h2", section.title),
        element("p", section.finding, class_="finding"),
        (_block(block) for block in section.blocks),
        id_=f"s{at}",
    )


def _block(block: Block) -> Markup:
    if isinstance(block, Paragraph):
        return element("p", block.text, class_="quiet" if block.tone is Tone.MUTED else None)
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, (LineChart, BarChart)):
        return _figure(block)
    return _evidence(block)


def _facts(block: Facts) -> Markup:
    return element(
        "dl",
        (
            element(
                "div",
                element("dt", fact.label),
                element("dd", fact.value, class_=f"value {fact.tone.value.lower()}"),
                element("dd", fact.note, class_="note"),
            )
            for fact in block.facts
        ),
        class_="facts",
    )


def _table(table: Table) -> Markup:
    title = element("h3", table.title)
    if not table.rows:
        return joined(title, element("p", table.empty, class_="quiet"))
    right = ["right" if one.align is Align.RIGHT else None for one in table.columns]
    head = [
        element("th", one.title, scope="col", class_=side)
        for one, side in zip(table.columns, right, strict=True)
    ]
    rows = [
        element(
            "tr",
            (_cell(cell, column) for cell, column in zip(row, table.columns, strict=True)),
        )
        for row in table.rows
    ]
    body = element(
        "div",
        element("table", element("thead", element("tr", head)), element("tbody", rows)),
        class_="scroll",
    )
    cut = element("p", f"{table.left_out:,} more, not shown.", class_="cut")
    return joined(title, body, cut if table.left_out > 0 else raw(""))


def _cell(cell: Cell, column: Column) -> Markup:
    text = cell_text(cell)
    sides = ["right"] if column.align is Align.RIGHT else []
    sides += ["wide"] if column.wide else ["short" if len(text) <= _SHORT else "long"]
    tone = TONES.get(text) if column.toned else None
    if tone is not None:
        return element("td", element("span", text, class_=f"tone {tone.value.lower()}"))
    inner: Markup = element("code", text) if column.code and text else joined(text)
    return element("td", inner, class_=" ".join(sides) or None)


def cell_text(cell: Cell) -> str:
    """What a cell shows; what is not known is empty."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else number(cell)


def _figure(chart: LineChart | BarChart) -> Markup:
    caption = [element("b", chart.title), joined(" "), element("span", chart.finding)]
    note = element("p", chart.note, class_="quiet") if chart.note else raw("")
    name = f"{chart.title}. {chart.finding}"
    return element("figure", element("figcaption", caption), svg(draw(chart), name), note)


def _evidence(block: Evidence) -> Markup:
    parts = [element("summary", f"Evidence: {block.claim}")]
    if block.query:
        parts += [element("p", "Query"), element("pre", block.query)]
    parts += [element("p", "Ask again"), element("pre", block.command)]
    if block.coverage:
        parts.append(element("p", block.coverage))
    return element("details", parts)


def _missing(missing: Sequence[NotAvailable]) -> Markup:
    if not missing:
        return raw("")
    rows = [
        element("tr", element("td", one.what, class_="long"), element("td", one.why, class_="wide"))
        for one in missing
    ]
    head = element("tr", element("th", "What", scope="col"), element("th", "Why", scope="col"))
    body = element("tbody", rows)
    said = "What this report lacks. Silence about these is no sign that they are well."
    return element(
        "section",
        element("h2", "Not available"),
        element("p", said, class_="finding"),
        element("div", element("table", element("thead", head), body), class_="scroll"),
        id_="missing",
    )


def _foot(content: ReportContent) -> str:
    return f"All times are UTC. Made by aiops {content.version}; every figure can be asked again."
