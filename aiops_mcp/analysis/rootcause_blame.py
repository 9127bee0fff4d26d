"""What each component's movements say about itself, about those it calls and those that call it.

Knows deviations and dependencies, and no data. How a fault spreads decides who is blamed:

- latency and errors go from the callee to its callers: a component whose dependencies deviate as
  much is a symptom (after Chen et al., "CauseInfer", INFOCOM 2014, and the callee's share taken off
  as in Hardt et al., "The PetShop Dataset", CLeaR 2024);
- waiting (a caller's own view of its calls) that no callee's own latency explains lies between the
  two, and speaks against the callees that all those callers share;
- work goes from the caller to its callees: where callees get less of it and their caller does not,
  the caller does not ask them any more;
- a resource is used where the work is done, so it is explained by more work only.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aiops_mcp.analysis.rootcause_deviation import FROM_NOTHING, Movement
from aiops_mcp.analysis.rootcause_graph import Dependencies
from aiops_mcp.analysis.rootcause_problem import Signal, SignalKind

EXPLAINED: Final = 0.5
"""Share of a dependency's (logarithmic) deviation that is taken off. Half: deviations of different
components count in their own scatter, so equal ones are never exactly equal."""
FOLLOWS: Final = 4.0
"""What a perfect correlation with the target adds, in logarithmic deviations: as much as being 50
deviations off, so that a noisy but faithful suspect beats a calm one that moved for itself."""
OTHER_SYMPTOM: Final = 0.5
"""Weight of a symptom of another kind than the target's."""
UNDIRECTED: Final = 0.5
"""Weight of traffic and of what may move either way without harm."""
HOARDS: Final = 0.5
"""Memory that grew by this share explains the processor's work (it is filled, collected, paged),
which explains no memory: such a component is named by its memory."""
SECONDED: Final = 0.5
"""Weight of what speaks against a component besides the strongest."""
NOTICEABLE: Final = 3.0
"""Fewer robust deviations than this blame nobody else."""

SYMPTOMS: Final = frozenset({SignalKind.LATENCY, SignalKind.ERRORS, SignalKind.SUCCESS})
RESOURCES: Final = frozenset({SignalKind.RESOURCE, SignalKind.MEMORY, SignalKind.SATURATION})
_FAMILY: Final = {
    SignalKind.LATENCY: "latency",
    SignalKind.WAITING: "latency",
    SignalKind.ERRORS: "errors",
    SignalKind.SUCCESS: "errors",
}


@dataclass(slots=True)
class Standing:
    """What was found about one component, in logarithmic deviations (``log1p``).

    ``own`` is its strongest movement after its explanation was taken off, ``explained_by`` the
    dependency that did; ``asked_less`` and ``kept_waiting`` are what others' movements say of it.
    ``off`` is its farthest movement, explained or not.
    """

    component: str
    movements: list[Movement] = field(default_factory=list[Movement])
    strongest: Movement | None = None
    own: float = 0.0
    off: float = 0.0
    gone: bool = False
    unjudged: bool = False
    explained_by: tuple[str, float] | None = None
    kept_waiting: float = 0.0
    asked_less: float = 0.0

    @property
    def score(self) -> float:
        said = sorted((self.own, self.kept_waiting, self.asked_less), reverse=True)
        return said[0] + SECONDED * (max(0.0, said[1]) + max(0.0, said[2]))


def size(deviation: float) -> float:
    """Deviations on the scale on which they are compared."""
    return float(np.log1p(max(0.0, deviation)))


def standings(
    movements: Sequence[Movement],
    graph: Dependencies,
    target: Signal | None,
    *,
    gone: Collection[str] = (),
) -> dict[str, Standing]:
    """One standing a component that has signals or edges; the series of those gone ended."""
    found: dict[str, Standing] = defaultdict(lambda: Standing(""))
    for each in movements:
        found[each.signal.component].movements.append(each)
    for component in graph.components:
        found[component]
    for component in gone:
        found[component].gone = True
    for component, standing in found.items():
        standing.component = component
    _blame_callers(found, graph)
    felt = {name: _felt(standing, target) for name, standing in found.items()}
    for standing in found.values():
        _judge(standing, graph, felt, target)
    _blame_callees(found, graph, felt)
    return dict(found)


def weight(movement: Movement, target: Signal | None) -> float:
    """How much a movement says about a cause of what the target suffers from."""
    kind = movement.signal.kind
    if kind is SignalKind.WAITING:
        return 0.0
    if kind in RESOURCES:
        # less used: less to do, and that is somebody else's doing
        return 1.0 if movement.fresh > 0 or kind is SignalKind.SATURATION else UNDIRECTED
    if kind not in SYMPTOMS:
        return UNDIRECTED
    if target is None or target.kind not in _FAMILY:
        return 1.0
    # like is compared with like: its tail may be a hundred times farther off than its mean
    same = movement.signal.metric == target.metric or (
        not movement.has_twin and _FAMILY[kind] == _FAMILY[target.kind]
    )
    return 1.0 if same else OTHER_SYMPTOM


def _strength(movement: Movement, target: Signal | None) -> float:
    return weight(movement, target) * size(movement.worse)


def _felt(standing: Standing, target: Signal | None) -> float:
    """What those that depend on it feel."""
    spread = [
        _strength(each, target)
        for each in standing.movements
        if each.signal.kind in SYMPTOMS or each.signal.kind in RESOURCES
    ]
    if standing.gone:
        spread.append(size(FROM_NOTHING))
    return max([standing.asked_less, *spread])


def _judge(
    standing: Standing, graph: Dependencies, felt: dict[str, float], target: Signal | None
) -> None:
    needed = [(felt.get(each, 0.0), each) for each in graph.needs(standing.component)]
    worst, name = max(needed, default=(0.0, ""))
    below = max(worst, _waits(standing))
    work = max((_more_work(each) for each in standing.movements), default=0.0)
    by_kind: dict[SignalKind, list[tuple[float, Movement]]] = defaultdict(list)
    for each in standing.movements:
        kind = each.signal.kind
        explained = below if kind in SYMPTOMS else 0.0
        if kind in RESOURCES and each.fresh > 0:
            explained = work
        left = _strength(each, target) - EXPLAINED * explained
        left += FOLLOWS * weight(each, target) * max(0.0, each.follows)
        by_kind[kind].append((left, each))
        standing.off = max(standing.off, size(each.worse))
    for kind, judged in by_kind.items():
        strongest = max(judged, key=lambda pair: pair[0])
        alike = target is not None and _FAMILY.get(kind, "") == _FAMILY.get(target.kind)
        left = strongest[0] if alike else _agreed([each for each, _ in judged])
        if standing.strongest is None or left > standing.own:
            standing.strongest, standing.own = strongest[1], left
    if standing.gone:
        standing.own = standing.off = max(standing.own, size(FROM_NOTHING))
    standing.strongest = _hoarder(standing) or standing.strongest
    if worst >= size(NOTICEABLE):
        standing.explained_by = (name, worst)


def _hoarder(standing: Standing) -> Movement | None:
    """The memory that grew, where a resource is what is wrong."""
    if standing.strongest is None or standing.strongest.signal.kind not in RESOURCES:
        return None
    grown = [
        each
        for each in standing.movements
        if each.signal.kind is SignalKind.MEMORY
        and each.growth >= HOARDS
        and each.fresh >= NOTICEABLE
    ]
    return max(grown, key=lambda each: each.fresh, default=None)


def _agreed(strengths: list[float]) -> float:
    """Several signals of one kind measure one thing: one of them alone is believed by half."""
    first, *rest = sorted(strengths, reverse=True)
    return (first + rest[0]) / 2.0 if rest else first


def _more_work(movement: Movement) -> float:
    return size(movement.fresh) if movement.signal.kind is SignalKind.TRAFFIC else 0.0


def _less_work(standing: Standing) -> float:
    drops = [
        size(-each.fresh)
        for each in standing.movements
        if each.signal.kind in (SignalKind.TRAFFIC, SignalKind.RESOURCE)
    ]
    return max(drops, default=0.0)


def _waits(standing: Standing) -> float:
    waits = [
        size(each.worse) for each in standing.movements if each.signal.kind is SignalKind.WAITING
    ]
    return max(waits, default=0.0)


def _blame_callees(found: dict[str, Standing], graph: Dependencies, felt: dict[str, float]) -> None:
    """Each caller that waits, with no callee that is slow itself, speaks against its callees."""
    least = size(NOTICEABLE)
    waits = {name: _waits(standing) for name, standing in found.items()}
    for name, standing in found.items():
        said = 0.0
        for caller in graph.callers(name):
            if waits[caller] < least:
                said -= (
                    least
                    if any(
                        each.signal.kind is SignalKind.WAITING for each in found[caller].movements
                    )
                    else 0.0
                )
                continue
            slowest = max((felt[each] for each in graph.callees(caller)), default=0.0)
            said += max(0.0, waits[caller] - (slowest if slowest >= least else 0.0))
        standing.kept_waiting = max(0.0, said)


def _blame_callers(found: dict[str, Standing], graph: Dependencies) -> None:
    """A caller with as much to do as ever, whose callees have less."""
    least = size(NOTICEABLE)
    drops = {name: _less_work(standing) for name, standing in found.items()}
    for name, standing in found.items():
        called = [drops[each] for each in graph.callees(name)]
        fewer = [each for each in called if each >= least]
        if fewer:
            standing.asked_less = max(0.0, float(np.mean(fewer)) - drops[name])
