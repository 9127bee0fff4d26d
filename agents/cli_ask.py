"""`aiops ask "…"`: one question, the steps of its answer as they are made, and the evidence.

The session it takes is forgotten afterwards, unless one was named. Exit codes: 0 answered, 1 failed
or stopped, 2 bad input, 130 interrupted.
"""

import io
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.options import Names

if TYPE_CHECKING:
    from uuid import UUID

    from agents.chat_client import ChatClient
    from agents.chat_screen import Screen
    from agents.cli import Run
    from aiops_mcp.models.chat import ChatMessage

Persona = Annotated[str | None, typer.Option("--persona", "-p", help="Who answers: gpu-expert …")]
Model = Annotated[str | None, typer.Option("--model", "-m", help="Model to prefer, by name.")]
NoModel = Annotated[bool, typer.Option("--no-model", help="Answer by triage, without a model.")]
Time = Annotated[
    str | None, typer.Option("--time", "-t", help="What time it is about: -6h, or -6h..-1h.")
]
AllowWrite = Annotated[
    bool, typer.Option("--allow-write", help="Offer tools that change things; each asks first.")
]
SessionId = Annotated[str | None, typer.Option("--session", "-s", help="Go on in this session.")]


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know; - reads it from stdin.")],
    cluster: Names = None,
    persona: Persona = None,
    model: Model = None,
    no_model: NoModel = False,
    time: Time = None,
    session: SessionId = None,
    allow_write: AllowWrite = False,
) -> None:
    """Ask the fleet a question in your own words; the answer says what it stands on."""
    run: Run = context.obj
    # A pipe gets text here, as a terminal does: JSON only where it was asked for.
    run.output.as_json = bool(context.find_root().params.get("json"))
    fields = session_fields(cluster, persona, model, time)

    async def body(client: "ChatClient") -> None:
        text = sys.stdin.read() if question == "-" else question
        session_id, is_own = await _session(client, session, fields)
        try:
            message = await answered(run, client, session_id, text)
            show_answer(run, message)
        finally:
            if is_own:  # also ends an answer that nobody waits for any more
                await client.call("delete_chat_session", session=str(session_id))

    with_chat(run, body, no_model=no_model, allow_write=allow_write)


async def _session(
    client: "ChatClient", named: str | None, fields: dict[str, Any]
) -> "tuple[UUID, bool]":
    """The session to ask in, and whether it is made for this question alone."""
    from agents.chat_client import call_as, new_session
    from aiops_mcp.models.chat import ChatSession

    if named is None:
        return (await new_session(client, **fields)).id, True
    operation = "update_chat_session" if fields else "get_chat_session"
    return (await call_as(client, ChatSession, operation, session=named, **fields)).id, False


def session_fields(
    clusters: list[str] | None, persona: str | None, model: str | None, time: str | None
) -> dict[str, Any]:
    """The fields of a session that the options name."""
    given: dict[str, Any] = {
        "clusters": tuple(clusters or ()),
        "persona_id": persona,
        "model": model,
        **time_fields(time),
    }
    return {name: value for name, value in given.items() if value}


def time_fields(text: str | None) -> dict[str, str]:
    """``-6h..-1h`` as start and end; without dots it is the start."""
    start, _, end = (text or "").partition("..")
    named = {"start_time": start.strip(), "end_time": end.strip()}
    return {name: value for name, value in named.items() if value}


def with_chat(
    run: "Run",
    body: "Callable[[ChatClient], Awaitable[None]]",
    *,
    no_model: bool,
    allow_write: bool,
) -> None:
    """Open a chat, run ``body`` with it, and end with the exit code its errors deserve."""
    import asyncio

    async def main() -> None:
        from agents.chat_client import open_chat
        from aiops_mcp.errors import InputError
        from aiops_mcp.telemetry import configure_logging

        if no_model and run.server is not None:
            raise InputError(
                "--no-model is of this process; a server has the model that it was started with.",
                "Leave --server away, or start the server without AIOPS_MODEL_URLS.",
            )
        settings = run.settings(
            model_urls=() if no_model else None, allow_write=True if allow_write else None
        )
        restore = configure_logging("ERROR", "text")
        try:
            async with open_chat(settings, server=run.server, token=run.token) as client:
                await body(client)
        finally:
            restore()

    run.guarded(lambda: asyncio.run(main()))


async def answered(
    run: "Run",
    client: "ChatClient",
    session_id: "UUID",
    text: str | None,
    *,
    screen: "Screen | None" = None,
) -> "ChatMessage":
    """Ask and show what comes, to the end; without ``text`` the last answer is followed.

    Raises:
        AiopsError: with the code that the answer failed with.
    """
    from contextlib import aclosing

    from agents.chat_client import message_of
    from agents.chat_screen import Screen
    from agents.remote import error_class

    screen = screen or Screen(
        run.output.errors,
        io.StringIO() if run.output.as_json else sys.stdout,
        live=not run.output.as_json and sys.stdout.isatty(),
    )
    steps = client.ask(session_id, text) if text is not None else client.follow(session_id)
    async with aclosing(steps):
        async for event in steps:
            screen.show(event)
            if event.type == "consent_required":
                await _consent(run, client, session_id, event.data)
    if screen.failed is not None:
        code, told = str(screen.failed.get("code")), str(screen.failed.get("message"))
        raise error_class(code, 500)(told)
    return await message_of(client, session_id, screen.message_id)


async def _consent(run: "Run", client: "ChatClient", session_id: "UUID", wanted: Any) -> None:
    from rich.text import Text

    from agents.line_input import typed_line

    errors = run.output.errors
    errors.print(Text(f"{wanted.get('name')} would change something:", style="bold yellow"))
    errors.print(Text(str(wanted.get("plan")).strip()), soft_wrap=True)
    if sys.stdin.isatty():
        try:
            granted = typed_line("Do it? [y/N] ").strip().lower() in ("y", "yes")
        except (EOFError, KeyboardInterrupt):
            granted = False
    else:
        granted = False
        errors.print(Text("Nobody can be asked here, so it is not done.", style="yellow"))
    call_id = str(wanted.get("tool_call_id"))
    await client.call(
        "consent_to_tool", session=str(session_id), tool_call_id=call_id, granted=granted
    )


def show_answer(run: "Run", message: "ChatMessage") -> None:
    """Print what stands below an answer, or with --json the whole of it."""
    from agents.chat_screen import evidence_lines, print_lines
    from agents.output import EXIT_FAILED

    answer = message.answer
    if answer is not None and run.output.as_json:
        run.output.json(answer.model_dump(mode="json"))
    elif answer is not None:
        print_lines(["", *evidence_lines(answer)])
    else:
        raise typer.Exit(EXIT_FAILED)


def register(app: typer.Typer) -> None:
    """Hang the commands onto ``aiops``."""
    from agents.cli_chat import chat

    app.command("ask")(ask)
    app.command("chat")(chat)
