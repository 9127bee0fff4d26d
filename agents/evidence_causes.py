"""The causes that the results of an answer name, likeliest first over all of them. Pure.

Read from the digests of triage and analyze_root_cause. A ranking looked at one cluster closely,
triage at all of them from afar: of a cluster the ranking's order holds, triage says which cluster
is worst.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aiops_mcp.models.chat import NamedCause, Reference, ToolStatus

RANKING, PROBLEMS = "analyze_root_cause", "triage"
MOST: Final = 5
_EXPLAINED: Final = re.compile(r"^(?P<by>\S+), on which it depends, explains it")
_WAITING: Final = re.compile(r"those that call it wait for it \((?P<callers>[^)]*)\)")
_FELT: Final = frozenset({"errors", "latency", "target down", "alert", "backend away"})
"""Troubles of triage that are felt rather than what breaks (``models.triage.Trouble``)."""
_NEAR: Final = 0.12
"""Scores closer than this say little: what broke, and first, comes first."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a digest by the names of its columns."""

    number: int
    headline: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The causes of one cluster, as one call ranked them; ``about``: what was asked about."""

    cluster: str
    about: str
    table: Table

    @property
    def names(self) -> list[str]:
        return [str(row.get("component") or "") for row in self.table.rows]


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
    rankings: list[_Ranking] = []
    problems: list[Table] = []
    for one in references:
        if one.status is not ToolStatus.SUCCESS:
            continue
        table = table_of(one.number, payloads.get(one.number) or {})
        if one.tool == RANKING:
            rankings.append(_Ranking(_cluster_of(one, table), _about(one), table))
        elif one.tool == PROBLEMS:
            problems.append(table)
    rows = [(table.number, row) for table in problems for row in table.rows]
    return _combined(rankings, rows)


def _cluster_of(one: Reference, table: Table) -> str:
    """The cluster that a ranking is of: its headline says it, whatever was asked."""
    _, found, after = table.headline.partition(" on ")
    if found:
        return after.partition(":")[0].strip()
    return str(one.arguments.get("cluster") or (one.clusters[0] if one.clusters else ""))


def _about(one: Reference) -> str:
    told = (one.arguments.get(name) for name in ("alert", "component", "anomaly"))
    return next((str(each) for each in told if each), "")


def _combined(
    rankings: Sequence[_Ranking], problems: Sequence[tuple[int, Mapping[str, Any]]]
) -> tuple[NamedCause, ...]:
    """The first causes of each cluster, worst cluster first; then the second ones, and so on."""
    clusters = _ordered_clusters(rankings, problems)
    told: dict[str, list[NamedCause]] = {}
    for cluster in clusters:
        own = [one for one in rankings if one.cluster == cluster]
        seen = [(n, row) for n, row in problems if _cluster_in(row) == cluster]
        told[cluster] = _of_cluster(cluster, own, seen)
    by_cluster = _followed_abroad(told)
    found: dict[tuple[str, str], NamedCause] = {}
    for place in range(max(map(len, by_cluster), default=0)):
        for causes in by_cluster:
            for one in causes[place : place + 1]:
                found.setdefault((one.cluster_name, one.component), one)
    return tuple(found.values())[:MOST]


def _ordered_clusters(
    rankings: Sequence[_Ranking], problems: Sequence[tuple[int, Mapping[str, Any]]]
) -> list[str]:
    """What was asked about by name, then those in trouble, worst first, then the rest by score."""
    focused = [one.cluster for one in rankings if one.about and one.table.rows]
    troubled = [_cluster_in(row) for _, row in problems]
    scored = sorted(
        (one for one in rankings if one.table.rows), key=lambda one: -_score(one.table.rows[0])
    )
    return list(dict.fromkeys((*focused, *troubled, *(one.cluster for one in scored))))


def _followed_abroad(by_cluster: Mapping[str, list[NamedCause]]) -> list[list[NamedCause]]:
    """A cluster whose first cause lies in another one comes after that one, without that cause."""
    ordered = list(by_cluster)
    for cluster, causes in by_cluster.items():
        abroad = causes[0].component.rpartition(".")[2] if causes else ""
        if abroad != cluster and by_cluster.get(abroad):
            ordered.remove(abroad)
            ordered.insert(ordered.index(cluster), abroad)
            by_cluster = {**by_cluster, cluster: causes[1:]}
    return [by_cluster[cluster] for cluster in ordered]


def _cluster_in(row: Mapping[str, Any]) -> str:
    return str(row.get("cluster") or "").partition(" ")[0]


def _of_cluster(
    cluster: str,
    rankings: Sequence[_Ranking],
    problems: Sequence[tuple[int, Mapping[str, Any]]],
) -> list[NamedCause]:
    ranking = _followed(rankings)
    causes: list[NamedCause] = []
    if ranking is not None:
        rows = _reordered(ranking.table.rows, [row for _, row in problems])
        causes = [_ranked(cluster, ranking.table.number, row) for row in rows]
    if not causes:
        causes = [
            NamedCause(
                cluster_name=cluster,
                component=str(row.get("component") or ""),
                what=_plain(row.get("trouble")),
                reference=number,
            )
            for number, row in problems
        ]
    return _once(causes)


def _followed(rankings: Sequence[_Ranking]) -> _Ranking | None:
    """The ranking of the whole cluster, unless what was asked about has nothing to do with it.

    What is asked of one component leaves out what was not seen to reach it, and prefers what is
    near; so it only says which of several troubles of a cluster is meant.
    """
    whole = [one for one in rankings if not one.about and one.table.rows]
    focused = [one for one in rankings if one.about and one.table.rows]
    if not whole or not focused:
        return next(iter([*whole, *focused]), None)
    first = whole[0].table.rows[0]
    near = {
        str(row.get("component"))
        for row in focused[0].table.rows
        if _score(row) >= _score(focused[0].table.rows[0]) - 2 * _NEAR
    }
    return whole[0] if str(first.get("component")) in near else focused[0]


def _reordered(
    rows: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The rows with what triage saw break before what scores hardly more."""
    broken = [
        str(row.get("component") or "")
        for row in problems
        if _plain(row.get("trouble")) not in _FELT
    ]
    kept = list(rows)
    if not kept:
        return kept
    for name in broken[:1]:
        at = next((n for n, row in enumerate(kept) if row.get("component") == name), 0)
        if at and _may_lead(kept[at], kept[0]):
            kept.insert(0, kept.pop(at))
    waited_for = next((n for n, row in enumerate(kept) if n and _waits_for(kept[0], row)), 0)
    kept.insert(0, kept.pop(waited_for))
    return kept


def _waits_for(first: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the first is slow for want of that one, which takes long itself: then it leads."""
    told = _WAITING.search(_plain(row.get("for")))
    callers = told["callers"].split(", ") if told else []
    return (
        first.get("component") in callers
        and "its own time is" in _plain(row.get("for"))
        and _may_lead(row, first)
    )


def _may_lead(row: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Whether it scores hardly less than the first, and nothing explains it away."""
    is_explained = _EXPLAINED.match(_plain(row.get("against"))) is not None
    return not is_explained and _score(first) - _score(row) <= _NEAR


def _once(causes: Iterable[NamedCause]) -> list[NamedCause]:
    """Each component once, where it stands first."""
    kept: dict[str, NamedCause] = {}
    for one in causes:
        kept.setdefault(one.component, one)
    return list(kept.values())


def _ranked(cluster: str, number: int, row: Mapping[str, Any]) -> NamedCause:
    return NamedCause(
        cluster_name=cluster,
        component=str(row.get("component") or ""),
        what=_plain(row.get("what")),
        score=_score(row),
        reference=number,
    )


def _plain(value: object) -> str:
    return "" if value is None else str(value).strip("«»")


def _score(row: Mapping[str, Any]) -> float:
    value = row.get("score")
    return min(max(float(value), 0.0), 1.0) if isinstance(value, int | float) else 0.0
