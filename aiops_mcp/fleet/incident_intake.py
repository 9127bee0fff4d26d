"""Makes incidents of alerts, and keeps them true: what joins, what ends, what fires again.

Stands on what is in the database at each look, not on the events that woke it: nothing is lost when
a process dies or an event is. Investigates nothing; which alert belongs where is in
``incident_joining``.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from aiops_mcp.fleet.incident_alerts import Firing, Standing
from aiops_mcp.fleet.incident_joining import (
    RANK,
    Together,
    home_of,
    key_of,
    place_in,
    twin_of,
)
from aiops_mcp.fleet.incident_steps import (
    firing_again,
    folded,
    joined,
    opened,
    over,
    with_alerts_of,
)
from aiops_mcp.fleet.incidents import Incidents
from aiops_mcp.models.alerts import AlertSeverity
from aiops_mcp.models.incident import (
    Incident,
    IncidentAlert,
    IncidentState,
    InvestigationState,
)

_log = logging.getLogger(__name__)

NEWS: Final = timedelta(hours=6)
"""What fires for longer when it is first seen is no news, and no incident."""
SUPPRESSED_FOR: Final = timedelta(minutes=5)
GONE_FOR: Final = timedelta(minutes=1)
MOST_TRIAGED: Final = 5
"""Of the last investigations it is remembered what triage joined."""
MOST_OPEN: Final = 200
"""More open incidents than this help nobody: further alerts wait until there is room."""


class Watched(Protocol):
    """What fires, as `FiringAlerts` tell it."""

    async def firing(self, since: datetime) -> tuple[Firing, ...]: ...

    async def ended(
        self, alerts: Sequence[IncidentAlert], now: datetime
    ) -> dict[int, datetime]: ...

    async def standing(self, names: frozenset[str]) -> Standing: ...


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """From which severity on an alert opens an incident, and how long it must have fired."""

    severity: AlertSeverity
    settle: timedelta


class IncidentIntake:
    """``clock`` is the wall clock. One replica works at a time; `forget` when another takes over.

    ``known`` holds the incidents that matter: not resolved, or changed lately.
    """

    def __init__(
        self,
        incidents: Incidents,
        alerts: Watched,
        clock: Callable[[], datetime],
        rules: IntakeRules,
    ) -> None:
        self._incidents = incidents
        self._alerts = alerts
        self._clock = clock
        self._rules = rules
        self.known: dict[UUID, Incident] = {}
        self._not_before: dict[str, datetime] = {}
        self._looked_at: set[str] = set()
        self._triaged: deque[Together] = deque(maxlen=MOST_TRIAGED)
        self._full = False

    def forget(self) -> None:
        """Know nothing: another replica may change everything."""
        self.known.clear()
        self._not_before.clear()
        self._looked_at.clear()
        self._triaged.clear()

    def learn(self, together: Together) -> None:
        """What an investigation's triage joins; alerts that belonged nowhere may do so now."""
        self._triaged.append(together)
        self._looked_at.clear()

    async def fold(self, incident: Incident) -> None:
        """Make it part of an older open one that has the same cause, where there is one."""
        now = self._clock()
        twin = twin_of(incident, self.known.values())
        if twin is None:
            return
        await self._change(
            twin, lambda held: with_alerts_of(held, incident, now), "incident joined"
        )
        await self._change(incident, lambda held: folded(held, twin, now), "joined another")

    async def refresh(self) -> None:
        """Read what changed since the last look."""
        found = await self._incidents.revisions(self._clock() - NEWS)
        self.known = {key: one for key, one in self.known.items() if key in found}
        for key, revision in found.items():
            known = self.known.get(key)
            if known is None or known.revision != revision:
                whole = await self._incidents.whole(key)
                if whole is not None:
                    self.known[key] = whole

    async def look(self, *, may_wait: bool) -> None:
        """Take in what fires and what ended.

        An alert of a cluster that is being looked into waits for what is found there; with
        ``may_wait`` also where that is yet to begin, for it will soon.
        """
        now = self._clock()
        self._not_before = {key: at for key, at in self._not_before.items() if at > now}
        firing = await self._alerts.firing(now - NEWS)
        await self._fire_again(firing)
        await self._end(now)
        await self._take_in(firing, now, may_wait=may_wait)

    # --- what is held already -------------------------------------------------------------

    async def _fire_again(self, firing: Iterable[Firing]) -> None:
        """Firings that were said to be over and are not: whoever said so was mistaken."""
        holders = self._holders()
        for told in [one.told for one in firing]:
            for key in holders.get((told.cluster_name, told.fingerprint), ()):
                incident = self.known[key]
                place = place_in(incident, told)
                if place is not None and incident.alerts[place].ends_at is not None:
                    await self._change(
                        incident, lambda held, told=told: firing_again(held, told), "fires again"
                    )

    async def _end(self, now: datetime) -> None:
        """Note what ended; what has no alert left that fires is over."""
        going = [
            (incident.id, alert)
            for incident in self.known.values()
            for alert in incident.alerts
            if alert.ends_at is None
        ]
        if not going:
            return
        gone: dict[UUID, list[tuple[IncidentAlert, datetime]]] = {}
        for place, at in (await self._alerts.ended([one for _, one in going], now)).items():
            key, alert = going[place]
            gone.setdefault(key, []).append((alert, at))
        for key, those in gone.items():
            await self._change(
                self.known[key], lambda held, gone=those: over(held, gone, now), "alerts ended"
            )

    def _holders(self) -> dict[tuple[str, str], list[UUID]]:
        """Which incidents hold an alert, by its cluster and fingerprint."""
        found: dict[tuple[str, str], list[UUID]] = {}
        for incident in self.known.values():
            for one in incident.alerts:
                found.setdefault((one.cluster_name, one.fingerprint), []).append(incident.id)
        return found

    # --- what is new ------------------------------------------------------------------------

    async def _take_in(self, firing: Iterable[Firing], now: datetime, *, may_wait: bool) -> None:
        holders = self._holders()
        new = [one for one in firing if self._is_new(one, holders, now)]
        grave = [one for one in new if self._is_grave(one)]
        if not new or not (grave or self.known):
            return
        recent = {name for one in self.known.values() for name in one.clusters}
        names = frozenset({one.told.cluster_name for one in new} | recent)
        standing = await self._alerts.standing(names)
        order = sorted(new, key=lambda one: (RANK[one.told.severity], one.told.starts_at))
        for one in order:
            if standing.is_suppressed(one.told):
                self._not_before[one.alert.id] = now + SUPPRESSED_FOR
            elif standing.is_over(one.told):
                self._not_before[one.alert.id] = now + GONE_FOR
            else:
                await self._place(one, standing, now, may_wait=may_wait)

    def _is_new(
        self, one: Firing, holders: Mapping[tuple[str, str], Sequence[UUID]], now: datetime
    ) -> bool:
        if now - one.told.starts_at < self._rules.settle:
            return False
        if one.alert.id in self._not_before or one.alert.id in self._looked_at:
            return False
        own = holders.get((one.told.cluster_name, one.told.fingerprint), ())
        return all(place_in(self.known[key], one.told) is None for key in own)

    def _is_grave(self, one: Firing) -> bool:
        return RANK[one.told.severity] <= RANK[self._rules.severity]

    async def _place(
        self, one: Firing, standing: Standing, now: datetime, *, may_wait: bool
    ) -> None:
        together = (standing.together, *self._triaged)
        home = home_of(one.told, self.known.values(), together, now)
        if home is not None:
            incident, why = home
            await self._change(incident, lambda held: joined(held, one, why, now), "alert joined")
        elif not self._is_grave(one):
            self._looked_at.add(one.alert.id)
        elif one.told.cluster_name not in self._busy(may_wait=may_wait):
            await self._open(one, now)

    def _busy(self, *, may_wait: bool) -> set[str]:
        """Clusters whose trouble is being looked into, or may be soon."""
        states = {InvestigationState.RUNNING}
        if may_wait:
            states.add(InvestigationState.WAITING)
        return {
            name
            for one in self.known.values()
            if one.state is not IncidentState.RESOLVED and one.investigation in states
            for name in one.clusters
        }

    async def _open(self, one: Firing, now: datetime) -> None:
        going = sum(each.state is not IncidentState.RESOLVED for each in self.known.values())
        if going >= MOST_OPEN:
            if not self._full:
                _log.warning("%d incidents are open: further alerts wait for room", going)
            self._full = True
            return
        self._full = False
        made = await self._incidents.add(opened(one, now), key_of(one.told))
        if made is not None:
            self.known[made.id] = made
            self._looked_at.clear()

    async def _change(
        self, incident: Incident, step: Callable[[Incident], Incident | None], what: str
    ) -> None:
        self.known[incident.id] = await self._incidents.change(incident.id, step, what)
