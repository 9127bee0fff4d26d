"""Reports made small: what one found and how to fetch it; which there are. Pure."""

from pydantic import BaseModel

from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Page
from aiops_mcp.models.reports import Report


def digest_report(request: BaseModel, answer: Report) -> Digest:
    """One report: its finding, and where it is."""
    del request
    missing = f"{answer.not_available} things could not be told" if answer.not_available else None
    period = answer.time_range
    return Digest(
        headline=f"{answer.title}. {answer.headline}",
        columns=("id", "format", "KiB", "from", "to", "clusters", "expires"),
        rows=(
            (
                str(answer.id),
                answer.format.value,
                round(answer.size_bytes / 1024, 1),
                f"{period.start:%Y-%m-%dT%H:%MZ}",
                f"{period.end:%Y-%m-%dT%H:%MZ}",
                len(answer.cluster_scope),
                f"{answer.expires_at:%Y-%m-%d}",
            ),
        ),
        as_of=answer.created_at,
        notes=tuple(note for note in (missing,) if note),
        more=f"GET /api/v1/reports/{answer.id}/download, or: aiops report download {answer.id}",
    )


def digest_reports(answer: Page[Report]) -> Digest:
    """A page of reports, newest first."""
    left = answer.total - answer.page * answer.page_size
    return Digest(
        headline=f"{answer.total} reports are kept, the newest first."
        if answer.total
        else "No report is kept.",
        columns=("id", "made", "type", "format", "KiB", "clusters", "by", "title"),
        rows=tuple(
            (
                str(one.id),
                f"{one.created_at:%Y-%m-%d %H:%M}Z",
                one.report_type.value,
                one.format.value,
                round(one.size_bytes / 1024, 1),
                len(one.cluster_scope),
                one.generated_by,
                one.title,
            )
            for one in answer.items
        ),
        more=f"{left} more: page={answer.page + 1}" if left > 0 else None,
    )
