"""Hashes of the webhook secrets, one a cluster. Holds no secret."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from aiops_mcp.storage.engine import Database
from aiops_mcp.storage.tables import webhook_secrets
from aiops_mcp.storage.upsert import upsert


class WebhookSecretTable:
    """Every method raises StorageFailed when the database refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, cluster_id: UUID, secret_hash: str, at: datetime) -> bool:
        """Keep a cluster's hash in place of the one it has; false when the cluster is gone."""
        row = {"cluster_id": cluster_id, "hash": secret_hash, "created_at": at}
        try:
            async with self._database.transaction() as transaction:
                return await upsert(transaction, webhook_secrets, row, keys=("cluster_id",))
        except IntegrityError:
            return False

    async def remove(self, cluster_id: UUID) -> bool:
        """Forget a cluster's hash; false when it had none."""
        async with self._database.transaction() as transaction:
            gone = await transaction.execute(
                delete(webhook_secrets).where(webhook_secrets.c.cluster_id == cluster_id)
            )
            return gone.rowcount > 0

    async def all(self) -> dict[UUID, str]:
        """Every hash, by cluster."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                select(webhook_secrets.c.cluster_id, webhook_secrets.c.hash)
            )
            return {row[0]: row[1] for row in found}
