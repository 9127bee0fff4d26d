"""Which component most likely caused an incident, and why. Pure: no I/O, no clock, no model.

Each signal is judged against its own normal (``rootcause_deviation``) and against the target's
violated series (``rootcause_target``), each component by what its own and its neighbours' signals
say of it (``rootcause_blame``), and what was seen besides metrics is added. The answer is empty
where the target is as ever, or nothing is far enough from normal.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from aiops_mcp.analysis.rootcause_blame import Standing, size, standings
from aiops_mcp.analysis.rootcause_clues import cause_of
from aiops_mcp.analysis.rootcause_deviation import (
    Movement,
    has_ended,
    look_back,
    movement,
    tidy,
)
from aiops_mcp.analysis.rootcause_evidence import (
    CLEAR,
    CLOCKS_SECONDS,
    by_component,
    said,
    share_of_clear,
)
from aiops_mcp.analysis.rootcause_graph import Dependencies
from aiops_mcp.analysis.rootcause_problem import (
    Cause,
    Clue,
    ClueItem,
    Edge,
    Evidence,
    EvidenceKind,
    Problem,
    Ranking,
    Relation,
    Signal,
    SignalKind,
)
from aiops_mcp.analysis.rootcause_target import (
    COMMONPLACE,
    as_bad_before,
    target_of,
    with_target,
)

__all__ = [
    "Cause",
    "Clue",
    "ClueItem",
    "Edge",
    "Evidence",
    "EvidenceKind",
    "Problem",
    "Ranking",
    "Relation",
    "Signal",
    "SignalKind",
    "rank_causes",
]

OUT_OF_REACH: Final = 0.5
"""Share that is left of the score of a component that the target does not depend on, as far as the
graph knows."""
NEARER: Final = 0.02
"""Taken off for each edge between the target and a cause: it decides between equals."""
LATENESS: Final = 0.5
"""Taken off a component that began only at the end of what is looked at; less in proportion."""


def rank_causes(problem: Problem, *, most: int = 10) -> Ranking:
    """Components that may have caused it, likeliest first; none where nothing is wrong.

    Never raises for what the data hold: series may be empty, constant, unordered or not finite,
    edges may run in circles or lead to names without a series.
    """
    problem = replace(problem, signals=[tidy(each) for each in problem.signals])
    target = target_of(problem)
    if target is not None:
        share = as_bad_before(target, problem.when)
        if share > COMMONPLACE:
            return Ranking((), f"the target is as ever: as bad {share:.0%} of the time before")
    graph = Dependencies(problem.edges)
    found = _standings(problem, graph, target)
    evidence = by_component(problem.evidence)
    for name in evidence:
        found.setdefault(name, Standing(name))
    if target is None and not _anything_clear(found, evidence):
        return Ranking((), _why_nothing(problem))
    first, end = _first(found), _end(problem)
    near = None
    if problem.target is not None and problem.target[0] in graph:
        near = graph.distances(problem.target[0])
    scores = {
        name: _score(standing, evidence[name], near, first, end) for name, standing in found.items()
    }
    ranked = sorted((n for n in scores if scores[n] > 0.0), key=lambda n: (-scores[n], n))
    sought = problem.looked_at | {each.kind for each in problem.evidence}
    causes = tuple(
        cause_of(
            found[name],
            scores[name],
            graph=graph,
            near=near,
            evidence=evidence[name],
            sought=sought,
            first=first,
        )
        for name in ranked[:most]
    )
    if not causes:
        return Ranking((), "nothing moved")
    return Ranking(causes, onset=first if causes[0].began is None else causes[0].began)


def _standings(problem: Problem, graph: Dependencies, target: Signal | None) -> dict[str, Standing]:
    end = _end(problem)
    stamps = [each.times[:1] for each in problem.signals]
    back = look_back(np.concatenate(stamps) if stamps else np.empty(0), problem.when)
    moved: list[Movement] = []
    ended: dict[str, bool] = {}
    unjudged: set[str] = set()
    for signal in problem.signals:
        name = signal.component
        ended[name] = ended.get(name, True) and has_ended(signal, problem.when, end)
        found = movement(signal, problem.when, back)
        if found is None:
            unjudged.add(name)
        elif not found.constant:
            moved.append(found)
    if target is not None:
        moved = with_target(moved, target, problem.when - back)
    found_all = standings(moved, graph, target, gone={name for name in ended if ended[name]})
    for name in unjudged:
        found_all.setdefault(name, Standing(name)).unjudged = True
    return found_all


def _end(problem: Problem) -> float:
    ends = [float(each.times[-1]) for each in problem.signals if len(each.times)]
    return max(ends, default=problem.when)


def _anything_clear(found: dict[str, Standing], evidence: dict[str, list[Evidence]]) -> bool:
    return any(
        standing.trouble / size(CLEAR) + share_of_clear(evidence.get(name, [])) >= 1.0
        for name, standing in found.items()
    )


def _why_nothing(problem: Problem) -> str:
    if not problem.signals and not problem.evidence:
        return "there is nothing to judge: no signals and no evidence"
    return f"nothing is {CLEAR:g} robust deviations or more from its normal"


def _first(found: dict[str, Standing]) -> float | None:
    """When it began: the earliest begin of what clearly moved."""
    begins = [
        each.strongest.began
        for each in found.values()
        if each.strongest is not None
        and each.strongest.began is not None
        and each.strongest.worse >= CLEAR
    ]
    return min(begins, default=None)


def _score(
    standing: Standing,
    evidence: list[Evidence],
    near: dict[str, int] | None,
    first: float | None,
    end: float,
) -> float:
    score = max(0.0, standing.score)
    lead = standing.strongest
    if lead is not None and lead.began is not None and first is not None and end > first:
        late = max(0.0, lead.began - first - CLOCKS_SECONDS)
        score = max(0.0, score - LATENESS * min(1.0, late / (end - first)))
    score += said(evidence, first)
    if near is None:
        return score
    if standing.component not in near:
        return score * OUT_OF_REACH
    return score - NEARER * near[standing.component]
