"""Incidents: what happened to which clusters, why, and who takes care of it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from aiops_mcp.capabilities.analysis import sources_of
from aiops_mcp.capabilities.digesting import PageNumber, PageSize
from aiops_mcp.capabilities.incidents_digest import digest_incident, digest_incidents
from aiops_mcp.capabilities.rootcause import RootCauseQuery, alert_named, question_asked, window_of
from aiops_mcp.context import Context
from aiops_mcp.errors import IncidentNotFound
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.digest import Digest
from aiops_mcp.models.entity import Page
from aiops_mcp.models.incident import Incident, IncidentFilter, IncidentState, IncidentSummary
from aiops_mcp.operation import Capability, Input

incidents = Capability("incidents", "Incidents: made of alerts, investigated, kept.")

Text = Annotated[str, Field(description="What is to be known", min_length=1, max_length=4_000)]
Note = Annotated[str | None, Field(description="Kept with it", min_length=1, max_length=4_000)]
IncidentId = Annotated[str, Field(description="Its id", max_length=64)]


class IncidentQuery(Input):
    state: Annotated[IncidentState | None, Field(description="Only these")] = None
    severity: Annotated[AlertSeverity | None, Field(description="Only these")] = None
    cluster: Annotated[str | None, Field(description="Name or id")] = None
    page: PageNumber = 1
    page_size: PageSize = 20


class IncidentPage(Page[IncidentSummary]):
    """Incidents, newest first."""


def _digest_page(request: IncidentQuery, answer: IncidentPage) -> Digest:
    del request
    return digest_incidents(answer)


@incidents.operation(
    "list_incidents",
    route="GET /incidents",
    needs="metrics:read",
    tool=False,
    resource="fleet://incidents",
    digest=_digest_page,
)
async def list_incidents(context: Context, request: IncidentQuery) -> IncidentPage:
    """Incidents of the clusters that the caller may see, newest first."""
    cluster = None
    if request.cluster:
        found = await context.registry.resolve(request.cluster, context.principal)
        cluster = found.name
    items, total = await context.incidents.page(
        IncidentFilter(state=request.state, severity=request.severity, cluster=cluster),
        context.principal,
        offset=(request.page - 1) * request.page_size,
        limit=request.page_size,
    )
    return IncidentPage(
        items=tuple(summary_of(one) for one in items),
        total=total,
        page=request.page,
        page_size=request.page_size,
        total_pages=-(-total // request.page_size),
    )


def summary_of(one: Incident) -> IncidentSummary:
    """An incident as a list has it. Pure."""
    return IncidentSummary(
        id=one.id,
        title=one.title,
        severity=one.severity,
        state=one.state,
        clusters=one.clusters,
        started_at=one.started_at,
        resolved_at=one.resolved_at,
        alert_count=len(one.alerts),
        investigation=one.investigation,
        cause=one.rca.causes[0].component if one.rca and one.rca.causes else None,
        assignee=one.assignee,
        updated_at=one.updated_at,
        simulated=one.simulated,
    )


def incident_id_of(text: str) -> UUID:
    """The id; what is none is the id of no incident. Raises IncidentNotFound."""
    try:
        return UUID(text)
    except ValueError as error:
        raise IncidentNotFound(
            f"There is no incident '{text}'.", "List them with `aiops incidents`."
        ) from error


class OneIncident(Input):
    incident: IncidentId


def _digest(request: Input, answer: Incident) -> Digest:
    del request
    return digest_incident(answer)


@incidents.operation(
    "get_incident",
    route="GET /incidents/{incident}",
    needs="metrics:read",
    tool=False,
    resource="fleet://incidents/{incident}",
    digest=_digest,
)
async def get_incident(context: Context, request: OneIncident) -> Incident:
    """One incident: its alerts, timeline, root cause, explanation and notes."""
    return await context.incidents.get(incident_id_of(request.incident), context.principal)


class NewInvestigation(RootCauseQuery):
    """What is to be investigated: an alert, or a cluster with a component or a time."""


@incidents.operation(
    "investigate",
    route="POST /incidents",
    needs="metrics:read",
    tool=False,
    digest=_digest,
    status=201,
    limit="reports",
)
async def investigate(context: Context, request: NewInvestigation) -> Incident:
    """Investigate an alert, a component or a cluster now, and keep it as an incident.

    Changes nothing in any cluster. Of an alert that an incident holds it is that one's newest.
    """
    from aiops_mcp.fleet.incident_by_hand import investigate_by_hand
    from aiops_mcp.fleet.rca_collecting import RcaSources, question_of_firing

    principal, alert = context.principal, None
    if request.alert:
        wanted = request.cluster
        home = await context.registry.resolve(wanted, principal) if wanted else None
        alert = await alert_named(context, request.alert, home)
        home = await context.registry.resolve(alert.cluster_id, principal)
        known = [one.name for one in await context.registry.list(principal)]
        window = window_of(request)
        question = question_of_firing(alert, home, known, now=context.clock(), window=window)
    else:
        question = await question_asked(context, request)
    kept, event = await investigate_by_hand(
        context.incidents,
        RcaSources(sources_of(context), context.logs, context.traces),
        question,
        principal,
        alert=alert,
        progress=context.call.progress,
    )
    await context.events.publish(event)
    return await context.incidents.get(kept.id, principal)


class IncidentStep(OneIncident):
    """A change of state, with why."""

    note: Note = None


@incidents.operation(
    "acknowledge_incident",
    route="POST /incidents/{incident}/acknowledge",
    needs="metrics:write",
    tool=False,
    digest=_digest,
)
async def acknowledge_incident(context: Context, request: IncidentStep) -> Incident:
    """Take an incident on: the caller becomes its assignee. `reopen` takes it back."""
    found = incident_id_of(request.incident)
    return await context.incidents.acknowledge(found, context.principal, request.note)


@incidents.operation(
    "resolve_incident",
    route="POST /incidents/{incident}/resolve",
    needs="metrics:write",
    tool=False,
    digest=_digest,
)
async def resolve_incident(context: Context, request: IncidentStep) -> Incident:
    """Say that an incident is over, whatever still fires. `reopen` takes it back."""
    found = incident_id_of(request.incident)
    return await context.incidents.resolve(found, context.principal, request.note)


@incidents.operation(
    "reopen_incident",
    route="POST /incidents/{incident}/reopen",
    needs="metrics:write",
    tool=False,
    digest=_digest,
)
async def reopen_incident(context: Context, request: IncidentStep) -> Incident:
    """Take back an acknowledgement, or that an incident is over."""
    found = incident_id_of(request.incident)
    return await context.incidents.reopen(found, context.principal, request.note)


class NewNote(OneIncident):
    text: Text


@incidents.operation(
    "note_incident",
    route="POST /incidents/{incident}/notes",
    needs="metrics:write",
    tool=False,
    digest=_digest,
)
async def note_incident(context: Context, request: NewNote) -> Incident:
    """Write a note to an incident."""
    found = incident_id_of(request.incident)
    return await context.incidents.note(found, context.principal, request.text)
