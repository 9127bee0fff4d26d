"""Order statistics of many series at once, missing samples left out."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from aiops_mcp.analysis.anomaly_verdict import Matrix, Vector

SCATTER: Final = 1.4826
"""The standard deviation of normal values over their median distance from the median."""


def quantiles(values: Matrix, shares: Sequence[float]) -> list[Vector]:
    """The sample at each share of each row's samples, in order; NaN in a row without samples."""
    rows, size = values.shape
    if rows == 0 or size == 0:
        return [np.full(rows, np.nan) for _ in shares]
    ordered = np.sort(values, axis=1)  # missing ones come last
    if np.isfinite(ordered[:, -1]).all():
        return [ordered[:, min(int(share * size), size - 1)] for share in shares]
    count = size - np.isnan(ordered).sum(axis=1)
    found: list[Vector] = []
    for share in shares:
        at = np.clip((share * count).astype(np.int64), 0, np.maximum(count - 1, 0))
        found.append(ordered[np.arange(rows), at])
    return found


def medians(values: Matrix) -> Vector:
    """The (upper) median of each row; NaN in a row without samples."""
    return quantiles(values, (0.5,))[0]
