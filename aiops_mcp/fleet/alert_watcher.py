"""Looks at every cluster's alerts in turn, and tells the history what began and what ended.

Each replica looks at the clusters of its shards, at the interval of their type. A cluster that did
not answer says nothing: its alerts neither begin nor end by its silence. What a look means is in
`alert_looks`; that an occurrence is told once is the history's business.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from aiops_mcp.backends.alertmanager_alerts import to_alerts
from aiops_mcp.backends.alertmanager_poll import Poll, poll_alertmanager, poll_prometheus
from aiops_mcp.errors import AiopsError
from aiops_mcp.fleet.access import Access
from aiops_mcp.fleet.alert_history import AlertHistory
from aiops_mcp.fleet.alert_looks import (
    ClusterLooks,
    Look,
    has_switch,
    silent_switch,
    switch_is_overdue,
)
from aiops_mcp.fleet.alert_occurrences import Gone
from aiops_mcp.fleet.fleet import Fleet
from aiops_mcp.fleet.shards import LOOK_AROUND_SECONDS, Shards, watch_ours
from aiops_mcp.models.alerts import Alert
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.settings import Settings

_log = logging.getLogger(__name__)

WATCHER = Principal(subject="fleet.alert_watcher", role=Role.ADMIN)
CONFIRM_SECONDS = 5.0
"""An alert that is missing is looked for again so soon, to be sure."""

TOUCH_SECONDS = 300.0
"""How often what still fires is noted, and what others recorded meanwhile is taken over."""


class ListedClusters(Protocol):
    """The part of the registry that looking needs."""

    async def list(self, principal: Principal) -> Sequence[Cluster]: ...


@dataclass(slots=True)
class _Watched:
    """One cluster between looks; times are the event loop's."""

    cluster: Cluster
    due: float
    looks: ClusterLooks = field(default_factory=ClusterLooks)
    late: frozenset[str] = frozenset()
    touch_at: float | None = None
    is_looking: bool = False


class AlertWatcher:
    """Runs until cancelled; ``look_at`` looks at one cluster at once, whoever's it is."""

    def __init__(
        self,
        registry: ListedClusters,
        fleet: Fleet,
        history: AlertHistory,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        shards: Shards,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._registry = registry
        self._fleet = fleet
        self._history = history
        self._settings = settings
        self._clock = clock
        self._shards = shards
        self._chance = chance
        self._grace = timedelta(seconds=settings.dead_mans_switch_grace)
        self._watched: dict[UUID, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Look until cancelled; then give the leases back."""
        try:
            await watch_ours(self._shards, self._look_around, self._start_due)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=5)
            await self._shards.release()

    async def look_once(self) -> None:
        """Look at every cluster of ours now."""
        await self._shards.renew()
        await self._look_around(asyncio.get_running_loop().time())
        await asyncio.gather(*(self._look_safely(each) for each in self._watched.values()))

    async def look_at(self, cluster: Cluster) -> None:
        """Look at one cluster now; whichever replica watches it, the history is one."""
        watched = self._watched.get(cluster.id) or _Watched(cluster, due=0.0)
        await self._look_safely(watched)

    # --- the schedule ---------------------------------------------------------------------

    async def _look_around(self, now: float) -> None:
        try:
            clusters = await self._registry.list(WATCHER)
        except AiopsError as error:
            _log.warning("The list of clusters cannot be read: %s", error)
            return
        ours = {
            each.id: each
            for each in clusters
            if self._shards.is_ours(each.id) and _source(each) is not None
        }
        for gone in self._watched.keys() - ours.keys():
            del self._watched[gone]
        for cluster_id, cluster in ours.items():
            watched = self._watched.get(cluster_id)
            if watched is None:
                # Spread over the period, so that a large fleet is not asked at once.
                delay = self._chance() * min(self._period(cluster), len(ours) / 50)
                self._watched[cluster_id] = _Watched(cluster, now + delay)
            else:
                watched.cluster = cluster

    def _start_due(self, now: float) -> float:
        """Start the looks that are due; the time of the next one."""
        following = now + LOOK_AROUND_SECONDS
        for watched in self._watched.values():
            if watched.due <= now and not watched.is_looking:
                watched.due = now + self._period(watched.cluster)
                task = asyncio.create_task(self._look_safely(watched))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif watched.due > now:
                following = min(following, watched.due)
        return following

    def _period(self, cluster: Cluster) -> float:
        """As often as its type is checked, but no more often than alerts are to be polled."""
        return max(
            self._settings.alert_poll_every, self._settings.check_every[cluster.cluster_type]
        )

    # --- one look -------------------------------------------------------------------------

    async def _look_safely(self, watched: _Watched) -> None:
        if watched.is_looking:
            return
        watched.is_looking = True
        try:
            await self._look(watched)
        except AiopsError as error:
            # What was not recorded is found again by the next look.
            watched.looks = ClusterLooks()
            watched.touch_at = None
            _log.warning("The alerts of %s were not recorded: %s", watched.cluster.name, error)
        except Exception:  # noqa: BLE001 - one cluster must never end the watch over the others
            watched.looks = ClusterLooks()
            _log.exception("The look at the alerts of %s failed", watched.cluster.name)
        finally:
            watched.is_looking = False

    async def _look(self, watched: _Watched) -> None:
        cluster, looks = watched.cluster, watched.looks
        answer = await self._fleet.ask_one(
            cluster, lambda access: _poll(access, looks.digest), backend="alerts"
        )
        poll = answer.value
        if poll is None:
            return
        loop_now, now = asyncio.get_running_loop().time(), self._clock()
        first_look = watched.touch_at is None and await self._begin(watched)
        if watched.touch_at is None or loop_now >= watched.touch_at:
            await self._touch(watched)
            watched.touch_at = loop_now + TOUCH_SECONDS * (0.5 + self._chance() / 2)
        if poll.alerts is None:
            look = Look((), tuple(looks.miss(_still(looks), now)) if looks.misses_any else ())
        else:
            look = looks.look(poll.alerts, now)
        looks.digest = poll.digest
        found = to_alerts(
            cluster,
            [alert.alert() for alert in look.new],
            now=now,
            severities=self._settings.alert_severities,
        )
        switch, back = self._switch(watched, poll, now)
        changed = await self._history.saw(
            cluster, [*found, *switch], [*look.gone, *back], first_look=first_look
        )
        await self._settle_late(watched, changed.late)
        if looks.misses_any or watched.late:
            watched.due = min(watched.due, loop_now + CONFIRM_SECONDS)

    async def _begin(self, watched: _Watched) -> bool:
        """Take over what is recorded; whether that is nothing, so that this look is the first."""
        switches = self._settings.dead_mans_switches
        last = await self._history.last_of([watched.cluster], switches)
        watched.looks.switch_seen_at = last.get(watched.cluster.id)
        return not await self._history.is_known(watched.cluster)

    async def _touch(self, watched: _Watched) -> None:
        looks = watched.looks
        if looks.firing:
            await self._history.touch(watched.cluster, list(looks.firing))
        recorded = await self._history.open_alerts([watched.cluster])
        # What somebody else recorded as ended meanwhile is told of again, if it is still there.
        for fingerprint in looks.firing.keys() - {alert.fingerprint for alert in recorded}:
            del looks.firing[fingerprint]
        looks.know(recorded)

    def _switch(
        self, watched: _Watched, poll: Poll, now: datetime
    ) -> tuple[Sequence[Alert], Sequence[Gone]]:
        """Our own alert where the switch has fallen silent; its end where it is back."""
        looks, switches = watched.looks, self._settings.dead_mans_switches
        if poll.alerts is not None:
            looks.has_switch = has_switch(poll.alerts, switches)
        since = looks.switch_seen_at
        if looks.has_switch:
            looks.switch_seen_at = now
            if not looks.silent:
                return (), ()
            looks.silent = False
            return (), (Gone(silent_switch(watched.cluster, now, switches).fingerprint, now),)
        if looks.silent or since is None or not switch_is_overdue(since, now, self._grace):
            return (), ()
        looks.silent = True
        return (silent_switch(watched.cluster, since, switches),), ()

    async def _settle_late(self, watched: _Watched, late: Sequence[Alert]) -> None:
        """Alerts that fire although somebody said they ended: believed at the second look."""
        again = [alert for alert in late if alert.fingerprint in watched.late]
        if again:
            await self._history.fires_on(watched.cluster, again)
        told = {alert.fingerprint for alert in late} - {alert.fingerprint for alert in again}
        watched.late = frozenset(told)
        for fingerprint in told:
            watched.looks.firing.pop(fingerprint, None)  # to be told of again by the next look
        if told:
            watched.looks.digest = None


def _still(looks: ClusterLooks) -> frozenset[str]:
    """What the same answer as before still holds."""
    return frozenset(name for name, firing in looks.firing.items() if not firing.missed)


def _source(cluster: Cluster) -> str | None:
    return cluster.endpoints.alertmanager_url or cluster.endpoints.prometheus_url


async def _poll(access: Access, known: bytes | None) -> Poll:
    if access.cluster.endpoints.alertmanager_url is not None:
        return await poll_alertmanager(await access.alertmanager(), known)
    return await poll_prometheus(await access.prometheus(), known)
