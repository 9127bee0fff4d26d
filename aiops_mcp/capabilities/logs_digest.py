"""Log answers made small: what kinds of lines there are, the grave ones first, one example each.

Pure functions from a ``LogAnswer`` to a ``Digest``; no I/O, no clock.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiops_mcp.analysis.loglevels import LogLevel, level_of
from aiops_mcp.analysis.logpatterns import TemplateMiner
from aiops_mcp.capabilities.digesting import coverage_line, fitting, more_line
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogEntry, LogNames, LogSource
from aiops_mcp.models.nanoseconds import iso_ns, to_datetime

MOST_PATTERNS = 12
LEAST_PATTERNS = 4
PATTERN_BYTES = 1300
"""What the patterns of a short answer take: about 370 tokens."""

MOST_EXAMPLE = 150
MOST_CLUSTERS_NAMED = 3
_NAMESPACE = ("namespace", "kubernetes_namespace_name", "k8s_namespace_name", "service_namespace")
_WORKLOAD = (
    "app",
    "service_name",
    "app_kubernetes_io_name",
    "k8s_deployment_name",
    "deployment",
    "kubernetes_container_name",
    "k8s_container_name",
    "container",
    "job",
    "unit",
)
_POD = ("pod", "kubernetes_pod_name", "k8s_pod_name")
_NODE = ("node", "node_name", "nodename", "host", "hostname", "kubernetes_host", "instance")
_POD_HASH = re.compile(r"(?:-[0-9a-f]{6,10})?-[0-9a-z]{5}$")
_FRONT_TIME = re.compile(
    r"^\s*(?:time=\"?)?\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*\s*", re.ASCII
)
_WHY_EMPTY = (
    "no line matched: check label names and values (get_log_labels), the range, and upper or "
    "lower case of the text; 'no lines' is not 'no errors' where a cluster did not answer"
)


@dataclass(slots=True)
class Pattern:
    """Lines of one kind; ``example`` is the gravest of them, the newest among equals."""

    example: LogEntry
    level: LogLevel
    count: int = 0
    clusters: dict[str, int] = field(default_factory=dict[str, int])
    places: dict[str, int] = field(default_factory=dict[str, int])
    first: int = 0
    last: int = 0

    def take(self, entry: LogEntry, level: LogLevel) -> None:
        if not self.count or (level, entry.timestamp) > (self.level, self.example.timestamp):
            self.example, self.level = entry, level
        self.first = min(self.first or entry.timestamp, entry.timestamp)
        self.last = max(self.last, entry.timestamp)
        self.count += 1
        self.clusters[entry.cluster_name] = self.clusters.get(entry.cluster_name, 0) + 1
        where = place_of(entry.stream)
        self.places[where] = self.places.get(where, 0) + 1


def patterns_of(entries: Iterable[LogEntry]) -> list[Pattern]:
    """The kinds of lines, the gravest first, then by count.

    Lines of one template but of another level are of another kind.
    """
    miner = TemplateMiner()
    sorted_in = [
        (
            entry,
            level_of({**entry.metadata, **entry.stream}, entry.message),
            miner.add(entry.message),
        )
        for entry in entries
    ]
    found: dict[tuple[int, LogLevel], Pattern] = {}
    for entry, level, template in sorted_in:
        number = template.now().number
        pattern = found.get((number, level))
        if pattern is None:
            pattern = found[number, level] = Pattern(entry, level)
        pattern.take(entry, level)
    return sorted(found.values(), key=_urgency)


def _urgency(pattern: Pattern) -> tuple[int, int, int]:
    # Below errors the level says little: what is frequent comes first.
    grave = -pattern.level if pattern.level >= LogLevel.WARNING else 0
    return (grave, -pattern.count, -pattern.last)


def digest_logs(answer: LogAnswer, *, call: str, detailed: bool) -> Digest:
    """Patterns with counts and one example each, errors first; ``detailed``: the lines too."""
    if not answer.entries:
        return _empty(answer)
    found = patterns_of(answer.entries)
    shown = _shown(found)
    table = [_pattern_row(each) for each in shown]
    if detailed:
        table += [_line_row(entry) for entry in answer.entries]
    return Digest(
        headline=_headline(answer, found),
        columns=("level", "count", "clusters", "where", "last" if not detailed else "time", "line"),
        rows=tuple(table),
        coverage=coverage_line(answer.coverage),
        as_of=to_datetime(answer.end_time),
        query=answer.query,
        notes=_notes(answer),
        more=_more(answer, left=len(found) - len(shown), call=call, detailed=detailed),
    )


def _shown(found: Sequence[Pattern]) -> list[Pattern]:
    """As many as a short answer holds, the gravest; and the most frequent, however grave."""
    rows = [_pattern_row(each) for each in found[:MOST_PATTERNS]]
    count = fitting(rows, room=PATTERN_BYTES, least=LEAST_PATTERNS)
    picked, left_out = list(found[:count]), found[count:]
    most = max(left_out, key=lambda each: each.count, default=None)
    if most is not None and most.count > picked[-1].count:
        picked[-1] = most
    return picked


def _empty(answer: LogAnswer) -> Digest:
    asked = bool(answer.coverage.succeeded)
    return Digest(
        headline="No lines." if asked else "No cluster answered.",
        coverage=coverage_line(answer.coverage),
        as_of=to_datetime(answer.end_time),
        query=answer.query,
        notes=(*_notes(answer), *((_WHY_EMPTY,) if asked else ())),
    )


def _headline(answer: LogAnswer, found: Sequence[Pattern]) -> str:
    lines = len(answer.entries)
    clusters = {entry.cluster_name for entry in answer.entries}
    errors = sum(each.count for each in found if each.level >= LogLevel.ERROR)
    warnings = sum(each.count for each in found if each.level is LogLevel.WARNING)
    newest = "newest" if answer.direction is LogDirection.BACKWARD else "oldest"
    amount = f"The {newest} {lines} lines" if answer.truncated else f"{lines} lines"
    where = f"in {len(clusters)} clusters" if len(clusters) > 1 else f"in {min(clusters)}"
    share = f"{errors} errors ({errors / lines:.0%})" if errors else "no errors"
    # Not the line itself: it stands in the first row, where it is fenced.
    worst = f", most from {_few(found[0].places)}" if errors else ""
    more = f", {warnings} warnings" if warnings else ""
    return f"{amount} {where}, {_span(answer.entries)}; {share}{worst}{more}."


def _span(entries: Sequence[LogEntry]) -> str:
    ends = (entries[0].timestamp, entries[-1].timestamp)
    first, last = to_datetime(min(ends)), to_datetime(max(ends))
    if first.date() == last.date():
        return f"{first:%Y-%m-%d %H:%M:%S} to {last:%H:%M:%S}Z"
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}Z"


def _pattern_row(pattern: Pattern) -> tuple[Cell, ...]:
    return (
        pattern.level.name,
        pattern.count,
        _few(pattern.clusters),
        _few(pattern.places) or None,
        f"{to_datetime(pattern.last):%H:%M:%S}",
        _example(pattern),
    )


def _line_row(entry: LogEntry) -> tuple[Cell, ...]:
    level = level_of({**entry.metadata, **entry.stream}, entry.message)
    return (
        level.name,
        entry.copies,
        entry.cluster_name,
        _exact_place(entry.stream) or None,
        iso_ns(entry.timestamp),
        short_line(entry.message, 2 * MOST_EXAMPLE),
    )


def _example(pattern: Pattern) -> str:
    return short_line(pattern.example.message, MOST_EXAMPLE)


def short_line(text: str, most: int) -> str:
    """A line without the time at its front, on one line, of bounded length."""
    line = " ".join(_FRONT_TIME.sub("", text[: 4 * most + 80], count=1).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _few(counts: Mapping[str, int]) -> str:
    """The names with most lines: ``edge-1,edge-2,edge-3,+2``."""
    names = sorted((name for name in counts if name), key=lambda name: (-counts[name], name))
    more = len(names) - MOST_CLUSTERS_NAMED
    return ",".join(names[:MOST_CLUSTERS_NAMED]) + (f",+{more}" if more > 0 else "")


def place_of(stream: Mapping[str, str]) -> str:
    """``namespace/workload`` of a stream, or its node: what replicas of one workload share."""
    namespace, workload = _first(stream, _NAMESPACE), _first(stream, _WORKLOAD)
    if not workload:
        workload = _POD_HASH.sub("", _first(stream, _POD))
    parts = [part for part in (namespace, workload) if part]
    return "/".join(parts) or _first(stream, _NODE)


def _exact_place(stream: Mapping[str, str]) -> str:
    namespace, pod = _first(stream, _NAMESPACE), _first(stream, _POD)
    return f"{namespace}/{pod}" if namespace and pod else pod or place_of(stream)


def _first(stream: Mapping[str, str], names: Sequence[str]) -> str:
    return next((stream[name] for name in names if stream.get(name)), "")


def _notes(answer: LogAnswer) -> tuple[str, ...]:
    notes = [text for text in answer.warnings if text != "PARTIAL_RESULTS"]
    if answer.duplicates_folded:
        notes.append(f"{answer.duplicates_folded} exact duplicates folded")
    pods = [each.cluster_name for each in answer.results if each.source is LogSource.PODS]
    if pods:
        some = ", ".join(pods[:3]) + (f" and {len(pods) - 3} more" if len(pods) > 3 else "")
        notes.append(f"from pod logs, no Loki: {some}")
    return tuple(notes)


def _more(answer: LogAnswer, *, left: int, call: str, detailed: bool) -> str | None:
    said: list[str] = []
    if left > 0:
        said.append(f"{left} more patterns: narrow the query, or response_format=detailed")
    if answer.truncated and answer.cursor:
        older = "older" if answer.direction is LogDirection.BACKWARD else "newer"
        glue = "" if call.endswith("(") else ", "
        cursor = f'cursor="{answer.cursor}"'
        again = f"{call}{glue}{cursor})" if len(call) <= 60 else f"the same call with {cursor}"
        said.append(f"{older} lines exist: {again}, or limit=5000 for patterns over more of them")
    elif not detailed and not left and len(answer.entries) > 1:
        return None
    return "; ".join(said) or None


def digest_log_names(
    answer: LogNames, *, label: str | None, limit: int, start: int, call: str
) -> Digest:
    """Names with the number of clusters that have each, the most common first."""
    asked = answer.coverage.succeeded
    ordered = sorted(answer.names, key=lambda name: (-answer.clusters[name], name))
    picked = ordered[start : start + limit]
    what = f"values of {label}" if label else "label names"
    everywhere = all(answer.clusters[name] == asked for name in ordered)
    spread = f", each in {asked} of {asked} clusters" if everywhere and ordered else ""
    rows: list[tuple[Cell, ...]] = [
        (name,) if everywhere else (name, answer.clusters[name]) for name in picked
    ]
    return Digest(
        headline=f"{len(ordered)} {what}{spread}." if ordered else f"No {what}.",
        columns=("name",) if everywhere else ("name", "clusters"),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        notes=tuple(text for text in answer.warnings if text != "PARTIAL_RESULTS"),
        more=more_line(total=len(ordered), start=start, shown=len(picked), what=what, call=call),
    )
