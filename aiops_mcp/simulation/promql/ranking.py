"""Aggregations that pick series of a group: topk, bottomk, limitk, limit_ratio."""

import math
from collections.abc import Sequence

import numpy as np

from aiops_mcp.simulation.promql.aggregation import Groups, grouped
from aiops_mcp.simulation.promql.frames import QueryFailed, Vector
from aiops_mcp.simulation.promql.hashing import label_hash
from aiops_mcp.simulation.promql.store import Floats, Mask

_MAX_INT = 2.0**63


def whole_parameter(k: Floats) -> Floats:
    """The parameter as whole numbers, shape (T,).

    Raises:
        QueryFailed: where it is NaN or too large for 64 bits.
    """
    if np.isnan(k).any():
        raise QueryFailed("Parameter value is NaN")
    if (np.abs(k) >= _MAX_INT).any():
        raise QueryFailed(f"Scalar value {k[np.argmax(np.abs(k))]} overflows int64")
    return np.trunc(k)


def ranked(
    vector: Vector, k: Floats, grouping: Sequence[str], *, without: bool, largest: bool
) -> Vector:
    """The k largest or smallest series of each group at each time; NaN ranks last.

    With one evaluation time the rows come in rank order.
    """
    k = whole_parameter(k)
    if not vector.labels:
        return vector
    groups = grouped(_by_labels(vector), grouping, without=without)
    chosen = np.zeros_like(groups.present)
    order: list[int] = []
    for span in groups.spans():
        values = groups.values[span] if largest else -groups.values[span]
        chosen[span] = _best(values, groups.present[span], k)
        if k.shape[0] == 1:
            first = np.argsort(-values[:, 0], kind="stable")
            order += [span.start + row for row in first.tolist() if chosen[span.start + row, 0]]
    return _picked(vector, groups, chosen, order if k.shape[0] == 1 else None)


def _by_labels(vector: Vector) -> Vector:
    """Rows sorted by labels, so that ties fall the same way everywhere."""
    order = sorted(range(len(vector.labels)), key=vector.labels.__getitem__)
    return Vector(
        [vector.labels[row] for row in order], vector.values[order], vector.present[order]
    )


def _picked(vector: Vector, groups: Groups, chosen: Mask, order: list[int] | None) -> Vector:
    rows = np.flatnonzero(np.any(chosen, axis=1)).tolist() if order is None else order
    names = sorted(vector.labels)
    labels = [names[int(groups.rows[row])] for row in rows]
    return Vector(labels, groups.values[rows], chosen[rows])


def _best(values: Floats, present: Mask, k: Floats) -> Mask:
    """Which cells of (rows, T) are among the k largest of their column."""
    size = values.shape[0]
    if size <= k.min():
        return present.copy()
    keys = np.where(present, values, -math.inf)
    plain = present.all() and bool((keys > -math.inf).all())
    wanted = int(k[0])
    if plain and wanted >= 1 and (k == wanted).all():
        columns = np.ascontiguousarray(keys.T)
        bound = np.partition(columns, size - wanted, axis=1)[:, size - wanted]
        above = keys > bound
        level = keys == bound
        return above | (level & (np.cumsum(level, axis=0) <= wanted - above.sum(axis=0)))
    # Absent ranks below NaN, NaN below everything: sort by that first, then by value.
    standing = np.where(~present, 2, np.isnan(values).astype(np.int64))
    order = np.lexsort((-np.where(standing == 0, values, 0.0), standing), axis=0)
    rank = np.empty_like(order)
    places = np.broadcast_to(np.arange(size, dtype=np.int64)[:, None], order.shape)
    np.put_along_axis(rank, order, places, axis=0)
    return present & (rank < k)


def limited(vector: Vector, k: Floats, grouping: Sequence[str], *, without: bool) -> Vector:
    """limitk: any k series of each group, the first ones by labels."""
    k = whole_parameter(k)
    if not vector.labels:
        return vector
    groups = grouped(_by_labels(vector), grouping, without=without)
    chosen = np.zeros_like(groups.present)
    for span in groups.spans():
        here = groups.present[span]
        chosen[span] = here & (np.cumsum(here, axis=0) <= k)
    return _picked(vector, groups, chosen, None)


def sampled(vector: Vector, ratio: Floats) -> Vector:
    """limit_ratio: series by a hash of their labels; a negative ratio gives the complement.

    Raises:
        QueryFailed: where the ratio is NaN.
    """
    if np.isnan(ratio).any():
        raise QueryFailed("Ratio value is NaN")
    ratio = np.clip(ratio, -1.0, 1.0)
    places = np.array([label_hash(labels) for labels in vector.labels], dtype=np.float64) / 2.0**64
    below = places[:, None] < ratio
    beyond = places[:, None] >= 1 + ratio
    return Vector(
        vector.labels, vector.values, vector.present & np.where(ratio >= 0, below, beyond)
    )
