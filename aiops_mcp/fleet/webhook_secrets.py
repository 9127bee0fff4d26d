"""Which secret is whose: what a cluster's Alertmanager shows when it sends a webhook.

A secret is random and long, so a plain hash of it tells nothing; only that is stored.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

from aiops_mcp.errors import ClusterNotFound
from aiops_mcp.models.cluster import Cluster
from aiops_mcp.storage.webhook_secrets import WebhookSecretTable

PREFIX = "whs_"
"""Says what it is, to whoever finds one; and none begins like an option."""

GOOD_SECONDS = 5.0
"""A secret that another replica replaced may still be taken so long."""

RELOAD_SECONDS = 1.0
"""A secret nobody knows may be one that another replica just made: look again, so often."""


class WebhookSecrets:
    """``monotonic`` is a clock in seconds that never goes back."""

    def __init__(
        self,
        table: WebhookSecretTable,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self._hashes: Mapping[UUID, str] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def make(self, cluster: Cluster) -> str:
        """A new secret in place of the one there is; told here and never again.

        Raises:
            ClusterNotFound: it was removed meanwhile.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        if not await self._table.put(cluster.id, _hash(secret), self._clock()):
            raise ClusterNotFound(f"The cluster {cluster.name} was removed meanwhile.")
        self._read_at = None
        return secret

    async def remove(self, cluster: Cluster) -> bool:
        """Take no webhooks of this cluster any more; false when none were taken."""
        removed = await self._table.remove(cluster.id)
        self._read_at = None
        return removed

    async def owner(self, secret: str) -> UUID | None:
        """The cluster whose secret it is. All are compared, however early one fits."""
        given = _hash(secret)
        found = _owner(await self._known(GOOD_SECONDS), given)
        return found or _owner(await self._known(RELOAD_SECONDS), given)

    async def clusters(self) -> frozenset[UUID]:
        """Those that have a secret."""
        return frozenset(await self._known(GOOD_SECONDS))

    async def _known(self, age: float) -> Mapping[UUID, str]:
        # Who comes while they are read waits: to take a good secret for a wrong one loses alerts.
        async with self._reading:
            now = self._monotonic()
            if self._read_at is None or now - self._read_at >= age:
                self._hashes = await self._table.all()
                self._read_at = now
            return self._hashes


def _owner(hashes: Mapping[UUID, str], given: str) -> UUID | None:
    found: UUID | None = None
    for cluster_id, known in hashes.items():
        if compare_digest(given, known):
            found = cluster_id
    return found


def _hash(secret: str) -> str:
    return sha256(secret.encode(errors="surrogateescape")).hexdigest()
