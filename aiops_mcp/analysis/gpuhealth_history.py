"""What a card's timeline says: increases, shares of time, levels, and XIDs by their edges. Pure.

DCGM's XID gauge keeps its last value, so only a change of it is an event; the same code twice in a
row cannot be seen in it, and of several within one scrape only the last. The exporter's own counts
by code, where they are on, tell both.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from aiops_mcp.analysis.counters import increase
from aiops_mcp.models.gpu_health import CardHistory, XidSighting, XidSource
from aiops_mcp.models.gpu_timeline import CardTimeline, Points

VIOLATIONS = {
    "THERMAL_VIOLATION": "thermal",
    "POWER_VIOLATION": "power",
    "RELIABILITY_VIOLATION": "reliability",
    "BOARD_LIMIT_VIOLATION": "board limit",
}
_NANOSECONDS = 1e9
_LEVELS = frozenset(
    {"CLOCKS_EVENT_REASONS", "GR_ENGINE_ACTIVE", "GPU_UTIL", "SM_CLOCK", "POWER_USAGE", "GPU_TEMP"}
)


def card_history(
    timeline: CardTimeline, reason_bits: Mapping[str, int], held_xid: int | None = None
) -> CardHistory | None:
    """The summary of one card over the time its timeline spans; ``None`` without any sample.

    ``reason_bits`` names the bits of the clock-event mask.
    """
    moments = [points[end][0] for points in timeline.fields.values() for end in (0, -1)]
    if not moments:
        return None
    fields = timeline.fields
    grown = {
        name: (value, _has_reset(points))
        for name, points in fields.items()
        if name not in _LEVELS and (value := increase(points)) is not None
    }
    engine = _engine(fields)
    return CardHistory(
        uuid=timeline.uuid,
        node_name=timeline.node_name,
        gpu_index=timeline.gpu_index,
        window_seconds=max(moments) - min(moments),
        first_sample=_moment(min(moments)),
        last_sample=_moment(max(moments)),
        increases={name: value for name, (value, _) in grown.items() if name not in VIOLATIONS},
        resets=tuple(sorted(name for name, (_, reset) in grown.items() if reset)),
        throttled=_throttled(fields),
        reason_shares=_reason_shares(fields.get("CLOCKS_EVENT_REASONS", ()), reason_bits),
        engine_percent=_mean(engine),
        engine_max_percent=max((value for _, value in engine), default=None),
        sm_clock_mhz=_mean(fields.get("SM_CLOCK", ())),
        power_watts=_mean(fields.get("POWER_USAGE", ())),
        temperature_celsius=_mean(fields.get("GPU_TEMP", ())),
        held_xid=held_xid,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _mean(points: Points) -> float | None:
    return sum(value for _, value in points) / len(points) if points else None


def _engine(fields: Mapping[str, Points]) -> Points:
    """In percent; the engine's share where there is one, as utilization counts any kernel."""
    if "GR_ENGINE_ACTIVE" in fields:
        return tuple((moment, value * 100) for moment, value in fields["GR_ENGINE_ACTIVE"])
    return fields.get("GPU_UTIL", ())


def _has_reset(points: Points) -> bool:
    return any(after < before for (_, before), (_, after) in pairwise(points))


def _throttled(fields: Mapping[str, Points]) -> dict[str, float]:
    """The share of the time that each cause held the clocks down, from its nanoseconds."""
    shares: dict[str, float] = {}
    for name, cause in VIOLATIONS.items():
        points = fields.get(name, ())
        grown = increase(points)
        if grown is not None and points[-1][0] > points[0][0]:
            share = grown / _NANOSECONDS / (points[-1][0] - points[0][0])
            shares[cause] = round(min(share, 1.0), 4)
    return shares


def _reason_shares(points: Points, bits: Mapping[str, int]) -> dict[str, float]:
    if not points:
        return {}
    counted = {
        name: sum(bool(int(value) & bit) for _, value in points) / len(points)
        for name, bit in bits.items()
    }
    return {name: round(share, 4) for name, share in counted.items() if share}


def xid_edges(timeline: CardTimeline) -> tuple[XidSighting, ...]:
    """XIDs that happened within a card's timeline, oldest first."""
    counted = [
        sighting
        for code, points in timeline.xid_counts.items()
        for sighting in _count_edges(timeline, code, points)
    ]
    told = {sighting.code for sighting in counted}
    edges = [
        one
        for one in _gauge_edges(timeline, timeline.fields.get("XID_ERRORS", ()))
        if one.code not in told
    ]
    return tuple(sorted((*counted, *edges), key=lambda one: (one.at, one.code)))


def held_xid(timeline: CardTimeline) -> int | None:
    """The code in the gauge where it stood there from the first sample on."""
    points = timeline.fields.get("XID_ERRORS", ())
    first = int(points[0][1]) if points else 0
    return first if first > 0 and all(int(value) == first for _, value in points) else None


def _gauge_edges(timeline: CardTimeline, points: Points) -> Iterable[XidSighting]:
    """A change to a code. A fall to 0 is a driver that was loaded anew, not an error."""
    for (_, before), (moment, after) in pairwise(points):
        if int(after) != int(before) and after > 0:
            yield _sighting(timeline, int(after), moment)


def _count_edges(timeline: CardTimeline, code: int, points: Points) -> Iterable[XidSighting]:
    """The exporter counts a few minutes; each rise is as many more, a series appears with its XID.

    Where it is there from the timeline's very beginning, its first value is of before.
    """
    starts = [values[0][0] for values in timeline.fields.values() if values]
    before = 0.0
    for place, (moment, value) in enumerate(points):
        was_there = place == 0 and bool(starts) and moment <= min(starts)
        if value > before and not was_there:
            yield _sighting(timeline, code, moment, count=int(value - before))
        before = value


def _sighting(
    timeline: CardTimeline, code: int, moment: float, count: int | None = None
) -> XidSighting:
    return XidSighting(
        code=code,
        at=_moment(moment),
        node_name=timeline.node_name,
        sources=(XidSource.DCGM,),
        uuid=timeline.uuid,
        pod=timeline.pod_at(moment),
        count=count,
    )
