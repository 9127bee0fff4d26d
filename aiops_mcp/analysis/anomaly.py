"""Anomalies in time series: thousands at once over a finished window, or sample by sample.

Pure: no I/O, no clock, no labels. What a series is of, and what its anomaly means, is not known
here.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aiops_mcp.analysis.anomaly_events import Course, events, stands_still
from aiops_mcp.analysis.anomaly_online import OnlineDetector
from aiops_mcp.analysis.anomaly_samples import Samples, in_order
from aiops_mcp.analysis.anomaly_verdict import Anomaly, Judged, Kind, Matrix, Vector, Verdict
from aiops_mcp.analysis.anomaly_window import AT_ONCE, departures, expectation

__all__ = ["FEWEST", "Anomaly", "Judged", "Kind", "OnlineDetector", "Verdict", "judge"]

FEWEST = 12
"""A series with fewer samples is too short to judge."""
MISSING_SHARE = 0.1
"""More missing samples than this are worth a remark."""


def judge(
    times: Vector, values: Matrix, *, sensitivity: float = 2.5, kind: Kind = Kind.GAUGE
) -> list[Judged]:
    """The anomalies of each row of ``values`` (series x samples, NaN where one is missing).

    ``times`` are unix seconds, one per column, in any order. ``sensitivity`` is the width of the
    expected band in robust deviations, and scales what chance may explain: smaller finds more. A
    series of which nothing can be said has no anomaly and a remark that says why.
    """
    stamps = np.asarray(times, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if rows.shape[1] != len(stamps):
        raise ValueError(f"{len(stamps)} times for {rows.shape[1]} samples a series")
    samples = in_order(stamps, rows, kind)
    found: list[Judged] = []
    for begin in range(0, len(rows), AT_ONCE):
        part = replace(samples, values=samples.values[begin : begin + AT_ONCE])
        found += _judge_some(part, sensitivity)
    return found


def _judge_some(samples: Samples, sensitivity: float) -> list[Judged]:
    values = samples.values
    present = np.isfinite(values)
    count = present.sum(axis=1)
    lowest = np.where(present, values, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(present, values, -np.inf).max(axis=1, initial=-np.inf)
    judged = [
        _unjudged(samples, _reason(int(count[row]), bool(lowest[row] == highest[row])))
        for row in range(len(values))
    ]
    able = np.flatnonzero((count >= FEWEST) & (lowest < highest))
    if not able.size:
        return judged
    # Powers of two change no digit, and keep squares of the largest and smallest numbers finite.
    size = np.exp2(np.floor(np.log2(np.maximum(np.abs(lowest), np.abs(highest))[able])))
    scaled = values[able] / size[:, None]
    expected = expectation(samples.times, scaled)
    apart = departures(scaled, expected, sensitivity=sensitivity)
    usual = expected.level + expected.pattern
    band = (sensitivity * apart.scatter)[:, None]
    unit = size[:, None]
    columns = (
        _spread(apart.excess / (1 + apart.excess), samples, 0.0),
        _spread(usual * unit, samples, np.nan),
        _spread((usual - band) * unit, samples, np.nan),
        _spread((usual + band) * unit, samples, np.nan),
    )
    eventful = (apart.excess > 1).any(axis=1) | stands_still(scaled)
    for place, row in enumerate(able):
        result = judged[row]
        result.score, result.expected, result.low, result.high = (of[place] for of in columns)
        result.period = float(expected.period[place])
        result.remarks = _remarks(present[row])
        steps = expected.steps.get(place, [])
        if eventful[place] or steps or place in expected.bends:
            course = Course(
                values=scaled[place],
                expected=usual[place],
                level=expected.level[place],
                excess=apart.excess[place],
                scatter=float(apart.scatter[place]),
                sensitivity=sensitivity,
                seasonal=bool(result.period),
                steps=steps,
                bend=expected.bends.get(place),
            )
            result.anomalies = [
                _as_given(event, samples, float(size[place])) for event in events(course)
            ]
    return judged


def _unjudged(samples: Samples, reason: str) -> Judged:
    size = len(samples.moment)
    nothing = np.full(size, np.nan)
    return Judged([], np.zeros(size), nothing, nothing.copy(), nothing.copy(), [reason])


def _reason(count: int, flat: bool) -> str:
    if count == 0:
        return "no data"
    if count < FEWEST:
        return "too short to judge"
    return "flat: the value never changed" if flat else ""


def _remarks(present: NDArray[np.bool_]) -> list[str]:
    """What of the window there was nothing to judge from."""
    if present.all():
        return []
    size = len(present)
    known = np.flatnonzero(present)
    first, last = int(known[0]), int(known[-1])
    shares = {
        "begins late": first / size,
        "ends early": (size - 1 - last) / size,
        "missing data": 1 - len(known) / (last - first + 1),
    }
    return [remark for remark, share in shares.items() if share > MISSING_SHARE]


def _as_given(event: Anomaly, samples: Samples, unit: float) -> Anomaly:
    return replace(
        event,
        begin=int(samples.given[event.begin]),
        end=int(samples.given[event.end]),
        peak=int(samples.given[event.peak]),
        expected=event.expected * unit,
        low=event.low * unit,
        high=event.high * unit,
        actual=event.actual * unit,
    )


def _spread(columns: Matrix, samples: Samples, missing: float) -> Matrix:
    """Per moment to per sample as given."""
    if columns.shape[1] == len(samples.moment) and not np.any(np.diff(samples.moment) != 1):
        return columns
    return np.where(samples.moment >= 0, columns[:, samples.moment], missing)
