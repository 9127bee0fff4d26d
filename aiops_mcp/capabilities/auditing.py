"""The record of calls, for administrators."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.capabilities.server import server
from aiops_mcp.context import Context
from aiops_mcp.models.audit import AuditFilter, AuditRecord
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Page, Timestamp
from aiops_mcp.operation import Effect, Input


class AuditInput(Input):
    """Filters; what is not given does not matter."""

    subject: str | None = Field(default=None, description="Who asked")
    operation: str | None = Field(default=None, description="Its name, such as query_metrics")
    surface: str | None = Field(default=None, description="mcp, rest, cli or websocket")
    effect: Effect | None = Field(default=None, description="read, write or destroy")
    outcome: str | None = Field(default=None, description="OK, or an error's code")
    trace_id: str | None = Field(default=None, description="Of the request")
    since: Annotated[Timestamp | None, Field(description="Records from then on")] = None
    until: Annotated[Timestamp | None, Field(description="Records before then")] = None
    page: PageNumber = 1
    page_size: PageSize = 20


class AuditPage(Page[AuditRecord], Entity):
    """Records, newest first."""


def _digest(request: AuditInput, answer: AuditPage) -> Digest:
    del request
    failed = sum(record.outcome != "OK" for record in answer.items)
    said = f"{answer.total} calls recorded"
    if answer.items:
        said += f"; of the {len(answer.items)} shown, {failed} failed"
    more = (
        f"page {answer.page} of {answer.total_pages}: ask with page={answer.page + 1}"
        if answer.page < answer.total_pages
        else None
    )
    return Digest(
        headline=said + ".",
        columns=("at", "who", "surface", "operation", "clusters", "outcome", "ms", "trace"),
        rows=tuple(
            (
                f"{record.at:%m-%d %H:%M:%S}",
                record.subject,
                record.surface,
                record.operation,
                ", ".join(record.clusters)[:60],
                record.outcome,
                round(record.duration_ms, 1),
                record.trace_id,
            )
            for record in answer.items
        ),
        more=more,
    )


@server.operation("list_audit", route="GET /audit", needs="audit:read", tool=False, digest=_digest)
async def list_audit(context: Context, request: AuditInput) -> AuditPage:
    """List what was asked of the server: who, what, of which clusters, and how it went."""
    wanted = AuditFilter(
        subject=request.subject,
        operation=request.operation,
        surface=request.surface,
        effect=request.effect.value if request.effect else None,
        outcome=request.outcome,
        trace_id=request.trace_id,
        since=request.since,
        until=request.until,
    )
    offset = (request.page - 1) * request.page_size
    items, total = await context.audit.page(wanted, offset=offset, limit=request.page_size)
    return AuditPage(
        items=items,
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-total // request.page_size),
    )
