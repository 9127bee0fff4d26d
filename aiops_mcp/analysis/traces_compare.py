"""How a trace differs from normal ones of the same operation. Pure.

Compared is, by service and operation, how often it was called and how long it took by itself (its
children aside): a slow database then shows at the database, and not at everything above it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_path import self_times
from aiops_mcp.analysis.traces_patterns import call_names
from aiops_mcp.models.spans import SpanStatus
from aiops_mcp.models.traces import Comparison, Difference, DifferenceKind

MOST_DIFFERENCES: Final = 6
WORTH_SAYING: Final = 0.08
"""A difference in time of at least this share of the slower of both traces."""

MANY_MORE: Final = 2.0
"""Calls that many times as often."""

USUAL: Final = 0.6
"""In so many of the normal traces something is when its absence is told."""

Call = tuple[str, str]
"""Service and operation."""


@dataclass(frozen=True, slots=True)
class CallProfile:
    """One operation within one trace."""

    count: int
    self_ns: int
    errors: int


@dataclass(frozen=True, slots=True)
class TraceProfile:
    """A trace as it is compared: by operation, and how long all of it took."""

    calls: Mapping[Call, CallProfile]
    start_ns: int
    duration_ns: int
    failed: bool


def profile(
    trace: AssembledTrace, own: Sequence[int] | None = None, names: Sequence[str] | None = None
) -> TraceProfile:
    """The profile of a trace; ``own`` are its `self_times`, ``names`` its `call_names`."""
    own = self_times(trace) if own is None else own
    names = call_names(trace.spans) if names is None else names
    counts: dict[Call, int] = defaultdict(int)
    times: dict[Call, int] = defaultdict(int)
    errors: dict[Call, int] = defaultdict(int)
    for span, name, own_ns in zip(trace.spans, names, own, strict=True):
        call = (span.service, name)
        counts[call] += 1
        times[call] += own_ns
        errors[call] += span.status is SpanStatus.ERROR
    calls = {call: CallProfile(counts[call], times[call], errors[call]) for call in counts}
    return TraceProfile(calls, trace.start_ns, trace.end_ns - trace.start_ns, any(errors.values()))


def compare(this: TraceProfile, normal: Sequence[TraceProfile]) -> Comparison:
    """What differs, the largest differences in time first.

    Raises:
        ValueError: there is nothing to compare with.
    """
    if not normal:
        raise ValueError("no normal trace to compare with")
    normal_ns = median(each.duration_ns for each in normal)
    scale = max(this.duration_ns, normal_ns, 1)
    every = set(this.calls).union(*(each.calls for each in normal))
    weighed: list[tuple[float, Difference]] = []
    for call in every:
        found = _difference(call, this, normal, scale)
        if found is not None:
            weighed.append(found)
    weighed.sort(key=lambda pair: (-pair[0], pair[1].service_name, pair[1].operation_name))
    return Comparison(
        compared=len(normal),
        since=_moment(min(each.start_ns for each in normal)),
        until=_moment(max(each.start_ns for each in normal)),
        normal_ms=normal_ns / 1e6,
        differences=tuple(difference for _, difference in weighed[:MOST_DIFFERENCES]),
    )


def _moment(unix_ns: int) -> datetime:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC)


_NOTHING = CallProfile(0, 0, 0)


def _difference(
    call: Call, this: TraceProfile, normal: Sequence[TraceProfile], scale: float
) -> tuple[float, Difference] | None:
    here = this.calls.get(call, _NOTHING)
    there = [each.calls.get(call, _NOTHING) for each in normal]
    present = sum(each.count > 0 for each in there) / len(there)
    count = median(each.count for each in there)
    self_ns = median(each.self_ns for each in there)
    share = (here.self_ns - self_ns) / scale
    kind = _kind(here, present, count, share, fails=not any(each.errors for each in there))
    if kind is None:
        return None
    # A failure that normal traces do not have tells more than any time.
    weight = abs(share) + (1.0 if kind is DifferenceKind.FAILS_HERE else 0.0)
    return weight, Difference(
        kind=kind,
        service_name=call[0],
        operation_name=call[1],
        count=here.count,
        normal_count=count,
        self_ms=here.self_ns / 1e6,
        normal_self_ms=self_ns / 1e6,
    )


def _kind(
    here: CallProfile, present: float, count: float, share: float, *, fails: bool
) -> DifferenceKind | None:
    if here.errors and fails:
        return DifferenceKind.FAILS_HERE
    if here.count and not present:
        return DifferenceKind.ONLY_HERE
    if not here.count:
        return DifferenceKind.MISSING_HERE if present >= USUAL else None
    if here.count >= MANY_MORE * max(count, 1) and here.count - count >= 2:
        return DifferenceKind.MORE_CALLS
    return DifferenceKind.SLOWER if share >= WORTH_SAYING else None
