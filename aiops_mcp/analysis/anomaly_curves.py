"""Part of a day's swing, in a window too short to tell a season from.

Load follows the day, and fewer than three days do not show that it repeats. What is known of any
day is that it swings once or twice: a line and the first two harmonics of a day are fitted to the
means of blocks by iterated reweighting with Tukey's biweight (Holland and Welsch 1977, "Robust
Regression Using Iteratively Reweighted Least-Squares"), so that an event, being short beside them,
does not bend it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_robust import SCATTER, medians
from aiops_mcp.analysis.anomaly_verdict import Matrix, Vector
from aiops_mcp.analysis.changepoints import BLOCKS, block_means

DAY: Final = 86_400.0
HARMONICS: Final = 2
"""Night and day, and two peaks in a day; what swings faster is no part of this."""
SHORTEST: Final = DAY / 4
"""In a shorter window the swing is a line, and could be bent by any event."""
FEWEST_BLOCKS: Final = 60
ROUNDS: Final = 5
BIWEIGHT: Final = 4.685
"""Deviations beyond which a block counts no more; 95 % efficient for normal noise."""
_RIDGE: Final = 1e-9


def curves(times: Vector, values: Matrix) -> tuple[NDArray[np.int64], Matrix]:
    """The rows (series x samples) that are long enough, and the swing of each of them.

    ``times`` are ascending unix seconds.
    """
    size = values.shape[1]
    block = max(size // BLOCKS, 1)
    means = block_means(values, block)
    enough = np.isfinite(means).sum(axis=1) >= FEWEST_BLOCKS
    rows: NDArray[np.int64] = np.flatnonzero(enough).astype(np.int64)
    if not rows.size or times[-1] - times[0] < SHORTEST:
        return rows[:0], values[:0]
    centres = block_means(times[None, :], block)[0]
    weights = _fitted(means[rows], _basis(centres))
    return rows, np.einsum("rk,sk->rs", weights, _basis(times))


def _basis(times: Vector) -> Matrix:
    """Columns: level, line and the harmonics."""
    turns = 2 * np.pi * times / DAY
    waves = [
        wave(number * turns) for number in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)
    ]
    middle, span = (times[0] + times[-1]) / 2, max(times[-1] - times[0], 1.0)
    return np.stack([np.ones_like(times), (times - middle) / span, *waves], axis=1)


def _fitted(means: Matrix, basis: Matrix) -> Matrix:
    """Coefficients of each row, robustly; missing blocks count for nothing."""
    present = np.isfinite(means)
    held = np.where(present, means, 0.0)
    weights = present.astype(np.float64)
    products = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
    many = basis.shape[1]
    ridge = _RIDGE * len(basis) * np.eye(many)
    found: Matrix = np.zeros((len(means), many))
    for turn in range(ROUNDS):
        # einsum and not @: threads of a linear-algebra library cost more than they do here.
        normal = np.einsum("rb,bk->rk", weights, products).reshape(-1, many, many) + ridge
        sums = np.einsum("rb,bk->rk", weights * held, basis)[:, :, None]
        found = np.asarray(np.linalg.solve(normal, sums)[:, :, 0], dtype=np.float64)
        apart = np.where(present, np.abs(held - np.einsum("rk,bk->rb", found, basis)), np.nan)
        scatter = np.maximum(SCATTER * medians(apart), 1e-300)[:, None]
        share = np.where(present, apart, 0.0) / scatter
        # First least distances, which start from nowhere safely; then the biweight, which forgets.
        if turn < ROUNDS // 2:
            weights = np.where(present, 1 / np.maximum(share, 0.1), 0.0)
        else:
            inside = np.minimum(share / BIWEIGHT, 1.0)
            weights = (1 - inside**2) ** 2 * present
    return found
