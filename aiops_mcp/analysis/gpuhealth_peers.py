"""Cards against their peers: the one that lags its job, and the heat that is a whole rack's. Pure.

The measure is the modified z-score of Iglewicz and Hoaglin ("How to Detect and Handle Outliers",
1993): the distance from the median in units of 1.4826 x the median absolute deviation, with a
floor, because cards that do the same are so alike that any noise would stand out.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from aiops_mcp.analysis.gpuhealth_facts import Thresholds
from aiops_mcp.models.gpu_health import CardHistory, GpuReason, Verdict

FEWEST = 4
"""Of fewer peers none can be told to be the odd one."""

FLOOR_SHARE = 0.02
BUSY_PERCENT = 30.0


@dataclass(frozen=True, slots=True)
class Peer:
    """One card: where it is, what it is, what works on it, and how it was over the window."""

    cluster: str
    node: str
    index: int
    uuid: str
    model: str
    owner: str | None
    rack: str | None
    history: CardHistory
    temperature_celsius: float | None = None
    is_hot: bool = False


_MEASURES: tuple[tuple[str, str, bool], ...] = (
    ("sm_clock_mhz", "MHz SM clock", True),
    ("engine_percent", "% busy", False),
    ("power_watts", "W", False),
    ("temperature_celsius", "C", False),
)
"""Field, unit, and whether it alone makes a straggler: a slow card keeps its peers waiting, so
that they, not it, are less busy; the others explain."""


def stragglers(peers: Sequence[Peer], limits: Thresholds) -> dict[str, GpuReason]:
    """By UUID, the cards that are slower than others of one job (else of one node) and model."""
    groups: dict[tuple[str, str, str], list[Peer]] = defaultdict(list)
    for peer in peers:
        if peer.owner is not None:
            groups[peer.cluster, f"job {peer.owner}", peer.model].append(peer)
    found: dict[str, GpuReason] = {}
    for (_, group, _), members in groups.items():
        found |= _slow_in(group, members, limits)
    by_node: dict[tuple[str, str, str], list[Peer]] = defaultdict(list)
    for peer in peers:
        by_node[peer.cluster, f"node {peer.node}", peer.model].append(peer)
    for (_, group, _), members in by_node.items():
        busy = [peer for peer in members if (peer.history.engine_percent or 0.0) >= BUSY_PERCENT]
        # cards of different jobs do different things: only one job's are comparable
        if len({peer.owner for peer in busy}) == 1:
            found = _slow_in(group, busy, limits) | found
    return found


def _slow_in(group: str, members: Sequence[Peer], limits: Thresholds) -> dict[str, GpuReason]:
    busy = [peer.history.engine_percent for peer in members if peer.history.engine_percent]
    if len(members) < FEWEST or not busy or median(busy) < BUSY_PERCENT:
        return {}
    clocks = _values(members, "sm_clock_mhz")
    if not clocks:
        return {}
    middle, spread = _spread(list(clocks.values()))
    slow = {
        uuid
        for uuid, clock in clocks.items()
        if clock < middle - limits.peer_deviations * spread
        and clock < middle * (1 - limits.peer_percent / 100)
    }
    # more than a third that lags is no odd one out
    if not slow or len(slow) * 3 > len(members):
        return {}
    return {
        peer.uuid: GpuReason(
            rule="straggler",
            verdict=Verdict.DEGRADED,
            what=f"slower than its {len(members) - 1} peers of {group}",
            evidence=_compared(peer, members),
            threshold=f"peer_deviations {limits.peer_deviations:g}",
            action="find what slows it (heat, power, clocks set); the whole job waits for it",
            source="ours",
        )
        for peer in members
        if peer.uuid in slow
    }


def deviation(value: float, among: Sequence[float]) -> float:
    """How many robust standard deviations a value is off the median of all."""
    middle, spread = _spread(among)
    return (value - middle) / spread


def _spread(among: Sequence[float]) -> tuple[float, float]:
    """The median, and a robust standard deviation about it with a floor."""
    middle = median(among)
    spread = 1.4826 * median(abs(one - middle) for one in among)
    return middle, max(spread, abs(middle) * FLOOR_SHARE, 1e-9)


def _values(members: Sequence[Peer], name: str) -> dict[str, float]:
    found: dict[str, float | None] = {
        peer.uuid: getattr(peer.history, name, None) for peer in members
    }
    return {uuid: value for uuid, value in found.items() if value is not None}


def _compared(peer: Peer, members: Sequence[Peer]) -> str:
    parts: list[str] = []
    for name, unit, decides in _MEASURES:
        values = _values(members, name)
        if peer.uuid not in values:
            continue
        own, middle = values[peer.uuid], median(values.values())
        if decides or abs(deviation(own, list(values.values()))) > 2:
            parts.append(f"{own:.0f} {unit}, peers {middle:.0f}")
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class HotRack:
    """Several nodes that are hot at once. ``rack`` is null where no label tells of racks."""

    cluster: str
    rack: str | None
    nodes: tuple[str, ...]
    hot: int
    cards: int


def hot_racks(peers: Sequence[Peer]) -> tuple[HotRack, ...]:
    """Racks (else clusters) in which most cards of at least two nodes are hot."""
    racks: dict[tuple[str, str | None], list[Peer]] = defaultdict(list)
    for peer in peers:
        racks[peer.cluster, peer.rack].append(peer)
    found: list[HotRack] = []
    for (cluster, rack), members in racks.items():
        nodes = _hot_nodes(members)
        if len(nodes) > 1 and (rack is not None or len(nodes) < len({p.node for p in members})):
            inside = [peer for peer in members if peer.node in nodes]
            hot = sum(peer.is_hot for peer in inside)
            found.append(HotRack(cluster, rack, tuple(sorted(nodes)), hot, len(inside)))
    return tuple(found)


def _hot_nodes(members: Sequence[Peer]) -> Mapping[str, int]:
    by_node: dict[str, list[Peer]] = defaultdict(list)
    for peer in members:
        by_node[peer.node].append(peer)
    hot = {node: sum(peer.is_hot for peer in cards) for node, cards in by_node.items()}
    return {node: count for node, count in hot.items() if count * 2 > len(by_node[node])}


def rack_reason(rack: HotRack) -> GpuReason:
    """A rack's heat, said once instead of a card at a time."""
    where = f"rack {rack.rack}" if rack.rack else "no rack label tells where they stand"
    return GpuReason(
        rule="rack-heat",
        verdict=Verdict.FAILING,
        what=f"{rack.cluster}: cooling fails for several nodes at once ({where})",
        evidence=f"{rack.hot} of {rack.cards} GPUs of {', '.join(rack.nodes)} are hot",
        threshold="most cards of two nodes",
        action="restore the rack's cooling; move work to other nodes meanwhile",
        source="ours",
    )
