"""A finished window of many series: what each was expected to be, and where it was far from it.

The expectation is a repeating pattern (``seasons.py``) on a level, a line, steps or a slow curve,
whichever the series follows. What is far is decided by each series' own tail: the excess over its
90th percentile is taken as exponential (Pickands 1975), with a scale from percentiles that a few
anomalous samples do not yet disturb; at three lengths: single samples, a handful, and a stretch.
Nothing here knows types, events or remarks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from aiops_mcp.analysis.anomaly_bends import Bend, bends
from aiops_mcp.analysis.anomaly_curves import curves
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
MOST_EVENTS: Final = 3
MOST_SHARE: Final = 0.15
"""More long runs than this, or a larger share of the window, are how the series is."""
FEW_OTHERS: Final = 10
ENOUGH_FOR_A_SHAPE: Final = 300
"""The shape of a tail cannot be told from fewer samples."""
_SHAPES: Final = np.linspace(0.01, 0.5, 50)
_BENDS: Final = (0.03**-_SHAPES - 0.1**-_SHAPES) / (0.1**-_SHAPES - 0.25**-_SHAPES)
"""How much further the 97th percentile is from the 90th than that from the 75th, by shape."""
LINE_HELPS: Final = 0.8
"""A line is taken where it leaves at most this share of the scatter around the level."""
CURVE_HELPS: Final = 0.8
"""A slow curve is taken where it leaves at most this share of what anything straighter leaves; of
what a broken line leaves, where it leaves any less: a turn is sudden, or it is none."""
AT_ONCE: Final = 250
"""Rows judged together: few enough that their intermediate results stay near the processor."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Per series: ``level`` and ``pattern`` (series x samples), its period (0 is none), its steps.

    A slow curve is part of the pattern.

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
    _take_steps(level, rest, steps)
    turned = bends(rest)
    error = medians(np.abs(rest - level))
    for row, bend in list(turned.items()):
        # Of the whole as of its end: most of a window may lean a little, and a step end it.
        here, since = rest[row : row + 1], slice(bend.index, None)
        bent = float(medians(np.abs(here - bend.fitted))[0])
        bent_since = medians(np.abs(here[:, since] - bend.fitted[since]))[0]
        level_since = medians(np.abs(here[:, since] - level[row, since]))[0]
        if bent < error[row] and bent_since < level_since:
            error[row] = bent
            level[row] = bend.fitted
            steps.pop(row, None)
        else:
            del turned[row]
    rows, curve = curves(times, rest)
    allowed = np.where(np.isin(rows, list(turned)), 1.0, CURVE_HELPS)
    helps = medians(np.abs(rest[rows] - curve)) < allowed * error[rows]
    swung = rows[helps].tolist()
    pattern[swung] += curve[helps]
    for row in swung:
        turned.pop(row, None)
    if swung:
        _start_again(level, values - pattern, steps, swung)
    return Expected(level, pattern, period, steps, turned)


def _take_steps(level: Matrix, rest: Matrix, steps: dict[int, list[int]]) -> None:
    """Between its steps, each row's level is the median there."""
    for row, edges in steps.items():
        for begin, end in zip([0, *edges], [*edges, rest.shape[1]], strict=True):
            level[row, begin:end] = medians(rest[row : row + 1, begin:end])[0]


def _start_again(level: Matrix, rest: Matrix, steps: dict[int, list[int]], rows: list[int]) -> None:
    """Levels and steps of those rows that turned out to swing; ``rest`` is without the swing."""
    level[rows] = medians(rest[rows])[:, None]
    found = level_edges(rest[rows])
    for place, row in enumerate(rows):
        steps.pop(row, None)
        if place in found:
            steps[row] = found[place]
    _take_steps(level, rest, {row: steps[row] for row in rows if row in steps})


def departures(values: Matrix, expected: Expected, *, sensitivity: float) -> Departures:
    """How far each sample is from its expectation, and whether chance explains it."""
    away = values - expected.level - expected.pattern
    size = values.shape[1]
    distance = np.abs(away)
    middle, *outer = _tail_without_events(distance, size, HANDFUL)
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
            limit = _bound(_tail_without_events(mean, size / length, 2 * length)[1:], size / length)
            limit = np.maximum(limit, 2 * DEFAULT_SENSITIVITY * scatter / np.sqrt(length))
            limit *= sensitivity / DEFAULT_SENSITIVITY
            np.fmax(excess, mean / limit[:, None], out=excess)
    return Departures(away, scatter, np.where(np.isfinite(away), excess, 0.0))


def _tail_without_events(distance: Matrix, chances: float, length: int) -> list[Vector]:
    """The percentiles of ``TAIL``, without a few runs of at least this length beyond chance.

    An event of a twentieth of the window would else pass for how the series is: it stands beyond
    what the inner percentiles let expect, all in one piece.
    """
    tail = quantiles(distance, TAIL)
    _, inner, high, highest = tail
    size = distance.shape[1]
    within = _bound((inner, high, high), chances)
    suspect = np.flatnonzero(highest > within)
    if not suspect.size:
        return tail
    beyond = distance[suspect] > within[suspect, None]
    edges = np.diff(beyond, axis=1, prepend=False, append=False)
    for place, row in enumerate(suspect):
        ends = np.flatnonzero(edges[place]).reshape(-1, 2)
        long = ends[ends[:, 1] - ends[:, 0] >= length]
        if not 0 < len(long) <= MOST_EVENTS or (long[:, 1] - long[:, 0]).sum() > MOST_SHARE * size:
            continue
        rest = distance[row : row + 1].copy()
        for begin, end in long:
            rest[0, begin:end] = np.nan
        for of, again in zip(tail, quantiles(rest, TAIL), strict=True):
            of[row] = again[0]
    return tail


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

    The steeper of two exponential tails, from the 75th percentile on and from the 90th on; or a
    heavier one (generalised Pareto), where the three percentiles, of many samples, bend that way.
    """
    inner, high, highest = outer
    rarer = max(0.1 * chances / BY_CHANCE, 1.0)
    scale = np.maximum((high - inner) / np.log(2.5), (highest - high) / np.log(10 / 3))
    bound = high + scale * np.log(rarer)
    if chances < ENOUGH_FOR_A_SHAPE:
        return bound
    bends = np.divide(highest - high, high - inner, out=np.zeros_like(high), where=high > inner)
    shape = np.interp(bends, _BENDS, _SHAPES)
    heavy = np.flatnonzero(shape > _SHAPES[0])
    of, power = (highest - high)[heavy], shape[heavy]
    bound[heavy] = high[heavy] + of * (rarer**power - 1) / ((10 / 3) ** power - 1)
    return bound


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
