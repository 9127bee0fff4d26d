"""Watches series over the fleet as they go on, and publishes ANOMALY_DETECTED once per anomaly.

A look reads what is new since the last one. The first of a cluster reads the hours before, so
that a restart, or a cluster that another replica had, goes on from what is known. Clusters are
shared among replicas by shards. How a series is judged is not known here.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from aiops_mcp.errors import AiopsError
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.anomalies import worst_first
from aiops_mcp.fleet.anomaly_findings import Place
from aiops_mcp.fleet.anomaly_tracking import Room, SignTracks
from aiops_mcp.fleet.anomaly_watched import Watched
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.selection import Selection
from aiops_mcp.fleet.series_grid import Span, grid_of
from aiops_mcp.fleet.shards import Ours, keep_shards
from aiops_mcp.fleet.sign_series import AT_ONCE, signs_present
from aiops_mcp.models.anomaly import AnomalyDetection
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.principal import LOCAL_ADMIN

_log = logging.getLogger(__name__)

LEAST_DEADLINE = 60.0
"""The first look reads hours."""
MOST_EVENTS = 100
"""Of one look: when everything fails at once, the worst tell it."""
SETTLE_SECONDS = 30.0
"""The newest samples may not all be scraped yet."""
MISSED_LOOKS = 3.0
"""What began within so many looks before the first one may have begun while nobody watched."""


@dataclass(frozen=True, slots=True)
class WatchRules:
    """How watching is done: times in seconds, ``series`` the most of all clusters together."""

    every: float = 60.0
    history: float = 21_600.0
    sensitivity: float = 2.5
    series: int = 2_000
    ttl_names: float = 300.0


class AnomalyWatcher:
    """Looks at every watched expression each ``rules.every`` seconds while ``run`` runs.

    ``is_told`` knows the events that were published lately, by whichever replica.
    """

    def __init__(
        self,
        watched: Sequence[Watched],
        fleet: Fleet,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        rules: WatchRules,
        ours: Ours,
        is_told: Callable[[UUID], bool] = lambda _: False,
    ) -> None:
        self._watched = watched
        self._fleet = fleet
        self._bus = bus
        self._clock = clock
        self._rules = rules
        self._ours = ours
        self._is_told = is_told
        self._tracks: dict[UUID, dict[str, SignTracks]] = {}
        self._room = Room(rules.series)
        self._told_full = False

    @property
    def series(self) -> int:
        """How many series are watched now."""
        return sum(len(one.tracks) for each in self._tracks.values() for one in each.values())

    async def run(self) -> None:
        """Watch until cancelled; without expressions there is nothing to do."""
        if not self._watched:
            return
        shared_out = asyncio.Event()
        keeping = asyncio.create_task(keep_shards(self._ours, shared_out))
        try:
            await shared_out.wait()
            while True:
                try:
                    await self.look_once()
                except AiopsError as error:
                    _log.warning("the watched series could not be looked at: %s", error)
                await asyncio.sleep(self._rules.every)
        finally:
            keeping.cancel()
            await self._ours.release()

    async def look_once(self) -> tuple[AnomalyDetection, ...]:
        """Look at what is new, publish what is unusual; the anomalies that were told."""
        chosen = await self._fleet.choose((), LOCAL_ADMIN)
        mine = tuple(one for one in chosen.asked if self._ours.is_ours(one.id))
        known = {one.id for one in (*chosen.asked, *chosen.offline) if self._ours.is_ours(one.id)}
        for gone in self._tracks.keys() - known:
            tracks = self._tracks.pop(gone).values()
            self._room.give_back(sum(len(one.tracks) for one in tracks))
        if not mine:
            return ()
        answer = await self._fleet.ask_chosen(
            Selection(mine),
            self._look_at,
            backend="prometheus",
            deadline=max(self._rules.every, LEAST_DEADLINE),
        )
        for failed in answer.failed():
            _log.info("%s was not watched: %s", failed.cluster.name, failed.error)
        all_found = [one for each in answer.succeeded() for one in each.value or ()]
        found = worst_first(one for one in all_found if not self._is_told(one.id))
        for one in found[:MOST_EVENTS]:
            await self._bus.publish(_event(one))
        if len(found) > MOST_EVENTS:
            _log.warning("%d more anomalies at once were not told", len(found) - MOST_EVENTS)
        return tuple(found[:MOST_EVENTS])

    async def _look_at(self, access: Access) -> list[AnomalyDetection]:
        signs = [one.sign for one in self._watched if not one.own]
        present = await signs_present(access, self._fleet.cache, signs, ttl=self._rules.ttl_names)
        names = {sign.name for sign in present}
        asked = [one for one in self._watched if one.own or one.sign.name in names]
        tracks = self._tracks.setdefault(access.cluster.id, {})
        slots = asyncio.Semaphore(AT_ONCE)
        told = await asyncio.gather(
            *(self._one(access, one, tracks, slots) for one in asked), return_exceptions=True
        )
        found: list[AnomalyDetection] = []
        failures: list[AiopsError] = []
        for result in told:
            if isinstance(result, AiopsError):
                failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                found += result
        if failures and len(failures) == len(asked):
            raise failures[0]
        return found

    async def _one(
        self,
        access: Access,
        watched: Watched,
        tracks: dict[str, SignTracks],
        slots: asyncio.Semaphore,
    ) -> list[AnomalyDetection]:
        rules, cluster, sign = self._rules, access.cluster, watched.sign
        query = sign.expression if watched.own else sign.query(rules.every)
        held = tracks.get(sign.name)
        span, told_from = self._span(held)
        if span is None or (held is not None and held.busy):
            return []
        async with slots:
            client = await access.prometheus()
            answer = await client.query_range(
                query, start=span.start, end=span.end, step=span.step, limit=span.most_series + 1
            )
            if held is None:
                place = Place(cluster.id, cluster.name, query, self._clock())
                held = SignTracks(sign, place, rules.sensitivity, self._room)
                tracks[sign.name] = held

            held.busy = True  # a look that is given up leaves its thread behind

            def work() -> list[AnomalyDetection]:
                try:
                    grid = grid_of(answer.series, span)
                    rows = [watched.sign_of(labels) for labels in grid.labels]
                    return held.feed(grid, rows, told_from=told_from, step=span.step)
                finally:
                    held.busy = False

            found = await asyncio.to_thread(work)
        self._say_full(held)
        return found

    def _span(self, held: SignTracks | None) -> tuple[Span | None, float]:
        """What is new since the last look, and from when on what begins is told."""
        every = self._rules.every
        end = (self._clock().timestamp() - SETTLE_SECONDS) // every * every
        oldest = end - self._rules.history // every * every
        if held is None or held.until < oldest:
            return Span(oldest, end, every), end - MISSED_LOOKS * every
        if held.until >= end:
            return None, end
        return Span(held.until + every, end, every), 0.0

    def _say_full(self, held: SignTracks) -> None:
        if held.left_out and not self._told_full:
            self._told_full = True
            _log.warning(
                "%d series of %s on %s are not watched: %d are the most "
                "(AIOPS_ANOMALY_WATCH_SERIES)",
                held.left_out,
                held.sign.name,
                held.place.cluster_name,
                self._rules.series,
            )


def _event(one: AnomalyDetection) -> Event:
    payload: Mapping[str, object] = one.model_dump(mode="json")
    return Event(
        event_id=one.id,
        event_type=EventType.ANOMALY_DETECTED,
        source="fleet.anomaly_watcher",
        cluster_id=one.cluster_id,
        cluster_name=one.cluster_name,
        timestamp=one.detected_at,
        payload=dict(payload),
    )
