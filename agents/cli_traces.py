"""`aiops traces …`: search them, read one, list services, draw who calls whom."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.options import Limit, Names
from aiops_mcp.errors import InputError

if TYPE_CHECKING:
    from agents.cli import Run

Since = Annotated[str | None, typer.Option(help="Start: 6h, or a time. Default: 1h.")]
Until = Annotated[str | None, typer.Option(help="End. Default: now.")]


def search(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(help="Service; * is any text.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", "-o", help="Span name.")] = None,
    slower: Annotated[float | None, typer.Option(help="Milliseconds at least.")] = None,
    faster: Annotated[float | None, typer.Option(help="Milliseconds at most.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only failed ones.")] = False,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="key=value; repeat.")] = None,
    traceql: Annotated[str | None, typer.Option("--traceql", "-q", help="Raw TraceQL.")] = None,
    cluster: Names = None,
    since: Since = None,
    until: Until = None,
    detailed: Annotated[bool, typer.Option("--detailed", help="A row a trace.")] = False,
    limit: Limit = None,
) -> None:
    """Find traces, by root operation: how many, how slow, how many failed."""
    run: Run = context.obj
    tags = run.guarded(lambda: _tags(tag))
    if failed:
        tags["status"] = "error"
    arguments = {
        "service_name": service,
        "operation_name": operation,
        "min_duration_ms": slower,
        "max_duration_ms": faster,
        "tags": tags or None,
        "traceql": traceql,
        "clusters": cluster,
        "start_time": since,
        "end_time": until,
        "response_format": "detailed" if detailed else None,
        "limit": limit,
    }
    run.ask("search_traces", arguments)


def get(
    context: typer.Context,
    trace_id: Annotated[str, typer.Argument(help="In hex.")],
    cluster: Names = None,
    compare: Annotated[bool, typer.Option(help="With normal traces of its operation.")] = True,
) -> None:
    """One trace: where its time went, what failed, and what is unusual about it."""
    run: Run = context.obj
    run.ask("get_trace", {"trace_id": trace_id, "clusters": cluster, "compare": compare})


def services(context: typer.Context, cluster: Names = None) -> None:
    """The services that have traces, and where."""
    run: Run = context.obj
    run.ask("list_traced_services", {"clusters": cluster})


def operations(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="Exact name.")],
    cluster: Names = None,
) -> None:
    """The operations of one service."""
    run: Run = context.obj
    run.ask("list_traced_operations", {"service_name": service, "clusters": cluster})


def graph(
    context: typer.Context,
    service: Annotated[str | None, typer.Argument(help="Only traces it is in.")] = None,
    cluster: Names = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
) -> None:
    """Which service calls which, by recent traces."""
    run: Run = context.obj
    arguments = {
        "service_name": service,
        "clusters": cluster,
        "start_time": since,
        "end_time": until,
        "limit": limit,
    }
    run.ask("get_service_graph", arguments)


def _tags(pairs: list[str] | None) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise InputError(f"{pair!r} is not key=value.", "Write --tag http.route=/order.")
        tags[key] = value
    return tags


def register(app: typer.Typer) -> None:
    """Put the commands into ``aiops traces``."""
    traces = typer.Typer(
        help="Traces: requests on their way through services.", no_args_is_help=True
    )
    traces.command("search")(search)
    traces.command("get")(get)
    traces.command("services")(services)
    traces.command("operations")(operations)
    traces.command("graph")(graph)
    app.add_typer(traces, name="traces")
