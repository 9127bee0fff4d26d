"""A root-cause answer made small: one row a cause, its evidence, and the call to make next. Pure.

The headline has only words of ours and names: what a cluster wrote stands in cells.
"""

from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import coverage_line, fitting
from aiops_mcp.models.digest import Cell, Digest
from aiops_mcp.models.rootcause import RCAResult, RootCause

if TYPE_CHECKING:
    from aiops_mcp.capabilities.rootcause import RootCauseQuery

ROOM = 1_900
"""Bytes of rows: about 550 tokens."""
LEAST = 2
MOST_FOR = 3
MOST_TEXT = 260


def digest_root_cause(request: "RootCauseQuery", answer: RCAResult) -> Digest:
    """Likeliest first; what was not available stands in the notes."""
    del request
    rows = [_row(one) for one in answer.causes]
    rows = rows[: fitting(rows, room=ROOM, least=LEAST)]
    columns = ("score", "component", "since", "what", "for", "against", "do", "next")
    return Digest(
        headline=_headline(answer),
        columns=columns if rows else (),
        rows=tuple(rows),
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=tuple(_notes(answer, len(rows))),
    )


def _headline(answer: RCAResult) -> str:
    looked = f"{answer.series_judged} series, {len(answer.looked_at)} sources"
    if not answer.causes:
        return f"No root cause on {answer.cluster_name}: {answer.reason_if_empty} ({looked})."
    first = answer.causes[0]
    since = f" since {first.since:%m-%dT%H:%MZ}" if first.since else ""
    others = ", ".join(one.component for one in answer.causes[1:3])
    less = f"; less likely {others}" if others else ""
    return f"Most likely cause on {answer.cluster_name}: {first.component}{since}{less} ({looked})."


def _row(one: RootCause) -> tuple[Cell, ...]:
    return (
        round(one.score, 2),
        one.component,
        f"{one.since:%m-%dT%H:%MZ}" if one.since else None,
        one.what or None,
        _joined(one.evidence_for[:MOST_FOR]),
        _joined(one.evidence_against[:2]),
        one.remediation[0] if one.remediation else None,
        one.next_call,
    )


def _joined(parts: tuple[str, ...]) -> str | None:
    text = "; ".join(parts)
    return (text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…") or None


def _notes(answer: RCAResult, shown: int) -> list[str]:
    notes = [f"not known: {one}" for one in answer.missing[:4]]
    left = len(answer.causes) - shown
    if left > 0:
        names = ", ".join(one.component for one in answer.causes[shown:])
        notes.insert(0, f"also possible: {names}")
    return notes
