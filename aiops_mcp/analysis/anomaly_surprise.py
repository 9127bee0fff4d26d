"""How rare a number is among those before it, and how unlike the present is to anything before it.

The two building blocks of judging a stream: a conformal tail probability (Vovk, Gammerman and
Shafer 2005, "Algorithmic Learning in a Random World"; of a stream: Laxhammar and Falkman 2014), and
the distance to the nearest stretch of the past. Nothing here knows time, seasons or alarms.
"""

import math
from array import array
from bisect import bisect_left
from typing import Final

import numpy as np

from aiops_mcp.analysis.series import Vector

REMEMBERED: Final = 4096
"""Numbers a memory of ranks holds; when full, every other one of the sorted ones goes."""
FEWEST: Final = 20
"""With fewer numbers before it, none is rare."""
TAIL_FROM: Final = 100
"""From here on the highest hundredth is known well enough to go beyond the highest number."""
MOST: Final = 10.0
"""No number is rarer than one in ten thousand million."""
_LOG_5: Final = math.log(5)
_LOG_10: Final = math.log(10)


class Ranks:
    """The numbers so far, in order; the newest weigh most, because a full memory is halved."""

    __slots__ = ("_sorted",)

    def __init__(self) -> None:
        self._sorted = array("d")

    def surprise(self, number: float) -> float:
        """-log10 of the share of earlier numbers at least this high, and remember it.

        Beyond the highest hundredth the tail is taken to be exponential, as excesses over a high
        threshold are (Pickands 1975; on streams: Siffer et al. 2017, "Anomaly Detection in Streams
        with Extreme Value Theory"), with the scale that the 95th and 99th percentile give.
        """
        numbers = self._sorted
        count = len(numbers)
        place = bisect_left(numbers, number)
        rare = 0.0
        if count >= FEWEST:
            rare = -math.log10((count - place + 1) / (count + 1))
            if rare > 2 and count >= TAIL_FROM:
                high = numbers[count * 99 // 100]
                scale = (high - numbers[count * 95 // 100]) / _LOG_5
                if scale > 0:
                    rare = min(2 + (number - high) / scale / _LOG_10, MOST)
        numbers.insert(place, number)
        if count + 1 >= REMEMBERED:
            # An even length: the highest one stays.
            del numbers[::2]
        return rare

    def quantile(self, share: float) -> float:
        """The number that this share of the earlier ones is below; NaN where there are too few."""
        count = len(self._sorted)
        if count < FEWEST:
            return math.nan
        return self._sorted[min(int(share * count), count - 1)]


class Recurrence:
    """How far the newest stretch of a series is from the most similar stretch before it.

    The left matrix profile (Lu, Matsui and Keogh 2022, "DAMP: Accurate Time Series Anomaly
    Detection on Trillions of Datapoints"), with stretches that fade exponentially instead of ending
    at once: then the distance to what was ``lag`` samples ago is a running sum for each lag, and a
    sample costs a few operations on one array.
    """

    __slots__ = ("_apart", "_fade", "_past", "_reach", "_seen", "_spans")

    def __init__(self, spans: tuple[int, ...], reach: int) -> None:
        self._spans = spans
        self._reach = reach
        self._fade = np.array([[1 - 1 / span] for span in spans])
        self._apart = np.zeros((len(spans), reach))
        # The past is kept twice, so that the last ``reach`` samples always lie in one piece.
        self._past: Vector = np.zeros(2 * reach)
        self._seen = 0

    def distances(self, value: float) -> list[float]:
        """For each span, the distance after this sample; 0 while too little has been seen."""
        reach, seen = self._reach, self._seen
        known = min(seen, reach)
        slot = reach - 1 - seen % reach
        if known:
            # Newest first: position ``lag - 1`` holds what came ``lag`` samples ago.
            apart = self._past[slot + 1 : slot + 1 + known] - value
            apart *= apart
            sums = self._apart[:, :known]
            sums *= self._fade
            sums += apart
        found: list[float] = []
        for row, span in enumerate(self._spans):
            # A lag must have been watched for two spans; a smaller lag than one compares the
            # stretch with itself.
            last = known if seen > reach + 2 * span else known - 2 * span
            found.append(float(self._apart[row, span:last].min()) if last > span else 0.0)
        self._past[slot] = self._past[slot + reach] = value
        self._seen = seen + 1
        return found
