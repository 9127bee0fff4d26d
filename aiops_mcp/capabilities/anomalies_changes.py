"""Since when a series is as it is, and when it runs out."""

from typing import Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import Window, analysis
from aiops_mcp.capabilities.anomalies import MOST_QUERY, given, requested_span
from aiops_mcp.capabilities.anomalies_changes_digest import digest_forecast, digest_level_changes
from aiops_mcp.capabilities.digesting import Cursor, Limit
from aiops_mcp.context import Context
from aiops_mcp.errors import InputError
from aiops_mcp.models.anomaly import ChangeAnswer, ForecastAnswer
from aiops_mcp.models.entity import Duration, duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input

DEADLINE_SHARE = 0.75
MOST_HORIZON = 10 * 366 * 86_400


class LevelQuery(Input):
    query: Annotated[str | None, Field(description="PromQL", max_length=MOST_QUERY)] = None
    clusters: Clusters = ()
    window: Window = "6h"
    end_time: When = "now"
    limit: Limit = 15
    cursor: Cursor | None = None


@analysis.operation(
    "find_changes",
    route="POST /analysis/changes",
    needs="metrics:read",
    digest=digest_level_changes,
)
async def find_changes(context: Context, request: LevelQuery) -> ChangeAnswer:
    """Since when: which series changed their level, what moved first, and in which cluster.

    Without query all that matters.
    """
    from aiops_mcp.fleet.metric_changes import LevelSearch, find_level_changes
    from aiops_mcp.fleet.vital_signs import signs_of

    return await find_level_changes(
        context.fleet,
        context.metrics,
        LevelSearch(
            requested_span(context, request.window, request.end_time),
            clusters=request.clusters,
            query=given(request.query),
            signs=tuple(sign for sign in signs_of(evidence=True) if not sign.by_limit_only),
        ),
        principal=context.principal,
        ttl=context.settings.ttl_labels,
        seconds=context.settings.request_timeout * DEADLINE_SHARE,
        now=context.clock(),
        progress=context.call.progress,
    )


class ForecastQuery(Input):
    query: Annotated[
        str | None,
        Field(
            description="PromQL, with threshold; empty: disks, quotas, certificates, etcd …",
            max_length=MOST_QUERY,
        ),
    ] = None
    threshold: Annotated[float | None, Field(description="Of the query")] = None
    clusters: Clusters = ()
    horizon: Annotated[Duration, Field(description="How far ahead")] = "7d"
    window: Window = "1d"
    limit: Limit = 10
    cursor: Cursor | None = None


@analysis.operation(
    "forecast", route="POST /analysis/forecast", needs="metrics:read", digest=digest_forecast
)
async def forecast(context: Context, request: ForecastQuery) -> ForecastAnswer:
    """What runs out and when, soonest first, with the earliest and latest time."""
    from aiops_mcp.fleet.forecasts import ForecastSearch, find_running_out

    query, horizon = given(request.query), duration_seconds(request.horizon)
    if horizon > MOST_HORIZON:
        raise InputError(
            f"A horizon of {request.horizon} lies further than anything can be told.",
            "Ask for ten years at most.",
            details={"field": "horizon"},
        )
    if query is not None and request.threshold is None:
        raise InputError(
            "A query needs the threshold that it will reach.",
            "Add threshold, such as 1 for a ratio or 0 for what is left.",
            details={"field": "threshold"},
        )
    return await find_running_out(
        context.fleet,
        context.metrics,
        ForecastSearch(
            requested_span(context, request.window, "now"),
            float(horizon),
            clusters=request.clusters,
            query=query,
            limit=request.threshold,
        ),
        principal=context.principal,
        ttl=context.settings.ttl_labels,
        seconds=context.settings.request_timeout * DEADLINE_SHARE,
        now=context.clock(),
        progress=context.call.progress,
    )
