"""Kinds of log lines made small: one row each, changed and grave ones first. Pure."""

from collections import Counter
from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import (
    call_of,
    coverage_line,
    cursor_start,
    fitting,
    more_line,
)
from aiops_mcp.capabilities.logs_digest import few_of
from aiops_mcp.fleet.log_folding import short_line
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.log_patterns import (
    LogPattern,
    LogPatternAnswer,
    LogSequence,
    PatternVerdict,
)

if TYPE_CHECKING:
    from aiops_mcp.capabilities.log_patterns import LogPatternQuery

ROOM = 1_500
"""Bytes of rows: about 450 tokens."""
LEAST = 3
MOST_EXAMPLE = 130
MOST_SEQUENCES = 3
_COLUMNS = ("level", "lines", "before", "change", "began", "clusters", "where", "id", "line")


def digest_patterns(request: "LogPatternQuery", answer: LogPatternAnswer) -> Digest:
    """What is grave and changed first; unusual sequences after it on the first page."""
    start = cursor_start(request.cursor)
    sequences = [] if start else [_sequence_row(one) for one in answer.sequences[:MOST_SEQUENCES]]
    rows = [_row(one) for one in answer.patterns[start : start + request.limit]]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    return Digest(
        headline=_headline(answer),
        columns=_COLUMNS if rows else (),
        rows=(*rows, *sequences) if rows else (),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        query=answer.query,
        notes=tuple(_notes(answer)),
        more=more_line(
            total=len(answer.patterns),
            start=start,
            shown=len(rows),
            what="patterns",
            call=call_of("get_log_patterns", request),
        ),
    )


def _headline(answer: LogPatternAnswer) -> str:
    if not answer.lines and not answer.baseline_lines:
        return "No lines, neither in the window nor before it."
    verdicts = Counter(one.verdict for one in answer.patterns)
    told = [
        f"{verdicts[verdict]} {words}"
        for verdict, words in (
            (PatternVerdict.NEW, "new"),
            (PatternVerdict.MORE, "suddenly frequent"),
            (PatternVerdict.RARE, "rare errors"),
            (PatternVerdict.VANISHED, "vanished"),
            (PatternVerdict.LESS, "seldom now"),
        )
        if verdicts[verdict]
    ]
    errors = sum(one.count for one in answer.patterns if one.level in ("ERROR", "CRITICAL"))
    changes = ", ".join(told) if told else "none changed"
    odd = f"; {len(answer.sequences)} unusual sequences" if answer.sequences else ""
    return (
        f"{len(answer.patterns)} patterns in {answer.lines} lines ({errors} errors): "
        f"{changes}{odd}."
    )


def _row(one: LogPattern) -> tuple[Cell, ...]:
    return (
        one.level,
        one.count,
        round(one.expected),
        one.verdict.value if one.verdict else None,
        f"{one.began:%H:%M}" if one.began else None,
        few_of(one.clusters),
        few_of(one.places) or None,
        one.id,
        short_line(one.example, MOST_EXAMPLE),
    )


def _sequence_row(one: LogSequence) -> tuple[Cell, ...]:
    return (
        None,
        one.lines,
        None,
        "unusual sequence",
        f"{one.began:%H:%M}",
        one.cluster_name,
        f"{one.of} {one.key}",
        None,
        short_line("; ".join(one.why), MOST_EXAMPLE),
    )


def _notes(answer: LogPatternAnswer) -> list[str]:
    notes = list(answer.notes)
    share = answer.read_seconds / answer.window_seconds
    if share < 0.999:
        notes.append(
            f"read {share:.0%} of the window, spread over it (it has more lines than are read at "
            "once); before is set in proportion; a narrower query is read whole"
        )
    if not answer.baseline_lines:
        notes.append("nothing was read before the window, so nothing could be compared")
    return notes
