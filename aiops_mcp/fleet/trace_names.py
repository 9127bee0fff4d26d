"""Services and operations that are traced in the fleet.

A store's own list tells of all it holds. To a caller who may not see some clusters it is told only
where the store says that none of its spans ran there; of other stores the newest traces are read,
and what can be seen of them makes the list.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from aiops_mcp.fleet.fleet import CacheRule
from aiops_mcp.fleet.metric_names import Found, Listing
from aiops_mcp.fleet.trace_scope import names_seen
from aiops_mcp.fleet.traces import FleetTraces
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.spans import TraceSearch
from aiops_mcp.operation import Progress, no_progress

if TYPE_CHECKING:
    from aiops_mcp.backends.traces import TraceClient

SAMPLED = 50
"""So many traces are read where a list may not be told."""

BACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Names:
    """A store's list; ``ran_in`` is what `TraceClient.clusters` says, where it was asked."""

    names: tuple[str, ...]
    ran_in: frozenset[str] | None = frozenset()


async def traced_services(
    traces: FleetTraces,
    *,
    selection: Sequence[str] = (),
    principal: Principal,
    progress: Progress = no_progress,
) -> Listing[str]:
    """Every service that has spans, with its clusters; ``cut`` are those where traces were read.

    Raises:
        As `FleetTraces.search`.
    """
    return await _listing(
        traces, lambda client: client.services(), None, selection, principal, progress
    )


async def traced_operations(
    traces: FleetTraces,
    service: str,
    *,
    selection: Sequence[str] = (),
    principal: Principal,
    progress: Progress = no_progress,
) -> Listing[str]:
    """Names of a service's spans, as `traced_services`."""
    return await _listing(
        traces, lambda client: client.operations(service), service, selection, principal, progress
    )


async def _listing(
    traces: FleetTraces,
    names_of: "Callable[[TraceClient], Awaitable[tuple[str, ...]]]",
    service: str | None,
    selection: Sequence[str],
    principal: Principal,
    progress: Progress,
) -> Listing[str]:
    hidden = await traces.hidden_from(principal)

    async def ask(client: "TraceClient") -> _Names:
        names = await names_of(client)
        return _Names(names, await client.clusters()) if hidden else _Names(names)

    rule = CacheRule(("names", service, bool(hidden)), traces.settings.ttl_labels, _size)
    answer = await traces.ask_stores(selection, principal, ask, rule, progress)
    clusters: dict[str, set[str]] = {}
    shared: list[str] = []
    for one in answer.succeeded():
        told = one.value or _Names(())
        if told.ran_in is None or told.ran_in & hidden:
            shared.append(one.cluster.name)
            continue
        for name in told.names:
            clusters.setdefault(name, set()).add(one.cluster.name)
    if shared:
        for name, places in (await _seen(traces, service, shared, principal)).items():
            clusters.setdefault(name, set()).update(places)
    found = tuple(Found(name, tuple(sorted(clusters[name]))) for name in sorted(clusters))
    return Listing(found, answer.coverage(), cut=tuple(shared))


async def _seen(
    traces: FleetTraces, service: str | None, stores: Sequence[str], principal: Principal
) -> Mapping[str, Sequence[str]]:
    # Whole minutes, so that those who ask about the same time share an answer.
    end = traces.clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
    search = TraceSearch(start=end - BACK, end=end, service=service, limit=SAMPLED)
    return names_seen(await traces.sample(search, selection=stores, principal=principal), service)


def _size(found: _Names) -> int:
    return 256 + sum(80 + len(name) for name in found.names)
