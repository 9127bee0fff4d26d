"""Log answers made small: what kinds of lines there are, the grave ones first, one example each.

Pure functions from a ``LogAnswer`` to a ``Digest``; no I/O, no clock.
"""

from collections.abc import Mapping, Sequence

from aiops_mcp.analysis.loglevels import LogLevel, level_of
from aiops_mcp.capabilities.digesting import coverage_line, fitting, more_line
from aiops_mcp.fleet.log_folding import Pattern, exact_place, patterns_of, short_line
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.logs import LogAnswer, LogDirection, LogEntry, LogNames, LogSource
from aiops_mcp.models.nanoseconds import iso_ns, to_datetime

MOST_PATTERNS = 12
LEAST_PATTERNS = 4
PATTERN_BYTES = 1300
"""What the patterns of a short answer take: about 370 tokens."""

MOST_EXAMPLE = 150
MOST_CLUSTERS_NAMED = 3
_WHY_EMPTY = (
    "no line matched: check label names and values (get_log_labels), the range, and upper or "
    "lower case of the text; 'no lines' is not 'no errors' where a cluster did not answer"
)


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
    worst = f", most from {few_of(found[0].places)}" if errors else ""
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
        few_of(pattern.clusters),
        few_of(pattern.places) or None,
        f"{to_datetime(pattern.last):%H:%M:%S}",
        _example(pattern),
    )


def _line_row(entry: LogEntry) -> tuple[Cell, ...]:
    level = level_of({**entry.metadata, **entry.stream}, entry.message)
    return (
        level.name,
        entry.copies,
        entry.cluster_name,
        exact_place(entry.stream) or None,
        iso_ns(entry.timestamp),
        short_line(entry.message, 2 * MOST_EXAMPLE),
    )


def _example(pattern: Pattern) -> str:
    return short_line(pattern.example.message, MOST_EXAMPLE)


def few_of(counts: Mapping[str, int]) -> str:
    """The names with most lines: ``edge-1,edge-2,edge-3,+2``."""
    names = sorted((name for name in counts if name), key=lambda name: (-counts[name], name))
    more = len(names) - MOST_CLUSTERS_NAMED
    return ",".join(names[:MOST_CLUSTERS_NAMED]) + (f",+{more}" if more > 0 else "")


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
