"""Problems made small: one row each, its first evidence and the exact call to make next. Pure.

The headline has only words of ours and names of clusters: what a cluster wrote stands in cells.
"""

from collections import Counter
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import (
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
)
from aiops_mcp.models.ages import age_of, short_age
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.triage import FleetProblem, Symptom, Triage

if TYPE_CHECKING:
    from aiops_mcp.capabilities.triage import TriageQuery

ROOM = 1_450
"""Bytes of rows: with the rest of an answer about 600 tokens."""
LEAST = 3
MOST_EVIDENCE = 110
MOST_NAMED = 3


def digest_triage(request: "TriageQuery", answer: Triage) -> Digest:
    """Worst first; what is only worth knowing stands in the notes."""
    start = cursor_start(request.cursor)
    picked = answer.problems[start : start + request.limit]
    rows = [_row(one, answer) for one in picked]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    columns = ("severity", "cluster", "component", "trouble", "since", "evidence", "also", "next")
    return Digest(
        headline=_headline(answer),
        columns=columns if rows else (),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=tuple(_notes(answer)),
        more=more_line(
            total=len(answer.problems),
            start=start,
            shown=len(rows),
            what="problems",
            call=call_of("triage", request),
        ),
    )


def _headline(answer: Triage) -> str:
    coverage = answer.coverage
    asked = coverage.queried + len(coverage.offline)
    if not asked:
        return "There are no clusters yet; register one."
    if not answer.problems:
        return (
            f"Nothing is wrong in the {coverage.succeeded} of {asked} clusters that answered "
            f"({', '.join(answer.looked_at)})."
        )
    severities = ", ".join(
        f"{count} {severity.value.lower()}" for severity, count in answer.by_severity.items()
    )
    clusters = {name for one in answer.problems for name in one.clusters}
    count = f"{answer.total} problems" if answer.total > 1 else "1 problem"
    told = "; ".join(_words(one, answer) for one in answer.problems[:MOST_NAMED])
    left = answer.total - MOST_NAMED
    more = f"; {left} more" if left > 0 else ""
    return f"{count} ({severities}) in {len(clusters)} of {asked} clusters: {told}{more}."


def _words(one: FleetProblem, answer: Triage) -> str:
    age = age_of(one.since, answer.as_of)
    return f"{one.trouble.value} on {_where(one)}" + (f" for {age}" if age else "")


def _where(one: FleetProblem) -> str:
    others = len(one.clusters) - 1
    return one.cluster_name + (f" +{others}" if others else "")


def _row(one: FleetProblem, answer: Triage) -> tuple[Cell, ...]:
    return (
        one.severity.value,
        _where(one),
        one.component,
        one.trouble.value,
        f"{one.since:%m-%dT%H:%MZ}" if one.since else None,
        _evidence(one, answer),
        _also(one),
        one.next_call,
    )


def _evidence(one: FleetProblem, answer: Triage) -> str | None:
    """The first symptom in its own words, and what was changed before."""
    del answer
    first = one.symptoms[0]
    parts = [_told(first)]
    if one.changes and one.since:
        change = one.changes[0]
        before = short_age((one.since - change.at).total_seconds())
        parts.insert(0, f"{change.change.value} of {change.kind}/{change.name} {before} before")
    text = "; ".join(parts)
    return text if len(text) <= MOST_EVIDENCE else f"{text[: MOST_EVIDENCE - 1]}…"


def _told(symptom: Symptom) -> str:
    detail = " ".join((symptom.detail or "").split())
    return f"{symptom.what}: {detail}" if detail else symptom.what


def _also(one: FleetProblem) -> str | None:
    """How many alerts and objects it has, and which other components."""
    counts = Counter(symptom.source.value for symptom in one.symptoms[1:])
    parts = [f"{count}x{source.replace(' ', '-')}" for source, count in counts.items()]
    names = [name.rpartition("/")[2] for name in one.also]
    shown = names[:MOST_NAMED] + ([f"+{len(names) - MOST_NAMED}"] if names[MOST_NAMED:] else [])
    # Without blanks: what has several is fenced as prose.
    return ",".join([*parts, *shown]) or None


def _notes(answer: Triage) -> list[str]:
    notes = list(answer.notes[:4])
    if answer.away:
        some = ", ".join(answer.away[:5])
        more = f" and {len(answer.away) - 5} more" if len(answer.away) > 5 else ""
        notes.append(f"far edge away, which alone is no trouble: {some}{more}")
    notes += [f"{count} {what} left out" for what, count in answer.left_out.items()]
    return notes
