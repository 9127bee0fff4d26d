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
from aiops_mcp.simulation.loki.pipeline import rows_of
from aiops_mcp.simulation.loki.rows import Row
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
            list(rows_of([], query.stages))  # a template that cannot be read is told at once
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
        since -= delay
        mark = self._streams.pushed.mark
        old = LogWindow(min(start, since - 1), since, limit)
        rows = await asyncio.to_thread(Engine(self._streams).lines, query, old)
        await _frame(socket, rows, categorized=categorized)
        while since - began < _LONGEST:
            await asyncio.sleep(self._poll)
            until = max(since, self._now() - delay)
            rows, mark = await asyncio.to_thread(self._new, query, since, until, mark)
            await _frame(socket, rows, categorized=categorized)
            since = until
        with contextlib.suppress(RuntimeError):
            await socket.close(1011, "reached tail max duration limit")

    def _new(self, query: LogQuery, since: int, until: int, mark: int) -> tuple[list[Row], int]:
        """What was written between two moments, and what was pushed since, whenever it is from."""
        matchers = query.selector.matchers
        written = self._streams.written(matchers, since, until) if until > since else []
        pushed, mark = self._streams.newly_pushed(matchers, mark)
        return list(rows_of([*written, *pushed], query.stages)), mark


async def _frame(socket: WebSocket, rows: list[Row], *, categorized: bool) -> None:
    """Send rows in order of time; of too many the newest, and which streams lost how many."""
    if not rows:
        return
    rows.sort(key=_by_time)
    dropped, sent = rows[:-_MOST_A_FRAME], rows[-_MOST_A_FRAME:]
    frame: dict[str, Any] = {"streams": streams_json(sent, categorized=categorized)}
    if dropped:
        frame["dropped_entries"] = [
            {"labels": row.labels, "timestamp": str(row.ns)} for row in dropped
        ]
    if categorized:
        frame["encodingFlags"] = ["categorize-labels"]
    await socket.send_text(orjson.dumps(frame).decode())


def _by_time(row: Row) -> int:
    return row.ns


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
