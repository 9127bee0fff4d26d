"""The one that is unlike its peers: a cluster, node, pod or GPU among others of its kind. Pure.

At each step a member stands so many robust deviations off its peers (modified z-score: Iglewicz and
Hoaglin, "How to Detect and Handle Outliers", 1993, over the peers' median and median absolute
deviation). Odd is who stands off for most of the window to one side: one bad point is none, and a
shift of clocks by a minute does not matter.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FEWEST: Final = 4
"""Of fewer peers none can be told to be the odd one."""
ODD: Final = 3.5
"""Robust deviations, as Iglewicz and Hoaglin recommend."""
PERSISTENT: Final = 0.6
"""Share of the steps at which it must stand off to one side."""
PRESENT: Final = 0.5
"""Share of the steps at which a member must have a value to be judged."""
FLOOR_SHARE: Final = 0.02
"""Peers that do the same are so alike that any noise would stand out: the scatter is at least this
share of their median."""
FARTHEST: Final = 1e6
"""Farther off is told as so many: where all peers are exactly zero, anything is."""
TOO_MANY: Final = 1 / 3
"""Where more of them stand off, they are two kinds, and none is the odd one."""


@dataclass(frozen=True, slots=True)
class OddOne:
    """A member (its row) that stands off its peers.

    ``deviation`` is the median over the window, in robust deviations, negative below its peers;
    ``persistence`` the share of its steps beyond 3.5 to that side; ``value`` and ``peers`` the
    medians over the window of it and of its peers.
    """

    index: int
    deviation: float
    persistence: float
    value: float
    peers: float


@dataclass(frozen=True, slots=True)
class PeerComparison:
    """Odd ones, the farthest first; ``reason_if_none`` says why there is none."""

    odd: tuple[OddOne, ...]
    reason_if_none: str = ""


def odd_ones(values: Matrix) -> PeerComparison:
    """Who of the members (rows) stands off the others, over all steps (columns; NaN is missing).

    Raises:
        ValueError: it is no matrix.
    """
    if values.ndim != 2:
        raise ValueError(f"members x steps expected, not {values.ndim} dimensions")
    present = np.isfinite(values)
    judged = np.flatnonzero(present.mean(axis=1) >= PRESENT) if values.size else np.array([], int)
    if len(judged) < FEWEST:
        return PeerComparison((), f"{len(judged)} peers with enough values; {FEWEST} are needed")
    rows = np.where(present[judged], values[judged], np.nan)
    rows = rows[:, np.isfinite(rows).sum(axis=0) >= FEWEST]
    if not rows.shape[1]:
        return PeerComparison((), f"at no step do {FEWEST} peers have a value")
    size = float(np.nanmax(np.abs(rows))) or 1.0
    rows = rows / size  # so that nothing overflows
    middle = np.nanmedian(rows, axis=0)
    deviations = _deviations(rows, middle, _scale(rows, middle))
    standing = np.nanmedian(deviations, axis=1)
    counted = np.isfinite(deviations).sum(axis=1)
    beyond = np.where(np.isfinite(deviations), deviations * np.sign(standing)[:, None] > ODD, False)
    share = beyond.sum(axis=1) / np.maximum(counted, 1)
    odd = np.flatnonzero((np.abs(standing) > ODD) & (share >= PERSISTENT))
    if not len(odd):
        return PeerComparison((), "none stands off its peers for most of the time")
    if len(odd) > TOO_MANY * len(rows):
        return PeerComparison((), f"{len(odd)} of {len(rows)} stand off: they are of two kinds")
    found = [
        OddOne(
            int(judged[row]),
            float(standing[row]),
            float(share[row]),
            float(np.nanmedian(rows[row])) * size,
            float(np.median(middle)) * size,
        )
        for row in odd
    ]
    return PeerComparison(tuple(sorted(found, key=lambda each: -abs(each.deviation))))


def _deviations(rows: Matrix, middle: Vector, scale: Vector) -> Matrix:
    """0 where all are the same, NaN where a value is missing."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        found = np.where(rows == middle, 0.0, (rows - middle) / scale)
    return np.where(np.isfinite(rows), np.clip(found, -FARTHEST, FARTHEST), np.nan)


def _scale(rows: Matrix, middle: Vector) -> Vector:
    """Scatter of the peers at each step: at least what is usual over the window, and the floor."""
    spread = 1.4826 * np.nanmedian(np.abs(rows - middle), axis=0)
    usual = float(np.median(spread))
    return np.maximum(np.maximum(spread, usual), FLOOR_SHARE * np.abs(middle))
