"""Findings made small: one row a workload, node or object, its pods counted in it. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import call_of, coverage_line, cursor_start, more_line
from aiops_mcp.fleet.unhealthy import urgency
from aiops_mcp.models.ages import age_of
from aiops_mcp.models.digest import Cell, Digest, fenced
from aiops_mcp.models.findings import Finding, UnhealthyList

if TYPE_CHECKING:
    from aiops_mcp.capabilities.kubernetes_health import UnhealthyQuery

MOST_DETAIL = 130
MOST_CAUSES = 6

Group = list[Finding]


def digest_unhealthy(request: "UnhealthyQuery", answer: UnhealthyList) -> Digest:
    """Worst first; what another trouble explains is counted in that one's row."""
    groups = grouped(answer.findings)
    start = cursor_start(request.cursor)
    picked = groups[start : start + request.limit]
    clusters = {one.cluster_name for one in answer.findings}
    with_cluster = len(clusters) > 1
    return Digest(
        headline=_headline(answer, clusters),
        columns=(
            "severity",
            *(("cluster",) if with_cluster else ()),
            "object",
            "cause",
            "detail",
            "since",
        ),
        rows=tuple(_row(group, answer.as_of, with_cluster=with_cluster) for group in picked),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=answer.notes[:8],
        more=more_line(
            total=len(groups),
            start=start,
            shown=len(picked),
            what="troubles",
            call=call_of("list_unhealthy", request),
        ),
    )


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """Findings by what they are about: a workload with its pods, a node with what it takes along.

    Within a group what explains comes first.
    """
    groups: dict[tuple[str, str], Group] = {}
    for one in sorted(findings, key=lambda each: each.explained_by is not None):
        groups.setdefault((one.cluster_name, _about(one)), []).append(one)
    return sorted(groups.values(), key=lambda group: (min(map(urgency, group))[0], _newness(group)))


def _newness(group: Group) -> float:
    """What began lately comes first: it is more often what is asked about."""
    return -max((one.since.timestamp() for one in group if one.since), default=0.0)


def _about(one: Finding) -> str:
    if one.explained_by and not one.explained_by.startswith("Pod/"):
        return one.explained_by
    if one.workload:
        return f"{one.namespace}/{one.workload}"
    # A Pod without controller, a Node, an operator: itself.
    return f"{one.namespace}/{one.kind}/{one.name}" if one.namespace else f"{one.kind}/{one.name}"


def _row(group: Group, now: datetime, *, with_cluster: bool) -> tuple[Cell, ...]:
    first = group[0]
    worst = min(group, key=urgency)
    cluster = (first.cluster_name,) if with_cluster else ()
    detail = _detail(group)
    told = [one.since for one in group if one.since and one.explained_by is None]
    return (
        worst.severity.value,
        *cluster,
        _object(group),
        first.cause,
        detail,
        age_of(min(told, default=None), now),
    )


def _object(group: Group) -> str:
    """``shop/payment-7d9f-x (Deployment)``; several pods of one workload are counted."""
    first = group[0]
    same = [one for one in group if one.kind == "Pod" and one.explained_by is None]
    place = f"{first.namespace}/" if first.namespace else ""
    if first.kind == "Pod" and len(same) > 1:
        return f"{place}{_short(first.workload) or first.name} {len(same)} pods"
    if first.kind == "Pod":
        return f"{place}{first.name}"
    return f"{first.kind} {place}{first.name}"


def _short(workload: str | None) -> str:
    return workload.partition("/")[2] if workload else ""


def _detail(group: Group) -> str | None:
    first = group[0]
    pods = [one for one in group if one.kind == "Pod" and one.explained_by is None]
    parts: list[str] = []
    if first.last_exit and first.last_exit != first.cause:
        parts.append(f"last exit {first.last_exit}")
    restarts = [one.restarts for one in pods if one.restarts]
    if restarts:
        parts.append(f"{_span(restarts)} restarts")
    if first.detail:
        parts.append(first.detail)
    parts += _others(group)
    text = "; ".join(parts)
    return (text if len(text) <= MOST_DETAIL else f"{text[: MOST_DETAIL - 1]}…") or None


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(high) if low == high else f"{low}-{high}"


def _others(group: Group) -> list[str]:
    """What else the row stands for: the workload's own words, the pods a node takes along."""
    first, rest = group[0], group[1:]
    parts: list[str] = []
    causes = Counter(one.cause for one in rest if one.kind == "Pod" and one.explained_by is None)
    causes.pop(first.cause, None)
    if causes:
        parts.append("also " + ", ".join(f"{count} {cause}" for cause, count in causes.items()))
    parts += [
        f"{(one.detail or '').partition(';')[0]} {one.cause}".strip()
        for one in rest
        if one.kind != "Pod" and one.workload and one.workload == first.workload
    ]
    taken = Counter(one.kind for one in rest if one.explained_by and one.workload != first.workload)
    if taken and first.kind != "Pod":
        told = ", ".join(
            f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in taken.items()
        )
        parts.append(f"takes along {told}")
    return parts


def _headline(answer: UnhealthyList, clusters: set[str]) -> str:
    if not answer.findings:
        looked = sum(answer.looked_at.values())
        if not answer.coverage.succeeded:
            return "Nothing is known: no cluster answered."
        return f"All is well among {looked} objects of {answer.coverage.succeeded} clusters."
    severities = ", ".join(
        f"{count} {severity.value.lower()}" for severity, count in answer.by_severity.items()
    )
    roots = Counter(one.cause for one in answer.findings if one.explained_by is None)
    causes = sorted(roots.items(), key=lambda pair: (-pair[1], pair[0]))
    told = ", ".join(f"{count} {fenced(cause)}" for cause, count in causes[:MOST_CAUSES])
    rest = len(causes) - MOST_CAUSES
    more = f" and {rest} more causes" if rest > 0 else ""
    only = (
        f"on {next(iter(clusters))}"
        if len(clusters) == 1
        else (f"in {len(clusters)} of {answer.coverage.succeeded} clusters")
    )
    return f"{answer.total} unhealthy objects {only} ({severities}): {told}{more}."
