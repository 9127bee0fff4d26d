"""Aggregations over groups of series that give one value a group."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.promql.tree import METRIC_NAME
from aiops_mcp.simulation.promql.frames import Grid, Vector, empty
from aiops_mcp.simulation.promql.matching import Labels, drop, keep, labels_from
from aiops_mcp.simulation.promql.numerals import plain
from aiops_mcp.simulation.promql.over_time import quantile_of
from aiops_mcp.simulation.promql.store import Floats, Mask

Reduce: TypeAlias = "Callable[[Groups], Floats]"
_CANCELLED = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows sorted so that each group is one run; ``starts`` are the runs' first rows."""

    labels: Sequence[Labels]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    values: Floats
    present: Mask

    def spans(self) -> list[slice]:
        ends = [*self.starts[1:].tolist(), self.values.shape[0]]
        return [slice(a, b) for a, b in zip(self.starts.tolist(), ends, strict=True)]

    def any_present(self) -> Mask:
        return np.logical_or.reduceat(self.present, self.starts, axis=0)

    def counts(self) -> Floats:
        return np.add.reduceat(self.present, self.starts, axis=0, dtype=np.float64)


def group_key(labels: Labels, grouping: Sequence[str], *, without: bool) -> Labels:
    return drop(labels, (*grouping, METRIC_NAME)) if without else keep(labels, grouping)


def grouped(vector: Vector, grouping: Sequence[str], *, without: bool) -> Groups:
    """Rows in runs of one group each; groups in the order of their first series."""
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        groups.setdefault(group_key(labels, grouping, without=without), []).append(row)
    order = np.array([row for rows in groups.values() for row in rows], dtype=np.int64)
    sizes = np.array([0, *(len(rows) for rows in groups.values())], dtype=np.int64)
    return Groups(
        list(groups),
        np.cumsum(sizes)[:-1],
        order,
        vector.values[order],
        vector.present[order],
    )


def aggregate(op: str, vector: Vector, grouping: Sequence[str], *, without: bool) -> Vector:
    """sum, avg, min, max, count, group, stddev or stdvar."""
    if not vector.labels:
        return vector
    groups = grouped(vector, grouping, without=without)
    return Vector(groups.labels, REDUCTIONS[op](groups), groups.any_present())


def _sum(groups: Groups) -> Floats:
    """Sums, exact where the terms cancel."""
    terms = np.where(groups.present, groups.values, 0.0)
    total = np.add.reduceat(terms, groups.starts, axis=0)
    if np.nanmin(terms, initial=0.0) >= 0:
        return total
    magnitude = np.add.reduceat(np.abs(terms), groups.starts, axis=0)
    doubtful = np.isfinite(magnitude) & (np.abs(total) < magnitude * _CANCELLED)
    spans = groups.spans()
    for group, step in zip(*np.nonzero(doubtful), strict=True):
        total[group, step] = math.fsum(terms[spans[group], step])
    return total


def _average(groups: Groups) -> Floats:
    counts = np.maximum(groups.counts(), 1)
    total = _sum(groups)
    mean = total / counts
    overflowed = np.isinf(total)
    if overflowed.any():
        # Scaled down by a power of two, finite terms no longer overflow; infinite ones still do.
        scale = 2.0**-30
        terms = np.where(groups.present, groups.values * scale, 0.0)
        scaled = np.add.reduceat(terms, groups.starts, axis=0) / (counts * scale)
        mean[overflowed] = scaled[overflowed]
    return mean


def _extreme(combine: "np.ufunc") -> Reduce:
    def reduce(groups: Groups) -> Floats:
        terms = np.where(groups.present, groups.values, math.nan)
        return combine.reduceat(terms, groups.starts, axis=0)

    return reduce


def _variance(groups: Groups) -> Floats:
    counts = np.maximum(groups.counts(), 1)
    sizes = np.diff([*groups.starts.tolist(), groups.values.shape[0]])
    # Moved near zero by each group's first value, the mean and the distances keep their digits.
    anchors = np.stack(
        [
            np.take_along_axis(
                groups.values[span], np.argmax(groups.present[span], axis=0)[None], axis=0
            )[0]
            for span in groups.spans()
        ]
    )
    moved = np.where(groups.present, groups.values - np.repeat(anchors, sizes, axis=0), 0.0)
    mean = np.add.reduceat(moved, groups.starts, axis=0) / counts
    apart = np.where(groups.present, moved - np.repeat(mean, sizes, axis=0), 0.0)
    return np.add.reduceat(apart**2, groups.starts, axis=0) / counts


REDUCTIONS: Mapping[str, Reduce] = {
    "sum": _sum,
    "avg": _average,
    "min": _extreme(np.fmin),
    "max": _extreme(np.fmax),
    "count": Groups.counts,
    "group": lambda groups: np.ones((len(groups.labels), groups.values.shape[1])),
    "stdvar": _variance,
    "stddev": lambda groups: np.sqrt(_variance(groups)),
}


def quantile(vector: Vector, q: Floats, grouping: Sequence[str], *, without: bool) -> Vector:
    """The q-quantile of each group; ``q`` has shape (T,)."""
    if not vector.labels:
        return vector
    groups = grouped(vector, grouping, without=without)
    values = np.empty((len(groups.labels), vector.values.shape[1]))
    for number, span in enumerate(groups.spans()):
        members, here = groups.values[span].T[None], groups.present[span].T[None]
        values[number] = quantile_of(members, here, q)[0]
    return Vector(groups.labels, values, groups.any_present())


def count_values(
    vector: Vector, label: str, grouping: Sequence[str], grid: Grid, *, without: bool
) -> Vector:
    """How many series of a group have each value, the value told by a label."""
    rows: dict[Labels, Floats] = {}
    for row, labels in enumerate(vector.labels):
        key = group_key(labels, grouping, without=without)
        here = vector.present[row]
        for value in np.unique(vector.values[row, here]).tolist():
            same = (
                vector.values[row] == value
                if not math.isnan(value)
                else np.isnan(vector.values[row])
            )
            target = labels_from({**dict(key), label: plain(value)})
            counts = rows.setdefault(target, np.zeros(grid.size))
            counts += here & same
    if not rows:
        return empty(grid)
    values = np.stack(list(rows.values()))
    return Vector(list(rows), values, values > 0)
