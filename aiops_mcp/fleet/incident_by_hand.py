"""An investigation that a person asks for: made at once, and kept as an incident.

Of an alert that an incident holds it is that one's newest investigation.
"""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID, uuid4

from aiops_mcp.errors import BackendError
from aiops_mcp.fleet.incident_inquiry import NOW, Found, inquire_question, investigated
from aiops_mcp.fleet.incident_joining import gravest, incident_alert, incident_id, key_of, place_in
from aiops_mcp.fleet.incident_text import fired, merged, said
from aiops_mcp.fleet.incidents import SYSTEM, Incidents
from aiops_mcp.fleet.rca_collecting import Question, RcaSources
from aiops_mcp.fleet.rca_told import rca_event
from aiops_mcp.models.alerts import Alert, AlertSeverity, AlertState
from aiops_mcp.models.events import Event
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentFilter, IncidentState
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

MOST_LOOKED_THROUGH = 100


async def investigate_by_hand(
    incidents: Incidents,
    sources: RcaSources,
    question: Question,
    principal: Principal,
    *,
    alert: Alert | None = None,
    progress: Progress = no_progress,
) -> tuple[Incident, Event]:
    """Investigate now, with what the caller may see; the incident, and the event that tells of it.

    Raises:
        AiopsError: nothing could be had of the cluster, or it was not kept.
    """
    found = await inquire_question(sources, question, principal, progress)
    every = (await sources.triage.fleet.choose((), principal)).all
    names = [one.name for one in every]
    holding = await _holding(incidents, question.cluster.name)
    told = incident_alert(alert, names) if alert else None
    known = await _known(incidents, holding, alert, told, principal) if alert and told else None
    if known is not None:
        kept = await incidents.change(known, lambda held: investigated(held, found), "investigated")
    else:
        alerts = (told,) if told else await _named(sources, found, names, holding, principal)
        kept = await _kept(incidents, _made(question, found, alerts, principal), alert, told)
    source = "fleet.incident_by_hand"
    event = rca_event(found.rca, source=source, incident_id=str(kept.id), title=kept.title)
    return kept, event


async def _holding(incidents: Incidents, cluster: str) -> tuple[Incident, ...]:
    """The newest incidents of a cluster."""
    wanted = IncidentFilter(cluster=cluster)
    page, _ = await incidents.page(wanted, SYSTEM, offset=0, limit=MOST_LOOKED_THROUGH)
    return page


async def _known(
    incidents: Incidents,
    holding: Iterable[Incident],
    alert: Alert,
    told: IncidentAlert,
    principal: Principal,
) -> UUID | None:
    """The incident that holds this firing, where the caller sees all of it.

    Who sees a part must not put what that part tells in the place of the whole.
    """
    opened = await incidents.whole(incident_id(alert))
    every = (*holding, opened) if opened else holding
    held = (one for one in every if place_in(one, told) is not None)
    seen = (one.id for one in held if all(principal.sees(name) for name in one.clusters))
    return next(seen, None)


async def _named(
    sources: RcaSources,
    found: Found,
    names: Collection[str],
    holding: Sequence[Incident],
    principal: Principal,
) -> tuple[IncidentAlert, ...]:
    """Alerts that fire now for what the ranking names, and that no incident holds."""
    rca, alerts = found.rca, sources.triage.alerts
    if not rca.causes or rca.as_of - rca.end_time > NOW:
        return ()
    try:
        answer = await alerts.alerts(selection=(rca.cluster_name,), principal=principal)
    except BackendError:
        return ()
    components = {one.component for one in rca.causes}
    firing = [
        incident_alert(one, names)
        for one in answer.alerts
        if one.state is AlertState.FIRING
        and not one.is_suppressed
        and one.severity is not AlertSeverity.INFO
    ]
    return tuple(
        one
        for one in firing
        if one.component in components and all(place_in(each, one) is None for each in holding)
    )


def _made(
    question: Question, found: Found, alerts: tuple[IncidentAlert, ...], principal: Principal
) -> Incident:
    rca, now = found.rca, found.rca.as_of
    severity = gravest(alerts)
    ends = [one.ends_at for one in alerts if one.ends_at is not None]
    over = max(ends) if alerts and len(ends) == len(alerts) else None
    if not alerts and rca.causes:
        severity = found.problem.severity if found.problem else AlertSeverity.WARNING
    elif not alerts:
        over = now  # nothing is wrong: there is nothing to be done about it
    by_hand = said(now, f"{principal.subject} asked for it", source="person")
    began = min((one.starts_at for one in alerts), default=None)
    incident = Incident(
        id=uuid4(),
        title="",
        severity=severity,
        state=IncidentState.RESOLVED if over else IncidentState.OPEN,
        clusters=(question.cluster.name,),
        started_at=began or rca.onset or question.noticed or question.end,
        resolved_at=over,
        alerts=alerts,
        timeline=merged([by_hand], map(fired, alerts)),
        created_at=now,
        updated_at=now,
        simulated=question.cluster.is_simulated,
    )
    return investigated(incident, found)


async def _kept(
    incidents: Incidents, made: Incident, alert: Alert | None, told: IncidentAlert | None
) -> Incident:
    if alert is not None and told is not None:
        by_alert = made.model_copy(update={"id": incident_id(alert)})
        kept = await incidents.add(by_alert, key_of(told))
        if kept is not None:
            return kept
    first = made.rca.causes[0].component if made.rca and made.rca.causes else ""
    kept = await incidents.add(made, f"{made.clusters[0]}/{first}")
    assert kept is not None  # noqa: S101 - nobody else has a random id
    return kept
