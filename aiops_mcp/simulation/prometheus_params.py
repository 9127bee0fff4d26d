"""Request parameters of the Prometheus HTTP API: reading them, and refusing bad ones.

Rules and wording from prometheus/prometheus ``web/api/v1/api.go``.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

from aiops_mcp.promql.tokens import parse_duration

MIN_TIME_MS = -(1 << 53)
MAX_TIME_MS = 1 << 53
MAX_POINTS = 11_000

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_ESCAPED = re.compile(r"__|_([0-9a-fA-F]+)_")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class BadParameter(ValueError):
    """A parameter Prometheus would answer with 400 and ``bad_data``."""


@dataclass(frozen=True, slots=True)
class Params:
    """Query string and form fields of one request, in order."""

    pairs: Sequence[tuple[str, str]]

    @classmethod
    async def of(cls, request: Request) -> "Params":
        pairs: list[tuple[str, str]] = []
        if request.method == "POST":
            body = (await request.body()).decode("utf-8", "replace")
            pairs += parse_qsl(body, keep_blank_values=True)
        return cls([*pairs, *request.query_params.multi_items()])

    def get(self, name: str) -> str:
        """The first value, empty when there is none."""
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def time(self, name: str, default_ms: int | None = None) -> int:
        """Unix seconds or RFC 3339, in milliseconds."""
        text = self.get(name)
        if not text and default_ms is not None:
            return default_ms
        milliseconds = parse_time(text)
        if milliseconds is None:
            raise BadParameter(
                f"invalid parameter \"{name}\": Invalid time value for '{name}': "
                f'cannot parse "{text}" to a valid timestamp'
            )
        return milliseconds

    def duration(self, name: str) -> int | None:
        """Seconds or a duration, in milliseconds; None when the parameter is missing."""
        text = self.get(name)
        return self.required_duration(name) if text else None

    def required_duration(self, name: str) -> int:
        text = self.get(name)
        number = _number(text)
        milliseconds = parse_duration(text) if number is None else _milliseconds(number)
        if milliseconds is None:
            raise BadParameter(
                f'invalid parameter "{name}": cannot parse "{text}" to a valid duration'
            )
        return milliseconds

    def limit(self, name: str = "limit") -> int | None:
        """How many items at most; None (also for 0) when there is no limit."""
        text = self.get(name)
        if not text:
            return None
        if not re.fullmatch(r"[+-]?\d+", text, re.ASCII):
            raise BadParameter(f'invalid parameter "{name}": {name} must be a number')
        if int(text) < 0:
            raise BadParameter(f'invalid parameter "{name}": {name} must be non-negative')
        return int(text) or None


@dataclass(frozen=True, slots=True)
class RangeParams:
    """Start, end and step of a range query in milliseconds."""

    start_ms: int
    end_ms: int
    step_ms: int

    @classmethod
    def of(cls, params: Params) -> "RangeParams":
        """Read and check.

        Raises:
            BadParameter: when one is missing or wrong, or the answer would have too many points.
        """
        start, end = params.time("start"), params.time("end")
        if end < start:
            raise BadParameter(
                'invalid parameter "end": end timestamp must not be before start time'
            )
        step = params.required_duration("step")
        if step <= 0:
            raise BadParameter(
                'invalid parameter "step": zero or negative query resolution step widths are not '
                "accepted. Try a positive integer"
            )
        if (end - start) // step > MAX_POINTS:
            raise BadParameter(
                f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries. Try "
                "decreasing the query resolution (?step=XX)"
            )
        return cls(start, end, step)


def parse_time(text: str) -> int | None:
    """Milliseconds of Unix seconds or an RFC 3339 time, None for anything else."""
    number = _number(text)
    if number is not None:
        return _milliseconds(number)
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except ValueError:
        return None


def _number(text: str) -> float | None:
    return float(text) if _FLOAT.fullmatch(text) else None


def _milliseconds(seconds: float) -> int | None:
    if not math.isfinite(seconds) or abs(seconds) * 1000 > MAX_TIME_MS:
        return None
    return round(seconds * 1000)


def unescape_label(name: str) -> str:
    """A label name from a path; ``U__`` starts the escaped form of a UTF-8 name."""
    if not name.startswith("U__"):
        return name

    def character(found: "re.Match[str]") -> str:
        return "_" if found[1] is None else chr(int(found[1], 16))

    try:
        return _ESCAPED.sub(character, name[3:])
    except (ValueError, OverflowError):
        return name
