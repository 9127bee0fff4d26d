"""The WebSocket side of uvicorn, with a way to write a frame without waiting.

ASGI's ``send`` is a coroutine that builds each frame anew for each client; for a thousand clients
that is most of what an event costs. uvicorn has no seam for less, so this subclass knows its
protocol class from inside; a test pins what it relies on.
"""

import struct
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_FINAL_TEXT = 0x81


def frame_bytes(payload: bytes) -> bytes:
    """An unmasked, uncompressed text frame (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", _FINAL_TEXT, length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", _FINAL_TEXT, 126, length)
    else:
        head = struct.pack("!BBQ", _FINAL_TEXT, 127, length)
    return head + payload


class _Frames:
    """The frame of the last payload: the same one goes to many clients in a row."""

    def __init__(self) -> None:
        self._payload = b""
        self._frame = frame_bytes(b"")

    def of(self, payload: bytes) -> bytes:
        if payload is not self._payload:
            self._payload, self._frame = payload, frame_bytes(payload)
        return self._frame


_frames = _Frames()


class StreamProtocol(WebSocketsSansIOProtocol):
    """Puts itself into the scope's extensions as ``aiops.direct``: a ``stream_client.Direct``."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._takes_more_again: Callable[[], None] | None = None

    def write_text(self, payload: bytes) -> bool:
        if not self.writable.is_set():
            return False
        if not (self.close_sent or self.disconnected or self.transport.is_closing()):
            self.transport.write(_frames.of(payload))
        return True

    def on_takes_more(self, callback: Callable[[], None]) -> None:
        self._takes_more_again = callback

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101 and not self.conn.extensions:
            extensions = cast("dict[str, Any]", self.scope.setdefault("extensions", {}))
            extensions["aiops.direct"] = self

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._takes_more_again is not None:
            self._takes_more_again()
