"""`aiops triage` and `aiops rca`: what is wrong now, and what probably caused it."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Alert, At, Limit, Names, Window

if TYPE_CHECKING:
    from agents.cli import Run


def triage(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """What is wrong in the fleet now, worst first, with evidence and what to ask next."""
    run: Run = context.obj
    run.ask("triage", {"clusters": cluster, "limit": limit})


def rca(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(help="A component: shop/payment, a node. Without: --alert, or the cluster."),
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", "-c", help="Name or id.")] = None,
    alert: Alert = None,
    anomaly: Annotated[str | None, typer.Option(help="Id of an anomaly.")] = None,
    at: At = None,
    window: Window = None,
    limit: Limit = None,
) -> None:
    """What probably caused it: of an alert, a component, or a cluster and a time."""
    run: Run = context.obj
    arguments = {
        "cluster": cluster,
        "alert": alert,
        "anomaly": anomaly,
        "component": what,
        "time": at,
        "window": window,
        "limit": limit,
    }
    run.ask("analyze_root_cause", arguments)


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops``."""
    app.command("triage")(triage)
    app.command("rca")(rca)
