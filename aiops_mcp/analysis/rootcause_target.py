"""What the target's violated series tells: whether anything is wrong, and who moves with it."""

from dataclasses import replace
from typing import Final

import numpy as np

from aiops_mcp.analysis.rootcause_deviation import Movement, badness, normal_of, towards_bad
from aiops_mcp.analysis.rootcause_problem import Problem, Signal, SignalKind, Vector

COMMONPLACE: Final = 0.2
"""A target that was as bad in this share of the time before is as ever, whoever rang. Whoever rang
had a reason, so it is far from the usual twentieth."""
MIN_TOGETHER: Final = 4
"""Fewer samples correlate by chance."""


def target_of(problem: Problem) -> Signal | None:
    """The violated series, where it is named and there."""
    wanted = problem.target
    fitting = (s for s in problem.signals if (s.component, s.metric) == wanted)
    return next(fitting, None)


def as_bad_before(target: Signal, when: float) -> float:
    """Share of the stretches before, as long as the one after, in which it was at least as bad.

    0 where there is too little to say.
    """
    times, values = target.times, target.values
    split = int(np.searchsorted(times, when))
    length = len(values) - split
    if not length or split < 2 * length:
        return 0.0
    level, _ = normal_of(values[:split])
    bad = np.maximum(0.0, badness(target.kind, values - level))
    summed: Vector = np.concatenate((np.zeros(1), np.cumsum(bad)))
    stretches = summed[length:] - summed[:-length]
    # rounding of the sums must not make two equal stretches differ
    usual, now = stretches[: split - length + 1], float(stretches[-1])
    return float(np.mean(usual >= now * (1.0 - 1e-9)))


def with_target(moved: list[Movement], target: Signal, since: float) -> list[Movement]:
    """The movements, each with how it followed the target from ``since`` on (Unix seconds)."""
    if not len(target.times):
        return moved
    twins = {each.signal.component for each in moved if each.signal.metric == target.metric}
    return [
        each
        if each.signal is target
        else replace(
            each,
            follows=_correlation(each, target, since),
            has_twin=each.signal.component in twins and each.signal.metric != target.metric,
        )
        for each in moved
    ]


def _correlation(moved: Movement, target: Signal, since: float) -> float:
    """Pearson's, signed so that bad goes with bad."""
    times, values = moved.signal.times, moved.signal.values
    late = times >= since
    times, values = times[late], values[late]
    if len(times) < MIN_TOGETHER:
        return 0.0
    mine = values - values.mean()
    theirs = np.interp(times, target.times, target.values)
    theirs -= theirs.mean()
    norm = float(np.sqrt(mine @ mine) * np.sqrt(theirs @ theirs))
    if norm <= 0.0 or not np.isfinite(norm):
        return 0.0
    # a fall that is bad turns the sign, for the target as for the suspect
    turned = 1.0 if towards_bad(moved.signal.kind, moved.fresh) == moved.fresh else -1.0
    wanted = -1.0 if target.kind is SignalKind.SUCCESS else 1.0
    return float(mine @ theirs) / norm * turned * wanted
