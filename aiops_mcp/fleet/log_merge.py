"""Lines of many clusters in one order, the same line once, and where to go on. Pure.

A line is a plain tuple until it is known to be shown: a hundred thousand lines may come in for a
hundred that go out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from aiops_mcp.errors import InputError
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.logs import LogDirection, LogEntry

REPLICA_LABELS = frozenset(
    {"replica", "__replica__", "collector", "collector_id", "promtail_instance", "agent_id"}
)
"""Labels that tell who collected a line: of two collectors' copies only these differ."""

LONGEST_MESSAGE = 16_384
"""Characters of a line that are passed on."""

ALL_SHOWN = 5000
"""As many lines of one nanosecond as can be asked for: the next page steps past it."""

_NO_METADATA: Mapping[str, str] = {}


class Line(NamedTuple):
    """One line; ``stream`` is the index of its labels in the cluster's ``streams``."""

    ns: int
    stream: int
    text: str
    metadata: Mapping[str, str] = _NO_METADATA


@dataclass(slots=True)
class ClusterLines:
    """One cluster's lines in any order; ``truncated`` says that it has more beyond them."""

    streams: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    lines: list[Line] = field(default_factory=list[Line])
    truncated: bool = False

    def add(
        self, labels: Mapping[str, str], lines: Iterable[tuple[int, str, Mapping[str, str]]]
    ) -> None:
        """Take the lines of one stream in."""
        number = len(self.streams)
        self.streams.append(labels)
        self.lines.extend([Line(ns, number, text, more) for ns, text, more in lines])


@dataclass(frozen=True, slots=True)
class Merged:
    """``folded`` lines were copies; ``more`` says that some were left out or never asked for."""

    entries: tuple[LogEntry, ...]
    folded: int
    more: bool
    cursor: "Place | None"


class Place(NamedTuple):
    """Where an answer ended: at this nanosecond, with so many lines of it shown."""

    ns: int
    shown: int

    def text(self) -> str:
        return f"{self.ns}.{self.shown}"


def read_place(cursor: str) -> Place:
    """The place that a cursor names.

    Raises:
        InputError: it is not one of ours.
    """
    ns, dot, shown = cursor.partition(".")
    if not (dot and ns.isascii() and shown.isascii() and ns.isdigit() and shown.isdigit()):
        raise InputError(
            f"{cursor!r} is not a cursor.",
            "Copy it from the answer before.",
            details={"field": "cursor"},
        )
    return Place(int(ns), int(shown))


_Row = tuple[int, int, str, Mapping[str, str]]
"""Time, number of the stream over all clusters, text, metadata."""


@dataclass(slots=True)
class _Streams:
    """Streams of all clusters in one list; those that only collectors tell apart are one."""

    labels: list[tuple[Cluster, Mapping[str, str]]] = field(
        default_factory=list[tuple[Cluster, Mapping[str, str]]]
    )
    known: dict[tuple[int, frozenset[tuple[str, str]]], int] = field(
        default_factory=dict[tuple[int, frozenset[tuple[str, str]]], int]
    )

    def numbers(self, cluster: Cluster, place: int, lines: ClusterLines) -> list[int]:
        """For each stream of a cluster its number here."""
        found: list[int] = []
        for labels in lines.streams:
            own = frozenset(pair for pair in labels.items() if pair[0] not in REPLICA_LABELS)
            number = self.known.setdefault((place, own), len(self.labels))
            if number == len(self.labels):
                self.labels.append((cluster, labels))
            found.append(number)
        return found

    def order(self) -> list[int]:
        """For each stream its rank by cluster and labels, which decides between equal times."""
        keys = [(cluster.name, sorted(labels.items())) for cluster, labels in self.labels]
        ranks = [0] * len(keys)
        for rank, number in enumerate(sorted(range(len(keys)), key=keys.__getitem__)):
            ranks[number] = rank
        return ranks


def merge(
    found: Sequence[tuple[Cluster, ClusterLines]],
    *,
    limit: int,
    direction: LogDirection,
    after: Place | None = None,
) -> Merged:
    """The first ``limit`` lines in the direction, beginning after a place.

    Lines are equal when cluster, nanosecond, text and labels (but a collector's) are; they count
    once. The order is total, so that pages meet: by time, then cluster, labels and text.
    """
    streams = _Streams()
    rows: list[_Row] = []
    for place, (cluster, lines) in enumerate(found):
        numbers = streams.numbers(cluster, place, lines)
        rows += [(ns, numbers[own], text, more) for ns, own, text, more in lines.lines]
    backward = direction is LogDirection.BACKWARD
    # Clusters come sorted: the sort finds their runs, and merges them as a k-way merge would.
    rows.sort(key=itemgetter(0), reverse=backward)
    kept, copies = _folded(rows, streams.order(), backward=backward)
    begin = _begin(kept, after)
    picked = kept[begin : begin + limit]
    beyond = len(kept) > begin + limit
    more = beyond or any(lines.truncated for _, lines in found)
    entries = tuple(_entry(streams.labels[row[1]], row, copies) for row in picked)
    return Merged(entries, len(rows) - len(kept), more, _place(picked, after) if more else None)


def _folded(
    rows: list[_Row], order: Sequence[int], *, backward: bool
) -> tuple[list[_Row], dict[tuple[int, int, str], int]]:
    """Rows without copies, ties in order; how many copies each of those has that has any."""
    kept: list[_Row] = []
    copies: dict[tuple[int, int, str], int] = {}
    total, index = len(rows), 0
    while index < total:
        ns = rows[index][0]
        end = index + 1
        while end < total and rows[end][0] == ns:
            end += 1
        if end == index + 1:
            kept.append(rows[index])
        else:
            kept += _tied(rows[index:end], order, copies, backward=backward)
        index = end
    return kept, copies


def _tied(
    rows: Sequence[_Row],
    order: Sequence[int],
    copies: dict[tuple[int, int, str], int],
    *,
    backward: bool,
) -> list[_Row]:
    seen: dict[tuple[int, str], _Row] = {}
    for row in rows:
        key = (row[1], row[2])
        if key in seen:
            place = (row[0], *key)
            copies[place] = copies.get(place, 1) + 1
        else:
            seen[key] = row
    return sorted(seen.values(), key=lambda row: (order[row[1]], row[2]), reverse=backward)


def _begin(kept: Sequence[_Row], after: Place | None) -> int:
    """The index of the first row that no page before has shown."""
    if after is None:
        return 0
    index = 0
    while index < len(kept) and index < after.shown and kept[index][0] == after.ns:
        index += 1
    return index


def _place(picked: Sequence[_Row], after: Place | None) -> Place | None:
    if not picked:
        # Nothing but copies of what was shown: this nanosecond is done with.
        return Place(after.ns, ALL_SHOWN) if after is not None else None
    last = picked[-1][0]
    shown = 0
    for row in reversed(picked):
        if row[0] != last:
            return Place(last, shown)
        shown += 1
    return Place(last, shown + (after.shown if after is not None and after.ns == last else 0))


def _entry(
    stream: tuple[Cluster, Mapping[str, str]], row: _Row, copies: Mapping[tuple[int, int, str], int]
) -> LogEntry:
    cluster, labels = stream
    ns, number, text, metadata = row
    return LogEntry.model_construct(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        timestamp=ns,
        stream=dict(labels),
        message=shortened(text),
        metadata=dict(metadata),
        copies=copies.get((ns, number, text), 1) if copies else 1,
    )


def shortened(text: str) -> str:
    """A line of a length that can be passed on; what was cut off is said."""
    if len(text) <= LONGEST_MESSAGE:
        return text
    return f"{text[:LONGEST_MESSAGE]}… [{len(text) - LONGEST_MESSAGE} characters cut off]"
