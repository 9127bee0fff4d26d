"""Anomalies in time series: thousands at once over a finished window, or sample by sample.

Pure: no I/O, no clock, no labels. What a series is of, and what its anomaly means, is not known
here.
"""

import numpy as np

from aiops_mcp.analysis.anomaly_online import OnlineDetector
from aiops_mcp.analysis.anomaly_verdict import (
    Anomaly,
    Judged,
    Kind,
    Matrix,
    Vector,
    Verdict,
    severity_of,
)
from aiops_mcp.models.anomaly import AnomalyType

__all__ = ["Anomaly", "Judged", "Kind", "OnlineDetector", "Verdict", "judge"]

_FEWEST = 12
_JOIN = 3


def judge(
    times: Vector, values: Matrix, *, sensitivity: float = 2.5, kind: Kind = Kind.GAUGE
) -> list[Judged]:
    """The anomalies of each row of ``values`` (series x samples, NaN where one is missing).

    ``times`` are unix seconds, one per column. ``sensitivity`` is the width of the expected band in
    robust deviations: smaller finds more. A series of which nothing can be said has a remark.
    """
    stamps = np.asarray(times, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return [_judge_one(stamps, row, sensitivity, kind) for row in rows]


def _judge_one(times: Vector, values: Vector, sensitivity: float, kind: Kind) -> Judged:
    size = len(values)
    known = np.where(np.isfinite(values), values, np.nan)
    if kind is Kind.COUNTER and size:
        grown = np.diff(known, prepend=known[0])
        lasted = np.diff(times, prepend=times[0])
        known = np.divide(
            np.where(grown < 0, known, grown),
            lasted,
            out=np.full(size, np.nan),
            where=lasted > 0,
        )
    present = np.isfinite(known)
    nothing = np.full(size, np.nan)
    if present.sum() < _FEWEST:
        remark = "no data" if not present.any() else "too short to judge"
        return Judged([], np.zeros(size), nothing, nothing, nothing, [remark])
    level = float(np.median(known[present]))
    scatter = 1.4826 * float(np.median(np.abs(known[present] - level)))
    scatter = max(scatter, 1e-9 * max(abs(level), 1e-300))
    away = np.where(present, (known - level) / scatter, 0.0)
    width = 2 * sensitivity * scatter
    out = np.flatnonzero(np.abs(away) > 2 * sensitivity)
    found: list[Anomaly] = []
    for group in np.split(out, np.flatnonzero(np.diff(out) > _JOIN) + 1) if out.size else []:
        peak = int(group[np.abs(away[group]).argmax()])
        found.append(
            Anomaly(
                begin=int(group[0]),
                end=int(group[-1]),
                peak=peak,
                type=AnomalyType.SPIKE if away[peak] > 0 else AnomalyType.DROP,
                severity=severity_of(float(away[peak])),
                expected=level,
                low=level - width,
                high=level + width,
                actual=float(known[peak]),
                deviation=float(away[peak]),
                confidence=0.5,
            )
        )
    return Judged(
        found,
        1 - 1 / (1 + np.abs(away) / 5),
        np.full(size, level),
        np.full(size, level - width),
        np.full(size, level + width),
    )
