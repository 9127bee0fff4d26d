"""Numbers as Prometheus writes them: plain decimals, never an exponent; times in seconds."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import orjson

from aiops_mcp.simulation.promql.store import Floats, Times


def plain(value: float) -> str:
    """The shortest decimal that reads back as the value (Go's ``'f'`` format)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    if "e" in text:
        return format(Decimal(text), "f")
    return text.removesuffix(".0")


def plain_many(values: Floats) -> list[bytes]:
    """Many numbers at once, for JSON; the common case costs a fraction of ``plain``."""
    if not values.size:
        return []
    if not np.isfinite(values).all():
        return [plain(value).encode() for value in values.tolist()]
    row = np.ascontiguousarray(values, dtype=np.float64)
    text = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY).replace(b".0,", b",")
    numbers = text[1:-1].removesuffix(b".0").split(b",")
    if b"e" not in text:
        return numbers
    return [plain(float(number)).encode() if b"e" in number else number for number in numbers]


def seconds(milliseconds: int) -> str:
    """A timestamp as a JSON number of seconds."""
    sign = "-" if milliseconds < 0 else ""
    whole, rest = divmod(abs(milliseconds), 1000)
    return f"{sign}{whole}.{rest:03d}" if rest else f"{sign}{whole}"


def seconds_many(milliseconds: Times | Sequence[int]) -> list[bytes]:
    times: Iterable[int] = np.asarray(milliseconds).tolist()
    return [seconds(time).encode() for time in times]
