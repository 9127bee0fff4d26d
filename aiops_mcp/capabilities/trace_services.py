"""Which services and operations are traced in the fleet, and who calls whom."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aiops_mcp.capabilities.traces import End, Start, Text, TraceQuery, asked_search, traces
from aiops_mcp.context import Context
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.traces import ServiceCall
from aiops_mcp.operation import Clusters, Input

if TYPE_CHECKING:
    from aiops_mcp.fleet.metric_names import Listing


class TracedNames(Input):
    clusters: Clusters = ()


class TracedName(Entity):
    name: str
    clusters: tuple[str, ...]


class TracedNameList(Entity):
    """Names, each with the clusters that have it.

    Of the clusters in ``sampled`` only what the newest traces show is known: they keep spans of
    others beside.
    """

    items: tuple[TracedName, ...]
    total: int
    sampled: tuple[str, ...] = ()
    coverage: Coverage


def _digest_names(request: TracedNames, answer: TracedNameList) -> Digest:
    from aiops_mcp.capabilities.trace_services_digest import digest_names

    del request
    return digest_names(answer)


@traces.operation(
    "list_traced_services",
    route="GET /traces/services",
    needs="metrics:read",
    digest=_digest_names,
    tool=False,
)
async def list_traced_services(context: Context, request: TracedNames) -> TracedNameList:
    """Every service that has traces, and in which clusters."""
    from aiops_mcp.fleet.trace_names import traced_services

    found = await traced_services(
        context.traces,
        selection=request.clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
    return _named(found)


def _named(found: "Listing[str]") -> TracedNameList:
    items = tuple(TracedName(name=one.entry, clusters=one.clusters) for one in found.found)
    return TracedNameList(items=items, total=len(items), sampled=found.cut, coverage=found.coverage)


class TracedOperations(TracedNames):
    service_name: Annotated[Text, Field(description="Exact name of the service")]


@traces.operation(
    "list_traced_operations",
    route="GET /traces/operations",
    needs="metrics:read",
    digest=_digest_names,
    tool=False,
)
async def list_traced_operations(context: Context, request: TracedOperations) -> TracedNameList:
    """The operations (span names) of one service."""
    from aiops_mcp.fleet.trace_names import traced_operations

    found = await traced_operations(
        context.traces,
        request.service_name,
        selection=request.clusters,
        principal=context.principal,
        progress=context.call.progress,
    )
    return _named(found)


class ServiceGraphQuery(Input):
    clusters: Clusters = ()
    service_name: Annotated[Text | None, Field(description="Only traces it is in")] = None
    start_time: Start = None
    end_time: End = None
    limit: Annotated[int, Field(description="Traces to read", ge=1, le=100)] = 50


class ServiceGraph(Entity):
    """Calls between services, as ``traces`` of the ``found`` traces show them."""

    calls: tuple[ServiceCall, ...]
    traces: int
    found: int
    coverage: Coverage
    as_of: Timestamp


def _digest_graph(request: ServiceGraphQuery, answer: ServiceGraph) -> Digest:
    from aiops_mcp.capabilities.trace_services_digest import digest_graph

    del request
    return digest_graph(answer)


@traces.operation(
    "get_service_graph",
    route="GET /traces/service-graph",
    needs="metrics:read",
    digest=_digest_graph,
    tool=False,
)
async def get_service_graph(context: Context, request: ServiceGraphQuery) -> ServiceGraph:
    """Which service calls which, how often, how slowly and how often in vain, by recent traces."""
    from aiops_mcp.fleet.trace_graph import service_graph

    query = TraceQuery(
        service_name=request.service_name,
        start_time=request.start_time,
        end_time=request.end_time,
        limit=request.limit,
    )
    graph = await service_graph(
        context.traces,
        asked_search(query, context.clock()),
        selection=request.clusters,
        principal=context.principal,
    )
    return ServiceGraph(
        calls=graph.calls,
        traces=graph.traces,
        found=graph.found,
        coverage=graph.coverage,
        as_of=graph.asked_at,
    )
