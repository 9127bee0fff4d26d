"""Incidents: kept, listed, changed by people and by the investigator. Asks no cluster anything.

Every change is made to the newest revision and tried again where another came first, so that
nobody overwrites anybody. What a cluster or a person wrote is cleaned before it is stored.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from aiops_mcp.errors import Conflict, IncidentNotFound
from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet.incident_scope import seen_by
from aiops_mcp.models.chat import Answer
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.models.events import Event, EventType
from aiops_mcp.models.incident import (
    Incident,
    IncidentFilter,
    IncidentNote,
    IncidentState,
    TimelineEntry,
)
from aiops_mcp.models.principal import Principal, Role
from aiops_mcp.redaction import clean_json

SYSTEM = Principal(subject="fleet.incidents", role=Role.ADMIN)
TRIES = 8
MOST_NOTES = 200
MOST_ENTRIES = 300
"""Of one timeline; the oldest go first."""

Step = Callable[[Incident], Incident | None]
"""What becomes of an incident; None: it stays as it is."""
Explain = Callable[[Incident], Awaitable[Answer | None]]


class IncidentRows(Protocol):
    """Where incidents are kept. Every method raises ``StorageFailed``."""

    async def add(self, incident: Incident, key: str) -> bool: ...

    async def update(self, incident: Incident, *, of_revision: int) -> bool: ...

    async def get(self, incident_id: UUID) -> Incident | None: ...

    async def revisions(self, since: datetime) -> dict[UUID, int]: ...

    async def page(
        self, wanted: IncidentFilter, *, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]: ...

    async def investigated_since(self, since: datetime) -> int: ...

    async def prune(self, before: datetime) -> int: ...


class ListedClusters(Protocol):
    """The part of the registry that is needed here."""

    async def list(self, principal: Principal) -> Sequence[Cluster]: ...


class Incidents:
    """``clock`` is the wall clock; what nobody touched for ``keep`` is pruned.

    ``explain`` is the hook of whoever has a language model: asked of each incident that was
    investigated where the setting ``investigate`` is ``model``. Its answer becomes the
    explanation; None, an error or no hook leave that of the templates. It may be set any time.
    """

    def __init__(
        self,
        rows: IncidentRows,
        clusters: ListedClusters,
        bus: EventBus,
        clock: Callable[[], datetime],
        *,
        keep: timedelta,
    ) -> None:
        self._rows = rows
        self._clusters = clusters
        self._bus = bus
        self._clock = clock
        self._keep = keep
        self.explain: Explain | None = None

    # --- reading ----------------------------------------------------------------------------

    async def page(
        self, wanted: IncidentFilter, principal: Principal, *, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        """Some of the incidents that the caller may see, newest first, and how many there are.

        Who sees only some clusters gets each cut down to those.
        """
        narrowed = wanted.model_copy(update={"seen": principal.clusters})
        found, total = await self._rows.page(narrowed, offset=offset, limit=limit)
        known = await self._known(principal)
        told = [seen_by(principal, one, known) for one in found]
        return tuple(one for one in told if one is not None), total

    async def get(self, incident_id: UUID, principal: Principal) -> Incident:
        """One incident, as far as the caller may see it.

        Raises:
            IncidentNotFound: there is none such for this caller.
        """
        found = await self._rows.get(incident_id)
        return await self._told(found, incident_id, principal)

    async def whole(self, incident_id: UUID) -> Incident | None:
        """One incident as it is kept, for the investigator."""
        return await self._rows.get(incident_id)

    async def revisions(self, since: datetime) -> dict[UUID, int]:
        """Revisions of those that are not resolved, or were changed since then."""
        return await self._rows.revisions(since)

    async def investigated_since(self, since: datetime) -> int:
        return await self._rows.investigated_since(since)

    # --- what people do -----------------------------------------------------------------------

    async def acknowledge(
        self, incident_id: UUID, principal: Principal, note: str | None = None
    ) -> Incident:
        """The caller takes it on. Raises Conflict where it is resolved."""

        def step(incident: Incident) -> Incident:
            if incident.state is IncidentState.RESOLVED:
                raise Conflict(
                    "The incident is resolved.",
                    "Reopen it first.",
                    details={"state": incident.state.value},
                )
            return self._by(principal, incident, "acknowledged it", note).model_copy(
                update={"state": IncidentState.ACKNOWLEDGED, "assignee": principal.subject}
            )

        return await self._act(incident_id, principal, step, "acknowledged")

    async def resolve(
        self, incident_id: UUID, principal: Principal, note: str | None = None
    ) -> Incident:
        """The caller says that it is over. One that is already stays as it is, but for the note."""

        def step(incident: Incident) -> Incident | None:
            if incident.state is IncidentState.RESOLVED:
                return self._noted(incident, principal, note) if note else None
            told = self._by(principal, incident, RESOLVED_IT, note)
            at = told.timeline[len(incident.timeline)].timestamp
            return told.model_copy(update={"state": IncidentState.RESOLVED, "resolved_at": at})

        return await self._act(incident_id, principal, step, "resolved")

    async def reopen(
        self, incident_id: UUID, principal: Principal, note: str | None = None
    ) -> Incident:
        """Take back an acknowledgement, or that it is resolved. One that is open stays as it is."""

        def step(incident: Incident) -> Incident | None:
            if incident.state is IncidentState.OPEN:
                return self._noted(incident, principal, note) if note else None
            return self._by(principal, incident, "reopened it", note).model_copy(
                update={"state": IncidentState.OPEN, "resolved_at": None, "assignee": None}
            )

        return await self._act(incident_id, principal, step, "reopened")

    async def note(self, incident_id: UUID, principal: Principal, text: str) -> Incident:
        """Write a note. Raises Conflict where there are too many."""
        return await self._act(
            incident_id, principal, lambda one: self._noted(one, principal, text), "noted"
        )

    # --- what the investigator does -----------------------------------------------------------

    async def add(self, incident: Incident, key: str) -> Incident | None:
        """Keep a new incident, and tell of it; None where its id is taken."""
        kept = _cleaned(incident)
        if not await self._rows.add(kept, key):
            return None
        await self._publish(kept, "opened")
        return kept

    async def change(self, incident_id: UUID, step: Step, what: str) -> Incident:
        """Do ``step`` to the newest revision, and tell ``what`` was done.

        Raises:
            IncidentNotFound: there is none such. Conflict: others change it all the time.
        """
        for _ in range(TRIES):
            incident = await self._rows.get(incident_id)
            if incident is None:
                raise _no_such(incident_id)
            changed = step(incident)
            if changed is None:
                return incident
            kept = _cleaned(
                changed.model_copy(
                    update={
                        "revision": incident.revision + 1,
                        "updated_at": self._clock(),
                        "timeline": changed.timeline[-MOST_ENTRIES:],
                    }
                )
            )
            if await self._rows.update(kept, of_revision=incident.revision):
                await self._publish(kept, what)
                return kept
        raise Conflict("The incident is changed by others all the time.", "Try again.")

    async def prune(self) -> int:
        """Forget what is too old; how many incidents that were."""
        return await self._rows.prune(self._clock() - self._keep)

    # --- how ----------------------------------------------------------------------------------

    async def _act(
        self, incident_id: UUID, principal: Principal, step: Step, what: str
    ) -> Incident:
        await self.get(incident_id, principal)
        changed = await self.change(incident_id, step, what)
        return await self._told(changed, incident_id, principal)

    async def _told(
        self, incident: Incident | None, incident_id: UUID, principal: Principal
    ) -> Incident:
        if incident is not None:
            incident = seen_by(principal, incident, await self._known(principal))
        if incident is None:
            raise _no_such(incident_id)
        return incident

    async def _known(self, principal: Principal) -> frozenset[str]:
        """All clusters, where somebody must not hear of some."""
        if principal.clusters is None:
            return frozenset()
        return frozenset(one.name for one in await self._clusters.list(SYSTEM))

    def _by(self, principal: Principal, incident: Incident, did: str, note: str | None) -> Incident:
        entry = TimelineEntry(
            timestamp=self._clock(), source="person", what=f"{principal.subject} {did}"
        )
        told = incident.model_copy(update={"timeline": (*incident.timeline, entry)})
        return self._noted(told, principal, note) if note else told

    def _noted(self, incident: Incident, principal: Principal, text: str) -> Incident:
        if len(incident.notes) >= MOST_NOTES:
            raise Conflict(
                f"An incident holds {MOST_NOTES} notes.", "Resolve it, or write them elsewhere."
            )
        now = self._clock()
        note = IncidentNote(author=principal.subject, text=text, created_at=now)
        first = text.strip().splitlines()[0][:200] if text.strip() else ""
        entry = TimelineEntry(
            timestamp=now, source="person", what=f"{principal.subject} noted: {first}"
        )
        return incident.model_copy(
            update={"notes": (*incident.notes, note), "timeline": (*incident.timeline, entry)}
        )

    async def _publish(self, incident: Incident, what: str) -> None:
        """Of one cluster it is its event; of several it goes to those who see the whole fleet."""
        only = incident.clusters[0] if len(incident.clusters) == 1 else None
        ids = {one.name: one.id for one in await self._clusters.list(SYSTEM)} if only else {}
        await self._bus.publish(
            Event(
                event_id=uuid4(),
                event_type=EventType.INCIDENT_UPDATED,
                source="fleet.incidents",
                cluster_id=ids.get(only or ""),
                cluster_name=only,
                timestamp=incident.updated_at,
                payload={
                    "incident_id": str(incident.id),
                    "change": what,
                    "title": incident.title,
                    "state": incident.state.value,
                    "severity": incident.severity.value,
                    "investigation": incident.investigation.value,
                    "assignee": incident.assignee,
                    "revision": incident.revision,
                },
            )
        )


RESOLVED_IT = "resolved it"


def is_resolved_by_person(incident: Incident) -> bool:
    """Whether somebody said that it is over, rather than its alerts."""
    last = [one for one in incident.timeline if one.timestamp == incident.resolved_at]
    return any(one.source == "person" and one.what.endswith(RESOLVED_IT) for one in last)


def _cleaned(incident: Incident) -> Incident:
    return Incident.model_validate(clean_json(incident.model_dump(mode="json")))


def _no_such(incident_id: UUID) -> IncidentNotFound:
    return IncidentNotFound(
        f"There is no incident '{incident_id}'.", "List them with `aiops incidents`."
    )
