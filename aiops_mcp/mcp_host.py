"""Hosts the MCP server over an application that may open late, and serves it over stdio.

A client that starts the server wants its tools at once; opening the application costs the database
and its libraries, which listing tools does not need. So this module imports no such library.
"""

import asyncio
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from aiops_mcp import __version__
from aiops_mcp.errors import InputError
from aiops_mcp.fleet.personas import PersonaFiles
from aiops_mcp.fleet.tool_names import tools_of
from aiops_mcp.models.entity import Entity
from aiops_mcp.models.persona import Persona
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Call, Input, Operation
from aiops_mcp.operations import OPERATIONS
from aiops_mcp.settings import Settings
from aiops_mcp.surfaces.auth import Authenticator
from aiops_mcp.surfaces.mcp import build_mcp_server
from aiops_mcp.surfaces.mcp_plan import OneTimeHandles
from aiops_mcp.surfaces.mcp_prompts import Completer
from aiops_mcp.surfaces.mcp_server import FleetServer
from aiops_mcp.surfaces.prompts import load_prompts
from aiops_mcp.telemetry import configure_logging

if TYPE_CHECKING:
    from aiops_mcp.app import App

OPEN_AFTER_SECONDS = 1.0
"""When nobody asked anything by then, the application is opened all the same, to watch."""


class AppSource(Protocol):
    """Gives the application, opening it first where that was not done."""

    async def get(self) -> "App": ...

    def opened(self) -> "App | None":
        """The application where it is open already; nothing is opened for it."""
        ...


class OpenApp:
    """An application that is open already."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def get(self) -> "App":
        return self._app

    def opened(self) -> "App | None":
        return self._app


class LateApp:
    """Opens the application when it is first needed.

    The task that opens it also keeps it open: a context must end in the task it began in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: asyncio.Future[App] | None = None
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._on_open: list[Callable[[App], object]] = []

    def on_open(self, callback: "Callable[[App], object]") -> None:
        """Call back with the application once it is open."""
        self._on_open.append(callback)

    async def get(self) -> "App":
        """The application.

        Raises:
            StorageFailed: it cannot be opened; the next call tries again.
        """
        if self._opened is None or _failed(self._opened):
            self._opened = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(self._opened))
        return await asyncio.shield(self._opened)

    def opened(self) -> "App | None":
        known = self._opened
        is_open = known is not None and known.done() and not _failed(known)
        return known.result() if known is not None and is_open else None

    async def _keep(self, opened: "asyncio.Future[App]") -> None:
        try:
            # In a thread, so that the client's first questions are answered meanwhile.
            await asyncio.to_thread(importlib.import_module, "aiops_mcp.app")
            from aiops_mcp.app import open_app

            async with open_app(self._settings) as app:
                for callback in self._on_open:
                    callback(app)
                # Or the first answer would know nothing of how the clusters are.
                await app.check_stale_clusters()
                opened.set_result(app)
                await self._closing.wait()
        except Exception as error:
            if opened.done():
                raise
            # Whoever asked gets it, whatever it is.
            opened.set_exception(error)
            opened.exception()

    async def aclose(self) -> None:
        self._closing.set()
        if self._keeper is not None:
            await asyncio.wait([self._keeper])


def _failed(opened: "asyncio.Future[App]") -> bool:
    return opened.done() and (opened.cancelled() or opened.exception() is not None)


class _LateHandles:
    """The store of one-time handles of an application that may not be open yet."""

    def __init__(self, source: AppSource) -> None:
        self._source = source

    async def add(self, handle_hash: str, expires_at: datetime) -> None:
        await (await self._source.get()).handles.add(handle_hash, expires_at)

    async def consume(self, handle_hash: str) -> bool:
        return await (await self._source.get()).handles.consume(handle_hash)


def mcp_server(
    source: AppSource, settings: Settings, authenticator: Authenticator | None = None
) -> FleetServer:
    """The MCP server over the application that ``source`` gives.

    Raises:
        InputError: settings name a toolset that does not exist.
    """

    async def invoke(operation: Operation, request: Input, call: Call) -> Entity:
        return await (await source.get()).invoke(operation, request, call)

    files = PersonaFiles(settings.personas_folder, tools_of(OPERATIONS))

    async def personas(principal: Principal) -> Sequence[Persona]:
        """All of them, or while the application is not open those of files, which need none."""
        app = source.opened()
        if app is not None:
            return await app.context.personas.list(principal)
        return tuple((await files.by_id()).values())

    def completer(kind: str) -> Completer:
        async def complete(
            typed: str, others: Mapping[str, str], principal: Principal
        ) -> Sequence[str]:
            app = await source.get()
            return await cast("Completer", getattr(app, f"complete_{kind}"))(
                typed, others, principal
            )

        return complete

    return build_mcp_server(
        OPERATIONS,
        invoke,
        settings=settings,
        version=__version__,
        handles=OneTimeHandles(_LateHandles(source), lambda: datetime.now(UTC)),
        authenticator=authenticator,
        completers={kind: completer(kind) for kind in ("cluster", "metric", "label")},
        prompts=load_prompts(),
        personas=personas,
    )


def start_logging(settings: Settings) -> Callable[[], None]:
    """Log to stderr as the settings say, without their secrets; what is returned undoes it.

    Raises:
        InputError: there is no such level.
    """
    hidden = (
        settings.api_tokens,
        settings.vault_keys,
        settings.database_url,
        settings.redis_url,
        settings.model_api_key,
    )
    secrets = [
        part.rpartition("=")[2] if each is settings.api_tokens else part
        for each in hidden
        if each is not None
        for part in each.get_secret_value().split(",")
    ]
    if settings.log_level.upper() != "DEBUG":
        for chatty in ("alembic", "fastmcp", "mcp", "httpx2", "uvicorn"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        return configure_logging(settings.log_level, settings.log_format, secrets=secrets)
    except ValueError as error:
        raise InputError(f"AIOPS_LOG_LEVEL: {error}.") from error


async def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout until it closes them."""
    restore = start_logging(settings)
    late = LateApp(settings)
    server = mcp_server(late, settings)
    late.on_open(lambda app: app.bus.subscribe(server.on_event))

    async def open_soon() -> None:
        await asyncio.sleep(OPEN_AFTER_SECONDS)
        await late.get()

    opening = asyncio.create_task(open_soon())
    try:
        await server.run_stdio_async(show_banner=False)
    finally:
        opening.cancel()
        await late.aclose()
        restore()
