"""When a series changed its level, by how much, and since when it is as it is now.

Binary segmentation (Scott and Knott 1974, "A Cluster Analysis Method for Grouping Means in the
Analysis of Variance") with the single level shift of ``series.py`` as its step.
"""

from dataclasses import dataclass

import numpy as np

from aiops_mcp.analysis.series import MIN_POINTS, Vector, level_shifts


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The first sample of a new level.

    ``index`` is its position in the samples as given, ``time`` its unix seconds; ``strength`` is
    the t statistic of the difference.
    """

    index: int
    time: float
    before: float
    after: float
    strength: float


def find_changes(times: Vector, values: Vector, *, most: int = 10) -> list[ChangePoint]:
    """The changes of level of one series, oldest first, at most the ``most`` strongest ones."""
    stamps = np.asarray(times, dtype=np.float64)
    known = np.asarray(values, dtype=np.float64)
    kept = np.flatnonzero(np.isfinite(known) & np.isfinite(stamps))
    order = kept[np.argsort(stamps[kept], kind="stable")]
    found: list[ChangePoint] = []
    parts = [(0, len(order))]
    while parts:
        begin, end = parts.pop()
        if end - begin < MIN_POINTS:
            continue
        shift = level_shifts(known[order[begin:end]][None, :])
        if not shift.found[0]:
            continue
        split = begin + int(shift.index[0])
        at = int(order[split])
        found.append(
            ChangePoint(
                at,
                float(stamps[at]),
                float(shift.before[0]),
                float(shift.after[0]),
                float(shift.strength[0]),
            )
        )
        parts += [(begin, split), (split, end)]
    found.sort(key=lambda change: -change.strength)
    return sorted(found[:most], key=lambda change: change.time)
