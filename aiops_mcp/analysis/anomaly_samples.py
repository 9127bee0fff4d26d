"""Samples put in order before they are judged: sorted, one per moment, finite, counters as rates.

Nothing here knows what is unusual.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_verdict import Kind, Matrix, Vector

Positions = NDArray[np.int64]

HUGE: Final = 1e150
"""Values beyond are taken for this one, whose square is still a number."""
LATEST: Final = 1e15
"""Unix seconds beyond are no time."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Series on one time axis, ascending and without doubles; NaN where a sample is missing.

    ``given`` is the position each moment had as given (the first of doubles), ``moment`` the
    moment of each given position (-1 where its time was no number).
    """

    times: Vector
    values: Matrix
    given: Positions
    moment: Positions


def in_order(times: Vector, values: Matrix, kind: Kind) -> Samples:
    """Series x samples, as given, made fit to be judged.

    Doubles of one moment count as their mean, infinite values as missing, and a counter becomes its
    growth per second (a fall is a reset: it began again at 0).
    """
    usable: Positions = np.flatnonzero(np.abs(times) < LATEST).astype(np.int64)
    moments, first, back = np.unique(times[usable], return_index=True, return_inverse=True)
    known = _held(values)
    if len(moments) == len(times) and bool((np.diff(first) == 1).all()):
        ordered = known
    elif len(moments) == len(usable):
        ordered = known[:, usable[first]]
    else:
        ordered = _means(known[:, usable], back.astype(np.int64), len(moments))
    moment: Positions = np.full(len(times), -1, dtype=np.int64)
    moment[usable] = back
    if kind is Kind.COUNTER:
        ordered = _held(rates(moments, ordered))
    return Samples(moments, ordered, usable[first], moment)


def rates(times: Vector, values: Matrix) -> Matrix:
    """Growth per second since the sample before that is there; NaN at the first one."""
    size = values.shape[1]
    if size == 0:
        return values
    present = np.isfinite(values)
    steps: Positions = np.arange(size, dtype=np.int64)
    latest = np.maximum.accumulate(np.where(present, steps, -1), axis=1)
    before = np.concatenate((np.full((len(values), 1), -1), latest[:, :-1]), axis=1)
    earlier = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    lasted = times - times[np.maximum(before, 0)]
    grown = np.where(values < earlier, values, values - earlier)
    there = present & (before >= 0)
    with np.errstate(over="ignore"):
        return np.divide(grown, lasted, out=np.full(values.shape, np.nan), where=there)


def _held(values: Matrix) -> Matrix:
    """Infinite values as missing ones, and what is too large to be squared as ``HUGE``."""
    if values.size and np.abs(values).max() <= HUGE:
        return values
    return np.clip(np.where(np.isfinite(values), values, np.nan), -HUGE, HUGE)


def _means(values: Matrix, back: Positions, size: int) -> Matrix:
    """The mean of the doubles of each moment; NaN where all of them are missing.

    Summed in the order of their size, so that it does not depend on the order they came in.
    """
    found = np.full((len(values), size), np.nan)
    for row, numbers in enumerate(values):
        order = np.lexsort((numbers, back))
        order = order[np.isfinite(numbers[order])]
        total = np.bincount(back[order], weights=numbers[order], minlength=size)
        count = np.bincount(back[order], minlength=size)
        np.divide(total, count, out=found[row], where=count > 0)
    return found
