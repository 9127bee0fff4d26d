"""The clocks of clusters brought together, by what their spans say of each other. Pure.

The rule is that of Jaeger's adjuster (jaegertracing/jaeger ``adjuster/clockskew.go``): a called
span lies within the calling one, and where only the one call is known, in its middle, for the way
there takes as long as the way back. Jaeger corrects span by span; here a cluster has one clock (its
nodes keep time together far better than clusters do), and its offset is the one that fits most of
the calls between it and the others. So a call that nobody waited for moves nothing, and what was
right is not moved to fit what was wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.models.spans import SpanKind, SpanRecord

NOBODY = -1
"""In the place of a parent's index: there is none."""

_FAR = 2**63


@dataclass(frozen=True, slots=True)
class Skew:
    """All ``spans`` spans of ``cluster`` were moved by ``offset_ns``."""

    cluster: str
    offset_ns: int
    spans: int


Bounds = tuple[int, int]
"""The offsets between which a call makes sense, in nanoseconds."""


def corrected(
    spans: Sequence[SpanRecord], clusters: Sequence[str], parents: Sequence[int]
) -> tuple[list[int], tuple[Skew, ...]]:
    """The start of each span, and which clusters' clocks were corrected, the worst first.

    The clock of the cluster where the trace begins is taken as right.
    """
    starts = [span.start_ns for span in spans]
    counts = Counter(clusters)
    if len(counts) < 2:
        return starts, ()
    offsets = _offsets(spans, clusters, parents)
    skews = [Skew(name, offset, counts[name]) for name, offset in offsets.items() if offset]
    if not skews:
        return starts, ()
    moved = [start + offsets[name] for start, name in zip(starts, clusters, strict=True)]
    return moved, tuple(sorted(skews, key=lambda skew: -abs(skew.offset_ns)))


def _offsets(
    spans: Sequence[SpanRecord], clusters: Sequence[str], parents: Sequence[int]
) -> dict[str, int]:
    """The offset of every cluster: from the trace's first outwards, along most calls."""
    crossing = _crossing(spans, clusters, parents)
    offsets: dict[str, int] = {}
    rest = set(clusters)
    for name in _by_first_root(spans, clusters, parents):
        if name not in rest:
            continue
        offsets[name] = 0  # nothing known leads here: its own clock stands
        rest.discard(name)
        while near := _nearest(crossing, offsets, rest):
            bounds = [
                (low + offsets[known], high + offsets[known])
                for (known, other), all_ in crossing.items()
                if other == near and known in offsets
                for low, high in all_
            ]
            offsets[near] = _best(bounds)
            rest.discard(near)
    return offsets


def _by_first_root(
    spans: Sequence[SpanRecord], clusters: Sequence[str], parents: Sequence[int]
) -> list[str]:
    """All clusters: first that of the real root, then those of other roots, then the rest."""
    order = sorted(
        range(len(spans)),
        key=lambda index: (
            parents[index] != NOBODY,
            bool(spans[index].parent_id),
            spans[index].start_ns,
        ),
    )
    return list(dict.fromkeys(clusters[index] for index in order))


def _nearest(
    crossing: Mapping[tuple[str, str], Sequence[Bounds]],
    offsets: Mapping[str, int],
    rest: Iterable[str],
) -> str | None:
    """The cluster whose offset is told by most calls from or to those that are known."""
    told: Counter[str] = Counter()
    for (known, other), bounds in crossing.items():
        if known in offsets and other in rest:
            told[other] += len(bounds)
    return min(told, key=lambda name: (-told[name], name), default=None)


def _crossing(
    spans: Sequence[SpanRecord], clusters: Sequence[str], parents: Sequence[int]
) -> dict[tuple[str, str], list[Bounds]]:
    """By (known cluster, other cluster): the bounds of the other's offset, were the known one 0."""
    found: dict[tuple[str, str], list[Bounds]] = defaultdict(list)
    for index, parent in enumerate(parents):
        if parent == NOBODY or clusters[parent] == clusters[index]:
            continue
        low, high = _bounds(spans[parent], spans[index])
        found[clusters[parent], clusters[index]].append((low, high))
        found[clusters[index], clusters[parent]].append((-high, -low))
    return found


def _bounds(parent: SpanRecord, child: SpanRecord) -> Bounds:
    """By how much the called span may be moved so that it lies within the calling one."""
    low = parent.start_ns - child.start_ns
    if child.duration_ns > parent.duration_ns or child.kind is SpanKind.CONSUMER:
        # It outlasts its caller, or nobody waits for it: it can only not begin before.
        return low, _FAR
    return low, parent.end_ns - child.end_ns


def _best(bounds: Sequence[Bounds]) -> int:
    """The offset within most of the bounds: none where that is as good, else in the middle."""
    edges = sorted([(low, 0) for low, _ in bounds] + [(high, 1) for _, high in bounds])
    depth, most, begin, end = 0, 0, 0, 0
    for place, (at, closes) in enumerate(edges):
        if closes:
            depth -= 1
            continue
        depth += 1
        if depth > most:
            most, begin, end = depth, at, edges[place + 1][0]
    if sum(low <= 0 <= high for low, high in bounds) == most:
        return 0
    if end >= _FAR // 2:
        return begin  # no earlier than its caller, as far as is known
    if begin <= -_FAR // 2:
        return end
    return (begin + end) // 2
