"""Functions of one value at one time: arithmetic, trigonometry, calendar, clamping."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from aiops_mcp.simulation.promql.store import Floats, Mask

Elementwise: TypeAlias = Callable[[Floats], Floats]


def _sign(values: Floats) -> Floats:
    return np.where(values > 0, 1.0, np.where(values < 0, -1.0, values))


def _degrees(values: Floats) -> Floats:
    return values * 180 / math.pi


def _radians(values: Floats) -> Floats:
    return values * math.pi / 180


SIMPLE: Mapping[str, Any] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": _sign,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "deg": _degrees,
    "rad": _radians,
}


def rounded(values: Floats, to: Floats) -> Floats:
    """To the nearest multiple of ``to``; halves go up."""
    inverse = 1 / to
    return np.floor(values * inverse + 0.5) / inverse


def clamped(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Mask]:
    """Values held between two bounds, and the times at which the bounds are in order."""
    return np.maximum(low, np.minimum(high, values)), ~(high < low)


# Beyond this numpy's calendar wraps around; it is some 290 million years.
_LAST_SECOND = 9e15


def _days(values: Floats) -> Any:
    seconds = np.trunc(np.where(np.abs(values) < _LAST_SECOND, values, 0.0)).astype(np.int64)
    return seconds.astype("datetime64[s]")


def _known(values: Floats, result: Any) -> Floats:
    return np.where(np.abs(values) < _LAST_SECOND, result.astype(np.float64), math.nan)


def _minute(values: Floats) -> Floats:
    return _known(values, np.floor(np.trunc(values) / 60) % 60)


def _hour(values: Floats) -> Floats:
    return _known(values, np.floor(np.trunc(values) / 3600) % 24)


def _day_of_week(values: Floats) -> Floats:
    return _known(values, (_days(values).astype("datetime64[D]").astype(np.int64) + 4) % 7)


def _day_of_month(values: Floats) -> Floats:
    day = _days(values).astype("datetime64[D]")
    return _known(values, (day - day.astype("datetime64[M]")).astype(np.int64) + 1)


def _day_of_year(values: Floats) -> Floats:
    day = _days(values).astype("datetime64[D]")
    return _known(values, (day - day.astype("datetime64[Y]")).astype(np.int64) + 1)


def _days_in_month(values: Floats) -> Floats:
    month = _days(values).astype("datetime64[M]")
    first, following = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
    return _known(values, (following - first).astype(np.int64))


def _month(values: Floats) -> Floats:
    return _known(values, _days(values).astype("datetime64[M]").astype(np.int64) % 12 + 1)


def _year(values: Floats) -> Floats:
    return _known(values, _days(values).astype("datetime64[Y]").astype(np.int64) + 1970)


CALENDAR: Mapping[str, Elementwise] = {
    "minute": _minute,
    "hour": _hour,
    "day_of_week": _day_of_week,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": _month,
    "year": _year,
}
