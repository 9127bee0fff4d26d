"""What is asked of the fleet about one incident: triage, root cause, recent changes.

Asks and puts together; what an incident is and when it is looked into is decided elsewhere.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from aiops_mcp.errors import AiopsError, ClusterNotFound
from aiops_mcp.fleet.change_workloads import Window
from aiops_mcp.fleet.changes import ChangeSearch
from aiops_mcp.fleet.incident_joining import Together, leading
from aiops_mcp.fleet.incident_text import explanation_of, merged, of_changes, of_rca, title_of
from aiops_mcp.fleet.rca import find_root_cause
from aiops_mcp.fleet.rca_collecting import Question, RcaSources, question_of_firing
from aiops_mcp.fleet.triage import triage_fleet
from aiops_mcp.models.alerts import Alert, AlertState
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.findings import Change, ChangeKind
from aiops_mcp.models.incident import Incident, IncidentAlert, InvestigationState
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import RCAResult, RcaTrigger, TriggerKind
from aiops_mcp.models.triage import FleetProblem
from aiops_mcp.operation import Progress, no_progress

_log = logging.getLogger(__name__)

WINDOW: Final = timedelta(hours=1)
CHANGED_BEFORE: Final = timedelta(hours=1)
"""A change so long before an incident is told with it."""
MOST_CHANGES: Final = 8
NOW: Final = timedelta(minutes=10)
"""Triage tells of now: what is longer ago it knows nothing of."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an investigation found; the problem is triage's, where it tells of the same alerts.

    ``together`` is what triage joins, by more than alerts.
    """

    rca: RCAResult
    problem: FleetProblem | None = None
    changes: tuple[Change, ...] = ()
    together: Together = field(default_factory=lambda: Together(()))


async def inquire(sources: RcaSources, incident: Incident, principal: Principal) -> Found:
    """Look into an incident by its alerts.

    Raises:
        AiopsError: nothing could be had of its cluster.
    """
    fleet, now = sources.triage.fleet, sources.triage.clock()
    every = {one.name: one for one in (await fleet.choose((), principal)).all}
    clusters = [name for name in incident.clusters if name in every]
    together = Together(await _problems(sources, clusters, principal))
    leads = leading(incident.alerts, together)
    cluster = every.get(leads.cluster_name)
    if cluster is None:
        raise ClusterNotFound(f"The cluster {leads.cluster_name} is no longer registered.")
    question = _question(leads, incident.alerts, cluster, tuple(every), now)
    found, changes = await asyncio.gather(
        _root_cause(sources, question, principal),
        _changes(sources, clusters, incident.started_at, now, principal),
    )
    problem = together.problem_of(leads)
    near = near_changes(changes, incident.started_at, found, problem)
    return Found(found, problem, near, together)


async def inquire_question(
    sources: RcaSources,
    question: Question,
    principal: Principal,
    progress: Progress = no_progress,
) -> Found:
    """Look into what a person asks about. Raises as `find_root_cause`."""
    now, cluster = sources.triage.clock(), question.cluster.name
    is_now = now - question.end <= NOW
    began = question.noticed or question.end - question.window
    found, changes, problems = await asyncio.gather(
        find_root_cause(sources, question, principal=principal, progress=progress),
        _changes(sources, [cluster], began, question.end, principal),
        _problems(sources, [cluster] if is_now else [], principal),
    )
    named = {one.component for one in found.causes} | {found.trigger.component}
    about = (one for one in problems if named & {one.component, *one.also})
    problem = next(about, None)
    at = found.onset or began
    near = near_changes(changes, at, found, problem)
    return Found(found, problem, near, Together(problems))


async def _problems(
    sources: RcaSources, clusters: Sequence[str], principal: Principal
) -> tuple[FleetProblem, ...]:
    """What triage says; nothing where it has no answer, for the ranking stands without it."""
    if not clusters:
        return ()
    try:
        told = await triage_fleet(sources.triage, selection=clusters, principal=principal)
    except AiopsError as error:
        _log.info("an incident is investigated without triage: %s", error)
        return ()
    return told.problems


def _question(
    leads: IncidentAlert,
    alerts: Sequence[IncidentAlert],
    cluster: Cluster,
    known: Collection[str],
    now: datetime,
) -> Question:
    """The question of its alert; what it is of was told when the alert came.

    Where alerts of several components are one trouble, none of them is asked about alone: what they
    share is.
    """
    alert = Alert(
        id=leads.fingerprint,
        fingerprint=leads.fingerprint,
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        alertname=leads.alertname,
        severity=leads.severity,
        state=AlertState.FIRING if leads.ends_at is None else AlertState.RESOLVED,
        labels={},
        starts_at=min(leads.starts_at, now),
        ends_at=leads.ends_at,
    )
    question = question_of_firing(alert, cluster, known, now=now, window=WINDOW)
    of = {one.component for one in alerts if one.cluster_name == leads.cluster_name}
    is_one = len(of) == 1 and leads.component not in known
    return replace(question, component=leads.component if is_one else None)


async def _root_cause(sources: RcaSources, question: Question, principal: Principal) -> RCAResult:
    """The ranking for the alert; of the whole cluster, where the alert leads to nothing."""
    found = await find_root_cause(sources, question, principal=principal)
    if found.causes or question.component is None:
        return found
    wider = replace(
        question,
        component=None,
        trigger=RcaTrigger(kind=TriggerKind.TIME, at=question.trigger.at),
    )
    whole = await find_root_cause(sources, wider, principal=principal)
    return whole.model_copy(update={"trigger": found.trigger}) if whole.causes else found


async def _changes(
    sources: RcaSources,
    clusters: Sequence[str],
    began: datetime,
    until: datetime,
    principal: Principal,
) -> tuple[Change, ...]:
    if not clusters:
        return ()
    search = ChangeSearch(Window(began - CHANGED_BEFORE, until), clusters=tuple(clusters))
    try:
        return (await sources.triage.objects.changes(search, principal=principal)).changes
    except AiopsError as error:
        _log.info("an incident is investigated without changes: %s", error)
        return ()


def near_changes(
    changes: Sequence[Change], began: datetime, found: RCAResult, problem: FleetProblem | None
) -> tuple[Change, ...]:
    """Changes before it began of what it is of, or of the namespaces of that; newest first. Pure.

    That a node's or an operator's condition turned is the trouble once more, and no change.
    """
    names = {one.component for one in found.causes}
    if problem is not None:
        names |= {problem.component, *problem.also}
    spaces = {name.partition("/")[0] for name in names if "/" in name}

    def kinship(one: Change) -> int | None:
        if one.at > began or one.change in (ChangeKind.NODE, ChangeKind.OPERATOR):
            return None
        place = f"{one.namespace}/{one.name}" if one.namespace else one.name
        if place in names:
            return 0
        if one.namespace is None:
            return 2
        return 1 if one.namespace in spaces else None

    near = [(kin, one) for one in changes if (kin := kinship(one)) is not None]
    near.sort(key=lambda pair: (pair[0], -pair[1].at.timestamp()))
    return tuple(one for _, one in near[:MOST_CHANGES])


def investigated(incident: Incident, found: Found) -> Incident:
    """The incident with what was found. Pure."""
    told = incident.model_copy(
        update={
            "title": title_of(incident.alerts, found.rca, found.rca.cluster_name),
            "investigation": InvestigationState.DONE,
            "rca": found.rca,
            "timeline": merged(incident.timeline, [*of_changes(found.changes), *of_rca(found.rca)]),
        }
    )
    explanation = explanation_of(told, found.problem, found.changes)
    return told.model_copy(update={"explanation": explanation, "answer": None})
