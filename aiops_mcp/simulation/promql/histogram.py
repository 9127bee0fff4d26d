"""Classic histograms: quantiles and fractions from cumulative buckets.

Rules from Prometheus ``promql/quantile.go``; native histograms do not exist here.
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.promql.tree import METRIC_NAME
from aiops_mcp.simulation.promql.frames import Notes, Vector
from aiops_mcp.simulation.promql.matching import Labels, drop
from aiops_mcp.simulation.promql.store import Floats, Mask

Chosen: TypeAlias = Mask
"""Which of the evaluation times."""
BucketFunction: TypeAlias = Callable[[Floats, Floats, Chosen], Floats]
"""Upper bounds (b,), counts (b, t) and which times these are, to results (t,)."""

_NOT_RISING = (
    "input to histogram_quantile needed to be fixed for monotonicity (see "
    "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
)
_SMALL_DELTA = 1e-12


def per_histogram(vector: Vector, compute: BucketFunction, notes: Notes) -> Vector:
    """Apply a function to each histogram, at the times where it has any bucket."""
    groups: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _bound(labels, notes)
        if bound is not None:
            key = drop(labels, ("le", METRIC_NAME))
            groups.setdefault(key, []).append((bound, row))
    steps = vector.values.shape[1]
    values = np.full((len(groups), steps), math.nan)
    present = np.zeros((len(groups), steps), dtype=np.bool_)
    for target, members in enumerate(groups.values()):
        members.sort()
        bounds = np.array([bound for bound, _ in members])
        rows = [row for _, row in members]
        here = vector.present[rows]
        present[target] = here.any(axis=0)
        for times, used in _same_buckets(here):
            counts = vector.values[np.array(rows)[used]][:, times]
            values[target, times], forced = _whole(bounds[used], counts, times, compute)
            if forced:
                name = dict(vector.labels[rows[0]]).get(METRIC_NAME, "")
                notes.inform(f'{_NOT_RISING} for metric name "{name}"')
    return Vector(list(groups), values, present)


def _bound(labels: Labels, notes: Notes) -> float | None:
    text = dict(labels).get("le", "")
    try:
        return float(text.replace("Inf", "inf"))
    except ValueError:
        notes.warn(
            f'bucket label "le" is missing or has a malformed value of "{text}" '
            f'for metric name "{dict(labels).get(METRIC_NAME, "")}"'
        )
        return None


def _same_buckets(here: Mask) -> Iterator[tuple[Chosen, Mask]]:
    """Times grouped by which of the buckets are there."""
    if here.all():
        yield np.ones(here.shape[1], dtype=np.bool_), np.ones(here.shape[0], dtype=np.bool_)
        return
    patterns, which = np.unique(here, axis=1, return_inverse=True)
    which = which.reshape(-1)
    for number in range(patterns.shape[1]):
        used = patterns[:, number]
        if used.any():
            yield which == number, used


def _whole(
    bounds: Floats, counts: Floats, times: Chosen, compute: BucketFunction
) -> tuple[Floats, bool]:
    """Check for the +Inf bucket, join equal bounds and force counts to rise, then compute.

    Also tells whether the counts had to be forced.
    """
    if bounds[-1] != math.inf:
        return _nowhere(counts), False
    unique, starts = np.unique(bounds, return_index=True)
    rising, forced = _rising(np.add.reduceat(counts, starts, axis=0))
    if unique.shape[0] < 2:
        return _nowhere(counts), forced
    return compute(unique, rising, times), forced


def _nowhere(counts: Floats) -> Floats:
    result: Floats = np.full((counts.shape[1],), math.nan)
    return result


def _rising(counts: Floats) -> tuple[Floats, bool]:
    """Counts that never fall from bucket to bucket, tiny differences ignored."""
    out = counts.copy()
    before = out[0].copy()
    forced = False
    for current in out[1:]:
        total = np.minimum(np.abs(before) + np.abs(current), np.finfo(float).max)
        close = np.abs(current - before) < _SMALL_DELTA * total
        fell = ~close & (current < before)
        forced = forced or bool(fell.any())
        np.copyto(current, before, where=close | fell)
        before = current
    return out, forced


def quantiles(vector: Vector, q: Floats, notes: Notes) -> Vector:
    """The q-quantile of each histogram, ``q`` of shape (T,); infinite for q outside [0, 1]."""
    inner = per_histogram(vector, _quantile(q), notes)
    values = np.where(q < 0, -math.inf, np.where(q > 1, math.inf, inner.values))
    return Vector(inner.labels, values, inner.present)


def _quantile(q: Floats) -> BucketFunction:

    def compute(bounds: Floats, counts: Floats, times: Chosen) -> Floats:
        wanted = q[times]
        observed = counts[-1]
        rank = wanted * observed
        bucket = _first_reaching(counts, rank)
        at = np.arange(counts.shape[1], dtype=np.int64)
        below = np.maximum(bucket - 1, 0)
        inner = bucket > 0
        lower = np.where(inner, bounds[below], 0.0)
        held = counts[bucket, at] - np.where(inner, counts[below, at], 0.0)
        rank = rank - np.where(inner, counts[below, at], 0.0)
        within: Floats = np.asarray(rank / held, dtype=np.float64)
        result = lower + (bounds[bucket] - lower) * within
        result = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], result)
        result = np.where(bucket == bounds.shape[0] - 1, bounds[-2], result)
        return np.where((observed == 0) | np.isnan(wanted), math.nan, result)

    return compute


def _first_reaching(counts: Floats, rank: Floats) -> NDArray[np.int64]:
    """Binary search per time: also with NaN counts it ends where Prometheus's search ends."""
    low = np.zeros(counts.shape[1], dtype=np.int64)
    high = np.full(counts.shape[1], counts.shape[0] - 1, dtype=np.int64)
    at = np.arange(counts.shape[1], dtype=np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        reached = counts[middle, at] >= rank
        searching = low < high
        high = np.where(searching & reached, middle, high)
        low = np.where(searching & ~reached, middle + 1, low)
    return low


def fraction(lower: Floats, upper: Floats) -> BucketFunction:
    """The share of observations between two bounds, both of shape (T,)."""

    def compute(bounds: Floats, counts: Floats, times: Chosen) -> Floats:
        low, high = lower[times], upper[times]
        total = counts[-1]
        share = (_rank(bounds, counts, high) - _rank(bounds, counts, low)) / total
        share = np.where(low >= high, 0.0, share)
        return np.where((total == 0) | np.isnan(low) | np.isnan(high), math.nan, share)

    return compute


def _rank(bounds: Floats, counts: Floats, value: Floats) -> Floats:
    """Observations up to a value, linear within buckets."""
    result = np.full(value.shape, math.nan)
    settled = np.zeros(value.shape, dtype=np.bool_)
    before = np.zeros(value.shape)
    left = 0.0 if bounds[0] > 0 else -math.inf
    for right, count in zip(bounds, counts, strict=True):
        at_edge = ~settled & (left >= value)
        within = ~settled & (left < value) & (right > value)
        share = (value - left) / (right - left)
        result = np.where(
            at_edge, before, np.where(within, before + (count - before) * share, result)
        )
        settled |= at_edge | within
        before, left = count, right
    return np.where(settled & ~(result > counts[-1]), result, counts[-1])
