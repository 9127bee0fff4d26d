"""`aiops report …`: make reports of the fleet, list, show, fetch and delete them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.options import Names
from aiops_mcp.errors import InputError

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.session import Session
    from aiops_mcp.models.digest import Digest
    from aiops_mcp.models.reports import Download

Kind = Annotated[str, typer.Argument(help="executive-summary, detailed-analysis, …")]
Form = Annotated[str | None, typer.Option("--format", "-f", help="html, pdf, markdown or json.")]
Into = Annotated[
    Path | None, typer.Option("--output", "-o", help="File or folder to save it in; - for stdout.")
]
ReportId = Annotated[str, typer.Argument(help="Its id, as `aiops report list` shows it.")]

KINDS = {
    "executive": "EXECUTIVE_SUMMARY",
    "summary": "EXECUTIVE_SUMMARY",
    "detailed": "DETAILED_ANALYSIS",
    "incident": "INCIDENT_REPORT",
    "capacity": "CAPACITY_PLAN",
}
FORMS = {"md": "MARKDOWN", "htm": "HTML"}


def new(
    context: typer.Context,
    kind: Kind,
    cluster: Names = None,
    form: Form = None,
    since: Annotated[str | None, typer.Option(help="Start: 6h, 7d, or a time.")] = None,
    until: Annotated[str | None, typer.Option(help="End. Default: now.")] = None,
    alert: Annotated[
        str | None, typer.Option(help="Fingerprint of the alert that an incident report is of.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Instead of the usual one.")] = None,
    horizon: Annotated[str | None, typer.Option(help="How far ahead forecasts look: 90d.")] = None,
    output: Into = None,
) -> None:
    """Make a report and keep it; with -o save it as well."""
    run: Run = context.obj
    ending = output.suffix.lstrip(".").lower() if output else ""
    arguments: dict[str, Any] = {
        "report_type": _upper(kind, KINDS),
        "format": _upper(form or ending, FORMS) if form or ending else None,
        "clusters": cluster,
        "start_time": since,
        "end_time": until,
        "alert": alert,
        "title": title,
        "horizon": horizon,
    }
    given = {key: value for key, value in arguments.items() if value not in (None, [])}

    async def body(session: "Session") -> None:
        with run.progress() as progress:
            digest = await session.ask("create_report", given, progress=progress)
        if output is None or str(output) != "-":
            run.output.digest(digest)
        if output is not None:
            await _save(run, session, _id_of(digest), output)

    run.with_session(body)


def _upper(text: str, known: dict[str, str]) -> str:
    """``capacity-plan`` and ``capacity`` as the API writes it."""
    return known.get(text.lower(), text.upper().replace("-", "_"))


def _id_of(digest: "Digest") -> str:
    return str(digest.rows[0][digest.columns.index("id")])


def list_(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option("--type", help="Only these.")] = None,
    page: Annotated[int, typer.Option(help="Page, from 1.")] = 1,
) -> None:
    """The reports that are kept, newest first."""
    run: Run = context.obj
    wanted = _upper(kind, KINDS) if kind else None
    run.ask("list_reports", {"report_type": wanted, "page": page})


def show(context: typer.Context, report: ReportId) -> None:
    """What is known of one report."""
    run: Run = context.obj
    run.ask("get_report", {"report": report})


def download(context: typer.Context, report: ReportId, output: Into = None) -> None:
    """Fetch a report: into a file of its own name, into -o, or to stdout with -o -."""
    run: Run = context.obj

    async def body(session: "Session") -> None:
        await _save(run, session, report, output or Path())

    run.with_session(body)


async def _save(run: "Run", session: "Session", report: str, into: Path) -> None:
    file = await session.fetch("download_report", {"report": report})
    if str(into) == "-":
        sys.stdout.buffer.write(file.content)
        return
    path = _write(into, file)
    run.output.say(f"{path}  {len(file.content) / 1024:.1f} KiB")


def _write(into: Path, file: "Download") -> Path:
    path = into / file.file_name if into.is_dir() else into
    try:
        path.write_bytes(file.content)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}.", "Choose another place with -o."
        ) from error
    return path


def rm(
    context: typer.Context,
    report: ReportId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a report."""
    run: Run = context.obj

    async def body(session: "Session") -> None:
        if not yes:
            plan = await session.ask("delete_report", {"report": report, "dry_run": True})
            run.output.say(plan.headline)
            if not sys.stdin.isatty() or not typer.confirm("Do it?", err=True):
                run.output.say("Nothing was changed; --yes does it without asking.")
                raise typer.Exit(1)
        run.output.digest(await session.ask("delete_report", {"report": report}))

    run.with_session(body, write=True)


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops report``."""
    report = typer.Typer(help="Reports of the fleet.", no_args_is_help=True)
    report.command("new")(new)
    report.command("list")(list_)
    report.command("show")(show)
    report.command("download")(download)
    report.command("rm")(rm)
    app.add_typer(report, name="report")
