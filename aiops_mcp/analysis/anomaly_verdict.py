"""What a judgement over a series says: its anomalies, its expectation, and what could not be said.

Plain data on arrays; it knows nothing of clusters, queries or the wire.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


class Kind(StrEnum):
    """A gauge is judged as it is; a counter by its growth, its resets taken for what they are."""

    GAUGE = "GAUGE"
    COUNTER = "COUNTER"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One event of one series.

    ``begin``, ``end`` (the last sample of it) and ``peak`` are positions in the samples as given;
    ``expected``, ``low``, ``high`` and ``actual`` belong to the peak, in the series' own unit (of a
    counter: per second). ``deviation`` counts robust deviations, with its sign. ``confidence`` is
    the share of such anomalies that were true ones on labelled data.
    """

    begin: int
    end: int
    peak: int
    type: AnomalyType
    severity: AnomalySeverity
    expected: float
    low: float
    high: float
    actual: float
    deviation: float
    confidence: float


@dataclass(slots=True)
class Judged:
    """One series over a finished window.

    ``score`` (0 to 1, per sample) ranks samples by how unusual they are; ``expected``, ``low`` and
    ``high`` are NaN where nothing can be expected. ``remarks`` say what could not be judged, and
    why.
    """

    anomalies: list[Anomaly]
    score: Vector
    expected: Vector
    low: Vector
    high: Vector
    remarks: list[str] = field(default_factory=list[str])
    period: float = 0.0
    """Seconds after which the series repeats itself; 0 where it does not."""


class Verdict(NamedTuple):
    """One sample, judged by what came before it.

    ``score`` (0 to 1) ranks samples. ``alarm`` is true once per event, at the sample where it is
    noticed, and then ``anomaly`` tells it (its positions count the samples seen, from 0).
    """

    score: float
    alarm: bool
    anomaly: Anomaly | None
    expected: float
    low: float
    high: float


MOST_DEVIATIONS: Final = 1000.0
"""More robust deviations are not told apart: a series that never moved has none to count in."""


def limited(deviation: float) -> float:
    """Robust deviations, within what can be told apart."""
    return max(-MOST_DEVIATIONS, min(MOST_DEVIATIONS, deviation))


def severity_of(deviation: float) -> AnomalySeverity:
    """By the robust deviations: HIGH from 8, MEDIUM from 4, else LOW."""
    size = abs(deviation)
    if size >= 8:
        return AnomalySeverity.HIGH
    return AnomalySeverity.MEDIUM if size >= 4 else AnomalySeverity.LOW


def confidence_of(surprise: float) -> float:
    """The share of alarms with this surprise that were true ones.

    A logistic curve over the alarms of all four sensitivities on the development half of the
    Numenta benchmark (1,058 alarms; 11 % true below a surprise of 1, 33 % at 1.6 to 2, 66 % beyond
    3).
    """
    return 1 / (1 + math.exp(3.1 - 1.2 * surprise))


def event_confidence(excess: float) -> float:
    """The same for an event of a finished window, by how many times it passed its bound.

    Over 905 events of weeks of the same series (21 % true at the bound, 41 % at 4 to 8 times it,
    56 % at 8 to 16 times).
    """
    return 1 / (1 + math.exp(1.3 - 0.35 * math.log2(max(excess, 1.0))))
