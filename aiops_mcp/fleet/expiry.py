"""When credentials stop working, read from what they are: certificates and JWTs. Pure.

Signatures are not checked: the cluster does that. An opaque token or an exec plugin tells nothing.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import yaml
from cryptography import x509

from aiops_mcp.models.cluster import ClusterCredentials


def with_expiry(credentials: ClusterCredentials) -> ClusterCredentials:
    """The credentials with ``expires_at`` filled in, where nobody said it and it can be known."""
    if credentials.expires_at is not None:
        return credentials
    return credentials.model_copy(update={"expires_at": expiry_of(credentials)})


def expiry_of(credentials: ClusterCredentials) -> datetime | None:
    """The earliest end of any certificate or JWT in the credentials."""
    moments = list(_moments(credentials))
    return min(moments) if moments else None


def _moments(credentials: ClusterCredentials) -> Iterator[datetime]:
    tokens = [
        token.get_secret_value()
        for token in (
            credentials.token,
            credentials.prometheus_token,
            credentials.tempo_token,
            credentials.loki_token,
        )
        if token is not None
    ]
    if credentials.kubeconfig is not None:
        user = _current_user(credentials.kubeconfig.get_secret_value())
        if isinstance(user.get("token"), str):
            tokens.append(user["token"])
        certificate = _certificate_end(user.get("client-certificate-data"))
        if certificate is not None:
            yield certificate
    for token in tokens:
        moment = _jwt_end(token)
        if moment is not None:
            yield moment


def _current_user(kubeconfig: str) -> dict[str, Any]:
    """The user of the current context; empty when there is none or this is no kubeconfig."""
    try:
        document: Any = yaml.safe_load(kubeconfig)
        contexts = {entry["name"]: entry["context"] for entry in document["contexts"]}
        users = {entry["name"]: entry["user"] for entry in document["users"]}
        user = users[contexts[document["current-context"]]["user"]]
    except (yaml.YAMLError, KeyError, TypeError, RecursionError):
        return {}
    return cast("dict[str, Any]", user) if isinstance(user, dict) else {}


def _certificate_end(data: object) -> datetime | None:
    if not isinstance(data, str):
        return None
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(data, validate=True))
    except (ValueError, binascii.Error):
        return None
    return certificate.not_valid_after_utc


def _jwt_end(token: str) -> datetime | None:
    """``exp`` of a JWT (RFC 7519)."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims: Any = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(claims["exp"], tz=UTC)
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return None
