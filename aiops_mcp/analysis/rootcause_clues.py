"""The evidence for and against one cause, and what is missing, as data. Decides nothing."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from aiops_mcp.analysis.rootcause_blame import NOTICEABLE, Standing, size
from aiops_mcp.analysis.rootcause_deviation import Movement
from aiops_mcp.analysis.rootcause_evidence import CLOCKS_SECONDS, came_after
from aiops_mcp.analysis.rootcause_graph import Dependencies
from aiops_mcp.analysis.rootcause_problem import Cause, Clue, ClueItem, Evidence, EvidenceKind

MOST_METRICS: Final = 4
"""Of the metrics that deviate the strongest are shown."""
FAITHFUL: Final = 0.8
"""A correlation worth showing."""
_UNSOUGHT: Final = (
    (frozenset({EvidenceKind.LOG}), Clue.NO_LOGS),
    (frozenset({EvidenceKind.CALL, EvidenceKind.TRACE}), Clue.NO_CALLS),
    (frozenset({EvidenceKind.CHANGE}), Clue.NO_CHANGES),
)


def cause_of(
    standing: Standing,
    score: float,
    *,
    graph: Dependencies,
    near: Mapping[str, int] | None,
    evidence: Sequence[Evidence],
    sought: frozenset[EvidenceKind],
    first: float | None,
) -> Cause:
    """One cause; ``near`` are the distances from the target, ``first`` when the incident began."""
    strongest = standing.strongest
    began = _began(standing, evidence)
    late = None if began is None or first is None else began - first
    speaks = [*_deviating(standing), *_structure(standing, graph, near)]
    if late is not None and late <= CLOCKS_SECONDS:
        speaks.append(ClueItem(Clue.EARLY, amount=max(0.0, late)))
    speaks += [
        ClueItem(Clue(each.kind.value), each.name, each.strength, each.text)
        for each in evidence
        if not came_after(each, first)
    ]
    return Cause(
        component=standing.component,
        metric=strongest.signal.metric if strongest and _moved(strongest) else "",
        score=score,
        began=began,
        evidence_for=tuple(speaks),
        evidence_against=(
            *_against(standing, near, late),
            *(
                ClueItem(Clue.TOO_LATE, each.name, (each.began or 0.0) - (first or 0.0), each.text)
                for each in evidence
                if came_after(each, first)
            ),
        ),
        missing=tuple(_missing(standing, graph, sought)),
    )


def _began(standing: Standing, evidence: Sequence[Evidence]) -> float | None:
    if standing.strongest is not None and _moved(standing.strongest):
        return standing.strongest.began
    return min((each.began for each in evidence if each.began is not None), default=None)


def _moved(movement: Movement) -> bool:
    return abs(movement.fresh) >= NOTICEABLE


def _deviating(standing: Standing) -> list[ClueItem]:
    if standing.gone:
        return [ClueItem(Clue.GONE)]
    told = [each for each in standing.movements if each.worse >= NOTICEABLE]
    told.sort(key=lambda each: (each is not standing.strongest, -each.worse))
    items = [
        ClueItem(Clue.DEVIATES, each.signal.metric, each.fresh, each.signal.kind.value)
        for each in told
    ]
    lead = standing.strongest
    if lead is not None and lead.follows >= FAITHFUL and _moved(lead):
        items.insert(1, ClueItem(Clue.MOVES_WITH_TARGET, lead.signal.metric, lead.follows))
    return items[: MOST_METRICS + 1]


def _structure(
    standing: Standing, graph: Dependencies, near: Mapping[str, int] | None
) -> list[ClueItem]:
    items: list[ClueItem] = []
    least = size(NOTICEABLE)
    if standing.kept_waiting >= least:
        callers = ", ".join(sorted(graph.callers(standing.component)))
        items.append(ClueItem(Clue.KEPT_WAITING, callers, float(np.expm1(standing.kept_waiting))))
    if standing.asked_less >= least:
        callees = ", ".join(sorted(graph.callees(standing.component)))
        items.append(ClueItem(Clue.ASKED_LESS, callees, float(np.expm1(standing.asked_less))))
    if graph.needs(standing.component) and standing.explained_by is None:
        items.append(ClueItem(Clue.UNEXPLAINED))
    if near is not None and near.get(standing.component):
        items.append(ClueItem(Clue.UPSTREAM, amount=float(near[standing.component])))
    return items


def _against(
    standing: Standing, near: Mapping[str, int] | None, late: float | None
) -> list[ClueItem]:
    items: list[ClueItem] = []
    if standing.explained_by is not None:
        name, felt = standing.explained_by
        items.append(ClueItem(Clue.EXPLAINED, name, float(np.expm1(felt))))
    if late is not None and late > CLOCKS_SECONDS:
        items.append(ClueItem(Clue.LATE, amount=late))
    lead = standing.strongest
    if lead is not None and abs(lead.deviation) - abs(lead.fresh) >= NOTICEABLE:
        items.append(ClueItem(Clue.OLD, lead.signal.metric, lead.deviation - lead.fresh))
    if near is not None and standing.component not in near:
        items.append(ClueItem(Clue.UNRELATED))
    return items


def _missing(
    standing: Standing, graph: Dependencies, sought: frozenset[EvidenceKind]
) -> list[ClueItem]:
    items: list[ClueItem] = []
    if not standing.movements and not standing.gone:
        lacks = Clue.SHORT_BASELINE if standing.unjudged else Clue.NO_METRICS
        items.append(ClueItem(lacks))
    items += [ClueItem(clue) for kinds, clue in _UNSOUGHT if not kinds & sought]
    if standing.component not in graph:
        items.append(ClueItem(Clue.NO_EDGES))
    return items
