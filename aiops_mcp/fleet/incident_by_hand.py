"""An investigation that a person asks for: made at once, and kept as an incident.

Of an alert that an incident holds it is that one's newest investigation.
"""

from uuid import UUID, uuid4

from aiops_mcp.errors import Conflict
from aiops_mcp.fleet.incident_inquiry import Found, inquire_question, investigated
from aiops_mcp.fleet.incident_joining import incident_alert, incident_id, key_of, place_in
from aiops_mcp.fleet.incident_text import fired, said
from aiops_mcp.fleet.incidents import SYSTEM, Incidents
from aiops_mcp.fleet.rca_collecting import Question, RcaSources
from aiops_mcp.fleet.rca_told import rca_event
from aiops_mcp.models.alerts import Alert, AlertSeverity
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
    told = incident_alert(alert, [one.name for one in every]) if alert else None
    known = await _known(incidents, alert, told)
    if known is not None:
        kept = await incidents.change(known, lambda held: investigated(held, found), "investigated")
    else:
        kept = await _kept(incidents, _made(question, found, told, principal), alert, told)
    source = "fleet.incident_by_hand"
    event = rca_event(found.rca, source=source, incident_id=str(kept.id), title=kept.title)
    return kept, event


async def _known(
    incidents: Incidents, alert: Alert | None, told: IncidentAlert | None
) -> UUID | None:
    """The incident that holds this firing."""
    if alert is None or told is None:
        return None
    if await incidents.whole(incident_id(alert)) is not None:
        return incident_id(alert)
    wanted = IncidentFilter(cluster=told.cluster_name)
    page, _ = await incidents.page(wanted, SYSTEM, offset=0, limit=MOST_LOOKED_THROUGH)
    return next((one.id for one in page if place_in(one, told) is not None), None)


def _made(
    question: Question, found: Found, told: IncidentAlert | None, principal: Principal
) -> Incident:
    rca, now = found.rca, found.rca.as_of
    alerts = (told,) if told else ()
    severity = told.severity if told else AlertSeverity.INFO
    over = told.ends_at if told else None
    if not told and rca.causes:
        severity = found.problem.severity if found.problem else AlertSeverity.WARNING
    elif not told:
        over = now  # nothing is wrong: there is nothing to be done about it
    by_hand = said(now, f"{principal.subject} asked for it", source="person")
    incident = Incident(
        id=uuid4(),
        title="",
        severity=severity,
        state=IncidentState.RESOLVED if over else IncidentState.OPEN,
        clusters=(question.cluster.name,),
        started_at=told.starts_at if told else rca.onset or question.noticed or question.end,
        resolved_at=over,
        alerts=alerts,
        timeline=(*(fired(one) for one in alerts), by_hand),
        created_at=now,
        updated_at=now,
        simulated=question.cluster.is_simulated,
    )
    return investigated(incident, found)


async def _kept(
    incidents: Incidents, made: Incident, alert: Alert | None, told: IncidentAlert | None
) -> Incident:
    if alert is not None and told is not None:
        made = made.model_copy(update={"id": incident_id(alert)})
        key = key_of(told)
    else:
        first = made.rca.causes[0].component if made.rca and made.rca.causes else ""
        key = f"{made.clusters[0]}/{first}"
    kept = await incidents.add(made, key)
    if kept is None:
        raise Conflict("Somebody else opened this incident just now.", "Ask again.")
    return kept
