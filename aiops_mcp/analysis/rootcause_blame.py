"""What each component's movements say about itself, about those it calls and those that call it.

Knows deviations and dependencies, and no data. How a fault spreads decides who is blamed:

- latency and errors go from the callee to its callers: a component whose dependencies deviate as
  much is a symptom (after Chen et al., "CauseInfer", INFOCOM 2014, and the callee's share taken off
  as in Hardt et al., "The PetShop Dataset", CLeaR 2024);
- waiting (a caller's own view of its calls) that no callee's own latency explains lies between the
  two, and speaks against the callees that all those callers share;
- work goes from the caller to its callees: where callees get less of it and their caller does not,
  the caller does not ask them any more;
- a resource is used where the work is done, so it is explained by more work only, and where nobody
  suffers it is half a trouble.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
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
HARMLESS: Final = 0.5
"""Weight of a resource that is used more while all who could suffer are seen to be well."""
HOARDS: Final = 0.5
"""Memory that grew by this share explains the processor's work (it is filled, collected, paged),
which explains no memory: such a component is named by its memory."""
ALONE: Final = 0.5
"""Weight of one latency of several where the others stay."""
SECONDED: Final = 0.5
"""Weight of what speaks against a component besides the strongest."""
NOTICEABLE: Final = 3.0
"""Fewer robust deviations than this blame nobody else."""

SYMPTOMS: Final = frozenset({SignalKind.LATENCY, SignalKind.ERRORS, SignalKind.SUCCESS})
RESOURCES: Final = frozenset({SignalKind.RESOURCE, SignalKind.MEMORY, SignalKind.SATURATION})
_SUFFERING: Final = SYMPTOMS | {SignalKind.WAITING, SignalKind.SATURATION}
_WORK: Final = frozenset({SignalKind.TRAFFIC, SignalKind.RESOURCE})
_FAMILIES: Final = (
    frozenset({SignalKind.LATENCY, SignalKind.WAITING}),
    frozenset({SignalKind.ERRORS, SignalKind.SUCCESS}),
)


@dataclass(slots=True)
class Standing:
    """What was found about one component, in logarithmic deviations (``log1p``).

    ``own`` is its strongest movement after its explanation was taken off, ``explained_by`` the
    dependency that did; ``asked_less`` and ``kept_waiting`` are what others' movements say of it.
    ``harmless``: it uses more, and all who could suffer are well; ``gone``: its series ended;
    ``unjudged``: it has series without a past.
    """

    component: str
    movements: list[Movement] = field(default_factory=list[Movement])
    strongest: Movement | None = None
    own: float = 0.0
    harmless: bool = False
    gone: bool = False
    unjudged: bool = False
    explained_by: tuple[str, float] | None = None
    kept_waiting: float = 0.0
    asked_less: float = 0.0

    @property
    def score(self) -> float:
        """What was taken off the callers that wait is put on the one they wait for."""
        return _together((self.own, EXPLAINED * self.kept_waiting, self.asked_less))

    @property
    def trouble(self) -> float:
        """How much it tells that something is wrong at all, whoever's fault it is."""
        own = HARMLESS * self.own if self.harmless else self.own
        return _together((own, self.kept_waiting, self.asked_less))

    def most(self, kinds: Collection[SignalKind], *, falls: bool = False) -> float:
        """Its farthest movement of these kinds, in the bad direction or as a fall."""
        moved = (each for each in self.movements if each.signal.kind in kinds)
        return max((size(-each.fresh if falls else each.worse) for each in moved), default=0.0)

    def has(self, kinds: Collection[SignalKind]) -> bool:
        return any(each.signal.kind in kinds for each in self.movements)


def size(deviation: float) -> float:
    """Deviations on the scale on which they are compared."""
    return math.log1p(max(0.0, deviation))


def standings(
    movements: Sequence[Movement],
    graph: Dependencies,
    target: Signal | None,
    *,
    gone: Collection[str] = (),
) -> dict[str, Standing]:
    """One standing a component that has signals or edges; the series of those gone ended."""
    names = {each.signal.component for each in movements} | graph.components | set(gone)
    found = {name: Standing(name, gone=name in gone) for name in names}
    for each in movements:
        found[each.signal.component].movements.append(each)
    _blame_callers(found, graph)
    felt = {name: _felt(standing, target) for name, standing in found.items()}
    for standing in found.values():
        _judge(standing, found, graph, felt, target)
    _blame_callees(found, graph, felt)
    return found


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
    if target is None or not any(target.kind in family for family in _FAMILIES):
        return 1.0
    # like is compared with like: its tail may be a hundred times farther off than its mean
    alike = not movement.has_twin and _alike(kind, target)
    return 1.0 if alike or movement.signal.metric == target.metric else OTHER_SYMPTOM


def _alike(kind: SignalKind, target: Signal | None) -> bool:
    return target is not None and any(
        kind in family and target.kind in family for family in _FAMILIES
    )


def _strength(movement: Movement, target: Signal | None) -> float:
    return weight(movement, target) * size(movement.worse)


def _felt(standing: Standing, target: Signal | None) -> float:
    """What those that depend on it feel."""
    spread = [standing.asked_less, size(FROM_NOTHING) if standing.gone else 0.0]
    spread += [
        _strength(each, target)
        for each in standing.movements
        if each.signal.kind in SYMPTOMS or each.signal.kind in RESOURCES
    ]
    return max(spread)


def _judge(
    standing: Standing,
    found: dict[str, Standing],
    graph: Dependencies,
    felt: dict[str, float],
    target: Signal | None,
) -> None:
    """Its own movements, each less what explains it."""
    needed = [(felt.get(each, 0.0), each) for each in graph.needs(standing.component)]
    worst, name = max(needed, default=(0.0, ""))
    below = EXPLAINED * max(worst, standing.most({SignalKind.WAITING}))
    more = [e for e in standing.movements if e.signal.kind is SignalKind.TRAFFIC]
    work = EXPLAINED * max((size(each.fresh) for each in more), default=0.0)
    best = 0.0
    for kind, moved in _by_kind(standing.movements).items():
        left: dict[str, float] = {}
        for each in moved:
            strength = _strength(each, target)
            if kind is SignalKind.SATURATION:
                # what is slow below fills queues and pools above
                strength -= max(work, below)
            elif kind in SYMPTOMS:
                strength -= below
            elif kind in RESOURCES and each.fresh > 0:
                strength -= work
            strength += FOLLOWS * weight(each, target) * max(0.0, each.follows)
            metric = each.signal.metric
            left[metric] = max(strength, left.get(metric, strength))
            if standing.strongest is None or strength > best:
                standing.strongest, best = each, strength
        several = kind is SignalKind.LATENCY and not _alike(kind, target)
        believed = _agreed(left.values()) if several else max(left.values())
        standing.own = max(standing.own, believed)
    if standing.gone:
        standing.own = max(standing.own, size(FROM_NOTHING))
    lead = standing.strongest
    if lead is not None and lead.signal.kind in (SignalKind.RESOURCE, SignalKind.MEMORY):
        standing.harmless = _all_well(standing, found, graph)
    standing.strongest = _hoarder(standing) or standing.strongest
    if worst >= size(NOTICEABLE):
        standing.explained_by = (name, worst)


def _by_kind(movements: Iterable[Movement]) -> dict[SignalKind, list[Movement]]:
    found: dict[SignalKind, list[Movement]] = defaultdict(list)
    for each in movements:
        found[each.signal.kind].append(each)
    return found


def _agreed(strengths: Iterable[float]) -> float:
    """Quantiles measure one thing, and the highest is the noisiest: the middle one is believed.

    One that moves alone is believed by half: it may be another thing after all.
    """
    several = list(strengths)
    return max(float(np.median(several)), ALONE * max(several))


def _all_well(standing: Standing, found: dict[str, Standing], graph: Dependencies) -> bool:
    """Whether it and those that depend on it are watched for suffering, and do not suffer."""
    concerned = [standing, *(found[each] for each in graph.needed_by(standing.component))]
    watched = [each for each in concerned if each.has(_SUFFERING)]
    return bool(watched) and all(each.most(_SUFFERING) < size(NOTICEABLE) for each in watched)


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


def _blame_callees(found: dict[str, Standing], graph: Dependencies, felt: dict[str, float]) -> None:
    """Each caller that waits, with no callee that is slow itself, speaks against its callees.

    A caller that is seen not to wait speaks for them.
    """
    for name, standing in found.items():
        said: list[float] = []
        for caller in graph.callers(name):
            waited, suspects = _waits_for(found[caller], name, graph.callees(caller))
            if waited is not None:
                said.append(_unexplained(waited, max(felt[each] for each in suspects)))
        standing.kept_waiting = max(0.0, _together(said))


def _waits_for(
    caller: Standing, callee: str, callees: Collection[str]
) -> tuple[float | None, Collection[str]]:
    """How much it waits for that one, and whose slowness would explain it; None: not known."""
    waiting = [each for each in caller.movements if each.signal.kind is SignalKind.WAITING]
    apart = [each for each in waiting if each.signal.callee]
    if apart:
        waiting = [each for each in apart if each.signal.callee == callee]
        callees = (callee,)
    return max((size(each.worse) for each in waiting), default=None), callees


def _together(said: Sequence[float]) -> float:
    """The strongest counts in full, what seconds (or contradicts) it in part."""
    first, *rest = sorted(said, reverse=True) or [0.0]
    return first + SECONDED * sum(rest)


def _unexplained(waited: float, slowest: float) -> float:
    least = size(NOTICEABLE)
    if waited < least:
        return -least
    return max(0.0, waited - slowest) if slowest >= least else waited


def _blame_callers(found: dict[str, Standing], graph: Dependencies) -> None:
    """A caller with as much to do as ever, whose callees have less."""
    least = size(NOTICEABLE)
    drops = {name: standing.most(_WORK, falls=True) for name, standing in found.items()}
    for name, standing in found.items():
        fewer = [drops[each] for each in graph.callees(name) if drops[each] >= least]
        if fewer:
            standing.asked_less = max(0.0, float(np.mean(fewer)) - drops[name])
