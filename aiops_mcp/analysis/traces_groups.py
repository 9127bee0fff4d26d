"""Found traces made one: hits of several clusters united, and grouped by root operation. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aiops_mcp.models.spans import FoundTrace


@dataclass(frozen=True, slots=True)
class UnitedHit:
    """One trace over all clusters that found it; ``home`` is where its root is, if that is known.

    Its duration is that of the part with the root: clocks of clusters differ.
    """

    hit: FoundTrace
    home: str
    clusters: tuple[str, ...]


def unite(by_cluster: Mapping[str, Sequence[FoundTrace]]) -> list[UnitedHit]:
    """Every trace once, newest first."""
    parts: dict[str, list[tuple[str, FoundTrace]]] = defaultdict(list)
    for cluster, hits in by_cluster.items():
        for hit in hits:
            parts[hit.trace_id].append((cluster, hit))
    united = [_united(each) for each in parts.values()]
    return sorted(united, key=lambda one: (-one.hit.start_ns, one.hit.trace_id))


def _united(parts: Sequence[tuple[str, FoundTrace]]) -> UnitedHit:
    # Without a root a store has only what the trace called there.
    home, main = min(parts, key=lambda part: (part[1].root_service is None, part[1].start_ns))
    clusters = tuple(dict.fromkeys(cluster for cluster, _ in parts))
    if len(parts) == 1:
        return UnitedHit(main, home, clusters)
    has_root = main.root_service is not None
    hits = [hit for _, hit in parts]
    told = {hit.has_errors for hit in hits}
    return UnitedHit(
        main._replace(
            duration_ns=main.duration_ns if has_root else max(hit.duration_ns for hit in hits),
            # The stores may hold the same spans or others, so that their counts do not add up.
            span_count=None,
            service_count=None,
            has_errors=True if True in told else None if None in told else False,
        ),
        home,
        clusters,
    )


def with_failures(hits: Sequence[UnitedHit], failed: Sequence[UnitedHit]) -> list[UnitedHit]:
    """The hits, those known to have failed marked so, and the failed ones that were not among them.

    Newest first.
    """
    known = {one.hit.trace_id: one for one in hits}
    for one in failed:
        there = known.get(one.hit.trace_id, one)
        known[one.hit.trace_id] = replace(there, hit=there.hit._replace(has_errors=True))
    return sorted(known.values(), key=lambda one: (-one.hit.start_ns, one.hit.trace_id))


@dataclass(frozen=True, slots=True)
class HitGroup:
    """Traces of one root operation; times in milliseconds."""

    service: str | None
    operation: str | None
    hits: tuple[UnitedHit, ...]
    p50_ms: float
    p95_ms: float

    @property
    def errors(self) -> int:
        return sum(one.hit.has_errors is True for one in self.hits)

    @property
    def errors_known(self) -> int:
        """Of how many it is known whether they failed."""
        return sum(one.hit.has_errors is not None for one in self.hits)

    @property
    def slowest(self) -> UnitedHit:
        return max(self.hits, key=lambda one: one.hit.duration_ns)

    @property
    def failing(self) -> UnitedHit | None:
        """The newest that failed."""
        return next((one for one in self.hits if one.hit.has_errors), None)


def group(hits: Sequence[UnitedHit]) -> list[HitGroup]:
    """By root operation: those that fail first, by how many, then the slow ones."""
    by_root: dict[tuple[str | None, str | None], list[UnitedHit]] = defaultdict(list)
    for one in hits:
        by_root[one.hit.root_service, one.hit.root_operation].append(one)
    groups = [_group(root, found) for root, found in by_root.items()]
    return sorted(groups, key=lambda each: (-each.errors, -each.p95_ms))


def _group(root: tuple[str | None, str | None], found: Sequence[UnitedHit]) -> HitGroup:
    durations = sorted(one.hit.duration_ns / 1e6 for one in found)
    return HitGroup(
        root[0], root[1], tuple(found), percentile(durations, 0.5), percentile(durations, 0.95)
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the ascending values lie, between neighbours linearly."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
