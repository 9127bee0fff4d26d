"""One client of the event stream: what waits for it, and how frames get onto its connection.

A frame is the same bytes for every client. Where the server lets us (``Direct``) it goes straight
to the socket; what the client does not read waits here, the oldest giving way. Bounded memory
either way: frames are shared, and the socket's buffer is the server's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from aiops_mcp.surfaces.websocket_auth import Admitted

QUEUE = 100


class Direct(Protocol):
    """A connection of a server that lets us write text frames without waiting."""

    def write_text(self, payload: bytes) -> bool:
        """Write a frame, or not where the other side has not taken what was written before.

        False where it has not. To a connection that is closing nothing is written any more.
        """
        ...

    def on_takes_more(self, callback: Callable[[], None]) -> None:
        """Call back when it takes more again, after it did not."""
        ...


class StreamClient:
    """A connection that was let in. ``sent`` is told how many frames went out."""

    def __init__(
        self,
        websocket: WebSocket,
        admitted: Admitted,
        connected_at: datetime,
        *,
        sent: Callable[[int], None],
        dropped: Callable[[int], None],
    ) -> None:
        self.websocket = websocket
        self.admitted = admitted
        self.connected_at = connected_at
        self.dropped = 0
        self.delivered = 0
        self.is_paused = False
        """Its token has expired: it gets nothing until there is a new one."""
        self.gone = asyncio.Event()
        """The server wants this connection to end."""
        self._count_sent = sent
        self._count_dropped = dropped
        self._waiting: deque[bytes | Iterator[bytes]] = deque()
        self._held: bytes | None = None
        self._untold = 0
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._direct: Direct | None = websocket.scope.get("extensions", {}).get("aiops.direct")
        if self._direct is not None:
            self._direct.on_takes_more(self._flush)

    @property
    def _is_behind(self) -> bool:
        return bool(self._waiting) or self._held is not None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def send(self, frame: bytes) -> None:
        """Send a frame now or as soon as the client reads; never waits."""
        if self.write(frame):
            self._count_sent(1)

    def write(self, frame: bytes) -> bool:
        """Send a frame; true where it went at once, and the caller counts it."""
        direct = self._direct
        if direct is not None and not self._is_behind and direct.write_text(frame):
            self.delivered += 1
            return True
        if len(self._waiting) >= QUEUE:
            # A replay is not the oldest frame but all that the client asked to get again.
            del self._waiting[0 if isinstance(self._waiting[0], bytes) else 1]
            self.dropped += 1
            self._untold += 1
            self._count_dropped(1)
        self._waiting.append(frame)
        if direct is None:
            self._start_writing()
        return False

    def replay(self, frames: Iterator[bytes]) -> None:
        """Send many frames, each made when the client takes it, before anything that comes now."""
        self._waiting.append(frames)
        if self._direct is None:
            self._start_writing()
        else:
            self._flush()

    def _flush(self) -> None:
        """Write what waits for as long as the other side takes it."""
        direct = self._direct
        while direct is not None and (frame := self._held or self._next()) is not None:
            # What is not taken is held: a replay makes a frame only once.
            self._held = None if direct.write_text(frame) else frame
            if self._held is not None:
                return
            self.delivered += 1
            self._count_sent(1)

    def _next(self) -> bytes | None:
        """The next frame; first of all the word that some were dropped."""
        if self._untold and self._waiting:
            untold, self._untold = self._untold, 0
            return orjson.dumps(
                {
                    "type": "error",
                    "code": "QUEUE_FULL",
                    "message": f"{untold} frames were dropped, the oldest first: read faster, "
                    "or subscribe to less.",
                    "dropped": untold,
                }
            )
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, bytes):
                self._waiting.popleft()
                return first
            frame = next(first, None)
            if frame is not None:
                return frame
            self._waiting.popleft()
        return None

    def _start_writing(self) -> None:
        self._wake.set()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """For servers without ``Direct``: one frame after the other, as the client takes them."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (frame := self._next()) is not None:
                try:
                    await self.websocket.send_text(frame.decode())
                except (WebSocketDisconnect, RuntimeError):
                    return  # closed meanwhile; its reader ends as well
                self.delivered += 1
                self._count_sent(1)

    def say_goodbye(self, reason: str, *, reconnect_after_ms: int) -> None:
        """Send ``disconnect`` and let the endpoint close the connection."""
        self.send(
            orjson.dumps(
                {"type": "disconnect", "reason": reason, "reconnect_after_ms": reconnect_after_ms}
            )
        )
        self.gone.set()

    async def end(self) -> None:
        """Stop writing."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
