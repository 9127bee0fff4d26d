"""`aiops runbook`: find runbooks by an alert or by words, read one, and follow it step by step."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from aiops_mcp.errors import InputError

if TYPE_CHECKING:
    from agents.cli import Run
    from agents.runbook_run import Shown, StepBegun, StepDone
    from agents.session import Session
    from aiops_mcp.models.digest import Digest
    from aiops_mcp.models.runbook import FoundRunbooks, Runbook


class _WordsOrCommand(TyperGroup):
    """`aiops runbook pod restarts` means `aiops runbook find pod restarts`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h")):
            args = ["find", *args]
        return super().parse_args(ctx, args)


def find(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="What it is about.")] = None,
    alert: Annotated[str | None, typer.Option("--alert", "-a", help="Name of an alert.")] = None,
) -> None:
    """Find a runbook by words or an alert; without any: list them all."""
    run: Run = context.obj
    run.ask("find_runbook", {"search": " ".join(words or []) or None, "alert": alert})


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name.")],
) -> None:
    """Print one runbook as it is written."""
    run: Run = context.obj

    async def body(session: "Session") -> None:
        runbook = cast("Runbook", await session.read("get_runbook", {"name": name}))
        if run.output.as_json:
            run.output.json(runbook.model_dump(mode="json"))
            return
        from rich.markdown import Markdown

        run.output.console.print(Markdown(f"# {runbook.title}\n\n{runbook.text}"))

    run.with_session(body)


def run_(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Its name; without: the one for --alert.")
    ] = None,
    cluster: Annotated[str | None, typer.Option("--cluster", "-c", help="Name or id.")] = None,
    alert: Annotated[
        str | None,
        typer.Option("--alert", "-a", help="An alert that fires: its labels tell the places."),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-N", help="{{namespace}}")
    ] = None,
    component: Annotated[
        str | None, typer.Option(help="{{component}}: shop/payment, or a node")
    ] = None,
    node: Annotated[str | None, typer.Option(help="{{node}}")] = None,
    pod: Annotated[str | None, typer.Option(help="{{pod}}: a name, or part of it")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Make calls that change something; asks each time.")
    ] = False,
) -> None:
    """Follow a runbook: make its calls, print what each showed, and sum up."""
    run: Run = context.obj
    given = {
        "cluster": cluster,
        "alert": alert,
        "namespace": namespace,
        "component": component,
        "node": node,
        "pod": pod,
    }

    async def body(session: "Session") -> None:
        runbook = await _chosen(session, name, alert)
        await _follow(run, session, runbook, given, may_change=yes)

    run.with_session(body, write=yes)


async def _chosen(session: "Session", name: str | None, alert: str | None) -> "Runbook":
    if name is not None:
        return cast("Runbook", await session.read("get_runbook", {"name": name}))
    if alert is None:
        raise InputError("Which runbook?", "Give its name, or --alert; `aiops runbook` lists them.")
    found = cast("FoundRunbooks", await session.read("find_runbook", {"alert": alert}))
    if found.best is None:
        raise InputError(f"No runbook is for {alert}.", "`aiops runbook` lists them.")
    return found.best


async def _follow(
    run: "Run",
    session: "Session",
    runbook: "Runbook",
    given: Mapping[str, str | None],
    *,
    may_change: bool,
) -> None:
    from agents.runbook_run import (
        Following,
        Shown,
        StepBegun,
        StepDone,
        known_of,
        nothing_answered,
        places_of_alert,
        summary,
    )
    from aiops_mcp.fleet.tool_names import tools_of
    from aiops_mcp.operations import OPERATIONS

    known = known_of(given)
    _refuse_no_names(known)
    if known.get("alert"):
        told = await places_of_alert(session, known["alert"], known.get("cluster"))
        known = {**told, **known}
    run.output.say(_heading(runbook, known))
    begun, done = time.monotonic(), list[StepDone]()
    with run.progress() as progress:
        consent = _Consent(run) if may_change else None
        following = Following(session, tools_of(OPERATIONS), known, consent, progress)
        async for event in following.follow(runbook):
            if isinstance(event, StepBegun):
                _say_step(run, event)
            elif isinstance(event, Shown):
                _say_call(run, event)
            else:
                done.append(event)
    digest = summary(runbook, done, time.monotonic() - begun)
    if run.output.as_json:
        run.output.json(_document(runbook, known, done, digest))
    else:
        run.output.console.print()
        run.output.digest(digest)
    if nothing_answered(done):
        raise typer.Exit(1)


def _refuse_no_names(known: Mapping[str, str]) -> None:
    from aiops_mcp.fleet.runbook_calls import is_name

    for place, value in known.items():
        if not is_name(value):
            raise InputError(f"--{place}: {value[:60]!r} is no name.", "Give a plain name.")


def _heading(runbook: "Runbook", known: Mapping[str, str]) -> str:
    places = ", ".join(f"{place} {value}" for place, value in known.items())
    return f"{runbook.title} ({runbook.name}){': ' + places if places else ''}"


def _say_step(run: "Run", event: "StepBegun") -> None:
    if run.output.as_json:
        return
    from rich.text import Text

    console = run.output.console
    console.print(Text(f"\n{event.number}. {event.step.title}", style="bold cyan"))
    if event.step.text:
        console.print(Text(event.step.text))


def _say_call(run: "Run", shown: "Shown") -> None:
    from aiops_mcp.capabilities.digesting import call_text

    call = f"{call_text(shown.tool, shown.arguments)})"
    if run.output.as_json:
        run.output.say(f"{call}: {shown.outcome.value}: {shown.said}")
        return
    from rich.text import Text

    run.output.console.print(Text(f"→ {call}", style="dim"))
    if shown.digest is not None and shown.error is None:
        run.output.digest(shown.digest)
    else:
        run.output.console.print(Text(f"{shown.outcome.value}: {shown.said}", style="yellow"))


class _Consent:
    """Asks at the terminal; where nobody sits there, nothing is changed."""

    def __init__(self, run: "Run") -> None:
        self._run = run

    async def __call__(self, tool: str, arguments: Mapping[str, Any], plan: "Digest") -> bool:
        del arguments  # they were printed with the step
        self._run.output.say(f"{tool} would: {plan.headline}")
        if not sys.stdin.isatty():
            self._run.output.say("Nobody can be asked, so nothing is changed.")
            return False
        return typer.confirm("Do it?", err=True)


def _document(
    runbook: "Runbook", known: Mapping[str, str], done: "list[StepDone]", digest: "Digest"
) -> dict[str, Any]:
    return {
        "runbook": runbook.name,
        "title": runbook.title,
        "known": dict(known),
        "steps": [
            {
                "step": step.number,
                "title": step.step.title,
                "text": step.step.text,
                "calls": [_call_document(shown) for shown in step.calls],
            }
            for step in done
        ],
        "summary": digest.headline,
    }


def _call_document(shown: "Shown") -> dict[str, Any]:
    told: dict[str, Any] = {
        "tool": shown.tool,
        "arguments": dict(shown.arguments),
        "outcome": shown.outcome.value,
        "said": shown.said,
    }
    if shown.digest is not None:
        told["answer"] = shown.digest.model_dump(mode="json", exclude_none=True)
    if shown.error is not None:
        told["error"] = {"code": shown.error.code, "hint": shown.error.hint}
    return told


def register(app: typer.Typer) -> None:
    """Put the commands under ``aiops runbook``."""
    runbook = typer.Typer(
        cls=_WordsOrCommand, help="Runbooks: find one by words or an alert, and follow it."
    )
    runbook.command("find")(find)
    runbook.command("show")(show)
    runbook.command("run")(run_)
    app.add_typer(runbook, name="runbook")
