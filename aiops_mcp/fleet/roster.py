"""All clusters in memory, kept in step with the database.

A snapshot stands for ``max_age`` seconds, or until this process writes; then only the rows that
changed since are read, so that what another process wrote is seen too. While the database is away
the last snapshot stands for ``grace`` seconds: losing it does not lose the fleet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from aiops_mcp.errors import StorageFailed
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.storage.clusters import ClusterRecord, cluster_ids, clusters_since, revision_now
from aiops_mcp.storage.engine import Database

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The clusters at one moment; ``clusters`` is in the order of names."""

    revision: int = 0
    removed: int = 0
    by_id: Mapping[UUID, ClusterRecord] = field(default_factory=dict[UUID, ClusterRecord])
    by_name: Mapping[str, ClusterRecord] = field(default_factory=dict[str, ClusterRecord])
    clusters: tuple[Cluster, ...] = ()


def snapshot_of(records: Iterable[ClusterRecord], revision: int, removed: int) -> Snapshot:
    """A snapshot of these clusters."""
    ordered = sorted(records, key=lambda record: record.cluster.name)
    return Snapshot(
        revision=revision,
        removed=removed,
        by_id={record.cluster.id: record for record in ordered},
        by_name={record.cluster.name: record for record in ordered},
        clusters=tuple(record.cluster for record in ordered),
    )


class Roster:
    """The current snapshot. ``monotonic`` is a clock in seconds that never goes back."""

    def __init__(
        self,
        database: Database,
        *,
        monotonic: Callable[[], float],
        max_age: float = 1.0,
        grace: float = 300.0,
    ) -> None:
        self._database = database
        self._monotonic = monotonic
        self._max_age = max_age
        self._grace = grace
        self._snapshot = Snapshot()
        self._good_until: float | None = None
        self._writes = 0
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    @property
    def latest(self) -> Snapshot:
        """The last snapshot read, however old; empty before the first."""
        return self._snapshot

    def forget(self) -> None:
        """Something was written: look before the next answer."""
        self._good_until = None
        self._writes += 1

    async def current(self) -> Snapshot:
        """A snapshot no older than ``max_age`` and with all our own writes.

        Raises:
            StorageFailed: the database is away, and has been for longer than ``grace``.
        """
        if self._is_good():
            return self._snapshot
        async with self._reading:
            if not self._is_good():
                await self._refresh()
            return self._snapshot

    def _is_good(self) -> bool:
        return self._good_until is not None and self._monotonic() < self._good_until

    async def _refresh(self) -> None:
        now, writes = self._monotonic(), self._writes
        self._good_until = None  # who asks meanwhile waits, or would miss what was just written
        good_for = self._max_age
        try:
            self._snapshot = await self._read(self._snapshot)
        except StorageFailed as error:
            if self._read_at is None or now - self._read_at > self._grace:
                raise
            good_for = max(self._max_age, 5.0)  # do not try at every call
            _log.warning("the list of clusters is as of %.0f s ago: %s", now - self._read_at, error)
        else:
            self._read_at = now
        if writes == self._writes:  # else something was written during the reading
            self._good_until = now + good_for

    async def _read(self, known: Snapshot) -> Snapshot:
        async with self._database.read() as transaction:
            revision, removed = await revision_now(transaction)
            if revision == known.revision and self._read_at is not None:
                return known
            if revision < known.revision:  # restored from a backup under our feet
                known = Snapshot()
            changed = await clusters_since(transaction, known.revision)
            records = dict(known.by_id)
            records.update((record.cluster.id, record) for record in changed)
            if removed != known.removed:
                living = await cluster_ids(transaction)
                records = {key: record for key, record in records.items() if key in living}
        return snapshot_of(records.values(), revision, removed)
