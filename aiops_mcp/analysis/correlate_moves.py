"""What else moved: which of many series moved with a given one, and how much later. Pure.

Two measures, vectorised over the series. **Shape**: the correlation of robustly scaled differences
at lags of either sign (differences, because any two levels that drift correlate: Granger and
Newbold, "Spurious Regressions in Econometrics", 1974). **Onset**: how close its one change of level
lies to that of the given series (`series.level_shifts`); a single step is one difference among
many, which no correlation sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.series import STEP_SIGNIFICANCE, LevelShifts, level_shifts

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

CLIP: Final = 6.0
"""Differences count as no more deviations than this, so that one spike is no correlation."""
FEWEST: Final = 12
"""Fewer common steps than this say nothing."""
CLEAR: Final = 4.5
"""Fisher's z of a correlation, in deviations, from where on it is no chance: among some thousand
series at ten lags the strongest is about 4 off by chance."""
CLOSE_SECONDS: Final = 120.0
"""Gap of two onsets at which closeness has fallen to a third."""
LEAST_SCORE: Final = 0.1
_CHUNK: Final = 256
"""Rows at a time: what is made of them stays in the cache."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One series that moved with the given one.

    ``correlation`` (-1..1) is that of the differences at ``lag`` seconds, positive where it moved
    later; 0 where it is no more than chance. ``onset_gap`` is how many seconds later its level
    changed, None where either has no change. ``score`` (0..1) joins both.
    """

    index: int
    score: float
    correlation: float
    lag: float
    onset_gap: float | None


@dataclass(frozen=True, slots=True)
class _Shape:
    correlation: Vector
    lag: NDArray[np.int64]


def what_else_moved(
    times: Vector, values: Matrix, of: Vector, *, max_lag: float = 300.0, most: int = 20
) -> list[Moved]:
    """The series of ``values`` (series x steps) that moved with ``of`` (steps), best first.

    All share one even grid of ``times`` (Unix seconds, rising); NaN where a step is missing.
    ``max_lag`` in seconds takes in clocks that differ by a minute. Empty where ``of`` does not move
    at all or there are fewer than 12 steps.

    Raises:
        ValueError: the shapes do not fit.
    """
    if values.ndim != 2 or values.shape[1] != len(times) or of.shape != times.shape:
        raise ValueError(
            f"{values.shape} values and {of.shape} of the given series on {len(times)} times"
        )
    if len(times) < FEWEST or not len(values):
        return []
    step = float(np.median(np.diff(times)))
    reach = max(0, min(int(max_lag / step) if step > 0 else 0, len(times) - FEWEST))
    given = _scaled(of[None, :])
    shift = level_shifts(given)
    found: list[Moved] = []
    for begin in range(0, len(values), _CHUNK):
        part = _scaled(values[begin : begin + _CHUNK])
        shape = _shape(_scaled_differences(part), _scaled_differences(given)[0], reach)
        found += _moved(begin, shape, level_shifts(part), shift, times)
    found.sort(key=lambda each: (-each.score, each.index))
    return found[:most]


def _moved(
    begin: int, shape: _Shape, shifts: LevelShifts, given: LevelShifts, times: Vector
) -> Iterator[Moved]:
    step = float(np.median(np.diff(times)))
    gaps = _gaps(shifts, given, times)
    # A step that is barely one may come at any time by chance.
    certain = 1.0 - STEP_SIGNIFICANCE / np.maximum(shifts.strength, STEP_SIGNIFICANCE)
    together = np.where(
        np.isfinite(gaps), certain * np.exp(-np.abs(np.nan_to_num(gaps)) / CLOSE_SECONDS), 0.0
    )
    scores = 1.0 - (1.0 - np.abs(shape.correlation)) * (1.0 - together)
    for row in np.flatnonzero(scores > LEAST_SCORE):
        gap = float(gaps[row])
        yield Moved(
            begin + int(row),
            float(scores[row]),
            float(shape.correlation[row]),
            float(shape.lag[row]) * step,
            gap if np.isfinite(gap) else None,
        )


def _scaled(values: Matrix) -> Matrix:
    """Values in -1..1, so that no square of them overflows; NaN where not finite."""
    finite = np.isfinite(values)
    size = np.where(finite, np.abs(values), 0.0).max(axis=1, keepdims=True, initial=0.0)
    return np.where(finite, np.where(finite, values, 0.0) / np.where(size > 0.0, size, 1.0), np.nan)


def _scaled_differences(values: Matrix) -> Matrix:
    """Differences in units of their own scatter, clipped; NaN where either step is missing."""
    differences = np.diff(values, axis=1)
    present = np.isfinite(differences)
    size = np.abs(np.where(present, differences, 0.0))
    # The scatter of what moves at all: a counter that stands still mostly has a median of 0.
    moving = np.where(size > 0.0, size, np.nan)
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in moving])
    return np.where(present, np.clip(differences / (1.4826 * usual[:, None]), -CLIP, CLIP), np.nan)


def _shape(rows: Matrix, given: Vector, reach: int) -> _Shape:
    """The strongest correlation of each row with ``given`` over lags of up to ``reach`` steps."""
    mask = np.isfinite(rows)
    filled = np.where(mask, rows, 0.0)
    best = np.zeros(len(rows))
    at = np.zeros(len(rows), dtype=np.int64)
    length = rows.shape[1]
    squares, present = filled**2, mask.astype(np.float64)
    other_mask = np.isfinite(given).astype(np.float64)
    other = np.where(np.isfinite(given), given, 0.0)
    for lag in sorted(range(-reach, reach + 1), key=abs):
        # row[t + lag] beside given[t]
        here = slice(max(lag, 0), length + min(lag, 0))
        there = slice(max(-lag, 0), length - max(lag, 0))
        count = present[:, here] @ other_mask[there]
        product = filled[:, here] @ other[there]
        norm = np.sqrt(
            (squares[:, here] @ other_mask[there]) * (present[:, here] @ other[there] ** 2)
        )
        usable = (count >= FEWEST) & (norm > 0.0)
        value = np.where(usable, product / np.where(usable, norm, 1.0), 0.0)
        value = np.clip(value, -0.999999, 0.999999)
        certain = np.abs(np.arctanh(value)) * np.sqrt(np.maximum(count - 3.0, 0.0)) >= CLEAR
        better = certain & (np.abs(value) > np.abs(best))
        best[better], at[better] = value[better], lag
    return _Shape(best, at)


def _gaps(shifts: LevelShifts, given: LevelShifts, times: Vector) -> Vector:
    """Seconds from the given series' change of level to each other's; NaN where there is none."""
    if not given.found[0]:
        return np.full(len(shifts.found), np.nan)
    begins = times[np.minimum(shifts.index, len(times) - 1)]
    return np.where(shifts.found, begins - times[int(given.index[0])], np.nan)
