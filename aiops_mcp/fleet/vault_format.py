"""How credentials are written inside the vault's sealed bytes. Pure; the bytes are secret.

The cluster's id is sealed in, so that a row moved to another cluster does not open there.
"""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import SecretStr, ValidationError

from aiops_mcp.errors import CredentialsNotFound
from aiops_mcp.models.cluster import ClusterCredentials


def to_plaintext(cluster_id: UUID, credentials: ClusterCredentials) -> bytes:
    """The credentials with their secrets in the clear, as JSON."""
    fields = {name: _revealed(value) for name, value in credentials}
    return orjson.dumps({"cluster_id": str(cluster_id), "credentials": fields})


def _revealed(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        named = cast("Mapping[str, object]", value)
        return {key: _revealed(inner) for key, inner in named.items()}
    return value


def from_plaintext(cluster_id: UUID, plaintext: bytes) -> ClusterCredentials:
    """The credentials sealed for this cluster.

    Raises:
        CredentialsNotFound: not what ``to_plaintext`` wrote, or for another cluster. The cause is
            left out on purpose: it would hold the plaintext.
    """
    try:
        sealed: Any = orjson.loads(plaintext)
        if sealed["cluster_id"] == str(cluster_id):
            return ClusterCredentials.model_validate(sealed["credentials"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError):
        pass
    raise CredentialsNotFound(
        f"What is stored as credentials of cluster {cluster_id} is not its credentials.",
        "Store the credentials of this cluster again.",
    )
