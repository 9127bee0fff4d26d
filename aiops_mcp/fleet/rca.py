"""What probably caused a trouble in one cluster: collected, then ranked and told.

Collecting is in ``rca_collecting``; here it is decided when it began, what of it is given to the
ranking of ``analysis``, and what comes of that. Knows no operation.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from aiops_mcp.analysis.rootcause import Ranking, rank_causes
from aiops_mcp.analysis.rootcause_problem import Edge, Evidence, EvidenceKind, Problem
from aiops_mcp.errors import ClusterUnreachable
from aiops_mcp.fleet.rca_answer import causes_of, explanation_of, map_of, signals_of
from aiops_mcp.fleet.rca_away import causes_of_absence
from aiops_mcp.fleet.rca_collecting import STEPS, Collected, Collecting, Question, RcaSources
from aiops_mcp.fleet.rca_evidence import (
    components_of,
    edges_of_sightings,
    edges_to_names,
    felt_where_explained,
    of_changes,
    of_limits,
    of_sightings,
    of_spoken,
)
from aiops_mcp.fleet.rca_names import Names
from aiops_mcp.fleet.rca_signals import Measured, MeasuredCluster, chosen, onset_of
from aiops_mcp.fleet.rca_spoken import Around, Spoken, read_spoken
from aiops_mcp.fleet.triage_symptoms import Sighting
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.coverage import AnswerStatus, ClusterFailure, Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.models.rootcause import RCAResult
from aiops_mcp.models.triage import Trouble
from aiops_mcp.operation import Progress, no_progress

MOST_RANKED: Final = 30
"""More than are told: cards of one node are told as one."""
TOGETHER_SECONDS: Final = 900.0
"""What is of one trouble begins within the longest usual ``for``."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known before anything is ranked; ``reason`` is set where nothing is to be."""

    question: Question
    got: Collected
    measured: tuple[Measured, ...]
    sightings: tuple[Sighting, ...]
    edges: tuple[Edge, ...]
    troubled: frozenset[str]
    reason: str

    @property
    def when(self) -> float:
        return (self.question.noticed or self.question.end).timestamp()

    def around(self) -> Around:
        """Where and when logs and traces are read: in the namespaces with most of the trouble."""
        own = self.question.component or ""
        names = [own, *sorted(self.troubled)]
        spaces = Counter(name.partition("/")[0] for name in names if "/" in name)
        nodes = set(self.got.topology.names.nodes.values())
        for node in nodes:
            spaces.pop(node, None)  # a card of a node is no namespace
        return Around(
            self.question.cluster.name,
            self.when,
            self.question.end.timestamp(),
            tuple(name for name, _ in spaces.most_common()),
            self.got.topology.names,
        )


async def find_root_cause(
    sources: RcaSources,
    question: Question,
    *,
    principal: Principal,
    progress: Progress = no_progress,
) -> RCAResult:
    """The causes, likeliest first, or the reason why there is none.

    Raises:
        AiopsError: nothing could be had of the cluster at all.
    """
    collecting = Collecting(sources.triage, question, principal)
    await collecting.all(progress)
    got, clock = collecting.got, sources.triage.clock
    if got.first_error is not None and not got.looked_at:
        if isinstance(got.first_error, ClusterUnreachable):
            return _away(question, got, clock())
        raise got.first_error
    case = await asyncio.to_thread(_case, question, got)
    if case.reason:
        return _answer(case, clock(), Ranking((), case.reason), case.measured, ())
    spoken = await read_spoken(sources.logs, sources.traces, case.around(), principal)
    got.looked_at += spoken.looked_at
    got.missing += spoken.missing
    await progress(STEPS, STEPS, "logs and traces read")
    return await asyncio.to_thread(_ranked, case, spoken, clock())


def _case(question: Question, got: Collected) -> _Case:
    names = got.topology.names
    cluster = question.cluster.name
    measured = MeasuredCluster(got.measured, (), got.series).named(names)
    sightings = tuple(
        one
        for one in got.seen.sightings
        if one.component.cluster == cluster and one.symptom.severity is not AlertSeverity.INFO
    )
    edges = (
        *got.topology.edges,
        *edges_of_sightings(sightings, names, cluster),
        *edges_to_names(got.topology.edges, {one.component for one in measured}),
    )
    question, reason = _with_notice(question, measured, sightings, got)
    troubled = {one.component for one in measured if one.findings}
    troubled |= {name for one in sightings for name in components_of(one, names)}
    if not reason and question.component and not _reached(question.component, edges) & troubled:
        reason = f"neither {question.component} nor what it depends on is otherwise than usual"
    return _Case(question, got, measured, sightings, edges, frozenset(troubled), reason)


def _ranked(case: _Case, spoken: Spoken, now: datetime) -> RCAResult:
    question, got, names = case.question, case.got, case.got.topology.names
    needed = {edge.target for edge in case.edges if edge.source in case.troubled}
    known = case.troubled | needed
    symptoms = list(of_sightings(case.sightings, names, question.cluster.name, case.when))
    evidence = [
        *symptoms,
        *of_limits(case.measured),
        *of_changes(got.changes or (), known, case.when, symptoms),
        *of_spoken(spoken.evidence, known),
    ]
    evidence = felt_where_explained(evidence, case.edges)
    around = {question.component} if question.component else set[str]()
    told = chosen(case.measured, case.edges, around=around)
    ranking = rank_causes(
        Problem(
            signals=[one.signal for one in told],
            when=case.when,
            edges=case.edges,
            evidence=evidence,
            target=_target(question.component, told),
            looked_at=_kinds_looked_at(got),
        ),
        most=MOST_RANKED,
    )
    return _answer(case, now, ranking, told, evidence)


def _away(question: Question, got: Collected, now: datetime) -> RCAResult:
    causes = causes_of_absence(question.cluster, got.fleet)
    failure = ClusterFailure(
        cluster_name=question.cluster.name,
        status=AnswerStatus.ERROR,
        code="CLUSTER_UNREACHABLE",
        error=got.first_error.message if got.first_error else "no answer",
    )
    case = _Case(question, got, (), (), (), frozenset(), "")
    empty = _answer(case, now, Ranking(()), (), ())
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
    got: Collected,
) -> tuple[Question, str]:
    """The question with the moment of notice, where anything was noticed; why nothing was."""
    names = got.topology.names
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
        return question, why_quiet(got.looked_at, len(measured))
    noticed = datetime.fromtimestamp(at, UTC)
    return replace(question, noticed=noticed, component=names.of(own) if own else None), ""


def why_quiet(looked_at: Collection[str], series: int) -> str:
    """Why there is nothing to rank: that all is well is said only of what was read."""
    alerts = "no alert fires" if "alerts" in looked_at else "alerts were not read"
    if "series" not in looked_at:
        return f"it cannot be told, since the series could not be read; {alerts}"
    return f"none of {series} series is otherwise than usual, {alerts}"


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
    case: _Case,
    now: datetime,
    ranking: Ranking,
    told: Sequence[Measured],
    evidence: Sequence[Evidence],
) -> RCAResult:
    question, got, edges, when = case.question, case.got, case.edges, case.when
    cluster = question.cluster
    kinds = _kinds(told, got.seen.sightings, got.topology.names)
    turned = {one.signal.metric for one in told if one.is_turned}
    causes = causes_of(ranking, cluster.name, kinds, turned=turned)[: question.most]
    reason = "" if causes else ranking.reason_if_empty
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
