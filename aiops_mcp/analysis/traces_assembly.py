"""One trace out of spans from several stores: duplicates, lost parents, cycles. Pure.

How the clocks of clusters are brought together is in `traces_clocks`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiops_mcp.analysis.traces_clocks import NOBODY, Skew, corrected
from aiops_mcp.models.spans import CLUSTER_KEYS, SpanKind, SpanRecord


@dataclass(frozen=True, slots=True)
class AssembledTrace:
    """Spans by their corrected start; everything else is by their place in ``spans``.

    ``parents`` hold NOBODY for roots. ``root`` is the one that the trace is named after.
    ``missing_parents`` counts roots whose parent nobody has; ``cycles`` those that were cut out of
    a ring.
    """

    spans: tuple[SpanRecord, ...]
    clusters: tuple[str, ...]
    starts: tuple[int, ...]
    parents: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]
    roots: tuple[int, ...]
    root: int
    missing_parents: int
    cycles: int
    skews: tuple[Skew, ...]

    def end(self, index: int) -> int:
        """The corrected end of a span, in nanoseconds."""
        return self.starts[index] + self.spans[index].duration_ns

    @property
    def start_ns(self) -> int:
        return self.starts[0]

    @property
    def end_ns(self) -> int:
        return max(
            start + span.duration_ns for start, span in zip(self.starts, self.spans, strict=True)
        )


def cluster_of(span: SpanRecord, store: str) -> str:
    """Where a span ran: what its process says, else the cluster whose store it came from."""
    for key in CLUSTER_KEYS:
        if said := span.resource.get(key):
            return str(said)
    return store


def assemble(by_store: Mapping[str, Iterable[SpanRecord]]) -> AssembledTrace:
    """The trace; ``by_store`` are its spans by the name of the cluster whose store has them.

    Raises:
        ValueError: there is no span at all.
    """
    spans, clusters = _united(by_store)
    if not spans:
        raise ValueError("a trace without spans")
    parents, missing = _parents(spans)
    children = _children(parents, spans)
    reached = _order(_without(parents), children)
    cycles = _cut_cycles(spans, parents, children, reached)
    starts, skews = corrected(spans, clusters, parents)
    return _sorted(spans, clusters, starts, parents, missing, cycles, skews)


def _united(by_store: Mapping[str, Iterable[SpanRecord]]) -> tuple[list[SpanRecord], list[str]]:
    """Every span once: of two with one id the longer stands, for the other was not ended."""
    found: dict[tuple[str, bool, str], tuple[SpanRecord, str]] = {}
    for store, spans in by_store.items():
        for span in spans:
            # Zipkin's clients and servers share an id; these are two spans.
            key = (span.span_id, span.kind is SpanKind.SERVER, span.service)
            known = found.get(key)
            if known is None or span.duration_ns > known[0].duration_ns:
                found[key] = (span, cluster_of(span, store))
    return [span for span, _ in found.values()], [cluster for _, cluster in found.values()]


def _parents(spans: Sequence[SpanRecord]) -> tuple[list[int], int]:
    """The parent of each span, and how many have one that nobody knows."""
    caller: dict[str, int] = {}
    server: dict[str, int] = {}
    for index, span in enumerate(spans):
        (server if span.kind is SpanKind.SERVER else caller).setdefault(span.span_id, index)
    parents: list[int] = []
    missing = 0
    for index, span in enumerate(spans):
        own = span.span_id
        if own in server and caller.get(own, index) != index:
            parents.append(caller[own])  # the server's half of a shared id
            continue
        above = span.parent_id
        # What is below a shared id is below the server's half.
        place = server.get(above, caller.get(above, NOBODY)) if above else NOBODY
        missing += bool(above) and place == NOBODY
        parents.append(place)
    return parents, missing


def _children(parents: Sequence[int], spans: Sequence[SpanRecord]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in spans]
    for index, parent in enumerate(parents):
        if parent != NOBODY:
            children[parent].append(index)
    return children


def _without(parents: Sequence[int]) -> list[int]:
    return [index for index, parent in enumerate(parents) if parent == NOBODY]


def _order(roots: Iterable[int], children: Sequence[Sequence[int]]) -> list[int]:
    """Everything that can be reached, parents before their children."""
    order = list(roots)
    for index in order:  # grows while it is walked
        order.extend(children[index])
    return order


def _cut_cycles(
    spans: Sequence[SpanRecord],
    parents: list[int],
    children: list[list[int]],
    reached: Iterable[int],
) -> int:
    """Make the earliest span of every ring a root; returns how many rings there were."""
    seen = set(reached)
    rings = 0
    for index in sorted(range(len(spans)), key=lambda each: spans[each].start_ns):
        if index in seen:
            continue
        start = _ring_start(index, parents, spans)
        children[parents[start]].remove(start)
        parents[start] = NOBODY
        seen.update(_order([start], children))
        rings += 1
    return rings


def _ring_start(index: int, parents: Sequence[int], spans: Sequence[SpanRecord]) -> int:
    """The earliest span of the ring that a span hangs on."""
    passed: dict[int, None] = {}
    while index not in passed:
        passed[index] = None
        index = parents[index]
    walked = list(passed)
    return min(walked[walked.index(index) :], key=lambda each: spans[each].start_ns)


def _sorted(
    spans: Sequence[SpanRecord],
    clusters: Sequence[str],
    starts: Sequence[int],
    parents: Sequence[int],
    missing: int,
    cycles: int,
    skews: tuple[Skew, ...],
) -> AssembledTrace:
    order = sorted(range(len(spans)), key=lambda index: (starts[index], -spans[index].duration_ns))
    place = [0] * len(order)
    for new, old in enumerate(order):
        place[old] = new
    moved = tuple(NOBODY if parents[old] == NOBODY else place[parents[old]] for old in order)
    children: list[list[int]] = [[] for _ in order]
    for index, parent in enumerate(moved):
        if parent != NOBODY:
            children[parent].append(index)
    roots = tuple(index for index, parent in enumerate(moved) if parent == NOBODY)
    ordered = tuple(spans[old] for old in order)
    return AssembledTrace(
        ordered,
        tuple(clusters[old] for old in order),
        tuple(starts[old] for old in order),
        moved,
        tuple(tuple(each) for each in children),
        roots,
        min(roots, key=lambda index: (bool(ordered[index].parent_id), index)),
        missing,
        cycles,
        skews,
    )


def spans_by_cluster(trace: AssembledTrace) -> Mapping[str, int]:
    """How many spans ran in each cluster, the most first."""
    return dict(Counter(trace.clusters).most_common())
