"""What belongs together among signals of all kinds: one graph with relation, lag and weight. Pure.

Two observations are linked for what they share (`correlate_reasons`); closeness in time scales
each link. Different relations add up as independent chances do (noisy-or).

Clocks of two clusters may differ by a minute: within that, nobody's being first means anything, and
what depends on the other is taken to have followed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiops_mcp.analysis.correlate_reasons import (
    CLOCKS_SECONDS,
    Distances,
    LinkRelation,
    Observation,
    ObservationKind,
    Reason,
    dependency_steps,
    rank,
    shared,
)
from aiops_mcp.analysis.rootcause_problem import Edge

__all__ = [
    "CorrelationGraph",
    "Link",
    "LinkRelation",
    "Observation",
    "ObservationKind",
    "correlate",
]

CLOSE_SECONDS: Final = 120.0
"""Lag at which closeness has fallen to a third: a scrape, an evaluation and a ``for:`` lie between
what happens and its alert."""
SCRAPE_SECONDS: Final = 15.0
"""Nor is what one cluster's stores saw ordered more closely than they look."""
LEAST_WEIGHT: Final = 0.1
TOGETHER: Final = 0.4
"""Links of this weight or more hold a group together."""


@dataclass(frozen=True, slots=True)
class Link:
    """``source`` came before ``target``, as far as one can tell; both are places in the input.

    ``lag`` in seconds from source to target; negative where clocks disagree with the dependency.
    ``weight`` in 0..1. ``reasons`` say what they share, the strongest first.
    """

    source: int
    target: int
    relation: LinkRelation
    lag: float
    weight: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CorrelationGraph:
    """Links, the strongest first, and the groups that they hold together, the strongest first.

    A group is places in the input by time; an observation without links is a group of its own.
    """

    links: tuple[Link, ...]
    groups: tuple[tuple[int, ...], ...]


def correlate(
    observations: Sequence[Observation],
    edges: Iterable[Edge] = (),
    *,
    clock_offsets: Mapping[str, float] | None = None,
    most_links: int = 8,
) -> CorrelationGraph:
    """Links between observations, at most ``most_links`` from each that it needs.

    ``clock_offsets`` are seconds to add to a cluster's times, where they are known. Observations
    whose time is not finite are linked to nothing.
    """
    offsets = clock_offsets or {}
    times = [each.began + offsets.get(each.cluster, 0.0) for each in observations]
    distances = dependency_steps(edges, {each.component for each in observations})
    links = [
        link
        for pair, reasons in shared(observations, times, distances).items()
        if (link := _link(pair, reasons, observations, times, distances)) is not None
    ]
    ranks = [rank(each, time) for each, time in zip(observations, times, strict=True)]
    links.sort(
        key=lambda link: (-link.weight, abs(link.lag), ranks[link.source], ranks[link.target])
    )
    kept = _strongest(links, most_links)
    return CorrelationGraph(tuple(kept), _groups(observations, times, kept))


def _link(
    pair: tuple[int, int],
    reasons: list[Reason],
    observations: Sequence[Observation],
    times: list[float],
    distances: Distances,
) -> Link | None:
    one, other = pair
    first, second = observations[one], observations[other]
    lag = times[other] - times[one]
    unsure = CLOCKS_SECONDS if first.cluster != second.cluster else SCRAPE_SECONDS
    closeness = math.exp(-max(0.0, abs(lag) - unsure) / CLOSE_SECONDS)
    # Of one relation the strongest: labels of one object, say, are no independent chances.
    strongest: dict[LinkRelation, float] = {}
    for each in reasons:
        strongest[each.relation] = max(strongest.get(each.relation, 0.0), each.weight)
    weight = closeness * (1.0 - math.prod(1.0 - each for each in strongest.values()))
    if weight < LEAST_WEIGHT:
        return None
    later = rank(second, times[other]) < rank(first, times[one])
    if abs(lag) <= unsure:
        # Time does not tell: what is depended on comes first.
        if second.component in distances.get(first.component, {}):
            later = True
        elif first.component in distances.get(second.component, {}):
            later = False
    source, target, lag = (other, one, -lag) if later else (one, other, lag)
    order = sorted(reasons, key=lambda each: -each.weight)
    texts = tuple(dict.fromkeys(each.text for each in order))
    return Link(source, target, order[0].relation, lag or 0.0, weight, texts)


def _strongest(links: list[Link], most: int) -> list[Link]:
    """The links that are among the strongest of one of their ends."""
    degree: dict[int, int] = defaultdict(int)
    kept: list[Link] = []
    for link in links:
        if degree[link.source] < most or degree[link.target] < most:
            degree[link.source] += 1
            degree[link.target] += 1
            kept.append(link)
    return kept


def _groups(
    observations: Sequence[Observation], times: list[float], links: list[Link]
) -> tuple[tuple[int, ...], ...]:
    above = list(range(len(observations)))

    def top(index: int) -> int:
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index

    for link in links:
        if link.weight >= TOGETHER:
            above[top(link.source)] = top(link.target)
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(len(observations)):
        members[top(index)].append(index)
    groups = [
        tuple(sorted(group, key=lambda index: (not math.isfinite(times[index]), times[index])))
        for group in members.values()
    ]

    def strength(group: tuple[int, ...]) -> float:
        return math.fsum(observations[index].strength for index in group)

    return tuple(sorted(groups, key=lambda group: (-strength(group), group)))
