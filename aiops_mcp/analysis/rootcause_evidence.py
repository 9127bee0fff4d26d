"""What evidence besides metrics weighs. Knows no signal and no graph."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from aiops_mcp.analysis.rootcause_blame import size
from aiops_mcp.analysis.rootcause_problem import Evidence, EvidenceKind

CLEAR: Final = 5.0
"""Where no target is named, something must be as many robust deviations off: among hundreds of
signals some are always 3 off."""
COUNTED: Final = frozenset({EvidenceKind.LOG, EvidenceKind.CALL, EvidenceKind.TRACE})
CHANCE: Final = 2.0
"""Evidence that is counted and no stronger than this says nothing."""
CLEAR_COUNTED: Final = 4.0
"""It is clear from so many on: of some hundred counts one is 3 off by chance, and none is 4."""
CERTAIN: Final = 100.0
"""More does not tell more."""
CLOCKS_SECONDS: Final = 60.0
"""Clocks of two sources differ by up to so much."""


def by_component(evidence: Iterable[Evidence]) -> defaultdict[str, list[Evidence]]:
    """What was seen where, without what has no strength."""
    found: defaultdict[str, list[Evidence]] = defaultdict(list)
    for each in evidence:
        if each.strength > 0.0:  # not a number is not
            known = each.began is not None and math.isfinite(each.began)
            strength = min(each.strength, CERTAIN)
            began = each.began if known else None
            found[each.component].append(replace(each, strength=strength, began=began))
    return found


def said(evidence: Sequence[Evidence], first: float | None) -> float:
    """What it adds to a score: kinds add up, but of each kind only its strongest.

    A change after ``first`` (Unix seconds), when the incident began, caused nothing.
    """
    causing = [each for each in evidence if not came_after(each, first)]
    return sum(_weight(each.kind, each.strength) for each in _strongest(causing))


def share_of_clear(evidence: Sequence[Evidence]) -> float:
    """How far it is on its way to telling that something is wrong: 1 is there.

    A change is no trouble by itself.
    """
    return sum(
        _weight(each.kind, each.strength) / _weight(each.kind, _clear(each.kind))
        for each in _strongest(evidence)
        if each.kind is not EvidenceKind.CHANGE
    )


def came_after(each: Evidence, first: float | None) -> bool:
    """Whether it is a change that came after what it would have caused."""
    if each.kind is not EvidenceKind.CHANGE or first is None or each.began is None:
        return False
    return each.began > first + CLOCKS_SECONDS


def _strongest(evidence: Sequence[Evidence]) -> list[Evidence]:
    found: dict[EvidenceKind, Evidence] = {}
    for each in evidence:
        if each.kind not in found or each.strength > found[each.kind].strength:
            found[each.kind] = each
    return list(found.values())


def _clear(kind: EvidenceKind) -> float:
    return CLEAR_COUNTED if kind in COUNTED else CLEAR


def _weight(kind: EvidenceKind, strength: float) -> float:
    """What one item adds to a score, which counts how surprising things are.

    A signal is some hundred deviations off now and then, so its surprise is the logarithm (as if
    one in so many were); logs and calls are counted, and surprise as normal deviations do.
    """
    if kind not in COUNTED:
        return size(strength)
    return max(0.0, strength**2 - CHANCE**2) / 2.0
