"""One MCP client to one server, held open while anybody uses it and a while longer.

Knows nothing of personas, models and what the tools answer. Every call runs in the task of whoever
makes it: cancelling that task cancels the request, and a server in this process sees its context.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from mcp.client.client import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolResult
from mcp_types import Tool as ListedTool

from aiops_mcp.operation import Progress
from aiops_mcp.redaction import clean_text

_log = logging.getLogger(__name__)

_END_SECONDS = 1.0

LISTED_TOOLS = 1_000
"""More than this a server does not list: its pages may be without end."""


class ConnectionLost(Exception):
    """The server cannot be reached, or went away; the cause is chained."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An open client, and the task that keeps it: a context must end in the task it began in."""

    client: Client
    keeper: asyncio.Task[None]
    closing: asyncio.Event


class Turns:
    """Lets calls begin one after another, with a turn of the event loop between.

    A call within this process whose answer is cached runs from its begin to its end in one go;
    those of many chats at once would keep everything else waiting for their sum.
    """

    def __init__(self) -> None:
        self._last: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return when this call may begin; calls that wait for something hold up no other."""
        loop = asyncio.get_running_loop()
        before, mine = self._last, loop.create_future()
        self._last = mine
        try:
            if before is not None and not before.done() and before.get_loop() is loop:
                await asyncio.wait((before,))
        finally:
            loop.call_soon(mine.set_result, None)


class Connection:
    """Opens with the first call, closes ``linger`` seconds after its last user left.

    ``connect`` makes a client that is not entered yet. One that broke is replaced by the next
    call. Times are seconds.
    """

    def __init__(
        self, connect: Callable[[], Client], *, open_timeout: float = 10.0, linger: float = 30.0
    ) -> None:
        self._connect = connect
        self._open_timeout = open_timeout
        self._linger = linger
        self._users = 0
        self._opening: asyncio.Task[_Held] | None = None
        self._closer: asyncio.TimerHandle | None = None
        self._keepers: set[asyncio.Task[None]] = set()
        self._turns = Turns()

    @asynccontextmanager
    async def used(self) -> AsyncGenerator[None]:
        """Keep the client for the calls that are made within."""
        self._users += 1
        self._keep_open()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                loop = asyncio.get_running_loop()
                self._closer = loop.call_later(self._linger, self._let_go)

    async def listed(self) -> list[ListedTool]:
        """The server's tools, all pages.

        Raises:
            ConnectionLost: it cannot be reached.
            MCPError: it refuses.
        """
        tools: list[ListedTool] = []
        cursor: str | None = None
        async with self._client() as client:
            while len(tools) < LISTED_TOOLS:
                page = await client.list_tools(cursor=cursor)
                tools.extend(page.tools)
                cursor = page.next_cursor
                if cursor is None or not page.tools:
                    break
        return tools[:LISTED_TOOLS]

    async def call(
        self, name: str, arguments: Mapping[str, Any], progress: Progress | None
    ) -> CallToolResult:
        """Call a tool. It asks for progress only where somebody watches, which costs less.

        Raises:
            ConnectionLost: it cannot be reached, or went away meanwhile.
            MCPError: it refuses.
            RuntimeError: what it answered is not what it promised.
        """
        told = _forwarded(progress) if progress is not None else None
        async with self._client() as client:
            await self._turns.wait()
            return await client.call_tool(name, dict(arguments), progress_callback=told)

    async def aclose(self) -> None:
        """Close it now, and wait until it is; a later call opens it again."""
        self._keep_open()
        if self._opening is not None:
            await asyncio.wait([self._opening])
        self._let_go()
        if self._keepers:
            await asyncio.wait(self._keepers)

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[Client]:
        """The open client; what breaks it within is told as ``ConnectionLost``."""
        held = await self._held()
        try:
            yield held.client
        except MCPError as error:
            if error.code != CONNECTION_CLOSED and not held.keeper.done():
                raise
            self._let_go()
            # Why it broke is known to the keeper, which ends a moment later.
            await asyncio.wait([held.keeper], timeout=_END_SECONDS)
            raise ConnectionLost(_why(held.keeper)) from error

    async def _held(self) -> _Held:
        if self._opening is None or _is_over(self._opening):
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(_noted)
        # Shielded: others may wait for the same client when one of them is cancelled.
        return await asyncio.shield(self._opening)

    async def _open(self) -> _Held:
        closing, ready = asyncio.Event(), asyncio.Event()
        client = self._connect()
        keeper = asyncio.create_task(_keep(client, ready, closing))
        keeper.add_done_callback(_noted)
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        opened = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait(
                (keeper, opened),
                timeout=self._open_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            opened.cancel()
            if not ready.is_set():
                keeper.cancel()
        if keeper.done():
            cause = keeper.exception()
            raise ConnectionLost(f"it could not be connected to: {_told(cause)}") from cause
        if not ready.is_set():
            raise ConnectionLost(f"it did not connect within {self._open_timeout:g} s")
        return _Held(client, keeper, closing)

    def _keep_open(self) -> None:
        if self._closer is not None:
            self._closer.cancel()
            self._closer = None

    def _let_go(self) -> None:
        opening, self._opening, self._closer = self._opening, None, None
        if opening is not None and opening.done() and not _is_over(opening):
            opening.result().closing.set()


def _why(keeper: "asyncio.Task[None]") -> str:
    ended = keeper.done() and not keeper.cancelled() and keeper.exception() is not None
    return _told(keeper.exception()) if ended else "the connection was lost"


async def _keep(client: Client, ready: asyncio.Event, closing: asyncio.Event) -> None:
    async with client:
        ready.set()
        await closing.wait()


def _noted(task: "asyncio.Task[Any]") -> None:
    """Whoever waited was told; where nobody does any more, the log is."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.debug("a client ended: %s", _told(error))


def _is_over(opening: "asyncio.Task[_Held]") -> bool:
    if not opening.done():
        return False
    if opening.cancelled() or opening.exception() is not None:
        return True
    return opening.result().keeper.done()


def _forwarded(progress: Progress) -> ProgressFnT:
    async def told(progress: float, total: float | None, message: str | None) -> None:
        await watch(progress, total, clean_text(message or ""))

    watch = progress  # the library calls by keyword, and its first is named the same
    return told


def _told(error: BaseException | None) -> str:
    """What went wrong at the bottom of groups of errors, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if error is None:
        return "it closed at once"
    said = " ".join(clean_text(str(error)).split())[:300]
    return f"{type(error).__name__}: {said}"
