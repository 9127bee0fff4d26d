"""One cluster's series, generated when they are asked for: only those metrics, only that time.

It answers the evaluator's ``SeriesStore``. Series with one scrape offset share a block. Nothing
is stored but the prepared signals.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Protocol

import numpy as np

from aiops_mcp.promql.tree import METRIC_NAME, Matcher
from aiops_mcp.simulation.catalogue import (
    Expansion,
    Group,
    Measure,
    SeriesSignal,
    default_catalogue,
    series_names,
)
from aiops_mcp.simulation.cluster import SimulatedCluster, Window
from aiops_mcp.simulation.entities import Entity, Scene, Target
from aiops_mcp.simulation.entity_kinds import KINDS
from aiops_mcp.simulation.noise import key_of
from aiops_mcp.simulation.promql.matching import Labels, labels_from, matches
from aiops_mcp.simulation.promql.store import Block, Mask, MetricMetadata, Times
from aiops_mcp.simulation.signals import Signal, SignalBlock
from aiops_mcp.simulation.steps import Steps, changes

SCRAPE_INTERVAL_MS = 15_000
SCRAPE_OFFSETS = 5
RETENTION_MS = 15 * 86_400_000
_PREPARED = 400
_COMPUTED_MS = 3_600_000
"""How far back the names of computed series are looked for."""

_TIME_ZONES = {"eu": 13, "us": 20, "ap": 6}
"""Hour (UTC) of the daily peak by the region's first part."""


class ComputedSeries(Protocol):
    """Series that follow from other series, such as ``ALERTS``."""

    @property
    def names(self) -> Sequence[str]: ...

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[Block]: ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Series that are scraped together."""

    offset_ms: int
    silent: tuple[Window, ...]
    labels: list[Labels]
    signals: SignalBlock


class WorldStore:
    """The series of one simulated cluster up to ``now`` (seconds); safe from several threads."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        anchor: float,
        now: Callable[[], float],
        catalogue: Sequence[Group] | None = None,
    ) -> None:
        self._cluster = cluster
        self._now = now
        self._scene = Scene(cluster, anchor)
        self._lock = RLock()
        self._entities: dict[tuple[str, str], list[Entity]] = {}
        self._series: dict[str, list[SeriesSignal]] = {}
        self._prepared: OrderedDict[tuple[Matcher, ...], list[_Prepared]] = OrderedDict()
        self._computed: dict[str, ComputedSeries] = {}
        peak = _TIME_ZONES.get(cluster.spec.region.split("-")[0], 12) * 3600.0
        self._expansion = Expansion(cluster.seed, cluster.name, peak, cluster.bends)
        self._metadata: dict[str, MetricMetadata] = {}
        self._where: dict[str, list[tuple[str, Group, Measure]]] = {}
        for group in default_catalogue() if catalogue is None else catalogue:
            if self._applies(group):
                self._register(group)

    def _applies(self, group: Group) -> bool:
        spec = self._cluster.spec
        if group.when is None:
            return True
        return group.when in spec.stacks or (group.when == "openshift" and spec.is_openshift)

    def _register(self, group: Group) -> None:
        for name, measure in group.metrics.items():
            self._metadata[name] = MetricMetadata(measure.type, measure.help, measure.unit)
            for series in series_names(name, measure):
                self._where.setdefault(series, []).append((name, group, measure))

    def add_computed(self, computed: ComputedSeries) -> None:
        """Serve further series that are worked out from these."""
        for name in computed.names:
            self._computed[name] = computed

    # --- SeriesStore ----------------------------------------------------------------------

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Block]:
        """The samples of every series that fulfils all matchers, scraped by now."""
        now_ms = int(self._now() * 1000)
        end_ms = min(end_ms, now_ms)
        start_ms = max(start_ms, now_ms - RETENTION_MS)
        blocks = [self._block(one, start_ms, end_ms) for one in self._prepare(tuple(matchers))]
        found = [block for block in blocks if block is not None]
        for computed in self._computed_for(matchers):
            found.extend(computed.select(matchers, start_ms, end_ms))
        return found

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Iterable[Labels]:
        """The label sets of series with a sample in that time."""
        start, end = start_ms / 1000, min(end_ms / 1000, self._now())
        for prepared in self._prepare(tuple(matchers)):
            for labels, signal in zip(prepared.labels, prepared.signals.signals, strict=True):
                if signal.present is None or _ever(signal.present, start, end):
                    yield labels
        for computed in self._computed_for(matchers):
            recent = max(start_ms, int(end * 1000) - _COMPUTED_MS)
            for block in computed.select(matchers, recent, int(end * 1000)):
                yield from block.labels

    def metadata(self) -> Mapping[str, MetricMetadata]:
        """Type, help and unit by metric name."""
        return self._metadata

    # --- preparation ----------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names of all series that there are; their series are not worked out for it."""
        existing = [
            name
            for name, where in self._where.items()
            if any(self._has_entity(group, measure) for _, group, measure in where)
        ]
        return [*existing, *self._computed]

    def _has_entity(self, group: Group, measure: Measure) -> bool:
        needs = measure.needs
        return any(
            not needs or entity.sizes.get(needs, 0.0)
            for entity in self.entities(group.per, group.job)
        )

    def signals(self, name: str) -> list[SeriesSignal]:
        """Every series of a name, with its signal."""
        with self._lock:
            if name not in self._series:
                found: list[SeriesSignal] = []
                for metric, group, measure in self._where.get(name, []):
                    entities = self.entities(group.per, group.job)
                    found.extend(self._expansion.expand(name, metric, measure, entities))
                self._series[name] = found
            return self._series[name]

    def entities(self, kind: str, job: str) -> list[Entity]:
        """The entities of a kind as a job sees them."""
        with self._lock:
            key = (kind, job)
            if key not in self._entities:
                self._entities[key] = (
                    self._target_entities()
                    if kind == "target"
                    else list(KINDS[kind](self._scene, job))
                )
            return self._entities[key]

    def targets(self) -> list[Target]:
        """All scrape targets of the cluster."""
        groups = {(group.per, group.job) for where in self._where.values() for _, group, _ in where}
        found: dict[tuple[str, ...], Target] = {}
        for kind, job in sorted(groups):
            if kind != "target":
                for entity in self.entities(kind, job):
                    target = entity.target
                    found.setdefault((target.job, target.instance, str(target.labels)), target)
        return list(found.values())

    def _target_entities(self) -> list[Entity]:
        entities: list[Entity] = []
        for target in self.targets():
            state = changes(1.0, [])
            if target.silent:
                moments = [(start, 0.0) for start, _ in target.silent]
                state = changes(1.0, moments + [(end, 1.0) for _, end in target.silent])
            elif target.answers is not None:
                answers = target.answers
                state = Steps(answers.times, tuple(float(one) for one in answers.values))
            bare = Target(target.job, target.instance, target.labels)
            key = f"{target.job}/{target.instance}/{target.labels}"
            entities.append(Entity(key, bare, {}, states={"up": state}, present=target.known))
        return entities

    def _prepare(self, matchers: tuple[Matcher, ...]) -> list[_Prepared]:
        with self._lock:
            if matchers in self._prepared:
                self._prepared.move_to_end(matchers)
                return self._prepared[matchers]
            chosen = [
                series
                for name in self._names_for(matchers)
                for series in self.signals(name)
                if all(matches(one, series.labels.get(one.name, "")) for one in matchers)
            ]
            prepared = _grouped(chosen, self._cluster.name)
            self._prepared[matchers] = prepared
            while len(self._prepared) > _PREPARED:
                self._prepared.popitem(last=False)
            return prepared

    def _names_for(self, matchers: Iterable[Matcher]) -> list[str]:
        named = [one for one in matchers if one.name == METRIC_NAME]
        exact = next((one.value for one in named if one.op == "="), None)
        if exact is not None:
            return [exact] if exact in self._where else []
        return [name for name in self._where if all(matches(one, name) for one in named)]

    def _computed_for(self, matchers: Iterable[Matcher]) -> list[ComputedSeries]:
        named = [one for one in matchers if one.name == METRIC_NAME]
        exact = next((one.value for one in named if one.op == "="), None)
        if exact is not None:
            return [self._computed[exact]] if exact in self._computed else []
        found = [
            computed
            for name, computed in self._computed.items()
            if all(matches(one, name) for one in named)
        ]
        return list(dict.fromkeys(found))

    # --- generation -----------------------------------------------------------------------

    def _block(self, prepared: _Prepared, start_ms: int, end_ms: int) -> Block | None:
        first = -((prepared.offset_ms - start_ms) // SCRAPE_INTERVAL_MS)
        last = (end_ms - prepared.offset_ms) // SCRAPE_INTERVAL_MS
        if last < first:
            return None
        # One scrape before the start tells whether a gap begins at the start.
        times: Times = np.arange(first - 1, last + 1, dtype=np.int64) * SCRAPE_INTERVAL_MS
        times += prepared.offset_ms
        seconds = times / 1000.0
        values, present = prepared.signals.evaluate(seconds)
        for begin, end in prepared.silent:
            answered = (seconds < begin) | (seconds >= end)
            if not answered.all():
                present = answered[None, :] & (np.True_ if present is None else present)
        labels: Sequence[Labels] = prepared.labels
        if present is None:
            return Block(times[1:], values[:, 1:], labels)
        present = np.broadcast_to(present, values.shape)
        kept = present.any(axis=1)
        if not kept.any():
            return None
        if not kept.all():
            values, present = values[kept], present[kept]
            labels = [labels[int(row)] for row in np.flatnonzero(kept)]
        missing: Mask = ~present[:, 1:]
        stale: Mask = missing & present[:, :-1]
        return Block(times[1:], values[:, 1:], labels, missing & ~stale, stale)


def _ever(present: Steps[bool], start: float, end: float) -> bool:
    return present.at(start) or any(
        here and start <= moment <= end
        for moment, here in zip(present.times, present.values[1:], strict=True)
    )


def _grouped(series: Iterable[SeriesSignal], cluster: str) -> list[_Prepared]:
    groups: dict[tuple[int, tuple[Window, ...]], list[SeriesSignal]] = {}
    for one in series:
        target = one.target
        slot = key_of(cluster, target.job, target.instance) % SCRAPE_OFFSETS
        offset = slot * (SCRAPE_INTERVAL_MS // SCRAPE_OFFSETS) + 137 * slot
        groups.setdefault((offset, target.silent), []).append(one)
    return [
        _Prepared(
            offset,
            silent,
            [labels_from(one.labels) for one in members],
            SignalBlock([one.signal for one in members]),
        )
        for (offset, silent), members in groups.items()
    ]


def evaluate_now(signals: Sequence[Signal], moment: float) -> list[float | None]:
    """What signals are worth at one moment; ``None`` where the series does not exist."""
    values, present = SignalBlock(signals).evaluate(np.array([moment]))
    return [
        float(values[row, 0]) if present is None or present[row, 0] else None
        for row in range(len(signals))
    ]
