"""What is known of the reports that were made, newest first. Their content is not here."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from aiops_mcp.models.reports import Report, ReportType, TimeRange
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import reports


class ReportTable:
    """Reads and writes rows. All methods raise ``StorageFailed``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, report: Report, *, slot: str | None = None) -> bool:
        """Keep a report; false where the turn ``slot`` of its schedule has one already."""
        row = report.model_dump(exclude={"time_range", "cluster_scope"})
        row |= {
            "report_type": report.report_type.value,
            "format": report.format.value,
            "clusters": list(report.cluster_scope),
            "period_start": report.time_range.start,
            "period_end": report.time_range.end,
            "slot": slot,
        }
        try:
            async with self._database.transaction() as transaction:
                await transaction.execute(insert(reports), [row])
        except IntegrityError:
            return False
        return True

    async def has_slot(self, slot: str) -> bool:
        """Whether a turn of a schedule has its report."""
        async with self._database.read() as transaction:
            found = await transaction.scalar(select(reports.c.id).where(reports.c.slot == slot))
        return found is not None

    async def get(self, report_id: UUID) -> Report | None:
        async with self._database.read() as transaction:
            found = await transaction.execute(select(reports).where(reports.c.id == report_id))
            row = found.mappings().one_or_none()
        return _report(row) if row is not None else None

    async def page(
        self, report_type: ReportType | None, *, now: datetime, offset: int, limit: int | None
    ) -> tuple[tuple[Report, ...], int]:
        """Some of those not expired, newest first, and how many there are; no ``limit``: all."""
        wanted: list[ColumnElement[bool]] = [reports.c.expires_at > now]
        if report_type is not None:
            wanted.append(reports.c.report_type == report_type.value)
        async with self._database.read() as transaction:
            total = await transaction.scalar(
                select(func.count()).select_from(reports).where(*wanted)
            )
            found = await transaction.execute(
                select(reports)
                .where(*wanted)
                .order_by(reports.c.created_at.desc(), reports.c.id)
                .offset(offset)
                .limit(limit)
            )
            rows = found.mappings().all()
        return tuple(_report(row) for row in rows), total or 0

    async def remove(self, report_id: UUID) -> bool:
        """Forget a report; false where there is none."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(delete(reports).where(reports.c.id == report_id))
            return gone.rowcount > 0

    async def expired(self, now: datetime) -> tuple[Report, ...]:
        """The reports whose time is over."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(reports).where(reports.c.expires_at <= now).order_by(reports.c.expires_at)
            )
            rows = found.mappings().all()
        return tuple(_report(row) for row in rows)


def _report(row: RowMapping) -> Report:
    told: dict[str, Any] = dict(row)
    period = TimeRange(start=told.pop("period_start"), end=told.pop("period_end"))
    scope = tuple(told.pop("clusters"))
    del told["slot"]
    return Report(**told, cluster_scope=scope, time_range=period)
