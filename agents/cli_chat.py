"""`aiops chat`: a conversation at the prompt. Slash commands change what it is about.

Ctrl-C stops the answer that is being made; at the prompt it clears the line. Ctrl-D ends it; the
session is kept, and `aiops chat --continue` goes on in it.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli_ask import (
    AllowWrite,
    Model,
    NoModel,
    Persona,
    SessionId,
    Time,
    answered,
    session_fields,
    show_answer,
    time_fields,
    with_chat,
)
from agents.options import Names

if TYPE_CHECKING:
    from collections.abc import Generator

    from agents.chat_client import ChatClient
    from agents.cli import Run
    from aiops_mcp.models.chat import ChatMessage, ChatSession

HELP = """Ask in your own words. Commands:
  /persona [ID]        who answers; alone: which there are
  /clusters [NAME …]   what it is about; - or all: the whole fleet
  /time [FROM[..TO]]   what time it is about: -6h, -6h..-1h; -: now
  /model [NAME]        model to prefer; alone: which there are; -: none in particular
  /plan                the plan of the last answer
  /evidence [N]        what the last answer stands on; N: the whole of one result
  /retry               answer the last question anew
  /stop                end an answer that goes on elsewhere (ctrl-c ends the one shown)
  /new                 begin a new session
  /sessions            your sessions; /open ID goes on in one
  /export [FILE]       the session as Markdown
  /help, /quit"""


def chat(
    context: typer.Context,
    cluster: Names = None,
    persona: Persona = None,
    model: Model = None,
    no_model: NoModel = False,
    time: Time = None,
    session: SessionId = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Go on in the session that was active last.")
    ] = False,
    allow_write: AllowWrite = False,
) -> None:
    """Talk with the agent: questions and answers in a session that is kept."""
    run: Run = context.obj
    run.output.as_json = False
    fields = session_fields(cluster, persona, model, time)

    async def body(client: "ChatClient") -> None:
        conversation = Conversation(run, client, fields)
        if session is not None:
            await conversation.open(session)
        elif go_on:
            await conversation.open_last()
        await conversation.converse()

    with_chat(run, body, no_model=no_model, allow_write=allow_write)


class Conversation:
    """One person at a prompt. A session begins with the first question."""

    def __init__(self, run: "Run", client: "ChatClient", fields: dict[str, Any]) -> None:
        self._run = run
        self._client = client
        self._fields = fields
        self._session: ChatSession | None = None
        self._last: ChatMessage | None = None
        self._commands: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "/persona": self._persona,
            "/clusters": self._clusters,
            "/time": self._time,
            "/model": self._model,
            "/plan": self._plan,
            "/evidence": self._evidence,
            "/retry": self._retry,
            "/stop": self._stop,
            "/new": self._new,
            "/sessions": self._sessions,
            "/open": self._open,
            "/export": self._export,
            "/help": self._help,
        }

    async def converse(self) -> None:
        """Read and answer until there is no more to read."""
        from agents.line_input import History, typed_line

        history = History(self._run.settings().home / "chat_history")
        history.load()
        is_typed = sys.stdin.isatty()
        if is_typed:
            self._say("Ask, or /help. Ctrl-C stops an answer, ctrl-D ends.")
        try:
            while True:
                try:
                    line = typed_line("> " if is_typed else "").strip()
                except KeyboardInterrupt:
                    self._say("")
                    continue
                except EOFError:
                    return
                if line in ("/quit", "/exit"):
                    return
                if line:
                    history.add(line)
                    await self._obey(line)
        finally:
            history.save()

    async def _obey(self, line: str) -> None:
        """Do what a line says; what goes wrong is shown, and the conversation goes on."""
        from pydantic import ValidationError

        from aiops_mcp.errors import AiopsError

        try:
            if not line.startswith("/"):
                await self._ask(line)
                return
            name, *arguments = line.split()
            command = self._commands.get(name)
            if command is None:
                self._say(f"There is no command {name}; /help lists them.")
            else:
                await command(arguments)
        except AiopsError as error:
            self._run.output.error(error)
        except ValidationError as error:
            self._say("; ".join(each["msg"] for each in error.errors(include_input=False)))

    # --- asking -------------------------------------------------------------------------------

    async def _ask(self, text: str | None) -> None:
        session = self._session or await self._begin()
        self._last = None
        with self._stopping(session):
            self._last = await answered(self._run, self._client, session.id, text)
        if self._last.answer is not None:
            show_answer(self._run, self._last)
        print()  # noqa: T201 - an empty line between two turns

    @contextmanager
    def _stopping(self, session: "ChatSession") -> "Generator[None]":
        """Let ctrl-c stop the answer instead of ending the command."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop, stopping = asyncio.get_running_loop(), set[asyncio.Task[None]]()

        def stop() -> None:
            task = loop.create_task(self._end_answer(str(session.id)))
            stopping.add(task)
            task.add_done_callback(stopping.discard)

        before = signal.getsignal(signal.SIGINT)
        loop.add_signal_handler(signal.SIGINT, stop)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)

    async def _end_answer(self, session_id: str) -> None:
        from aiops_mcp.errors import AiopsError

        try:
            await self._client.call("stop_chat_answer", session=session_id)
        except AiopsError as error:  # it ended by itself meanwhile
            self._say(error.message)

    async def _begin(self) -> "ChatSession":
        from agents.chat_client import new_session

        self._session = await new_session(self._client, **self._fields)
        self._fields = {}
        return self._session

    async def _change(self, **fields: Any) -> None:
        """Change the session, or what it will begin with."""
        from agents.chat_client import call_as
        from aiops_mcp.models.chat import ChatSession

        if self._session is None:
            self._fields |= fields
            return
        self._session = await call_as(
            self._client,
            ChatSession,
            "update_chat_session",
            session=str(self._session.id),
            **fields,
        )

    # --- commands -----------------------------------------------------------------------------

    async def _persona(self, arguments: list[str]) -> None:
        if arguments:
            await self._client.call("get_persona", id=arguments[0])
            await self._change(persona_id=arguments[0])
            self._say(f"{arguments[0]} answers from here on.")
            return
        listed: Any = await self._client.call("list_personas")
        now = self._session.persona_id if self._session else self._fields.get("persona_id")
        for each in listed.items:
            sign = "*" if each.id == (now or "default") else " "
            self._say(f"{sign} {each.id:<16} {each.description}")

    async def _clusters(self, arguments: list[str]) -> None:
        if arguments:
            names = () if arguments in (["-"], ["all"]) else tuple(arguments)
            await self._change(clusters=names)
        now = self._session.cluster_context if self._session else self._fields.get("clusters", ())
        self._say(f"About {', '.join(now) if now else 'the whole fleet'}.")

    async def _time(self, arguments: list[str]) -> None:
        text = " ".join(arguments)
        if not text:
            self._say(f"About {self._period()}.")
            return
        none = {"start_time": None, "end_time": None}
        await self._change(**(none if text == "-" else none | time_fields(text)))
        self._say(f"About {'now' if text == '-' else text}.")

    def _period(self) -> str:
        scope = self._session.time_scope.model_dump(mode="json") if self._session else {}
        start = scope.get("start") or self._fields.get("start_time")
        end = scope.get("end") or self._fields.get("end_time")
        return f"{start or '(open)'} to {end or 'now'}" if start or end else "now"

    async def _model(self, arguments: list[str]) -> None:
        if arguments:
            await self._change(model=None if arguments[0] == "-" else arguments[0])
            self._say(f"Preferred: {arguments[0]}.")
            return
        listed: Any = await self._client.call("list_chat_models")
        if not listed.models:
            self._say("No model is set (AIOPS_MODEL_URLS): answers come by triage.")
        for each in listed.models:
            offered = ", ".join(each.models) or "nothing"
            self._say(f"{each.url}: {each.error or offered}")

    async def _plan(self, arguments: list[str]) -> None:
        del arguments
        answer = self._last.answer if self._last else None
        if answer is None or not answer.plan:
            self._say("The last answer had no plan.")
            return
        for step in answer.plan:
            self._say(f"{step.state:<8} {step.text}")

    async def _evidence(self, arguments: list[str]) -> None:
        from agents.chat_screen import print_lines, reference_lines

        answer = self._last.answer if self._last else None
        references = answer.references if answer else ()
        if not arguments:
            lines = [line for each in references for line in reference_lines(each)]
            print_lines(lines or ["The last answer refers to nothing."])
            return
        number = arguments[0].strip("[]")
        found = [each for each in references if str(each.number) == number]
        if not found:
            self._say(f"The last answer has no [{number}].")
        for each in found:
            print_lines([*reference_lines(each), "", each.text])

    async def _retry(self, arguments: list[str]) -> None:
        del arguments
        if self._session is None:
            self._say("Nothing was asked yet.")
            return
        await self._client.call("retry_chat_answer", session=str(self._session.id))
        await self._ask(None)

    async def _stop(self, arguments: list[str]) -> None:
        del arguments
        if self._session is None:
            self._say("Nothing was asked yet.")
        else:
            await self._client.call("stop_chat_answer", session=str(self._session.id))
            self._say("Stopped.")

    async def _new(self, arguments: list[str]) -> None:
        del arguments
        if self._session is not None:
            session = self._session
            scope = session.time_scope
            self._fields = {
                "persona_id": session.persona_id,
                "clusters": session.cluster_context,
                "model": session.model,
                "start_time": scope.start.isoformat() if scope.start else None,
                "end_time": scope.end.isoformat() if scope.end else None,
            }
        self._session = self._last = None
        self._say("A new session begins with your next question.")

    async def _sessions(self, arguments: list[str]) -> None:
        del arguments
        listed: Any = await self._client.call("list_chat_sessions")
        for each in listed.items:
            sign = "*" if self._session and each.id == self._session.id else " "
            title = each.title or "(no title yet)"
            self._say(f"{sign} {each.id}  {each.updated_at:%m-%d %H:%M}  {title}")
        if not listed.items:
            self._say("You have none.")

    async def _open(self, arguments: list[str]) -> None:
        if arguments:
            await self.open(arguments[0])
        else:
            self._say("/open ID; /sessions lists them.")

    async def open(self, session_id: str) -> None:
        """Go on in a session. Raises SessionNotFound, SessionExpired."""
        from agents.chat_client import call_as
        from aiops_mcp.models.chat import ChatSession

        self._session = await call_as(
            self._client, ChatSession, "get_chat_session", session=session_id
        )
        listed: Any = await self._client.call(
            "list_chat_messages", session=session_id, page_size=100
        )
        answers = [each for each in listed.items if each.role.value == "ASSISTANT"]
        self._last = answers[-1] if answers else None
        if self._fields:
            await self._change(**self._fields)
            self._fields = {}
        self._say(f"Going on: {self._session.title or self._session.id}")
        if self._last is not None and self._last.state.value != "COMPLETE":
            self._say(f"Its last answer is {self._last.state.value}; /retry makes it anew.")

    async def open_last(self) -> None:
        """Go on in the session that was active last, if there is one."""
        listed: Any = await self._client.call("list_chat_sessions", page_size=1)
        if listed.items:
            await self.open(str(listed.items[0].id))

    async def _export(self, arguments: list[str]) -> None:
        if self._session is None:
            self._say("Nothing was asked yet.")
            return
        file = await self._client.download("export_chat_session", session=str(self._session.id))
        name = arguments[0] if arguments else file.file_name
        path = await asyncio.to_thread(_write, name, file.content)
        self._say(f"Written to {path}.")

    async def _help(self, arguments: list[str]) -> None:
        del arguments
        self._say(HELP)

    def _say(self, text: str) -> None:
        from rich.text import Text

        self._run.output.errors.print(Text(text, style="dim"), soft_wrap=True)


def _write(name: str, content: bytes) -> Path:
    from aiops_mcp.errors import InputError

    path = Path(name).expanduser()
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    return path
