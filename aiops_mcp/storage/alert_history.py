"""Occurrences of alerts: when each began and ended, in which cluster. No meaning, only rows.

What belongs to one occurrence is decided above; a transaction that decides holds the cluster's
row, so that two replicas decide one after the other.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from aiops_mcp.storage.engine import Database, Transaction
from aiops_mcp.storage.tables import alert_history, clusters

_AT_ONCE = 500
"""Names in one IN list: what every SQLite takes."""


@dataclass(frozen=True, slots=True)
class OccurrenceRecord:
    """One occurrence; open while ``ends_at`` is None."""

    cluster_id: UUID
    fingerprint: str
    starts_at: datetime
    ends_at: datetime | None
    last_seen_at: datetime
    alertname: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    generator_url: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """An open occurrence that ends."""

    fingerprint: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which occurrences: those that fired at any time between ``since`` and ``until``."""

    cluster_ids: Collection[UUID]
    since: datetime
    until: datetime
    alertname: str | None = None
    severity: str | None = None
    fingerprint: str | None = None
    only_ended: bool = False


@dataclass(frozen=True, slots=True)
class NameCount:
    """How often a kind of alert began in a cluster since a moment."""

    cluster_id: UUID
    alertname: str
    count: int
    last_at: datetime


class AlertHistoryTable:
    """Every method raises StorageFailed when the database refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def deciding(self, cluster_id: UUID) -> AsyncGenerator["Deciding | None", None]:
        """A transaction that nobody else decides in for this cluster; None: it was removed."""
        try:
            async with self._database.transaction() as transaction:
                held = select(clusters.c.id).where(clusters.c.id == cluster_id)
                found = await transaction.scalar(held.with_for_update(key_share=True))
                yield None if found is None else Deciding(transaction, cluster_id)
        except IntegrityError:
            return  # removed meanwhile: its history went with it

    async def open_of(
        self,
        cluster_ids: Collection[UUID],
        *,
        began_since: datetime | None = None,
        alertname: str | None = None,
    ) -> tuple[OccurrenceRecord, ...]:
        """The occurrences that have not ended."""
        if not cluster_ids:
            return ()
        query = select(alert_history).where(
            alert_history.c.ends_at.is_(None), _of_clusters(cluster_ids)
        )
        if began_since is not None:
            query = query.where(alert_history.c.starts_at >= began_since)
        if alertname is not None:
            query = query.where(alert_history.c.alertname == alertname)
        async with self._database.read() as transaction:
            return tuple(_record(row) for row in await transaction.execute(query))

    async def is_known(self, cluster_id: UUID) -> bool:
        """Whether anything is recorded of the cluster."""
        query = select(alert_history.c.fingerprint).where(alert_history.c.cluster_id == cluster_id)
        async with self._database.read() as transaction:
            return await transaction.scalar(query.limit(1)) is not None

    async def touch(
        self, cluster_id: UUID, fingerprints: Sequence[str], last_seen_at: datetime
    ) -> None:
        """Note that these were seen firing."""
        async with self._database.transaction() as transaction:
            for start in range(0, len(fingerprints), _AT_ONCE):
                await transaction.execute(
                    update(alert_history)
                    .where(
                        alert_history.c.cluster_id == cluster_id,
                        alert_history.c.ends_at.is_(None),
                        alert_history.c.fingerprint.in_(fingerprints[start : start + _AT_ONCE]),
                    )
                    .values(last_seen_at=last_seen_at)
                )

    async def page(
        self, wanted: HistoryFilter, *, limit: int, offset: int = 0
    ) -> tuple[tuple[OccurrenceRecord, ...], int]:
        """The newest to begin first, and how many there are in all."""
        if not wanted.cluster_ids:
            return (), 0
        conditions = _conditions(wanted)
        query = _newest_first(select(alert_history).where(*conditions)).limit(limit).offset(offset)
        count = select(func.count()).select_from(alert_history).where(*conditions)
        async with self._database.read() as transaction:
            total = await transaction.scalar(count) or 0
            found = tuple(_record(row) for row in await transaction.execute(query))
        return found, total

    async def counts(self, cluster_ids: Collection[UUID], since: datetime) -> tuple[NameCount, ...]:
        """How often each kind of alert began since then, a cluster."""
        if not cluster_ids:
            return ()
        query = (
            select(
                alert_history.c.cluster_id,
                alert_history.c.alertname,
                func.count(),
                func.max(alert_history.c.starts_at),
            )
            .where(alert_history.c.starts_at >= since, _of_clusters(cluster_ids))
            .group_by(alert_history.c.cluster_id, alert_history.c.alertname)
        )
        async with self._database.read() as transaction:
            return tuple(NameCount(*row) for row in await transaction.execute(query))

    async def last_of(
        self, cluster_ids: Collection[UUID], alertnames: Collection[str]
    ) -> dict[UUID, datetime]:
        """When any alert of these names was last known to fire, by cluster; open ones: just now."""
        if not cluster_ids or not alertnames:
            return {}
        query = (
            select(alert_history.c.cluster_id, func.max(alert_history.c.last_seen_at))
            .where(alert_history.c.alertname.in_(alertnames), _of_clusters(cluster_ids))
            .group_by(alert_history.c.cluster_id)
        )
        async with self._database.read() as transaction:
            return {row[0]: row[1] for row in await transaction.execute(query)}

    async def begins_at(self, cluster_ids: Collection[UUID]) -> datetime | None:
        """The start of the oldest occurrence: how far back the history reaches."""
        if not cluster_ids:
            return None
        query = select(func.min(alert_history.c.last_seen_at)).where(_of_clusters(cluster_ids))
        async with self._database.read() as transaction:
            return await transaction.scalar(query)

    async def prune(self, before: datetime) -> int:
        """Forget what ended before a moment, or was last heard of before it; returns how many."""
        old = or_(
            alert_history.c.ends_at < before,
            and_(alert_history.c.ends_at.is_(None), alert_history.c.last_seen_at < before),
        )
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(delete(alert_history).where(old))
            return gone.rowcount


class Deciding:
    """One cluster's occurrences, within the transaction that changes them."""

    def __init__(self, transaction: Transaction, cluster_id: UUID) -> None:
        self._transaction = transaction
        self._cluster_id = cluster_id

    async def known(
        self, fingerprints: Sequence[str], ended_since: datetime
    ) -> tuple[OccurrenceRecord, ...]:
        """Occurrences of these alerts that are open, or ended at or after ``ended_since``."""
        found: list[OccurrenceRecord] = []
        for start in range(0, len(fingerprints), _AT_ONCE):
            query = select(alert_history).where(
                alert_history.c.cluster_id == self._cluster_id,
                alert_history.c.fingerprint.in_(fingerprints[start : start + _AT_ONCE]),
                or_(
                    alert_history.c.ends_at.is_(None),
                    alert_history.c.ends_at >= ended_since,
                    alert_history.c.starts_at >= ended_since,
                ),
            )
            found += [_record(row) for row in await self._transaction.execute(query)]
        return tuple(found)

    async def begin(self, records: Sequence[OccurrenceRecord]) -> None:
        if records:
            await self._transaction.execute(
                insert(alert_history), [asdict(record) for record in records]
            )

    async def end(self, ends: Sequence[End]) -> None:
        if ends:
            await self._transaction.execute(
                update(alert_history)
                .where(*self._one(), alert_history.c.ends_at.is_(None))
                .values(ends_at=bindparam("new_end"), last_seen_at=bindparam("new_end")),
                [
                    {"of": end.fingerprint, "from": end.starts_at, "new_end": end.ends_at}
                    for end in ends
                ],
            )

    async def reopen(self, keys: Sequence[tuple[str, datetime]], at: datetime) -> None:
        """Take an end back: it fires on, whatever somebody said."""
        if keys:
            await self._transaction.execute(
                update(alert_history).where(*self._one()).values(ends_at=None, last_seen_at=at),
                [{"of": fingerprint, "from": starts_at} for fingerprint, starts_at in keys],
            )

    def _one(self) -> tuple[ColumnElement[bool], ...]:
        return (
            alert_history.c.cluster_id == self._cluster_id,
            alert_history.c.fingerprint == bindparam("of"),
            alert_history.c.starts_at == bindparam("from"),
        )


def _of_clusters(cluster_ids: Collection[UUID]) -> ColumnElement[bool]:
    return alert_history.c.cluster_id.in_(cluster_ids)


def _conditions(wanted: HistoryFilter) -> list[ColumnElement[bool]]:
    columns = alert_history.c
    found = [_of_clusters(wanted.cluster_ids), columns.starts_at <= wanted.until]
    ended_in_time = columns.ends_at >= wanted.since
    is_open = columns.ends_at.is_(None)
    found.append(ended_in_time if wanted.only_ended else or_(is_open, ended_in_time))
    for column, value in (
        (columns.alertname, wanted.alertname),
        (columns.severity, wanted.severity),
        (columns.fingerprint, wanted.fingerprint),
    ):
        if value is not None:
            found.append(column == value)
    return found


def _newest_first(query: "Select[Any]") -> "Select[Any]":
    columns = alert_history.c
    return query.order_by(columns.starts_at.desc(), columns.cluster_id, columns.fingerprint)


def _record(row: "Row[Any]") -> OccurrenceRecord:
    return OccurrenceRecord(*row)  # its fields stand in the order of the columns
