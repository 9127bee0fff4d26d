"""Where a series that went along one line begins to follow another: a leak, a drain, a queue.

A broken line by least squares (Hudson 1966, "Fitting Segmented Curves Whose Join Points Have to Be
Estimated"), its joint looked for on a grid, over the means of blocks of samples.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_robust import quantiles
from aiops_mcp.analysis.anomaly_verdict import Matrix, Vector
from aiops_mcp.analysis.changepoints import BLOCKS, block_means

JOINTS: Final = tuple(part / 20 for part in range(2, 19))
"""Where a joint may be, as shares of the window."""
FEWEST_BLOCKS: Final = 40
BEND_HELPS: Final = 0.15
"""A bend leaves at most this share of the squared error of one line; a random walk seldom does."""


@dataclass(frozen=True, slots=True)
class Bend:
    """``index`` of the first sample after the joint, the broken line, its first part drawn on."""

    index: int
    fitted: Vector
    before: Vector


def bends(values: Matrix) -> dict[int, Bend]:
    """The rows (series x samples) that bend; those with long gaps are left out."""
    size = values.shape[1]
    block = max(size // BLOCKS, 1)
    means = block_means(values, block)
    length = means.shape[1]
    if length < FEWEST_BLOCKS:
        return {}
    complete = np.isfinite(means).all(axis=1)
    rows: NDArray[np.int64] = np.flatnonzero(complete).astype(np.int64)
    if not rows.size:
        return {}
    low, high = quantiles(values[rows], (0.01, 0.99))
    held = np.clip(means[rows], low[:, None], high[:, None])
    held -= held.mean(axis=1, keepdims=True)
    whole = (held * held).sum(axis=1)
    line = whole - _explained(held, _basis(length))
    left = np.array([whole - _explained(held, _basis(length, at)) for at in JOINTS])
    best = left.argmin(axis=0)
    # Rounding in a series that is a line leaves a little of either.
    bent = left[best, np.arange(len(rows))] < BEND_HELPS * line
    bent &= line > 1e-6 * whole
    found: dict[int, Bend] = {}
    for number, near in enumerate(JOINTS):
        places: NDArray[np.int64] = np.flatnonzero(bent & (best == number)).astype(np.int64)
        for place, at in zip(places, _joints(held[places], near), strict=True):
            row = int(rows[place])
            found[row] = _bend(values[row], at)
    return found


def _joints(held: Matrix, near: float) -> list[float]:
    """The best joint of each row between the neighbours of one of ``JOINTS``."""
    around = [round(near + part / 100, 2) for part in range(-4, 5)]
    gained = np.array([_explained(held, _basis(held.shape[1], at)) for at in around])
    return [around[int(each)] for each in gained.argmax(axis=0)]


@lru_cache(maxsize=256)
def _basis(length: int, joint: float | None = None) -> Matrix:
    """Orthonormal columns that span all lines, or all lines broken at a share of the window."""
    places = np.linspace(-1, 1, length)
    columns = [np.ones_like(places), places]
    if joint is not None:
        columns.append(np.maximum(places - (2 * joint - 1), 0.0))
    return np.linalg.qr(np.stack(columns, axis=1)).Q


def _explained(held: Matrix, basis: Matrix) -> Vector:
    along = np.einsum("rb,bk->rk", held, basis)  # threads would cost more than they do here
    return (along * along).sum(axis=1)


def _bend(series: Vector, at: float) -> Bend:
    """The broken line itself, over the samples that are there."""
    size = len(series)
    index = round(at * size)
    places = np.linspace(-1, 1, size)
    columns = np.stack([np.ones(size), places, np.maximum(places - places[index], 0.0)], axis=1)
    known = np.isfinite(series)
    there = columns if known.all() else columns[known]
    # Three columns: the normal equations lose nothing, and cost a tenth of a decomposition.
    weights = np.linalg.solve(there.T @ there, there.T @ series[known])
    return Bend(index, columns @ weights, columns[:, :2] @ weights[:2])
