"""Classic histograms: cumulative counts by upper bound, added and asked for a quantile. Pure."""

import math
from collections.abc import Mapping, Sequence


def bucket_quantile(level: float, buckets: Mapping[float, float]) -> float:
    """The quantile of a classic histogram: upper bound -> cumulative count.

    As Prometheus (promql/quantile.go): linear inside a bucket, the lower edge is 0 where the
    first bound is positive, in the +Inf bucket the highest finite bound; NaN without an +Inf
    bucket, with fewer than two buckets or no observations. Counts are made monotonic first.
    """
    if math.isnan(level) or any(map(math.isnan, buckets.values())):
        return math.nan
    if not 0 <= level <= 1:
        return math.copysign(math.inf, level)
    bounds = sorted(buckets)
    counts = monotonic([buckets[bound] for bound in bounds])
    unusable = len(bounds) < 2 or bounds[-1] != math.inf or not counts[-1] > 0
    return math.nan if unusable else _inside(level * counts[-1], bounds, counts)


def _inside(rank: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    index = next(i for i, count in enumerate(counts) if count >= rank)
    if index == len(bounds) - 1:
        return bounds[-2]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    below = counts[index - 1] if index else 0.0
    start = bounds[index - 1] if index else 0.0
    inside = counts[index] - below
    if inside == 0:  # only at level 0 with an empty first bucket
        return math.nan
    return start + (bounds[index] - start) * ((rank - below) / inside)


def add_buckets(histograms: Sequence[Mapping[float, float]]) -> dict[float, float]:
    """Histograms of several sources as one, on the bounds that all of them have.

    A cumulative count is known at its own bounds only. One without +Inf is left out.
    """
    whole = [histogram for histogram in histograms if math.inf in histogram]
    if not whole:
        return {}
    shared = set(whole[0]).intersection(*whole[1:])
    return {bound: math.fsum(histogram[bound] for histogram in whole) for bound in shared}


def monotonic(counts: Sequence[float]) -> list[float]:
    """Counts that never fall: a bucket scraped a moment earlier may be behind its neighbour."""
    highest, made = -math.inf, list[float]()
    for count in counts:
        highest = max(highest, count)
        made.append(highest)
    return made
