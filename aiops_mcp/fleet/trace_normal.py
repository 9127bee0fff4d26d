"""What is normal for an operation: a few other traces of it, taken from about the same time.

Those that did not fail are preferred. Only the clusters that the trace itself crosses are asked.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiops_mcp.analysis.traces_compare import TraceProfile, profile
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.trace_answer import moment
from aiops_mcp.fleet.traces import FleetTrace, FleetTraces
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.spans import SpanRecord, TraceSearch

LOOKED_AT = 30
"""So many others are found, of which `COMPARED` are read."""

COMPARED = 5
AROUND = timedelta(hours=1)


async def normal_profiles(
    traces: FleetTraces, found: FleetTrace, *, principal: Principal, now: datetime
) -> Sequence[TraceProfile]:
    """Profiles of up to `COMPARED` other traces with the same root; none where there are none.

    A store that cannot say leaves nothing to compare with; that is no failure of the trace itself.
    """
    root = found.trace.spans[found.trace.root]
    if root.parent_id:
        return ()  # its real root is missing, and with it what to look for
    try:
        ids = await _others(traces, found, root, principal, now)
        told = await asyncio.gather(
            *(
                traces.trace(each, selection=tuple(found.stores), principal=principal)
                for each in ids
            ),
            return_exceptions=True,
        )
    except AiopsError:
        return ()
    profiles: list[TraceProfile] = []
    for one in told:
        if isinstance(one, FleetTrace):
            own = one.trace.spans[one.trace.root]
            if (own.service, own.name) == (root.service, root.name):
                profiles.append(profile(one.trace))
        elif not isinstance(one, AiopsError):
            raise one
    return profiles


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
    middle = moment(found.trace.start_ns)
    # Whole minutes, so that looks at several traces of one time share one search.
    start = (middle - AROUND).replace(second=0, microsecond=0)
    end = min(now, middle + AROUND).replace(second=0, microsecond=0) + timedelta(minutes=1)
    search = TraceSearch(
        start=start, end=end, service=root.service, operation=root.name, limit=LOOKED_AT
    )
    answer = await traces.search(search, selection=(found.home.name,), principal=principal)
    others = [
        one
        for one in answer.hits
        if one.hit.trace_id != root.trace_id
        and one.hit.root_service == root.service
        and one.hit.root_operation == root.name
    ]
    others.sort(key=lambda one: one.hit.has_errors is True)
    return [one.hit.trace_id for one in others[:COMPARED]]
