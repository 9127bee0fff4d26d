"""Writes health checks: everything that waits goes into one transaction.

Five hundred clusters checked at the same moment cost a few transactions, not five hundred. A check
that says what the last one said rewrites the small status row only; the history gets an entry when
something changed, and otherwise once in ``history_every``.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from aiops_mcp.events.bus import EventBus
from aiops_mcp.fleet import registry_events
from aiops_mcp.models.cluster import ClusterStatus, HealthCheck
from aiops_mcp.models.events import Event
from aiops_mcp.storage.clusters import next_revision
from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.health import (
    StatusRecord,
    StatusWrite,
    append_checks,
    read_statuses,
    write_statuses,
)

_MAX_ERROR = 2000  # characters of an error that are kept


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """One check of one cluster; ``seen``: its API server answered."""

    cluster_id: UUID
    status: ClusterStatus
    latency_ms: float | None = None
    seen: bool = False


@dataclass(slots=True)
class _Batch:
    """What to write for some updates, and whom to tell."""

    known: frozenset[UUID]
    writes: list[StatusWrite] = field(default_factory=list[StatusWrite])
    checks: list[HealthCheck] = field(default_factory=list[HealthCheck])
    events: list[Event] = field(default_factory=list[Event])


def plan_writes(
    updates: Sequence[StatusUpdate],
    stored: Mapping[UUID, StatusRecord],
    *,
    now: datetime,
    history_every: timedelta,
) -> _Batch:
    """What the updates change against what is stored. Pure.

    A cluster that is gone, and a check older than the stored one, change nothing.
    """
    batch = _Batch(frozenset(stored))
    newest: dict[UUID, StatusUpdate] = {}
    for update in updates:
        earlier = newest.get(update.cluster_id)
        if earlier is None or _moment(update, now) >= _moment(earlier, now):
            newest[update.cluster_id] = update
    for update in newest.values():
        old = stored.get(update.cluster_id)
        moment = _moment(update, now)
        if old is None or (old.checked_at is not None and moment < old.checked_at):
            continue
        status = update.status.model_copy(
            update={"checked_at": moment, "last_error": _storable(update.status.last_error)}
        )
        record = _is_news(old, status, moment, history_every)
        batch.writes.append(
            StatusWrite(
                update.cluster_id,
                status,
                last_seen_at=moment if update.seen else old.last_seen_at,
                recorded_at=moment if record else old.recorded_at,
            )
        )
        if record:
            batch.checks.append(_check(update, status, moment))
        if status.state is not old.state:
            batch.events.append(registry_events.status_changed(old, status, moment))
    return batch


def _moment(update: StatusUpdate, now: datetime) -> datetime:
    return update.status.checked_at or now


def _storable(text: str | None) -> str | None:
    """An error's text comes from a cluster: it may be long, or hold what PostgreSQL refuses."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_MAX_ERROR]


def _is_news(old: StatusRecord, new: ClusterStatus, moment: datetime, every: timedelta) -> bool:
    if old.recorded_at is None:
        return True
    if moment <= old.recorded_at:  # one entry a moment
        return False
    same = (old.state, old.health_score, old.last_error) == (
        new.state,
        new.health_score,
        new.last_error,
    )
    return not same or moment - old.recorded_at >= every


def _check(update: StatusUpdate, status: ClusterStatus, moment: datetime) -> HealthCheck:
    return HealthCheck(
        cluster_id=update.cluster_id,
        checked_at=moment,
        state=status.state,
        health_score=status.health_score,
        latency_ms=update.latency_ms,
        reason=status.last_error,
    )


class StatusWriter:
    """Takes checks from many tasks and writes them together. ``written`` is called after each."""

    def __init__(
        self,
        database: Database,
        bus: EventBus,
        *,
        clock: Callable[[], datetime],
        history_every: timedelta,
        written: Callable[[], None],
    ) -> None:
        self._database = database
        self._bus = bus
        self._clock = clock
        self._history_every = history_every
        self._written = written
        self._waiting: list[tuple[Sequence[StatusUpdate], asyncio.Future[frozenset[UUID]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, updates: Sequence[StatusUpdate]) -> frozenset[UUID]:
        """Store the checks; returns the ids that exist. What is stored stays, cancelled or not.

        Raises:
            StorageFailed: none of these checks was stored.
        """
        done: asyncio.Future[frozenset[UUID]] = asyncio.get_running_loop().create_future()
        self._waiting.append((updates, done))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await done

    async def _drain(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                await self._write_together(waiting)
        finally:
            self._task = None

    async def _write_together(
        self, waiting: list[tuple[Sequence[StatusUpdate], asyncio.Future[frozenset[UUID]]]]
    ) -> None:
        updates = [update for batch, _ in waiting for update in batch]
        [outcome] = await asyncio.gather(self._store(updates), return_exceptions=True)
        for _, done in waiting:
            if done.done():
                continue
            if isinstance(outcome, BaseException):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

    async def _store(self, updates: Sequence[StatusUpdate]) -> frozenset[UUID]:
        async with self._database.transaction() as transaction:
            revision = await next_revision(transaction)
            stored = await read_statuses(transaction, [update.cluster_id for update in updates])
            batch = plan_writes(
                updates, stored, now=self._clock(), history_every=self._history_every
            )
            await write_statuses(transaction, batch.writes, revision)
            await append_checks(transaction, batch.checks)
        self._written()
        for event in batch.events:
            await self._bus.publish(event)
        return batch.known
