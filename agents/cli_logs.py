"""`aiops logs QUERY`: patterns and lines of many clusters, ``-f`` new ones; `aiops patterns`."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from agents.options import Limit, Names, Until, Window

if TYPE_CHECKING:
    from agents.cli import Run

_STYLES = {"FOLLOWING": "dim", "RETRYING": "yellow", "FAILED": "red"}
_WHO = ("pod", "kubernetes_pod_name", "k8s_pod_name", "app", "container", "job", "service_name")


def logs(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='LogQL: {namespace="shop"} |= "error"')],
    cluster: Names = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="New lines as they come.")] = False,
    since: Annotated[str, typer.Option(help="15m, 2h, or a time.")] = "1h",
    until: Annotated[str | None, typer.Option(help="A time; now, where not given.")] = None,
    lines: Annotated[bool, typer.Option("--lines", "-l", help="The lines too.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help="Lines read at most.")] = None,
    step: Annotated[str | None, typer.Option(help="Of a metric query: a range.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Of a Loki with tenants.")] = None,
) -> None:
    """Ask the logs of the fleet: patterns with counts, errors first; -f follows them."""
    run: Run = context.obj
    if follow:
        asked = {"query": query, "clusters": cluster or [], "limit": limit or 10, "tenant": tenant}
        run.guarded(lambda: asyncio.run(_follow(run, asked)))
        return
    is_span = since[:1].isdigit() and since[-1:] in "smhdw"
    run.ask(
        "query_logs",
        {
            "query": query,
            "clusters": cluster,
            "start_time": f"-{since}" if is_span else since,
            "end_time": until,
            "limit": limit,
            "step": step,
            "tenant": tenant,
            "response_format": "detailed" if lines else None,
        },
    )


def log_labels(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Values of this label.")] = None,
    cluster: Names = None,
    query: Annotated[str | None, typer.Option(help="Of these streams only: {app=…}")] = None,
) -> None:
    """Label names of log streams, or the values of one."""
    run: Run = context.obj
    run.ask("get_log_labels", {"label_name": name, "clusters": cluster, "query": query})


def patterns(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='LogQL: {namespace="shop"}')],
    cluster: Names = None,
    window: Window = None,
    until: Until = None,
    baseline: Annotated[
        str | None, typer.Option(help="Time before to compare with; as long as the window.")
    ] = None,
    limit: Limit = None,
) -> None:
    """Kinds of log lines against the time before: new, more, rare, vanished; errors first."""
    run: Run = context.obj
    arguments = {
        "query": query,
        "clusters": cluster,
        "window": window,
        "end_time": until,
        "baseline": baseline,
        "limit": limit,
    }
    run.ask("get_log_patterns", arguments)


def register(app: typer.Typer) -> None:
    app.command("logs")(logs)
    app.command("patterns")(patterns)
    app.command("log-labels")(log_labels)


async def _follow(run: "Run", asked: dict[str, Any]) -> None:
    from aiops_mcp.telemetry import configure_logging

    restore = configure_logging("ERROR", "text")
    try:
        frames = _from_here(run, asked) if run.server is None else _from_server(run, asked)
        async with aclosing(frames):
            async for frame in frames:
                _print(run, frame)
    finally:
        restore()


async def _from_here(run: "Run", asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """What an application in this process finds, in the frames that a server would send."""
    from aiops_mcp.app import open_app
    from aiops_mcp.models.principal import LOCAL_ADMIN
    from aiops_mcp.surfaces.log_tail import TailQuestion, frames_of

    question = TailQuestion(
        asked["query"], tuple(asked["clusters"]), None, asked["limit"], asked["tenant"]
    )
    async with open_app(run.settings(), watch=False) as app:
        await app.check_stale_clusters()
        async with aclosing(app.tail_logs(question, LOCAL_ADMIN)) as items:
            async for item in items:
                for frame in frames_of(item):
                    yield json.loads(frame)


async def _from_server(run: "Run", asked: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    from agents.log_tail_client import follow

    async with aclosing(
        follow(str(run.server), run.token, asked, told=lambda text: _tell(run, text))
    ) as frames:
        async for frame in frames:
            yield frame


def _tell(run: "Run", text: str) -> None:
    run.output.errors.print(Text(text, style="dim"), soft_wrap=True)


def _print(run: "Run", frame: dict[str, Any]) -> None:
    if frame["type"] == "source":
        text = f"{frame['cluster_name']}: {frame['status'].lower()} ({frame['source'].lower()})"
        error = f": {frame['error']}" if frame.get("error") else ""
        style = _STYLES.get(str(frame["status"]), "dim")
        run.output.errors.print(Text(text + error, style=style), soft_wrap=True)
    elif frame["type"] == "dropped":
        _tell(
            run, f"{frame['count']} lines were left out: they came faster than they could be shown"
        )
    elif frame["type"] == "log":
        for entry in frame["entries"]:
            _print_entry(run, entry)


def _print_entry(run: "Run", entry: dict[str, Any]) -> None:
    if run.output.as_json:
        sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    stream: dict[str, str] = entry.get("stream") or {}
    who = next((stream[label] for label in _WHO if stream.get(label)), "-")
    line = Text(f"{str(entry['timestamp'])[11:23]} ", style="dim")
    line.append(f"{entry['cluster_name']} ", style="cyan")
    line.append(f"{who} ", style="green")
    line.append(str(entry["message"]), style="default")
    run.output.console.print(line, soft_wrap=True)
