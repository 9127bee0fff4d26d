"""Health as last checked, and its history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from aiops_mcp.models.cluster import ClusterState, ClusterStatus, HealthCheck
from aiops_mcp.storage.engine import Transaction
from aiops_mcp.storage.tables import cluster_status, clusters, health_checks


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """The stored status of a cluster; ``recorded_at`` is its newest entry in the history."""

    cluster_id: UUID
    cluster_name: str
    state: ClusterState
    health_score: int
    last_error: str | None
    checked_at: datetime | None
    last_seen_at: datetime | None
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatusWrite:
    """A status to store, with the dates that go with it."""

    cluster_id: UUID
    status: ClusterStatus
    last_seen_at: datetime | None
    recorded_at: datetime | None


async def read_statuses(
    transaction: Transaction, cluster_ids: Sequence[UUID]
) -> dict[UUID, StatusRecord]:
    """The stored statuses; a cluster that is gone is left out."""
    found = await transaction.execute(
        select(
            cluster_status.c.cluster_id,
            clusters.c.name,
            cluster_status.c.state,
            cluster_status.c.health_score,
            cluster_status.c.last_error,
            cluster_status.c.checked_at,
            cluster_status.c.last_seen_at,
            cluster_status.c.recorded_at,
        )
        .join_from(cluster_status, clusters)
        .where(cluster_status.c.cluster_id.in_(cluster_ids))
    )
    return {
        row[0]: StatusRecord(row[0], row[1], ClusterState(row[2]), *tuple(row)[3:]) for row in found
    }


_WRITE = (
    update(cluster_status)
    .where(cluster_status.c.cluster_id == bindparam("for_cluster"))
    .values({name: bindparam(f"new_{name}") for name in ClusterStatus.model_fields})
    .values(
        last_seen_at=bindparam("new_last_seen_at"),
        recorded_at=bindparam("new_recorded_at"),
        revision=bindparam("new_revision"),
    )
)


async def write_statuses(
    transaction: Transaction, writes: Sequence[StatusWrite], revision: int
) -> None:
    """Store statuses in one statement."""
    if writes:
        await transaction.execute(_WRITE, [_parameters(write, revision) for write in writes])


def _parameters(write: StatusWrite, revision: int) -> dict[str, Any]:
    status = write.status
    values = {f"new_{name}": getattr(status, name) for name in ClusterStatus.model_fields}
    return values | {
        "for_cluster": write.cluster_id,
        "new_state": status.state.value,
        "new_connectivity": status.connectivity.value,
        "new_last_seen_at": write.last_seen_at,
        "new_recorded_at": write.recorded_at,
        "new_revision": revision,
    }


async def append_checks(transaction: Transaction, checks: Sequence[HealthCheck]) -> None:
    """Add entries to the history; their moments must be new for their clusters."""
    if checks:
        await transaction.execute(
            insert(health_checks),
            [check.model_dump() | {"state": check.state.value} for check in checks],
        )


async def read_checks(
    transaction: Transaction, cluster_id: UUID, since: datetime, limit: int
) -> tuple[HealthCheck, ...]:
    """The newest ``limit`` entries of a cluster from ``since`` on, oldest first."""
    found = await transaction.execute(
        select(health_checks)
        .where(health_checks.c.cluster_id == cluster_id, health_checks.c.checked_at >= since)
        .order_by(health_checks.c.checked_at.desc())
        .limit(limit)
    )
    checks = [HealthCheck.model_validate(dict(row)) for row in found.mappings()]
    return tuple(reversed(checks))


async def delete_checks(transaction: Transaction, before: datetime) -> int:
    """Forget what is older; returns how many entries went."""
    gone = await transaction.execute(
        delete(health_checks).where(health_checks.c.checked_at < before)
    )
    return gone.rowcount
