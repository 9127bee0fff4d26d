"""Incidents as they are kept: the whole as JSON, beside it what is searched and sorted by.

A change says which revision it is a change of, so that of two at once one is refused.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Text,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from aiops_mcp.models.incident import (
    Incident,
    IncidentFilter,
    IncidentState,
    InvestigationState,
)
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import incidents

LONGEST_KEY = 255
LONGEST_TITLE = 300


class IncidentTable:
    """Reads and writes rows. All methods raise ``StorageFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, incident: Incident, key: str) -> bool:
        """Keep a new incident; false where its id is taken. ``key`` names its trouble."""
        row = {"id": incident.id, "key": key[:LONGEST_KEY], **_row(incident)}
        try:
            async with self._database.transaction() as transaction:
                await transaction.execute(insert(incidents), [row])
        except IntegrityError:
            return False
        return True

    async def update(self, incident: Incident, *, of_revision: int) -> bool:
        """Put an incident in the place of its ``of_revision``; false where that is not it now."""
        async with self._database.transaction() as transaction:
            done = await transaction.execute(
                update(incidents)
                .where(incidents.c.id == incident.id, incidents.c.revision == of_revision)
                .values(_row(incident))
            )
            return done.rowcount > 0

    async def get(self, incident_id: UUID) -> Incident | None:
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(incidents.c.incident).where(incidents.c.id == incident_id)
            )
            row = found.mappings().one_or_none()
        return _incident(row) if row is not None else None

    async def revisions(self, since: datetime) -> dict[UUID, int]:
        """The revision of each incident that is not resolved, or was changed since then."""
        wanted = or_(
            incidents.c.state != IncidentState.RESOLVED.value, incidents.c.updated_at >= since
        )
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(incidents.c.id, incidents.c.revision).where(wanted)
            )
            return {row.id: row.revision for row in found}

    async def page(
        self, wanted: IncidentFilter, *, offset: int, limit: int
    ) -> tuple[tuple[Incident, ...], int]:
        """Some of the incidents wanted, the newest first, and how many there are."""
        where = list(_conditions(wanted))
        async with self._database.read() as transaction:
            total = await transaction.scalar(
                select(func.count()).select_from(incidents).where(*where)
            )
            found = await transaction.execute(
                select(incidents.c.incident)
                .where(*where)
                .order_by(incidents.c.started_at.desc(), incidents.c.id)
                .offset(offset)
                .limit(limit)
            )
            rows = found.mappings().all()
        return tuple(_incident(row) for row in rows), total or 0

    async def investigated_since(self, since: datetime) -> int:
        """How many incidents that were made since then have been, or are being, investigated."""
        async with self._database.read() as transaction:
            count = await transaction.scalar(
                select(func.count())
                .select_from(incidents)
                .where(
                    incidents.c.created_at >= since,
                    incidents.c.investigation != InvestigationState.WAITING.value,
                )
            )
        return count or 0

    async def prune(self, before: datetime) -> int:
        """Forget what nobody touched since then; how many incidents that were."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(
                delete(incidents).where(incidents.c.updated_at < before)
            )
            return gone.rowcount


def _conditions(wanted: IncidentFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(incidents.c.state == wanted.state.value)
    if wanted.severity is not None:
        found.append(incidents.c.severity == wanted.severity.value)
    if wanted.cluster is not None:
        found.append(_is_of(wanted.cluster))
    if wanted.seen is not None:
        # or_ of nothing would let everything pass.
        found.append(or_(incidents.c.id.is_(None), *(_is_of(name) for name in wanted.seen)))
    return found


def _is_of(cluster: str) -> ColumnElement[bool]:
    """Both databases keep a JSON list as its text; names hold nothing that LIKE or JSON escapes."""
    return cast(incidents.c.clusters, Text).contains(f'"{cluster}"', autoescape=True)


def _row(incident: Incident) -> dict[str, Any]:
    return {
        "title": incident.title[:LONGEST_TITLE],
        "severity": incident.severity.value,
        "state": incident.state.value,
        "clusters": list(incident.clusters),
        "started_at": incident.started_at,
        "resolved_at": incident.resolved_at,
        "investigation": incident.investigation.value,
        "incident": incident.model_dump(mode="json"),
        "created_at": incident.created_at,
        "updated_at": incident.updated_at,
        "revision": incident.revision,
    }


def _incident(row: RowMapping) -> Incident:
    return Incident.model_validate(row["incident"])
