"""What becomes of an incident by what its alerts do. Pure: an incident in, the changed one out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from aiops_mcp.fleet.incident_alerts import Firing
from aiops_mcp.fleet.incident_joining import gravest, incident_id, is_same, place_in
from aiops_mcp.fleet.incident_text import (
    ended,
    explanation_of,
    fired,
    merged,
    said,
    title_of,
    with_alerts_told,
)
from aiops_mcp.fleet.incidents import is_resolved_by_person
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentState, InvestigationState

SAME_CAUSE: Final = "it has the same cause"
INVESTIGATED_AGAIN_AFTER: Final = timedelta(hours=1)
"""A trouble that comes back is looked into anew where its last investigation is older."""


def opened(one: Firing, now: datetime) -> Incident:
    """The incident that an alert opens."""
    told = one.told
    incident = Incident(
        id=incident_id(one.alert),
        title=title_of((told,), None, told.cluster_name),
        severity=told.severity,
        state=IncidentState.OPEN,
        clusters=(told.cluster_name,),
        started_at=told.starts_at,
        alerts=(told,),
        timeline=(fired(told),),
        created_at=now,
        updated_at=now,
        simulated=one.is_simulated,
    )
    return incident.model_copy(update={"explanation": explanation_of(incident)})


def joined(incident: Incident, one: Firing, why: str, now: datetime) -> Incident | None:
    """With one alert more, and why; None where it holds it already. Reopened, where it was over."""
    told = one.told
    if place_in(incident, told) is not None:
        return None  # it came with another change
    alerts = (*incident.alerts, told)
    clusters = tuple(dict.fromkeys((*incident.clusters, told.cluster_name)))
    changed = incident.model_copy(
        update={
            "alerts": alerts,
            "clusters": clusters,
            "severity": gravest(alerts),
            "started_at": min(incident.started_at, told.starts_at),
            "timeline": merged(incident.timeline, [fired(told, why)]),
            "simulated": incident.simulated or one.is_simulated,
        }
    )
    changed = with_alerts_told(changed)
    return _reopened(changed, now) if incident.state is IncidentState.RESOLVED else changed


def with_alerts_of(incident: Incident, other: Incident, now: datetime) -> Incident:
    """With the alerts of another that has the same cause."""
    new = [one for one in other.alerts if place_in(incident, one) is None]
    alerts = (*incident.alerts, *new)
    note = said(now, f"The incident {other.id} has the same cause and is part of this one")
    entries = [*(fired(one, SAME_CAUSE) for one in new), note]
    changed = incident.model_copy(
        update={
            "alerts": alerts,
            "clusters": tuple(dict.fromkeys((*incident.clusters, *other.clusters))),
            "severity": gravest(alerts),
            "started_at": min(incident.started_at, other.started_at),
            "timeline": merged(incident.timeline, entries),
            "simulated": incident.simulated or other.simulated,
        }
    )
    return with_alerts_told(changed)


def folded(incident: Incident, twin: Incident, now: datetime) -> Incident:
    """Over, since it is part of another; its alerts are that one's."""
    note = said(now, f"Resolved: it is part of the incident {twin.id}, which has the same cause")
    return incident.model_copy(
        update={
            "state": IncidentState.RESOLVED,
            "resolved_at": now,
            "alerts": (),
            "timeline": merged(incident.timeline, [note]),
        }
    )


def _reopened(incident: Incident, now: datetime) -> Incident:
    """Open again; looked into again, where that was long ago or never came about."""
    found = incident.rca
    is_fresh = found is not None and now - found.as_of < INVESTIGATED_AGAIN_AFTER
    state = incident.investigation if is_fresh else InvestigationState.WAITING
    return incident.model_copy(
        update={
            "state": IncidentState.OPEN,
            "resolved_at": None,
            "investigation": state,
            "timeline": merged(
                incident.timeline, [said(now, "Reopened: it fires again", source="alert")]
            ),
        }
    )


def firing_again(incident: Incident, told: IncidentAlert) -> Incident | None:
    """With a firing that was said to be over and is not; None where nobody said so."""
    place = place_in(incident, told)
    if place is None or incident.alerts[place].ends_at is None:
        return None
    alerts = list(incident.alerts)
    alerts[place] = alerts[place].model_copy(update={"ends_at": None})
    changed = incident.model_copy(update={"alerts": tuple(alerts)})
    if incident.state is not IncidentState.RESOLVED or is_resolved_by_person(incident):
        return changed
    return changed.model_copy(update={"state": IncidentState.OPEN, "resolved_at": None})


def over(
    incident: Incident, gone: Sequence[tuple[IncidentAlert, datetime]], now: datetime
) -> Incident:
    """With the ends noted; resolved, where nothing fires any more and nobody resolved it before."""
    alerts = list(incident.alerts)
    entries = list(incident.timeline)
    for each, at in gone:
        for place, one in enumerate(alerts):
            if one.ends_at is None and is_same(one, each):
                alerts[place] = one.model_copy(update={"ends_at": max(at, one.starts_at)})
                entries.append(ended(alerts[place], max(at, one.starts_at)))
    changed = incident.model_copy(update={"alerts": tuple(alerts), "timeline": merged((), entries)})
    if incident.state is IncidentState.RESOLVED or any(one.ends_at is None for one in alerts):
        return changed
    last = max(one.ends_at for one in alerts if one.ends_at is not None)
    note = said(now, "Resolved by itself: none of its alerts fires any more", source="alert")
    return changed.model_copy(
        update={
            "state": IncidentState.RESOLVED,
            "resolved_at": last,
            "timeline": merged(changed.timeline, [note]),
        }
    )
