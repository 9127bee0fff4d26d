"""A correlation made small: the strongest groups by time, what moved, who is odd. Pure."""

from typing import TYPE_CHECKING

from aiops_mcp.capabilities.digesting import coverage_line, fitting, significant
from aiops_mcp.models.correlation import (
    Correlation,
    MovedWith,
    Neighbour,
    Observed,
    ObservedLink,
    OddPeer,
)
from aiops_mcp.models.digest import Cell, Digest

if TYPE_CHECKING:
    from aiops_mcp.capabilities.correlation import CorrelationQuery

ROOM = 1_600
"""Bytes of the rows that are usual: about 480 tokens."""
USUAL_LIMIT = 12
LEAST = 3
MOST_MOVED = 3
MOST_ODD = 3
MOST_NEIGHBOURS = 4
MOST_DETAIL = 70
MOST_NOTES = 6
_COLUMNS = ("group", "kind", "at", "lag_s", "weight", "cluster", "component", "what", "detail")


def digest_correlation(request: "CorrelationQuery", answer: Correlation) -> Digest:
    """Each observation stands with its strongest link to an earlier one: lag and weight."""
    others = [
        *(_moved_row(one) for one in answer.moved[:MOST_MOVED]),
        *(_odd_row(one) for one in answer.odd[:MOST_ODD]),
        *(_neighbour_row(one) for one in answer.neighbours[:MOST_NEIGHBOURS]),
    ]
    rows = _observed_rows(answer, max(LEAST, request.limit - len(others)))
    # Whoever asks for more rows than usual has room for them.
    room = max(ROOM, ROOM * request.limit // USUAL_LIMIT)
    taken = sum(len(str(row)) for row in others)
    shown = rows[: fitting(rows, room=max(0, room - taken), least=LEAST)]
    table = (*shown, *others)
    left = len(answer.observations) - len(shown)
    return Digest(
        headline=_headline(answer),
        columns=_COLUMNS if table else (),
        rows=table,
        coverage=coverage_line(answer.coverage),
        as_of=answer.as_of,
        notes=answer.notes[:MOST_NOTES],
        more=(
            f"{left} more observations: name clusters, a component or an alert, or raise limit"
            if left > 0
            else None
        ),
    )


def _headline(answer: Correlation) -> str:
    count = len(answer.observations)
    said = f"{count} observations in {answer.groups} groups" if count else "Nothing began"
    clusters = sorted({one.cluster_name for one in answer.observations})
    where = f" in {clusters[0]}" if len(clusters) == 1 else f" in {len(clusters)} clusters"
    where = where if clusters else ""
    span = f"{answer.since:%Y-%m-%d %H:%M} to {answer.until:%H:%M}Z"
    odd = f"; {len(answer.odd)} unlike their peers" if answer.odd else ""
    moved = f"; {len(answer.moved)} series moved with it" if answer.moved else ""
    return f"{said}{where}, {span}{moved}{odd} ({', '.join(answer.looked_at)})."


def _observed_rows(answer: Correlation, most: int) -> list[tuple[Cell, ...]]:
    """The strongest of the first groups, each group in the order of time."""
    before: dict[int, ObservedLink] = {}
    for link in answer.links:
        before.setdefault(link.target, link)
    told = answer.observations
    places = sorted(
        range(len(told)),
        key=lambda place: (told[place].group, not told[place].is_asked, -told[place].strength),
    )[:most]
    places.sort(key=lambda place: (told[place].group, told[place].began))
    return [_observed_row(told[place], before.get(place)) for place in places]


def _observed_row(one: Observed, link: ObservedLink | None) -> tuple[Cell, ...]:
    return (
        one.group,
        one.kind.value,
        f"{one.began:%H:%M:%S}",
        round(link.lag_seconds) if link else None,
        significant(round(link.weight, 2)) if link else None,
        one.cluster_name,
        one.component or None,
        one.what,
        _short(one.detail),
    )


def _moved_row(one: MovedWith) -> tuple[Cell, ...]:
    return (
        None,
        "moved with",
        None,
        round(one.lag_seconds),
        significant(round(one.score, 2)),
        one.cluster_name,
        one.component,
        one.what,
        f"correlation {one.correlation:.2f}" if one.correlation else None,
    )


def _odd_row(one: OddPeer) -> tuple[Cell, ...]:
    said = f"{one.value:.4g} {one.unit}".strip()
    return (
        None,
        f"odd {one.of}",
        None,
        None,
        None,
        one.cluster_name,
        one.component,
        one.what,
        f"{said}, {one.peer_count} peers {one.peers:.4g}",
    )


def _neighbour_row(one: Neighbour) -> tuple[Cell, ...]:
    return (
        None,
        f"korrel8r {one.kind}",
        None,
        None,
        None,
        one.cluster_name,
        one.class_name,
        f"{one.count} objects",
        _short(one.query),
    )


def _short(text: str) -> str | None:
    line = " ".join(text.split())
    return (line if len(line) <= MOST_DETAIL else f"{line[: MOST_DETAIL - 1]}…") or None
