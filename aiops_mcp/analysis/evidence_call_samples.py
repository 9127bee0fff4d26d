"""Calls between components, summed over short spans of time: out of whole traces. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_clocks import NOBODY
from aiops_mcp.models.spans import SpanStatus


@dataclass(frozen=True, slots=True)
class CallSample:
    """Calls of one pair in a short span of time that begins at ``time`` (Unix seconds).

    ``callee_ms`` is the mean time within the callee, ``wait_ms`` the mean time that the caller
    waited beyond it; NaN where unknown. ``errors`` are calls that failed.
    """

    time: float
    caller: str
    callee: str
    calls: int
    callee_ms: float
    wait_ms: float = float("nan")
    errors: int = 0


def calls_of_traces(traces: Iterable[AssembledTrace], *, width: float = 10.0) -> list[CallSample]:
    """The calls between services that whole traces hold, summed over ``width`` seconds.

    The wait is the caller's span less the callee's, so clocks do not matter.
    """
    cells: dict[tuple[float, str, str], list[tuple[float, float, bool]]] = defaultdict(list)
    for trace in traces:
        for index, parent in enumerate(trace.parents):
            if parent == NOBODY:
                continue
            span, above = trace.spans[index], trace.spans[parent]
            if above.service == span.service:
                continue
            begin = trace.starts[index] / 1e9 // width * width
            within = span.duration_ns / 1e6
            # An asynchronous callee outlives its caller's span: nobody waited.
            wait = max(above.duration_ns / 1e6 - within, 0.0)
            failed = span.status is SpanStatus.ERROR or above.status is SpanStatus.ERROR
            cells[begin, above.service, span.service].append((within, wait, failed))
    return [
        CallSample(
            begin,
            caller,
            callee,
            len(each),
            sum(within for within, _, _ in each) / len(each),
            sum(wait for _, wait, _ in each) / len(each),
            sum(failed for _, _, failed in each),
        )
        for (begin, caller, callee), each in sorted(cells.items())
    ]
