"""A finished window of many series: what each was expected to be, and where it was far from it.

The expectation is a repeating pattern (``seasons.py``) on a level, a line or steps, whichever the
series follows. What is far is decided by each series' own tail: the excess over its 90th
percentile is taken as exponential (Pickands 1975), with a scale from percentiles that a few
anomalous samples do not yet disturb; at three lengths: single samples, a
handful, and a stretch. Nothing here knows types, events or remarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aiops_mcp.analysis.anomaly_bends import Bend, bends
from aiops_mcp.analysis.anomaly_robust import SCATTER, medians, quantiles
from aiops_mcp.analysis.anomaly_verdict import Matrix, Vector
from aiops_mcp.analysis.changepoints import level_edges
from aiops_mcp.analysis.seasons import usual_pattern

HANDFUL: Final = 5
STRETCH_SHARE: Final = 0.02
"""A stretch is this share of the window."""
BY_CHANCE: Final = 0.05
"""Events that chance alone may bring per series and length, at the default sensitivity."""
DEFAULT_SENSITIVITY: Final = 2.5
TAIL: Final = (0.5, 0.75, 0.9, 0.97)
FEW_OTHERS: Final = 10
LINE_HELPS: Final = 0.8
"""A line is taken where it leaves at most this share of the scatter around the level."""
AT_ONCE: Final = 250
"""Rows judged together: few enough that their intermediate results stay near the processor."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Per series: ``level`` and ``pattern`` (series x samples), its period (0 is none), its steps.

    ``steps[row]`` are the positions at which a new level begins; ``bends[row]`` is the one at which
    a line turns into another.
    """

    level: Matrix
    pattern: Matrix
    period: Vector
    steps: dict[int, list[int]]
    bends: dict[int, Bend]


@dataclass(frozen=True, slots=True)
class Departures:
    """How far each sample is from what was expected.

    ``away`` in the series' unit; ``scatter`` its robust standard deviation per row; ``excess`` by
    how much the bound of what chance explains is reached (1 is the bound), over all lengths.
    """

    away: Matrix
    scatter: Vector
    excess: Matrix


def expectation(times: Vector, values: Matrix) -> Expected:
    """What each row follows; ``times`` ascending unix seconds, NaN where a sample is missing."""
    pattern, period = usual_pattern(times, values)
    rest = values - pattern if period.any() else values
    middle = medians(rest)
    level = np.repeat(middle[:, None], values.shape[1], axis=1)
    error = medians(np.abs(rest - middle[:, None]))
    line = _lines(times, rest)
    straight = medians(np.abs(rest - line)) < LINE_HELPS * error
    level[straight] = line[straight]
    steps = level_edges(rest)
    for row, edges in steps.items():
        for begin, end in zip([0, *edges], [*edges, values.shape[1]], strict=True):
            level[row, begin:end] = medians(rest[row : row + 1, begin:end])[0]
    turned: dict[int, Bend] = {}
    for row, bend in bends(rest).items():
        if _error(rest[row] - bend.fitted) < _error(rest[row] - level[row]):
            turned[row] = bend
            level[row] = bend.fitted
            steps.pop(row, None)
    return Expected(level, pattern, period, steps, turned)


def departures(values: Matrix, expected: Expected, *, sensitivity: float) -> Departures:
    """How far each sample is from its expectation, and whether chance explains it."""
    away = values - expected.level - expected.pattern
    size = values.shape[1]
    distance = np.abs(away)
    middle, *outer = quantiles(distance, TAIL)
    scatter, floor = _floored(SCATTER * middle, distance, expected.level)
    bound = _bound(outer, size)
    for row in np.flatnonzero(outer[1] <= floor):
        bound[row] = _bound_of_rare(distance[row], float(floor[row]))
    bound = np.maximum(bound, 2 * DEFAULT_SENSITIVITY * scatter)
    bound *= sensitivity / DEFAULT_SENSITIVITY
    excess = distance / bound[:, None]
    held = np.clip(away, -bound[:, None], bound[:, None])
    for length in sorted({HANDFUL, round(STRETCH_SHARE * size)}):
        if length >= HANDFUL and size >= 10 * length:
            mean = np.abs(running_mean(held, length))
            limit = _bound(quantiles(mean, TAIL)[1:], size / length)
            limit = np.maximum(limit, 2 * DEFAULT_SENSITIVITY * scatter / np.sqrt(length))
            limit *= sensitivity / DEFAULT_SENSITIVITY
            np.fmax(excess, mean / limit[:, None], out=excess)
    return Departures(away, scatter, np.where(np.isfinite(away), excess, 0.0))


def _error(apart: Vector) -> float:
    return float(medians(np.abs(apart)[None, :])[0])


def running_mean(values: Matrix, length: int) -> Matrix:
    """The mean of the samples around each, missing ones left out; at the edges of those there."""
    present = np.isfinite(values)
    if present.all():
        count = _running_sum(np.ones((1, values.shape[1]), dtype=np.float64), length)
        return _running_sum(values, length) / count
    count = _running_sum(present.astype(np.float64), length)
    total = _running_sum(np.where(present, values, 0.0), length)
    return np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)


def _running_sum(values: Matrix, length: int) -> Matrix:
    rows, size = values.shape
    after = length - 1 - length // 2
    total = np.zeros((rows, size + length))
    np.cumsum(values, axis=1, out=total[:, length : length + size])
    sums = np.empty((rows, size))
    inside = size - after
    np.subtract(total[:, length + after :], total[:, after : after + inside], out=sums[:, :inside])
    np.subtract(total[:, -1:], total[:, size : size + after], out=sums[:, inside:])
    return sums


def _bound(outer: Sequence[Vector], chances: float) -> Vector:
    """The distance that chance reaches in ``BY_CHANCE`` of such series.

    The steeper of two exponential tails: from the 75th percentile on, and from the 90th on.
    """
    inner, high, highest = outer
    scale = np.maximum((high - inner) / np.log(2.5), (highest - high) / np.log(10 / 3))
    return high + scale * np.log(max(0.1 * chances / BY_CHANCE, 1.0))


def _bound_of_rare(distance: Vector, floor: float) -> float:
    """The same for a series that stands still nine samples in ten, from the others alone.

    Few others are all unusual; of many, those that are far beyond the rest.
    """
    others = distance[distance > floor]
    if len(others) < FEW_OTHERS:
        return floor
    outer = quantiles(others[None, :], TAIL)[1:]
    return float(_bound(outer, len(others))[0])


def _floored(scatter: Vector, distance: Matrix, level: Matrix) -> tuple[Vector, Vector]:
    """Scatter that is nowhere 0, and the least distance that is not rounding.

    Of a series that mostly stands still its mean distance is taken: so one that leaves its level
    rarely is far from it, and one that does so often is not.
    """
    size = np.nanmax(np.abs(level), axis=1, initial=0.0)
    floor = np.maximum(1e-9 * size, 1e-300)
    scatter = scatter.copy()
    for row in np.flatnonzero(~(scatter > floor)):
        known = distance[row][np.isfinite(distance[row])]
        scatter[row] = max(float(known.mean()) if known.size else 0.0, float(floor[row]))
    return scatter, floor


def _lines(times: Vector, values: Matrix) -> Matrix:
    """A robust line through each row: the median slope over half the window (Theil and Sen)."""
    size = values.shape[1]
    half = size // 2
    lasted = times[size - half :] - times[:half] if half else np.ones(0)
    slope = medians((values[:, size - half :] - values[:, :half]) / lasted)
    tilted = slope[:, None] * (times - times[:1])
    return tilted + medians(values - tilted)[:, None]
