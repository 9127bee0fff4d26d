"""rate, increase, delta and their instant forms.

Extrapolation as in Prometheus since 2.51 (``promql/functions.go``, extrapolatedRate).
"""

import numpy as np

from aiops_mcp.simulation.promql.store import Floats, Mask
from aiops_mcp.simulation.promql.windows import WindowBlock, Windows, fold

_THRESHOLD = 1.1


def extrapolated(
    windows: Windows, block: WindowBlock, *, counter: bool, per_second: bool
) -> tuple[Floats, Mask]:
    """The change over each window, carried to the window's edges where the samples reach near."""
    counts = block.counts
    enough = counts >= 2
    first = block.first()
    change = block.last() - first
    if counter:
        change = change + _resets(block)
    stamps = block.timestamps / 1000
    start = stamps[np.minimum(block.lo, stamps.shape[0] - 1)]
    end = stamps[np.maximum(block.hi - 1, 0)]
    window_end = windows.ends / 1000
    window_start = (windows.ends - windows.range_ms) / 1000
    sampled = np.where(enough, end - start, 1.0)
    gap = sampled / np.maximum(counts - 1, 1)
    to_start = _held(start - window_start, gap)
    to_end = _held(window_end - end, gap)
    if not counter:
        factor = (sampled + to_start + to_end) / sampled
    else:
        # A counter was not below zero: do not carry it further back than that.
        bounded = (change > 0) & (first >= 0)
        to_zero = sampled * np.divide(first, change, where=bounded, out=np.full_like(first, np.inf))
        factor = (sampled + np.minimum(to_zero, to_start) + to_end) / sampled
    if per_second:
        factor = factor / (windows.range_ms / 1000)
    return change * factor, enough


def _held(distance: Floats, gap: Floats) -> Floats:
    return np.where(distance >= gap * _THRESHOLD, gap / 2, distance)


def _resets(block: WindowBlock) -> Floats:
    """What each counter had reached before it fell back, summed over the window."""
    values = block.values
    total = np.zeros((values.shape[0], block.lo.shape[0]))
    if values.shape[1] < 2:
        return total
    fell = values[:, 1:] < values[:, :-1]
    rows = np.flatnonzero(fell.any(axis=1))
    if rows.size:
        lost = np.where(fell[rows], values[rows, :-1], 0.0)
        # The fall at column c + 1 stands at column c, so the last sample starts no pair.
        lo = np.minimum(block.lo, lost.shape[1])
        total[rows] = fold(np.add, 0.0, lost, lo, np.maximum(block.hi - 1, lo))
    return total


def instant_change(block: WindowBlock, *, rate: bool) -> tuple[Floats, Mask]:
    """The change between the last two samples; per second, and since a reset, for ``rate``."""
    last = np.maximum(block.hi - 1, 1)
    enough = block.counts >= 2
    if block.timestamps.shape[0] < 2:
        return np.zeros((block.values.shape[0], block.lo.shape[0])), enough
    newer, older = block.values[:, last], block.values[:, last - 1]
    change = newer - older
    if not rate:
        return change, enough
    seconds = (block.timestamps[last] - block.timestamps[last - 1]) / 1000
    return np.where(newer < older, newer, change) / seconds, enough
