"""What is unusual in the fleet's series."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import Step, Window, analysis
from aiops_mcp.capabilities.anomalies_digest import digest_anomalies
from aiops_mcp.capabilities.digesting import Cursor, Limit
from aiops_mcp.capabilities.metrics import requested_moment
from aiops_mcp.context import Context
from aiops_mcp.errors import AiopsError
from aiops_mcp.models.anomaly import AnomalyAnswer, Sensitivity
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.operation import Clusters, Input

if TYPE_CHECKING:
    from aiops_mcp.fleet.series_grid import Span

MOST_QUERY = 8_000


class AnomalyQuery(Input):
    query: Annotated[str | None, Field(description="PromQL", max_length=MOST_QUERY)] = None
    clusters: Clusters = ()
    window: Window = "6h"
    end_time: When = "now"
    step: Step = None
    sensitivity: Annotated[Sensitivity, Field(description="HIGH finds more")] = Sensitivity.MEDIUM
    limit: Limit = 10
    cursor: Cursor | None = None


@analysis.operation(
    "detect_anomalies",
    route="POST /analysis/anomaly",
    needs="metrics:read",
    digest=digest_anomalies,
)
async def detect_anomalies(context: Context, request: AnomalyQuery) -> AnomalyAnswer:
    """What is unusual, since when, expected against actual; worst first.

    Without query all that matters: services, nodes, GPUs, control plane, storage.
    """
    # numpy takes a tenth of a second to import, which a server that only lists tools can spare.
    from aiops_mcp.fleet.anomalies import AnomalySearch, FleetAnomalies
    from aiops_mcp.fleet.vital_signs import signs_of

    search = AnomalySearch(
        requested_span(context, request.window, request.end_time, request.step),
        clusters=request.clusters,
        query=given(request.query),
        signs=signs_of(),
        sensitivity=request.sensitivity,
    )
    finder = FleetAnomalies(
        context.fleet,
        context.metrics,
        context.clock,
        ttl=context.settings.ttl_labels,
        seconds=context.settings.request_timeout,
    )
    found = await finder.find(search, principal=context.principal, progress=context.call.progress)
    return await _with_alerts(context, request, found)


async def _with_alerts(
    context: Context, request: AnomalyQuery, found: AnomalyAnswer
) -> AnomalyAnswer:
    """With the alerts of the same components; without alerts it is an answer too."""
    from aiops_mcp.fleet.anomaly_alerts import with_alerts

    if not found.anomalies:
        return found
    try:
        told = await context.alerts.alerts(selection=request.clusters, principal=context.principal)
    except AiopsError as error:
        note = f"related alerts are unknown: {error.message}"
        return found.model_copy(update={"notes": (*found.notes, note)})
    return found.model_copy(update={"anomalies": with_alerts(found.anomalies, told.alerts)})


def requested_span(context: Context, window: str, end_time: str, step: str | None = None) -> "Span":
    """The window of series that arguments name. Raises InputError where they name none."""
    from aiops_mcp.fleet.series_window import span_of

    now = context.clock()
    return span_of(
        window=duration_seconds(window),
        until=requested_moment(end_time, now, "end_time"),
        step=step,
        now=now,
    )


def given(query: str | None) -> str | None:
    """The query, if one was given."""
    return query if query and query.strip() else None
