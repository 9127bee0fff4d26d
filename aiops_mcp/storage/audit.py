"""The audit records in the database, newest first. Who writes them is ``fleet/auditing.py``."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select

from aiops_mcp.models.audit import AuditFilter, AuditRecord
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import audit


class AuditTable:
    """Reads and writes records. All methods raise ``StorageFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[AuditRecord]) -> None:
        """Write records, all or none."""
        rows = [{**dict(record), "clusters": list(record.clusters)} for record in records]
        async with self._database.transaction() as transaction:
            await transaction.execute(insert(audit), rows)

    async def page(
        self, wanted: AuditFilter, *, offset: int, limit: int
    ) -> tuple[tuple[AuditRecord, ...], int]:
        """Some of the records, newest first, and how many there are."""
        conditions = _conditions(wanted)
        columns = [column for column in audit.c if column.name != "id"]
        async with self._database.read() as transaction:
            total = await transaction.scalar(
                select(func.count()).select_from(audit).where(*conditions)
            )
            rows = await transaction.execute(
                select(*columns)
                .where(*conditions)
                .order_by(audit.c.at.desc(), audit.c.id.desc())
                .offset(offset)
                .limit(limit)
            )
            records = tuple(AuditRecord.model_validate(dict(row)) for row in rows.mappings())
        return records, total or 0

    async def prune(self, before: datetime) -> int:
        """Forget what is older; how many records that were."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(delete(audit).where(audit.c.at < before))
            return gone.rowcount


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    equal = ("subject", "operation", "surface", "effect", "outcome", "trace_id")
    found: list[ColumnElement[bool]] = [
        audit.c[name] == value for name in equal if (value := getattr(wanted, name)) is not None
    ]
    if wanted.since is not None:
        found.append(audit.c.at >= wanted.since)
    if wanted.until is not None:
        found.append(audit.c.at < wanted.until)
    return found
