"""What probably caused a trouble: of an alert, an anomaly, a component, or a cluster and a time."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aiops_mcp.capabilities.analysis import (
    NOTICED_AFTER,
    AboutAlert,
    AboutComponent,
    Window,
    analysis,
    looked_until,
    sources_of,
)
from aiops_mcp.capabilities.rootcause_digest import digest_root_cause
from aiops_mcp.context import Context
from aiops_mcp.errors import AlertNotFound, InputError
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.entity import duration_seconds
from aiops_mcp.models.moment import When
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, TriggerKind
from aiops_mcp.operation import Input

if TYPE_CHECKING:
    from aiops_mcp.fleet.rca_collecting import Question
    from aiops_mcp.models.cluster import Cluster

LONGEST_WINDOW = 6 * 3600


class RootCauseQuery(Input):
    cluster: Annotated[str | None, Field(description="Name or id; an alert tells its own")] = None
    alert: AboutAlert = None
    anomaly: Annotated[str | None, Field(description="Id, of detect_anomalies", max_length=64)] = (
        None
    )
    component: AboutComponent = None
    time: When = "now"
    window: Window = "1h"
    limit: Annotated[int, Field(description="Causes at most", ge=1, le=10)] = 5


@analysis.operation(
    "analyze_root_cause",
    route="POST /analysis/rca",
    needs="metrics:read",
    digest=digest_root_cause,
)
async def analyze_root_cause(context: Context, request: RootCauseQuery) -> RCAResult:
    """What probably caused it: an alert, an anomaly, a component, or a cluster and a time.

    Ranked causes with evidence for, against and missing; or why there is none.
    """
    from aiops_mcp.fleet.rca import find_root_cause
    from aiops_mcp.fleet.rca_collecting import RcaSources
    from aiops_mcp.fleet.rca_told import rca_event

    question = await question_asked(context, request)
    found = await find_root_cause(
        RcaSources(sources_of(context), context.logs, context.traces),
        question,
        principal=context.principal,
        progress=context.call.progress,
    )
    await context.events.publish(rca_event(found, source="capabilities.rootcause"))
    return found


def window_of(request: RootCauseQuery) -> timedelta:
    """How far back is looked."""
    return timedelta(seconds=min(duration_seconds(request.window), LONGEST_WINDOW))


async def question_asked(context: Context, request: RootCauseQuery) -> "Question":
    """What is asked, of which cluster and when.

    Raises:
        InputError: no cluster follows from it. ClusterNotFound, AlertNotFound: there is none such.
    """
    from aiops_mcp.fleet.rca_collecting import Question

    window = window_of(request)
    end, is_now = looked_until(request.time, context.clock())
    cluster = (
        await context.registry.resolve(request.cluster, context.principal)
        if request.cluster
        else None
    )
    if request.alert:
        return await _of_alert(context, request.alert, cluster, window)
    if cluster is None:
        raise InputError(
            "It is not said which cluster is meant.",
            "Give cluster, or the fingerprint of an alert; triage tells where something is wrong.",
            details={"field": "cluster"},
        )
    kind, name = TriggerKind.TIME, None
    if request.anomaly:
        kind, name = TriggerKind.ANOMALY, request.anomaly
    elif request.component:
        kind, name = TriggerKind.COMPONENT, request.component
    return Question(
        cluster=cluster,
        end=end,
        window=window if is_now else window + NOTICED_AFTER,
        trigger=RcaTrigger(kind=kind, id=request.anomaly, name=name),
        component=request.component,
        anomaly=request.anomaly,
        most=request.limit,
    )


async def _of_alert(
    context: Context, named: str, cluster: "Cluster | None", window: timedelta
) -> "Question":
    from aiops_mcp.fleet.rca_collecting import question_of_firing

    alert = await alert_named(context, named, cluster)
    home = await context.registry.resolve(alert.cluster_id, context.principal)
    known = [one.name for one in await context.registry.list(context.principal)]
    return question_of_firing(alert, home, known, now=context.clock(), window=window)


async def alert_named(context: Context, named: str, cluster: "Cluster | None") -> Alert:
    """The gravest alert of that fingerprint, id or name, firing or past."""
    selection = (cluster.name,) if cluster else ()
    answer = await context.alerts.alerts(
        selection=selection, principal=context.principal, state=AlertState.RESOLVED
    )
    for alert in answer.alerts:
        if named in (alert.fingerprint, alert.id, alert.alertname):
            return alert
    past, _ = await context.alerts.occurrences(named, context.principal)
    kept = [one for one in past.alerts if cluster is None or one.cluster_id == cluster.id]
    if kept:
        return kept[0]
    raise AlertNotFound(
        f"No alert has the fingerprint, id or name {named!r}.",
        "list_alerts tells those that fire, get_alert_history those that did.",
    )
