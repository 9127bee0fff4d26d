"""`aiops watch`: what happens in the fleet, as it happens. `aiops audit`: what was asked."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

if TYPE_CHECKING:
    from agents.cli import Run

_STYLES = {"ALERT_FIRED": "red", "ALERT_RESOLVED": "green", "CLUSTER_STATUS_CHANGED": "yellow"}


def watch(
    context: typer.Context,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--type", "-t", help="Only these: ALERT_FIRED, METRIC_UPDATE …; repeat."),
    ] = None,
    cluster: Annotated[
        list[str] | None, typer.Option("--cluster", "-c", help="Cluster name or id; repeat.")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Namespace; repeat.")
    ] = None,
    count: Annotated[int | None, typer.Option(help="End after so many events.", min=1)] = None,
) -> None:
    """Print the fleet's events as they happen, until interrupted."""
    run: Run = context.obj
    subscription = {
        "event_types": [kind.upper() for kind in kinds or []],
        "cluster_filter": cluster or [],
        "namespace_filter": namespace or [],
    }
    run.guarded(lambda: asyncio.run(_watch(run, subscription, count)))


async def _watch(run: "Run", subscription: dict[str, Any], count: int | None) -> None:
    from aiops_mcp.telemetry import configure_logging

    restore = configure_logging("ERROR", "text")
    seen = 0
    try:
        events = (
            _from_server(run, run.server, subscription)
            if run.server is not None
            else _from_here(run, subscription)
        )
        async for event in events:
            _print(run, event)
            seen += 1
            if seen == count:
                return
    finally:
        restore()


def _from_server(
    run: "Run", server: str, subscription: dict[str, Any]
) -> AsyncGenerator[dict[str, Any]]:
    from agents.stream_client import stream

    return stream(server, run.token, subscription, told=lambda text: _tell(run, text))


async def _from_here(run: "Run", subscription: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """The events of an application in this process, which watches the fleet meanwhile."""
    from aiops_mcp.app import open_app
    from aiops_mcp.models.events import Event, Subscription
    from aiops_mcp.surfaces.guard import guard_json
    from aiops_mcp.surfaces.stream_frames import namespace_of
    from aiops_mcp.surfaces.stream_routing import Interest

    interest = Interest.of(Subscription.model_validate(subscription))
    heard: asyncio.Queue[Event] = asyncio.Queue(1000)

    async def listen(event: Event) -> None:
        if interest.takes(event, namespace_of(event)):
            await heard.put(event)

    async with open_app(run.settings()) as app:
        app.bus.subscribe(listen)
        _tell(run, "watching; ctrl-c ends it")
        while True:
            event = await heard.get()
            yield guard_json(event.model_dump(mode="json"))


def _tell(run: "Run", text: str) -> None:
    run.output.errors.print(Text(text, style="dim"), soft_wrap=True)


def _print(run: "Run", event: dict[str, Any]) -> None:
    if run.output.as_json:
        line = {key: value for key, value in event.items() if key != "type"}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        return
    kind = str(event["event_type"])
    line = Text(f"{str(event['timestamp'])[11:19]} ")
    line.append(f"{kind:<28} ", style=_STYLES.get(kind, "bold"))
    line.append(f"{event.get('cluster_name') or '-':<24} ")
    line.append(summary(event.get("payload") or {}))
    run.output.console.print(line, soft_wrap=True)


def summary(payload: dict[str, Any]) -> str:
    """A payload in one line: its plain values, then its labels."""
    plain = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in payload.items()
        if value not in (None, "") and not isinstance(value, dict | list)
    ]
    labels = payload.get("labels")
    if isinstance(labels, dict) and labels:
        told = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON
        plain.append(f"{{{told}}}")
    return " ".join(plain)[:400]


def audit(
    context: typer.Context,
    subject: Annotated[str | None, typer.Option(help="Who asked.")] = None,
    operation: Annotated[str | None, typer.Option(help="What was asked.")] = None,
    surface: Annotated[str | None, typer.Option(help="mcp, rest, cli or websocket.")] = None,
    effect: Annotated[str | None, typer.Option(help="read, write or destroy.")] = None,
    outcome: Annotated[str | None, typer.Option(help="OK, or an error's code.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (ISO 8601).")] = None,
    page: Annotated[int | None, typer.Option(help="Page, from 1.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", help="Rows of a page.")] = None,
) -> None:
    """List the calls that were made: who asked what, of which clusters, and how it went."""
    run: Run = context.obj
    run.ask(
        "list_audit",
        {
            "subject": subject,
            "operation": operation,
            "surface": surface,
            "effect": effect,
            "outcome": outcome,
            "since": since,
            "page": page,
            "page_size": limit,
        },
    )


def register(app: typer.Typer) -> None:
    """Hang the commands onto ``aiops``."""
    app.command("watch")(watch)
    app.command("audit")(audit)
