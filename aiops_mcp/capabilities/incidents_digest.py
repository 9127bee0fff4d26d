"""Incidents made small: which there are; one with its causes and its timeline. Pure."""

from collections.abc import Iterator

from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Page
from aiops_mcp.models.incident import Incident, IncidentState, IncidentSummary, InvestigationState
from aiops_mcp.models.rootcause import RCAResult

MOST_CAUSES = 5
MOST_FOR = 3
SIMULATED = "simulated fleet"


def digest_incidents(answer: Page[IncidentSummary]) -> Digest:
    """A page of incidents, newest first."""
    going = sum(one.state is not IncidentState.RESOLVED for one in answer.items)
    left = answer.total - answer.page * answer.page_size
    return Digest(
        headline=f"{_count(answer.total, 'incident')}, newest first; {going} of those shown open."
        if answer.total
        else "No incident.",
        columns=("id", "state", "severity", "since", "clusters", "alerts", "title", "assignee"),
        rows=tuple(
            (
                str(one.id),
                one.state.value,
                one.severity.value,
                f"{one.started_at:%Y-%m-%d %H:%M}Z",
                ", ".join(one.clusters),
                one.alert_count,
                one.title,
                one.assignee,
            )
            for one in answer.items
        ),
        coverage=SIMULATED if any(one.simulated for one in answer.items) else None,
        more=f"{left} more: page={answer.page + 1}" if left > 0 else None,
    )


def digest_incident(answer: Incident) -> Digest:
    """One incident: its causes beside its timeline, oldest first."""
    over = f" until {answer.resolved_at:%Y-%m-%d %H:%M}Z" if answer.resolved_at else ""
    taken = f", taken on by {answer.assignee}" if answer.assignee else ""
    found = answer.rca
    return Digest(
        headline=(
            f"{answer.title}. {answer.severity.value}, {answer.state.value}{taken}, "
            f"{_count(len(answer.alerts), 'alert')} on {', '.join(answer.clusters)} "
            f"since {answer.started_at:%Y-%m-%d %H:%M}Z{over}."
        ),
        columns=("time", "source", "cluster", "what", "evidence"),
        rows=tuple(
            (
                f"{one.timestamp:%Y-%m-%d %H:%M:%S}Z",
                one.source,
                one.cluster_name,
                one.what,
                one.evidence,
            )
            for one in answer.timeline
        ),
        notes=tuple(_notes(answer)),
        coverage=SIMULATED if answer.simulated else None,
        as_of=found.as_of if found is not None else answer.updated_at,
        more=f"GET /api/v1/incidents/{answer.id}, or: aiops incidents show {answer.id}",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _notes(incident: Incident) -> Iterator[str]:
    found = incident.rca
    if found is not None:
        yield from _causes(found)
    elif incident.investigation is InvestigationState.FAILED:
        yield "not investigated: the timeline says why"
    elif incident.investigation is not InvestigationState.DONE:
        yield f"the investigation is {incident.investigation.value}"
    for note in incident.notes[-5:]:
        yield f"{note.author}, {note.created_at:%Y-%m-%d %H:%M}Z: {note.text}"


def _causes(found: RCAResult) -> Iterator[str]:
    if not found.causes:
        yield f"no cause found: {found.reason_if_empty}"
    for place, one in enumerate(found.causes[:MOST_CAUSES], 1):
        what = f": {one.what}" if one.what else ""
        told = f" ({'; '.join(one.evidence_for[:MOST_FOR])})" if one.evidence_for else ""
        yield f"cause {place}, score {one.score:.2f}, {one.component}{what}{told}"
    for step in found.remediation_steps[:MOST_CAUSES]:
        yield f"to do: {step}"
