"""Where the time of a trace went: what each span spent itself, and the critical path. Pure.

The critical path is the chain of spans that the end of the trace waited for: from a span's end
back, always into the child that finished last before (Zhang and others, "CRISP: Critical Path
Analysis of Large-Scale Microservice Architectures", USENIX ATC 2022; Jaeger's UI shows the same).
A child that outlives its parent counts within the parent only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_clocks import NOBODY

OVERLAP: Final = 0.02
"""Calls one after the other may overlap by this share of the earlier one: clocks are not exact."""


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """``self_ns`` by span: what the trace waited for it alone.

    ``order`` are the spans on the path, as they come in time; ``total_ns`` is what all of it adds
    up to, ``untraced_ns`` of which lie between roots, in no span.
    """

    self_ns: dict[int, int]
    order: tuple[int, ...]
    total_ns: int
    untraced_ns: int


def self_times(trace: AssembledTrace) -> list[int]:
    """What each span spent outside of its children, in nanoseconds; children overlap."""
    found: list[int] = []
    for index, span in enumerate(trace.spans):
        below = trace.children[index]
        if not below:
            found.append(span.duration_ns)
            continue
        begin, end = trace.starts[index], trace.end(index)
        found.append(span.duration_ns - covered(_intervals(trace, below), begin, end))
    return found


def _intervals(trace: AssembledTrace, indices: Iterable[int]) -> list[tuple[int, int]]:
    starts, spans = trace.starts, trace.spans
    return [(starts[each], starts[each] + spans[each].duration_ns) for each in indices]


def covered(intervals: Sequence[tuple[int, int]], begin: int, end: int) -> int:
    """How much of ``begin`` to ``end`` the intervals cover; they come by their start."""
    total, reached = 0, begin
    for start, stop in intervals:
        low, high = max(start, reached), min(stop, end)
        if high > low:
            total += high - low
            reached = high
    return total


def critical_path(trace: AssembledTrace) -> CriticalPath:
    """The path of the whole trace; with several roots these are taken as called by nobody."""
    self_ns: dict[int, int] = {}
    sections: list[tuple[int, int]] = []
    untraced = 0
    if len(trace.roots) == 1:
        begin, end = trace.starts[trace.root], trace.end(trace.root)
        todo = [_Stretch(trace.root, begin, end)]
    else:
        begin, end = trace.start_ns, trace.end_ns
        todo = [_Stretch(NOBODY, begin, end)]
    while todo:
        stretch = todo.pop()
        index = stretch.span
        inside = trace.roots if index == NOBODY else trace.children[index]
        own, calls = _walk_back(trace, inside, stretch)
        todo += calls
        if index == NOBODY:
            untraced = own
        else:
            self_ns[index] = self_ns.get(index, 0) + own
            sections.append((stretch.begin, index))
    sections.sort(key=itemgetter(0))
    order = tuple(dict.fromkeys(index for _, index in sections))
    return CriticalPath(self_ns, order, end - begin, untraced)


class _Stretch(NamedTuple):
    """The part of a span that lies on the path."""

    span: int
    begin: int
    end: int


def _walk_back(
    trace: AssembledTrace, inside: Sequence[int], stretch: _Stretch
) -> tuple[int, list[_Stretch]]:
    """From the end of a stretch to its begin: the time in no child, and the children walked."""
    begin = stretch.begin
    ends = [(-min(trace.end(each), stretch.end), each) for each in inside]
    ends.sort()
    own, calls, place = 0, list[_Stretch](), stretch.end
    for minus_stop, each in ends:
        stop, start = -minus_stop, max(trace.starts[each], begin)
        if stop > place and (stop - place) <= OVERLAP * (stop - start):
            stop = place
        # One that runs beside the child walked through before was not waited for.
        if stop > place or start >= stop:
            continue
        own += place - stop
        calls.append(_Stretch(each, start, stop))
        place = start
    return own + place - begin, calls
