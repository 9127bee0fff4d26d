"""What belongs together: signals of all kinds joined, what else moved, who is unlike its peers."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import (
    AboutAlert,
    AboutComponent,
    Window,
    analysis,
    looked_until,
)
from aiops_mcp.capabilities.anomalies import MOST_QUERY, given
from aiops_mcp.capabilities.correlation_digest import digest_correlation
from aiops_mcp.context import Context
from aiops_mcp.models.correlation import Correlation
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input

SHORTEST_WINDOW = 15 * 60
LONGEST_WINDOW = 6 * 3600


class CorrelationQuery(Input):
    clusters: Clusters = ()
    time: When = "now"
    window: Window = "1h"
    component: AboutComponent = None
    alert: AboutAlert = None
    query: Annotated[
        str | None, Field(description="PromQL to compare with", max_length=MOST_QUERY)
    ] = None
    limit: Annotated[int, Field(description="Rows at most", ge=1, le=100)] = 12


@analysis.operation(
    "correlate", route="POST /analysis/correlate", needs="metrics:read", digest=digest_correlation
)
async def correlate(context: Context, request: CorrelationQuery) -> Correlation:
    """What belongs together: series, alerts, changes, events and logs as one graph with lags.

    Also what moved with a query, component or alert, and the odd cluster, node, pod or GPU.
    """
    from aiops_mcp.fleet.correlation import Correlating, Sources, correlate_fleet

    until, _ = looked_until(request.time, context.clock())
    window = min(max(duration_seconds(request.window), SHORTEST_WINDOW), LONGEST_WINDOW)
    sources = Sources(
        fleet=context.fleet,
        metrics=context.metrics,
        alerts=context.alerts,
        objects=context.objects,
        logs=context.logs,
        settings=context.settings,
        clock=context.clock,
    )
    asked = Correlating(
        until=until,
        window=float(window),
        clusters=request.clusters,
        component=request.component or None,
        alert=request.alert or None,
        query=given(request.query),
    )
    return await correlate_fleet(
        sources, asked, principal=context.principal, progress=context.call.progress
    )
