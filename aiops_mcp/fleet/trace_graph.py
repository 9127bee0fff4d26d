"""Which service calls which in the fleet, out of its newest traces."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_mcp.analysis.traces_assembly import AssembledTrace
from aiops_mcp.analysis.traces_graph import service_calls
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.trace_found import FleetTrace
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.spans import TraceSearch
from aiops_mcp.models.traces import ServiceCall

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class FleetServiceGraph:
    """``traces`` were read for it, of ``found``."""

    calls: tuple[ServiceCall, ...]
    traces: int
    found: int
    coverage: Coverage
    asked_at: datetime


async def service_graph(
    traces: FleetTraces,
    search: TraceSearch,
    *,
    selection: Sequence[str] = (),
    principal: Principal,
) -> FleetServiceGraph:
    """The graph out of the newest ``search.limit`` traces of the chosen clusters.

    Raises:
        As `FleetTraces.search`.
    """
    found = await traces.search(replace(search, sample=0), selection=selection, principal=principal)
    places = asyncio.Semaphore(AT_ONCE)

    async def read(trace_id: str, clusters: Sequence[str]) -> AssembledTrace | None:
        async with places:
            try:
                one: FleetTrace = await traces.trace(
                    trace_id, selection=clusters, principal=principal
                )
            except AiopsError:
                return None  # gone meanwhile, or its store is
        return one.trace

    told = await asyncio.gather(
        *(read(one.hit.trace_id, one.clusters) for one in found.hits[: search.limit])
    )
    whole = [trace for trace in told if trace is not None]
    return FleetServiceGraph(
        service_calls(whole), len(whole), len(found.hits), found.coverage, found.asked_at
    )
