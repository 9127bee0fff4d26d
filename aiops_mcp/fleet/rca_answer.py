"""A ranking and what it was made of, as the answer of the contract. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiops_mcp.analysis.rootcause import Ranking
from aiops_mcp.analysis.rootcause_known import KNOWN
from aiops_mcp.analysis.rootcause_problem import Cause, Clue, Edge, Evidence
from aiops_mcp.analysis.rootcause_rules import known_patterns
from aiops_mcp.fleet.rca_signals import MOST_TOLD, Measured, medians
from aiops_mcp.fleet.rca_wording import next_call, remedies, sentences, what_it_is
from aiops_mcp.models.rootcause import (
    CorrelationEdge,
    CorrelationMap,
    CorrelationNode,
    RcaSignal,
    RootCause,
)

HALF_SCORE: Final = 3.0
"""A ranking's score at which ours is one half: what one clear alert and one movement make."""
LEAST_SHARE: Final = 1 / 3
"""Of the likeliest one's score; what has less is noise beside it."""
MOST_EDGES: Final = 60
GPU: Final = "gpu"


def causes_of(
    ranking: Ranking, cluster: str, kinds: Mapping[str, str], *, turned: Collection[str] = ()
) -> tuple[RootCause, ...]:
    """The causes told; ``kinds`` are those of components, ``turned`` metrics that were negated."""
    told = [
        _cause(_as_measured(one, turned), cluster, kinds.get(one.component, ""))
        for one in ranking.causes
        if one.evidence_for
    ]
    best = max((one.score for one in told), default=0.0)
    return tuple(_folded([one for one in told if one.score >= LEAST_SHARE * best]))


def _folded(causes: Sequence[RootCause]) -> Iterator[RootCause]:
    """Cards of one node that suffer the same are told as their node."""
    cards: dict[tuple[str, str], list[RootCause]] = {}
    for one in causes:
        if one.component_kind == GPU:
            cards.setdefault((one.component.rpartition("/")[0], one.what), []).append(one)
    for one in causes:
        node = one.component.rpartition("/")[0]
        same = cards.get((node, one.what), []) if one.component_kind == GPU else []
        if len(same) < 2:
            yield one
        elif same[0] is one:
            names = ", ".join(sorted(each.component.rpartition("/")[2] for each in same))
            of_all = f"{len(same)} of its GPUs: {names}"
            yield one.model_copy(
                update={"component": node, "evidence_for": (of_all, *one.evidence_for)}
            )


def _as_measured(cause: Cause, turned: Collection[str]) -> Cause:
    """With the signs of its movements as the metrics have them."""
    items = tuple(
        replace(one, amount=-one.amount)
        if one.clue is Clue.DEVIATES and one.about in turned
        else one
        for one in cause.evidence_for
    )
    return replace(cause, evidence_for=items)


def _cause(cause: Cause, cluster: str, kind: str) -> RootCause:
    patterns = known_patterns(cause, KNOWN)
    return RootCause(
        component=cause.component,
        component_kind=kind,
        score=round(share(cause.score), 3),
        what=what_it_is(cause, patterns),
        metric=cause.metric,
        since=_moment(cause.began),
        evidence_for=sentences(cause.evidence_for),
        evidence_against=sentences(cause.evidence_against),
        missing=sentences(cause.missing),
        remediation=remedies(cause, patterns),
        next_call=next_call(cluster, cause.component, kind),
    )


def share(score: float) -> float:
    """A score without end as one between 0 and 1 of the same order."""
    return max(0.0, score) / (max(0.0, score) + HALF_SCORE)


def signals_of(
    measured: Sequence[Measured], evidence: Sequence[Evidence], when: float
) -> tuple[RcaSignal, ...]:
    """What was looked at, at most as many as the contract allows: what moved before what did not.

    Evidence goes before series that are well.
    """
    moved = [_signal(one, when) for one in measured if one.findings]
    calm = [_signal(one, when) for one in measured if not one.findings]
    seen = [
        RcaSignal(
            kind=one.kind.value,
            component=one.component,
            name=one.name,
            detail=one.text,
            since=_moment(one.began),
        )
        for one in sorted(evidence, key=lambda one: -one.strength)
    ]
    half = MOST_TOLD // 2
    first = [*moved[:half], *seen[:half]]
    return tuple([*first, *moved[half:], *seen[half:], *calm][:MOST_TOLD])


def _signal(one: Measured, when: float) -> RcaSignal:
    before, after = medians(one, when)
    begins = [each.started_at for each in one.findings]
    return RcaSignal(
        kind="metric",
        component=one.component,
        name=one.sign.name,
        detail=one.detail,
        unit=one.sign.unit,
        before=before,
        after=after,
        since=min(begins, default=None),
    )


def map_of(
    causes: Sequence[RootCause], edges: Iterable[Edge], kinds: Mapping[str, str]
) -> CorrelationMap:
    """The causes and how they hang together.

    An edge weighs as much as the less sure of its ends, and half where the one that depends began
    first.
    """
    known = {one.component: one for one in causes}
    nodes = tuple(
        CorrelationNode(
            component=one.component,
            kind=kinds.get(one.component, ""),
            score=one.score,
            since=one.since,
        )
        for one in causes
    )
    told = [
        _edge(known[edge.source], known[edge.target], edge.relation.value)
        for edge in edges
        if edge.source in known and edge.target in known
    ]
    told.sort(key=lambda one: (-one.weight, one.source, one.target))
    return CorrelationMap(nodes=nodes, edges=tuple(told[:MOST_EDGES]))


def _edge(source: RootCause, target: RootCause, relation: str) -> CorrelationEdge:
    lag = (source.since - target.since).total_seconds() if source.since and target.since else None
    weight = min(source.score, target.score) * (0.5 if lag is not None and lag < -60 else 1.0)
    return CorrelationEdge(
        source=source.component,
        target=target.component,
        relation=relation,
        lag_seconds=lag,
        weight=round(weight, 3),
    )


def explanation_of(causes: Sequence[RootCause], cluster: str, reason: str) -> str:
    """The answer in a few sentences."""
    if not causes:
        return f"No root cause on {cluster}: {reason}."
    first = causes[0]
    since = f" since {first.since:%Y-%m-%dT%H:%MZ}" if first.since else ""
    what = f": {first.what}" if first.what else ""
    told = [f"Most likely {first.component} on {cluster}{since}{what}."]
    if first.evidence_for:
        told.append(f"For it: {'; '.join(first.evidence_for[:3])}.")
    if first.evidence_against:
        told.append(f"Against it: {'; '.join(first.evidence_against[:2])}.")
    others = [one.component for one in causes[1:4]]
    if others:
        told.append(f"Less likely: {', '.join(others)}.")
    return " ".join(told)


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
