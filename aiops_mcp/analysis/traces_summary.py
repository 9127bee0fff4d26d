"""What matters about one trace, out of its spans: see `models.traces.TraceSummary`. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.analysis.traces_assembly import AssembledTrace, spans_by_cluster
from aiops_mcp.analysis.traces_compare import TraceProfile, profile
from aiops_mcp.analysis.traces_path import CriticalPath, critical_path, self_times
from aiops_mcp.analysis.traces_patterns import Repeated, call_names, repetitions
from aiops_mcp.models.spans import SpanStatus
from aiops_mcp.models.traces import (
    CallShape,
    ClockSkew,
    NotableSpan,
    PathStep,
    Repetition,
    TraceSummary,
)

MOST_STEPS: Final = 12
MOST_SLOWEST: Final = 5
MOST_FAILING: Final = 8
MOST_REPEATED: Final = 5
MIN_REPEATED_SHARE: Final = 0.02
MANY_REPEATS: Final = 20
"""Repetition that takes little time is told all the same from this many calls on."""


@dataclass(frozen=True, slots=True)
class Summarised:
    """The summary, and the profile that is compared with other traces'."""

    summary: TraceSummary
    profile: TraceProfile


def summarise(trace: AssembledTrace) -> Summarised:
    """Sum up a trace; linear in its spans but for the sorting of each span's children."""
    own = self_times(trace)
    names = call_names(trace.spans)
    path = critical_path(trace)
    total = max(path.total_ns, 1)
    failing = _failing(trace, own, names, total)
    root_end = trace.end(trace.root)
    summary = TraceSummary(
        total_ms=path.total_ns / 1e6,
        critical_path=_steps(trace, path, names, total),
        untraced_ms=path.untraced_ns / 1e6,
        slowest=_slowest(trace, own, names, total),
        failing=failing[:MOST_FAILING],
        failing_count=sum(span.status is SpanStatus.ERROR for span in trace.spans),
        repeated=_repeated(trace, repetitions(trace, names), names, total),
        services=_services(trace),
        clusters=tuple(spans_by_cluster(trace)),
        roots=len(trace.roots),
        missing_parents=trace.missing_parents,
        cycles=trace.cycles,
        outlive_root=_outliving(trace, root_end) if len(trace.roots) == 1 else 0,
        skews=tuple(
            ClockSkew(cluster_name=skew.cluster, offset_ms=skew.offset_ns / 1e6, spans=skew.spans)
            for skew in trace.skews
        ),
    )
    return Summarised(summary, profile(trace, own, names))


def _steps(
    trace: AssembledTrace, path: CriticalPath, names: Sequence[str], total: int
) -> tuple[PathStep, ...]:
    """The path by operation, in the order in which it gets there; the smallest are left out."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index in path.order:
        groups[trace.spans[index].service, names[index], trace.clusters[index]].append(index)
    steps = [
        PathStep(
            service_name=service,
            operation_name=name,
            cluster_name=cluster,
            count=len(indices),
            self_ms=(spent := sum(path.self_ns[each] for each in indices)) / 1e6,
            share=spent / total,
            errors=sum(trace.spans[each].status is SpanStatus.ERROR for each in indices),
            span_id=trace.spans[max(indices, key=lambda each: path.self_ns[each])].span_id,
        )
        for (service, name, cluster), indices in groups.items()
    ]
    if len(steps) <= MOST_STEPS:
        return tuple(steps)
    least = sorted((step.share for step in steps), reverse=True)[MOST_STEPS - 1]
    return tuple(step for step in steps if step.share >= least)[:MOST_STEPS]


def _notable(
    trace: AssembledTrace,
    index: int,
    own: Sequence[int],
    names: Sequence[str],
    total: int,
    *,
    count: int = 1,
    passed_on: bool = False,
) -> NotableSpan:
    span = trace.spans[index]
    return NotableSpan(
        span_id=span.span_id,
        service_name=span.service,
        operation_name=names[index],
        cluster_name=trace.clusters[index],
        duration_ms=span.duration_ns / 1e6,
        self_ms=own[index] / 1e6,
        share=own[index] / total,
        message=span.message or None,
        count=count,
        passed_on=passed_on,
    )


def _slowest(
    trace: AssembledTrace, own: Sequence[int], names: Sequence[str], total: int
) -> tuple[NotableSpan, ...]:
    """By the time a span spent itself: by its whole time the root would always come first."""
    indices = sorted(range(len(own)), key=lambda index: -own[index])[:MOST_SLOWEST]
    return tuple(_notable(trace, index, own, names, total) for index in indices)


def _failing(
    trace: AssembledTrace, own: Sequence[int], names: Sequence[str], total: int
) -> tuple[NotableSpan, ...]:
    """Failures by operation and message, those first below which nothing failed: their origin."""
    failed = [span.status is SpanStatus.ERROR for span in trace.spans]
    groups: dict[tuple[bool, str, str, str], list[int]] = defaultdict(list)
    for index, is_failed in enumerate(failed):
        if is_failed:
            span = trace.spans[index]
            passed_on = any(failed[child] for child in trace.children[index])
            groups[passed_on, span.service, names[index], span.message].append(index)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[1][0]))
    return tuple(
        _notable(trace, indices[0], own, names, total, count=len(indices), passed_on=key[0])
        for key, indices in ordered
    )


def _repeated(
    trace: AssembledTrace, found: Sequence[Repeated], names: Sequence[str], total: int
) -> tuple[Repetition, ...]:
    told = [
        each
        for each in found
        if each.busy_ns / total >= MIN_REPEATED_SHARE or len(each.indices) >= MANY_REPEATS
    ]
    return tuple(
        Repetition(
            parent_service=trace.spans[each.parent].service,
            parent_operation=names[each.parent],
            service_name=each.service,
            operation_name=each.name,
            count=len(each.indices),
            total_ms=each.total_ns / 1e6,
            share=min(1.0, each.busy_ns / total),
            shape=CallShape.PARALLEL if each.is_parallel else CallShape.SEQUENTIAL,
        )
        for each in told[:MOST_REPEATED]
    )


def _services(trace: AssembledTrace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(span.service for span in trace.spans))


def _outliving(trace: AssembledTrace, root_end: int) -> int:
    """Spans that end after the root: work that nobody waited for."""
    return sum(
        start + span.duration_ns > root_end
        for start, span in zip(trace.starts, trace.spans, strict=True)
    )
