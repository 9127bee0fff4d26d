"""`aiops correlate`: what belongs together, what else moved, who is unlike its peers."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Alert, At, Limit, Names, Window

if TYPE_CHECKING:
    from agents.cli import Run


def correlate(
    context: typer.Context,
    component: Annotated[
        str | None, typer.Argument(help="A component: shop/payment, a node. Without: all.")
    ] = None,
    cluster: Names = None,
    alert: Alert = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="PromQL to compare.")] = None,
    at: At = None,
    window: Window = None,
    limit: Limit = None,
) -> None:
    """Series, alerts, changes, events and logs that belong together, in the order of time."""
    run: Run = context.obj
    arguments = {
        "component": component,
        "clusters": cluster,
        "alert": alert,
        "query": query,
        "time": at,
        "window": window,
        "limit": limit,
    }
    run.ask("correlate", arguments)


def register(app: typer.Typer) -> None:
    """Put the command under ``aiops``."""
    app.command("correlate")(correlate)
