"""Counters and gauges as sampled: rates with resets, the newest value, the drift. Pure.

Points are ``(unix seconds, value)``, oldest first.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

Points = Sequence[tuple[float, float]]


def points_of(values: Iterable[tuple[float, str]]) -> tuple[tuple[float, float], ...]:
    """Samples as Prometheus writes them, as numbers; what is no finite number is left out."""
    read: list[tuple[float, float]] = []
    for moment, text in values:
        try:
            number = float(text)
        except ValueError:
            continue
        if math.isfinite(number):
            read.append((moment, number))
    return tuple(read)


def increase(points: Points) -> float | None:
    """By how much a counter grew from its first point to its last; null with under two points.

    A fall is a reset, and the counter began again at 0 (as Prometheus's ``increase`` counts, but
    without its extrapolation).
    """
    if len(points) < 2:
        return None
    grown = 0.0
    for (_, before), (_, after) in pairwise(points):
        grown += after - before if after >= before else after
    return grown


def rate(points: Points, *, since: float = -math.inf, until: float = math.inf) -> float | None:
    """A counter's growth per second between two moments, from the points inside them."""
    inside = [point for point in points if since <= point[0] <= until]
    grown = increase(inside)
    if grown is None or inside[-1][0] <= inside[0][0]:
        return None
    return grown / (inside[-1][0] - inside[0][0])


def growing_since(points: Points, *, above: float = 0.0) -> float | None:
    """Since when a counter has grown by more than ``above`` per second at every step until now.

    Null where its last step is no growth.
    """
    began: float | None = None
    for (earlier, before), (later, after) in zip(points[-2::-1], points[:0:-1], strict=False):
        step = after - before if after >= before else after
        if later <= earlier or step / (later - earlier) <= above:
            break
        began = earlier
    return began


def slope(points: Points) -> float | None:
    """The change of a gauge per second: the least-squares line's; null with under three points."""
    if len(points) < 3:
        return None
    count = len(points)
    mean_time = sum(moment for moment, _ in points) / count
    mean_value = sum(value for _, value in points) / count
    spread = sum((moment - mean_time) ** 2 for moment, _ in points)
    if spread == 0:
        return None
    return sum((m - mean_time) * (v - mean_value) for m, v in points) / spread


def steady_since(points: Points) -> float | None:
    """Since when a gauge has had its last value; null without points."""
    if not points:
        return None
    last = points[-1][1]
    began = points[-1][0]
    for moment, value in reversed(points):
        if value != last:
            break
        began = moment
    return began
