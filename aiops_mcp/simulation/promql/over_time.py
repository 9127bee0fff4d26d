"""Functions that reduce each window of a range vector to one value.

Each takes a window block and returns values (n, T) and presence, (T,) or (n, T).
"""

import math

import numpy as np

from aiops_mcp.simulation.promql.frames import QueryFailed
from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.windows import WindowBlock, fold, gathered

# Where a sum is this small beside the magnitude of its terms, rounding could show in nine digits.
_CANCELLED = 1e-5


def sums(block: WindowBlock) -> tuple[Floats, Mask]:
    """Sums, exact where the terms cancel."""
    values, lo, hi = block.values, block.lo, block.hi
    total = fold(np.add, 0.0, values, lo, hi)
    if not values.size or np.nanmin(values, initial=0.0) >= 0:
        return total, hi > lo
    magnitude = fold(np.add, 0.0, np.abs(values), lo, hi)
    doubtful = np.isfinite(magnitude) & (np.abs(total) < magnitude * _CANCELLED)
    for row, step in zip(*np.nonzero(doubtful), strict=True):
        total[row, step] = math.fsum(values[row, lo[step] : hi[step]])
    return total, hi > lo


def averages(block: WindowBlock) -> tuple[Floats, Mask]:
    total, present = sums(block)
    counts = np.maximum(block.counts, 1)
    mean = total / counts
    overflowed = np.isinf(total)
    if overflowed.any():
        # Scaled down by a power of two, finite terms no longer overflow; infinite ones still do.
        scale = 2.0**-30
        scaled = fold(np.add, 0.0, block.values * scale, block.lo, block.hi)
        mean[overflowed] = (scaled / (counts * scale))[overflowed]
    return mean, present


def extremes(block: WindowBlock, combine: "np.ufunc") -> tuple[Floats, Mask]:
    """Largest or smallest value; NaN only where there is nothing else."""
    return fold(combine, math.nan, block.values, block.lo, block.hi), block.hi > block.lo


def counts(block: WindowBlock) -> tuple[Floats, Mask]:
    values = np.broadcast_to(block.counts.astype(np.float64), (len(block.labels), block.lo.size))
    return values, block.hi > block.lo


def presence(block: WindowBlock) -> tuple[Floats, Mask]:
    return np.ones((len(block.labels), block.lo.size)), block.hi > block.lo


def last_value(block: WindowBlock) -> tuple[Floats, Mask]:
    return block.last(), block.hi > block.lo


def first_value(block: WindowBlock) -> tuple[Floats, Mask]:
    return block.first(), block.hi > block.lo


def edge_times(block: WindowBlock, *, last: bool) -> tuple[Floats, Mask]:
    """Seconds of the first or last sample of each window."""
    size = block.timestamps.shape[0]
    columns = np.maximum(block.hi - 1, 0) if last else np.minimum(block.lo, size - 1)
    seconds = block.timestamps[columns] / 1000
    return np.broadcast_to(seconds, (len(block.labels), seconds.size)), block.hi > block.lo


def extreme_times(block: WindowBlock, *, largest: bool) -> tuple[Floats, Mask]:
    """Seconds of the last sample that has the window's largest or smallest value."""
    out = np.full((len(block.labels), block.lo.size), math.nan)
    for span, values, inside in gathered(block):
        worst = -math.inf if largest else math.inf
        ranked = np.where(inside & ~np.isnan(values), values, worst)
        best = ranked.max(axis=2) if largest else ranked.min(axis=2)
        hopeless = np.all(np.isnan(values) | ~inside, axis=2, keepdims=True)
        hits = np.asarray(inside & ((values == best[:, :, None]) | hopeless), dtype=np.bool_)
        width = values.shape[2]
        offset = width - 1 - np.argmax(hits[:, :, ::-1], axis=2)
        columns = np.minimum(block.lo[span] + offset, block.timestamps.shape[0] - 1)
        out[:, span] = block.timestamps[columns] / 1000
    return out, block.hi > block.lo


def steps_where(block: WindowBlock, happened: Mask) -> tuple[Floats, Mask]:
    """How often something happened between neighbouring samples; ``happened`` is (n, S - 1)."""
    running = np.zeros(block.values.shape, dtype=np.int64)
    np.cumsum(happened, axis=1, out=running[:, 1:])
    present = block.hi > block.lo
    first = np.minimum(block.lo, block.timestamps.shape[0] - 1)
    last = np.maximum(block.hi - 1, 0)
    return (running[:, last] - running[:, first]).astype(np.float64), present


def changes(block: WindowBlock) -> tuple[Floats, Mask]:
    older, newer = block.values[:, :-1], block.values[:, 1:]
    return steps_where(block, (older != newer) & ~(np.isnan(older) & np.isnan(newer)))


def resets(block: WindowBlock) -> tuple[Floats, Mask]:
    return steps_where(block, block.values[:, 1:] < block.values[:, :-1])


def variances(block: WindowBlock) -> tuple[Floats, Mask]:
    """Population variance by joining spans (Chan et al.): stable where mean is far from zero."""
    lengths = block.counts
    shape = (block.values.shape[0], block.lo.shape[0])
    count, mean, squares = np.zeros(shape[1]), np.zeros(shape), np.zeros(shape)
    position = block.lo.copy()
    level_mean, level_squares = block.values, np.where(np.isfinite(block.values), 0.0, math.nan)
    width, longest = 1, int(lengths.max(initial=0))
    while width <= longest:
        chosen = np.flatnonzero(lengths & width)
        if chosen.size:
            here = position[chosen]
            total = count[chosen] + width
            apart = level_mean[:, here] - mean[:, chosen]
            mean[:, chosen] += apart * (width / total)
            squares[:, chosen] += level_squares[:, here]
            squares[:, chosen] += apart**2 * (count[chosen] * width / total)
            count[chosen] = total
            position[chosen] += width
        if 2 * width <= longest:
            left, right = level_mean[:, :-width], level_mean[:, width:]
            joined = level_squares[:, :-width] + level_squares[:, width:]
            level_squares = joined + (right - left) ** 2 * (width / 2)
            level_mean = left + (right - left) / 2
        width *= 2
    return squares / np.maximum(count, 1), lengths > 0


def deviations(block: WindowBlock) -> tuple[Floats, Mask]:
    variance, present = variances(block)
    return np.sqrt(variance), present


def quantiles(block: WindowBlock, q: Floats) -> tuple[Floats, Mask]:
    """The q-quantile of each window; ``q`` has shape (T,)."""
    out = np.full((len(block.labels), block.lo.size), math.nan)
    for span, values, inside in gathered(block):
        out[:, span] = quantile_of(values, inside[None], q[span])
    return out, block.hi > block.lo


def median_deviations(block: WindowBlock) -> tuple[Floats, Mask]:
    """The median distance from the median."""
    out = np.full((len(block.labels), block.lo.size), math.nan)
    for span, values, inside in gathered(block):
        half = np.full(values.shape[1], 0.5)
        median = quantile_of(values, inside[None], half)
        out[:, span] = quantile_of(np.abs(values - median[:, :, None]), inside[None], half)
    return out, block.hi > block.lo


def quantile_of(values: Floats, inside: Mask, q: Floats) -> Floats:
    """Quantiles along the last axis of (n, T, w); NaN ranks first, q outside [0, 1] is infinite."""
    is_nan = np.isnan(values) & inside
    count = np.broadcast_to(inside, values.shape).sum(axis=2)
    nans = is_nan.sum(axis=2)
    ordered = np.sort(np.where(inside, values, math.nan), axis=2)
    rank = np.clip(np.nan_to_num(q), 0, 1) * np.maximum(count - 1, 0)
    lower = np.floor(rank)
    weight = rank - lower

    def ranked(position: Floats) -> Floats:
        index = position.astype(np.int64) - nans
        found = np.take_along_axis(ordered, np.maximum(index, 0)[:, :, None], axis=2)[:, :, 0]
        return np.where(index < 0, math.nan, found)

    upper = np.minimum(lower + 1, np.maximum(count - 1, 0))
    result = ranked(lower) * (1 - weight) + ranked(upper) * weight
    result = np.where(q < 0, -math.inf, np.where(q > 1, math.inf, result))
    return np.where((count == 0) | np.isnan(q), math.nan, result)


def smoothed(block: WindowBlock, factor: Floats, trend: Floats) -> tuple[Floats, Mask]:
    """Double exponential smoothing; both factors have shape (T,).

    Raises:
        QueryFailed: for a factor outside (0, 1).
    """
    for name, values in (("smoothing", factor), ("trend", trend)):
        wrong = ~((values > 0) & (values < 1))
        if wrong.any():
            raise QueryFailed(
                f"invalid {name} factor. Expected: 0 < {name[0]}f < 1, got: "
                f"{values[np.argmax(wrong)]:f}"
            )
    counts_ = block.counts
    last_column = block.timestamps.shape[0] - 1
    level = block.first().copy()
    slope = block.values[:, np.minimum(block.lo + 1, last_column)] - level
    before = np.zeros_like(level)
    for number in range(1, int(counts_.max(initial=0))):
        live = counts_ > number
        if number > 1:
            slope = np.where(live, trend * (level - before) + (1 - trend) * slope, slope)
        value = block.values[:, np.minimum(block.lo + number, last_column)]
        newer = factor * value + (1 - factor) * (level + slope)
        before, level = np.where(live, level, before), np.where(live, newer, level)
    return level, counts_ >= 2
