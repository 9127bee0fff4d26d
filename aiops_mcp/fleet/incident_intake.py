"""Makes incidents of alerts, and keeps them true: what joins, what ends, what fires again.

Stands on what is in the database at each look, not on the events that woke it: nothing is lost when
a process dies or an event is. Investigates nothing; which alert belongs where is in
``incident_joining``.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from aiops_mcp.fleet.incident_alerts import Firing, Standing
from aiops_mcp.fleet.incident_joining import (
    RANK,
    gravest,
    home_of,
    incident_id,
    is_same,
    key_of,
    place_in,
)
from aiops_mcp.fleet.incident_text import ended, explanation_of, fired, merged, said, title_of
from aiops_mcp.fleet.incidents import Incidents, is_resolved_by_person
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
INVESTIGATED_AGAIN_AFTER: Final = timedelta(hours=1)
"""A trouble that comes back is looked into anew where its last investigation is older."""
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
        self._full = False

    def forget(self) -> None:
        """Know nothing: another replica may change everything."""
        self.known.clear()
        self._not_before.clear()
        self._looked_at.clear()

    def look_again(self) -> None:
        """Look again at alerts that belonged nowhere: a ranking may name them now."""
        self._looked_at.clear()

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
        for one in firing:
            for incident in list(self.known.values()):
                place = place_in(incident, one.told)
                if place is not None and incident.alerts[place].ends_at is not None:
                    await self._change(
                        incident, lambda held, told=one.told: _again(held, told), "fires again"
                    )

    async def _end(self, now: datetime) -> None:
        """Note what ended; what has no alert left that fires is over."""
        for incident in list(self.known.values()):
            going = [one for one in incident.alerts if one.ends_at is None]
            if not going:
                continue
            ends = await self._alerts.ended(going, now)
            if ends:
                over = [(going[place], at) for place, at in ends.items()]
                await self._change(
                    incident, lambda held, over=over: _over(held, over, now), "alerts ended"
                )

    # --- what is new ------------------------------------------------------------------------

    async def _take_in(self, firing: Iterable[Firing], now: datetime, *, may_wait: bool) -> None:
        new = [one for one in firing if self._is_new(one, now)]
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

    def _is_new(self, one: Firing, now: datetime) -> bool:
        if now - one.told.starts_at < self._rules.settle:
            return False
        if one.alert.id in self._not_before or one.alert.id in self._looked_at:
            return False
        return all(place_in(each, one.told) is None for each in self.known.values())

    def _is_grave(self, one: Firing) -> bool:
        return RANK[one.told.severity] <= RANK[self._rules.severity]

    async def _place(
        self, one: Firing, standing: Standing, now: datetime, *, may_wait: bool
    ) -> None:
        home = home_of(one.told, self.known.values(), standing.together, now)
        if home is not None:
            incident, why = home
            await self._change(incident, lambda held: _joined(held, one, why, now), "alert joined")
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
        made = await self._incidents.add(_opened(one, now), key_of(one.told))
        if made is not None:
            self.known[made.id] = made
            self.look_again()

    async def _change(
        self, incident: Incident, step: Callable[[Incident], Incident | None], what: str
    ) -> None:
        self.known[incident.id] = await self._incidents.change(incident.id, step, what)


# --- what becomes of an incident; pure -----------------------------------------------------------


def _opened(one: Firing, now: datetime) -> Incident:
    told = one.told
    incident = Incident(
        id=incident_id(one.alert),
        title=title_of((told,), None, told.cluster_name),
        severity=told.severity,
        state=IncidentState.OPEN,
        clusters=(told.cluster_name,),
        started_at=told.starts_at,
        alerts=(told,),
        timeline=(fired(told),),
        created_at=now,
        updated_at=now,
        simulated=one.is_simulated,
    )
    return incident.model_copy(update={"explanation": explanation_of(incident)})


def _joined(incident: Incident, one: Firing, why: str, now: datetime) -> Incident | None:
    told = one.told
    if place_in(incident, told) is not None:
        return None  # it came with another change
    alerts = (*incident.alerts, told)
    clusters = tuple(dict.fromkeys((*incident.clusters, told.cluster_name)))
    changed = incident.model_copy(
        update={
            "alerts": alerts,
            "clusters": clusters,
            "severity": gravest(alerts),
            "started_at": min(incident.started_at, told.starts_at),
            "timeline": merged(incident.timeline, [fired(told, why)]),
            "simulated": incident.simulated or one.is_simulated,
        }
    )
    return _reopened(changed, now) if incident.state is IncidentState.RESOLVED else changed


def _reopened(incident: Incident, now: datetime) -> Incident:
    """Open again; looked into again, where that was long ago or never came about."""
    found = incident.rca
    is_fresh = found is not None and now - found.as_of < INVESTIGATED_AGAIN_AFTER
    state = incident.investigation if is_fresh else InvestigationState.WAITING
    return incident.model_copy(
        update={
            "state": IncidentState.OPEN,
            "resolved_at": None,
            "investigation": state,
            "timeline": merged(
                incident.timeline, [said(now, "Reopened: it fires again", source="alert")]
            ),
        }
    )


def _again(incident: Incident, told: IncidentAlert) -> Incident | None:
    place = place_in(incident, told)
    if place is None or incident.alerts[place].ends_at is None:
        return None
    alerts = list(incident.alerts)
    alerts[place] = alerts[place].model_copy(update={"ends_at": None})
    changed = incident.model_copy(update={"alerts": tuple(alerts)})
    if incident.state is not IncidentState.RESOLVED or is_resolved_by_person(incident):
        return changed
    return changed.model_copy(update={"state": IncidentState.OPEN, "resolved_at": None})


def _over(
    incident: Incident, over: Sequence[tuple[IncidentAlert, datetime]], now: datetime
) -> Incident:
    """With the ends noted; resolved, where nothing fires any more and nobody resolved it before."""
    alerts = list(incident.alerts)
    entries = list(incident.timeline)
    for gone, at in over:
        for place, one in enumerate(alerts):
            if one.ends_at is None and is_same(one, gone):
                alerts[place] = one.model_copy(update={"ends_at": max(at, one.starts_at)})
                entries.append(ended(alerts[place], max(at, one.starts_at)))
    changed = incident.model_copy(update={"alerts": tuple(alerts), "timeline": merged((), entries)})
    if incident.state is IncidentState.RESOLVED or any(one.ends_at is None for one in alerts):
        return changed
    last = max(one.ends_at for one in alerts if one.ends_at is not None)
    note = said(now, "Resolved by itself: none of its alerts fires any more", source="alert")
    return changed.model_copy(
        update={
            "state": IncidentState.RESOLVED,
            "resolved_at": last,
            "timeline": merged(changed.timeline, [note]),
        }
    )
