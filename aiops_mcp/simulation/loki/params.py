"""Request parameters of Loki's HTTP API: reading them, and refusing bad ones in its words.

Rules and wording from grafana/loki ``pkg/loghttp/params.go`` and its limits' defaults.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import HTTPConnection, Request

from aiops_mcp.logql.quantities import parse_duration
from aiops_mcp.simulation.loki.engine import LogWindow
from aiops_mcp.simulation.loki.series import QueryRefused

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
MOST_ENTRIES = 5000
LONGEST_RANGE = (30 * 24 + 1) * HOUR
MOST_POINTS = 11_000
_LARGEST = 2**63 - 1

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?:\.\d*)?[eE][+-]?\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Params:
    """Query string and form fields of one request, in order; ``now`` in nanoseconds."""

    pairs: Sequence[tuple[str, str]]
    now: int

    @classmethod
    async def of(cls, request: Request, now: int) -> "Params":
        pairs = request.query_params.multi_items()
        if request.method == "POST":
            body = (await request.body()).decode("utf-8", "replace")
            pairs = [*parse_qsl(body, keep_blank_values=True), *pairs]
        return cls(pairs, now)

    @classmethod
    def of_query(cls, connection: HTTPConnection, now: int) -> "Params":
        return cls(connection.query_params.multi_items(), now)

    def get(self, *names: str) -> str:
        """The first value of any of the names, empty when there is none."""
        return next((value for key, value in self.pairs if key in names), "")

    def all(self, *names: str) -> list[str]:
        return [value for key, value in self.pairs if key in names]

    def time(self, name: str, default: int) -> int:
        text = self.get(name)
        if not text:
            return default
        found = parse_time(text)
        if found is None:
            raise QueryRefused(f'could not parse {name!r} timestamp: "{text}" is no time')
        return found

    def window(self, back: int = HOUR) -> tuple[int, int]:
        """Start and end; ``since`` or else ``back`` (nanoseconds) says how far back by default.

        Raises:
            QueryRefused: they cannot be read, are in the wrong order or too far apart.
        """
        end = self.time("end", self.now)
        since = self.get("since")
        length = back
        if since:
            read = parse_duration(since)
            if read is None:
                raise QueryRefused(f"could not parse 'since' parameter: \"{since}\"")
            length = read
        start = self.time("start", min(end, self.now) - length)
        if end <= start:
            raise QueryRefused("end timestamp must not be before or equal to start time")
        if end - start > LONGEST_RANGE:
            raise QueryRefused(
                "the query time range exceeds the limit (query length: "
                f"{_go_duration(end - start)}, limit: 30d1h)"
            )
        return start, end

    def limit(self, default: int = 100) -> int:
        text = self.get("limit")
        if not text:
            return default
        if not _WHOLE.fullmatch(text) or len(text) > 18:
            raise QueryRefused(f'strconv.ParseUint: parsing "{text}": invalid syntax')
        if int(text) <= 0:
            raise QueryRefused("limit must be a positive value")
        return int(text)

    def entries(self) -> int:
        """The limit of a log query."""
        limit = self.limit()
        if limit > MOST_ENTRIES:
            raise QueryRefused(
                "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                f"({limit} > {MOST_ENTRIES})"
            )
        return limit

    @property
    def forward(self) -> bool:
        text = self.get("direction").lower()
        if text not in ("", "forward", "backward"):
            raise QueryRefused(f"invalid direction '{self.get('direction')}'")
        return text == "forward"

    def seconds(self, name: str, default: int) -> int:
        """A duration or a float of seconds, in nanoseconds."""
        text = self.get(name)
        if not text:
            return default
        found = parse_duration(text)
        if found is None:
            number = float(text) if _is_number(text) else math.nan
            if not abs(number) < _LARGEST / SECOND:
                raise QueryRefused(f'cannot parse "{text}" to a valid duration')
            found = round(number * SECOND)
        return found

    def log_window(self) -> LogWindow:
        start, end = self.window()
        interval = self.seconds("interval", 0)
        if interval < 0:
            raise QueryRefused("interval must be >= 0")
        return LogWindow(start, end, self.entries(), self.forward, interval)

    def steps(self) -> tuple[int, int, int]:
        """Start, end and step of a metric query, nanoseconds."""
        start, end = self.window()
        usual = max(math.ceil((end - start) / 250 / SECOND), 1) * SECOND
        step = self.seconds("step", usual)
        if step <= 0:
            raise QueryRefused(
                "zero or negative query resolution step widths are not accepted. "
                "Try a positive integer"
            )
        if (end - start) // step > MOST_POINTS:
            raise QueryRefused(
                f"exceeded maximum resolution of {MOST_POINTS:,} points per time series. "
                "Try increasing the value of the step parameter"
            )
        return start, end, step


def _is_number(text: str) -> bool:
    return len(text) < 40 and bool(_FLOAT.fullmatch(text) or _WHOLE.fullmatch(text))


def parse_time(text: str) -> int | None:
    """Nanoseconds of a time: up to 10 digits are seconds, more are nanoseconds; or RFC 3339."""
    if _WHOLE.fullmatch(text) and len(text) <= 20:
        number = int(text)
        number = number * SECOND if len(text.lstrip("+-")) <= 10 else number
        return number if abs(number) <= _LARGEST else None
    if _FLOAT.fullmatch(text) and len(text) <= 40:
        seconds = float(text)
        return round(seconds * 1_000_000) * 1000 if abs(seconds) < _LARGEST / SECOND else None
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    try:
        whole = datetime.fromisoformat(found[1] + found[3]).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return int(whole.timestamp()) * SECOND + int((found[2] or "0").ljust(9, "0"))


def _go_duration(nanoseconds: int) -> str:
    hours, rest = divmod(nanoseconds // SECOND, 3600)
    return f"{hours}h{rest // 60}m{rest % 60}s"
