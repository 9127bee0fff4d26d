"""Secrets of one namespace, by name. Contents are never logged or put in an error."""

from collections.abc import Mapping
from typing import Any

from aiops_mcp.backends.kubernetes import KubernetesClient
from aiops_mcp.errors import BackendRefused


class KubernetesSecrets:
    """Get, put and delete Secrets; needs these verbs on secrets of ``namespace``, not list."""

    def __init__(self, client: KubernetesClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def get_secret(self, name: str) -> Mapping[str, Any] | None:
        """The object, or ``None`` when there is none of this name."""
        try:
            return await self._client.get("secrets", namespace=self._namespace, name=name)
        except BackendRefused as error:
            if error.http_status == 404:
                return None
            raise

    async def put_secret(self, name: str, secret: Mapping[str, Any]) -> None:
        """Create it, or replace the one of this name."""
        metadata: dict[str, Any] = secret.get("metadata") or {}
        named = {**secret, "metadata": {**metadata, "name": name}}
        try:
            await self._client.create("secrets", self._namespace, named)
        except BackendRefused as error:
            if error.http_status != 409:
                raise
            await self._client.replace("secrets", self._namespace, name, named)

    async def delete_secret(self, name: str) -> bool:
        """Delete it; false when there was none."""
        try:
            await self._client.delete("secrets", self._namespace, name)
        except BackendRefused as error:
            if error.http_status == 404:
                return False
            raise
        return True
