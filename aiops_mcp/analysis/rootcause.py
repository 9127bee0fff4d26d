"""Which component most likely caused an incident, and why. Pure: no I/O, no clock, no model.

A component's signals are scored by how far their level moved from their own normal, in robust
deviations (median and interquartile range, after Pham et al., "BARO: Robust Root Cause Analysis for
Microservices via Multivariate Bayesian Online Change Point Detection", FSE 2024).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

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

NOTICEABLE: Final = 3.0
"""Fewer robust deviations than this are no evidence of anything."""


def rank_causes(problem: Problem, *, most: int = 10) -> Ranking:
    """Components that may have caused it, likeliest first; none where nothing is wrong."""
    found: dict[str, tuple[float, str]] = {}
    for signal in problem.signals:
        deviation = _deviation(signal, problem.when)
        if deviation > found.get(signal.component, (0.0, ""))[0]:
            found[signal.component] = (deviation, signal.metric)
    causes = [
        _cause(component, metric, deviation, problem.evidence)
        for component, (deviation, metric) in found.items()
        if deviation >= NOTICEABLE
    ]
    causes.sort(key=lambda cause: (-cause.score, cause.component))
    reason = "" if causes else "no signal left its normal range"
    return Ranking(tuple(causes[:most]), reason, problem.when if causes else None)


def _deviation(signal: Signal, when: float) -> float:
    usable = np.isfinite(signal.times) & np.isfinite(signal.values)
    before = signal.values[usable & (signal.times < when)]
    after = signal.values[usable & (signal.times >= when)]
    if not len(before) or not len(after):
        return 0.0
    low, middle, high = np.quantile(before, (0.25, 0.5, 0.75))
    scale = max((high - low) / 1.349, abs(middle) * 0.01, 1e-9)
    return float(abs(np.median(after) - middle) / scale)


def _cause(component: str, metric: str, deviation: float, evidence: Sequence[Evidence]) -> Cause:
    own = [each for each in evidence if each.component == component]
    clues = [ClueItem(Clue.DEVIATES, metric, deviation)]
    clues += [ClueItem(Clue(each.kind.value), each.name, each.strength, each.text) for each in own]
    score = float(np.log1p(deviation) + sum(np.log1p(max(each.strength, 0.0)) for each in own))
    return Cause(component, metric, score, None, tuple(clues))
