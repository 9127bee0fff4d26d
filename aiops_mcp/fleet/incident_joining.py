"""Which incident an alert belongs to. Pure.

Alerts of one trouble are one incident: of one component, of components that the ranking of root
causes names together, or that triage joins, which began within an hour. What is over is reopened by
a new firing within half an hour.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID

from aiops_mcp.fleet.alert_occurrences import SLACK
from aiops_mcp.fleet.components import component_of_alert
from aiops_mcp.fleet.incidents import is_resolved_by_person
from aiops_mcp.fleet.triage_problems import problems_of
from aiops_mcp.fleet.triage_symptoms import of_alerts
from aiops_mcp.models.alerts import Alert, AlertSeverity
from aiops_mcp.models.incident import Incident, IncidentAlert, IncidentState
from aiops_mcp.models.triage import FleetProblem

NEAR: Final = timedelta(hours=1)
"""Alerts of one trouble begin so far apart."""
REOPENS: Final = timedelta(minutes=30)
"""So long after its end a new firing is the same trouble again."""
MOST_ALERTS: Final = 100
"""Of one incident; more tell nothing more."""

RANK: Final = {AlertSeverity.CRITICAL: 0, AlertSeverity.WARNING: 1, AlertSeverity.INFO: 2}
Key = tuple[str, str, str]


def incident_alert(alert: Alert, known: Collection[str]) -> IncidentAlert:
    """An alert as an incident holds it; ``known`` are the names of all clusters."""
    of = component_of_alert(alert, known)
    return IncidentAlert(
        fingerprint=alert.fingerprint,
        alertname=alert.alertname,
        cluster_name=alert.cluster_name,
        severity=alert.severity,
        component=of.name if of is not None else None,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
    )


def incident_id(alert: Alert) -> UUID:
    """The id of the incident that this occurrence opens: the same whichever replica opens it."""
    told = f"{alert.cluster_id}/{alert.fingerprint}/{alert.starts_at.isoformat()}"
    return UUID(bytes=blake2b(told.encode(), digest_size=16).digest(), version=4)


def key_of(alert: IncidentAlert) -> str:
    """Which trouble it tells of, in a word."""
    return f"{alert.cluster_name}/{alert.component or alert.alertname}"


def is_same(one: IncidentAlert, other: IncidentAlert) -> bool:
    """Whether both are the same firing of the same alert."""
    return (
        one.fingerprint == other.fingerprint
        and one.cluster_name == other.cluster_name
        and abs(one.starts_at - other.starts_at) <= SLACK
    )


def place_in(incident: Incident, alert: IncidentAlert) -> int | None:
    """Where an incident holds this firing."""
    places = (at for at, one in enumerate(incident.alerts) if is_same(one, alert))
    return next(places, None)


class Together:
    """Which alerts triage makes one problem of."""

    def __init__(self, problems: Sequence[FleetProblem]) -> None:
        self._problem: dict[Key, int] = {}
        for number, problem in enumerate(problems):
            for symptom in problem.symptoms:
                key = (symptom.cluster_name, symptom.what, symptom.component)
                self._problem[key] = number
        self.problems = tuple(problems)

    @classmethod
    def of(
        cls, alerts: Iterable[Alert], *, known: Collection[str], regions: Mapping[str, str | None]
    ) -> "Together":
        """As triage joins them by what alerts alone tell."""
        return cls(problems_of(list(of_alerts(alerts, known)), (), regions=regions))

    def problem_of(self, alert: IncidentAlert) -> FleetProblem | None:
        number = self._problem.get(_key(alert))
        return None if number is None else self.problems[number]

    def joins(self, one: IncidentAlert, other: IncidentAlert) -> bool:
        number = self._problem.get(_key(one))
        return number is not None and number == self._problem.get(_key(other))


def _key(alert: IncidentAlert) -> Key:
    return (alert.cluster_name, alert.alertname, alert.component or alert.alertname)


def home_of(
    alert: IncidentAlert,
    incidents: Iterable[Incident],
    together: Sequence[Together],
    now: datetime,
) -> tuple[Incident, str] | None:
    """The incident that an alert belongs to, and why; one that is open before one that is over."""
    found = [
        (incident, why)
        for incident in incidents
        if may_take(incident, alert, now) and (why := why_of(alert, incident, together))
    ]
    if not found:
        return None
    return min(
        found,
        key=lambda pair: (
            pair[0].state is IncidentState.RESOLVED,
            abs(pair[0].started_at - alert.starts_at),
            str(pair[0].id),
        ),
    )


def may_take(incident: Incident, alert: IncidentAlert, now: datetime) -> bool:
    """Whether anything new may become part of it."""
    if len(incident.alerts) >= MOST_ALERTS:
        return False
    if incident.state is not IncidentState.RESOLVED:
        return True
    over = incident.resolved_at or incident.updated_at
    if now - over > REOPENS:
        return False
    # Who resolved it knew of what fired then; where it ended by itself, nobody did.
    return alert.starts_at > over or not is_resolved_by_person(incident)


def why_of(alert: IncidentAlert, incident: Incident, together: Sequence[Together]) -> str:
    """Why an alert belongs to an incident; empty where it does not."""
    here = [one for one in incident.alerts if one.cluster_name == alert.cluster_name]
    if any(one.fingerprint == alert.fingerprint for one in here):
        return "the same alert"
    if not _is_near(alert, incident):
        return ""
    if any(alert.component and one.component == alert.component for one in here):
        return "the same component"
    if _is_ranked(alert, incident):
        return "its root causes name the component"
    if any(each.joins(alert, one) for each in together for one in incident.alerts):
        return "triage joins them"
    return ""


def _is_near(alert: IncidentAlert, incident: Incident) -> bool:
    begins = [one.starts_at for one in incident.alerts] or [incident.started_at]
    return any(abs(alert.starts_at - begin) <= NEAR for begin in begins)


def _is_ranked(alert: IncidentAlert, incident: Incident) -> bool:
    """Whether the ranking names what it is of; a card stands for its node."""
    found, component = incident.rca, alert.component
    if found is None or component is None or found.cluster_name != alert.cluster_name:
        return False
    told = {one.component for one in found.causes}
    return component in told or any(name.startswith(f"{component}/") for name in told)


def twin_of(incident: Incident, incidents: Iterable[Incident]) -> Incident | None:
    """An older open incident of which the ranking says that it has the same cause.

    They must have begun within an hour, and who took one on keeps it.
    """
    cause = _cause(incident)
    if cause is None or incident.state is not IncidentState.OPEN:
        return None
    same = [
        one
        for one in incidents
        if one.id != incident.id
        and one.state is not IncidentState.RESOLVED
        and _cause(one) == cause
        and abs(one.started_at - incident.started_at) <= NEAR
        and (one.created_at, str(one.id)) < (incident.created_at, str(incident.id))
        and len(one.alerts) + len(incident.alerts) <= MOST_ALERTS
    ]
    return min(same, key=lambda one: (one.created_at, str(one.id)), default=None)


def _cause(incident: Incident) -> tuple[str, str] | None:
    found = incident.rca
    if found is None or not found.causes or not incident.alerts:
        return None
    return (found.cluster_name, found.causes[0].component)


def gravest(alerts: Iterable[IncidentAlert]) -> AlertSeverity:
    return min((one.severity for one in alerts), key=RANK.__getitem__, default=AlertSeverity.INFO)


def leading(alerts: Sequence[IncidentAlert], together: Together) -> IncidentAlert:
    """The alert that says most of the cause: first by triage, then the gravest and earliest.

    Those that still fire before those that do not.
    """

    def order(one: IncidentAlert) -> tuple[bool, int, int, datetime, str]:
        problem = together.problem_of(one)
        symptoms = problem.symptoms if problem else ()
        places = (
            at
            for at, symptom in enumerate(symptoms)
            if (symptom.cluster_name, symptom.what, symptom.component) == _key(one)
        )
        place = next(places, len(symptoms))
        return (one.ends_at is not None, place, RANK[one.severity], one.starts_at, one.fingerprint)

    return min(alerts, key=order)
