"""One series judged sample by sample, each from its past only, with one alarm per event.

Five views of a sample are each turned into a surprise (-log10 of how rare it is among its own
past, see ``anomaly_surprise.py``): how far it is from what is expected at its time, how far for a
while, how far it jumped from where it just was, and how unlike anything before it the last few and
the last few dozen samples are. Their cubic mean (one view that is very surprised outweighs four
that are not), averaged over a handful of samples, is how unusual the series is now: a short mean
of the errors set against their past, as in Ahmad et al. 2017, "Unsupervised Real-Time Anomaly
Detection for Streaming Data". Every view is a rank among its own past, so no scale is needed, and
one threshold suits every series: the surprise of a normal value ``sensitivity`` deviations out.
"""

import math
from typing import Final

from aiops_mcp.analysis.anomaly_samples import HUGE, LATEST
from aiops_mcp.analysis.anomaly_surprise import Ranks, Recurrence
from aiops_mcp.analysis.anomaly_verdict import (
    MOST_DEVIATIONS,
    Anomaly,
    Kind,
    Verdict,
    confidence_of,
    limited,
    severity_of,
)
from aiops_mcp.analysis.seasons import Expectation
from aiops_mcp.models.anomaly import AnomalyType

FEW: Final = 6
"""Samples of a short stretch: a jump is from their level, and their shape is compared."""
DOZENS: Final = 24
"""Samples of a long stretch whose shape is compared."""
WHILE: Final = 50
"""Samples over which a lasting distance from what is expected is averaged."""
HANDFUL: Final = 5
"""Samples over which the surprise is averaged before it alarms."""
AROUND: Final = 20
"""And over which the score looks, beside the sample itself."""
REACH: Final = 2000
"""Samples back in which something similar is looked for."""
REST: Final = 50
"""An event is over when this many samples in a row did not alarm."""
FEWEST: Final = 100
"""Fewer samples are too few to alarm: one in a hundred cannot be told."""

AGREEMENT: Final = 0.9
"""The views never agree wholly: this share of the surprise of one is asked of their mean."""

_SCATTER: Final = 1.4826  # the standard deviation of normal values over their median deviation
_UNKNOWN: Final = Verdict(0.0, False, None, math.nan, math.nan, math.nan)


def surprise_of(deviations: float) -> float:
    """-log10 of the chance of a normal value at least this many deviations away, either side."""
    return -math.log10(math.erfc(deviations / math.sqrt(2)))


class OnlineDetector:
    """Judges one series as it arrives; samples that are not newer than the last are left out."""

    __slots__ = (
        "_around",
        "_began",
        "_kind",
        "_last_alarm",
        "_lasting",
        "_near",
        "_previous",
        "_ranks",
        "_recent",
        "_recurrence",
        "_seasons",
        "_seen",
        "_share",
        "_threshold",
        "_time",
        "_used",
    )

    def __init__(self, *, sensitivity: float = 2.5, kind: Kind = Kind.GAUGE) -> None:
        self._threshold = AGREEMENT * surprise_of(sensitivity)
        self._share = 1 - 10 ** -surprise_of(sensitivity)
        self._kind = kind
        self._seen = 0
        self._used = 0
        self._time = -math.inf
        self._previous = math.nan
        self._seasons = Expectation()
        self._recurrence = Recurrence((FEW, DOZENS), REACH)
        self._ranks = tuple(Ranks() for _ in range(5))
        self._near = 0.0
        self._lasting = 0.0
        self._recent = 0.0
        self._around = 0.0
        self._last_alarm = -REST
        self._began = 0

    @property
    def ready(self) -> bool:
        """Whether enough has been seen to alarm; before, the series is too short to judge."""
        return self._used >= FEWEST

    def update(self, time: float, value: float) -> Verdict:
        """The verdict on one sample (unix seconds, value); unknown before there is a past."""
        position = self._seen
        self._seen += 1
        if not (math.isfinite(value) and self._time < time < LATEST):
            return _UNKNOWN
        if self._kind is Kind.COUNTER:
            before, self._previous = self._previous, value
            lasted, self._time = time - self._time, time
            if not (math.isfinite(before) and lasted < math.inf):
                return _UNKNOWN
            value = (value - before if value >= before else value) / lasted
        self._time = time
        value = max(-HUGE, min(HUGE, value))
        expected = self._seasons.at(time)
        self._seasons.learn(time, value)
        shapes = self._recurrence.distances(value)
        self._used += 1
        if math.isnan(expected):
            return _UNKNOWN
        away = value - expected
        size = abs(away)
        self._lasting += 2 / (WHILE + 1) * (size - self._lasting)
        ranks = self._ranks
        point, lasting, jump = (
            ranks[0].surprise(size),
            ranks[1].surprise(self._lasting),
            ranks[2].surprise(abs(away - self._near)),
        )
        short, long = ranks[3].surprise(shapes[0]), ranks[4].surprise(shapes[1])
        self._near += 2 / (FEW + 1) * (away - self._near)
        unusual = ((point**3 + lasting**3 + jump**3 + short**3 + long**3) / 5) ** (1 / 3)
        self._recent += 2 / (HANDFUL + 1) * (unusual - self._recent)
        self._around += 2 / (AROUND + 1) * (unusual - self._around)
        threshold = self._threshold
        score = (unusual + self._around) / 2
        score /= score + threshold
        width = ranks[0].quantile(self._share)
        if self._recent < threshold:
            if self._recent < threshold / 2:
                self._began = position + 1
            return Verdict(score, False, None, expected, expected - width, expected + width)
        quiet = position - self._last_alarm
        self._last_alarm = position
        if quiet < REST or not self.ready:
            return Verdict(score, False, None, expected, expected - width, expected + width)
        anomaly = self._anomaly(
            position, value, expected, width, (max(point, jump), lasting, max(short, long))
        )
        return Verdict(score, True, anomaly, expected, expected - width, expected + width)

    def _anomaly(
        self,
        position: int,
        value: float,
        expected: float,
        width: float,
        views: tuple[float, float, float],
    ) -> Anomaly:
        """The event that this sample makes known; what it is, its strongest view tells."""
        away = value - expected
        point, lasting, shape = views
        if point >= lasting and point >= shape:
            kind = AnomalyType.SPIKE if away > 0 else AnomalyType.DROP
        else:
            kind = AnomalyType.TREND_CHANGE if lasting >= shape else AnomalyType.PATTERN_BREAK
        scatter = _SCATTER * self._ranks[0].quantile(0.5)
        deviation = limited(away / scatter if scatter > 0 else math.copysign(MOST_DEVIATIONS, away))
        return Anomaly(
            begin=min(self._began, position),
            end=position,
            peak=position,
            type=kind,
            severity=severity_of(deviation),
            expected=expected,
            low=expected - width,
            high=expected + width,
            actual=value,
            deviation=deviation,
            confidence=confidence_of(self._recent),
        )
