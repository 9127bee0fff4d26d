"""An incident: what happened to which clusters, its timeline, and what was found to cause it."""

from enum import StrEnum
from uuid import UUID

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.chat import Answer
from aiops_mcp.models.entity import Entity, Timestamp
from aiops_mcp.models.rootcause import RCAResult


class IncidentState(StrEnum):
    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


class InvestigationState(StrEnum):
    """How the investigation of an incident stands."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class IncidentAlert(Entity):
    """An alert that belongs to an incident; it may be over."""

    fingerprint: str
    alertname: str
    cluster_name: str
    severity: AlertSeverity
    component: str | None = None
    starts_at: Timestamp
    ends_at: Timestamp | None = None


class TimelineEntry(Entity):
    """``source`` is alert, change, anomaly, rca, person or model.

    ``evidence`` says where it is from: a fingerprint, a query, a tool call.
    """

    timestamp: Timestamp
    source: str
    what: str
    evidence: str | None = None
    cluster_name: str | None = None


class IncidentNote(Entity):
    author: str
    text: str
    created_at: Timestamp


class Incident(Entity):
    """``explanation`` is prose: a model's where one was asked, else of templates.

    ``revision`` counts changes, so that two people do not overwrite each other. ``simulated``: a
    cluster of it is of the simulated fleet.
    """

    id: UUID
    title: str
    severity: AlertSeverity
    state: IncidentState
    clusters: tuple[str, ...]
    started_at: Timestamp
    resolved_at: Timestamp | None = None
    alerts: tuple[IncidentAlert, ...] = ()
    investigation: InvestigationState = InvestigationState.WAITING
    rca: RCAResult | None = None
    explanation: str = ""
    answer: Answer | None = None
    timeline: tuple[TimelineEntry, ...] = ()
    notes: tuple[IncidentNote, ...] = ()
    assignee: str | None = None
    created_at: Timestamp
    updated_at: Timestamp
    revision: int = 1
    simulated: bool = False


class IncidentSummary(Entity):
    """An incident in a list: without its timeline, notes and evidence."""

    id: UUID
    title: str
    severity: AlertSeverity
    state: IncidentState
    clusters: tuple[str, ...]
    started_at: Timestamp
    resolved_at: Timestamp | None = None
    alert_count: int
    investigation: InvestigationState
    cause: str | None = None
    assignee: str | None = None
    updated_at: Timestamp
    simulated: bool = False


class IncidentFilter(Entity):
    """What of the incidents is wanted; None: all.

    ``cluster`` is one that it must be of; ``seen`` are those that the asker sees, of which it must
    be of one.
    """

    state: IncidentState | None = None
    severity: AlertSeverity | None = None
    cluster: str | None = None
    seen: frozenset[str] | None = None
