"""Credential rows: ciphertext and dates. What a credential says is known to the vault alone."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.storage.engine import Transaction
from aiops_mcp.storage.tables import credentials


@dataclass(frozen=True, slots=True)
class CredentialsRecord:
    """What is stored of a cluster's credentials."""

    cluster_id: UUID
    ciphertext: bytes = field(repr=False)
    auth_type: str
    created_at: datetime
    expires_at: datetime | None


async def put_credentials(transaction: Transaction, record: CredentialsRecord) -> None:
    """Store or replace a cluster's credentials.

    Raises:
        ClusterNotFound: there is no such cluster.
    """
    await delete_credentials(transaction, record.cluster_id)
    try:
        await transaction.execute(
            insert(credentials).values(
                cluster_id=record.cluster_id,
                ciphertext=record.ciphertext,
                auth_type=record.auth_type,
                created_at=record.created_at,
                expires_at=record.expires_at,
            )
        )
    except IntegrityError as error:
        raise ClusterNotFound(
            f"No cluster has the id {record.cluster_id}.", "Register it first."
        ) from error


async def read_credentials(transaction: Transaction, cluster_id: UUID) -> CredentialsRecord | None:
    """A cluster's stored credentials."""
    found = await transaction.execute(
        select(credentials).where(credentials.c.cluster_id == cluster_id)
    )
    row = found.mappings().one_or_none()
    return None if row is None else CredentialsRecord(**row)


async def all_credentials(transaction: Transaction) -> list[CredentialsRecord]:
    """Every cluster's stored credentials."""
    found = await transaction.execute(select(credentials).order_by(credentials.c.cluster_id))
    return [CredentialsRecord(**row) for row in found.mappings()]


async def replace_ciphertexts(transaction: Transaction, new: dict[UUID, bytes]) -> None:
    """Exchange ciphertexts, nothing else."""
    if new:
        rows: list[dict[str, Any]] = [
            {"for_cluster": cluster_id, "new_ciphertext": ciphertext}
            for cluster_id, ciphertext in new.items()
        ]
        await transaction.execute(
            update(credentials)
            .where(credentials.c.cluster_id == bindparam("for_cluster"))
            .values(ciphertext=bindparam("new_ciphertext")),
            rows,
        )


async def delete_credentials(transaction: Transaction, cluster_id: UUID) -> bool:
    """Forget a cluster's credentials; false when there were none."""
    gone = await transaction.execute(
        delete(credentials).where(credentials.c.cluster_id == cluster_id)
    )
    return gone.rowcount > 0
