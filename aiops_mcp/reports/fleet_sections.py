"""Sections on the fleet itself: how its clusters are, and what is wrong with them now. Pure."""

from collections import Counter

from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.cluster import Cluster, ClusterState
from aiops_mcp.models.reports import Align, Block, Column, Fact, Facts, Section, Table, Tone
from aiops_mcp.models.triage import FleetProblem, Trouble
from aiops_mcp.reports.commands import command, evidence
from aiops_mcp.reports.gathered import Gathered
from aiops_mcp.reports.wording import (
    capital,
    count,
    lasted,
    listed,
    moment,
    number,
    tone_of,
)

_WORST_STATES = (
    ClusterState.OFFLINE,
    ClusterState.DEGRADED,
    ClusterState.UNKNOWN,
    ClusterState.PROVISIONING,
    ClusterState.ONLINE,
)


def fleet_section(gathered: Gathered, *, every: bool) -> Section:
    """How the clusters are; ``every``: with a row for those that are well too."""
    clusters = gathered.clusters
    states = Counter(cluster.status.state for cluster in clusters)
    away = [one for one in clusters if one.status.state is not ClusterState.ONLINE]
    rows = sorted(
        clusters if every else away,
        key=lambda one: (_WORST_STATES.index(one.status.state), one.status.health_score, one.name),
    )
    table = Table(
        title="Clusters" if every else "Clusters that want a look",
        columns=(
            Column(title="Cluster"),
            Column(title="State", toned=True),
            Column(title="Score", align=Align.RIGHT),
            Column(title="Type"),
            Column(title="Region"),
            Column(title="Version"),
            Column(title="Says", wide=True),
        ),
        rows=tuple(_row(one) for one in rows),
        empty="All clusters are online.",
    )
    online = states[ClusterState.ONLINE]
    if not away:
        finding = f"All {count(len(clusters), 'cluster')} are online."
    else:
        finding = (
            f"{online} of {count(len(clusters), 'cluster')} are online; "
            f"not {listed([one.name for one in away])}."
        )
    blocks: list[Block] = [_facts(gathered, states), table]
    asks = command("clusters", "list")
    blocks.append(evidence("State, score and version of every cluster, as last checked", asks))
    return Section(
        title="The fleet",
        finding=finding,
        tone=Tone.WARNING if away else Tone.OK,
        blocks=tuple(blocks),
    )


def _row(one: Cluster) -> tuple[str | int | None, ...]:
    status = one.status
    said = status.last_error if status.state is not ClusterState.ONLINE else None
    return (
        one.name,
        status.state.value,
        status.health_score,
        one.cluster_type.value,
        one.region,
        one.platform_version,
        said,
    )


def _facts(gathered: Gathered, states: Counter[ClusterState]) -> Facts:
    clusters = gathered.clusters
    away = len(clusters) - states[ClusterState.ONLINE]
    scores = [one.status.health_score for one in clusters]
    other = [f"{states[one]} {one.value.lower()}" for one in _WORST_STATES[:3] if states[one]]
    facts = [
        Fact(
            label="Clusters online",
            value=f"{states[ClusterState.ONLINE]} of {len(clusters)}",
            note=", ".join(other) or "all of them",
            tone=Tone.WARNING if away else Tone.OK,
        ),
        Fact(
            label="Mean health score",
            value=number(round(sum(scores) / len(scores), 1)) if scores else "unknown",
            note="of 100",
        ),
    ]
    if gathered.alerts is not None:
        facts.append(_alert_fact(gathered))
    if gathered.triage is not None:
        worst = gathered.triage.by_severity.get(AlertSeverity.CRITICAL, 0)
        facts.append(
            Fact(
                label="Problems now",
                value=number(gathered.triage.total),
                note=f"{worst} critical" if worst else "none critical",
                tone=Tone.CRITICAL if worst else Tone.PLAIN,
            )
        )
    gpus = sum(one.capabilities.gpu_count for one in clusters)
    if gpus:
        facts.append(Fact(label="GPUs", value=number(gpus), note="in the fleet"))
    return Facts(facts=tuple(facts))


def _alert_fact(gathered: Gathered) -> Fact:
    loud = [one for one in gathered.alerts.now if not one.is_suppressed] if gathered.alerts else []
    critical = sum(one.severity is AlertSeverity.CRITICAL for one in loud)
    return Fact(
        label="Alerts firing",
        value=number(len(loud)),
        note=f"{critical} critical" if critical else "none critical",
        tone=Tone.CRITICAL if critical else Tone.PLAIN,
    )


def problems_section(gathered: Gathered, *, most: int, evidence_of_each: int) -> Section | None:
    """What is wrong now, worst first; None where nobody looked."""
    triage = gathered.triage
    if triage is None:
        return None
    shown = triage.problems[:most]
    asks = command("triage", clusters=gathered.names)
    table = Table(
        title="Problems, worst first",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Cluster"),
            Column(title="What"),
            Column(title="Where"),
            Column(title="Since"),
            Column(title="First evidence", wide=True),
        ),
        rows=tuple(_problem_row(one, gathered) for one in shown),
        left_out=triage.total - len(shown),
        empty="Nothing is wrong.",
    )
    blocks: list[Block] = [table]
    blocks += [_symptoms(one) for one in shown[:evidence_of_each] if len(one.symptoms) > 1]
    claim = f"Alerts, objects, GPUs, network functions and clusters: {', '.join(triage.looked_at)}"
    blocks.append(evidence(claim, asks, triage.coverage))
    if not triage.problems:
        finding, tone = "Nothing wants anybody's attention now.", Tone.OK
    else:
        first = shown[0]
        finding = (
            f"{capital(count(triage.total, 'problem'))}; the worst: {named(first)} at "
            f"{first.component} in {first.cluster_name}."
        )
        tone = tone_of(first.severity)
    return Section(title="What is wrong now", finding=finding, tone=tone, blocks=tuple(blocks))


def named(problem: FleetProblem) -> str:
    """What kind of trouble; where there is no word for it, what its first symptom is called."""
    is_known = problem.trouble is not Trouble.OTHER
    return problem.trouble.value if is_known else problem.symptoms[0].what


def _where(problem: FleetProblem) -> str:
    kind = "" if problem.component_kind == "other" else problem.component_kind
    return f"{kind} {problem.component}".strip()


def _problem_row(problem: FleetProblem, gathered: Gathered) -> tuple[str | None, ...]:
    first = problem.symptoms[0]
    is_named = first.what == named(problem)
    said = ": ".join(part for part in (None if is_named else first.what, first.detail) if part)
    ago = lasted(problem.since, gathered.now)
    others = len(problem.clusters) - 1
    return (
        problem.severity.value,
        problem.cluster_name + (f" and {others} more" if others > 0 else ""),
        named(problem),
        _where(problem),
        f"{moment(problem.since)} ({ago})" if ago else None,
        said or None,
    )


def _symptoms(problem: FleetProblem) -> Table:
    rows = [
        (
            symptom.severity.value,
            symptom.source.value,
            symptom.part or symptom.component,
            f"{symptom.what}: {symptom.detail}" if symptom.detail else symptom.what,
            moment(symptom.since) or None,
        )
        for symptom in problem.symptoms[:8]
    ]
    rows += [
        ("INFO", "change", f"{one.kind}/{one.name}", one.what, moment(one.at))
        for one in problem.changes[:3]
    ]
    return Table(
        title=f"{capital(named(problem))}: {problem.component} in {problem.cluster_name}",
        columns=(
            Column(title="Severity", toned=True),
            Column(title="Told by"),
            Column(title="Of"),
            Column(title="What it says", wide=True),
            Column(title="Since"),
        ),
        rows=tuple(rows),
        left_out=max(0, len(problem.symptoms) - 8),
    )
