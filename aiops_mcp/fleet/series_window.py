"""Which window of series an analysis reads: its length, its end and its step, checked.

Pure. Times are unix seconds.
"""

from datetime import datetime, timedelta

from aiops_mcp.errors import InputError, QueryTooExpensive
from aiops_mcp.fleet.cost import read_step
from aiops_mcp.fleet.series_grid import Span

FEWEST_POINTS = 30
"""Fewer samples are too few to know what is usual."""
MOST_POINTS = 11_000
"""Of one series; Prometheus refuses more."""
DEFAULT_POINTS = 720
FINEST_SECONDS = 60.0
"""A step of default is no finer: scrapes are half a minute to a minute apart."""

_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


def span_of(
    *, window: float, until: datetime | None, step: str | float | None, now: datetime
) -> Span:
    """The window of ``window`` seconds before ``until`` (now), on multiples of its step.

    Raises:
        InputError: it lies in the future, or holds too few samples to judge anything.
        QueryTooExpensive: more samples a series than a backend gives.
    """
    end = min(until or now, now).timestamp()
    if until is not None and until > now + timedelta(minutes=5):
        raise InputError(
            "end_time lies in the future.",
            "Leave it away to judge until now.",
            details={"field": "end_time"},
        )
    asked = read_step(step)
    seconds = default_step(window) if asked is None else asked
    if not seconds > 0:
        raise InputError("step must be longer than 0.", "Write 1m.", details={"field": "step"})
    points = int(window / seconds) + 1
    if points < FEWEST_POINTS:
        raise InputError(
            f"{points} samples are too few to know what is usual.",
            f"Take a window of at least {FEWEST_POINTS} steps: {FEWEST_POINTS}m at 1m.",
            details={"field": "window"},
        )
    if points > MOST_POINTS:
        raise QueryTooExpensive(
            f"{points} samples a series are too many; {MOST_POINTS} are the most.",
            f"Use a step of {default_step(window):g} s or a shorter window.",
            details={"field": "step"},
        )
    last = end // seconds * seconds
    return Span(last - int(window / seconds) * seconds, last, seconds)


def default_step(window: float) -> float:
    """A minute, or the shortest round step that gives at most 720 samples."""
    wanted = max(FINEST_SECONDS, window / DEFAULT_POINTS)
    return float(next((step for step in _STEPS if step >= wanted), _STEPS[-1]))
