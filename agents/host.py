"""The application with its agent: who composes both, and how they are served together.

The agent reaches the fleet through the MCP server in this process alone, as every other client of
it does, in the name of whoever asks.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from starlette.routing import BaseRoute

from agents.agent_context import AgentContext
from agents.cause_explaining import explain_cause_by
from agents.chat import Chats, ChatStore
from agents.chat_answering import OPERATIONS as CHAT_OPERATIONS
from agents.chat_answers import Answers
from agents.chat_openapi import stream_paths
from agents.chat_operations import chat
from agents.chat_sessions import ChatSessions
from agents.chat_sse import stream_route
from agents.conversation import Answerer
from agents.incident_explaining import explain_by
from agents.late_agent import LateAgent
from agents.model import ModelHealth, ModelPool, open_models
from aiops_mcp.additions import Additions
from aiops_mcp.app import App, open_app, utc_now
from aiops_mcp.backends.connect import TransportFor
from aiops_mcp.background import PRUNE_EVERY, keep_running
from aiops_mcp.context import Context, Invoker
from aiops_mcp.errors import StorageFailed
from aiops_mcp.models.principal import Principal
from aiops_mcp.serving import Served, serve_http
from aiops_mcp.settings import Settings
from aiops_mcp.storage.chat import ChatTable
from aiops_mcp.storage.chat_usage import ChatUsageTable
from aiops_mcp.surfaces.gate import Gate

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AgentApp:
    """A running application with its agent; ``models`` is None where none is set."""

    app: App
    answerer: Answerer
    chats: Chats
    models: ModelPool | None
    additions: Additions


@asynccontextmanager
async def open_agent_app(
    settings: Settings,
    *,
    watch: bool = True,
    clock: Callable[[], datetime] = utc_now,
    transport_for: TransportFor | None = None,
    answerer: Answerer | None = None,
) -> AsyncGenerator[AgentApp]:
    """The application and its agent, running; ``answerer`` takes the agent's place.

    Raises:
        StorageFailed: the database or the key file cannot be used.
        InputError: a setting of the models or of more MCP servers cannot be used.
    """
    async with AsyncExitStack() as stack:
        models = open_models(settings)
        if models is not None:
            stack.push_async_callback(models.aclose)
        app = await stack.enter_async_context(
            open_app(settings, watch=watch, clock=clock, transport_for=transport_for)
        )
        if answerer is None:
            answerer = LateAgent(app, models)
            stack.push_async_callback(answerer.aclose)
            if watch and models is not None:
                getting_ready = asyncio.create_task(answerer.ready())
                stack.push_async_callback(_cancel, getting_ready)
        if models is not None:
            app.context.incidents.explain = explain_by(answerer, app.context.personas)
        chats, answers = await _chats(app, answerer, look_after=watch)
        stack.push_async_callback(answers.close)
        if watch:
            pruning = asyncio.create_task(keep_running("chat pruning", lambda: _prune(chats)))
            stack.push_async_callback(_cancel, pruning)
        app = _with_chat(app, chats, models, answerer)
        yield AgentApp(
            app=app,
            answerer=answerer,
            chats=chats,
            models=models,
            additions=_additions(app, chats, answers),
        )


async def _chats(app: App, answerer: Answerer, *, look_after: bool) -> tuple[Chats, Answers]:
    settings, clock = app.settings, app.context.clock
    store = ChatStore(ChatTable(app.database), ChatUsageTable(app.database))
    if look_after:
        gone = gone_holders(await store.table.holders())
        await store.table.interrupt(now=clock(), gone=gone)

    async def check_clusters(terms: Sequence[str], principal: Principal) -> None:
        await app.context.fleet.choose(terms, principal)

    answers = Answers(
        store.table,
        answerer,
        holder=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        clock=clock,
        most=settings.chat_at_once,
    )
    sessions = ChatSessions(
        store.table, app.context.personas, settings, clock=clock, check_clusters=check_clusters
    )
    return Chats(store, sessions, answers, app.bus, settings, clock=clock), answers


def gone_holders(holders: Collection[str]) -> list[str]:
    """Those (``host:pid:…``) that were processes of this host and are no more.

    A server that was killed and started again so knows at once what it left unfinished.
    """
    here = socket.gethostname()
    return [
        holder
        for holder in holders
        if (parts := holder.rsplit(":", 2))[0] == here and not _is_alive(parts[1])
    ]


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal() or int(pid) == os.getpid():  # as pid 1 of a container comes back
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _with_chat(app: App, chats: Chats, models: ModelPool | None, answerer: Answerer) -> App:
    async def models_health() -> Sequence[ModelHealth]:
        return await models.health() if models is not None else ()

    known: dict[str, Any] = {each.name: getattr(app.context, each.name) for each in fields(Context)}
    if models is not None:
        known["explainer"] = explain_cause_by(answerer, app.context.personas)
    context = AgentContext(**known, chats=chats, models_health=models_health)
    return replace(
        app,
        context=context,
        invoke=Invoker(context),
        operations=(*app.operations, *CHAT_OPERATIONS),
    )


def _additions(app: App, chats: Chats, answers: Answers) -> Additions:
    def routes(gate: Gate) -> Sequence[BaseRoute]:
        return (stream_route(chats, app.invoke, gate),)

    return Additions(
        tags={chat.name: chat.description},
        paths=stream_paths(),
        routes=routes,
        going_away=answers.interrupt_all,
    )


async def _prune(chats: Chats) -> None:
    while True:
        try:
            await chats.sessions.prune()
        except StorageFailed as error:
            _log.warning("old chat sessions stay for now: %s", error)
        await asyncio.sleep(PRUNE_EVERY)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def with_agent(settings: Settings) -> AsyncGenerator[Served]:
    """What `aiops serve` serves. Raises as `open_agent_app`."""
    async with open_agent_app(settings) as opened:
        yield Served(opened.app, opened.additions)


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve the fleet and its agent over HTTP until interrupted. Raises as `serve_http`."""
    serve_http(settings, say, opening=with_agent)
