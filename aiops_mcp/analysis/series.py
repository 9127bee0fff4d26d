"""What matters about many time series at once: level, spread, trend, and a change of level.

All functions take one matrix (series x steps, NaN where a step is missing) and are vectorised
over the series, so that thousands cost milliseconds.

The level shift is the least-squares single change point (the split with the largest drop in the
squared error, e.g. Hawkins 1977, "Testing a Sequence of Observations for a Shift in Location"),
on values clipped to their own 3rd to 97th percentile so that a few spikes cannot pose as a level,
and reported only where a step explains the series much better than a straight line does. Neighbours
that resemble each other (``rate(…[5m])`` every minute) count as fewer points: the significance is
scaled by the first-order autocorrelation of what the step leaves (the variance of the mean of an
AR(1) process, e.g. Brockwell and Davis, "Introduction to Time Series and Forecasting", 2.4).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

MIN_POINTS: Final = 12
"""Fewer points than this are too few to tell a shift from noise."""
MIN_SEGMENT_SHARE: Final = 0.05
"""A level lasts at least this share of the window; shorter is a spike."""
STEP_NOISE_RATIO: Final = 3.0
"""A shift is at least this many standard deviations of the noise within the two levels."""
STEP_SIGNIFICANCE: Final = 7.0
"""And its t statistic at least this; with a scan over every split, 5 would still come by chance."""
STEP_BEATS_LINE: Final = 0.6
"""The squared error left by the step is at most this share of what a line leaves."""
STEP_BEATS_ROUND_TRIP: Final = 0.45
"""And at most this share of what no change at all leaves."""


@dataclass(frozen=True, slots=True)
class LevelShifts:
    """Per series: whether there is a shift, at which step index it begins, and both levels.

    ``strength`` is the t statistic of the difference; 0 where there is no shift.
    """

    found: NDArray[np.bool_]
    index: NDArray[np.int64]
    before: Vector
    after: Vector
    strength: Vector


@dataclass(frozen=True, slots=True)
class Levels:
    """Per series, over the steps that are present; NaN where none is."""

    first: Vector
    last: Vector
    minimum: Vector
    maximum: Vector
    mean: Vector
    trend: Vector
    """Change over the window by a least-squares line, as a share of the mean's size."""


def levels(values: Matrix) -> Levels:
    """First, last, least, greatest, mean and trend of each row."""
    present = np.isfinite(values)
    count = present.sum(axis=1)
    empty = count == 0
    safe = np.where(present, values, 0.0)
    rows = np.arange(len(values))
    first_at = np.argmax(present, axis=1)
    last_at = values.shape[1] - 1 - np.argmax(present[:, ::-1], axis=1)
    mean = safe.sum(axis=1) / np.maximum(count, 1)
    slope, _ = _line(safe, present, mean)
    size = np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
    trend = slope * (values.shape[1] - 1) / size

    def known(column: Vector) -> Vector:
        return np.where(empty, np.nan, column)

    return Levels(
        first=known(safe[rows, first_at]),
        last=known(safe[rows, last_at]),
        minimum=known(np.where(present, values, np.inf).min(axis=1, initial=np.inf)),
        maximum=known(np.where(present, values, -np.inf).max(axis=1, initial=-np.inf)),
        mean=known(mean),
        trend=known(trend),
    )


def level_shifts(values: Matrix) -> LevelShifts:
    """The one change of level of each row, where there is one."""
    rows, steps = len(values), values.shape[1]
    nothing = LevelShifts(
        found=np.zeros(rows, dtype=np.bool_),
        index=np.zeros(rows, dtype=np.int64),
        before=np.full(rows, np.nan),
        after=np.full(rows, np.nan),
        strength=np.zeros(rows),
    )
    if rows == 0 or steps < MIN_POINTS:
        return nothing
    present = np.isfinite(values)
    clipped = _clip(values, present)
    count = np.cumsum(present, axis=1, dtype=np.float64)
    total = np.cumsum(clipped, axis=1)
    n_left, n_right = count[:, :-1], count[:, -1:] - count[:, :-1]
    mean_left = total[:, :-1] / np.maximum(n_left, 1)
    mean_right = (total[:, -1:] - total[:, :-1]) / np.maximum(n_right, 1)
    n_all = np.maximum(count[:, -1], 1)
    shortest = np.maximum(3.0, MIN_SEGMENT_SHARE * n_all)[:, None]
    gain = n_left * n_right / n_all[:, None] * (mean_right - mean_left) ** 2
    gain = np.where((n_left >= shortest) & (n_right >= shortest), gain, -1.0)
    split = gain.argmax(axis=1)
    pick = (np.arange(rows), split)
    means = (mean_left[pick], mean_right[pick])

    mean = total[:, -1] / n_all
    spread = np.where(present, (clipped - mean[:, None]) ** 2, 0.0).sum(axis=1)
    left = np.maximum(spread - gain[pick], 0.0)
    _, line_error = _line(clipped, present, mean)
    # A floor keeps rounding in a perfectly flat series from looking like a shift.
    floor = (1e-9 * np.maximum(np.abs(mean), 1e-300)) ** 2 * n_all
    noise = np.sqrt(np.maximum(left, floor) / np.maximum(n_all - 2, 1))
    noise = np.maximum(noise, np.finfo(np.float64).tiny)
    jump = mean_right[pick] - mean_left[pick]
    share = 1 / np.maximum(n_left[pick], 1) + 1 / np.maximum(n_right[pick], 1)
    strength = (
        np.abs(jump) / (noise * np.sqrt(share)) * _independence(clipped, present, pick, means)
    )
    found = (
        (gain[pick] > 0)
        & (count[:, -1] >= MIN_POINTS)
        & (np.abs(jump) >= STEP_NOISE_RATIO * noise)
        & (np.abs(jump) > 1e-6 * np.maximum(np.abs(mean), 1e-300))
        & (strength >= STEP_SIGNIFICANCE)
        & (left <= STEP_BEATS_LINE * np.maximum(line_error, floor))
        & (left <= STEP_BEATS_ROUND_TRIP * spread)
    )
    return LevelShifts(
        found=found,
        index=split.astype(np.int64) + 1,
        before=mean_left[pick],
        after=mean_right[pick],
        strength=np.where(found, strength, 0.0),
    )


def _independence(
    clipped: Matrix,
    present: NDArray[np.bool_],
    pick: tuple[NDArray[np.int64], NDArray[np.int64]],
    means: tuple[Vector, Vector],
) -> Vector:
    """By how much the standard error grows because neighbours resemble each other, inverted."""
    steps: NDArray[np.int64] = np.arange(clipped.shape[1], dtype=np.int64)
    level = np.where(steps <= pick[1][:, None], means[0][:, None], means[1][:, None])
    rest = np.where(present, clipped - level, 0.0)
    both = present[:, 1:] & present[:, :-1]
    together = np.where(both, rest[:, 1:] * rest[:, :-1], 0.0).sum(axis=1)
    alone = np.where(both, (rest[:, 1:] ** 2 + rest[:, :-1] ** 2) / 2, 0.0).sum(axis=1)
    similar = np.divide(together, alone, out=np.zeros(len(rest)), where=alone > 0)
    similar = np.clip(similar, 0.0, 0.99)
    return np.sqrt((1 - similar) / (1 + similar))


def _clip(values: Matrix, present: NDArray[np.bool_]) -> Matrix:
    """Values held to their own 3rd to 97th percentile; 0 where missing."""
    if values.size and present.all():
        bounds = np.percentile(values, [3, 97], axis=1)
        return np.clip(values, bounds[0][:, None], bounds[1][:, None])
    known = np.where(present, values, np.nan)
    rows_with_data = present.any(axis=1)
    low = np.zeros(len(values))
    high = np.zeros(len(values))
    if rows_with_data.any():
        low[rows_with_data], high[rows_with_data] = np.nanpercentile(
            known[rows_with_data], [3, 97], axis=1
        )
    return np.where(present, np.clip(values, low[:, None], high[:, None]), 0.0)


def _line(safe: Matrix, present: NDArray[np.bool_], mean: Vector) -> tuple[Vector, Vector]:
    """Slope per step and squared error of the least-squares line through each row."""
    steps = np.arange(safe.shape[1], dtype=np.float64)
    count = np.maximum(present.sum(axis=1), 1)
    middle = (present * steps).sum(axis=1) / count
    offset = np.where(present, steps - middle[:, None], 0.0)
    deviation = np.where(present, safe - mean[:, None], 0.0)
    across = (offset**2).sum(axis=1)
    slope = np.divide(
        (offset * deviation).sum(axis=1), across, out=np.zeros(len(safe)), where=across > 0
    )
    error = (deviation**2).sum(axis=1) - slope**2 * across
    return slope, np.maximum(error, 0.0)
