"""What the anomalies of a sign's series mean: of what, since when, how grave, and in words.

Pure. The judge tells what is unusual; here is decided whether it matters, by what the sign says
is trouble. A value beyond the sign's limit is trouble also where it is usual.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import numpy as np

from aiops_mcp.analysis.anomaly import Anomaly, Judged
from aiops_mcp.analysis.changepoints import find_changes
from aiops_mcp.fleet.series_grid import SeriesGrid, Vector
from aiops_mcp.fleet.vital_signs import Bad, SignKind, VitalSign
from aiops_mcp.models.anomaly import AnomalyDetection, AnomalySeverity, AnomalyType

NAMESPACE = UUID("5d3c3b0e-6a68-4f0e-9b7e-3c1f5a0c7d11")
LASTS = 5
"""Samples in a row beyond a limit: one alone may be a scrape that failed."""
STILL = 3
"""It goes on where its last sample is at most so many before the end: rates trail behind."""
TWO_DAYS = 172_800.0
SLOW, SUDDEN = 3_600.0, 600.0
"""Seconds: a change of traffic that takes hours, and is not there within minutes."""
MOST_TOLD = 100.0
"""Robust deviations: beyond it the number says how still the series was, not how grave it is."""
SURE = 0.5
GRAVE, PLAIN = 5.0, 2.0
"""Times the least departure that matters: from the first on HIGH, from the second on MEDIUM."""

_ORDER = (AnomalySeverity.LOW, AnomalySeverity.MEDIUM, AnomalySeverity.HIGH)


@dataclass(frozen=True, slots=True)
class Place:
    """Where series come from, and when they are judged."""

    cluster_id: UUID | None
    cluster_name: str
    query: str
    judged_at: datetime


def findings_of(
    sign: VitalSign, grid: SeriesGrid, judged: Sequence[Judged], place: Place
) -> list[AnomalyDetection]:
    """The anomalies that matter, of all series of one sign in one cluster."""
    found: list[AnomalyDetection] = []
    for row, labels in enumerate(grid.labels):
        values = grid.values[row]
        seen = outermost(judged[row].anomalies) if judged else []
        told = [one for one in seen if matters(sign, one) and not _may_be_rhythm(sign, one, grid)]
        if judged and not told:
            told = climb_of(sign, grid.times, values)
        breach = breach_of(sign, values)
        if breach is not None and not any(one.end >= breach.begin for one in told):
            told.append(breach)
        found.extend(_detection(sign, labels, values, one, grid, place) for one in told)
    return found


def outermost(anomalies: Sequence[Anomaly]) -> list[Anomaly]:
    """Without those that lie within another: a spike upon a new level is part of that event."""
    return [
        one
        for one in anomalies
        if not any(
            other is not one
            and other.begin <= one.begin
            and one.end <= other.end
            and (other.end - other.begin) > (one.end - one.begin)
            for other in anomalies
        )
    ]


def matters(sign: VitalSign, anomaly: Anomaly) -> bool:
    """Whether a departure is large enough, into the bad direction, and beyond what is harmless."""
    return departure_matters(sign, anomaly.expected, anomaly.actual)


def _may_be_rhythm(sign: VitalSign, anomaly: Anomaly, grid: SeriesGrid) -> bool:
    """Traffic that slowly rises or falls, in a window too short to know the day's rhythm."""
    if sign.kind is not SignKind.TRAFFIC or anomaly.type is not AnomalyType.TREND_CHANGE:
        return False
    if grid.times[-1] - grid.times[0] >= TWO_DAYS:
        return False
    lasted = grid.times[anomaly.end] - grid.times[anomaly.begin]
    at_once = grid.times[anomaly.peak] - grid.times[anomaly.begin] <= SUDDEN
    return bool(lasted >= SLOW and not at_once)


def departure_matters(sign: VitalSign, expected: float, actual: float) -> bool:
    away = actual - expected
    if (sign.bad is Bad.UP and away <= 0) or (sign.bad is Bad.DOWN and away >= 0):
        return False
    if abs(away) < sign.least or abs(away) < sign.least_share * abs(expected):
        return False
    return departure_beyond(sign, actual)


def departure_beyond(sign: VitalSign, value: float) -> bool:
    """Whether a value lies where the sign matters."""
    if sign.matters_from is None:
        return True
    return value <= sign.matters_from if sign.bad is Bad.DOWN else value >= sign.matters_from


def climb_of(sign: VitalSign, times: Vector, values: Vector) -> list[Anomaly]:
    """What filled or emptied slowly: no sample is unusual beside its neighbours.

    A sign of saturation whose last level differs from its first by more than matters, since the
    first of its changes into that direction.
    """
    known = values[np.isfinite(values)]
    if sign.kind is not SignKind.SATURATION or not sign.least or len(known) < 2 * LASTS:
        return []
    before, after = float(np.median(known[:LASTS])), float(np.median(known[-LASTS:]))
    if not departure_matters(sign, before, after):
        return []
    steps = [
        one for one in find_changes(times, values) if (one.after > one.before) is (after > before)
    ]
    if not steps:
        return []
    away = np.abs(known - before)
    return [
        Anomaly(
            begin=steps[0].index,
            end=int(np.flatnonzero(np.isfinite(values))[-1]),
            peak=int(np.flatnonzero(np.isfinite(values))[away.argmax()]),
            type=AnomalyType.TREND_CHANGE,
            severity=AnomalySeverity.MEDIUM,
            expected=steps[0].before,
            low=steps[0].before,
            high=steps[0].before,
            actual=after,
            deviation=math.nan,
            confidence=SURE,
        )
    ]


def breach_of(sign: VitalSign, values: Vector) -> Anomaly | None:
    """The last samples, where all of them lie beyond the sign's limit."""
    if sign.limit is None:
        return None
    known = np.flatnonzero(np.isfinite(values))
    beyond = is_beyond(sign, values[known])
    if len(known) < LASTS or known[-1] < len(values) - 1 - STILL or not beyond[-LASTS:].all():
        return None
    inside = np.flatnonzero(~beyond)
    first = int(inside[-1]) + 1 if inside.size else 0
    run = known[first:]
    worst = values[run].argmin() if sign.bad is Bad.DOWN else values[run].argmax()
    since_start = run[0] <= STILL
    return Anomaly(
        begin=int(run[0]),
        end=int(run[-1]),
        peak=int(run[worst]),
        type=AnomalyType.THRESHOLD_BREACH,
        # What was so all the time is known to somebody, or hurts nobody.
        severity=AnomalySeverity.MEDIUM if since_start else AnomalySeverity.HIGH,
        expected=sign.limit,
        low=-math.inf if sign.bad is not Bad.DOWN else sign.limit,
        high=sign.limit if sign.bad is not Bad.DOWN else math.inf,
        actual=float(values[run[worst]]),
        deviation=math.nan,
        confidence=1.0,
    )


def is_beyond(sign: VitalSign, values: Vector) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which values lie beyond the sign's limit; none where it has no limit."""
    if sign.limit is None:
        return np.zeros(len(values), dtype=np.bool_)
    return values < sign.limit if sign.bad is Bad.DOWN else values > sign.limit


def severity_of(
    sign: VitalSign, anomaly: Anomaly, *, goes_on: bool, beyond: bool
) -> AnomalySeverity:
    """How grave: by how far it goes beyond what matters, one less when it is over.

    A sign without a floor has the judge's own severity, and is HIGH only where it is sure.
    """
    if anomaly.type is AnomalyType.THRESHOLD_BREACH:
        severity = anomaly.severity
    elif beyond:
        severity = AnomalySeverity.HIGH
    elif not sign.least:
        sure = anomaly.confidence >= SURE or anomaly.severity is not AnomalySeverity.HIGH
        severity = anomaly.severity if sure else AnomalySeverity.MEDIUM
    else:
        times = abs(anomaly.actual - anomaly.expected) / max(
            sign.least, sign.least_share * abs(anomaly.expected)
        )
        severity = (
            AnomalySeverity.HIGH
            if times >= GRAVE
            else AnomalySeverity.MEDIUM
            if times >= PLAIN
            else AnomalySeverity.LOW
        )
    if goes_on:
        return severity
    return _ORDER[max(0, _ORDER.index(severity) - 1)]


def identity(place: Place, metric: str, labels: Mapping[str, str], began: datetime) -> UUID:
    """The same for one event of one series, whoever sees it and however often."""
    name = "|".join(
        (
            str(place.cluster_id or place.cluster_name),
            metric,
            repr(sorted(labels.items())),
            f"{began:%Y-%m-%dT%H:%M}",
        )
    )
    return uuid5(NAMESPACE, name)


def _detection(
    sign: VitalSign,
    labels: Mapping[str, str],
    values: Vector,
    anomaly: Anomaly,
    grid: SeriesGrid,
    place: Place,
) -> AnomalyDetection:
    goes_on = anomaly.end >= len(values) - 1 - STILL
    began = datetime.fromtimestamp(float(grid.times[anomaly.begin]), UTC)
    step = timedelta(seconds=float(grid.times[1] - grid.times[0]) if len(grid.times) > 1 else 0.0)
    ended = datetime.fromtimestamp(float(grid.times[anomaly.end]), UTC) + step
    return detection(sign, labels, anomaly, place, began=began, ended=None if goes_on else ended)


def detection(
    sign: VitalSign,
    labels: Mapping[str, str],
    anomaly: Anomaly,
    place: Place,
    *,
    began: datetime,
    ended: datetime | None = None,
) -> AnomalyDetection:
    """An anomaly of a series, told: of what, since when, how grave, and in words."""
    beyond = bool(is_beyond(sign, np.array([anomaly.actual]))[0])
    told = AnomalyDetection(
        id=identity(place, sign.name, labels, began),
        cluster_id=place.cluster_id,
        cluster_name=place.cluster_name,
        metric_name=sign.name,
        query=place.query,
        labels=dict(labels),
        component=sign.component_of(labels),
        detail=sign.detail_of(labels),
        component_kind=sign.of,
        unit=sign.unit,
        severity=severity_of(sign, anomaly, goes_on=ended is None, beyond=beyond),
        confidence_score=min(1.0, max(0.0, anomaly.confidence)),
        anomaly_type=anomaly.type,
        expected_value=_finite(anomaly.expected),
        expected_low=_finite(anomaly.low),
        expected_high=_finite(anomaly.high),
        actual_value=_finite(anomaly.actual),
        deviation=_finite(anomaly.deviation),
        deviation_percent=percent(anomaly.expected, anomaly.actual),
        explanation="",
        started_at=began,
        ended_at=ended,
        detected_at=place.judged_at,
    )
    return told.model_copy(update={"explanation": explained(told)})


def percent(expected: float, actual: float) -> float | None:
    """How far from what was expected, in percent of it."""
    if not expected or not math.isfinite(expected) or not math.isfinite(actual):
        return None
    return round(100 * (actual - expected) / abs(expected), 1)


def explained(one: AnomalyDetection) -> str:
    """One sentence for people."""
    what = " ".join(part for part in (one.metric_name, one.detail) if part)
    what = f"{what} of {one.component}" if one.component else what
    actual, expected = _amount(one.actual_value, one.unit), _amount(one.expected_value, one.unit)
    since = f"{one.started_at:%Y-%m-%d %H:%M} UTC"
    until = "and goes on" if one.ended_at is None else f"until {one.ended_at:%H:%M}"
    if one.anomaly_type is AnomalyType.THRESHOLD_BREACH:
        return f"{what} is {actual}, beyond its limit of {expected}, since {since} {until}."
    how = "" if one.deviation is None else f", {_far(one.deviation)} robust deviations away"
    return f"{what} is {actual} where {expected} was to be expected{how}; since {since} {until}."


def _far(deviation: float) -> str:
    size = abs(deviation)
    return f"{size:.0f}" if size <= MOST_TOLD else f"more than {MOST_TOLD:.0f}"


def _amount(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.4g} {unit}".strip()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
