"""What belongs together in the fleet at a time: collected, joined, and told.

Collecting is in ``correlation_collecting``, the observations in ``correlation_observations``, the
joining in ``analysis.correlate``. Knows no operation.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from aiops_mcp.analysis.correlate import CorrelationGraph, correlate
from aiops_mcp.analysis.correlate_moves import what_else_moved
from aiops_mcp.analysis.correlate_peers import odd_ones
from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.fleet.asked_series import AskedSeries, read_series
from aiops_mcp.fleet.correlation_collecting import Collected, Collecting, Sources
from aiops_mcp.fleet.correlation_neighbours import Near, neighbours
from aiops_mcp.fleet.correlation_observations import (
    Seen,
    edges_over,
    is_about,
    of_alerts,
    of_changes,
    of_events,
    of_patterns,
    of_series,
    strongest,
)
from aiops_mcp.fleet.correlation_series import Row, odd_clusters
from aiops_mcp.fleet.series_grid import Span, Vector
from aiops_mcp.models.correlation import Correlation, MovedWith, Neighbour, ObservedLink, OddPeer
from aiops_mcp.models.coverage import Coverage
from aiops_mcp.models.principal import Principal
from aiops_mcp.operation import Progress, no_progress

STEP_SECONDS: Final = 60.0
MOST_OBSERVATIONS: Final = 400
MOST_LINKS: Final = 1_000
MOST_ODD: Final = 20
MOST_MOVED: Final = 20
MAX_LAG_SECONDS: Final = 300.0

__all__ = ["Correlating", "Sources", "correlate_fleet"]


@dataclass(frozen=True, slots=True)
class Correlating:
    """What is asked: the time, and optionally a component, an alert's name or a PromQL.

    ``window`` seconds before ``until`` are looked at, and as long before them as a baseline.
    """

    until: datetime
    window: float
    clusters: tuple[str, ...] = ()
    component: str | None = None
    alert: str | None = None
    query: str | None = None


async def correlate_fleet(
    sources: Sources,
    asked: Correlating,
    *,
    principal: Principal,
    progress: Progress = no_progress,
) -> Correlation:
    """One graph of what was seen, what moved together, and who is unlike its peers.

    Raises:
        ClusterNotFound, InputError: the selection names nobody. InvalidPromql: of the query.
        AiopsError: no source was answered by anybody.
    """
    chosen = await sources.fleet.choose(asked.clusters, principal)
    end = asked.until.timestamp() // STEP_SECONDS * STEP_SECONDS
    since = datetime.fromtimestamp(end - asked.window, UTC)
    span = Span(end - 2 * asked.window, end, STEP_SECONDS)
    collecting = Collecting(sources, chosen, principal, span, since, asked.until)
    await collecting.all(progress)
    got = collecting.got
    if got.first_error is not None and not got.coverages:
        raise got.first_error
    named = await _queried(sources, asked, span, principal, got)
    await collecting.logs(_places(got, asked, since), progress)
    found = await asyncio.to_thread(_joined, asked, got, named, since, sources.clock())
    near = Near(since, asked.until, asked.component, _alertname(asked, got))
    told, notes = await neighbours(sources.fleet, chosen, near)
    return _with_neighbours(found, told, notes)


async def _queried(
    sources: Sources, asked: Correlating, span: Span, principal: Principal, got: Collected
) -> AskedSeries | None:
    """The series of the query. Raises InputError where it cannot be."""
    if asked.query is None:
        return None
    try:
        return await read_series(
            sources.metrics,
            asked.query,
            span,
            selection=asked.clusters,
            principal=principal,
            progress=no_progress,
        )
    except InputError:
        raise
    except AiopsError as error:
        got.notes.append(f"query: not known, {error.message}")
        return None


def _about(asked: Correlating, got: Collected) -> frozenset[str]:
    """Names by which what was asked about goes."""
    about = {name for name in (asked.component, asked.alert) if name}
    for alert in got.alerts:
        if asked.alert and asked.alert in (alert.fingerprint, alert.id, alert.alertname):
            about.add(alert.alertname)
    return frozenset(about)


def _alertname(asked: Correlating, got: Collected) -> str | None:
    """The name of the alert that was asked about, by whatever it was named."""
    if asked.alert is None:
        return None
    named = [one for one in got.alerts if asked.alert in (one.fingerprint, one.id)]
    return named[0].alertname if named else asked.alert


def _observed(got: Collected, since: datetime, until: datetime) -> list[Seen]:
    names = {one.cluster: one.topology.names for one in got.seen}
    changes = [each for one in got.seen for each in one.changes]
    return [
        *of_series(changes, since),
        *of_alerts(got.alerts, names, since, until),
        *of_changes(got.changes, names),
        *of_events(got.events, names, since, until),
        *of_patterns(got.patterns),
    ]


def _places(got: Collected, asked: Correlating, since: datetime) -> Counter[tuple[str, str]]:
    """How often each cluster and namespace is told of; those asked about count most."""
    about, places = _about(asked, got), Counter[tuple[str, str]]()
    for one in _observed(got, since, asked.until):
        space = one.labels.get("namespace") or one.told.component.partition("/")[0]
        if "/" in one.told.component or one.labels.get("namespace"):
            places[one.told.cluster_name, space] += 1000 if is_about(one.told, about) else 1
    return places


def _joined(
    asked: Correlating,
    got: Collected,
    named: AskedSeries | None,
    since: datetime,
    now: datetime,
) -> Correlation:
    direct = _about(asked, got)
    every = _observed(got, since, asked.until)
    # An alert stands for what it is of.
    about = direct | {one.told.component for one in every if is_about(one.told, direct)} - {""}
    kept = strongest(every, MOST_OBSERVATIONS, about)
    observations = [one.observation for one in kept]
    components = {one.component for one in observations}
    edges = [
        edge for one in got.seen for edge in edges_over(one.cluster, one.topology.edges, components)
    ]
    graph = correlate(observations, edges)
    order = _group_order(graph, kept, direct)
    group_of = {place: rank for rank, group in enumerate(order) for place in group}
    anchor, told, own = _anchor(got, named, about)
    notes = sorted(set(got.notes))
    if len(kept) < len(every):
        notes.append(f"{len(every) - len(kept)} weaker observations were left out")
    return Correlation(
        about=", ".join(one for one in (asked.alert, asked.component, asked.query) if one),
        since=since,
        until=asked.until,
        observations=tuple(
            one.told.model_copy(
                update={"group": group_of[place], "is_asked": is_about(one.told, direct)}
            )
            for place, one in enumerate(kept)
        ),
        links=tuple(_links(graph)),
        groups=len(order),
        moved_with=told,
        moved=tuple(_moved(got, anchor, own)),
        odd=tuple(_odd(got, named)),
        series=sum(one.series for one in got.seen),
        looked_at=tuple(sorted(got.looked_at)),
        notes=tuple(notes),
        coverage=_coverage(got),
        as_of=now,
    )


def _group_order(
    graph: CorrelationGraph, kept: Sequence[Seen], about: frozenset[str]
) -> list[tuple[int, ...]]:
    """Those with what was asked about first."""

    def key(group: tuple[int, ...]) -> bool:
        return not any(is_about(kept[place].told, about) for place in group)

    return sorted(graph.groups, key=key)


def _links(graph: CorrelationGraph) -> list[ObservedLink]:
    return [
        ObservedLink(
            source=link.source,
            target=link.target,
            relation=link.relation.value,
            lag_seconds=round(link.lag, 3),
            weight=round(link.weight, 4),
            reasons=link.reasons,
        )
        for link in graph.links[:MOST_LINKS]
    ]


def _anchor(
    got: Collected, named: AskedSeries | None, about: frozenset[str]
) -> tuple[Vector | None, str, tuple[str, str] | None]:
    """The series that others are compared with, its name, and whose it is."""
    if named is not None:
        found = [
            (part.cluster_name, part.grid.labels[row], part.grid.values[row])
            for part in named.parts
            for row in range(len(part.grid))
        ]
        if not found:
            return None, "", None
        cluster, labels, values = max(found, key=lambda one: _restless(one[2]))
        whose = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())[:3])
        return values, f"{cluster}: {whose}" if whose else cluster, None
    rows = [row for one in got.seen for row in one.rows if row.component in about]
    best = max(rows, key=lambda row: row.strength, default=None)
    if best is None or not best.strength:
        return None, "", None
    return best.values, f"{best.cluster}: {best.component} {best.told}", _whose(best)


def _whose(row: Row) -> tuple[str, str]:
    return row.cluster, row.component


def _restless(values: Vector) -> float:
    """How far a series goes, in its usual steps: the one that moves is the one that is meant."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return 0.0
    usual = float(np.median(np.abs(np.diff(known)))) or 1e-9
    return float(np.ptp(known)) / usual


def _moved(got: Collected, anchor: Vector | None, own: tuple[str, str] | None) -> list[MovedWith]:
    rows = [row for one in got.seen for row in one.rows if own is None or _whose(row) != own]
    if anchor is None or not rows or len(anchor) != len(rows[0].values):
        return []
    times = STEP_SECONDS * np.arange(len(anchor), dtype=np.float64)
    values = np.array([row.values for row in rows])
    found = what_else_moved(times, values, anchor, max_lag=MAX_LAG_SECONDS, most=MOST_MOVED)
    return [
        MovedWith(
            cluster_name=rows[each.index].cluster,
            component=rows[each.index].component,
            what=rows[each.index].told,
            score=round(each.score, 4),
            correlation=round(each.correlation, 4),
            lag_seconds=each.lag if each.onset_gap is None else each.onset_gap,
        )
        for each in found
    ]


def _odd(got: Collected, named: AskedSeries | None) -> list[OddPeer]:
    """Of the query's series first: who gives one says who the peers are."""
    found = [*odd_clusters(got.seen), *(each for one in got.seen for each in one.odd)]
    found.sort(key=lambda each: -abs(each.deviation))
    return [*_odd_of_query(named), *found][:MOST_ODD]


def _odd_of_query(named: AskedSeries | None) -> list[OddPeer]:
    if named is None or not named.parts:
        return []
    members = [
        (part.cluster_name, part.grid.labels[row], part.grid.values[row])
        for part in named.parts
        for row in range(len(part.grid))
    ]
    if not members:
        return []
    found: list[OddPeer] = []
    for odd in odd_ones(np.array([values for _, _, values in members])).odd:
        cluster, labels, _ = members[odd.index]
        told = sorted((name, value) for name, value in labels.items() if name != "__name__")
        of = told[0][0] if len(told) == 1 else "series"
        found.append(
            OddPeer(
                of=of if told else "cluster",
                cluster_name=cluster,
                component=",".join(value for _, value in told[:4]) or cluster,
                what="the query",
                value=odd.value,
                peers=odd.peers,
                peer_count=len(members) - 1,
                deviation=odd.deviation,
            )
        )
    return found


def _coverage(got: Collected) -> Coverage:
    """That of the source that most clusters answered."""
    nobody = Coverage(queried=0, succeeded=0)
    return max(got.coverages, key=lambda one: one.succeeded, default=nobody)


def _with_neighbours(
    found: Correlation, neighbours: Sequence[Neighbour], notes: Sequence[str]
) -> Correlation:
    """The answer with what korrel8r told."""
    looked_at = (*found.looked_at, "korrel8r") if neighbours else found.looked_at
    return found.model_copy(
        update={
            "neighbours": tuple(neighbours),
            "looked_at": looked_at,
            "notes": (*found.notes, *notes),
        }
    )
