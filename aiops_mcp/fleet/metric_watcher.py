"""Watches expressions over the fleet and tells when one crosses its threshold or jumps.

An expression is written ``name=PromQL;threshold=>90;change=20%`` (settings). What is compared is
pure; the loop asks and publishes. A series that is not there says nothing.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from uuid import UUID, uuid4

from aiops_mcp.errors import AiopsError, InputError
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.metrics import FleetMetrics
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import LOCAL_ADMIN

_log = logging.getLogger(__name__)

MOST_SERIES = 5_000
"""Of one expression; a watch over more is a mistake in the expression."""

_FORM = "Write name=PromQL;threshold=>90 or name=PromQL;change=20%."
_NAME = re.compile(r"[A-Za-z_][\w:.-]{0,99}")
_OPTION = re.compile(r";\s*(threshold|change)\s*=\s*([^;]*)\s*$")
_THRESHOLD = re.compile(r"(>=|<=|>|<)?\s*(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Watch:
    """``inclusive``: at the threshold is over it. ``change`` is in percent of the value before."""

    name: str
    query: str
    threshold: float | None = None
    falling: bool = False
    change: float | None = None
    inclusive: bool = False

    def breached(self, value: float) -> bool:
        if self.threshold is None:
            return False
        if value == self.threshold:
            return self.inclusive
        return value < self.threshold if self.falling else value > self.threshold


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of one series now."""

    cluster_id: UUID
    cluster_name: str
    labels: Mapping[str, str]
    value: float


Key = tuple[UUID, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Update:
    sample: Sample
    previous: float
    change_percent: float | None
    breached: bool


def read_watch(text: str) -> Watch:
    """One expression of the settings.

    Raises:
        InputError: it cannot be read, or says neither threshold nor change.
    """
    rest = text.strip()
    options: dict[str, str] = {}
    while found := _OPTION.search(rest):
        options.setdefault(found[1], found[2].strip())
        rest = rest[: found.start()]
    name, equals, query = rest.partition("=")
    if not equals or not _NAME.fullmatch(name.strip()) or not query.strip():
        raise InputError(f"AIOPS_WATCH: {text[:80]!r} has no name and expression.", _FORM)
    threshold, sign = _read_threshold(options.get("threshold"), text)
    change = _read_change(options.get("change"), text)
    if threshold is None and change is None:
        raise InputError(f"AIOPS_WATCH: {name.strip()} says neither threshold nor change.", _FORM)
    return Watch(
        name.strip(), query.strip(), threshold, sign.startswith("<"), change, sign.endswith("=")
    )


def _read_threshold(text: str | None, whole: str) -> tuple[float | None, str]:
    if text is None:
        return None, ">"
    matched = _THRESHOLD.fullmatch(text)
    if matched is None:
        raise InputError(f"AIOPS_WATCH: the threshold of {whole[:80]!r} is no number.", _FORM)
    return float(matched[2]), matched[1] or ">"


def _read_change(text: str | None, whole: str) -> float | None:
    if text is None:
        return None
    matched = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*%?", text)
    if matched is None or float(matched[1]) <= 0:
        raise InputError(f"AIOPS_WATCH: the change of {whole[:80]!r} is no percentage.", _FORM)
    return float(matched[1])


def compare(
    watch: Watch, told: Mapping[Key, float], samples: Sequence[Sample]
) -> tuple[dict[Key, float], list[Update]]:
    """What is to be told, and what each series is compared with next time.

    A crossing of the threshold is told in both directions; a change is measured against the value
    told last, so that a slow drift is told too. The first look at a series is where it starts.
    """
    kept: dict[Key, float] = dict(told)
    if len(kept) >= MOST_SERIES:
        # Pods come and go: what is gone makes room, or nothing new would ever be watched.
        present = {_key(sample) for sample in samples}
        kept = {key: value for key, value in kept.items() if key in present}
    updates: list[Update] = []
    for sample in samples:
        if not isfinite(sample.value):
            continue
        key = _key(sample)
        before = told.get(key)
        if before is None:
            if len(kept) < MOST_SERIES:
                kept[key] = sample.value
            continue
        change = 100 * (sample.value - before) / abs(before) if before else None
        crossed = watch.breached(before) != watch.breached(sample.value)
        jumped = watch.change is not None and (
            abs(change) >= watch.change if change is not None else sample.value != before
        )
        if crossed or jumped:
            kept[key] = sample.value
            updates.append(Update(sample, before, change, watch.breached(sample.value)))
        elif watch.change is None:
            kept[key] = sample.value
    return kept, updates


def _key(sample: Sample) -> Key:
    return sample.cluster_id, tuple(sorted(sample.labels.items()))


Look = Callable[[Watch], Awaitable[Sequence[Sample]]]


class MetricWatcher:
    """Looks at every expression each ``every`` seconds while this replica is the one to."""

    def __init__(
        self,
        watches: Sequence[Watch],
        look: Look,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        every: float,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._watches = watches
        self._look = look
        self._bus = bus
        self._clock = clock
        self._every = every
        self._ours = ours
        self._told: dict[str, dict[Key, float]] = {watch.name: {} for watch in watches}

    async def run(self) -> None:
        """Watch until cancelled; without expressions there is nothing to do."""
        while self._watches:
            try:
                if await self._ours():
                    await self.look_once()
            except AiopsError as error:
                _log.warning("watched metrics could not be looked at: %s", error)
            await asyncio.sleep(self._every)

    async def look_once(self) -> int:
        """Look at all expressions now; how many events were published."""
        count = 0
        for watch in self._watches:
            try:
                samples = await self._look(watch)
            except AiopsError as error:
                _log.warning("the watched metric %s got no answer: %s", watch.name, error)
                continue
            self._told[watch.name], updates = compare(watch, self._told[watch.name], samples)
            for update in updates:
                await self._bus.publish(self._event(watch, update))
            count += len(updates)
        return count

    def _event(self, watch: Watch, update: Update) -> Event:
        sample = update.sample
        change = update.change_percent
        return Event(
            event_id=uuid4(),
            event_type=EventType.METRIC_UPDATE,
            source="fleet.metric_watcher",
            cluster_id=sample.cluster_id,
            cluster_name=sample.cluster_name,
            timestamp=self._clock(),
            payload={
                "metric_name": watch.name,
                "query": watch.query,
                "labels": dict(sample.labels),
                "value": sample.value,
                "previous_value": update.previous,
                "change_percent": None if change is None else round(change, 2),
                "threshold": watch.threshold,
                "threshold_breached": update.breached,
            },
        )


def look_at_fleet(metrics: FleetMetrics, clock: Callable[[], datetime]) -> Look:
    """Asks all clusters for an expression's values now, past the cache."""

    async def look(watch: Watch) -> Sequence[Sample]:
        answer = await metrics.query(watch.query, principal=LOCAL_ADMIN, time=clock())
        return [
            Sample(
                result.cluster_id,
                result.cluster_name,
                {name: value for name, value in series.metric.items() if name != "__name__"},
                float(series.values[-1][1]),
            )
            for result in answer.results
            if result.cluster_id is not None
            for series in result.data
            if series.values
        ]

    return look
