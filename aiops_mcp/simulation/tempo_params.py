"""What is asked of the simulated Tempo, read from its parameters, refused in its words.

Source: grafana/tempo ``pkg/api/http.go``.
"""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from aiops_mcp.simulation.spans import Status
from aiops_mcp.simulation.traceql_match import Matcher
from aiops_mcp.simulation.traceql_parse import LONGEST, parse_traceql
from aiops_mcp.simulation.traceql_tokens import nanoseconds
from aiops_mcp.simulation.traceql_tree import (
    Attribute,
    Binary,
    Filter,
    Intrinsic,
    Literally,
    Query,
    Related,
    Spans,
    TraceqlError,
)

MOST_HITS = 262_144
MOST_SPANS = 100
LONGEST_RANGE = 168 * 3600
RECENT = 1800.0
"""Without start and end only this much is looked at (seconds), as only ingesters are asked."""

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")


class Refused(ValueError):
    """What Tempo answers with a status and a line of text."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


@dataclass(frozen=True, slots=True)
class Search:
    """A search; times in unix seconds, durations in nanoseconds of the whole trace."""

    matcher: Matcher
    start: float
    end: float
    limit: int
    spans: int
    shortest: int
    longest: float


def search_of(query: Mapping[str, str], now: float) -> Search:
    """The search that parameters ask for.

    Raises:
        Refused: they make no sense.
    """
    text, tags = query.get("q", ""), query.get("tags", "")
    if text and tags:
        raise Refused("invalid request: can't specify tags and q in the same query")
    asked = traceql(text) if text else _tagged(tags)
    if asked.metric is not None:
        raise Refused("invalid TraceQL query: metrics queries are not supported in search")
    start, end = times_of(query, now)
    return Search(
        Matcher(asked),
        start,
        end,
        _count(query, "limit", 20, MOST_HITS),
        _count(query, "spss", 3, MOST_SPANS),
        _duration(query, "minDuration") or 0,
        _duration(query, "maxDuration") or math.inf,
    )


def traceql(text: str) -> Query:
    """A query read.

    Raises:
        Refused: it cannot be.
    """
    if len(text.encode()) > LONGEST:
        raise Refused(f"invalid TraceQL query: TraceQL query exceeds {LONGEST} bytes")
    try:
        return parse_traceql(text)
    except TraceqlError as error:
        raise Refused(f"invalid TraceQL query: {error}") from error


def times_of(query: Mapping[str, str], now: float, default: float = RECENT) -> tuple[float, float]:
    """Start and end; the last ``default`` seconds where neither is given.

    Raises:
        Refused: one is missing, they are no times, or too far apart.
    """
    given = {name: query[name] for name in ("start", "end") if query.get(name)}
    if not given:
        return now - default, now
    times: dict[str, int] = {}
    for name, text in given.items():
        try:
            times[name] = int(text)
        except ValueError as error:
            raise Refused(
                f'invalid {name}: strconv.ParseInt: parsing "{text}": invalid syntax'
            ) from error
    start, end = times.get("start", 0), times.get("end", 0)
    if not (start and end):
        raise Refused("please provide both start and end")
    if end <= start:
        raise Refused(f"http parameter start must be before end. received start={start} end={end}")
    if end - start > LONGEST_RANGE:
        raise Refused(
            f"range specified by start and end exceeds 168h0m0s. received start={start} end={end}"
        )
    return float(start), float(end)


def _count(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise Refused(f'invalid {name}: strconv.Atoi: parsing "{text}": invalid syntax')
    value = int(text)
    if value <= 0:
        raise Refused(f"invalid {name}: must be a positive number")
    if value > most:
        raise Refused(f"invalid {name}: {value} exceeds max {most}")
    return value


def _duration(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if text and not _DURATION.fullmatch(text):
        raise Refused(f'invalid {name}: time: invalid duration "{text}"')
    return nanoseconds(text) if text else None


def _tagged(text: str) -> Query:
    """``service.name=frontend http.status_code=500``: each may hold for another span."""
    try:
        pairs = [pair.partition("=") for pair in shlex.split(text)]
    except ValueError as error:
        raise Refused(f"invalid tags: {error}") from error
    found: Spans = Filter(None)
    for name, equals, value in pairs:
        if not name or not equals:
            raise Refused(f"invalid tags: logfmt syntax error in {name!r}")
        one = Filter(_tag(name, value))
        found = one if found == Filter(None) else Related("&&", found, one)
    return Query(found)


def _tag(name: str, value: str) -> Binary:
    if name in ("error", "status"):
        wanted = "error" if value == "true" else value
        known = wanted in tuple(Status)
        return Binary("=", Intrinsic("status"), Literally(Status(wanted) if known else wanted))
    field = Intrinsic("name") if name == "name" else Attribute("any", name)
    same = Binary("=", field, Literally(value))
    if value.isdigit():
        return Binary("||", same, Binary("=", field, Literally(int(value))))
    return same


def attributes_in(spans: Spans) -> list[Attribute | Intrinsic]:
    """The attributes that a query asks about, which its hits carry."""
    found: list[Attribute | Intrinsic] = []
    waiting: list[object] = [spans]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Attribute | Intrinsic):
            found.append(one)
        elif isinstance(one, Filter):
            waiting.append(one.condition)
        elif isinstance(one, Related | Binary):
            waiting += [one.right, one.left]
        elif operand := getattr(one, "operand", None):
            waiting.append(operand)
    return list(dict.fromkeys(found))
