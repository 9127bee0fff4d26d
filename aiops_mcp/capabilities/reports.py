"""Reports over the fleet: made, listed, fetched and deleted."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import AliasChoices, Field

from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.capabilities.reports_digest import digest_report, digest_reports
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError, ReportNotFound
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Duration, Page, duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.models.reports import Download, Report, ReportFormat, ReportType
from aiops_mcp.operation import Capability, Clusters, Effect, Input, WriteInput

if TYPE_CHECKING:
    from aiops_mcp.fleet.report_gathering import ReportSources

reports = Capability("reports", "Reports over the fleet, kept for later.")


class NewReport(Input):
    report_type: Annotated[ReportType, Field(description="What it is for")]
    format: Annotated[ReportFormat, Field(description="Form of the file")] = ReportFormat.HTML
    clusters: Annotated[
        Clusters,
        Field(validation_alias=AliasChoices("clusters", "cluster_scope")),
    ] = ()
    start_time: When | None = Field(
        default=None, validation_alias=AliasChoices("start_time", "from")
    )
    end_time: When = Field(default="now", validation_alias=AliasChoices("end_time", "to"))
    alert: Annotated[
        str | None, Field(description="Fingerprint, of INCIDENT_REPORT", max_length=64)
    ] = None
    title: Annotated[str | None, Field(description="Instead of the usual", max_length=200)] = None
    horizon: Annotated[Duration, Field(description="Of forecasts")] = "30d"


def sources_of(context: Context) -> "ReportSources":
    """The services that a report asks."""
    from aiops_mcp.fleet.report_gathering import ReportSources

    return ReportSources(
        fleet=context.fleet,
        alerts=context.alerts,
        objects=context.objects,
        gpu_health=context.gpu_health,
        cnf=context.cnf,
        logs=context.logs,
        traces=context.traces,
        metrics=context.metrics,
        settings=context.settings,
        clock=context.clock,
    )


@reports.operation(
    "create_report",
    route="POST /reports",
    needs="reports:write",
    digest=digest_report,
    status=201,
    limit="reports",
)
async def create_report(context: Context, request: NewReport) -> Report:
    """Make a report to keep and share: what it found, and how to fetch it.

    Changes nothing in any cluster. Takes up to a minute.
    """
    from aiops_mcp.fleet.report_wanted import Asked, wanted_of

    now, sources = context.clock(), sources_of(context)
    start = request.start_time and requested_moment(request.start_time, now, "start_time")
    asked = Asked(
        request.report_type,
        request.clusters,
        start or None,
        None if request.end_time == "now" else requested_moment(request.end_time, now, "end_time"),
        alert=request.alert,
        horizon=timedelta(seconds=_horizon(request.horizon)),
    )
    wanted = await wanted_of(sources, asked, context.principal)
    made = await context.reports.create(
        sources,
        wanted,
        request.format,
        principal=context.principal,
        title=request.title,
        progress=context.call.progress,
    )
    assert made is not None  # noqa: S101 - only a turn of a schedule can be taken
    return made


def _horizon(text: str) -> int:
    seconds = duration_seconds(text)
    if not 3600 <= seconds <= 10 * 366 * 86_400:
        raise InputError(
            f"A forecast cannot look {text} ahead.",
            "Ask for an hour to ten years.",
            details={"field": "horizon"},
        )
    return seconds


class ReportQuery(Input):
    report_type: Annotated[ReportType | None, Field(description="Only these")] = None
    page: PageNumber = 1
    page_size: PageSize = 20


class ReportPage(Page[Report]):
    """Reports, newest first."""


def _digest_page(request: ReportQuery, answer: ReportPage) -> Digest:
    del request
    return digest_reports(answer)


@reports.operation(
    "list_reports", route="GET /reports", needs="reports:read", tool=False, digest=_digest_page
)
async def list_reports(context: Context, request: ReportQuery) -> ReportPage:
    """The reports that are kept, newest first: those of clusters that the caller may see."""
    items, total = await context.reports.page(
        request.report_type,
        principal=context.principal,
        offset=(request.page - 1) * request.page_size,
        limit=request.page_size,
    )
    return ReportPage(
        items=items,
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-total // request.page_size),
    )


class OneReport(Input):
    report: Annotated[str, Field(description="Its id", max_length=64)]


def report_id_of(text: str) -> UUID:
    """The id; what is none is the id of no report. Raises ReportNotFound."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ReportNotFound(
            f"There is no report '{text}'.", "List them with `aiops report list`."
        ) from error


@reports.operation(
    "get_report",
    route="GET /reports/{report}",
    needs="reports:read",
    tool=False,
    digest=digest_report,
)
async def get_report(context: Context, request: OneReport) -> Report:
    """What is known of one report."""
    return await context.reports.get(report_id_of(request.report), context.principal)


@reports.operation(
    "download_report", route="GET /reports/{report}/download", needs="reports:read", tool=False
)
async def download_report(context: Context, request: OneReport) -> Download:
    """The report itself, as a file."""
    return await context.reports.download(report_id_of(request.report), context.principal)


class DeleteReport(WriteInput):
    report: Annotated[str, Field(description="Its id", max_length=64)]


def _digest_deleted(request: DeleteReport, answer: Report) -> Digest:
    done = "Would delete" if request.dry_run else "Deleted"
    return Digest(headline=f"{done} the report {answer.id}: {answer.title}")


@reports.operation(
    "delete_report",
    route="DELETE /reports/{report}",
    needs="reports:write",
    effect=Effect.DESTROY,
    tool=False,
    digest=_digest_deleted,
)
async def delete_report(context: Context, request: DeleteReport) -> Report:
    """Delete a report; what it told of stays as it is."""
    report_id = report_id_of(request.report)
    if request.dry_run:
        return await context.reports.get(report_id, context.principal)
    return await context.reports.remove(report_id, context.principal)
