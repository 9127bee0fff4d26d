"""What logs and traces around a notice say, as evidence: read before and after it, and compared.

Of each side a bounded number of lines and traces is read, spread over its time, so that a fleet's
noise costs no more than a quiet one's. A store that fails or is not there is named.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from aiops_mcp.analysis.evidence_calls import CallSample, calls_of_traces, evidence_of_calls
from aiops_mcp.analysis.evidence_logs import LogLine, evidence_of_logs
from aiops_mcp.analysis.rootcause_problem import Evidence
from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.log_folding import namespace_of, node_of, pod_of
from aiops_mcp.fleet.logs import FleetLogs, LogRange
from aiops_mcp.fleet.patience import in_time
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.logql.tokens import quote
from aiops_mcp.models.logs import LogEntry
from aiops_mcp.models.nanoseconds import to_ns
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.spans import SpanKind, SpanStatus, TraceSearch

BEFORE_SECONDS: Final = 3600.0
UNSURE_SECONDS: Final = 900.0
"""Before the notice it may have begun: that is neither normal nor known to be the trouble."""
PARTS: Final = 3
MOST_LINES: Final = 300
"""Of each part of each side and namespace."""
MOST_TRACES: Final = 40
"""Of each side."""
MOST_SPACES: Final = 3
AT_ONCE_SECONDS: Final = 25.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """``looked_at`` are the kinds that answered, ``missing`` says which did not and why."""

    evidence: tuple[Evidence, ...] = ()
    looked_at: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """The cluster and the moments: noticed at ``when``, looked at until ``end`` (Unix seconds)."""

    cluster: str
    when: float
    end: float
    spaces: tuple[str, ...]
    names: Names

    @property
    def sides(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Before, without what may be trouble already, and after."""
        normal = self.when - UNSURE_SECONDS
        return (normal - BEFORE_SECONDS, normal), (self.when - 60.0, max(self.end, self.when))


async def read_spoken(
    logs: FleetLogs, traces: FleetTraces, around: Around, principal: Principal
) -> Spoken:
    """Evidence of logs and of calls; never raises for what a store does."""
    # One after the other: each asks its store many things, within a short time of its own.
    found = [
        await _kept("logs", _of_logs(logs, around, principal)),
        await _kept("traces", _of_traces(traces, around, principal)),
    ]
    return Spoken(
        tuple(one for each in found for one in each.evidence),
        tuple(one for each in found for one in each.looked_at),
        tuple(one for each in found for one in each.missing),
    )


async def _kept(name: str, reading: Awaitable[list[Evidence]]) -> Spoken:
    try:
        return Spoken(tuple(await in_time(name, AT_ONCE_SECONDS, reading)), (name,))
    except AiopsError as error:
        return Spoken(missing=(f"{name}: {error.message}",))


# --- logs ----------------------------------------------------------------------------------------


async def _of_logs(logs: FleetLogs, around: Around, principal: Principal) -> list[Evidence]:
    if not around.spaces:
        return []
    lines: list[LogLine] = []
    told = 0
    failure: AiopsError | None = None

    async def read(space: str, start: float, end: float) -> None:
        nonlocal told, failure
        within = LogRange(_ns(start), _ns(end), limit=MOST_LINES)
        query = f"{{namespace={quote(space)}}}"
        try:
            answer = await logs.query(
                query, selection=(around.cluster,), principal=principal, within=within
            )
        except AiopsError as error:
            failure = error
            return
        told += 1
        lines.extend(_line(entry, around.names) for entry in answer.entries)

    for space in around.spaces[:MOST_SPACES]:
        for side in around.sides:
            for start, end in _parts(side):
                await read(space, start, end)
    if not told and failure is not None:
        raise failure
    return await asyncio.to_thread(evidence_of_logs, lines, around.when - 60.0)


def _parts(side: tuple[float, float]) -> list[tuple[float, float]]:
    start, end = side
    each = (end - start) / PARTS
    return [(start + each * place, start + each * (place + 1)) for place in range(PARTS)]


def _line(entry: LogEntry, names: Names) -> LogLine:
    pod, space = pod_of(entry.stream), namespace_of(entry.stream)
    component = names.workload(space, pod, node_of(entry.stream)) if pod else space
    return LogLine(int(entry.timestamp) / 1e9, component, entry.message)


def _ns(seconds: float) -> int:
    return to_ns(datetime.fromtimestamp(seconds, UTC))


# --- traces --------------------------------------------------------------------------------------


async def _of_traces(traces: FleetTraces, around: Around, principal: Principal) -> list[Evidence]:
    before, after = await asyncio.gather(
        *(_calls(traces, around, side, principal) for side in around.sides)
    )
    return await asyncio.to_thread(evidence_of_calls, [*before, *after], around.when - 60.0)


async def _calls(
    traces: FleetTraces, around: Around, side: tuple[float, float], principal: Principal
) -> list[CallSample]:
    """The calls of one side, by the names that components go by here.

    A trace store knows services without their namespaces: the one in trouble that bears the name
    is meant, or the first namespace.
    """
    start, end = (datetime.fromtimestamp(each, UTC) for each in side)
    search = TraceSearch(start, end, limit=MOST_TRACES, sample=0)
    found = await traces.sample(search, selection=(around.cluster,), principal=principal)
    space = around.spaces[0] if around.spaces else ""
    told = [each.trace for each in found]
    samples = [*calls_of_traces(told), *(one for trace in told for one in calls_beyond(trace))]
    return [
        replace(
            one,
            caller=around.names.called(one.caller, space),
            callee=around.names.called(one.callee, space),
        )
        for one in samples
    ]


def calls_beyond(trace: AssembledTrace) -> Iterator[CallSample]:
    """Calls into what leaves no spans itself, such as a database: by what the caller names.

    As Tempo's service graph does with its virtual nodes; ``peer.service`` and ``server.address``
    are of OpenTelemetry's semantic conventions.
    """
    for index, span in enumerate(trace.spans):
        if span.kind is not SpanKind.CLIENT or trace.children[index]:
            continue
        peer = span.attributes.get("peer.service") or span.attributes.get("server.address")
        if peer and ("db.system" in span.attributes or "messaging.system" in span.attributes):
            yield CallSample(
                trace.starts[index] / 1e9,
                span.service,
                str(peer),
                1,
                span.duration_ns / 1e6,
                errors=int(span.status is SpanStatus.ERROR),
            )
