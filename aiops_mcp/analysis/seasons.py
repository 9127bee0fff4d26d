"""What a series is expected to be: its level, or its usual value at this hour of the day or week.

Which of them is taken, the series itself decides: the one that erred least. Nothing here knows
what is an anomaly.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_robust import medians, quantiles
from aiops_mcp.analysis.anomaly_verdict import Matrix, Vector

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 168
MEMORY: Final = 256
"""Samples a level, and the record of how far each expectation errs, are remembered for."""
NEW_VISIT: Final = 0.25
"""The weight of the newest visit in the usual value of an hour: the last four count for most."""


class Expectation:
    """The expected next value of a stream, by exponential averages (Holt 1957; Winters 1960)."""

    __slots__ = ("_count", "_error", "_hour", "_judged", "_level", "_total", "_usual", "_visits")

    def __init__(self) -> None:
        self._level = math.nan
        self._usual = [math.nan] * (DAY_HOURS + WEEK_HOURS)
        self._hour = -1
        self._total = 0.0
        self._count = 0
        self._error = [0.0, 0.0, 0.0]
        self._judged = [0, 0, 0]
        self._visits = 0

    def at(self, time: float) -> float:
        """What is expected at this time (unix seconds); NaN before the first value."""
        expected = self._level
        least = self._error[0] if self._judged[0] > MEMORY // 2 else math.inf
        hour = int(time // HOUR) % WEEK_HOURS
        for which, place in ((1, hour % DAY_HOURS), (2, DAY_HOURS + hour)):
            usual = self._usual[place]
            if self._judged[which] > MEMORY // 2 and self._error[which] < least and usual == usual:  # noqa: PLR0124 (NaN is no value; isnan is a call)
                expected, least = usual, self._error[which]
        return expected

    def learn(self, time: float, value: float) -> None:
        """Take one sample in; a later time each time."""
        hour = int(time // HOUR) % WEEK_HOURS
        if hour != self._hour:
            self._close(hour)
        day, week = self._usual[hour % DAY_HOURS], self._usual[DAY_HOURS + hour]
        for which, expected in enumerate((self._level, day, week)):
            if expected == expected:  # noqa: PLR0124 (as above)
                judged = self._judged[which] = self._judged[which] + 1
                weight = max(2 / (MEMORY + 1), 1 / judged)
                self._error[which] += weight * (abs(value - expected) - self._error[which])
        self._total += value
        self._count += 1
        self._visits += 1
        if self._visits == 1:
            self._level = value
        else:
            self._level += max(2 / (MEMORY + 1), 1 / self._visits) * (value - self._level)

    def _close(self, hour: int) -> None:
        """An hour is over: its mean becomes part of what is usual."""
        if self._count:
            mean = self._total / self._count
            for place in (self._hour % DAY_HOURS, DAY_HOURS + self._hour):
                usual = self._usual[place]
                known = not math.isnan(usual)
                self._usual[place] = usual + NEW_VISIT * (mean - usual) if known else mean
        self._hour, self._total, self._count = hour, 0.0, 0


PERIODS: Final = (HOUR, DAY, WEEK)
"""What people and their schedules repeat by."""
FEWEST_VISITS: Final = 3
"""A usual value is the median of at least this many: of two, an anomaly would be half."""
MOST_BINS: Final = 336
"""Parts a period is cut into at most: five minutes of a day, half an hour of a week."""
SEASON_HELPS: Final = 0.7
"""A period is taken where it leaves at most this share of what it is to explain."""


def usual_pattern(times: Vector, values: Matrix) -> tuple[Matrix, Vector]:
    """Each row's repeating pattern around its level (0 where it has none), and its period.

    ``values`` is series x samples on ascending unix seconds, NaN where one is missing. A period is
    taken when the other visits of a moment of it predict the visit left out (leave-one-out
    cross-validation, Stone 1974) clearly better than the level does. Periods are in seconds; 0 is
    none.
    """
    pattern = np.zeros(values.shape)
    period = np.zeros(len(values))
    if values.shape[1] < 2 or not len(values):
        return pattern, period
    step = float(np.median(np.diff(times)))
    best = np.full(len(values), SEASON_HELPS)
    for length in PERIODS:
        bins = min(round(length / step), MOST_BINS)
        if bins < 4 or (times[-1] - times[0] + step) < FEWEST_VISITS * length:
            continue
        cycle = ((times - times[0]) // length).astype(np.int64)
        place = ((times % length) * (bins / length)).astype(np.int64)
        around = _around_cycles(times, values, cycle)
        left = _left_out(around, place, bins)
        taken = np.flatnonzero(left < best)
        if taken.size:
            best[taken] = left[taken]
            period[taken] = length
            pattern[taken] = _usual(around[taken], place, bins)[:, place]
    return pattern, period


def _around_cycles(times: Vector, values: Matrix, cycle: NDArray[np.int64]) -> Matrix:
    """Values less the trend from cycle to cycle, and less the median of their own cycle.

    So neither a trend nor a change of level is a season.
    """
    edges = np.flatnonzero(np.diff(cycle)) + 1
    parts = [slice(part[0], part[-1] + 1) for part in np.split(np.arange(len(cycle)), edges)]
    levels = np.stack([medians(values[:, part]) for part in parts], axis=1)
    centres = np.array([times[part].mean() for part in parts])
    slope = medians(np.diff(levels, axis=1) / np.diff(centres))
    tilted = values - np.nan_to_num(slope)[:, None] * (times - times[0])
    for part in parts:
        tilted[:, part] -= medians(tilted[:, part])[:, None]
    return tilted


def _left_out(around: Matrix, place: NDArray[np.int64], bins: int) -> Vector:
    """The error of a visit predicted by the mean of the others, over the level's own error.

    Errors are medians; of a series that mostly stands still, means, for its median error is 0.
    """
    present = np.isfinite(around)
    level, most = quantiles(np.abs(around), (0.5, 0.99))
    still = ~(level > 0)
    bound = np.where(still, most, 5 * level)[:, None]
    held = np.clip(around, -bound, bound)
    if present.all():
        total, count = _sums(held, place, bins), np.bincount(place, minlength=bins)[None, :]
    else:
        total = _sums(np.where(present, held, 0.0), place, bins)
        count = _sums(present.astype(np.float64), place, bins)
    others = np.where(count > 1, count - 1, np.nan)
    error = np.abs(held * (1 + 1 / others)[:, place] - (total / others)[:, place])
    left, whole = medians(error), level.copy()
    if still.any():
        left[still] = _mean(error[still])
        whole[still] = _mean(np.abs(held)[still])
    return np.divide(left, whole, out=np.ones(len(around)), where=whole > 0)


def _sums(values: Matrix, place: NDArray[np.int64], bins: int) -> Matrix:
    """The sum of the samples of each part of the period."""
    order = np.argsort(place, kind="stable")
    filled, begins = np.unique(place[order], return_index=True)
    sums = np.zeros((len(values), bins))
    sums[:, filled] = np.add.reduceat(values[:, order], begins, axis=1)
    return sums


def _mean(values: Matrix) -> Vector:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(count, 1)


def _usual(around: Matrix, place: NDArray[np.int64], bins: int) -> Matrix:
    """The median of the visits of each part of the period; 0 where there is none."""
    usual = np.zeros((len(around), bins))
    order = np.argsort(place, kind="stable")
    edges = np.flatnonzero(np.diff(place[order])) + 1
    for part in np.split(order, edges):
        usual[:, place[part[0]]] = _middle(around[:, part])
    return np.where(np.isfinite(usual), usual, 0.0)


def _middle(visits: Matrix) -> Vector:
    """The median, between the middle two of an even number of visits."""
    return (medians(visits) - medians(-visits)) / 2
