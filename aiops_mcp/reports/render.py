"""A report in the form that was asked for. Pure but for fonts, which a PDF reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiops_mcp.models.reports import ReportContent, ReportFormat
from aiops_mcp.reports.html import render_html
from aiops_mcp.reports.markdown import render_markdown

MEDIA_TYPES: Final = {
    ReportFormat.HTML: "text/html; charset=utf-8",
    ReportFormat.PDF: "application/pdf",
    ReportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ReportFormat.JSON: "application/json",
}
ENDINGS: Final = {
    ReportFormat.HTML: "html",
    ReportFormat.PDF: "pdf",
    ReportFormat.MARKDOWN: "md",
    ReportFormat.JSON: "json",
}


def render(content: ReportContent, form: ReportFormat, fonts: Sequence[Path] = ()) -> bytes:
    """The report's bytes; ``fonts`` are for PDF alone."""
    if form is ReportFormat.HTML:
        return render_html(content)
    if form is ReportFormat.MARKDOWN:
        return render_markdown(content)
    if form is ReportFormat.JSON:
        return content.model_dump_json(indent=1).encode()
    # The PDF library takes a fifth of a second to import.
    from aiops_mcp.reports.pdf import render_pdf

    return render_pdf(content, fonts)
