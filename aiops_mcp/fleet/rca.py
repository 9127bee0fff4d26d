"""What probably caused a trouble in one cluster: collected, then ranked and told.

Collecting is in ``rca_collecting``; here it is decided when it began, what of it is given to the
ranking of ``analysis``, and what comes of that. Knows no operation.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiops_mcp.analysis.rootcause import Ranking, rank_causes
from aiops_mcp.analysis.rootcause_problem import Edge, Evidence, EvidenceKind, Problem
from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.rca_answer import causes_of, explanation_of, map_of, signals_of
from aiops_mcp.fleet.rca_away import causes_of_absence
from aiops_mcp.fleet.rca_collecting import Collected, Collecting, Question
from aiops_mcp.fleet.rca_evidence import (
    components_of,
    edges_of_sightings,
    of_changes,
    of_limits,
    of_sightings,
)
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_signals import Measured, MeasuredCluster, chosen, onset_of
from aiops_mcp.fleet.triage import Sources
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import RCAResult
from aiops_mcp.models.triage import Trouble
from aiops_mcp.operation import Progress, no_progress

TOGETHER_SECONDS: Final = 900.0
"""What is of one trouble begins within the longest usual ``for``."""


async def find_root_cause(
    sources: Sources,
    question: Question,
    *,
    principal: Principal,
    progress: Progress = no_progress,
) -> RCAResult:
    """The causes, likeliest first, or the reason why there is none.

    Raises:
        AiopsError: nothing could be had of the cluster at all.
    """
    collecting = Collecting(sources, question, principal)
    await collecting.all(progress)
    got = collecting.got
    if not got.looked_at:
        if isinstance(got.first_error, ClusterUnreachable):
            return _away(question, got, sources.clock())
        if got.first_error is not None:
            raise got.first_error
    return await asyncio.to_thread(_judged, question, got, sources.clock())


def _judged(question: Question, got: Collected, now: datetime) -> RCAResult:
    names = got.topology.names
    cluster = question.cluster.name
    measured = MeasuredCluster(got.measured, (), got.series).named(names)
    sightings = [
        one
        for one in got.seen.sightings
        if one.component.cluster == cluster and one.symptom.severity is not AlertSeverity.INFO
    ]
    edges = [*got.topology.edges, *edges_of_sightings(sightings, names, cluster)]
    question, reason = _with_notice(question, measured, sightings, names)
    if question.noticed is None:
        return _answer(question, got, now, Ranking((), reason), measured, (), edges)
    when = question.noticed.timestamp()
    troubled = {one.component for one in measured if one.findings}
    troubled |= {name for one in sightings for name in components_of(one, names)}
    if question.component is not None:
        near = _reached(question.component, edges)
        if not near & troubled:
            reason = f"neither {question.component} nor what it depends on is otherwise than usual"
            return _answer(question, got, now, Ranking((), reason), measured, (), edges)
    known = troubled | {edge.target for edge in edges if edge.source in troubled}
    evidence = [
        *of_sightings(sightings, names, cluster, when),
        *of_limits(measured),
        *of_changes(got.changes or (), known, when),
    ]
    around = {question.component} if question.component else set[str]()
    told = chosen(measured, edges, around=around)
    ranking = rank_causes(
        Problem(
            signals=[one.signal for one in told],
            when=when,
            edges=edges,
            evidence=evidence,
            target=_target(question.component, told),
            looked_at=_kinds_looked_at(got),
        ),
        most=question.most,
    )
    return _answer(question, got, now, ranking, told, evidence, edges)


def _away(question: Question, got: Collected, now: datetime) -> RCAResult:
    causes = causes_of_absence(question.cluster, got.fleet)
    failure = ClusterFailure(
        cluster_name=question.cluster.name,
        status=AnswerStatus.ERROR,
        code="CLUSTER_UNREACHABLE",
        error=got.first_error.message if got.first_error else "no answer",
    )
    empty = _answer(question, got, now, Ranking(()), (), (), ())
    kinds = {one.component: one.component_kind for one in causes}
    return empty.model_copy(
        update={
            "causes": causes,
            "onset": causes[0].since,
            "correlation_graph": map_of(causes, (), kinds),
            "explanation": explanation_of(causes, question.cluster.name, ""),
            "remediation_steps": causes[0].remediation,
            "coverage": empty.coverage.model_copy(update={"succeeded": 0, "failures": (failure,)}),
        }
    )


def _with_notice(
    question: Question,
    measured: Sequence[Measured],
    sightings: Sequence[Sighting],
    names: Names,
) -> tuple[Question, str]:
    """The question with the moment of notice, where anything was noticed; why nothing was."""
    if question.anomaly is not None:
        found = next(
            (
                (one, each)
                for one in measured
                for each in one.findings
                if str(each.id) == question.anomaly
            ),
            None,
        )
        if found is None:
            return question, f"there is no anomaly {question.anomaly} in these hours"
        one, anomaly = found
        noticed = anomaly.started_at
        return replace(question, noticed=noticed, component=one.component), ""
    own = question.component
    if own is not None and question.noticed is not None:
        return replace(question, component=names.of(own)), ""
    since = (question.end - question.window).timestamp()
    findings = [each for one in measured for each in one.findings]
    begins = [one.symptom.since.timestamp() for one in sightings if one.symptom.since]
    until = question.end.timestamp()
    at = (
        question.noticed.timestamp()
        if question.noticed is not None
        else onset_of(findings, (b for b in begins if b <= until), since, TOGETHER_SECONDS)
    )
    if at is None and sightings:
        # All of it is older than the window, or has no beginning.
        at = max([b for b in begins if b <= until], default=since)
    if at is None:
        return question, f"none of {len(measured)} series is otherwise than usual, no alert fires"
    noticed = datetime.fromtimestamp(at, UTC)
    return replace(question, noticed=noticed, component=names.of(own) if own else None), ""


def _reached(component: str, edges: Sequence[Edge]) -> set[str]:
    """The component and all that it depends on."""
    needs: dict[str, set[str]] = {}
    for edge in edges:
        needs.setdefault(edge.source, set()).add(edge.target)
    found, left = {component}, [component]
    while left:
        for other in needs.get(left.pop(), ()):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def _target(component: str | None, told: Sequence[Measured]) -> tuple[str, str] | None:
    if component is None:
        return None
    own = [one for one in told if one.component == component and one.findings and not one.callee]
    return (component, own[0].signal.metric if own else "")


def _kinds_looked_at(got: Collected) -> frozenset[EvidenceKind]:
    kinds = {
        "alerts": EvidenceKind.ALERT,
        "objects": EvidenceKind.EVENT,
        "changes": EvidenceKind.CHANGE,
        "logs": EvidenceKind.LOG,
        "traces": EvidenceKind.CALL,
    }
    return frozenset(kind for name, kind in kinds.items() if name in got.looked_at)


def _answer(
    question: Question,
    got: Collected,
    now: datetime,
    ranking: Ranking,
    told: Sequence[Measured],
    evidence: Sequence[Evidence],
    edges: Sequence[Edge],
) -> RCAResult:
    cluster = question.cluster
    kinds = _kinds(told, got.seen.sightings, got.topology.names)
    turned = {one.signal.metric for one in told if one.is_turned}
    causes = causes_of(ranking, cluster.name, kinds, turned=turned)
    reason = "" if causes else ranking.reason_if_empty
    when = (question.noticed or question.end).timestamp()
    first = ranking.onset
    steps = dict.fromkeys(step for one in causes[:2] for step in one.remediation)
    return RCAResult(
        id=uuid4(),
        trigger=question.trigger.model_copy(
            update={"at": question.noticed, "component": question.component}
        ),
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        start_time=question.end - question.window,
        end_time=question.end,
        onset=datetime.fromtimestamp(first, UTC) if first is not None else question.noticed,
        signals=signals_of(told, evidence, when) if causes else (),
        correlation_graph=map_of(causes, edges, kinds),
        causes=causes,
        reason_if_empty=reason,
        explanation=explanation_of(causes, cluster.name, reason),
        remediation_steps=tuple(steps),
        looked_at=tuple(sorted(got.looked_at)),
        missing=tuple(sorted(set(got.missing))),
        series_judged=got.series,
        coverage=Coverage(queried=1, succeeded=1, simulated=cluster.is_simulated),
        as_of=now,
    )


def _kinds(told: Sequence[Measured], sightings: Sequence[Sighting], names: Names) -> dict[str, str]:
    """What kind of thing each component is, by what tells of it."""
    kinds: dict[str, str] = {}
    for sighting in sightings:
        is_gpu = sighting.symptom.trouble is Trouble.GPU
        for name in components_of(sighting, names):
            is_card = is_gpu and name != names.of(sighting.component.name)
            kinds[name] = "gpu" if is_card else sighting.component.kind.value
    for one in told:
        if one.sign.of in ("gpu", "clock") or one.component not in kinds:
            kinds[one.component] = one.sign.of
    return kinds
