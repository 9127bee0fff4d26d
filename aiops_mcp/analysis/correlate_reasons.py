"""Why two observations may belong together: what they share. Pure; knows no weight of time.

A shared trace, component or dependency of a few steps, and labels that few others have (weighed by
their rarity, as terms are in Sparck Jones, "A Statistical Interpretation of Term Specificity and
Its Application in Retrieval", Journal of Documentation 28, 1972).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from aiops_mcp.analysis.rootcause_problem import Edge

Pair = tuple[int, int]
Distances = Mapping[str, Mapping[str, int]]

BY_TRACE: Final = 0.95
BY_COMPONENT: Final = 0.9
PER_STEP: Final = 0.7
"""What is left of a dependency's weight with each step between two components."""
MOST_STEPS: Final = 3
BY_LABEL: Final = 0.8
"""Weight of a label value that two observations have and no other."""
BY_TIME: Final = 0.2
"""In an incident everything is close in time: that alone is a weak reason."""
CROWD: Final = 60
"""A value that more observations share tells no pair of them from others."""
CLOCKS_SECONDS: Final = 60.0
"""Clocks of different clusters are not trusted to be closer than this."""


class ObservationKind(StrEnum):
    METRIC = "metric"
    ALERT = "alert"
    LOG = "log"
    TRACE = "trace"
    EVENT = "event"
    CHANGE = "change"


class LinkRelation(StrEnum):
    """The strongest reason of a link."""

    SAME_TRACE = "same trace"
    SAME_COMPONENT = "same component"
    DEPENDS = "depends"
    SAME_LABELS = "same labels"
    SAME_TIME = "same time"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was seen to begin: a metric's onset, an alert, a new log pattern, a change.

    ``began`` in Unix seconds, by its cluster's clock. ``component`` is named as in the edges.
    ``strength`` in robust deviations, where it has any, orders groups.
    """

    name: str
    kind: ObservationKind
    began: float
    component: str = ""
    cluster: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    traces: frozenset[str] = frozenset()
    strength: float = 1.0


class Reason(NamedTuple):
    """Something that two observations share; ``weight`` in 0..1."""

    relation: LinkRelation
    weight: float
    text: str


def shared(
    observations: Sequence[Observation], times: Sequence[float], distances: Distances
) -> dict[Pair, list[Reason]]:
    """By pair of places (the lower first) what they share: nothing where a time is not finite."""
    usable = [index for index, time in enumerate(times) if math.isfinite(time)]
    usable.sort(key=lambda index: rank(observations[index], times[index]))
    by_component: dict[str, list[int]] = defaultdict(list)
    for index in usable:
        if observations[index].component:
            by_component[observations[index].component].append(index)
    found: dict[Pair, list[Reason]] = defaultdict(list)
    for members in (
        _of_traces(observations, usable),
        _of_components(by_component),
        _of_dependencies(by_component, distances),
        _of_labels(observations, usable),
        _of_time(usable, times),
    ):
        for pair, reason in members:
            found[pair].append(reason)
    return found


def rank(observation: Observation, time: float) -> tuple[float, str, str, str, str]:
    """What observations are ordered by, whatever order they came in."""
    return (
        time,
        observation.cluster,
        observation.component,
        observation.kind,
        observation.name,
    )


def dependency_steps(edges: Iterable[Edge], wanted: Iterable[str]) -> dict[str, dict[str, int]]:
    """For each wanted component how many steps of dependency (at most 3) the others are away."""
    needs: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        needs[edge.source].add(edge.target)
    names = set(wanted)
    return {component: _reached(component, needs, names) for component in names}


def _of_traces(
    observations: Sequence[Observation], usable: Sequence[int]
) -> Iterator[tuple[Pair, Reason]]:
    by_trace: dict[str, list[int]] = defaultdict(list)
    for index in usable:
        for trace in sorted(observations[index].traces):
            by_trace[trace].append(index)
    told: set[Pair] = set()
    for trace, members in by_trace.items():
        for pair in _pairs(members):
            if pair not in told:
                told.add(pair)
                yield pair, Reason(LinkRelation.SAME_TRACE, BY_TRACE, f"trace {trace}")


def _of_components(by_component: Mapping[str, list[int]]) -> Iterator[tuple[Pair, Reason]]:
    for component, members in by_component.items():
        for pair in _pairs(members):
            yield pair, Reason(LinkRelation.SAME_COMPONENT, BY_COMPONENT, component)


def _of_dependencies(
    by_component: Mapping[str, list[int]], distances: Distances
) -> Iterator[tuple[Pair, Reason]]:
    for component, members in by_component.items():
        for needed, steps in distances.get(component, {}).items():
            ring = component in distances.get(needed, {})
            if needed not in by_component or (ring and component > needed):
                continue  # of a ring one direction is enough
            text = f"{component} depends on {needed}" + (f", {steps} steps" if steps > 1 else "")
            reason = Reason(LinkRelation.DEPENDS, PER_STEP**steps, text)
            for one in members[:CROWD]:
                for other in by_component[needed][:CROWD]:
                    yield (min(one, other), max(one, other)), reason


def _of_labels(
    observations: Sequence[Observation], usable: Sequence[int]
) -> Iterator[tuple[Pair, Reason]]:
    by_label: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in usable:
        for label in observations[index].labels.items():
            by_label[label].append(index)
    for (name, value), members in by_label.items():
        weight = BY_LABEL * _rarity(len(members), len(usable))
        if weight > 0.0:
            for pair in _pairs(members):
                yield pair, Reason(LinkRelation.SAME_LABELS, weight, f"{name}={value}")


def _of_time(usable: Sequence[int], times: Sequence[float]) -> Iterator[tuple[Pair, Reason]]:
    """Each with the few that began next after it; ``usable`` are in order of time."""
    reason = Reason(LinkRelation.SAME_TIME, BY_TIME, "close in time")
    for place, one in enumerate(usable):
        for other in usable[place + 1 : place + 4]:
            if times[other] - times[one] <= CLOCKS_SECONDS:
                yield (min(one, other), max(one, other)), reason


def _pairs(members: list[int]) -> Iterator[Pair]:
    """Pairs of a few members; of a crowd each with those next to it in time."""
    reach = len(members) if len(members) <= CROWD else 2
    for place, one in enumerate(members):
        for other in members[place + 1 : place + 1 + reach]:
            yield (min(one, other), max(one, other))


def _rarity(count: int, of: int) -> float:
    """1 for a value that two share, 0 for one that all have."""
    if of <= 2:
        return 0.5
    return math.log(of / count) / math.log(of / 2) if count < of else 0.0


def _reached(start: str, needs: Mapping[str, set[str]], wanted: set[str]) -> dict[str, int]:
    found, front = {start: 0}, [start]
    for steps in range(1, MOST_STEPS + 1):
        front = [each for one in front for each in needs.get(one, ()) if each not in found]
        for each in front:
            found[each] = steps
        front = list(dict.fromkeys(front))
    return {each: steps for each, steps in found.items() if steps and each in wanted}
