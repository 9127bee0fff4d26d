"""When a series changed its level, by how much, and since when it is as it is now.

Seeded intervals (Kovács et al. 2023, "Seeded binary segmentation") are each searched for one change
of level (``series.py``), and of those found the ones in the shortest intervals are kept (Baranowski
et al. 2019, "Narrowest-over-threshold"): so a level that was left and returned to is two changes,
though the whole window shows none. Nothing here knows what is anomalous.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_robust import SCATTER, medians
from aiops_mcp.analysis.anomaly_samples import HUGE
from aiops_mcp.analysis.series import MIN_POINTS, Matrix, Vector, level_shifts

BLOCKS: Final = 120
"""Changes are looked for among the means of this many parts of the window, then placed."""
NOTABLE: Final = 1.0
"""A change is at least this many robust deviations of the noise between neighbouring samples."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first sample of a new level.

    ``index`` is its position in the samples as given, ``time`` its unix seconds; ``strength`` is
    the size of the change in robust deviations of the samples around their levels.
    """

    index: int
    time: float
    before: float
    after: float
    strength: float


def find_changes(times: Vector, values: Vector, *, most: int = 10) -> list[ChangePoint]:
    """The changes of level of one series, oldest first, at most the ``most`` largest ones.

    Samples may be unordered; missing and infinite ones are left out. Levels are medians.
    """
    stamps = np.asarray(times, dtype=np.float64)
    known = np.asarray(values, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(known) & np.isfinite(stamps))
    order = kept[np.lexsort((known[kept], stamps[kept]))]
    series = np.clip(known[order], -HUGE, HUGE)
    if len(series) < MIN_POINTS:
        return []
    unit = float(np.exp2(np.floor(np.log2(max(float(np.abs(series).max()), 1e-300)))))
    scaled = series / unit
    edges = level_edges(scaled[None, :]).get(0, [])
    found: list[ChangePoint] = []
    for edge, before, after, strength in _measured(scaled, edges):
        at = int(order[edge])
        found.append(ChangePoint(at, float(stamps[at]), before * unit, after * unit, strength))
    found.sort(key=lambda change: -change.strength)
    return sorted(found[:most], key=lambda change: (change.time, change.index))


def level_edges(values: Matrix) -> dict[int, list[int]]:
    """For each row (series x samples, NaN where missing) that changes its level: where it does."""
    size = values.shape[1]
    block = max(size // BLOCKS, 1)
    means = block_means(values, block)
    hits: dict[int, list[tuple[int, float, int, int, int]]] = {}
    length = means.shape[1]
    while length >= MIN_POINTS:
        for row, begin, index, strength in _searched(means, length):
            hits.setdefault(row, []).append((length, -strength, begin, begin + length, index))
        length //= 2
    found: dict[int, list[int]] = {}
    for row, of_row in hits.items():
        chosen: list[int] = []
        for _, _, begin, end, index in sorted(of_row):
            # An edge in an interval explains whatever else is found there.
            if not any(begin < other < end for other in chosen):
                chosen.append(index)
        edges = sorted({_placed(values[row], edge * block, block) for edge in chosen})
        if edges := _kept(values[row], [edge for edge in edges if 0 < edge < size]):
            found[row] = edges
    return found


def _searched(means: Matrix, length: int) -> list[tuple[int, int, int, float]]:
    """Row, interval's begin, edge and strength of each change in half-overlapping intervals."""
    last = means.shape[1] - length
    begins = sorted({min(begin, last) for begin in range(0, last + length // 2, length // 2)})
    windows = np.lib.stride_tricks.sliding_window_view(means, length, axis=1)[:, begins]
    shifts = level_shifts(windows.reshape(-1, length))
    return [
        (
            int(which) // len(begins),
            begins[int(which) % len(begins)],
            begins[int(which) % len(begins)] + int(shifts.index[which]),
            float(shifts.strength[which]),
        )
        for which in np.flatnonzero(shifts.found)
    ]


def block_means(values: Matrix, block: int) -> Matrix:
    """The mean of each ``block`` samples; NaN where all of them are missing. A rest is left out."""
    if block == 1:
        return values
    whole = values[:, : values.shape[1] // block * block].reshape(len(values), -1, block)
    present = np.isfinite(whole)
    total = whole.sum(axis=2) if present.all() else np.where(present, whole, 0.0).sum(axis=2)
    count = present.sum(axis=2)
    empty: Matrix = np.full((len(values), count.shape[1]), np.nan)
    return np.divide(total, count, out=empty, where=count > 0)


def _placed(series: Vector, edge: int, block: int) -> int:
    """The sample, within two blocks of ``edge``, at which the level changes: the best split."""
    begin, end = max(edge - 2 * block, 0), min(edge + 2 * block, len(series))
    part = series[begin:end]
    known: NDArray[np.int64] = np.flatnonzero(np.isfinite(part)).astype(np.int64)
    if block == 1 or len(known) < 4:
        return edge
    total = np.cumsum(part[known])
    count = np.arange(1, len(known), dtype=np.float64)
    gap = total[:-1] / count - (total[-1] - total[:-1]) / count[::-1]
    gain = gap * gap * count * count[::-1]
    return begin + int(known[int(gain.argmax()) + 1])


def _kept(series: Vector, edges: list[int]) -> list[int]:
    """Without the edges whose two levels differ by less than is notable, the least one first."""
    edges = list(edges)
    while edges:
        sizes = [strength for *_, strength in _measured(series, edges)]
        least = int(np.argmin(sizes))
        if sizes[least] >= NOTABLE:
            break
        del edges[least]
    return edges


def _measured(series: Vector, edges: list[int]) -> list[tuple[int, float, float, float]]:
    """Each edge with the levels on its two sides and the change in robust deviations."""
    bounds = [0, *edges, len(series)]
    parts = [series[begin:end] for begin, end in pairwise(bounds)]
    levels = [float(medians(part[None, :])[0]) for part in parts]
    distance = np.concatenate(
        [np.abs(part - level) for part, level in zip(parts, levels, strict=True)]
    )
    scatter = SCATTER * float(medians(distance[None, :])[0])
    floor = max(scatter, 1e-9 * max(abs(level) for level in levels), 1e-300)
    return [
        (edge, before, after, min(abs(after - before) / floor, 1e6))
        for edge, (before, after) in zip(edges, pairwise(levels), strict=True)
    ]
