"""`aiops anomalies`, `since-when`, `forecast`: what is unusual, since when, and what runs out."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Limit, Names, Until, Window

if TYPE_CHECKING:
    from agents.cli import Run

PromQL = Annotated[str | None, typer.Argument(help="PromQL; without it: all that matters.")]
Step = Annotated[str | None, typer.Option(help="Of the series, such as 1m.")]


def anomalies(
    context: typer.Context,
    query: PromQL = None,
    cluster: Names = None,
    window: Window = None,
    until: Until = None,
    step: Step = None,
    sensitivity: Annotated[
        str | None, typer.Option("--sensitivity", "-s", help="LOW, MEDIUM, HIGH or EXTREME.")
    ] = None,
    limit: Limit = None,
) -> None:
    """What is unusual in the fleet, since when, expected against actual, worst first."""
    run: Run = context.obj
    arguments = {
        "query": query,
        "clusters": cluster,
        "window": window,
        "end_time": until,
        "step": step,
        "sensitivity": sensitivity.upper() if sensitivity else None,
        "limit": limit,
    }
    run.ask("detect_anomalies", arguments)


def since_when(
    context: typer.Context,
    query: PromQL = None,
    cluster: Names = None,
    window: Window = None,
    until: Until = None,
    limit: Limit = None,
) -> None:
    """Where series changed their level, in the order of time: what moved first."""
    run: Run = context.obj
    arguments = {
        "query": query,
        "clusters": cluster,
        "window": window,
        "end_time": until,
        "limit": limit,
    }
    run.ask("find_changes", arguments)


def forecast(
    context: typer.Context,
    query: Annotated[
        str | None,
        typer.Argument(help="PromQL, with --threshold; without it: disks, quotas, certificates …"),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="What the query will reach.")] = None,
    cluster: Names = None,
    horizon: Annotated[str | None, typer.Option(help="How far ahead: 7d.")] = None,
    window: Window = None,
    limit: Limit = None,
) -> None:
    """What runs out and when, soonest first, with the earliest and the latest time."""
    run: Run = context.obj
    arguments = {
        "query": query,
        "threshold": threshold,
        "clusters": cluster,
        "horizon": horizon,
        "window": window,
        "limit": limit,
    }
    run.ask("forecast", arguments)


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops``."""
    app.command("anomalies")(anomalies)
    app.command("since-when")(since_when)
    app.command("forecast")(forecast)
