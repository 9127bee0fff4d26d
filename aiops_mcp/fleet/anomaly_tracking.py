"""Series watched as they go on: what each is expected to be, and which of them is unusual now.

Pure state, fed sample by sample; each is judged by its own past only. One anomaly is told once: at
the sample from which it matters. That it is over is not told. Which series there are, and who is
told, is not known here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock

import numpy as np

from aiops_mcp.analysis.anomaly import Anomaly, Kind, OnlineDetector
from aiops_mcp.fleet.anomaly_findings import (
    LASTS,
    Place,
    departure_matters,
    detection,
    is_beyond,
)
from aiops_mcp.fleet.series_grid import SeriesGrid
from aiops_mcp.fleet.vital_signs import Bad, VitalSign
from aiops_mcp.models.anomaly import AnomalyDetection, AnomalySeverity, AnomalyType

GONE_SECONDS = 3600.0
"""A series that is away for so long is forgotten; it begins anew when it comes back."""
BACK = 5
"""Samples in a row within what was expected: then the anomaly is over, and a new one is told."""
LONGEST_SECONDS = 86_400.0
"""What lasts longer is how it is now; the next departure from there is told."""

LabelKey = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Open:
    """An anomaly that goes on; ``told`` when it was published, or was known before we looked."""

    anomaly: Anomaly
    began: float
    told: bool
    back: int = 0


@dataclass(slots=True)
class _Track:
    """One series; no detector where only the sign's limit counts."""

    labels: Mapping[str, str]
    sign: VitalSign
    detector: OnlineDetector | None
    seen_at: float = -math.inf
    fed: int = 0
    beyond: int = 0
    open: _Open | None = None


class Room:
    """How many series may be watched together, whichever thread finds them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._lock = Lock()

    def take(self) -> bool:
        """Room for one more, if there is any."""
        with self._lock:
            if self._used >= self._most:
                return False
            self._used += 1
            return True

    def give_back(self, count: int) -> None:
        with self._lock:
            self._used -= count


@dataclass(slots=True)
class SignTracks:
    """The series of one sign in one cluster; ``until`` is the last moment that was fed.

    What finds no ``room`` is counted in ``left_out`` and not judged.
    """

    sign: VitalSign
    place: Place
    sensitivity: float
    room: Room
    tracks: dict[LabelKey, _Track] = field(default_factory=dict[LabelKey, _Track])
    until: float = -math.inf
    left_out: int = 0
    busy: bool = False

    def feed(
        self, grid: SeriesGrid, signs: Sequence[VitalSign], *, told_from: float, step: float
    ) -> list[AnomalyDetection]:
        """Judge the samples that are newer than the last; what is told of them.

        ``signs`` says per row how it is judged. Anomalies that begin before ``told_from`` (unix
        seconds) are learned and not told.
        """
        fresh = grid.times > self.until
        times = grid.times[fresh]
        found: list[AnomalyDetection] = []
        self.left_out = 0
        for row, labels in enumerate(grid.labels):
            track = self._track(labels, signs[row])
            if track is None:
                continue
            for moment, value in zip(times, grid.values[row][fresh], strict=True):
                if math.isfinite(value):
                    told = self._sample(track, float(moment), float(value), told_from, step)
                    if told is not None:
                        found.append(told)
        if len(times):
            self.until = float(times[-1])
            self._forget()
        return found

    def _track(self, labels: Mapping[str, str], sign: VitalSign) -> _Track | None:
        key = tuple(sorted(labels.items()))
        track = self.tracks.get(key)
        if track is None:
            if not self.room.take():
                self.left_out += 1
                return None
            detector = (
                None
                if sign.by_limit_only
                else OnlineDetector(sensitivity=self.sensitivity, kind=Kind(sign.type.upper()))
            )
            track = self.tracks[key] = _Track(dict(labels), sign, detector)
        return track

    def _forget(self) -> None:
        gone = [key for key, one in self.tracks.items() if self.until - one.seen_at > GONE_SECONDS]
        for key in gone:
            del self.tracks[key]
        self.room.give_back(len(gone))

    def _sample(
        self, track: _Track, moment: float, value: float, told_from: float, step: float
    ) -> AnomalyDetection | None:
        track.seen_at = moment
        track.fed += 1
        anomaly = self._alarm(track, moment, value)
        if track.open is not None:
            _close_if_over(track, moment, value)
        if track.open is None and anomaly is not None:
            began = moment - step * min(max(0, anomaly.end - anomaly.begin), track.fed)
            track.open = _Open(anomaly, began, told=moment < told_from)
        if track.open is None or track.open.told:
            return None
        if not self._matters(track.sign, track.open.anomaly, value):
            return None
        track.open.told = True
        return detection(
            track.sign,
            track.labels,
            replace(track.open.anomaly, actual=value),
            replace(self.place, judged_at=datetime.fromtimestamp(moment, UTC)),
            began=datetime.fromtimestamp(track.open.began, UTC),
        )

    def _alarm(self, track: _Track, moment: float, value: float) -> Anomaly | None:
        anomaly = None
        if track.detector is not None:
            anomaly = track.detector.update(moment, value).anomaly
        if not bool(is_beyond(track.sign, np.array([value]))[0]):
            track.beyond = 0
            return anomaly
        track.beyond += 1
        if track.beyond == LASTS and track.open is None and anomaly is None:
            return _breach(track, value)
        return anomaly

    @staticmethod
    def _matters(sign: VitalSign, anomaly: Anomaly, value: float) -> bool:
        if anomaly.type is AnomalyType.THRESHOLD_BREACH:
            return True
        return departure_matters(sign, anomaly.expected, value)


def _close_if_over(track: _Track, moment: float, value: float) -> None:
    opened = track.open
    if opened is None:
        return
    inside = opened.anomaly.low <= value <= opened.anomaly.high
    opened.back = opened.back + 1 if inside else 0
    if opened.back >= BACK or moment - opened.began > LONGEST_SECONDS:
        track.open = None


def _breach(track: _Track, value: float) -> Anomaly:
    """The sign's limit was passed for long enough, and nothing unusual was seen before."""
    limit = math.nan if track.sign.limit is None else track.sign.limit
    down = track.sign.bad is Bad.DOWN
    return Anomaly(
        begin=track.fed - LASTS,
        end=track.fed - 1,
        peak=track.fed - 1,
        type=AnomalyType.THRESHOLD_BREACH,
        severity=AnomalySeverity.HIGH,
        expected=limit,
        low=limit if down else -math.inf,
        high=math.inf if down else limit,
        actual=value,
        deviation=math.nan,
        confidence=1.0,
    )
