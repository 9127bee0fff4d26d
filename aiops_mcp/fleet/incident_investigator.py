"""Looks into alerts by itself: makes incidents of them, asks why, tells, and lets a model explain.

Woken by ALERT_FIRED and ALERT_RESOLVED of all replicas; the one that holds the lease works. One
investigation goes at a time, at most so many an hour. What a killed process left RUNNING is taken
up again by whoever holds the lease next.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiops_mcp.errors import AiopsError, StorageFailed
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.incident_intake import IncidentIntake
from aiops_mcp.fleet.incident_joining import RANK, REOPENS
from aiops_mcp.fleet.incident_text import FAILED, merged, said
from aiops_mcp.fleet.incidents import Incidents
from aiops_mcp.fleet.rca_told import rca_event
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.incident import Incident, IncidentState, InvestigationState

if TYPE_CHECKING:
    from aiops_mcp.fleet.incident_inquiry import Found

_log = logging.getLogger(__name__)

LOOK_EVERY: Final = 10.0
"""Shorter than a lease lasts."""
PAUSE: Final = 1.0
"""Alerts of one trouble come in a burst: one look sees them all."""
INVESTIGATION_SECONDS: Final = 240.0
EXPLANATION_SECONDS: Final = 600.0
TRY_AGAIN_AFTER: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
MODEL: Final = "model"

Inquire = Callable[[Incident], Awaitable["Found"]]


@dataclass(frozen=True, slots=True)
class InvestigatorRules:
    """``per_hour`` investigations at most; ``uses_model``: a model explains what was found."""

    per_hour: int
    uses_model: bool = False
    look_every: float = LOOK_EVERY
    pause: float = PAUSE


class Investigator:
    """``run`` works until cancelled; ``ours`` says whether this replica is the one to work."""

    def __init__(
        self,
        incidents: Incidents,
        intake: IncidentIntake,
        inquire: Inquire,
        bus: EventBus,
        clock: Callable[[], datetime],
        rules: InvestigatorRules,
        *,
        ours: Callable[[], Awaitable[bool]],
    ) -> None:
        self._incidents = incidents
        self._intake = intake
        self._inquire = inquire
        self._bus = bus
        self._clock = clock
        self._rules = rules
        self._ours = ours
        self._wake = asyncio.Event()
        self._works = False
        self._work: asyncio.Task[None] | None = None
        self._begun: deque[datetime] = deque()
        self._told_of_limit = False

    async def run(self) -> None:
        """Look whenever an alert begins or ends, and now and then; until cancelled."""
        unsubscribe = self._bus.subscribe(self._hear)
        try:
            while True:
                try:
                    await self.look_once()
                except AiopsError as error:
                    _log.warning("incidents have to wait: %s", error)
                await asyncio.sleep(self._rules.pause)
                await self._woken()
        finally:
            unsubscribe()
            await self._stop()

    async def look_once(self) -> None:
        """Take in what is new, and start an investigation where one is due."""
        if not await self._ours():
            await self._stop()
            return
        await self._intake.refresh()
        if not self._works:
            await self._take_over()
        await self._intake.look(may_wait=self._has_budget())
        if self._work is None or self._work.done():
            await self._leave_what_is_over()
            self._work = self._next_work()

    async def settled(self) -> None:
        """Return when the investigation that goes on is done."""
        if self._work is not None:
            await asyncio.wait({self._work})

    # --- when -------------------------------------------------------------------------------

    async def _hear(self, event: Event) -> None:
        if event.event_type in (EventType.ALERT_FIRED, EventType.ALERT_RESOLVED):
            self._wake.set()

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(self._rules.look_every):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _take_over(self) -> None:
        """Begin to work: what another process was at when it went is to be done again."""
        now = self._clock()
        count = await self._incidents.investigated_since(now - HOUR)
        self._begun = deque([now] * count)
        for incident in list(self._intake.known.values()):
            if incident.investigation is InvestigationState.RUNNING:
                self._intake.known[incident.id] = await self._incidents.change(
                    incident.id,
                    lambda held: _waits(held, now),
                    "investigation interrupted",
                )
        self._works = True

    async def _stop(self) -> None:
        self._works = False
        self._intake.forget()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
            self._work = None

    # --- what -------------------------------------------------------------------------------

    def _has_budget(self) -> bool:
        since = self._clock() - HOUR
        while self._begun and self._begun[0] <= since:
            self._begun.popleft()
        return len(self._begun) < self._rules.per_hour

    def _next_work(self) -> "asyncio.Task[None] | None":
        waiting = [one for one in self._intake.known.values() if self._is_due(one)]
        if waiting and self._has_budget():
            self._told_of_limit = False
            chosen = min(waiting, key=_urgency)
            return asyncio.create_task(self._safely(chosen, self._investigate))
        if waiting and not self._told_of_limit:
            self._told_of_limit = True
            _log.warning(
                "%d incidents wait: %d investigations an hour are allowed "
                "(AIOPS_INVESTIGATE_PER_HOUR)",
                len(waiting),
                self._rules.per_hour,
            )
        unexplained = [one for one in self._intake.known.values() if self._wants_model(one)]
        if unexplained:
            chosen = min(unexplained, key=_urgency)
            return asyncio.create_task(self._safely(chosen, self._explain))
        return None

    async def _leave_what_is_over(self) -> None:
        for one in list(self._intake.known.values()):
            is_waiting = one.investigation is InvestigationState.WAITING
            if is_waiting and not self._is_due(one):
                await self._fail(one, "it was over before its turn came")

    def _is_due(self, incident: Incident) -> bool:
        now = self._clock()
        is_over = incident.state is IncidentState.RESOLVED
        if is_over and now - (incident.resolved_at or now) > REOPENS:
            return False
        if incident.investigation is InvestigationState.WAITING:
            return True
        if incident.investigation is not InvestigationState.FAILED or is_over:
            return False
        failures = [one.timestamp for one in incident.timeline if one.what.startswith(FAILED)]
        return len(failures) == 1 and now - failures[0] >= TRY_AGAIN_AFTER

    def _wants_model(self, incident: Incident) -> bool:
        return (
            self._rules.uses_model
            and self._incidents.explain is not None
            and incident.investigation is InvestigationState.DONE
            and incident.answer is None
            and incident.rca is not None
            and not _is_explained(incident)
        )

    async def _safely(
        self, incident: Incident, work: Callable[[Incident], Awaitable[None]]
    ) -> None:
        try:
            await work(incident)
        except AiopsError as error:
            # It stays RUNNING or WAITING in the database, and is taken up by the next look.
            _log.warning("the incident %s has to wait: %s", incident.id, error)
            self._works = False
        finally:
            self._wake.set()

    async def _investigate(self, incident: Incident) -> None:
        from aiops_mcp.fleet.incident_inquiry import investigated

        now = self._clock()
        self._begun.append(now)
        running = await self._change(
            incident, lambda held: _to(held, InvestigationState.RUNNING), "investigation began"
        )
        try:
            async with asyncio.timeout(INVESTIGATION_SECONDS):
                found = await self._inquire(running)
        except StorageFailed:
            raise
        except AiopsError as error:
            await self._fail(running, error.message)
        except TimeoutError:
            await self._fail(running, f"no answer within {INVESTIGATION_SECONDS:g} s")
        except Exception:  # noqa: BLE001 - one incident must never end the watch over others
            _log.exception("the investigation of %s broke", incident.id)
            await self._fail(running, "a defect of this program; its log tells")
        else:
            done = await self._change(
                running, lambda held: investigated(held, found), "investigated"
            )
            await self._bus.publish(_complete(done))
            self._intake.learn(found.together)
            await self._intake.fold(done)

    async def _fail(self, incident: Incident, reason: str) -> None:
        entry = said(self._clock(), f"{FAILED}{reason}")
        await self._change(
            incident,
            lambda held: _to(held, InvestigationState.FAILED).model_copy(
                update={"timeline": merged(held.timeline, [entry])}
            ),
            "investigation failed",
        )

    async def _explain(self, incident: Incident) -> None:
        explain = self._incidents.explain
        if explain is None:
            return
        answer, told = None, "No model explained it"
        try:
            async with asyncio.timeout(EXPLANATION_SECONDS):
                answer = await explain(incident)
        except AiopsError as error:
            told = f"{told}: {error.code}"
        except TimeoutError:
            told = f"{told}: no answer within {EXPLANATION_SECONDS:g} s"
        except Exception:  # noqa: BLE001 - what a model brings must never end the watch
            _log.exception("the explanation of %s broke", incident.id)
        if answer is not None:
            told = f"Explained by {answer.model or 'a model'}"
        entry = said(self._clock(), told, source=MODEL)
        more = {"answer": answer, "explanation": answer.text} if answer is not None else {}
        await self._change(
            incident,
            lambda held: held.model_copy(
                update={**more, "timeline": merged(held.timeline, [entry])}
            ),
            "explained",
        )

    async def _change(
        self, incident: Incident, step: Callable[[Incident], Incident | None], what: str
    ) -> Incident:
        changed = await self._incidents.change(incident.id, step, what)
        self._intake.known[incident.id] = changed
        return changed


# --- pure ------------------------------------------------------------------------------------


def _urgency(incident: Incident) -> tuple[bool, int, datetime]:
    is_over = incident.state is IncidentState.RESOLVED
    return (is_over, RANK[incident.severity], incident.created_at)


def _to(incident: Incident, state: InvestigationState) -> Incident:
    return incident.model_copy(update={"investigation": state})


def _waits(incident: Incident, now: datetime) -> Incident | None:
    if incident.investigation is not InvestigationState.RUNNING:
        return None
    entry = said(now, "The investigation was interrupted and is taken up again")
    return _to(incident, InvestigationState.WAITING).model_copy(
        update={"timeline": merged(incident.timeline, [entry])}
    )


def _is_explained(incident: Incident) -> bool:
    """Whether a model was asked since it was last investigated."""
    since = incident.rca.as_of if incident.rca else incident.created_at
    return any(one.source == MODEL and one.timestamp >= since for one in incident.timeline)


def _complete(incident: Incident) -> Event:
    assert incident.rca is not None  # noqa: S101 - it has just been found
    return rca_event(
        incident.rca,
        source="fleet.incident_investigator",
        incident_id=str(incident.id),
        title=incident.title,
    )
