"""What a series is expected to be: its level, or its usual value at this hour of the day or week.

Which of them is taken, the series itself decides: the one that erred least so far. Nothing here
knows what is an anomaly.
"""

import math
from typing import Final

HOUR: Final = 3600.0
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 168
MEMORY: Final = 256
"""Samples a level, and the record of how far each expectation errs, are remembered for."""
NEW_VISIT: Final = 0.25
"""The weight of the newest visit in the usual value of an hour: the last four count for most."""


class Expectation:
    """The expected next value of a stream, by exponential averages (Holt 1957; Winters 1960)."""

    __slots__ = ("_count", "_error", "_hour", "_judged", "_level", "_total", "_usual", "_visits")

    def __init__(self) -> None:
        self._level = math.nan
        self._usual = [math.nan] * (DAY_HOURS + WEEK_HOURS)
        self._hour = -1
        self._total = 0.0
        self._count = 0
        self._error = [0.0, 0.0, 0.0]
        self._judged = [0, 0, 0]
        self._visits = 0

    def at(self, time: float) -> float:
        """What is expected at this time (unix seconds); NaN before the first value."""
        expected = self._level
        least = self._error[0] if self._judged[0] > MEMORY // 2 else math.inf
        hour = int(time // HOUR) % WEEK_HOURS
        for which, place in ((1, hour % DAY_HOURS), (2, DAY_HOURS + hour)):
            usual = self._usual[place]
            if self._judged[which] > MEMORY // 2 and self._error[which] < least and usual == usual:  # noqa: PLR0124 (NaN is no value; isnan is a call)
                expected, least = usual, self._error[which]
        return expected

    def learn(self, time: float, value: float) -> None:
        """Take one sample in; a later time each time."""
        hour = int(time // HOUR) % WEEK_HOURS
        if hour != self._hour:
            self._close(hour)
        day, week = self._usual[hour % DAY_HOURS], self._usual[DAY_HOURS + hour]
        for which, expected in enumerate((self._level, day, week)):
            if expected == expected:  # noqa: PLR0124 (as above)
                judged = self._judged[which] = self._judged[which] + 1
                weight = max(2 / (MEMORY + 1), 1 / judged)
                self._error[which] += weight * (abs(value - expected) - self._error[which])
        self._total += value
        self._count += 1
        self._visits += 1
        if self._visits == 1:
            self._level = value
        else:
            self._level += max(2 / (MEMORY + 1), 1 / self._visits) * (value - self._level)

    def _close(self, hour: int) -> None:
        """An hour is over: its mean becomes part of what is usual."""
        if self._count:
            mean = self._total / self._count
            for place in (self._hour % DAY_HOURS, DAY_HOURS + self._hour):
                usual = self._usual[place]
                known = not math.isnan(usual)
                self._usual[place] = usual + NEW_VISIT * (mean - usual) if known else mean
        self._hour, self._total, self._count = hour, 0.0, 0
