"""Lines that somebody pushed, kept in bounded memory: the oldest go first."""

from collections import deque
from collections.abc import Mapping
from threading import Lock

MOST_LINES = 50_000
MOST_BYTES = 32 * 1024 * 1024
Labels = Mapping[str, str]
PushedEntry = tuple[int, str, Labels]


class PushedStreams:
    """Streams by their labels; safe from several threads."""

    def __init__(self) -> None:
        self._entries: deque[tuple[tuple[tuple[str, str], ...], PushedEntry]] = deque()
        self._bytes = 0
        self._lock = Lock()

    def add(self, labels: Labels, entries: list[PushedEntry]) -> None:
        """Take in lines of one stream, in any order."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            for entry in entries:
                self._entries.append((key, entry))
                self._bytes += len(entry[1])
            while len(self._entries) > MOST_LINES or self._bytes > MOST_BYTES:
                _, gone = self._entries.popleft()
                self._bytes -= len(gone[1])

    def between(self, start: int, end: int) -> list[tuple[Labels, list[PushedEntry]]]:
        """The streams with lines from ``start`` until before ``end``, each in order of time."""
        found: dict[tuple[tuple[str, str], ...], list[PushedEntry]] = {}
        with self._lock:
            for key, entry in self._entries:
                if start <= entry[0] < end:
                    found.setdefault(key, []).append(entry)
        return [(dict(key), sorted(rows, key=_by_time)) for key, rows in found.items()]


def _by_time(entry: PushedEntry) -> int:
    return entry[0]
