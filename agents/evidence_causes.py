"""The causes that the results of an answer name, likeliest first over all of them. Pure.

Read from the digests of triage and analyze_root_cause. A ranking looked at one cluster closely;
what triage names is the gravest symptom: so rankings come first, and triage where none was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiops_mcp.models.chat import NamedCause, Reference, ToolStatus

RANKING, PROBLEMS = "analyze_root_cause", "triage"
MOST = 5


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a digest by the names of its columns."""

    number: int
    headline: str
    rows: tuple[Mapping[str, Any], ...]


def table_of(number: int, payload: Mapping[str, Any]) -> Table:
    """A digest's table; without rows where it has none."""
    columns = cast("Sequence[str]", payload.get("columns") or ())
    rows = cast("Sequence[Sequence[Any]]", payload.get("rows") or ())
    return Table(
        number=number,
        headline=str(payload.get("headline", "")),
        rows=tuple(dict(zip(columns, row, strict=False)) for row in rows),
    )


def causes_in(
    references: Sequence[Reference], payloads: Mapping[int, Mapping[str, Any]]
) -> tuple[NamedCause, ...]:
    """The causes by the rankings and the triage among the results, likeliest first."""
    rankings: list[tuple[str, Table]] = []
    problems: list[Table] = []
    for one in references:
        if one.status is not ToolStatus.SUCCESS:
            continue
        table = table_of(one.number, payloads.get(one.number) or {})
        if one.tool == RANKING:
            rankings.append((_cluster_of(one, table), table))
        elif one.tool == PROBLEMS:
            problems.append(table)
    return _combined(rankings, problems)


def _cluster_of(one: Reference, table: Table) -> str:
    """The cluster that a ranking is of: its headline says it, whatever was asked."""
    before, found, after = table.headline.partition(" on ")
    del before
    if found:
        return after.partition(":")[0].strip()
    return str(one.arguments.get("cluster") or (one.clusters[0] if one.clusters else ""))


def _combined(
    rankings: Sequence[tuple[str, Table]], problems: Sequence[Table]
) -> tuple[NamedCause, ...]:
    found: dict[tuple[str, str], NamedCause] = {}
    ranked = [
        NamedCause(
            cluster_name=cluster,
            component=str(row["component"]),
            what=str(row.get("what") or "").strip("«»"),
            score=_score(row.get("score")),
            reference=table.number,
        )
        for cluster, table in rankings
        for row in table.rows
        if row.get("component")
    ]
    for one in sorted(ranked, key=lambda each: -(each.score or 0.0)):
        found.setdefault((one.cluster_name, one.component), one)
    for table in problems:
        for row in table.rows:
            cluster = str(row.get("cluster") or "").partition(" ")[0]
            one = NamedCause(
                cluster_name=cluster,
                component=str(row.get("component") or ""),
                what=str(row.get("trouble") or ""),
                reference=table.number,
            )
            found.setdefault((one.cluster_name, one.component), one)
    return tuple(found.values())[:MOST]


def _score(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
