"""Least squares over windows: deriv and predict_linear.

Moments are joined span by span (Chan et al.), so that large offsets in time or value do not
cancel. Definition: Prometheus ``promql/functions.go``, linearRegression.
"""

from dataclasses import dataclass

import numpy as np

from aiops_mcp.simulation.promql.store import Floats, Mask, Times
from aiops_mcp.simulation.promql.windows import Indexes, WindowBlock


@dataclass(slots=True)
class _Moments:
    """Means and centred sums; x has shape (L,), y and xy (n, L)."""

    x: Floats
    y: Floats
    xx: Floats
    xy: Floats

    def shifted(self, width: int) -> "_Moments":
        """Each span of ``width`` samples joined with its right neighbour."""
        dx, dy = self.x[width:] - self.x[:-width], self.y[:, width:] - self.y[:, :-width]
        return _Moments(
            self.x[:-width] + dx / 2,
            self.y[:, :-width] + dy / 2,
            self.xx[:-width] + self.xx[width:] + dx**2 * (width / 2),
            self.xy[:, :-width] + self.xy[:, width:] + dx * dy * (width / 2),
        )

    def take_in(
        self, chosen: Indexes, count: Floats, part: "_Moments", here: Indexes, width: int
    ) -> None:
        """Join one span of the windows ``chosen``, which hold ``count`` samples so far."""
        total = count + width
        dx = part.x[here] - self.x[chosen]
        dy = part.y[:, here] - self.y[:, chosen]
        weight = count * width / total
        self.x[chosen] += dx * (width / total)
        self.y[:, chosen] += dy * (width / total)
        self.xx[chosen] += part.xx[here] + dx**2 * weight
        self.xy[:, chosen] += part.xy[:, here] + dx * dy * weight


def _seconds(timestamps: Times) -> Floats:
    """Seconds since the first sample."""
    return (timestamps - timestamps[0]) / 1000


def fit(block: WindowBlock) -> tuple[Floats, Floats, Floats, Mask]:
    """Slope per second, mean value, mean time in seconds since the block's first sample."""
    lengths = block.counts
    rows, steps = len(block.labels), int(block.lo.size)
    seconds = _seconds(block.timestamps)
    # No line goes through an infinite value: it must not survive in one of the sums alone.
    values = np.where(np.isinf(block.values), np.nan, block.values)
    level = _Moments(seconds, values, np.zeros_like(seconds), np.zeros_like(block.values))
    total = _Moments(
        np.zeros(steps), np.zeros((rows, steps)), np.zeros(steps), np.zeros((rows, steps))
    )
    count = np.zeros(steps)
    position = block.lo.copy()
    width, longest = 1, int(lengths.max(initial=0))
    while width <= longest:
        chosen = np.flatnonzero(lengths & width)
        if chosen.size:
            total.take_in(chosen, count[chosen], level, position[chosen], width)
            count[chosen] += width
            position[chosen] += width
        if 2 * width <= longest:
            level = level.shifted(width)
        width *= 2
    enough = lengths >= 2
    slope = total.xy / np.where(enough, total.xx, 1.0)
    return slope, total.y, total.x, enough


def derivative(block: WindowBlock) -> tuple[Floats, Mask]:
    slope, _, _, enough = fit(block)
    return slope, enough


def predicted(block: WindowBlock, at_ms: Floats, ahead: Floats) -> tuple[Floats, Mask]:
    """The line's value ``ahead`` seconds after the evaluation times ``at_ms``."""
    slope, mean, mean_seconds, enough = fit(block)
    now = (at_ms - block.timestamps[0]) / 1000
    return mean + slope * (now + ahead - mean_seconds), enough
