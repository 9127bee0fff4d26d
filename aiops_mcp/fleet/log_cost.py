"""Whether a log query may be asked: selective enough, short enough, few enough bytes. Pure.

Logs have no index over their text: what a selector does not exclude is read. A refusal says how
to write the query so that it may be asked.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aiops_mcp.errors import InputError, QueryTooExpensive
from aiops_mcp.fleet.cost import CLOCK_SLACK_SECONDS
from aiops_mcp.logql import Matcher, Query, SelectorUse, is_metric, parse, selectors
from aiops_mcp.logql.regexes import compiled
from aiops_mcp.models.nanoseconds import SECOND, iso_ns, to_datetime, to_ns
from aiops_mcp.settings import Settings

BROAD_LABELS = frozenset(
    {
        "level",
        "detected_level",
        "severity",
        "severity_text",
        "log_type",
        "openshift_log_type",
        "cluster",
        "cluster_id",
        "cluster_name",
        "k8s_cluster_name",
        "openshift_cluster_id",
        "env",
        "environment",
        "region",
        "zone",
        "stream",
        "logstream",
        "tenant",
    }
)
"""Labels with a handful of values, each of which covers a good part of all logs."""

MAX_POINTS = 11_000
"""Points a series that Loki gives at most."""

_NAMES = ("a", "shop7", "kube-system", "openshift-monitoring", "zq-0x1f")
"""Names of every kind: an expression that fits them all leaves nothing out."""

_FIRST_BRACE = re.compile(r"\{\s*")
_STEPS = (60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600)


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """A parsed LogQL query; ``uses`` are the selectors it reads."""

    text: str
    node: Query
    is_metric: bool
    uses: tuple[SelectorUse, ...]

    @property
    def looks_back(self) -> int:
        """Nanoseconds before the start that a metric query's windows reach."""
        return max((use.range + use.offset for use in self.uses), default=0)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` until before ``end``, in nanoseconds; ``now`` is when it was asked."""

    start: int
    end: int
    now: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / SECOND

    def last(self, seconds: float) -> str:
        """The arguments that ask for the last ``seconds`` of this span."""
        text = duration_text(seconds)
        if abs(self.end - self.now) < 60 * SECOND:
            return f'start_time="-{text}"'
        start = self.end - int(seconds * SECOND)
        return f'start_time="{_short(start)}", end_time="{_short(self.end)}"'


def read_question(query: str) -> LogQuestion:
    """Parse a query.

    Raises:
        InvalidLogql: with the position.
    """
    node = parse(query)
    return LogQuestion(query.strip(), node, is_metric(node), selectors(node))


def span_of(start: int | None, end: int | None, now: datetime, *, default: float) -> Span:
    """The span asked for, by default the ``default`` seconds before ``end``, which is now.

    Raises:
        InputError: it ends before it begins, or begins in the future.
    """
    present = to_ns(now)
    until = present if end is None else end
    begin = until - int(default * SECOND) if start is None else start
    if begin >= until:
        raise InputError(
            f"start_time ({_short(begin)}) is not before end_time ({_short(until)}).",
            "Give a start_time before it, such as -1h.",
            details={"field": "start_time"},
        )
    if begin > present + CLOCK_SLACK_SECONDS * SECOND:
        raise InputError(
            "start_time lies in the future.", "Logs are of the past.",
            details={"field": "start_time"},
        )  # fmt: skip
    return Span(begin, until, present)


def check(question: LogQuestion, span: Span, settings: Settings) -> None:
    """Refuse what nobody should ask.

    Raises:
        QueryTooExpensive: with the query that may be asked instead.
    """
    seconds = span.seconds + question.looks_back / SECOND
    if seconds > settings.log_max_range:
        raise QueryTooExpensive(
            f"The query reads {duration_text(seconds)} of logs; the most is "
            f"{duration_text(settings.log_max_range)}.",
            f"Ask for less at once: {span.last(_allowed(question, settings.log_max_range))}.",
            details={"field": "start_time", "seconds": seconds},
        )
    check_selectors(question, seconds, settings, span)


def check_selectors(
    question: LogQuestion, seconds: float, settings: Settings, span: Span | None = None
) -> None:
    """Refuse selectors that leave nothing out, and broad ones over a long time.

    Raises:
        QueryTooExpensive: with the query that may be asked instead.
    """
    for use in question.uses:
        telling = [one for one in use.selector.matchers if is_telling(one)]
        if not telling:
            raise QueryTooExpensive(
                "The selector leaves no stream out: it would read all logs of the fleet.",
                f"Name a namespace or an application: {narrowed(question.text)}. "
                'get_log_labels(label_name="namespace") lists them.',
                details={"field": "query"},
            )
        if seconds > settings.log_broad_range and all(one.name in BROAD_LABELS for one in telling):
            broad = ", ".join(sorted({one.name for one in telling}))
            shorter = span.last(settings.log_broad_range) if span else 'start_time="-1h"'
            raise QueryTooExpensive(
                f"{broad} alone covers a good part of all logs, over {duration_text(seconds)}.",
                f"Name a namespace or an application: {narrowed(question.text)}; or keep the "
                f"query and ask for the last {duration_text(settings.log_broad_range)}: {shorter}.",
                details={"field": "query"},
            )


def check_bytes(
    question: LogQuestion, span: Span, estimates: Mapping[str, int], settings: Settings
) -> None:
    """Refuse what covers too many bytes; ``estimates`` is by cluster name.

    Raises:
        QueryTooExpensive: with the time that may be asked instead.
    """
    total, most = sum(estimates.values()), settings.log_max_bytes
    if total <= most:
        return
    largest = sorted(estimates.items(), key=lambda pair: -pair[1])[:3]
    named = ", ".join(f"{name} {size_text(size)}" for name, size in largest)
    share = most / total
    fitting = _allowed(question, (span.seconds + question.looks_back / SECOND) * share)
    shorter = f"ask for less time: {span.last(fitting)}, or " if fitting >= 60 else ""
    raise QueryTooExpensive(
        f"The query covers about {size_text(total)} of logs ({named}); the most is "
        f"{size_text(most)}.",
        f"Keep the query and {shorter}narrow it: {narrowed(question.text)}, "
        "or name fewer clusters.",
        details={"field": "query", "estimated_bytes": total, "max_bytes": most},
    )


def is_telling(matcher: Matcher) -> bool:
    """Whether a matcher leaves out most streams."""
    if matcher.op == "=":
        return matcher.value != ""
    if matcher.op != "=~" or matcher.matches_empty:
        return False
    regex = compiled(matcher.value)
    return regex is None or not all(regex.fullmatch(name) for name in _NAMES)


def narrowed(query: str) -> str:
    """The query as a call with a namespace in its first selector, to be filled in."""
    name = "namespace"
    for prefix in ("kubernetes_", "k8s_"):
        if prefix in query:
            name = f"{prefix}namespace_name"
    if re.search(rf"\b{name}\s*=\s*[\"`]", query):
        name = "pod" if name == "namespace" else name.replace("namespace", "pod")
    rest = _FIRST_BRACE.sub(f'{{{name}="NAME", ', query, count=1).replace(", }", "}", 1)
    return f"query_logs(query={json.dumps(rest, ensure_ascii=False)})"


def step_of(step: float | None, span: Span) -> tuple[float, tuple[str, ...]]:
    """Seconds between a metric's points, and what is to be said about it.

    By default a minute, or what gives 120 points. Loki gives at most 11,000.
    """
    if step is None:
        return max(60.0, round(span.seconds / 120)), ()
    if step > 0 and span.seconds / step <= MAX_POINTS:
        return step, ()
    coarser = max(1.0, round(span.seconds / MAX_POINTS + 0.5))
    return coarser, (f"step raised to {coarser:g} s: Loki gives {MAX_POINTS} points at most",)


def duration_text(seconds: float) -> str:
    """``90m``, ``36h``, ``7d``: a whole number of the largest unit that is exact enough."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.0f}{unit}"
    return f"{max(1, seconds):.0f}s"


def size_text(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _allowed(question: LogQuestion, seconds: float) -> float:
    """The longest round time within ``seconds`` that leaves room for the query's windows."""
    room = seconds - question.looks_back / SECOND
    fitting = [step for step in _STEPS if step <= room]
    if room >= 2 * 86400:
        return room // 86400 * 86400
    return float(fitting[-1]) if fitting else max(1.0, room // 1)


def _short(ns: int) -> str:
    return f"{to_datetime(ns):%Y-%m-%dT%H:%M:%SZ}" if ns % SECOND == 0 else iso_ns(ns)
