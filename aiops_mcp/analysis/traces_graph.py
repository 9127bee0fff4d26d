"""Which service calls which, out of whole traces. Pure.

An edge is a span whose parent belongs to another service; its time is that of the called span.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_clocks import NOBODY
from aiops_mcp.analysis.traces_groups import percentile
from aiops_mcp.models.spans import SpanStatus
from aiops_mcp.models.traces import ServiceCall


@dataclass(slots=True)
class _Edge:
    durations: list[float] = field(default_factory=list[float])
    errors: int = 0
    clusters: set[str] = field(default_factory=set[str])


def service_calls(traces: Iterable[AssembledTrace]) -> tuple[ServiceCall, ...]:
    """All edges, those with the most failures first, then those with the most calls."""
    edges: dict[tuple[str, str], _Edge] = defaultdict(_Edge)
    for trace in traces:
        for index, parent in enumerate(trace.parents):
            if parent == NOBODY:
                continue
            span, above = trace.spans[index], trace.spans[parent].service
            if above == span.service:
                continue
            edge = edges[above, span.service]
            edge.durations.append(span.duration_ns / 1e6)
            edge.errors += span.status is SpanStatus.ERROR
            edge.clusters.add(trace.clusters[index])
    calls = [_call(caller, callee, edge) for (caller, callee), edge in edges.items()]
    return tuple(sorted(calls, key=lambda call: (-call.errors, -call.calls, call.caller)))


def _call(caller: str, callee: str, edge: _Edge) -> ServiceCall:
    durations = sorted(edge.durations)
    count = len(durations)
    return ServiceCall(
        caller=caller,
        callee=callee,
        calls=count,
        errors=edge.errors,
        error_rate=edge.errors / count,
        p50_ms=percentile(durations, 0.5),
        p95_ms=percentile(durations, 0.95),
        clusters=tuple(sorted(edge.clusters)),
    )
