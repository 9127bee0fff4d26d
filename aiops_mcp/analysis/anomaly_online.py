"""One series judged sample by sample, each from its past only, with one alarm per event."""

import math
from typing import Final

from aiops_mcp.analysis.anomaly_verdict import Anomaly, Kind, Verdict, severity_of
from aiops_mcp.models.anomaly import AnomalyType

_LEARNING: Final = 50
_MEMORY: Final = 0.005
_REST: Final = 100


class OnlineDetector:
    """Judges one series as it arrives; samples that are not newer than the last are left out."""

    def __init__(self, *, sensitivity: float = 2.5, kind: Kind = Kind.GAUGE) -> None:
        self._width = 2 * sensitivity
        self._kind = kind
        self._seen = 0
        self._time = -math.inf
        self._raw = math.nan
        self._level = math.nan
        self._scatter = 0.0
        self._quiet_since = -_REST

    def update(self, time: float, value: float) -> Verdict:
        """The verdict on one sample (unix seconds, value)."""
        nothing = Verdict(0.0, False, None, math.nan, math.nan, math.nan)
        position = self._seen
        self._seen += 1
        if not math.isfinite(value) or time <= self._time:
            return nothing
        lasted, self._time = time - self._time, time
        if self._kind is Kind.COUNTER:
            before, self._raw = self._raw, value
            if not math.isfinite(before):
                return nothing
            value = (value - before if value >= before else value) / lasted
        if not math.isfinite(self._level):
            self._level = value
            return nothing
        away = value - self._level
        deviation = away / max(self._scatter, 1e-9 * max(abs(self._level), 1e-300))
        width = self._width * self._scatter
        verdict = Verdict(
            score=1 - 1 / (1 + abs(deviation) / 5),
            alarm=False,
            anomaly=None,
            expected=self._level,
            low=self._level - width,
            high=self._level + width,
        )
        unusual = abs(deviation) > self._width and position >= _LEARNING
        if unusual and position - self._quiet_since >= _REST:
            self._quiet_since = position
            verdict = self._alarm(verdict, position, value, deviation)
        gain = max(_MEMORY, 1 / (position + 1))
        self._scatter += gain * (
            min(1.2533 * abs(away), 3 * self._scatter or math.inf) - self._scatter
        )
        self._level += gain * away
        return verdict

    @staticmethod
    def _alarm(verdict: Verdict, position: int, value: float, deviation: float) -> Verdict:
        anomaly = Anomaly(
            begin=position,
            end=position,
            peak=position,
            type=AnomalyType.SPIKE if deviation > 0 else AnomalyType.DROP,
            severity=severity_of(deviation),
            expected=verdict.expected,
            low=verdict.low,
            high=verdict.high,
            actual=value,
            deviation=deviation,
            confidence=0.5,
        )
        return Verdict(verdict.score, True, anomaly, verdict.expected, verdict.low, verdict.high)
