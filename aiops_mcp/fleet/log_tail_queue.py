"""What waits between many clusters that write and one reader: bounded, the oldest goes first."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from aiops_mcp.fleet.log_merge import ClusterLines, merge
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.logs import (
    LogDirection,
    LogEntry,
    TailDropped,
    TailItem,
    TailLines,
    TailSource,
)

BATCH = 500
"""Lines handed out at once."""


@dataclass(frozen=True, slots=True)
class TailLine:
    """One line that has come; ``ns`` is nanoseconds since 1970."""

    cluster: Cluster
    labels: Mapping[str, str]
    ns: int
    text: str
    metadata: Mapping[str, str]


class TailQueue:
    """At most ``most`` lines wait; what is dropped is counted, and said before what follows."""

    def __init__(self, most: int) -> None:
        self._lines: deque[TailLine] = deque()
        self._sources: deque[TailSource] = deque()
        self._most = most
        self._dropped = 0
        self._ended = False
        self._news = asyncio.Event()

    def put(self, line: TailLine) -> None:
        if len(self._lines) >= self._most:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(line)
        self._news.set()

    def lost(self, count: int) -> None:
        """A cluster itself has left lines out."""
        if count:
            self._dropped += count
            self._news.set()

    def tell(self, source: TailSource) -> None:
        self._sources.append(source)
        self._news.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._news.set()

    async def take(self) -> list[TailItem] | None:
        """What has come, when something has; None at the end."""
        await self._news.wait()
        items: list[TailItem] = list(self._sources)
        self._sources.clear()
        if self._dropped:
            items.append(TailDropped(count=self._dropped))
            self._dropped = 0
        if self._lines:
            items.append(TailLines(entries=self._batch()))
        if items:
            if not self._lines and not self._ended:
                self._news.clear()
            return items
        return None if self._ended else []

    def _batch(self) -> tuple[LogEntry, ...]:
        """The oldest lines that wait, by time and without copies."""
        found: dict[str, tuple[Cluster, ClusterLines]] = {}
        for _ in range(min(BATCH, len(self._lines))):
            line = self._lines.popleft()
            _, lines = found.setdefault(line.cluster.name, (line.cluster, ClusterLines()))
            lines.add(line.labels, [(line.ns, line.text, line.metadata)])
        return merge(list(found.values()), limit=BATCH, direction=LogDirection.FORWARD).entries
