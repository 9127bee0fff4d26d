"""The steps of an answer as clients watch them: numbered, kept for who comes back, read at leisure.

Who watches reads from what is kept at his own pace, so that a slow reader costs nothing and nobody
waits for him. Text that comes within one turn of the event loop is told in one event. What is kept
stays bounded: text already told is folded into one event that begins it anew. Knows no HTTP.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiops_mcp.redaction import clean_json, clean_text

START: Final = "message_start"
DELTA: Final = "content_delta"
PROGRESS: Final = "tool_progress"
COMPLETE: Final = "message_complete"
ERROR: Final = "error"
LAST: Final = frozenset({COMPLETE, ERROR})

MOST_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event; ``number`` counts from 1 within its answer, 0 is of none that can be resumed."""

    number: int
    type: str
    data: Mapping[str, Any]


class Steps:
    """What has been told of one answer, and what will be."""

    def __init__(self, *, most_kept: int = MOST_KEPT) -> None:
        self._most = most_kept
        self._kept: list[StreamEvent] = []
        self._numbered = 0
        self._waiting = ""
        self._begins_anew = False
        self._flush: asyncio.Handle | None = None
        self._changed = asyncio.Event()
        self.text = ""
        self.is_over = False

    # --- telling ------------------------------------------------------------------------------

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Tell a step; text that waits comes before it. After the last one nothing is told."""
        self._tell_waiting()
        self._add(kind, clean_json(dict(data)))
        if kind in LAST:
            self.is_over = True

    def say(self, text: str, *, replaces: bool = False) -> None:
        """Add to the answer's text, or begin it anew."""
        cleaned = clean_text(text)
        if replaces:
            self._begins_anew = self._begins_anew or any(e.type == DELTA for e in self._kept)
            self._kept = [each for each in self._kept if each.type != DELTA]
            self._waiting, self.text = "", ""
        self._waiting += cleaned
        self.text += cleaned
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_soon(self._tell_waiting)

    def _tell_waiting(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if not self._waiting and not self._begins_anew:
            return
        data: dict[str, Any] = {"delta": self._waiting}
        if self._begins_anew:
            data["replaces"] = True
        self._waiting, self._begins_anew = "", False
        self._add(DELTA, data)

    def _add(self, kind: str, data: Mapping[str, Any]) -> None:
        if self.is_over:
            return
        self._numbered += 1
        self._kept.append(StreamEvent(self._numbered, kind, data))
        if len(self._kept) > self._most:
            self._fold()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _fold(self) -> None:
        """Keep one event for all text told so far, and no progress of calls."""
        deltas = [each for each in self._kept if each.type == DELTA]
        self._kept = [each for each in self._kept if each.type not in (DELTA, PROGRESS)]
        if deltas:
            whole = StreamEvent(deltas[-1].number, DELTA, {"delta": self.text, "replaces": True})
            place = bisect_right(self._kept, whole.number, key=_number)
            self._kept.insert(place, whole)

    # --- watching -----------------------------------------------------------------------------

    async def follow(self, after: int = 0) -> AsyncGenerator[Sequence[StreamEvent]]:
        """The steps after a number, as many at once as there are, until the last one."""
        while True:
            changed = self._changed
            there = self._kept[bisect_right(self._kept, after, key=_number) :]
            if there:
                after = there[-1].number
                yield there
            elif self.is_over:
                return
            else:
                await changed.wait()


def _number(event: StreamEvent) -> int:
    return event.number
