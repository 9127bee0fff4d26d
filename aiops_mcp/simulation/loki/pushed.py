"""Lines that somebody pushed, kept in bounded memory: the oldest go first."""

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from threading import Lock

MOST_LINES = 50_000
MOST_BYTES = 32 * 1024 * 1024
Labels = Mapping[str, str]
PushedEntry = tuple[int, str, Labels]
Key = tuple[tuple[str, str], ...]
_Held = tuple[Key, PushedEntry]


class PushedStreams:
    """Streams by their labels; safe from several threads."""

    def __init__(self) -> None:
        self._entries: deque[_Held] = deque()
        self._bytes = 0
        self._taken = 0
        self._lock = Lock()

    def add(self, labels: Labels, entries: list[PushedEntry]) -> None:
        """Take in lines of one stream, in any order."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            for entry in entries:
                self._entries.append((key, entry))
                self._bytes += len(entry[1])
            self._taken += len(entries)
            while len(self._entries) > MOST_LINES or self._bytes > MOST_BYTES:
                _, gone = self._entries.popleft()
                self._bytes -= len(gone[1])

    def between(self, start: int, end: int) -> list[tuple[Labels, list[PushedEntry]]]:
        """The streams with lines from ``start`` until before ``end``, each in order of time."""
        with self._lock:
            held = [one for one in self._entries if start <= one[1][0] < end]
        return _by_stream(held)

    @property
    def mark(self) -> int:
        """How many lines were ever taken in."""
        return self._taken

    def after(self, mark: int) -> tuple[list[tuple[Labels, list[PushedEntry]]], int]:
        """What was taken in since a mark, in order of time, as far as it is kept; the next mark."""
        with self._lock:
            new = min(self._taken - mark, len(self._entries))
            held = list(islice(self._entries, len(self._entries) - new, None))
            return _by_stream(held), self._taken


def _by_stream(held: Iterable[_Held]) -> list[tuple[Labels, list[PushedEntry]]]:
    found: dict[Key, list[PushedEntry]] = {}
    for key, entry in held:
        found.setdefault(key, []).append(entry)
    return [(dict(key), sorted(rows, key=_by_time)) for key, rows in found.items()]


def _by_time(entry: PushedEntry) -> int:
    return entry[0]
