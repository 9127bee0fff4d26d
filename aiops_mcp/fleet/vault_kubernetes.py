"""The vault as Kubernetes Secrets ``cluster-creds-{id}``, for when we run in a cluster.

How the API server is reached is not known here. The Secrets' encryption at rest is that
cluster's (EncryptionConfiguration); who may read them is its RBAC.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from pydantic import ValidationError

from aiops_mcp.errors import CredentialsNotFound, InputError
from aiops_mcp.fleet.vault import WARN_BEFORE, credentials_info
from aiops_mcp.fleet.vault_format import from_plaintext, to_plaintext
from aiops_mcp.models.cluster import ClusterCredentials, CredentialsInfo
from aiops_mcp.storage.engine import Transaction

LABELS = {"app.kubernetes.io/managed-by": "aiops", "app.kubernetes.io/component": "credentials"}
_ANNOTATION = "aiops.io/"
_FIELD = "credentials"
_AT_ONCE = 16  # Secrets read at the same time


class SecretStore(Protocol):
    """Secrets of one namespace, as Kubernetes objects. Raises ``BackendError``."""

    async def get_secret(self, name: str) -> Mapping[str, Any] | None:
        """The object, or ``None`` when there is none of this name."""
        ...

    async def put_secret(self, name: str, secret: Mapping[str, Any]) -> None:
        """Create it, or replace the one of this name."""
        ...

    async def delete_secret(self, name: str) -> bool:
        """Delete it; false when there was none."""
        ...


class KubernetesVault:
    """Credentials as Secrets of one namespace."""

    transactional = False

    def __init__(
        self,
        secrets: SecretStore,
        *,
        clock: Callable[[], datetime],
        warn_before: timedelta = WARN_BEFORE,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._warn_before = warn_before

    async def store(
        self,
        cluster_id: UUID,
        credentials: ClusterCredentials,
        *,
        transaction: Transaction | None = None,
    ) -> None:
        if transaction is not None:
            raise TypeError("Secrets cannot take part in a transaction")
        name = secret_name(cluster_id)
        await self._secrets.put_secret(name, _secret(name, cluster_id, credentials))

    async def load(self, cluster_id: UUID) -> ClusterCredentials:
        secret = await self._secrets.get_secret(secret_name(cluster_id))
        if secret is None:
            raise CredentialsNotFound(
                f"No credentials are stored for cluster {cluster_id}.", "Store credentials for it."
            )
        try:
            plaintext = base64.b64decode(secret["data"][_FIELD], validate=True)
        except (KeyError, TypeError, binascii.Error):
            plaintext = b""
        return from_plaintext(cluster_id, plaintext)

    def about(self, credentials: ClusterCredentials) -> CredentialsInfo:
        return credentials_info(
            credentials.auth_type,
            credentials.created_at,
            credentials.expires_at,
            now=self._clock(),
            warn_before=self._warn_before,
        )

    async def info(self, cluster_id: UUID) -> CredentialsInfo | None:
        secret = await self._secrets.get_secret(secret_name(cluster_id))
        return None if secret is None else self._info(secret)

    async def infos(self, cluster_ids: frozenset[UUID]) -> dict[UUID, CredentialsInfo]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(cluster_id: UUID) -> CredentialsInfo | None:
            async with gate:
                return await self.info(cluster_id)

        ordered = tuple(cluster_ids)
        found = await asyncio.gather(*map(one, ordered))
        return {
            cluster_id: info
            for cluster_id, info in zip(ordered, found, strict=True)
            if info is not None
        }

    def _info(self, secret: Mapping[str, Any]) -> CredentialsInfo | None:
        """From the annotations; ``None`` for a Secret that somebody else made."""
        annotations: Mapping[str, str] = secret["metadata"].get("annotations") or {}
        dates = {
            field: annotations.get(f"{_ANNOTATION}{field.replace('_', '-')}")
            for field in ("auth_type", "created_at", "expires_at")
        }
        try:
            said = CredentialsInfo.model_validate(dates)
        except ValidationError:
            return None
        return credentials_info(
            said.auth_type,
            said.created_at,
            said.expires_at,
            now=self._clock(),
            warn_before=self._warn_before,
        )

    async def delete(self, cluster_id: UUID, *, transaction: Transaction | None = None) -> bool:
        if transaction is not None:
            raise TypeError("Secrets cannot take part in a transaction")
        return await self._secrets.delete_secret(secret_name(cluster_id))

    async def rotate_key(self) -> int:
        raise InputError(
            "These credentials are kept as Kubernetes Secrets; there is no key of ours to rotate.",
            "Rotate the encryption key of that cluster's API server (EncryptionConfiguration).",
        )


def secret_name(cluster_id: UUID) -> str:
    """The name of a cluster's Secret."""
    return f"cluster-creds-{cluster_id}"


def _secret(name: str, cluster_id: UUID, credentials: ClusterCredentials) -> dict[str, Any]:
    sealed = base64.b64encode(to_plaintext(cluster_id, credentials)).decode()
    annotations = {
        f"{_ANNOTATION}auth-type": credentials.auth_type.value,
        f"{_ANNOTATION}created-at": credentials.created_at.isoformat(),
    }
    if credentials.expires_at is not None:
        annotations[f"{_ANNOTATION}expires-at"] = credentials.expires_at.isoformat()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": LABELS, "annotations": annotations},
        "data": {_FIELD: sealed},
    }
