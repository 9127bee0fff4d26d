"""What is normal for an operation: a few other traces of it, taken from some time before.

What is slow now is slow in all traces of now, so that those of an hour and more before are taken,
and those of about the same time only where there are too few. Those that did not fail are
preferred. In a large fleet only the clusters are asked that the trace
itself and the first of the others cross.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiops_mcp.analysis.traces_compare import TraceProfile, profile
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.trace_answer import moment
from aiops_mcp.fleet.trace_found import FleetTrace
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.spans import SpanRecord, TraceSearch

LOOKED_AT = 30
"""So many others are found, of which `COMPARED` are read."""

COMPARED = 5
FEW_CLUSTERS = 25
"""So many are all asked for each of the others."""

ENOUGH = 3
AROUND = timedelta(hours=1)
BEFORE = timedelta(hours=7)


async def normal_profiles(
    traces: FleetTraces,
    found: FleetTrace,
    *,
    selection: Sequence[str] = (),
    principal: Principal,
    now: datetime,
) -> Sequence[TraceProfile]:
    """Profiles of up to `COMPARED` other traces with the same root; none where there are none.

    ``selection`` is where the trace itself was looked for. A store that cannot say leaves nothing
    to compare with; that is no failure of the trace itself.
    """
    root = found.trace.spans[found.trace.root]
    if root.parent_id:
        return ()  # its real root is missing, and with it what to look for

    async def read(trace_id: str, places: Sequence[str]) -> FleetTrace | None:
        try:
            return await traces.trace(trace_id, selection=places, principal=principal)
        except AiopsError:
            return None  # gone meanwhile, or its store is

    try:
        first, *rest = await _others(traces, found, root, principal, now) or [""]
    except AiopsError:
        return ()
    if not first:
        return ()
    told = [await read(first, selection)]
    places = selection
    if found.coverage.succeeded > FEW_CLUSTERS:
        # Others may take other ways; where the first one went, and this one, they mostly go.
        places = tuple({*found.stores, *(told[0].stores if told[0] else ())})
    told += await asyncio.gather(*(read(each, places) for each in rest))
    return [
        profile(one.trace)
        for one in told
        if one is not None and _same_root(one.trace.spans[one.trace.root], root)
    ]


def _same_root(one: SpanRecord, other: SpanRecord) -> bool:
    return (one.service, one.name) == (other.service, other.name)


async def _others(
    traces: FleetTraces,
    found: FleetTrace,
    root: SpanRecord,
    principal: Principal,
    now: datetime,
) -> list[str]:
    """Ids of other traces with this root, those first that are not known to have failed."""
    if "*" in root.name or "*" in root.service:
        return []  # it would be read as a wildcard
    # Whole minutes, so that looks at several traces of one time share one search.
    minute = moment(found.trace.start_ns).replace(second=0, microsecond=0)
    until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    windows = ((minute - BEFORE, minute - AROUND), (minute - AROUND, min(until, minute + AROUND)))
    # Its root's cluster may keep its traces elsewhere.
    home = found.home.name
    stores = (home,) if home in found.stores else tuple(found.stores)
    ids: dict[str, None] = {}
    for start, end in windows:
        search = TraceSearch(
            start=start, end=end, service=root.service, operation=root.name, limit=LOOKED_AT
        )
        answer = await traces.search(search, selection=stores, principal=principal)
        others = [
            one
            for one in answer.hits
            if one.hit.trace_id != root.trace_id
            and one.hit.root_service == root.service
            and one.hit.root_operation == root.name
        ]
        others.sort(key=lambda one: one.hit.has_errors is True)
        ids.update(dict.fromkeys(one.hit.trace_id for one in others))
        if len(ids) >= ENOUGH:
            break
    return list(ids)[:COMPARED]
