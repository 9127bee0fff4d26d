"""`aiops investigate` and `aiops incidents …`: what happened, why, and who takes care of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import At, Window

if TYPE_CHECKING:
    from agents.cli import Run

IncidentId = Annotated[str, typer.Argument(help="Its id, as `aiops incidents` shows it.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="A note to keep with it.")]

OfState = Annotated[
    str | None,
    typer.Option("--state", help="Only these: open, acknowledged or resolved."),
]
OfSeverity = Annotated[
    str | None, typer.Option("--severity", help="Only these: critical, warning or info.")
]
OfCluster = Annotated[str | None, typer.Option("--cluster", "-c", help="Name or id.")]
PageNumber = Annotated[int, typer.Option("--page", help="Page, from 1.")]


def investigate(
    context: typer.Context,
    alert: Annotated[
        str | None, typer.Argument(help="Fingerprint, id or name of an alert.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", "-c", help="Name or id.")] = None,
    component: Annotated[
        str | None, typer.Option(help="namespace/name, or a node of the cluster.")
    ] = None,
    at: At = None,
    window: Window = None,
) -> None:
    """Investigate an alert, or a cluster, now: its timeline and ranked causes, kept as incident."""
    run: Run = context.obj
    run.ask(
        "investigate",
        {
            "alert": alert,
            "cluster": cluster,
            "component": component,
            "time": at,
            "window": window,
        },
    )


def incidents(
    context: typer.Context,
    state: OfState = None,
    severity: OfSeverity = None,
    cluster: OfCluster = None,
    page: PageNumber = 1,
) -> None:
    """Incidents, newest first; with a command: one of them."""
    if context.invoked_subcommand is None:
        _list(context, state, severity, cluster, page)


def list_(
    context: typer.Context,
    state: OfState = None,
    severity: OfSeverity = None,
    cluster: OfCluster = None,
    page: PageNumber = 1,
) -> None:
    """Incidents, newest first."""
    _list(context, state, severity, cluster, page)


def _list(
    context: typer.Context, state: str | None, severity: str | None, cluster: str | None, page: int
) -> None:
    run: Run = context.obj
    run.ask(
        "list_incidents",
        {
            "state": state.upper() if state else None,
            "severity": severity.upper() if severity else None,
            "cluster": cluster,
            "page": page,
        },
    )


def show(context: typer.Context, incident: IncidentId) -> None:
    """One incident: its causes and its timeline."""
    run: Run = context.obj
    run.ask("get_incident", {"incident": incident})


def ack(context: typer.Context, incident: IncidentId, note: Note = None) -> None:
    """Take an incident on."""
    run: Run = context.obj
    run.ask("acknowledge_incident", {"incident": incident, "note": note})


def resolve(context: typer.Context, incident: IncidentId, note: Note = None) -> None:
    """Say that an incident is over."""
    run: Run = context.obj
    run.ask("resolve_incident", {"incident": incident, "note": note})


def reopen(context: typer.Context, incident: IncidentId, note: Note = None) -> None:
    """Take back an acknowledgement, or that an incident is over."""
    run: Run = context.obj
    run.ask("reopen_incident", {"incident": incident, "note": note})


def note(
    context: typer.Context,
    incident: IncidentId,
    text: Annotated[list[str], typer.Argument(help="What is to be known.")],
) -> None:
    """Write a note to an incident."""
    run: Run = context.obj
    run.ask("note_incident", {"incident": incident, "text": " ".join(text)})


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops``."""
    app.command("investigate")(investigate)
    group = typer.Typer(help="Incidents of the fleet; alone: all, newest first.")
    group.callback(invoke_without_command=True)(incidents)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("ack")(ack)
    group.command("resolve")(resolve)
    group.command("reopen")(reopen)
    group.command("note")(note)
    app.add_typer(group, name="incidents")
