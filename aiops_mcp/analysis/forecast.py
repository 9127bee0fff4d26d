"""When a series will reach a limit, with a band.

The trend is Theil's and Sen's median of slopes with Sen's distribution-free interval (Sen 1968,
"Estimates of the Regression Coefficient Based on Kendall's Tau"), widened where neighbours resemble
each other (Hamed and Rao 1998), around a repeating pattern where there is one. Only the newest
stretch counts: from the last change of level or of direction on, unless the level falls back time
and again (a disk that is emptied), for then the whole window tells more. What the limit means is
not known here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from aiops_mcp.analysis.anomaly_bends import bends
from aiops_mcp.analysis.anomaly_robust import medians
from aiops_mcp.analysis.anomaly_samples import in_order
from aiops_mcp.analysis.anomaly_verdict import Kind
from aiops_mcp.analysis.changepoints import level_edges
from aiops_mcp.analysis.seasons import usual_pattern
from aiops_mcp.analysis.series import MIN_POINTS, Vector

MOST_PAIRED: Final = 120
"""Of more samples, so many means are paired: 7,140 slopes."""
NINETY: Final = 1.645
"""Standard deviations to either side that hold 90 % of normal values."""
AHEAD: Final = 2000
"""Moments of the horizon at which a repeating pattern is looked at."""

TOO_SHORT: Final = "too short to forecast"
REACHED: Final = "already reached"
NO_TREND: Final = "no clear trend"
AWAY: Final = "it moves away from the limit"
NOT_WITHIN: Final = "the limit is not reached within the horizon"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a limit is reached: unix seconds, ``earliest`` and ``latest`` the 90 % band.

    A time is None where the limit is not reached within the horizon; ``reason`` says why nothing,
    or nothing certain, can be said. ``slope`` is per second, ``now`` the level at the last sample;
    both NaN where there are too few samples.
    """

    at: float | None
    earliest: float | None
    latest: float | None
    slope: float
    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Trend:
    """Lines through (``centre``, ``level``), and the pattern around them."""

    centre: float
    level: float
    slope: float
    low: float
    high: float
    noise: float


def forecast(times: Vector, values: Vector, *, limit: float, horizon: float) -> Forecast:
    """When the series reaches ``limit`` within ``horizon`` seconds of its last sample.

    Samples may be in any order; missing and infinite ones are left out.
    """
    samples = in_order(
        np.asarray(times, dtype=np.float64),
        np.atleast_2d(np.asarray(values, dtype=np.float64)),
        Kind.GAUGE,
    )
    known = np.isfinite(samples.values[0])
    stamps, series = samples.times[known], samples.values[0][known]
    if len(series) < MIN_POINTS:
        return Forecast(None, None, None, np.nan, np.nan, TOO_SHORT)
    pattern = usual_pattern(stamps, series[None, :])
    around, period = pattern[0][0], float(pattern[1][0])
    trend = _trend(stamps, series - around)
    last = float(stamps[-1])
    now = trend.level + trend.slope * (last - trend.centre)
    towards = np.sign(limit - now)
    began = float(medians(series[None, : max(len(series) // 10, 3)])[0])
    # Beyond the limit that it came from the other side of, or its newest sample is.
    if towards == 0 or (series[-1] - limit) * towards >= 0 or (began - limit) * towards > 0:
        return Forecast(last, last, last, trend.slope, now, REACHED)
    ahead = _pattern_ahead(stamps, around, period, horizon)
    fast, slow = (trend.high, trend.low) if towards > 0 else (trend.low, trend.high)

    def reached(slope: float, noise: float) -> float | None:
        return _crossing(trend, slope, towards * noise, limit, towards, ahead)

    at = reached(trend.slope, 0.0)
    earliest, latest = reached(fast, trend.noise), reached(slow, -trend.noise)
    if slow * towards > 0:
        reason = NOT_WITHIN if at is None else ""
    else:
        at, reason = None, AWAY if fast * towards < 0 else NO_TREND
    return Forecast(at, earliest, latest, trend.slope, now, reason)


def _trend(times: Vector, values: Vector) -> _Trend:
    begin = _newest(values)
    times, values = times[begin:], values[begin:]
    if len(values) > MOST_PAIRED:
        size = len(values) // MOST_PAIRED
        whole = len(values) // size * size
        times = times[-whole:].reshape(-1, size).mean(axis=1)
        values = values[-whole:].reshape(-1, size).mean(axis=1)
    count = len(values)
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((values[second] - values[first]) / (times[second] - times[first]))
    slope = float(slopes[len(slopes) // 2] + slopes[(len(slopes) - 1) // 2]) / 2
    centre = float(times.mean())
    level = float(medians((values - slope * (times - centre))[None, :])[0])
    rest = values - level - slope * (times - centre)
    variance = count * (count - 1) * (2 * count + 5) / 18 * _alike(rest)
    reach = NINETY * np.sqrt(variance) / 2
    low = slopes[max(round(len(slopes) / 2 - reach), 0)]
    high = slopes[min(round(len(slopes) / 2 + reach), len(slopes) - 1)]
    noise = NINETY * 1.4826 * float(medians(np.abs(rest)[None, :])[0])
    return _Trend(centre, level, slope, float(low), float(high), noise)


def _newest(values: Vector) -> int:
    """Where the stretch begins that the series still follows."""
    edges = level_edges(values[None, :]).get(0, [])
    bend = bends(values[None, :]).get(0)
    begin = bend.index if bend is not None and not edges else 0
    if edges:
        falls = [values[edge] < values[max(edge - 1, 0)] for edge in edges]
        sawtooth = sum(falls) >= 2
        begin = 0 if sawtooth else edges[-1]
    return begin if len(values) - begin >= MIN_POINTS else 0


def _alike(rest: Vector) -> float:
    """By how much resembling neighbours widen the variance: (1 + r) / (1 - r) of an AR(1)."""
    whole = float((rest * rest).sum())
    if whole == 0:
        return 1.0
    similar = min(max(float((rest[1:] * rest[:-1]).sum()) / whole, 0.0), 0.95)
    return (1 + similar) / (1 - similar)


def _pattern_ahead(
    times: Vector, around: Vector, period: float, horizon: float
) -> tuple[Vector, Vector]:
    """Moments from the last sample to the horizon, and the pattern expected at each."""
    moments: Vector = times[-1] + np.linspace(0.0, horizon, AHEAD + 1)
    if not period:
        return moments, np.zeros(len(moments))
    phase = times % period
    order = np.argsort(phase, kind="stable")
    usual: Vector = np.interp(moments % period, phase[order], around[order], period=period)
    return moments, usual


def _crossing(
    trend: _Trend,
    slope: float,
    noise: float,
    limit: float,
    towards: float,
    ahead: tuple[Vector, Vector],
) -> float | None:
    """The first moment ahead at which the line, its pattern and its noise reach the limit."""
    moments, pattern = ahead
    short = (limit - trend.level - noise - slope * (moments - trend.centre) - pattern) * towards
    over = np.flatnonzero(short <= 0)
    if not over.size:
        return None
    after = int(over[0])
    if after == 0:
        return float(moments[0])
    share = short[after - 1] / (short[after - 1] - short[after])
    return float(moments[after - 1] + share * (moments[after] - moments[after - 1]))
