"""Cluster rows, and the count of the registry's writes that tells other processes what changed.

Every write takes its number with ``next_revision`` first: that row's lock puts the writers of all
processes in line, so that a reader who has seen revision n only needs the rows above n.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from aiops_mcp.errors import ClusterAlreadyExists
from aiops_mcp.models.cluster import Cluster, ClusterCapabilities, ClusterEndpoints, ClusterStatus
from aiops_mcp.storage.engine import Transaction
from aiops_mcp.storage.tables import cluster_status, clusters, revisions


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """A stored cluster. ``cluster.endpoints`` are the ``configured`` ones, gaps ``discovered``.

    ``access_revision`` changes whenever how to reach the cluster changes: its URLs or credentials.
    """

    cluster: Cluster
    configured: ClusterEndpoints = field(default_factory=ClusterEndpoints)
    discovered: ClusterEndpoints = field(default_factory=ClusterEndpoints)
    access_revision: int = 0

    def with_cluster(self, **changes: Any) -> "ClusterRecord":
        """The record with changed fields of its cluster, and its endpoints laid over anew."""
        return self._laid_over(self.cluster.model_copy(update=changes))

    def with_endpoints(
        self,
        *,
        configured: ClusterEndpoints | None = None,
        discovered: ClusterEndpoints | None = None,
    ) -> "ClusterRecord":
        """The record with other configured or discovered endpoints."""
        changed = replace(
            self,
            configured=configured or self.configured,
            discovered=discovered or self.discovered,
        )
        return changed._laid_over(changed.cluster)  # noqa: SLF001 (the same class)

    def changed_fields(self, before: "ClusterRecord") -> set[str]:
        """The names of the cluster's fields that differ from before."""
        changed = {
            name
            for name in Cluster.model_fields
            if getattr(before.cluster, name) != getattr(self.cluster, name)
        }
        if (before.configured, before.discovered) != (self.configured, self.discovered):
            changed.add("endpoints")
        return changed

    def _laid_over(self, cluster: Cluster) -> "ClusterRecord":
        endpoints = self.discovered.model_copy(
            update={name: url for name, url in self.configured if url is not None}
        )
        return replace(self, cluster=cluster.model_copy(update={"endpoints": endpoints}))


async def next_revision(transaction: Transaction, *, removes: bool = False) -> int:
    """Take the next write number; other writers of the registry wait until this one is done."""
    values: dict[str, Any] = {"revision": revisions.c.revision + 1}
    if removes:
        values["removed"] = revisions.c.revision + 1
    taken = await transaction.execute(
        update(revisions).values(values).returning(revisions.c.revision)
    )
    return int(taken.scalar_one())


async def revision_now(transaction: Transaction) -> tuple[int, int]:
    """The number of the last write, and of the last one that removed a cluster."""
    row = (await transaction.execute(select(revisions.c.revision, revisions.c.removed))).one()
    return int(row[0]), int(row[1])


async def insert_cluster(transaction: Transaction, record: ClusterRecord, revision: int) -> None:
    """Add a cluster and its status.

    Raises:
        ClusterAlreadyExists: the name is taken; the message names the cluster that has it.
    """
    cluster = record.cluster
    await refuse_taken_name(transaction, cluster.name, cluster.id)
    row = _row(record) | {"id": cluster.id, "revision": revision, "access_revision": revision}
    status = _status_row(cluster) | {"cluster_id": cluster.id, "revision": revision}
    try:
        await transaction.execute(insert(clusters).values(row))
        await transaction.execute(insert(cluster_status).values(status))
    except IntegrityError as error:
        raise ClusterAlreadyExists(
            f"A cluster named {cluster.name} was registered just now.", "Choose another name."
        ) from error


async def refuse_taken_name(transaction: Transaction, name: str, own_id: UUID) -> None:
    """Raise ``ClusterAlreadyExists`` when another cluster has the name."""
    found = await transaction.execute(
        select(clusters.c.id, clusters.c.api_server_url).where(
            clusters.c.name == name, clusters.c.id != own_id
        )
    )
    existing = found.one_or_none()
    if existing is not None:
        raise ClusterAlreadyExists(
            f"A cluster named {name} is registered already "
            f"(id {existing.id}, {existing.api_server_url}).",
            "Choose another name, or update or remove the existing one.",
            details={"name": name, "cluster_id": str(existing.id)},
        )


async def save_cluster(
    transaction: Transaction, record: ClusterRecord, revision: int, *, access: bool
) -> None:
    """Rewrite a cluster's row (not its status); ``access``: how it is reached has changed.

    Raises:
        ClusterAlreadyExists: it was given a name that is taken.
    """
    await refuse_taken_name(transaction, record.cluster.name, record.cluster.id)
    values = _row(record) | {"revision": revision}
    if access:
        values["access_revision"] = revision
    await transaction.execute(
        update(clusters).where(clusters.c.id == record.cluster.id).values(values)
    )


async def touch_access(transaction: Transaction, cluster_id: UUID, revision: int) -> None:
    """Note that the credentials of a cluster changed."""
    await transaction.execute(
        update(clusters)
        .where(clusters.c.id == cluster_id)
        .values(revision=revision, access_revision=revision)
    )


async def delete_cluster(transaction: Transaction, cluster_id: UUID) -> None:
    """Remove a cluster with its status, history, credentials and last-seen answers."""
    await transaction.execute(delete(clusters).where(clusters.c.id == cluster_id))


async def find_cluster(transaction: Transaction, cluster_id: UUID) -> ClusterRecord | None:
    """One cluster by id."""
    found = await transaction.execute(_SELECT.where(clusters.c.id == cluster_id))
    row = found.mappings().one_or_none()
    return None if row is None else _record(row)


async def clusters_since(transaction: Transaction, revision: int) -> list[ClusterRecord]:
    """The clusters that changed, or whose status changed, after a revision (0: all)."""
    found = await transaction.execute(
        _SELECT
        if revision == 0
        else _SELECT.where(
            or_(clusters.c.revision > revision, cluster_status.c.revision > revision)
        )
    )
    return [_record(row) for row in found.mappings()]


async def cluster_ids(transaction: Transaction) -> frozenset[UUID]:
    """The ids of all clusters."""
    return frozenset((await transaction.execute(select(clusters.c.id))).scalars())


_STATUS_FIELDS = tuple(ClusterStatus.model_fields)
_CLUSTER_FIELDS = tuple(
    name
    for name in Cluster.model_fields
    if name not in {"endpoints", "status", "capabilities", "last_seen_at"}
)
_SELECT = select(
    *(clusters.c[name] for name in _CLUSTER_FIELDS),
    clusters.c.endpoints,
    clusters.c.discovered_endpoints,
    clusters.c.capabilities,
    clusters.c.access_revision,
    cluster_status.c.last_seen_at,
    *(cluster_status.c[name] for name in _STATUS_FIELDS),
).join_from(clusters, cluster_status)


def _record(values: RowMapping) -> ClusterRecord:
    cluster = Cluster(
        **{name: values[name] for name in _CLUSTER_FIELDS},
        last_seen_at=values["last_seen_at"],
        status=ClusterStatus(**{name: values[name] for name in _STATUS_FIELDS}),
        capabilities=ClusterCapabilities.model_validate(values["capabilities"]),
    )
    return ClusterRecord(cluster=cluster, access_revision=values["access_revision"]).with_endpoints(
        configured=ClusterEndpoints.model_validate(values["endpoints"]),
        discovered=ClusterEndpoints.model_validate(values["discovered_endpoints"]),
    )


def _row(record: ClusterRecord) -> dict[str, Any]:
    cluster = record.cluster
    return {
        "name": cluster.name,
        "display_name": cluster.display_name,
        "api_server_url": cluster.api_server_url,
        "cluster_type": cluster.cluster_type.value,
        "platform": cluster.platform.value,
        "platform_version": cluster.platform_version,
        "region": cluster.region,
        "environment": cluster.environment.value,
        "labels": cluster.labels,
        "endpoints": record.configured.model_dump(mode="json", exclude_none=True),
        "discovered_endpoints": record.discovered.model_dump(mode="json", exclude_none=True),
        "capabilities": cluster.capabilities.model_dump(mode="json"),
        "created_at": cluster.created_at,
        "updated_at": cluster.updated_at,
    }


def _status_row(cluster: Cluster) -> dict[str, Any]:
    status = cluster.status
    return {
        **{name: getattr(status, name) for name in _STATUS_FIELDS},
        "state": status.state.value,
        "connectivity": status.connectivity.value,
        "last_seen_at": cluster.last_seen_at,
    }
