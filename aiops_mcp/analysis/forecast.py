"""When a series will reach a limit, with a band.

The line is Theil's and Sen's median of slopes (Sen 1968, "Estimates of the Regression Coefficient
Based on Kendall's Tau").
"""

from dataclasses import dataclass

import numpy as np

from aiops_mcp.analysis.series import Vector


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a limit is reached: unix seconds, ``earliest`` and ``latest`` the 90 % band.

    A time is None where the limit is not reached within the horizon; ``reason`` says why nothing
    or nothing certain can be said. ``slope`` is per second, ``now`` the level at the last sample.
    """

    at: float | None
    earliest: float | None
    latest: float | None
    slope: float
    now: float
    reason: str


def forecast(times: Vector, values: Vector, *, limit: float, horizon: float) -> Forecast:
    """When the series reaches ``limit`` within ``horizon`` seconds of its last sample."""
    stamps = np.asarray(times, dtype=np.float64)
    known = np.asarray(values, dtype=np.float64)
    kept = np.isfinite(known) & np.isfinite(stamps)
    stamps, known = stamps[kept], known[kept]
    if len(known) < 6 or np.ptp(stamps) <= 0:
        return Forecast(None, None, None, np.nan, np.nan, "too short to forecast")
    order = np.argsort(stamps, kind="stable")
    stamps, known = stamps[order], known[order]
    half = len(known) // 2
    lasted = stamps[-half:] - stamps[:half]
    usable = lasted > 0
    slopes = (known[-half:] - known[:half])[usable] / lasted[usable]
    slope = float(np.median(slopes))
    now = float(np.median(known - slope * (stamps - stamps[-1])))
    low, high = (float(part) for part in np.percentile(slopes, [5, 95]))
    last = float(stamps[-1])

    def reached(per_second: float) -> float | None:
        if limit == now:
            return last
        if per_second == 0 or (limit - now) / per_second < 0:
            return None
        wait = (limit - now) / per_second
        return last + wait if wait <= horizon else None

    times_reached = [moment for moment in (reached(low), reached(high)) if moment is not None]
    at = reached(slope)
    return Forecast(
        at,
        min(times_reached) if times_reached else at,
        max(times_reached) if len(times_reached) == 2 else None,
        slope,
        now,
        "" if at is not None else "the limit is not reached within the horizon",
    )
