"""`aiops`: the fleet from a terminal. Thin: arguments in, one operation, its digest out.

Imports what a command needs when it runs; ``aiops --help`` loads neither an MCP stack nor a model
client. What every command shares (settings, session, output, errors) is in ``Run``.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeVar

import typer

from agents.options import Limit, Names
from agents.output import EXIT_INTERRUPTED, Output
from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.garbage import look_seldom

if TYPE_CHECKING:
    from typer.models import CommandInfo, TyperInfo

    from agents.session import Session
    from aiops_mcp.settings import Settings

HELP: Final = """Ask a whole fleet of Kubernetes and OpenShift clusters one question.

Tables on a terminal, JSON in a pipe or with --json. Without --server a command asks the clusters
from this process; with it, a running server. Exit codes: 0 answered, 1 failed, 2 bad input,
130 interrupted.
"""

ResultT = TypeVar("ResultT")

app = typer.Typer(help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
clusters_app = typer.Typer(help="The registered clusters.", no_args_is_help=True)
gpu_app = typer.Typer(help="GPUs of the fleet; alone: its nodes.", invoke_without_command=True)
app.add_typer(clusters_app, name="clusters")
alerts_app = typer.Typer(help="Alerts of the fleet; alone: those that fire.")
app.add_typer(gpu_app, name="gpu")
app.add_typer(alerts_app, name="alerts")


@dataclass(slots=True)
class Run:
    """What the options before the command say."""

    output: Output
    server: str | None
    token: str | None
    demo: bool

    def settings(self, **changes: Any) -> "Settings":
        from aiops_mcp.settings import Settings

        given = {key: value for key, value in changes.items() if value is not None}
        if self.demo:
            given["demo"] = True
        return Settings(**given)

    def ask(self, operation: str, arguments: Mapping[str, Any], *, write: bool = False) -> None:
        """Ask one operation and print its digest."""
        given = {key: value for key, value in arguments.items() if value not in (None, [], ())}

        async def body(session: "Session") -> None:
            with self.progress() as progress:
                digest = await session.ask(operation, given, progress=progress)
            self.output.digest(digest)

        self.with_session(body, write=write)

    def progress(self) -> "_Progress":
        """Shows how far a long operation is; a context manager."""
        return _Progress(self.output)

    def with_session(
        self, body: Callable[["Session"], Awaitable[None]], *, write: bool = False
    ) -> None:
        """Open a session, run ``body`` in it, and end with the exit code its errors deserve."""

        async def main() -> None:
            from agents.session import open_session
            from aiops_mcp.telemetry import configure_logging

            # A person at a terminal who types a writing command has allowed it by that.
            settings = self.settings(allow_write=True if write else None)
            restore = configure_logging("ERROR", "text")
            try:
                async with open_session(settings, server=self.server, token=self.token) as session:
                    await body(session)
            finally:
                restore()

        self.guarded(lambda: asyncio.run(main()))

    def guarded(self, action: Callable[[], ResultT]) -> ResultT:
        """Run ``action``; an error of ours or an interrupt becomes a message and an exit code."""
        from pydantic import ValidationError

        try:
            return action()
        except AiopsError as error:
            raise typer.Exit(self.output.error(error)) from error
        except ValidationError as error:
            raise typer.Exit(self.output.error(_invalid(error))) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(EXIT_INTERRUPTED) from error


def _invalid(error: Any) -> InputError:
    """A pydantic refusal as one line a field."""
    lines = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'arguments'}: "
        + fault["msg"].removeprefix("Value error, ")
        for fault in error.errors(include_url=False, include_input=False)
    ]
    return InputError("; ".join(lines), "See --help of this command.")


class _Progress:
    """Progress on stderr while one waits on a terminal; silent in a pipe."""

    def __init__(self, output: Output) -> None:
        self._status = output.errors.status("asking …") if output.errors.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    async def __call__(self, done: float, total: float | None, message: str) -> None:
        if self._status:
            share = f"{done:g}/{total:g} " if total else ""
            self._status.update(f"{share}{message}")


def _version(show: bool) -> None:
    if show:
        from aiops_mcp import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main_options(
    context: typer.Context,
    json: Annotated[
        bool | None, typer.Option("--json/--table", help="JSON or tables, whatever stdout is.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(envvar="AIOPS_SERVER", help="Ask this running server.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="AIOPS_TOKEN", help="Its API token.", show_default=False)
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Ask the simulated fleet.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    del version
    context.obj = Run(Output(as_json=json), server, token, demo)


@app.command()
def query(
    context: typer.Context,
    promql: Annotated[str, typer.Argument(help="A PromQL expression.")],
    cluster: Names = None,
    since: Annotated[
        str | None, typer.Option(help="Start of a range: 6h, or a time. Without it: now only.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="End of the range, or the instant.")] = None,
    step: Annotated[str | None, typer.Option(help="Step of the range, such as 1m.")] = None,
    aggregation: Annotated[
        str | None, typer.Option(help="Over clusters: MERGE, SUM, AVG, MAX or MIN.")
    ] = None,
    detailed: Annotated[bool, typer.Option("--detailed", help="Points as well.")] = False,
    limit: Limit = None,
) -> None:
    """Run a PromQL query on the whole fleet and print it as one table."""
    run: Run = context.obj
    run.ask(
        "query_metrics",
        {
            "query": promql,
            "clusters": cluster,
            "start_time": since,
            "end_time": until,
            "step": step,
            "aggregation": aggregation.upper() if aggregation else None,
            "response_format": "detailed" if detailed else None,
            "limit": limit,
        },
    )


@app.command()
def metrics(
    context: typer.Context,
    words: Annotated[list[str], typer.Argument(help="What you look for: gpu temperature.")],
    cluster: Names = None,
    limit: Limit = None,
) -> None:
    """Find the names of metrics by keyword."""
    run: Run = context.obj
    run.ask("find_metrics", {"search": " ".join(words), "clusters": cluster, "limit": limit})


@app.command()
def fleet(context: typer.Context) -> None:
    """The fleet in a few lines: how many, how they are, who wants a look."""
    run: Run = context.obj
    run.ask("get_fleet_summary", {})


@gpu_app.callback()
def gpu(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        gpu_nodes(context)


@gpu_app.command("nodes")
def gpu_nodes(
    context: typer.Context,
    cluster: Names = None,
    detailed: Annotated[bool, typer.Option("--detailed", help="A row a card.")] = False,
    limit: Limit = None,
) -> None:
    """Nodes with GPUs, those with trouble first."""
    run: Run = context.obj
    run.ask(
        "get_gpu_nodes",
        {
            "clusters": cluster,
            "response_format": "detailed" if detailed else None,
            "limit": limit,
        },
    )


@gpu_app.command("processes")
def gpu_processes(context: typer.Context, cluster: Names = None, limit: Limit = None) -> None:
    """Processes on GPUs, the largest memory first."""
    run: Run = context.obj
    run.ask("get_gpu_processes", {"clusters": cluster, "limit": limit})


@gpu_app.command("summary")
def gpu_summary(context: typer.Context) -> None:
    """GPUs of the fleet by model: how many, how busy, how hot."""
    run: Run = context.obj
    run.ask("get_gpu_summary", {})


PANELS: Final = {
    "Fleet": ("fleet", "clusters", "unhealthy", "changes", "compare", "get", "show", "events"),
    "Signals": (
        *("alerts", "query", "metrics", "logs", "patterns", "log-labels", "pod-logs"),
        *("traces", "gpu", "cnf"),
    ),
    "Analysis": ("triage", "rca", "correlate", "anomalies", "since-when", "forecast", "report"),
    "Agent": (
        *("ask", "chat", "investigate", "incidents", "runbook", "personas", "models", "eval"),
    ),
    "Live": ("watch",),
    "Serve": ("demo", "serve", "simulate", "doctor", "audit"),
}
"""Where `aiops --help` shows a command; the panels stand in the order of their first one."""


def arrange() -> None:
    """Put every command and group into its panel, in the order of ``PANELS``."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    places = {name: place for place, name in enumerate(panel_of)}

    def name_of(entry: "CommandInfo | TyperInfo") -> str:
        return entry.name or getattr(entry.callback, "__name__", "")

    for entries in (app.registered_commands, app.registered_groups):
        for entry in entries:
            entry.rich_help_panel = panel_of.get(name_of(entry))
        entries.sort(key=lambda entry: places.get(name_of(entry), len(places)))


OUTPUT_OPTIONS: Final = ("--json", "--table")


def output_options_first(arguments: Sequence[str]) -> list[str]:
    """``--json`` and ``--table`` may stand after the command too, where people type them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    chosen = [each for each in arguments[:end] if each in OUTPUT_OPTIONS]
    others = [each for each in arguments[:end] if each not in OUTPUT_OPTIONS]
    return [*chosen, *others, *arguments[end:]]


def register() -> None:
    """Add the commands of all areas, which are loaded only when a command is run."""
    from agents import (
        cli_alerts,
        cli_analysis,
        cli_ask,
        cli_clusters,
        cli_cnf,
        cli_correlate,
        cli_eval,
        cli_gpu,
        cli_investigate,
        cli_kubernetes,
        cli_logs,
        cli_models,
        cli_personas,
        cli_reports,
        cli_runbook,
        cli_servers,
        cli_traces,
        cli_triage,
        cli_watch,
    )

    cli_clusters.register(clusters_app)
    cli_alerts.register(alerts_app)
    cli_analysis.register(app)
    cli_ask.register(app)
    cli_reports.register(app)
    cli_servers.register(app)
    cli_kubernetes.register(app)
    cli_cnf.register(app)
    cli_correlate.register(app)
    cli_gpu.register(gpu_app)
    cli_logs.register(app)
    cli_traces.register(app)
    cli_watch.register(app)
    cli_triage.register(app)
    cli_investigate.register(app)
    cli_personas.register(app)
    cli_runbook.register(app)
    cli_models.register(app)
    cli_eval.register(app)
    arrange()


def main() -> None:
    """The entry point of the `aiops` command."""
    look_seldom()
    register()
    # A closed pipe (| head) is the reader's choice, not an error.
    try:
        app(output_options_first(sys.argv[1:]))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
