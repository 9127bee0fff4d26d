"""From departures to events: what belongs together, what kind it is, and how sure that is.

One event is one anomaly, however many samples it has. Nothing here computes an expectation.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_bends import Bend
from aiops_mcp.analysis.anomaly_robust import medians
from aiops_mcp.analysis.anomaly_verdict import (
    Anomaly,
    Matrix,
    Vector,
    event_confidence,
    limited,
    severity_of,
)
from aiops_mcp.models.anomaly import AnomalySeverity, AnomalyType

JOINED_SHARE: Final = 0.01
"""Departures closer together than this share of the window are one event."""
LASTING_SHARE: Final = 0.05
"""An event of at least this share of the window is no spike any more."""
FEWEST_LASTING: Final = 10
SUDDEN_SHARE: Final = 0.5
"""A step is one when at least this share of it happens within a few samples."""
MOVING: Final = 0.5
"""A series in which more neighbours than this are equal anyway has no flat stretch to tell."""
BY_CHANCE: Final = 1e-3
"""Equal neighbours are a flat stretch when so many in a row come by chance only so often."""


@dataclass(frozen=True, slots=True)
class Course:
    """One series of a finished window, beside what was expected of it; all of one length."""

    values: Vector
    expected: Vector
    level: Vector
    excess: Vector
    scatter: float
    sensitivity: float
    seasonal: bool
    steps: list[int]
    bend: Bend | None = None


def events(course: Course) -> list[Anomaly]:
    """The events of one series, oldest first; none of them overlaps another."""
    found = _steps(course) + _bent(course)
    taken = [(event.begin, event.end) for event in found]
    flat = flat_stretch(course.values)
    if flat is not None and not any(
        begin <= flat.end and flat.begin <= end for begin, end in taken
    ):
        found.append(_still(course, flat))
        taken.append((flat.begin, flat.end))
    for begin, end in _runs(course.excess):
        if not any(first <= begin and end <= last for first, last in taken):
            found.append(_event(course, begin, end))
    return sorted(found, key=lambda event: (event.begin, event.end))


def stands_still(values: Matrix) -> NDArray[np.bool_]:
    """Rows with enough equal neighbours that a flat stretch is worth looking for."""
    return (np.diff(values, axis=1) == 0).sum(axis=1) >= FEWEST_LASTING


@dataclass(frozen=True, slots=True)
class FlatStretch:
    """First and last position of a standstill; ``excess`` as of departures, 1 is the bound."""

    begin: int
    end: int
    excess: float


def flat_stretch(values: Vector) -> FlatStretch | None:
    """The longest standstill of a series that otherwise moves, where chance does not explain it."""
    known: NDArray[np.int64] = np.flatnonzero(np.isfinite(values)).astype(np.int64)
    if len(known) < 2 * FEWEST_LASTING:
        return None
    same = np.diff(values[known]) == 0
    steps = np.arange(1, len(same) + 1, dtype=np.int64)
    length = steps - np.maximum.accumulate(np.where(same, 0, steps))
    last = int(length.argmax())
    longest = int(length[last])
    if longest < FEWEST_LASTING:
        return None
    share = (int(same.sum()) - longest + 1) / (len(same) - longest + 1)
    excess = (-longest * math.log(share) - math.log(len(same))) / -math.log(BY_CHANCE)
    if share > MOVING or excess < 1:
        return None
    return FlatStretch(int(known[last + 1 - longest]), int(known[last + 1]), excess)


def _still(course: Course, flat: FlatStretch) -> Anomaly:
    places = (flat.begin, flat.end, flat.begin)
    found = _anomaly(course, places, AnomalyType.PATTERN_BREAK, float(course.expected[flat.begin]))
    confidence = max(found.confidence, event_confidence(flat.excess))
    severity = found.severity
    if severity is AnomalySeverity.LOW:
        # That it stands where it usually is makes it no smaller.
        severity = AnomalySeverity.MEDIUM
    return replace(found, severity=severity, confidence=confidence)


def _runs(excess: Vector) -> list[tuple[int, int]]:
    """Stretches in which the bound is passed, near ones joined."""
    out = np.flatnonzero(excess > 1)
    if not out.size:
        return []
    apart = max(3, round(JOINED_SHARE * len(excess)))
    cuts = np.flatnonzero(np.diff(out) > apart) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(out, cuts)]


def _event(course: Course, begin: int, end: int) -> Anomaly:
    away = course.values - course.expected
    begin, end = _trimmed(away, begin, end)
    inside = away[begin : end + 1]
    peak = begin + int(np.nanargmax(np.abs(inside)))
    lasting = max(FEWEST_LASTING, round(LASTING_SHARE * len(away)))
    notable = 2 * course.sensitivity * course.scatter
    torn = np.nanmax(inside) > notable and np.nanmin(inside) < -notable
    if end - begin + 1 >= FEWEST_LASTING and torn:
        kind = AnomalyType.PATTERN_BREAK
    elif end - begin + 1 >= lasting:
        kind = AnomalyType.PATTERN_BREAK if course.seasonal else AnomalyType.TREND_CHANGE
    else:
        kind = AnomalyType.SPIKE if away[peak] > 0 else AnomalyType.DROP
    return _anomaly(course, (begin, end, peak), kind, float(course.expected[peak]))


def _trimmed(away: Vector, begin: int, end: int) -> tuple[int, int]:
    """Without the samples at either end that only a neighbour's departure brought in."""
    size = np.abs(away[begin : end + 1])
    core = np.flatnonzero(size >= max(0.5 * np.nanmedian(size), 0.25 * np.nanmax(size)))
    return begin + int(core[0]), begin + int(core[-1])


def _anomaly(
    course: Course, places: tuple[int, int, int], kind: AnomalyType, expected: float
) -> Anomaly:
    begin, end, peak = places
    actual = float(course.values[peak])
    deviation = limited((actual - expected) / course.scatter)
    band = course.sensitivity * course.scatter
    excess = float(np.nanmax(course.excess[begin : end + 1]))
    if kind is AnomalyType.TREND_CHANGE:
        excess = max(excess, abs(deviation) / (2 * course.sensitivity))
    return Anomaly(
        begin=begin,
        end=end,
        peak=peak,
        type=kind,
        severity=severity_of(deviation),
        expected=expected,
        low=expected - band,
        high=expected + band,
        actual=actual,
        deviation=deviation,
        confidence=event_confidence(excess),
    )


def _steps(course: Course) -> list[Anomaly]:
    """Each sudden and large enough change of level, which lasts until the next one.

    A change back to the level before is the end of an event and none of its own.
    """
    found: list[Anomaly] = []
    size = len(course.values)
    edges = [0, *course.steps, size]
    levels = [float(course.level[begin]) for begin in edges[:-1]]
    notable = course.sensitivity * course.scatter
    for place, begin in enumerate(course.steps):
        before, after = levels[place], levels[place + 1]
        back = place > 0 and abs(after - levels[place - 1]) < notable
        if back or abs(after - before) < notable or not _sudden(course, begin, after - before):
            continue
        end = edges[place + 2] - 1
        typical = np.abs(course.values[begin : end + 1] - course.expected[begin : end + 1])
        peak = begin + int(np.nanargmin(typical))
        pattern = float(course.expected[peak] - course.level[peak])
        found.append(
            _anomaly(course, (begin, end, peak), AnomalyType.TREND_CHANGE, before + pattern)
        )
    return found


def _bent(course: Course) -> list[Anomaly]:
    """The other line that the series has followed since the bend, where it has led far enough."""
    bend = course.bend
    if bend is None:
        return []
    away = np.where(np.isfinite(course.values), np.abs(bend.fitted - bend.before), -1.0)
    peak = int(away.argmax())
    if away[peak] < 2 * course.sensitivity * course.scatter:
        return []
    expected = float(bend.before[peak] + course.expected[peak] - course.level[peak])
    places = (bend.index, len(away) - 1, peak)
    return [_anomaly(course, places, AnomalyType.TREND_CHANGE, expected)]


def _sudden(course: Course, begin: int, jump: float) -> bool:
    near = max(3, round(JOINED_SHARE * len(course.values)))
    rest = course.values - course.expected + course.level
    left, right = rest[max(begin - near, 0) : begin], rest[begin : begin + near]
    rise = float(medians(right[None, :])[0] - medians(left[None, :])[0])
    return rise / jump >= SUDDEN_SHARE
