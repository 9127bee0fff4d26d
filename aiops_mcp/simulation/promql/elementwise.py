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


def larger(left: Floats, right: Floats) -> Floats:
    """Go's math.Max: infinity wins even over NaN."""
    infinite = (left == math.inf) | (right == math.inf)
    return np.where(infinite, math.inf, np.maximum(left, right))


def smaller(left: Floats, right: Floats) -> Floats:
    """Go's math.Min: negative infinity wins even over NaN."""
    infinite = (left == -math.inf) | (right == -math.inf)
    return np.where(infinite, -math.inf, np.minimum(left, right))


def rounded(values: Floats, to: Floats) -> Floats:
    """To the nearest multiple of ``to``; halves go up."""
    inverse = 1 / to
    return np.floor(values * inverse + 0.5) / inverse


def clamped(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Mask]:
    """Values held between two bounds, and the times at which the bounds are in order."""
    return larger(low, smaller(high, values)), ~(high < low)


# Go turns what is no 64-bit integer (NaN, infinities) into the smallest one, and its calendar
# wraps around there; these are the dates it then tells.
_NO_SECOND = 2.0**63
_WRAPPED = {
    "minute": 30,
    "hour": 15,
    "day_of_week": 0,
    "day_of_month": 4,
    "day_of_year": 339,
    "days_in_month": 31,
    "month": 12,
    "year": 292277026596,
}


def _days(seconds: Any) -> Any:
    return seconds.astype("datetime64[s]").astype("datetime64[D]")


def _day_of_month(seconds: Any) -> Any:
    day = _days(seconds)
    return (day - day.astype("datetime64[M]")).astype(np.int64) + 1


def _day_of_year(seconds: Any) -> Any:
    day = _days(seconds)
    return (day - day.astype("datetime64[Y]")).astype(np.int64) + 1


def _days_in_month(seconds: Any) -> Any:
    month = _days(seconds).astype("datetime64[M]")
    first, following = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
    return (following - first).astype(np.int64)


_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "minute": lambda seconds: seconds // 60 % 60,
    "hour": lambda seconds: seconds // 3600 % 24,
    "day_of_week": lambda seconds: (_days(seconds).astype(np.int64) + 4) % 7,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda seconds: _days(seconds).astype("datetime64[M]").astype(np.int64) % 12 + 1,
    "year": lambda seconds: _days(seconds).astype("datetime64[Y]").astype(np.int64) + 1970,
}


def _calendar(name: str) -> Elementwise:
    def read(values: Floats) -> Floats:
        known = np.abs(values) < _NO_SECOND
        seconds = np.trunc(np.where(known, values, 0.0)).astype(np.int64)
        return np.where(known, _FIELDS[name](seconds), float(_WRAPPED[name]))

    return read


CALENDAR: Mapping[str, Elementwise] = {name: _calendar(name) for name in _FIELDS}
