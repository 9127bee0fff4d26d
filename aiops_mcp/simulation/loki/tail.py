"""The tail: new lines of a query over a WebSocket, as Loki's querier sends them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from aiops_mcp.errors import InvalidLogql
from aiops_mcp.logql import LogQuery, as_log_query
from aiops_mcp.simulation.loki.engine import Engine, LogWindow
from aiops_mcp.simulation.loki.params import HOUR, SECOND, Params
from aiops_mcp.simulation.loki.series import QueryRefused
from aiops_mcp.simulation.loki.streams import ClusterStreams
from aiops_mcp.simulation.loki.wire import streams_json

MOST_TAILS = 10
_MOST_A_FRAME = 1000
_LONGEST = HOUR


class Tails:
    """The open tails of one tenant; ``poll`` is how often they look for lines (seconds)."""

    def __init__(self, streams: ClusterStreams, now: Callable[[], int], poll: float) -> None:
        self._streams = streams
        self._now = now
        self._poll = poll
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """One connection; what Loki refuses, it refuses before the upgrade."""
        try:
            params = Params.of_query(socket, self._now())
            query = as_log_query(params.get("query"))
            delay = _delay(params)
            self._admit()
            start = params.time("start", params.now - HOUR)
            limit = params.entries()
        except (InvalidLogql, QueryRefused) as error:
            text = error.message if isinstance(error, InvalidLogql) else str(error)
            await socket.send_denial_response(PlainTextResponse(f"{text}\n", 400))
            return
        categorized = asks_for_categories(socket.headers.get(FLAGS, ""))
        await socket.accept()
        self._open += 1
        sending = asyncio.create_task(
            self._send(socket, query, start, limit, delay, categorized=categorized)
        )
        try:
            await _until_gone(socket)
        finally:
            self._open -= 1
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def _admit(self) -> None:
        if self._open >= MOST_TAILS:
            raise QueryRefused(
                f"max concurrent tail requests limit exceeded, count > limit ({MOST_TAILS})"
            )

    async def _send(
        self,
        socket: WebSocket,
        query: LogQuery,
        start: int,
        limit: int,
        delay: int,
        *,
        categorized: bool,
    ) -> None:
        began = since = self._now()
        old = LogWindow(min(start, began - 1), began - delay, limit)
        await self._frame(socket, query, old, categorized=categorized)
        since -= delay
        while since - began < _LONGEST:
            await asyncio.sleep(self._poll)
            until = self._now() - delay
            if until > since:
                window = LogWindow(since, until, _MOST_A_FRAME, forward=True)
                await self._frame(socket, query, window, categorized=categorized)
                since = until
        with contextlib.suppress(RuntimeError):
            await socket.close(1011, "reached tail max duration limit")

    async def _frame(
        self, socket: WebSocket, query: LogQuery, window: LogWindow, *, categorized: bool
    ) -> None:
        if window.end <= window.start:
            return
        rows = await asyncio.to_thread(Engine(self._streams).lines, query, window)
        if rows:
            rows.sort(key=lambda row: row.ns)
            frame: dict[str, Any] = {"streams": streams_json(rows, categorized=categorized)}
            if categorized:
                frame["encodingFlags"] = ["categorize-labels"]
            await socket.send_text(orjson.dumps(frame).decode())


def _delay(params: Params) -> int:
    text = params.get("delay_for") or "0"
    if text not in tuple("012345"):
        raise QueryRefused("delay_for can't be greater than 5")
    return int(text) * SECOND


FLAGS = "x-loki-response-encoding-flags"


def asks_for_categories(flags: str) -> bool:
    """Whether the header asks for labels by their origin."""
    return "categorize-labels" in [one.strip() for one in flags.split(",")]


async def _until_gone(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
